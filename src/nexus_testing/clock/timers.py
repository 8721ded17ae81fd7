"""Timers of an event loop: in order of deadline, then of creation, each with the place that made it."""

from __future__ import annotations

import asyncio
import heapq
import sys
from asyncio.events import Handle
from typing import TYPE_CHECKING, Any

from ..locations import Location, is_library

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

__all__ = ("NEVER", "Maker", "Timer", "Timers", "maker")

NEVER = 1 << 62
"""A deadline in microseconds that does not come."""

_MANY = 100
_STOP = Handle._run.__code__
_REAL_ROOTS = frozenset({"motor", "pymongo", "redis"})
_LIMITS = frozenset({"nexus_testing.limits"})
_SKIPPED_ROOTS = frozenset({"anyio", "async_timeout", "asyncio", "contextlib"})

# The tracker's functions stand in the loop's place.
_PASSED = ("nexus_testing.clock.", "nexus_testing.runtime.tracker")

_SKIPPED, _REAL, _OURS, _LIBRARY, _USER = range(5)
_kinds: dict[tuple[str, str], int] = {}


def _kind(name: str, file: str) -> int:
    root = name.partition(".")[0]
    if name in _LIMITS:
        return _OURS
    if root in _REAL_ROOTS:
        return _REAL
    if root in _SKIPPED_ROOTS or name.startswith(_PASSED):
        return _SKIPPED
    return _LIBRARY if is_library(file) else _USER


class Maker:
    """The line that made a timer; whether its timers run in real time, and whether it is a limit of the harness."""

    __slots__ = ("_code", "_instruction", "limit", "real")

    def __init__(self, code: CodeType | None, instruction: int, kind: int) -> None:
        self._code = code
        self._instruction = instruction
        self.real = kind in (_REAL, _OURS)
        self.limit = kind == _OURS

    @property
    def where(self) -> Location | None:
        """The nearest line of the user's code."""
        if self._code is None:
            return None
        lines = (line for start, end, line in self._code.co_lines() if start <= self._instruction < end)
        return Location(self._code.co_filename, next(lines, None) or self._code.co_firstlineno, self._code.co_qualname)


def maker(depth: int = 2) -> Maker:
    """Return who makes a timer: looked for between the timer and the event loop, and no further.

    Args:
        depth: How many frames to leave out.
    """
    frame: FrameType | None = sys._getframe(depth)
    first = _SKIPPED
    while frame is not None:
        code = frame.f_code
        if code is _STOP:
            break
        key = frame.f_globals.get("__name__", ""), code.co_filename
        kind = _kinds.get(key)
        if kind is None:
            kind = _kinds[key] = _kind(*key)
        if kind != _SKIPPED:
            first = first or kind
            if kind == _USER:
                return Maker(code, frame.f_lasti, first)
        frame = frame.f_back
    return Maker(None, 0, first)


class Timer(asyncio.TimerHandle):
    """A timer that a `Timers` holds. Its own loop knows nothing of it until it fires."""

    __slots__ = ("held", "made", "timers")

    made: Maker
    timers: Timers
    held: bool
    _callback: Any
    _context: Any

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Any,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.held = False

    def cancel(self) -> None:
        """Do not fire."""
        if self.held and not self._cancelled:
            self.timers.cancelled += 1
        super().cancel()


class Timers:
    """Timers on one time, which is counted in microseconds."""

    __slots__ = ("_heap", "_number", "cancelled")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Any]] = []
        self._number = 0
        self.cancelled = 0

    def add(self, due: int, handle: Any) -> None:
        """Take a timer in.

        Args:
            due: When it fires.
            handle: The timer.
        """
        heap = self._heap
        if self.cancelled > _MANY and self.cancelled * 2 > len(heap):
            heap = self._heap = [entry for entry in heap if not entry[2]._cancelled]
            heapq.heapify(heap)
            self.cancelled = 0
        self._number += 1
        heapq.heappush(heap, (due, self._number, handle))

    def next(self) -> int | None:
        """Return the earliest deadline, or None."""
        heap = self._heap
        while heap:
            due, _, handle = heap[0]
            if not handle._cancelled:
                return due if due < NEVER else None
            heapq.heappop(heap)
            self.cancelled -= 1
        return None

    def take(self, until: int, ready: Callable[[Any], None]) -> None:
        """Let go of the timers that are due.

        Args:
            until: What time it is.
            ready: Gets them, in order.
        """
        heap = self._heap
        while heap and heap[0][0] <= until:
            handle = heapq.heappop(heap)[2]
            handle.held = False
            if handle._cancelled:
                self.cancelled -= 1
            else:
                ready(handle)

    def pending(self) -> list[tuple[int, Any]]:
        """Return deadlines and timers, in order."""
        return [(due, handle) for due, _, handle in sorted(self._heap) if not handle._cancelled]

    def __len__(self) -> int:
        return len(self._heap)
