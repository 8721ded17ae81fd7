"""A package called `plugins` that no working directory brings: what the framework imports its plugins from."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...aliases import alias_spec
from ...runtime.discovery import current_project
from ...runtime.importer import finder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from ...runtime.discovery import Site

__all__ = ("Staging", "category_of")

TOP = "plugins"


def category_of(site: Site, manifest: dict[str, Any]) -> str:
    """Return the category that a plugin stands under: its manifest's, else that of the folder above it.

    Args:
        site: Where the plugin is.
        manifest: What its manifest says.
    """
    said = manifest.get("category")
    if isinstance(said, str) and said and "." not in said:
        return said
    return site.folder.parent.name if site.folder.parent.parent.name == TOP else "custom"


class _Shelf:
    """What the framework asks of a folder of folders, without one on disk."""

    def __init__(self, entries: list[Any]) -> None:
        self._entries = entries

    def exists(self) -> bool:
        return True

    def is_dir(self) -> bool:
        return True

    def iterdir(self) -> list[Any]:
        return self._entries


class _Given(Loader):
    """Makes a module of what it is given, as often as it is loaded."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = values

    def create_module(self, spec: ModuleSpec) -> None:  # noqa: ARG002 - the import system's signature
        return None

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._values)


def _package(name: str) -> ModuleSpec:
    spec = ModuleSpec(name, _Given({}), is_package=True)
    spec.submodule_search_locations = []
    return spec


class Staging(MetaPathFinder):
    """Answers for `plugins` and what is below it, while the app is open.

    A plugin's folder is the very package that tests import by the plugin's own name: no file is imported twice.

    Args:
        scratch: Returns the folder in which others may be made; None for the system's.
    """

    def __init__(self, scratch: Callable[[], Path] | None) -> None:
        self._scratch = scratch
        self._folder: Path | None = None
        self._packages: dict[tuple[str, str], str] = {}
        self._folders: dict[tuple[str, str], Path] = {}
        self._given: dict[str, dict[str, object]] = {}
        self._before: dict[str, ModuleType] = {}
        self._bytecode = sys.dont_write_bytecode
        self._entered = False
        self._cwd: str | None = None

    def folder(self) -> Path:
        """Return the app's own folder, which is there until the app is closed."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="app-", dir=self._scratch() if self._scratch else None))
        return self._folder

    def shelf(self) -> Any:
        """Return what stands for the folder of all plugins, where the framework looks for manifests."""
        categories = dict.fromkeys(category for category, _ in self._folders)
        return _Shelf([_Shelf([at for (one, _), at in self._folders.items() if one == name]) for name in categories])

    def enter(self, *, chdir: bool) -> None:
        """Take the name over.

        Args:
            chdir: Whether the app's folder is the working directory meanwhile.
        """
        self._entered = True
        self._bytecode = sys.dont_write_bytecode
        self._before = {name: sys.modules.pop(name) for name in _below(TOP)}
        sys.meta_path.insert(0, self)
        if chdir:
            self._cwd = os.getcwd()  # noqa: PTH109 - what chdir() below takes back
            os.chdir(self.folder())

    def leave(self) -> None:
        """Give everything back."""
        if self._entered:
            self._entered = False
            if self._cwd is not None:
                os.chdir(self._cwd)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            for name in _below(TOP):
                del sys.modules[name]
            sys.modules.update(self._before)
            sys.dont_write_bytecode = self._bytecode
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def place(self, site: Site, category: str) -> str:
        """Put a plugin that is in a folder into the package; return what the framework calls it.

        Args:
            site: Where it is.
            category: The category that it stands under.
        """
        self._given.pop(f"{TOP}.{category}.{site.name}.plugin", None)
        if site.entry_point is None:
            self._packages[category, site.name] = finder.add(site)
        elif site.entry_point.module.endswith(".plugin"):
            self._packages[category, site.name] = site.entry_point.module.removesuffix(".plugin")
        else:
            self.place_class(site.entry_point.load(), site.name, category)
        self._folders[category, site.name] = site.folder
        return f"{category}.{site.name}"

    def place_class(self, cls: object, name: str, category: str = "custom", called: str = "") -> str:
        """Put a class that is in no plugin's folder into the package; return what the framework calls it.

        Args:
            cls: The class, or what makes the plugin when it is called.
            name: The plugin's name.
            category: The category that it stands under.
            called: What the class is called there; its own name by default.
        """
        self._given[f"{TOP}.{category}.{name}.plugin"] = {called or getattr(cls, "__name__", "Plugin"): cls}
        self._packages.setdefault((category, name), "")
        return f"{category}.{name}"

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the import system's signature
        target: ModuleType | None = None,  # noqa: ARG002 - as above
    ) -> ModuleSpec | None:
        """Answer the import system."""
        top, *rest = fullname.split(".")
        if top != TOP:
            return None
        if fullname in self._given:
            return ModuleSpec(fullname, _Given(self._given[fullname]))
        if len(rest) < 2:  # noqa: PLR2004 - the package itself, and its categories
            return _package(fullname)
        category, name, *inner = rest
        package = self._packages.get((category, name))
        if package is None:
            package = self._beside(category, name)
        if package is None:
            return None
        if not package:
            return _package(fullname) if not inner else None
        return alias_spec(fullname, ".".join([package, *inner]))

    def _beside(self, category: str, name: str) -> str | None:
        """Return the package of a plugin that another one imports from, where the project has it."""
        for site in current_project().visible():
            if name in {site.name, site.folder.name} and site.entry_point is None:
                package = self._packages[category, name] = finder.add(site)
                return package
        return None


def _below(top: str) -> list[str]:
    # Of thousands of modules hardly one begins like it.
    return [name for name in sys.modules if name.startswith(top) and name[len(top) :][:1] in {"", "."}]
