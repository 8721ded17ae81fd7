"""Virtual time, for everything that asks: the wall clock, monotonic time, and every timer of the event loop."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from ..calls import awaited
from ..errors import ClockError
from ..locations import Location, caller
from .loop import VirtualLoop, in_real_time
from .real import RealClock
from .spans import FIRST, LAST, moment, moment_of, seconds_of, span, start_of, zone_of
from .timers import NEVER, Timer
from .waiting import task_of
from .wall import wall_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from contextvars import Context
    from datetime import tzinfo

    from .port import Clock

__all__ = ("Pending", "Real", "VirtualClock", "current")

START = datetime(2030, 1, 1, tzinfo=UTC)

_installed: list[VirtualClock] = []
_monotonic = time.monotonic
_monotonic_ns = time.monotonic_ns

# What measures or limits real time itself, and event loops that are not the clock's.
_REAL_ROOTS = frozenset(
    {
        "_pytest",
        "asyncio",
        "concurrent",
        "coverage",
        "execnet",
        "hypothesis",
        "motor",
        "multiprocessing",
        "nexus_testing",
        "pymongo",
        "pytest_asyncio",
        "pytest_timeout",
        "queue",
        "redis",
        "selectors",
        "socket",
        "subprocess",
        "threading",
        "xdist",
    }
)


def monotonic() -> float:
    """Stand in the place of `time.monotonic`; a name bound to it meanwhile stays good afterwards."""
    if _installed and sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] not in _REAL_ROOTS:
        return _installed[-1].monotonic()
    return _monotonic()


def monotonic_ns() -> int:
    """Stand in the place of `time.monotonic_ns`."""
    if _installed and sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] not in _REAL_ROOTS:
        return _installed[-1].monotonic_ns()
    return _monotonic_ns()


def current() -> Clock:
    """Return the virtual clock that is on, else a real one."""
    return _installed[-1] if _installed else RealClock()


class Pending(NamedTuple):
    """A timer that has not fired. `due` is None for one in real time, and for one that never fires."""

    due: datetime | None
    task: str | None
    plugin: str | None
    where: Location | None
    real: bool


class Real:
    """The machine's own time, under a virtual clock.

    Args:
        offset: Seconds since the epoch at the zero of monotonic time.
    """

    def __init__(self, offset: float) -> None:
        self._offset = offset

    def time(self) -> float:
        """Return seconds since the epoch."""
        return self._offset + _monotonic()

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        return _monotonic()

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        return moment_of(round(self.time() * 1_000_000))


class VirtualClock:
    """A clock that moves only when told to, or when a test waits. Lives as long as the ``with`` block that it is.

    Args:
        start: What it shows first: a datetime, or the text of one as ISO 8601 has it; 2030-01-01T00:00:00Z by default.
        tz: The zone of times without one, or its name; that of `start`, else UTC, by default.
        autojump: Whether time goes on by itself to the next timer while a test waits and nothing else happens.
        wall: What moves the wall clock: "time-machine" or "freezegun".
        io_grace: Real seconds for which a connection to outside is waited for, after something was written to it.

    Raises:
        ClockError: If one of them is something else.
    """

    def __init__(
        self,
        start: datetime | str | None = None,
        *,
        tz: str | tzinfo | None = None,
        autojump: bool = True,
        wall: str = "time-machine",
        io_grace: float | None = None,
    ) -> None:
        zone = zone_of(tz) if tz is not None else None
        begin = START if start is None else start_of(start, zone)
        self._zone: tzinfo = zone or (begin.tzinfo if start is not None and begin.tzinfo is not None else UTC)
        if not isinstance(autojump, bool):
            raise ClockError(f"autojump={autojump!r} is neither True nor False.", where=caller())
        self._start = moment(begin)
        self._offset = self._start
        self._autojump = autojump
        self._wall = wall_of(wall)
        self._io_grace = io_grace
        self._loop: VirtualLoop | None = None
        self._made_at = caller()
        self._real_at = 0.0
        self.plugin_of: Callable[[Context], str | None] = lambda _: None
        """Says whose code runs in a context; the framework knows."""

    # -- its life -----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if _installed:
            raise ClockError(
                "A virtual clock is on already; there is one for everything.",
                where=caller(),
                why=f"it was made at {_installed[-1]._made_at or 'the start of the test, by the fixture nexus_clock'}",
                fix="Use that one: the fixture nexus_clock.",
            )
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            raise ClockError(
                "A virtual clock starts on a running event loop, and none is running.",
                where=caller(),
                fix="Start it in a coroutine.",
            ) from None
        loop = VirtualLoop(running, self._move_wall, autojump=self._autojump)
        if self._io_grace is not None:
            loop.outside.io_grace = self._io_grace
        self._real_at = time.time() - _monotonic()
        self._wall.start(self._start, self._zone)
        self._loop = loop
        loop.last = LAST - self._offset
        loop.install()
        _installed.append(self)
        self._cover_monotonic()
        return self

    def __exit__(self, *exc_info: object) -> None:
        loop = self._on()
        _installed.remove(self)
        if time.monotonic is monotonic:
            time.monotonic = _monotonic
        if time.monotonic_ns is monotonic_ns:
            time.monotonic_ns = _monotonic_ns
        # The library puts back the one that it found, which may be ours.
        loop.remove()
        self._wall.stop()
        self._loop = None

    def _cover_monotonic(self) -> None:
        # freezegun puts back what it found when it was imported, and not what was there.
        if not self._wall.foreign():
            time.monotonic = monotonic
            time.monotonic_ns = monotonic_ns

    def _on(self) -> VirtualLoop:
        if self._loop is None:
            raise ClockError(
                "This virtual clock is off.",
                where=caller(2),
                why="it is on for the length of its with block, or of the test that asked for nexus_clock",
            )
        return self._loop

    def _move_wall(self, by: int) -> None:
        self._wall.move(by)

    # -- what time it is ----------------------------------------------------------------------------------------------

    @property
    def zone(self) -> tzinfo:
        """The zone of its wall clock."""
        return self._zone

    def now(self) -> datetime:
        """Return the wall clock's time, aware, in the clock's zone."""
        return self.utcnow().astimezone(self._zone)

    def utcnow(self) -> datetime:
        """Return the wall clock's time, aware, in UTC."""
        return moment_of(self.ticks)

    @property
    def ticks(self) -> int:
        """The wall clock's time in whole microseconds since the epoch."""
        return self._offset + (self._loop.now if self._loop is not None else 0)

    def time(self) -> float:
        """Return the wall clock's time in seconds since the epoch."""
        return seconds_of(self.ticks)

    def monotonic(self) -> float:
        """Return seconds that only ever grow, as `time.monotonic()` does and the event loop."""
        return self._on().time()

    def monotonic_ns(self) -> int:
        """Return the same in nanoseconds."""
        loop = self._on()
        return int(loop.base) * 1_000_000_000 + loop.now * 1_000

    # -- moving it ----------------------------------------------------------------------------------------------------

    @awaited
    async def advance(self, delta: timedelta | Literal[0] | None = None, /, **units: float) -> None:
        """Let time pass: all that is due meanwhile happens, each thing at its own time, before this returns.

        Args:
            delta: How long; 0 lets happen what can happen now; or, instead of it:
            **units: weeks, days, hours, minutes, seconds, milliseconds, microseconds.

        Raises:
            ClockError: If that is no span of time, or another wall clock covers this one.
            Stalled: If the event loop does not come to rest.
        """
        __tracebackhide__ = True
        await self._until(self._on().now + span("advance", delta, units))

    @awaited
    async def travel_to(self, when: datetime | str) -> None:
        """Let time pass until the wall clock shows a time.

        Args:
            when: The time, with its zone; not in the past.

        Raises:
            ClockError: If it is in the past, or no time.
            Stalled: If the event loop does not come to rest.
        """
        __tracebackhide__ = True
        by = moment(start_of(when, None)) - self.ticks
        if by < 0:
            raise ClockError(
                f"The clock cannot travel to {when}: it is {self.now()} already.",
                where=caller(),
                why="time only goes forward",
                fix="To turn the wall clock back: nexus_clock.jump_wall(hours=-1).",
            )
        await self._until(self._on().now + by)

    @awaited
    async def settle(self) -> None:
        """Let everything happen that can happen now.

        Raises:
            Stalled: If the event loop does not come to rest.
        """
        __tracebackhide__ = True
        await self._until(self._on().now)

    async def _until(self, target: int) -> None:
        __tracebackhide__ = True
        loop = self._on()
        if loop.loop is not asyncio.get_running_loop():
            raise ClockError(
                "The clock cannot be moved from another event loop than its own.",
                where=caller(),
                why="timers of that other loop are in real time",
                fix="Move it in the test.",
            )
        if target > loop.last:
            raise ClockError(f"The clock cannot go beyond {moment_of(LAST)}.", where=caller(), why="there is no later")
        self._refuse_foreign("be moved")
        await loop.wait_until(target)

    def _refuse_foreign(self, what: str) -> None:
        foreign = self._wall.foreign()
        if foreign:
            said = datetime.fromtimestamp(time.time(), UTC).isoformat()
            raise ClockError(
                f"The clock cannot {what} under {foreign}: the code under test would not see it.",
                where=caller(),
                why=f"{foreign} shows {said} to whoever asks, and stands still",
                fix=f"Leave it out, and write: await nexus_clock.travel_to({said!r})",
            )
        if time.monotonic is not monotonic:
            self._cover_monotonic()

    def jump_wall(self, delta: timedelta | None = None, /, **units: float) -> None:
        """Set the wall clock, forward or back, and nothing else: as when the machine's clock is corrected.

        Args:
            delta: By how much; or, instead of it:
            **units: weeks, days, hours, minutes, seconds, milliseconds, microseconds.

        Raises:
            ClockError: If that is no span of time, or another wall clock covers this one.
        """
        loop = self._on()
        by = span("jump_wall", delta, units, backwards=True)
        if not FIRST <= self.ticks + by <= LAST:
            raise ClockError(
                f"The wall clock cannot show {self.now()} and {timedelta(microseconds=by)} more.",
                where=caller(),
                why="there are years 1 to 9999 only",
            )
        self._refuse_foreign("be set")
        self._offset += by
        loop.last = LAST - self._offset
        self._wall.move(by)

    async def sleep(self, seconds: float) -> None:
        """Wait.

        Args:
            seconds: How long.
        """
        await asyncio.sleep(seconds)

    # -- what is to come, and what is not virtual ---------------------------------------------------------------------

    def next_deadline(self) -> datetime | None:
        """Return when the next timer is due, or None if there is none."""
        due = self._on().next()
        return moment_of(self._offset + due).astimezone(self._zone) if due is not None else None

    def timers(self) -> list[Pending]:
        """Return what is pending, in order: when it is due, in which task, of which plugin, and made where."""
        loop = self._on()
        found = [self._pending(due, timer) for due, timer in loop.virtual.pending()]
        return found + [self._pending(NEVER, timer, real=True) for _, timer in loop.real.pending()]

    def _pending(self, due: int, timer: Any, *, real: bool = False) -> Pending:
        task = plugin = None
        if isinstance(timer, Timer):
            found = task_of(timer._callback)
            for one in timer._args or ():
                for wake, _ in getattr(one, "_callbacks", None) or ():
                    found = found or task_of(wake)
            task = found.get_name() if found is not None else None
            plugin = self.plugin_of(timer._context)
        when = moment_of(self._offset + due).astimezone(self._zone) if due <= self._on().last else None
        return Pending(when, task, plugin, timer.made.where, real)

    @contextmanager
    def real(self) -> Iterator[Real]:
        """Give the machine's own time to read; timers that the block makes run in it."""
        token = in_real_time.set(True)
        try:
            yield Real(self._real_at)
        finally:
            in_real_time.reset(token)

    def external(self) -> AbstractContextManager[None]:
        """Hold time still for the length of a ``with`` block: a thread, or somebody far away, is to answer."""
        return self._on().outside.external()

    def quiet(self, fd: int, *, on: bool) -> None:
        """Say that a connection need not be watched, since whoever waits for an answer on it uses `external`.

        Args:
            fd: The connection's file descriptor.
            on: Whether it need not be watched; said again before it is closed.
        """
        if self._loop is not None:
            self._loop.outside.quiet(fd, on=on)

    def __repr__(self) -> str:
        return f"<VirtualClock {self.now().isoformat()}>"
