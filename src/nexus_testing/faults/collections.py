"""A collection behind the gate, and its cursors."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Self

from .covers import covered
from .operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .gate import Gate

__all__ = ("Collection",)

_CURSORS = frozenset({"aggregate", "find"})
_ASKED = (
    frozenset(name.removeprefix("db.collection.") for name in OPERATIONS if name.startswith("db.collection."))
    - _CURSORS
)


class _Standing:
    """Stands for something, of whose class it is, and has its attributes."""

    _own: Any

    @property  # type: ignore[misc]  # isinstance() is to answer as for what it stands for
    def __class__(self) -> type:
        return type(self._own)

    def __eq__(self, other: object) -> bool:
        return bool(self._own == (other._own if type(other) is type(self) else other))

    def __hash__(self) -> int:
        return hash(self._own)

    def __repr__(self) -> str:
        return repr(self._own)


class Collection(_Standing):
    """A collection, each call of which passes the gate.

    Args:
        gate: The gate.
        collection: The collection.
        name: Its name.
    """

    def __init__(self, gate: Gate, collection: Any, name: str) -> None:
        self._gate = gate
        self._own = collection
        self._key = name

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._own, name)
        if name in _CURSORS:
            return self._cursor(name, found)
        if name == "with_options":
            return lambda **options: Collection(self._gate, found(**options), self._key)
        if name not in _ASKED:
            return found

        return covered(self._gate, f"db.collection.{name}", found, key=self._key)

    def _cursor(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> _Cursor:
            return _Cursor(self._gate, method(*args, **kwargs), f"db.collection.{name}", self._key)

        return call

    def __getitem__(self, name: str) -> Collection:
        return Collection(self._gate, self._own[name], f"{self._key}.{name}")

    def __bool__(self) -> bool:
        return bool(self._own)


class _Cursor(_Standing):
    """A cursor, the first answer of which passes the gate.

    Args:
        gate: The gate.
        cursor: The cursor.
        operation: What made it.
        key: The collection's name.
    """

    def __init__(self, gate: Gate, cursor: Any, operation: str, key: str) -> None:
        self._gate = gate
        self._own = cursor
        self._operation = operation
        self._key = key
        self._begun = False

    def _asked(self, method: Callable[..., Any]) -> Callable[..., Any]:
        if self._begun:
            return method
        self._begun = True
        return covered(self._gate, self._operation, method, key=self._key)

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Any:
        return self._asked(self._own.__anext__)()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._own, name)
        if name in {"next", "to_list"}:
            return self._asked(found)
        if not callable(found):
            return found

        @functools.wraps(found)
        def call(*args: Any, **kwargs: Any) -> Any:
            made = found(*args, **kwargs)
            if made is self._own:
                return self
            return _Cursor(self._gate, made, self._operation, self._key) if name == "clone" else made

        return call

    def __getitem__(self, index: Any) -> Any:
        self._own[index]
        return self
