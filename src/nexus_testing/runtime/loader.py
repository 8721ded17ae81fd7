"""From what a test names to the plugin's class: by name, path, class or instance."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from ..errors import PluginImportError, PluginLoadError, PluginNotFound, did_you_mean
from ..locations import of_callable, of_exception
from ..nexus.plugins.base import BasePlugin
from .discovery import current_project, read_if_there, site_in
from .importer import check_imported_once, finder, package_name

if TYPE_CHECKING:
    from types import ModuleType

    from .discovery import Site

__all__ = ("Target", "class_of", "import_class", "is_test_module", "resolve", "site_of_class")

_TEST_FOLDERS = {"test", "tests"}
_sites: WeakKeyDictionary[type, tuple[Site | None]] = WeakKeyDictionary()


class Target(NamedTuple):
    """What is to be loaded: where it is, and its class or the instance itself, as far as they are known."""

    site: Site | None
    cls: type | None = None
    instance: Any = None


def resolve(target: object) -> Target:
    """Return what a test means by what it passed to `load_plugin`.

    Args:
        target: A name, a path, a class or an instance.

    Raises:
        PluginNotFound: If nothing is there.
        ManifestError: If a manifest is there that cannot be used.
        PluginImportError: If it is none of these.
    """
    if isinstance(target, Path):
        site = site_in(target.resolve())
        if site is None:
            read_if_there(target.resolve())
            raise PluginNotFound(
                f"There is no plugin in {str(target)!r}.",
                where=target.resolve(),
                why="a plugin's folder holds a manifest.json, with name and version, and a plugin.py",
                fix="Pass the folder that holds both.",
            )
        return Target(site)
    if isinstance(target, str):
        return Target(current_project().find(target))
    if isinstance(target, type):
        return Target(site_of_class(target), target)
    if hasattr(type(target), "initialize"):
        return Target(site_of_class(type(target)), type(target), target)
    raise PluginImportError(
        f"load_plugin() cannot load {target!r}.",
        fix="Pass a plugin's name, the path of its folder, its class or an instance.",
    )


def site_of_class(cls: type) -> Site | None:
    """Return the plugin folder that a class was written in, if it is one's; a class in a test file is nobody's.

    Args:
        cls: The class.
    """
    known = _sites.get(cls)
    if known is not None:
        return known[0]
    found = _site_of_file(getattr(sys.modules.get(cls.__module__), "__file__", None))
    _sites[cls] = (found,)
    return found


@functools.lru_cache(maxsize=1024)
def is_test_module(module: str) -> bool:
    """Say whether a module is one of tests, by its name.

    Args:
        module: The module's name.
    """
    *parents, last = module.split(".")
    return (
        last == "conftest"
        or last.startswith("test_")
        or last.endswith("_test")
        or not _TEST_FOLDERS.isdisjoint(parents)
    )


def _site_of_file(file: str | None) -> Site | None:
    if not file:
        return None
    path = Path(file)
    if path.name.startswith("test_") or path.stem.endswith("_test") or path.name == "conftest.py":
        return None
    for folder in path.parents:
        if folder.name in _TEST_FOLDERS:
            return None
        site = site_in(folder)
        if site is not None or (folder / ".git").exists():
            return site
    return None


def import_class(site: Site) -> type:
    """Import a plugin's code and return its class.

    Args:
        site: Where the plugin is.

    Raises:
        PluginImportError: If it has no class, several, or is imported under two names.
        PluginLoadError: If its code raises when it is imported.
    """
    if site.entry_point is not None:
        return _entry_point_class(site)
    package = finder.add(site)
    name = f"{package}.plugin"
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise PluginLoadError(
            f"Plugin {site.name!r} cannot be imported: {type(error).__name__}: {error}",
            stage="Loading",
            where=of_exception(error, site.folder) or site.folder / "plugin.py",
            why=_import_hint(error, package),
            fix="Mend the line above; it fails the same way with "
            f"`python -c 'import {name}'` where the plugin is installed.",
            plugin=site.name,
        ) from error
    check_imported_once(site.folder, site.name)
    return class_of(module, site)


def _import_hint(error: Exception, package: str) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.split(".")[0]
        if top == package:
            return f"the plugin has no module {error.name!r}"
        if top == "nexus":
            return f"the framework has no module {error.name!r}"
        return f"no module {top!r} is installed here; the manifest's dependencies.packages should name what brings it"
    return ""


def _entry_point_class(site: Site) -> type:
    assert site.entry_point is not None  # noqa: S101 - the caller asked
    try:
        loaded = site.entry_point.load()
    except Exception as error:
        raise PluginLoadError(
            f"The entry point of plugin {site.name!r} cannot be imported: {type(error).__name__}: {error}",
            stage="Loading",
            where=of_exception(error) or site.entry_point.value,
            fix="Reinstall the plugin, or mend what its entry point names.",
            plugin=site.name,
        ) from error
    if inspect.ismodule(loaded):
        return class_of(loaded, site)
    if isinstance(loaded, type):
        return loaded
    raise PluginImportError(
        f"The entry point of plugin {site.name!r} names {loaded!r}, which is no class.",
        where=site.entry_point.value,
        fix='Write my_plugin = "my_plugin.plugin:MyPlugin" in its pyproject.toml.',
        plugin=site.name,
    )


def class_of(module: ModuleType, site: Site) -> type:
    """Return the plugin class of a module: the one written in it wins over those that it imports.

    Args:
        module: The plugin's module.
        site: Where the plugin is.

    Raises:
        PluginImportError: If there is none, or more than one.
    """
    classes = {
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BasePlugin) and not _is_framework(value)
    }
    own = {cls for cls in classes if cls.__module__ == module.__name__} or {
        cls for cls in classes if finder.folder_of(cls.__module__) == site.folder
    }
    leaves = sorted(
        (cls for cls in own if not any(other is not cls and issubclass(other, cls) for other in own)),
        key=lambda cls: cls.__name__,
    )
    concrete = [cls for cls in leaves if not inspect.isabstract(cls)] or leaves
    if len(concrete) == 1:
        return concrete[0]
    if concrete:
        raise PluginImportError(
            f"Plugin {site.name!r} has {len(concrete)} plugin classes: {', '.join(cls.__name__ for cls in concrete)}.",
            where="\n".join(str(of_callable(cls)) for cls in concrete),
            fix="Keep one plugin class in plugin.py, or load the one that you mean: "
            f"load_plugin({concrete[0].__name__}).",
            plugin=site.name,
        )
    raise PluginImportError(
        f"Plugin {site.name!r} has no plugin class.",
        where=f"{module.__file__}:1",
        why=_nearly(module),
        fix="Write one: class MyPlugin(BasePlugin), with BasePlugin from nexus.plugins.",
        plugin=site.name,
    )


def _is_framework(cls: type) -> bool:
    return cls.__module__.startswith("nexus_testing.")


def _nearly(module: ModuleType) -> str:
    names = [
        value.__name__
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    if not names:
        return "the module defines no class at all"
    return (
        f"it defines {', '.join(names)}, none of which derives from BasePlugin. {did_you_mean('Plugin', names)}".strip()
    )


def package_of(site: Site) -> str:
    """Return the name of the package that a plugin is imported as.

    Args:
        site: Where the plugin is.
    """
    return package_name(site.name)
