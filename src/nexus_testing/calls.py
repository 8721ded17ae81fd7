"""Coroutines of ours that notice when nobody awaits them."""

from __future__ import annotations

import asyncio.coroutines
import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from .locations import Location

if TYPE_CHECKING:
    from types import FrameType, TracebackType

__all__ = ("Call", "Unawaited", "awaited", "collect_unawaited", "counted")

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Unawaited(NamedTuple):
    """A call whose coroutine was dropped before it ran."""

    name: str
    where: Location


_collector: list[Unawaited] | None = None


def collect_unawaited(into: list[Unawaited] | None) -> list[Unawaited] | None:
    """Send un-awaited calls to a list instead of warning about each; return the list that was used before.

    Args:
        into: The list, or None to warn again.
    """
    global _collector
    before, _collector = _collector, into
    return before


class Call(Coroutine[Any, Any, T]):
    """A coroutine that knows the line that made it and says so if it is dropped unused."""

    __slots__ = ("__weakref__", "_coroutine", "_file", "_frame_name", "_line", "_name", "_used")

    def __init__(self, coroutine: Coroutine[Any, Any, T] | None, name: str, frame: FrameType) -> None:
        if coroutine is not None:
            self._coroutine = coroutine
        self._name = name
        self._file = frame.f_code.co_filename
        self._frame_name = frame.f_code.co_name
        self._line = frame.f_lineno
        self._used = False

    def __await__(self) -> Generator[Any, Any, T]:
        self._used = True
        return self._coroutine.__await__()

    def send(self, value: Any, /) -> Any:
        """Run the coroutine up to its next suspension."""
        self._used = True
        return self._coroutine.send(value)

    def throw(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
        /,
    ) -> Any:
        """Raise an exception where the coroutine is suspended."""
        self._used = True
        error = typ if isinstance(typ, BaseException) else val if isinstance(val, BaseException) else typ()
        return self._coroutine.throw(error if tb is None else error.with_traceback(tb))

    def close(self) -> None:
        """End the coroutine."""
        self._used = True
        self._coroutine.close()

    def __del__(self) -> None:
        if getattr(self, "_used", True):
            return
        if hasattr(self, "_coroutine"):
            self._coroutine.close()
        found = Unawaited(self._name, Location(self._file, self._line, self._frame_name))
        if _collector is not None:
            _collector.append(found)
        else:
            warnings.warn_explicit(
                f"{found.name}() was never awaited: write `await` in front of it.",
                RuntimeWarning,
                found.where.file,
                found.where.line,
            )


def awaited(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Call[T]]:
    """Make a coroutine function return a `Call`.

    Args:
        function: A coroutine function.
    """
    name = function.__qualname__

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Call[T]:
        return Call(function(*args, **kwargs), name, sys._getframe(1))

    return counted(call)


def counted(function: F) -> F:
    """Let a function that returns a `Call` count as a coroutine function.

    Args:
        function: The function; it is changed and returned.
    """
    # Mocks and event buses decide by this whether to await what a call returns.
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(function)
    else:
        function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    return function
