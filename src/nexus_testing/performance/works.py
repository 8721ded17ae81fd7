"""What a load does again and again: a request, a scenario, a call, an event."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any, Literal

from ..errors import NotOnBackend, PerformanceError, did_you_mean
from ..locations import caller, of_callable
from ..records import Delivered, Published
from .driver import Iteration, iteration

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Mapping

    from ..app import App
    from ..records import Record
    from .driver import Meter
    from .targets import Target

__all__ = ("CallWork", "EventWork", "Kind", "RequestWork", "ScenarioWork", "Work")

Kind = Literal["requests", "scenarios", "calls", "events"]
"""What a load consists of."""


class Work:
    """One kind of thing to do.

    Args:
        name: What it is called in figures.
    """

    kind: Kind

    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, meter: Meter, due: float | None) -> None:
        """Do it once.

        Args:
            meter: Where its times are kept.
            due: When it was due; now by default.
        """
        raise NotImplementedError

    def observe(self, record: Record) -> None:
        """Look at what happens in the app meanwhile."""


class RequestWork(Work):
    """A request, sent on the measuring path.

    Args:
        target: The request.
    """

    kind = "requests"

    def __init__(self, target: Target) -> None:
        super().__init__(target.name)
        self._target = target

    async def run(self, meter: Meter, due: float | None) -> None:
        """Send it."""
        await meter.shoot(self.name, self._target.shot(meter.rng), due)


def _name(function: object) -> str:
    return str(getattr(function, "__name__", None) or type(function).__name__)


def _is_coroutine(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


class ScenarioWork(Work):
    """A coroutine function that sends requests by a client.

    Args:
        function: The function.

    Raises:
        PerformanceError: If it is none.
    """

    kind = "scenarios"

    def __init__(self, function: Callable[[], Awaitable[Any]]) -> None:
        __tracebackhide__ = True
        super().__init__(_name(function))
        if not _is_coroutine(function):
            raise PerformanceError(
                f"The scenario {self.name} is no coroutine function.",
                where=of_callable(function),
                why="it would keep the event loop to itself, and all others waiting",
                fix=f"async def {self.name}(): …",
            )
        self._function = function

    async def run(self, meter: Meter, due: float | None) -> None:
        """Run it."""
        __tracebackhide__ = True
        doing = Iteration(due)
        token = iteration.set(doing)
        started = time.perf_counter()
        try:
            await self._function()
        finally:
            iteration.reset(token)
        ended = time.perf_counter()
        meter.spans.append(ended - (started if due is None else due))
        meter.client_spans.append(max(ended - started - doing.in_app, 0.0))


class CallWork(Work):
    """A function, plain or a coroutine function, whose every call is timed.

    Args:
        function: The function.

    Raises:
        PerformanceError: If it cannot be called without arguments.
    """

    kind = "calls"

    def __init__(self, function: Callable[[], Any]) -> None:
        __tracebackhide__ = True
        super().__init__(_name(function))
        try:
            inspect.signature(function).bind()
        except TypeError as error:
            raise PerformanceError(
                f"{function!r} cannot be called without arguments.",
                where=of_callable(function) or caller(2),
                why=str(error),
                fix="self.measure(lambda: …)",
            ) from error
        except ValueError:
            # Some that are written in C do not say what they take.
            pass
        self._function = function

    async def run(self, meter: Meter, due: float | None) -> None:
        """Call it."""
        __tracebackhide__ = True
        started = meter.enter()
        try:
            found = self._function()
            if inspect.isawaitable(found):
                await found
        finally:
            meter.in_flight -= 1
        ended = time.perf_counter()
        begun = started if due is None else due
        meter.spans.append(ended - begun)
        meter.note(self.name, begun, started, ended, ended, None, None)


class _Heard:
    """One event, while it is on its way."""

    __slots__ = ("done", "due", "left")

    def __init__(self, due: float, left: int) -> None:
        self.due = due
        self.left = left
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class EventWork(Work):
    """An event, from its publication until its last handler is through.

    Args:
        app: The app.
        event: The event's name.
        data: What it says, or a function that is given a `random.Random` and returns it.

    Raises:
        PerformanceError: If nobody listens to it.
    """

    kind = "events"

    def __init__(
        self,
        app: App,
        event: str,
        data: Mapping[str, Any] | Callable[[random.Random], Mapping[str, Any]] | None,
    ) -> None:
        __tracebackhide__ = True
        super().__init__(event)
        self._bus = app.event_bus
        self._data = data
        self._way: dict[int, _Heard] = {}
        self._begun: float | None = None
        self._note: Callable[..., None] | None = None
        if not hasattr(self._bus, "_subscriptions"):
            raise NotOnBackend(
                "Events are measured in memory alone.",
                where=caller(2),
                fix="Run the test with --nexus-backend embedded.",
            )
        if not self._hearing():
            known = sorted({handle.name for handle in self._bus._subscriptions.handles()})
            raise PerformanceError(
                f"Nobody listens to {event!r}.",
                where=caller(2),
                why=f"there are handlers of {', '.join(known) or 'nothing'}",
                fix=did_you_mean(str(event), known),
            )

    def _hearing(self) -> int:
        return sum(1 for one in self._bus._subscriptions.hearing(self.name) if one.handle.active)

    async def run(self, meter: Meter, due: float | None) -> None:
        """Publish it, and wait until it was heard."""
        __tracebackhide__ = True
        data = self._data(meter.rng) if callable(self._data) else self._data
        started = meter.enter()
        self._note = meter.note
        self._begun = started if due is None else due
        heard: _Heard | None = None
        try:
            self._bus.publish_now(self.name, data)
            seq, heard = next(reversed(self._way.items()))
            try:
                await heard.done
            finally:
                self._way.pop(seq, None)
        except asyncio.CancelledError:
            if not meter.cutting or heard is None:
                raise
            now = time.perf_counter()
            meter.note(self.name, heard.due, started, now, now, None, "unanswered")
        finally:
            meter.in_flight -= 1
        meter.spans.append(time.perf_counter() - (started if due is None else due))

    def observe(self, record: Record) -> None:
        """Note when an event of ours was published, and when a handler of it is through."""
        if isinstance(record, Published):
            if self._begun is not None and record.name == self.name:
                self._way[record.seq] = _Heard(self._begun, self._hearing())
                self._begun = None
            return
        if not isinstance(record, Delivered):
            return
        heard = self._way.get(record.published)
        if heard is None or self._note is None:
            return
        ended = time.perf_counter()
        began = ended - record.duration
        reason = None if record.error is None else type(record.error).__name__
        self._note(f"{self.name} → {record.handler}", heard.due, began, ended, ended, None, reason)
        heard.left -= 1
        if heard.left <= 0 and not heard.done.done():
            heard.done.set_result(None)
