"""How a plugin's folder becomes importable under its names, and each of its files only once."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import itertools
import re
import sys
from importlib.abc import Loader, MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from ..aliases import alias_spec
from ..errors import PluginImportError
from ..findings import find

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from ..findings import Finding
    from .discovery import Site

__all__ = ("PluginFinder", "finder", "package_name")


def package_name(name: str) -> str:
    """Return the module name that a plugin of that name is imported under.

    Args:
        name: The plugin's name.
    """
    return re.sub(r"\W", "_", name)


class _EmptyPackage(Loader):
    """Makes the package of a plugin folder that has no `__init__.py`."""

    def create_module(self, spec: ModuleSpec) -> None:  # noqa: ARG002 - the import system's signature
        return None

    def exec_module(self, module: ModuleType) -> None:
        pass


class PluginFinder(MetaPathFinder):
    """Finds plugins' packages by manifest name, and by folder name as an alias of it.

    It stands first in `sys.meta_path` and answers for the names that were added, and for nothing else.
    """

    def __init__(self) -> None:
        self._folders: dict[str, Path] = {}
        self._aliases: dict[str, str] = {}
        self._findings: dict[Path, list[Finding]] = {}

    def add(self, site: Site) -> str:
        """Make a plugin's folder importable and return its package's name.

        Args:
            site: Where the plugin is.
        """
        name = package_name(site.name)
        folder = site.folder
        if self._folders.get(name) == folder:
            return name
        self.remove(folder)
        findings = self._findings[folder] = []
        if name in sys.stdlib_module_names:
            findings.append(find("NX201", f"{site.name!r} is a module of the standard library.", plugin=site.name))
            name = f"nexus_plugin_{name}"
        else:
            self._look_for_twins(site, name, findings)
        stale = [module for module in sys.modules if module == name or module.startswith(f"{name}.")]
        if name not in self._folders and stale and not self._is_of(sys.modules[stale[0]], folder):
            self.forget(stale)
        previous = self._folders.get(name)
        if previous is not None and previous != folder:
            self.forget(stale)
        self._folders[name] = folder
        alias = folder.name
        if alias != name and alias not in sys.stdlib_module_names and alias not in self._folders:
            self._aliases[alias] = name
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        importlib.invalidate_caches()
        return name

    def remove(self, folder: Path) -> None:
        """Make a plugin's folder importable no more, and forget its modules.

        Args:
            folder: The plugin's folder.
        """
        for name in [name for name, known in self._folders.items() if known == folder]:
            del self._folders[name]
            for alias in [alias for alias, target in self._aliases.items() if target == name]:
                del self._aliases[alias]
                self.forget([module for module in sys.modules if module.split(".")[0] == alias])
            self.forget([module for module in sys.modules if module.split(".")[0] == name])
        if not self._folders and self in sys.meta_path:
            sys.meta_path.remove(self)

    def modules_of(self, folder: Path) -> set[str]:
        """Return the names of the modules that were imported from a plugin's folder.

        Args:
            folder: The plugin's folder.
        """
        tops = {name for name, known in self._folders.items() if known == folder}
        tops |= {alias for alias, name in self._aliases.items() if name in tops}
        return {name for name in sys.modules if name.partition(".")[0] in tops} if tops else set()

    def forget_code(self, folder: Path) -> dict[str, ModuleType]:
        """Forget a plugin's modules but its tests', and their byte code, which is only as fresh as a second.

        Args:
            folder: The plugin's folder.

        Returns:
            The modules by name, for `put_back`.
        """
        forgotten = {}
        for name in self.modules_of(folder):
            module = sys.modules[name]
            file = getattr(module, "__file__", None)
            path = Path(file) if file else folder
            inside = path.relative_to(folder).parts if path.is_relative_to(folder) else path.parts
            if "tests" in inside or path.name.startswith("test_") or path.name == "conftest.py":
                continue
            forgotten[name] = sys.modules.pop(name)
            if file:
                Path(importlib.util.cache_from_source(file)).unlink(missing_ok=True)
        importlib.invalidate_caches()
        return forgotten

    def put_back(self, folder: Path, modules: dict[str, ModuleType]) -> None:
        """Let a plugin's code be again what it was.

        Args:
            folder: The plugin's folder.
            modules: What `forget_code` returned.
        """
        self.forget_code(folder)
        sys.modules.update(modules)

    def forget_since(self, last: str, folder: Path) -> None:
        """Forget the modules of a plugin's folder that were imported since another one was.

        Args:
            last: The name of the other module.
            folder: The plugin's folder.
        """
        if last in sys.modules:
            later = list(itertools.takewhile(lambda name: name != last, reversed(sys.modules)))
            self.forget([name for name in later if self.folder_of(name) == folder])

    @staticmethod
    def forget(modules: Iterable[str]) -> None:
        """Forget modules, so that the next import of them runs their code.

        Args:
            modules: Their names.
        """
        for module in modules:
            sys.modules.pop(module, None)

    def knows(self, folder: Path) -> bool:
        """Say whether a folder was added.

        Args:
            folder: The plugin's folder.
        """
        return folder in self._folders.values()

    def findings(self, folder: Path) -> list[Finding]:
        """Return what was found when a folder was added.

        Args:
            folder: The plugin's folder.
        """
        return self._findings.get(folder, [])

    def folder_of(self, module: str) -> Path | None:
        """Return the plugin folder that a module belongs to, if any.

        Args:
            module: The module's name.
        """
        top = module.split(".", 1)[0]
        return self._folders.get(self._aliases.get(top, top))

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,  # noqa: ARG002 - the import system's signature
    ) -> ModuleSpec | None:
        """Answer the import system."""
        top, dot, rest = fullname.partition(".")
        if top in self._aliases:
            name = self._aliases[top] + dot + rest
            return alias_spec(fullname, name)
        folder = self._folders.get(fullname)
        if folder is None:
            package = self._package_at(fullname, path) if path else None
            return alias_spec(fullname, package) if package is not None else None
        init = folder / "__init__.py"
        if init.is_file():
            return importlib.util.spec_from_file_location(fullname, init, submodule_search_locations=[str(folder)])
        spec = importlib.machinery.ModuleSpec(fullname, _EmptyPackage(), is_package=True)
        spec.submodule_search_locations = [str(folder)]
        return spec

    def _package_at(self, fullname: str, path: Sequence[str]) -> str | None:
        """Return the package that is asked for by a name made of folders, such as ``src.shop``.

        In its import mode importlib, pytest gives test files such names, and imports what stands above them.
        """
        parent, _, last = fullname.rpartition(".")
        for name, folder in self._folders.items():
            if folder.name == last and (
                str(folder.parent) in path
                # It passes the folder itself if that has an `__init__.py`; so does the import of `shop.shop`.
                or (str(folder) in path and sys.modules.get(parent) is not sys.modules.get(name))
            ):
                return name
        return None

    @staticmethod
    def _is_of(module: ModuleType, folder: Path) -> bool:
        file = getattr(module, "__file__", None)
        places = [file] if file else list(getattr(module, "__path__", []))
        return any(Path(place).resolve().is_relative_to(folder.resolve()) for place in places)

    @staticmethod
    def _look_for_twins(site: Site, name: str, findings: list[Finding]) -> None:
        try:
            spec = importlib.machinery.PathFinder.find_spec(name)
        except (ImportError, ValueError):
            return
        if spec is None or (spec.origin is None and spec.submodule_search_locations is None):
            return
        origin = Path(spec.origin or next(iter(spec.submodule_search_locations or [""])))
        place = origin.parent if origin.name == "__init__.py" else origin
        if place.resolve() == site.folder.resolve() or "site-packages" not in str(place):
            return
        if (place / "manifest.json").is_file():
            findings.append(
                find(
                    "NX202",
                    f"plugin {site.name!r} is also installed in {place}; the one in {site.folder} is used.",
                    plugin=site.name,
                )
            )
        else:
            findings.append(find("NX201", f"{site.name!r} hides the installed module {place}.", plugin=site.name))


finder = PluginFinder()
"""The finder of this process."""


_scanned: dict[Path, int] = {}


def check_imported_once(folder: Path, plugin: str) -> None:
    """Refuse a plugin one of whose files was imported as two different modules.

    Args:
        folder: The plugin's folder.
        plugin: The plugin's name.

    Raises:
        PluginImportError: It names the file and both modules.
    """
    # A scan of all modules takes as long as a load; nothing can be new where none was added.
    if _scanned.get(folder) == len(sys.modules):
        return
    seen: dict[str, tuple[str, ModuleType]] = {}
    start = f"{folder}/"
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.startswith(start) or "/site-packages/" in file:
            continue
        known = seen.setdefault(file, (name, module))
        if known[1] is not module:
            ours = package_name(plugin)
            names = sorted((known[0], name), key=lambda one: one.split(".")[0] == ours)
            raise PluginImportError(
                f"A file of plugin {plugin!r} was imported as two modules, so each of its classes exists twice.",
                where=file,
                why=f"it is both {names[0]!r} and {names[1]!r}",
                fix=f"Import it as {names[1]!r} everywhere, or with a relative import inside of the plugin.",
                plugin=plugin,
            )
    _scanned[folder] = len(sys.modules)
