"""What the cache may be told: keys, how long to keep something, and the keys of cached calls."""

from __future__ import annotations

import enum
import inspect
import math
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..locations import caller, of_callable
from .context import who

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("CacheKeys", "CacheTTL", "check_key", "check_ttl")


class CacheTTL(enum.IntEnum):
    """How many seconds something stays in the cache."""

    SHORT = 60
    MEDIUM = 300
    LONG = 3600
    DAY = 86400


def check_key(key: object, plugin: str | None = None) -> None:
    """Refuse what is no key.

    Args:
        key: What was given.
        plugin: Whose cache it is.

    Raises:
        DataError: If it is no string, or an empty one.
    """
    if not isinstance(key, str) or not key:
        raise DataError(
            f"{key!r} ({type(key).__name__}) is no key for the cache.",
            where=caller(),
            fix="Use a string, such as 'user:7'.",
            plugin=plugin or who(),
        )


def check_ttl(ttl: object, plugin: str | None = None) -> None:
    """Refuse what is no time to keep something for.

    Args:
        ttl: What was given.
        plugin: Whose cache it is.

    Raises:
        DataError: If it is neither None nor a finite number greater than 0.
    """
    if ttl is None or (isinstance(ttl, int | float) and not isinstance(ttl, bool) and 0 < ttl < math.inf):
        return
    raise DataError(
        f"Nothing can be cached for {ttl!r} seconds.",
        where=caller(),
        fix="Pass seconds greater than 0, CacheTTL.SHORT, MEDIUM, LONG or DAY, or None for ever.",
        plugin=plugin or who(),
    )


class CacheKeys:
    """Knows the keys of one cached function.

    Args:
        function: The function, as it was written.
        key: What makes the whole key, if the arguments cannot.
    """

    __slots__ = ("_function", "_key", "_name", "_own", "_signature")

    def __init__(self, function: Callable[..., Any], key: Callable[..., str] | None = None) -> None:
        self._function = function
        self._key = key
        self._name = function.__name__
        self._signature = inspect.signature(function)
        self._own = 1 if next(iter(self._signature.parameters), "") in {"self", "cls"} else 0

    def owner(self, args: tuple[Any, ...]) -> object:
        """Return the object or class whose method is called, if it is one.

        Args:
            args: The positional arguments of the call.
        """
        return args[0] if self._own and args else None

    def of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Return the key of a call: ``name:a:b``, over the arguments in the order of the signature.

        Args:
            args: The positional arguments of the call.
            kwargs: The others.

        Raises:
            DataError: If an argument makes no key.
            TypeError: If the function does not take these arguments.
        """
        if self._key is not None:
            made = self._key(*args[self._own :], **kwargs)
            if not isinstance(made, str) or not made:
                raise self._error(f"The key= of {self._name}() returned {made!r}, which is no key.", "Return a string.")
            return made
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError:
            # Python says it better than the signature does, since it names the function.
            self._function(*args, **kwargs)
            raise
        bound.apply_defaults()
        parts = [self._name]
        for name, value in list(bound.arguments.items())[self._own :]:
            kind = self._signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                parts += [self._part(name, one) for one in value]
            elif kind is inspect.Parameter.VAR_KEYWORD:
                parts += [f"{field}={self._part(field, value[field])}" for field in sorted(value)]
            else:
                parts.append(self._part(name, value))
        return ":".join(parts)

    def _part(self, name: str, value: object) -> str:
        if value is None or (isinstance(value, str | int) and not isinstance(value, enum.Enum)):
            return str(value)
        raise self._error(
            f"The argument {name!r} of {self._name}() makes no key for the cache: {value!r} ({type(value).__name__}).",
            f"Say what the key is: @cache(key=lambda {name}: f'{self._name}:{{{name}...}}')",
        )

    def _error(self, what: str, fix: str) -> DataError:
        written = of_callable(self._function)
        why = f"its results are cached by its arguments, at {written}" if written else ""
        return DataError(what, where=caller(), why=why, fix=fix, plugin=who())
