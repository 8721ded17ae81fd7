"""Keys and values: what a database takes, and how it gives it back."""

from __future__ import annotations

import copy
import dataclasses
import enum
import functools
import re
import reprlib
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

from ..errors import DataError, did_you_mean
from ..locations import caller

__all__ = ("Document", "copied", "key_filter", "loaded", "stored")

_SAME = frozenset({str, float, bool, type(None), bytes})
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_DEEPEST = 100
"""Levels of nesting that BSON takes."""


class Document(dict[str, Any]):
    """A dict whose fields are attributes too, except a field that is called like a method, such as `items`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            value = self[name]
        except KeyError:
            if name.startswith("__"):
                raise AttributeError(name) from None
            msg = f"The document has no field {name!r}, only {list(self)!r}. {did_you_mean(name, self)}".rstrip()
            raise AttributeError(msg, name=name, obj=self) from None
        if type(value) is dict:
            value = self[name] = Document(value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(dict, name):
            msg = f"{name!r} is a method of every document, so the field of that name is document[{name!r}]."
            raise AttributeError(msg, name=name, obj=self)
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self:
            msg = f"The document has no field {name!r}, only {list(self)!r}. {did_you_mean(name, self)}".rstrip()
            raise AttributeError(msg, name=name, obj=self)
        del self[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]


class _Refused(Exception):
    """A value that is not taken; collects its path, from the inside out, on its way up."""

    def __init__(self, value: object, why: str, fix: str) -> None:
        self.value = value
        self.why = why
        self.fix = fix
        self.path: list[str | int] = []
        super().__init__(why)


def copied(value: Any) -> Any:
    """Return a deep copy; quick for plain data.

    Args:
        value: Anything that can be copied.
    """
    kind = type(value)
    if kind in _SAME or kind is int:
        return value
    if kind is dict:
        return {key: item if type(item) in _SAME else copied(item) for key, item in value.items()}
    if kind is list:
        return [item if type(item) in _SAME else copied(item) for item in value]
    return copy.deepcopy(value)


def loaded(value: Any) -> Any:
    """Return a deep copy of what is stored, with attribute access to every dict in it.

    Args:
        value: What is stored.
    """
    kind = type(value)
    if kind in _SAME or kind is int or kind is datetime:
        return value
    if isinstance(value, dict):
        return Document({key: item if type(item) in _SAME else loaded(item) for key, item in value.items()})
    if kind is list:
        return [item if type(item) in _SAME else loaded(item) for item in value]
    return copy.deepcopy(value)


def stored(value: Any, key: str, *, strict: bool = True, plugin: str | None = None) -> Any:
    """Return a deep copy of a value that is to be stored, made of plain dicts, lists and scalars.

    Args:
        value: What a plugin or a test wants to store.
        key: What it is stored under, for the message.
        strict: Whether only what BSON knows is taken.
        plugin: Whose value it is.

    Raises:
        DataError: If a part of it cannot be stored.
    """
    if type(value) in _SAME:
        return value
    try:
        return _taken(value, 0) if strict else copied(value)
    except _Refused as refused:
        path = "value" + "".join(f"[{step!r}]" for step in reversed(refused.path))
        what = f"{key!r} cannot hold {reprlib.repr(refused.value)} ({_named(type(refused.value))}) at {path}."
        raise DataError(what, where=caller(), why=refused.why, fix=refused.fix, plugin=plugin) from None
    except (TypeError, copy.Error, RecursionError) as error:
        raise DataError(
            f"{key!r} cannot hold {reprlib.repr(value)}, which cannot be copied.",
            where=caller(),
            why=f"{type(error).__name__}: {error}",
            fix="Store plain data.",
            plugin=plugin,
        ) from error


def _taken(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind in _SAME:
        return value
    if kind is int:
        if _LOWEST <= value <= _HIGHEST:
            return value
        raise _Refused(value, "BSON's integers have 64 bits", "Write str(value).")
    if depth > _DEEPEST:
        why = f"it is nested more than {_DEEPEST} deep, or refers to itself"
        raise _Refused(value, why, "Store a flatter value.")
    if kind is dict or kind is Document:
        return _taken_dict(value, depth)
    if kind is list:
        return _taken_list(value, depth)
    return _taken_other(value, depth)


def _taken_dict(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    taken: dict[str, Any] = {}
    for key, item in value.items():
        if type(key) is not str:
            if not isinstance(key, str) or isinstance(key, enum.Enum):
                raise _Refused(value, f"its key {key!r} is {_named(type(key))}", "Write str(key) for each key.")
            key = str.__str__(key)  # noqa: PLW2901 - plain data from here on
        if type(item) in _SAME:
            taken[key] = item
            continue
        try:
            taken[key] = _taken(item, depth + 1)
        except _Refused as refused:
            refused.path.append(key)
            raise
    return taken


def _taken_list(value: list[Any], depth: int) -> list[Any]:
    taken = []
    for index, item in enumerate(value):
        try:
            taken.append(item if type(item) in _SAME else _taken(item, depth + 1))
        except _Refused as refused:
            refused.path.append(index)
            raise
    return taken


def _taken_other(value: Any, depth: int) -> Any:
    """Take what is no plain scalar, dict or list itself: a moment, an ObjectId, or a child of a plain class."""
    if isinstance(value, datetime):
        return _moment(value)
    if type(value).__name__ == "ObjectId" and type(value).__module__.startswith(("bson.", "mongomock.")):
        return value
    if not isinstance(value, enum.Enum):
        for kind, plain in _PLAIN:
            if isinstance(value, kind):
                return _taken(plain(value), depth)
        if isinstance(value, dict):
            return _taken_dict(value, depth)
        if isinstance(value, list):
            return _taken_list(value, depth)
    raise _Refused(value, f"{_named(type(value))} is no type of BSON", _fix(value))


_PLAIN: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, lambda value: bytes(memoryview(value))),
)


def _moment(value: datetime) -> datetime:
    """Return a moment as MongoDB keeps it: in UTC, without a zone, in whole milliseconds."""
    if value.tzinfo is not None:
        value = value.astimezone(UTC)
    return datetime(  # noqa: DTZ001 - stored without a zone
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond // 1000 * 1000,
    )


_FIXES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (enum.Enum, "Write value.value."),
    ((tuple, AbstractSet), "Write list(value)."),
    (Decimal, "Write str(value), or a whole number of the smallest unit, such as cents."),
    ((UUID, PurePath), "Write str(value)."),
    (date, "Write value.isoformat(), or a datetime."),
    (time, "Write value.isoformat()."),
    (timedelta, "Write value.total_seconds()."),
    ((bytearray, memoryview), "Write bytes(value)."),
    (Mapping, "Write dict(value)."),
)


def _fix(value: object) -> str:
    for kind, fix in _FIXES:
        if isinstance(value, kind):
            return fix
    if callable(getattr(value, "model_dump", None)):
        return "Write value.model_dump()."
    if dataclasses.is_dataclass(value):
        return "Write dataclasses.asdict(value)."
    return "Write a dict of what is to be kept of it."


def _named(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> Callable[[str], re.Match[str] | None]:
    regex = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(regex, re.DOTALL).fullmatch


def key_filter(pattern: str) -> Callable[[str], bool]:
    """Return what says whether a key fits a pattern.

    Args:
        pattern: Any text; `*` stands for any characters, `?` for one, nothing else is special.

    Raises:
        DataError: If it is no string.
    """
    if not isinstance(pattern, str):
        raise DataError(f"{pattern!r} is no pattern for keys.", where=caller(), fix="Pass a string, such as 'user:*'.")
    if pattern == "*":
        return lambda _key: True
    match = _compiled(pattern)
    return lambda key: match(key) is not None
