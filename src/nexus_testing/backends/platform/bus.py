"""The real event bus, with a record of what it does."""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from ...assertions import EventAssertions
from ...calls import awaited
from ...errors import DrainTimeout, EventError
from ...findings import find
from ...limits import limit
from ...locations import caller, of_callable, of_exception
from ...nexus.cause import Cause
from ...nexus.context import Activity, activity, who
from ...nexus.event import copied
from ...nexus.events import EventBus
from ...nexus.handles import Handle
from ...nexus.spellings import misheard
from ...nexus.subscriptions import is_pattern, label_of
from ...records import Delivered, EventPriority, Published
from .ledger import not_there

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...findings import Finding
    from .ledger import Ledger

__all__ = ("Recorder", "make_bus")

MANAGER = "PluginManager"
"""What the framework names as the source of its own news of plugins."""

_AGAIN = 0.1
"""Seconds after which a task that was cancelled and went on is cancelled again."""


class _Queued(NamedTuple):
    record: Published
    cause: Cause


class Recorder(EventAssertions):
    """Stands before the real class in the order of methods: does what that does, and writes it down.

    Args:
        ledger: Where it is written.
    """

    _subscribers: dict[str, list[Any]]

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        super(EventAssertions, self).__init__()
        self.journal = ledger.journal
        self._ledger = ledger
        self._queued: deque[_Queued] = deque()
        self._causes: dict[Cause, None] = {}
        self._consumers: list[asyncio.Task[Any]] = []
        self._handles: list[tuple[Any, Handle]] = []
        self._heard: dict[str, Handle] = {}
        self._delivering: tuple[str, Any] | None = None
        self._ended = ""
        self._halting = False

    # -- subscribing ---------------------------------------------------------------------------------------------

    def subscribe(self, event_name: str, handler: Callable[..., Any]) -> None:
        """Subscribe, as the framework does."""
        super().subscribe(event_name, handler)  # type: ignore[misc]  # the real class comes next
        handle = Handle("subscription", event_name, who() or self._ledger.owner_of(handler), caller(), self._undo)
        self._handles.append((handler, handle))
        self._heard.setdefault(event_name, handle)
        self._ledger.handles.append(handle)
        if isinstance(event_name, str) and is_pattern(event_name) and handle.plugin is not None:
            text = f"plugin {handle.plugin!r} subscribed to the pattern {event_name!r}."
            self._ledger.report(find("NX502", text, plugin=handle.plugin, where=handle.where))

    def unsubscribe(self, event_name: str, handler: Callable[..., Any]) -> None:
        """Unsubscribe, as the framework does."""
        super().unsubscribe(event_name, handler)  # type: ignore[misc]  # as above
        for pair in self._handles:
            if pair[0] == handler and pair[1].name == event_name:
                pair[1].active = False
                self._handles.remove(pair)
                return

    def _undo(self, handle: Handle) -> None:
        for handler, known in list(self._handles):
            if known is handle:
                self.unsubscribe(handle.name, handler)

    def misheard(self) -> list[Finding]:
        """Return a finding for each name that was subscribed to and never published, where one alike was unheard."""
        return list(misheard(self._heard, self.journal))

    # -- publishing ----------------------------------------------------------------------------------------------

    async def publish(self, event_name: str, data: Any = None, *given: Any, **options: Any) -> None:
        """Publish, as the framework does."""
        doing = activity.get()
        kept = _snapshot(data or {})
        # Its queue has no limit, so nothing else runs before the event is on record.
        await super().publish(event_name, data, *given, **options)  # type: ignore[misc]  # as above
        priority, source = _rest(*given, **options)
        plugin = cause = caused_by = correlation_id = None
        if doing is not None:
            plugin = who() if source != MANAGER else None
            cause, caused_by, correlation_id = doing.cause, doing.number, doing.correlation_id
        if cause is None or not cause.open:
            cause = Cause()
            self._causes[cause] = None
        cause.open += 1
        journal = self.journal
        record = Published(
            journal.next_seq(),
            self._ledger.clock.time(),
            event_name,
            kept,
            source if source is not None else plugin,
            plugin,
            correlation_id,
            EventPriority[priority.name] if priority is not None else EventPriority.NORMAL,
            caused_by,
        )
        journal.append(record)
        self._queued.append(_Queued(record, cause))
        if self._expectations:
            self._notice(record)

    @property
    def lost(self) -> list[Published]:
        """The events that were published and that nobody has heard yet; after the shutdown nobody will."""
        return [one.record for one in self._queued]

    # -- delivering ----------------------------------------------------------------------------------------------

    async def process_events(self) -> None:
        """Deliver events, as the framework does."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - the framework makes one
        self._consumers.append(task)
        activity.set(None)
        try:
            await super().process_events()  # type: ignore[misc]  # as above
        finally:
            self._consumers.remove(task)
            if not self._halting and not self._consumers:
                self._ended = self._ended or "it was told to stop"
                for cause in self._causes:
                    cause.fail(self._dead())

    async def _call_event_handlers(self, event: Any) -> None:
        # Queued by somebody who went round publish(): there is no record to belong to.
        if not self._queued:
            await super()._call_event_handlers(event)  # type: ignore[misc]  # as above
            return
        record, cause = self._queued.popleft()
        try:
            # The list itself, as the framework does: a handler that changes it changes this delivery.
            for handler in self._subscribers.get(event.name, ()):
                await self._deliver(record, cause, handler, event)
        finally:
            activity.set(None)
            self._delivering = None
            cause.leave()
            if not cause.open:
                self._causes.pop(cause, None)

    async def _deliver(self, record: Published, cause: Cause, handler: Any, event: Any) -> None:
        plugin = self._plugin_of(record.name, handler)
        journal = self.journal
        begun = journal.next_seq()
        ledger: Any = self._ledger
        activity.set(Activity("handler", ledger, plugin, record.correlation_id, cause, None, begun))
        self._delivering = (label_of(handler), handler)
        error: BaseException | None = None
        at = ledger.clock.time()
        started = time.perf_counter()
        try:
            if asyncio.iscoroutinefunction(handler):
                await handler(event)
            elif inspect.iscoroutine(result := handler(event)):
                result.close()
                self._report_unawaited(record.name, handler, plugin)
        except Exception as raised:  # noqa: BLE001 - recorded and logged as the framework logs it; the next handler runs
            error = raised
        except BaseException as raised:
            error = raised
            self._ended = f"{label_of(handler)} of {plugin or 'the test'} let a {type(raised).__name__} out"
            raise
        finally:
            journal.append(
                Delivered(
                    journal.next_seq(),
                    at,
                    record.name,
                    record.seq,
                    label_of(handler),
                    plugin,
                    (of_exception(error) or of_callable(handler)) if error is not None else None,
                    time.perf_counter() - started,
                    error,
                    begun,
                )
            )
        if isinstance(error, Exception):
            self._safe_log(f"Error in event handler for {record.name}: {error}")
            self._explain(record.name, error, plugin)

    def _plugin_of(self, name: str, handler: Any) -> str | None:
        for known, handle in self._handles:
            if handle.name == name and known == handler:
                return handle.plugin
        return self._ledger.owner_of(handler)

    def _report_unawaited(self, name: str, handler: Any, plugin: str | None) -> None:
        text = f"{label_of(handler)} returned a coroutine for {name!r}, which the framework does not await."
        self._ledger.report(find("NX803", text, plugin=plugin, where=of_callable(handler)))

    def _explain(self, name: str, error: Exception, plugin: str | None) -> None:
        if isinstance(error, TypeError) and "'Event' object is not subscriptable" in str(error):
            text = f"a handler of {name!r} took the event for a dict; it is an Event, whose dict is event.data."
            self._ledger.report(find("NX801", text, plugin=plugin, where=of_exception(error)))

    # -- coming to rest ------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether nothing is queued or running."""
        return not self._causes

    @awaited
    async def drain(self, timeout: float | None = 5.0) -> None:  # noqa: ASYNC109 - a limit with a message of its own
        """Wait until nothing is queued or running.

        Args:
            timeout: Seconds of real time; None for no limit.

        Raises:
            DrainTimeout: If it takes longer; it names the handler that runs.
            EventError: If a handler calls it, or nothing delivers events any more.
        """
        __tracebackhide__ = True
        doing = activity.get()
        if doing is not None and doing.kind == "handler":
            raise EventError(
                "drain() was called by an event handler, which would wait for itself.",
                where=caller(),
                fix="Drain in the test.",
                plugin=doing.plugin,
            )
        await self._wait(list(self._causes), timeout, whole=True)

    async def settle(self, timeout: float | None = 5.0) -> None:  # noqa: ASYNC109 - as above
        """Wait for the events published so far, and for what their handlers publish in turn.

        Args:
            timeout: Seconds of real time; None for no limit.

        Raises:
            DrainTimeout: If it takes longer; it names the handler that runs.
            EventError: If nothing delivers events any more.
        """
        __tracebackhide__ = True
        doing = activity.get()
        if not self._causes or (doing is not None and doing.kind == "handler"):
            return
        await self._wait(list(self._causes), timeout, whole=False)

    async def _wait(self, causes: list[Cause], timeout: float | None, *, whole: bool) -> None:  # noqa: ASYNC109
        __tracebackhide__ = True
        if causes and not self._consumers:
            # The framework has made its task, which has had no turn yet.
            await asyncio.sleep(0)
        try:
            async with limit(timeout):
                while causes:
                    for cause in causes:
                        if cause.open and not self._consumers:
                            raise self._dead()
                        await cause.rest()
                    causes = list(self._causes) if whole else []
        except TimeoutError:
            running = self._delivering
            raise DrainTimeout(
                f"Events did not come to rest within {timeout} s; {len(self._queued)} are queued.",
                where=of_callable(running[1]) if running else None,
                why=f"handler {running[0]} is still running; it keeps all others waiting" if running else "",
                fix="Let the handler end, or raise the limit: nexus_drain_timeout in pytest's configuration.",
            ) from None

    def _dead(self) -> EventError:
        return EventError(
            f"Nothing delivers events: {len(self._queued)} are queued and will stay so.",
            why=f"the framework's one consumer has ended: {self._ended}"
            if self._ended
            else "the framework's consumer starts with the app",
            fix="Let no handler raise CancelledError; it ends the delivery of all events in production too."
            if self._ended
            else "Start the app first: async with create_test_app() as app.",
        )

    async def halt(self) -> None:
        """End the framework's consumer, which the framework itself leaves behind."""
        self._halting = True
        # One that was made and has had no turn would begin after all this.
        await asyncio.sleep(0)
        self._running = False
        tasks = set(self._consumers)
        while tasks:
            for task in tasks:
                task.cancel()
            # Until Python 3.12, a cancellation is lost on a task that has just got what it waited for.
            _, tasks = await asyncio.wait(tasks, timeout=_AGAIN)

    def __getattr__(self, name: str) -> Any:
        raise not_there("EventBus", name, EventBus, type(self).__mro__[-2])


def _snapshot(data: Any) -> Mapping[str, Any]:
    """Return a copy of an event's data as far as it can be copied; the framework passes the values on as they are."""
    try:
        return copied(dict(data))  # type: ignore[no-any-return]  # a dict's copy is a dict
    except Exception:  # noqa: BLE001 - what cannot be copied is kept as it is, and what is no dict the framework refuses
        return data  # type: ignore[no-any-return]  # as above


def _rest(priority: Any = None, source: str | None = None) -> tuple[Any, str | None]:
    return priority, source


@functools.cache
def _class(real: type) -> type:
    return type("RecordingEventBus", (Recorder, real), {})


def make_bus(real: type, ledger: Ledger) -> Any:
    """Make a bus of the real class that records.

    Args:
        real: The framework's class.
        ledger: Where it records.
    """
    return _class(real)(ledger)
