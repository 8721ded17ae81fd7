"""Which plugin a piece of code belongs to."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

from .importer import finder
from .leaks import is_code_of
from .loader import is_test_module

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..locations import Location
    from .loaded import Loaded

__all__ = ("owner_among", "plugin_at")


def owner_among(plugins: Iterable[Loaded], function: object) -> str | None:
    """Return the name of the plugin whose code a function is, if it is one's.

    Args:
        plugins: The plugins that there are.
        function: A function, method or object.
    """
    target = function
    while isinstance(target, functools.partial):
        target = target.func
    plugins = tuple(plugins)
    holder = getattr(target, "__self__", None)
    if holder is not None:
        for plugin in plugins:
            if holder is plugin.instance:
                return plugin.name
    module = getattr(target, "__module__", None) or ""
    folder = finder.folder_of(module)
    if folder is not None and not is_test_module(module):
        for plugin in plugins:
            if plugin.folder == folder:
                return plugin.name
    for plugin in plugins:
        if _is_code_of(plugin, target, module):
            return plugin.name
    return None


def plugin_at(plugins: Iterable[Loaded], where: Location) -> str | None:
    """Return the name of the plugin that a line of code belongs to, if it is one's.

    Args:
        plugins: The plugins that there are.
        where: The line.
    """
    for plugin in plugins:
        if plugin.folder is not None:
            if is_code_of(where.file, plugin.folder):
                return plugin.name
        elif any(
            where.function.startswith(f"{cls.__qualname__}.")
            and getattr(sys.modules.get(cls.__module__), "__file__", None) == where.file
            for cls in type(plugin.instance).__mro__
        ):
            return plugin.name
    return None


def _is_code_of(plugin: Loaded, target: object, module: str) -> bool:
    """Say whether a function is of a plugin that is in no folder, or of an installed one."""
    own = type(plugin.instance).__module__
    if plugin.site is None:
        # Such a plugin is as large as its module; in a test file, where others stand beside it, as its class.
        return module == own and (not is_test_module(module) or _in_class(target, plugin))
    return plugin.site.entry_point is not None and own.partition(".")[0] == module.partition(".")[0]


def _in_class(function: object, plugin: Loaded) -> bool:
    name = getattr(function, "__qualname__", "")
    return any(name.startswith(f"{cls.__qualname__}.") for cls in type(plugin.instance).__mro__)
