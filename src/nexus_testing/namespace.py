"""Makes ``import nexus`` find the in-memory framework, or adds ``nexus.testing`` to the real one."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

from .aliases import alias_spec
from .errors import NamespaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from pathlib import Path
    from types import ModuleType

__all__ = ("NAMESAKE", "install", "namesake", "platform_installed", "refuse_other")

PLATFORM = "nexus-platform"
NAMESAKE = "pytest-nexus"


def platform_installed() -> bool:
    """Say whether the real framework is installed."""
    try:
        importlib.metadata.distribution(PLATFORM)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def namesake() -> str | None:
    """Return the folder of an unrelated distribution that brings a module of our name, if one is installed."""
    try:
        other = importlib.metadata.distribution(NAMESAKE)
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in other.files or ():
        if file.parts[0] == "pytest_nexus" or file.parts == ("pytest_nexus.py",):
            return str(other.locate_file("pytest_nexus"))
    return None


class NexusFinder(MetaPathFinder):
    """Answers for ``nexus`` and what is below it, and for nothing else.

    Args:
        whole: Whether the whole framework is ours; if not, only ``nexus.testing`` is.
        alone: Whether another package called ``nexus`` is an error: not where ours stands before the real one.
    """

    def __init__(self, *, whole: bool, alone: bool = True) -> None:
        self.whole = whole
        self._alone = alone

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the import system's signature
        target: ModuleType | None = None,  # noqa: ARG002 - as above
    ) -> ModuleSpec | None:
        """Answer the import system."""
        if fullname == "nexus":
            if not self.whole:
                return None
            if self._alone:
                refuse_other()
            return alias_spec("nexus", "nexus_testing.nexus")
        if not fullname.startswith("nexus."):
            return None
        below = fullname[len("nexus.") :]
        if below == "testing" or below.startswith("testing."):
            return alias_spec(fullname, "nexus_testing" + below[len("testing") :])
        return alias_spec(fullname, f"nexus_testing.nexus.{below}") if self.whole else None


def refuse_other(extra: Sequence[Path] = ()) -> None:
    """Refuse a package called ``nexus`` that is neither ours nor the real framework.

    Args:
        extra: Folders to look in besides those of `sys.path`.

    Raises:
        NamespaceError: It names the package's path.
    """
    found = sys.modules.get("nexus")
    origin = getattr(found, "__file__", None) if found is not None else None
    if found is None or found.__name__ == "nexus_testing.nexus":
        spec = PathFinder.find_spec("nexus", [*sys.path, *map(str, extra)])
        # A bare folder has no file of its own; it is nobody's package, and ours wins.
        origin = spec.origin if spec is not None and spec.has_location else None
    if origin is not None:
        raise NamespaceError(
            "Another package is called 'nexus', so plugins would import that instead of the framework.",
            where=origin,
            why=f"the harness stands in for {PLATFORM!r}, which is not installed, and both want the name",
            fix="Rename that package, take its folder off the path, or run pytest with -p no:nexus_testing.",
        )


_installed: NexusFinder | None = None


def install(backend: str = "auto", *, look_in: Sequence[Path] = ()) -> Callable[[], None]:
    """Make ``import nexus`` work as it does under pytest; return the undo.

    Args:
        backend: "embedded" for the in-memory framework, "platform" for the real one; "auto" for that where it is
            installed.
        look_in: Folders in which another package called ``nexus`` would be found later on.

    Raises:
        NamespaceError: If something else is called ``nexus`` already, or the real one is not installed.
    """
    global _installed  # noqa: PLW0603 - there is one import system in a process
    if backend == "platform" and not platform_installed():
        raise NamespaceError(
            f"The backend 'platform' runs plugins on {PLATFORM}, which is not installed.",
            fix="Install it: python -m pip install 'nexus-testing[platform]'\nor run the plugins in memory: "
            "--nexus-backend embedded.",
        )
    whole = backend != "platform" and (backend == "embedded" or not platform_installed())
    if _installed is not None:
        if _installed.whole is whole:
            return lambda: None
        raise NamespaceError(
            "`import nexus` was decided already in this process, the other way.",
            why=f"it stands for {'the in-memory framework' if _installed.whole else PLATFORM}",
            fix="Use a process of its own for the other backend.",
        )
    alone = whole and not (backend == "embedded" and platform_installed())
    if alone:
        refuse_other(look_in)
    finder = NexusFinder(whole=whole, alone=alone)
    sys.meta_path.insert(0, finder)
    importlib.invalidate_caches()
    _installed = finder

    def undo() -> None:
        global _installed  # noqa: PLW0603 - as above
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
        _installed = None
        for name in [name for name in sys.modules if name == "nexus" or name.startswith("nexus.")]:
            if getattr(sys.modules[name], "__name__", "").startswith("nexus_testing"):
                del sys.modules[name]

    return undo
