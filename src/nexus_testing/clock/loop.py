"""Virtual time on one running event loop: some methods of that one object, replaced and given back."""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from asyncio.base_events import BaseEventLoop
from asyncio.selector_events import BaseSelectorEventLoop
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..errors import ClockError, Stalled
from ..limits import debugging
from ..locations import caller
from .outside import Outside
from .timers import NEVER, Timer, Timers, maker
from .waiting import describe, main_task, raise_in, task_of, waiting_place

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("VirtualLoop", "in_real_time")

in_real_time: ContextVar[bool] = ContextVar("in_real_time", default=False)
"""Whether timers that are made now run in real time."""

_MISSING = object()
_CHECKED = 1_023
_monotonic = time.monotonic

SPIN = 2.0
"""Real seconds that a loop may go without resting while somebody moves the clock."""
SPIN_AT_WORK = 30.0
"""The same, while a test waits for something else: its own work may take that long."""
QUIET = 2.0
"""Real seconds after which a loop with nothing to do, and nobody outside who could wake it, is taken for stalled."""
QUIET_OUTSIDE = 10.0
"""The same, where sockets, subprocesses or real timers could."""
JUMPS = 100_000
"""Jumps in which the test does not get on."""
ALL_JUMPS = 1_000_000
"""Jumps without a call of the clock."""
CENTURY = 100 * 365 * 86_400 * 1_000_000
"""Virtual microseconds in which the test does not get on."""


