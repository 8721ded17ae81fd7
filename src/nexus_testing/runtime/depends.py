"""What the routes of an app depend on, by FastAPI's Depends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .routes import contexts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ("depended_on",)


def depended_on(routes: Iterable[Any]) -> set[Any]:
    """Return every function and class that routes depend on, in turn.

    Args:
        routes: Entries of a router's `routes`.
    """
    return {call for route in contexts(routes) for call in _calls(getattr(route, "dependant", None))}


def _calls(dependant: Any) -> Iterator[Any]:
    for one in getattr(dependant, "dependencies", ()):
        if one.call is not None:
            yield one.call
        yield from _calls(one)
