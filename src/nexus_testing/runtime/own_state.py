"""What plugins keep outside of database, cache and bus: attributes, and variables of their modules."""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from .importer import finder
from .loaded import RECORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .loaded import Loaded

__all__ = ("changed", "own_state")

_PLAIN = (str, int, float, complex, bool, bytes, type(None))
_SEVERAL = (list, tuple, set, frozenset, deque)
_PORTS = frozenset(
    {
        RECORD,
        "db",
        "db_adapter",
        "event_bus",
        "service_registry",
        "cache_manager",
        "task_manager",
        "config",
        "logger",
        "info",
        "initialized",
        "initialize",
        "shutdown",
    }
)
_DEEPEST = 4
_MOST = 100
"""Elements beyond which only their number is looked at: this is done after each test."""


def own_state(plugin: Loaded) -> dict[str, Any]:
    """Return the state that a plugin keeps itself, by where it is, in a form that can be compared.

    Objects of the plugin's own classes are looked into; what others keep counts by its identity.

    Args:
        plugin: The plugin.
    """
    modules = _modules(plugin)
    look = _Look({*modules, type(plugin.instance).__module__})
    look.into("self", plugin.instance)
    for name, module in modules.items():
        for variable, value in list(vars(module).items()):
            if not variable.startswith("__") and look.is_state(value):
                look.at(f"{name}.{variable}", value, 0)
    return look.found


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return where state differs.

    Args:
        before: What `own_state` returned.
        after: The same, later.
    """
    return sorted(
        place
        for place in {**before, **after}
        if place not in before or place not in after or before[place] != after[place]
    )


def _modules(plugin: Loaded) -> dict[str, Any]:
    folder = plugin.folder
    if folder is None:
        return {}
    tests = str(folder / "tests")
    found: dict[int, tuple[str, Any]] = {}
    for name in sorted(finder.modules_of(folder), key=len):
        module = sys.modules[name]
        file = getattr(module, "__file__", None) or ""
        if not file.startswith(tests) and not name.rpartition(".")[2].startswith(("test_", "conftest")):
            found.setdefault(id(module), (name, module))
    return dict(found.values())


class _Look:
    def __init__(self, own: set[str]) -> None:
        self.found: dict[str, Any] = {}
        self._own = own
        self._seen: set[int] = set()

    def is_state(self, value: object) -> bool:
        """Say whether a variable of a module is one, and no function, class or constant of another kind."""
        return isinstance(value, (*_PLAIN, *_SEVERAL, dict)) or type(value).__module__ in self._own

    def into(self, place: str, value: Any, depth: int = 0) -> None:
        """Look at the attributes of an object."""
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        for name, inner in self._attributes(value):
            if name not in _PORTS:
                self.at(f"{place}.{name}", inner, depth)

    @staticmethod
    def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
        yield from list(getattr(value, "__dict__", {}).items())
        for name in getattr(type(value), "__slots__", ()):
            if hasattr(value, name):
                yield name, getattr(value, name)

    def at(self, place: str, value: Any, depth: int) -> None:
        """Note what is at one place."""
        if type(value).__module__ in self._own and depth < _DEEPEST:
            self.found[place] = id(value)
            self.into(place, value, depth + 1)
        else:
            self.found[place] = _image(value, depth)


def _image(value: Any, depth: int) -> Any:
    """Return something that is equal for as long as nobody changes a value."""
    if isinstance(value, _PLAIN):
        return (type(value), value)
    if isinstance(value, (*_SEVERAL, dict)) and len(value) > _MOST:
        return (type(value), id(value), len(value))
    if depth < _DEEPEST:
        if isinstance(value, _SEVERAL):
            images = [_image(one, depth + 1) for one in value]
            return (type(value), frozenset(images) if isinstance(value, set | frozenset) else tuple(images))
        if isinstance(value, dict):
            return (type(value), tuple((_image(key, depth + 1), _image(one, depth + 1)) for key, one in value.items()))
    return id(value)