class VirtualLoop:
    """The time of one event loop, in microseconds since it was taken over.

    Args:
        loop: A running loop of asyncio's own kind.
        on_jump: Called with how far time moves, before what is due then fires.
        autojump: Whether time goes on by itself to the next timer when there is nothing else to do.

    Raises:
        ClockError: If the loop is of another kind.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_jump: Callable[[int], None], *, autojump: bool) -> None:
        refuse_foreign(loop)
        self.loop: Any = loop
        self.now = 0
        self.last = NEVER
        self.autojump = autojump
        self.virtual = Timers()
        self.real = Timers()
        self.outside = Outside()
        self._on_jump = on_jump
        self._targets: list[tuple[int, int, asyncio.Future[None]]] = []
        self._number = 0
        # A whole number, so that no sum of it and a delay is rounded differently on another day.
        self.base = float(math.ceil(_monotonic()))
        self._saved: list[tuple[Any, str, Any]] = []
        self._spins = 0
        self._spinning_since = 0.0
        self._main: asyncio.Task[Any] | None = None
        self._waiter: Any = None
        self._jumps = self._all_jumps = 0
        self._got_on_at = 0
        self._quiet_since: float | None = None

    # -- taking over, giving back -------------------------------------------------------------------------------------

    def install(self) -> None:
        """Take the loop over. Timers that it has already stay in real time."""
        loop = self.loop
        self._poll = loop._selector.select
        self._ready = loop._ready
        offset = loop.time() - _monotonic()
        for handle in loop._scheduled:
            handle._scheduled = False
            if not handle._cancelled:
                self.real.add(round((handle._when - offset) * 1e6), _Adopted(handle))
        loop._scheduled.clear()
        loop._timer_cancelled_count = 0
        for target, name, method in (
            (loop, "time", self.time),
            (loop, "call_at", self.call_at),
            (loop, "call_later", self.call_later),
            (loop._selector, "select", self._select),
        ):
            self._replace(target, name, method)
        self.outside.install(loop, self._replace)

    def _replace(self, target: Any, name: str, method: Any) -> None:
        self._saved.append((target, name, vars(target).get(name, _MISSING)))
        setattr(target, name, method)

    def remove(self) -> None:
        """Give the loop back. What is pending fires when as much real time has passed as it had virtual time to go."""
        for target, name, before in reversed(self._saved):
            if before is _MISSING:
                delattr(target, name)
            else:
                setattr(target, name, before)
        self._saved.clear()
        loop = self.loop
        if loop.is_closed():
            return
        now = loop.time()
        real = round(_monotonic() * 1e6)
        left = [(due - self.now, handle) for due, handle in self.virtual.pending()]
        left += [(due - real, handle) for due, handle in self.real.pending()]
        for togo, handle in left:
            native: Any = handle.handle if isinstance(handle, _Adopted) else handle
            native._when = now + togo / 1e6 if togo < NEVER // 2 else math.inf
            native._scheduled = True
            if isinstance(native, Timer):
                native.held = False
            heapq.heappush(loop._scheduled, native)
        for _, _, future in self._targets:
            future.cancel()

    # -- what stands in the loop's place ------------------------------------------------------------------------------

    def time(self) -> float:
        """Return the loop's time."""
        return self.base + self.now / 1_000_000

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Timer:
        """Call something after a while."""
        if delay is None:
            raise TypeError("delay must not be None")
        return self._add(delay, self.time() + delay, callback, args, context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Timer:
        """Call something at a time of the loop."""
        if when is None:
            raise TypeError("when cannot be None")
        return self._add(None, when, callback, args, context)

    def _add(self, delay: float | None, when: float, callback: Any, args: tuple[Any, ...], context: Any) -> Timer:
        loop = self.loop
        loop._check_closed()
        if loop._debug:
            loop._check_thread()
            loop._check_callback(callback, "call_at")
        if when != when:  # noqa: PLR0124 - only NaN is not itself
            raise ClockError("A timer cannot be due at NaN.", where=caller(2))
        timer = Timer(when, callback, args, loop, context)
        timer.made = made = maker(3)
        if when == math.inf:
            ticks = NEVER
        elif delay is not None:
            ticks = round(delay * 1e6)
        else:
            ticks = round((when - self.base) * 1e6) - self.now
        if made.real or in_real_time.get():
            timer.timers, due = self.real, round(_monotonic() * 1e6) + ticks
        else:
            timer.timers, due = self.virtual, self.now + ticks
        due = min(due, NEVER)
        timer.held = True
        timer.timers.add(due, timer)
        return timer

    def _give(self, timer: Any) -> None:
        self._ready.append(timer.handle if isinstance(timer, _Adopted) else timer)

    # -- moving -------------------------------------------------------------------------------------------------------

    def wait_until(self, target: int) -> asyncio.Future[None]:
        """Return a future that is done once time has come to a moment, and all before it has happened.

        Args:
            target: The moment; not in the past.
        """
        future: asyncio.Future[None] = self.loop.create_future()
        self._number += 1
        heapq.heappush(self._targets, (target, self._number, future))
        self._all_jumps = 0
        self._spinning_since = 0.0
        return future

    def next(self) -> int | None:
        """Return when the next timer in virtual time is due, or None."""
        due = self.virtual.next()
        return due if due is not None and due <= self.last else None

    def _jump(self, to: int) -> None:
        if to > self.now:
            by = to - self.now
            self.now = to
            self._on_jump(by)
        self.virtual.take(self.now, self._ready.append)

    def _target(self) -> int | None:
        targets = self._targets
        while targets and targets[0][2].done():
            heapq.heappop(targets)
        return targets[0][0] if targets else None

    def _select(self, timeout: float | None = None) -> Any:
        if timeout == 0:
            self._spins += 1
            if not self._spins & _CHECKED:
                self._check_spin()
            virtual = self.virtual._heap
            if virtual and virtual[0][0] <= self.now:
                self.virtual.take(self.now, self._ready.append)
            if self.real._heap:
                self.real.take(round(_monotonic() * 1e6), self._give)
            return self._poll(0)
        self._spins = 0
        self._spinning_since = 0.0
        return self._rest()

    def _rest(self) -> Any:
        """Do the next thing that there is to do, on a loop on which nothing is ready."""
        events = self._poll(0)
        if events:
            self.outside.heard(events)
            self._quiet_since = None
            return events
        if self.real._heap:
            self.real.take(round(_monotonic() * 1e6), self._give)
        if self._ready:
            return events
        grace = self.outside.grace(self.loop)
        if grace:
            # Somebody outside is at work, or may be: virtual time waits for them.
            events = self._poll(self._until_real(grace))
            self.outside.waited(events)
            return events
        due, target = self.next(), self._target()
        if target is not None:
            if due is not None and due <= target:
                self._jump(due)
            else:
                self._jump(target)
                while self._targets and self._targets[0][0] <= target:
                    future = heapq.heappop(self._targets)[2]
                    if not future.done():
                        future.set_result(None)
            return events
        if due is not None and due <= self.now:
            self._jump(due)
            return events
        return self._go_on(due)

    def _go_on(self, due: int | None) -> Any:
        """Go on by itself, as far as that is allowed."""
        main = self._main
        if main is None or main.done():
            main = self._main = main_task(self.loop)
            self._waiter = None
        waiter = getattr(main, "_fut_waiter", None)
        if waiter is not self._waiter:
            self._waiter = waiter
            self._jumps = 0
            self._got_on_at = self.now
            self._quiet_since = None
        if due is None:
            return self._wait_for_real(main)
        if not self.autojump:
            if main is None or not raise_in(main, self._stalled(main, "autojump is off, and only timers are left")):
                return self._poll(self._until_real(QUIET))
            return ()
        self._jumps += 1
        self._all_jumps += 1
        why = ""
        if self._jumps > JUMPS:
            why = f"the test waits for something that {JUMPS:,} timers did not bring about"
        elif self._all_jumps > ALL_JUMPS:
            why = f"{ALL_JUMPS:,} timers fired since the test last called the clock"
        elif due - self._got_on_at > CENTURY and self._jumps > 1:
            why = "the test waits for something that a hundred years did not bring about"
        if why and main is not None and raise_in(main, self._stalled(main, why)):
            self._jumps = self._all_jumps = 0
            self._got_on_at = self.now
            return ()
        self._jump(due)
        return ()

    def _until_real(self, seconds: float) -> float:
        due = self.real.next()
        if due is None:
            return seconds
        return min(seconds, max(0.0, due / 1e6 - _monotonic()))

    def _wait_for_real(self, main: asyncio.Task[Any] | None) -> Any:
        now = _monotonic()
        if self._quiet_since is None:
            self._quiet_since = now
        ours = any(handle.made.limit for _, handle in self.real.pending()) if len(self.real) else False
        allowed = QUIET_OUTSIDE if len(self.real) or self.outside.connected(self.loop) else QUIET
        left = self._quiet_since + allowed - now
        if left <= 0 and main is not None and not ours and not debugging():
            self._quiet_since = None
            if raise_in(main, self._stalled(main, f"nothing is left that could happen; {allowed:g} s passed")):
                return ()
        events = self._poll(self._until_real(max(left, 0.1)))
        if events:
            self._quiet_since = None
        return events

    # -- what is said when it does not go on --------------------------------------------------------------------------

    def _check_spin(self) -> None:
        now = _monotonic()
        if not self._spinning_since:
            self._spinning_since = now
            return
        target = self._target()
        allowed = SPIN if target is not None else SPIN_AT_WORK
        if now - self._spinning_since < allowed or debugging():
            return
        main = main_task(self.loop)
        waiter = getattr(main, "_fut_waiter", None)
        if target is None and (self.next() is None or waiter is None or waiter is not self._waiter):
            # It may be the test itself that works hard.
            self._waiter = waiter
            self._spinning_since = now
            return
        running = {task for handle in self._ready if (task := task_of(handle._callback)) is not None}
        error = Stalled(
            f"The clock cannot move: the event loop did not rest for {allowed:g} s.",
            why="\n".join(describe(running)) or "callbacks that belong to no task follow each other",
            fix="Let it wait for something: an event, or asyncio.sleep() with a time.",
        )
        self._spinning_since = 0.0
        if target is not None:
            future = heapq.heappop(self._targets)[2]
            future.set_exception(error)
        elif main is not None:
            raise_in(main, error)

    def _stalled(self, main: asyncio.Task[Any], why: str) -> Stalled:
        others = [task for task in asyncio.all_tasks(self.loop) if task is not main]
        pending = self.virtual.pending()
        timers = [f"timer in {(due - self.now) / 1e6:g} s, made at {handle.made.where}" for due, handle in pending[:20]]
        if len(pending) > len(timers):
            timers.append(f"… and {len(pending) - len(timers)} more")
        return Stalled(
            "The test waits, and time does not bring what it waits for.",
            where=waiting_place(main),
            why="\n".join([why, *timers, *describe(others)]),
            fix="Move the clock: await nexus_clock.advance(…)."
            if not self.autojump
            else "If a thread of your own is to answer, say so: with nexus_clock.external(): …",
        )


class _Adopted:
    """A timer that the loop had before it was taken over."""

    __slots__ = ("handle", "held", "made")

    def __init__(self, handle: asyncio.TimerHandle) -> None:
        self.handle = handle
        self.held = True
        self.made = maker()

    @property
    def _cancelled(self) -> bool:
        return self.handle.cancelled()


def refuse_foreign(loop: asyncio.AbstractEventLoop) -> None:
    """Refuse a loop that keeps time in a way of its own.

    Args:
        loop: The loop.

    Raises:
        ClockError: If it does.
    """
    kind = type(loop)
    name = f"{kind.__module__}.{kind.__qualname__}"
    own = [one for one in ("time", "call_at", "call_later", "_run_once") if isinstance(loop, BaseEventLoop)]
    changed = [one for one in own if getattr(kind, one) is not getattr(BaseEventLoop, one)]
    if isinstance(loop, BaseSelectorEventLoop) and not changed:
        return
    raise ClockError(
        f"The virtual clock needs a selector event loop of asyncio, not {name}.",
        where=caller(2),
        why=f"it has its own {', '.join(changed)}" if changed else "its timers cannot be reached",
        fix="Run tests that use nexus_clock on the default loop: drop the event loop policy, or the loop factory.",
    )
