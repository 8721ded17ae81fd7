"""The event bus: queued, by priority, one consumer, handlers one after the other."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import sys
import time
from collections import deque
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ..assertions import EventAssertions
from ..calls import awaited, counted
from ..clock import RealClock
from ..errors import DrainTimeout, EventError
from ..findings import find
from ..limits import limit
from ..locations import caller, of_callable, of_exception
from ..records import Delivered, EventPriority, Journal, Published
from .cause import Cause
from .context import Activity, activity, who
from .event import Event, check_publication, copied_data, event_of
from .handles import Handle
from .publications import Publication
from .spellings import misheard
from .subscriptions import Subscriptions, check_name, check_subscription, is_pattern, label_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..calls import Call
    from ..clock import Clock
    from ..findings import Finding
    from .kernel import Kernel
    from .permissions import Permissions
    from .subscriptions import Handler, Subscription

__all__ = ("EventBus",)

logger = logging.getLogger("nexus.core")


class EventBus(EventAssertions):
    """Delivers events to those who subscribed. Lives as long as its app, or as long as you keep it.

    Args:
        journal: Where publications and deliveries are recorded.
        clock: What time stamps come from.
        kernel: The app that it belongs to, if any.
    """

    guard: Permissions | None = None
    """Who says what plugins may do, once there is one that may not do everything."""

    def __init__(
        self, journal: Journal | None = None, clock: Clock | None = None, kernel: Kernel | None = None
    ) -> None:
        super().__init__()
        self.journal = journal if journal is not None else Journal()
        self._clock: Clock = clock or RealClock()
        self._kernel = kernel
        self._subscriptions = Subscriptions()
        self._queues: dict[EventPriority, deque[tuple[Published, Cause]]] = {
            priority: deque() for priority in reversed(EventPriority)
        }
        self._causes: dict[Cause, None] = {}
        self._consumer: asyncio.Task[None] | None = None
        self._running: tuple[Subscription, Event] | None = None

    # -- subscribing ---------------------------------------------------------------------------------------------

    def subscribe(self, event_name: str, handler: Handler, *, once: bool = False) -> Handle:
        """Call *handler* with each event of that name from now on.

        Args:
            event_name: The event's name, or a pattern: `*` stands for any characters, `?` for one.
            handler: A function, coroutine function, or object with either as its `__call__`; it takes the event.
            once: Whether the first event ends the subscription.

        Returns:
            A handle that undoes it.

        Raises:
            EventError: If the name is no string or empty, or the handler cannot be called with an event alone.
        """
        check_subscription("subscribe", event_name, handler)
        return self._subscribe(event_name, handler, once=once)

    def once(self, event_name: str, handler: Handler) -> Handle:
        """Call *handler* with the next event of that name, and with no other.

        Args:
            event_name: The event's name, or a pattern.
            handler: What takes the event.

        Returns:
            A handle that undoes it.

        Raises:
            EventError: As `subscribe` does.
        """
        check_subscription("once", event_name, handler)
        return self._subscribe(event_name, handler, once=True)

    def _subscribe(self, name: str, handler: Handler, *, once: bool) -> Handle:
        if self.guard is not None:
            self.guard.check("events.subscribe")
        plugin = who()
        kernel = self._kernel
        if plugin is None and kernel is not None:
            plugin = kernel.owner_of(handler)
        handle = Handle("subscription", name, plugin, caller(3), self._drop)
        self._subscriptions.add(handler, handle, once=once)
        if kernel is not None:
            kernel.own(handle)
            if plugin is not None and is_pattern(name):
                text = f"plugin {plugin!r} subscribed to the pattern {name!r}."
                kernel.report(find("NX502", text, plugin=plugin, where=handle.where))
        return handle

    def unsubscribe(self, event_name: str, handler: Handler) -> Handle:
        """Stop calling *handler* for that event. One subscription goes, if there are several.

        Args:
            event_name: What was subscribed to: the event's name, or the pattern.
            handler: What was subscribed.

        Raises:
            EventError: If the name is no string or empty.
            ValueError: If the handler is not subscribed to an event that others are subscribed to.
        """
        check_name("unsubscribe", event_name)
        subscriptions = self._subscriptions.to(event_name)
        for subscription in subscriptions:
            if subscription.handler == handler:
                subscription.handle()
                return subscription.handle
        if subscriptions:
            msg = f"{label_of(handler)} is not subscribed to {event_name!r}"
            raise ValueError(msg)
        return Handle("subscription", event_name, None, None, lambda _handle: None)

    def _drop(self, handle: Handle) -> None:
        self._subscriptions.drop(handle)
        if self._kernel is not None:
            self._kernel.disown(handle)

    @property
    def subscriptions(self) -> list[Handle]:
        """The handles of all that is subscribed, by event, in the order of subscription."""
        return self._subscriptions.handles()

    def misheard(self) -> list[Finding]:
        """Return a finding for each name that was subscribed to and never published, where one alike was unheard."""
        return list(misheard(self._subscriptions.heard, self.journal))

    def checkpoint(self) -> Callable[[], None]:
        """Return what puts everything back that is subscribed now."""
        return self._subscriptions.checkpoint()

    # -- publishing ----------------------------------------------------------------------------------------------

    @counted
    def publish(
        self,
        event_name: str,
        data: Mapping[str, Any] | None = None,
        priority: EventPriority = EventPriority.NORMAL,
        source: str | None = None,
        *,
        correlation_id: str | None = None,
    ) -> Call[None]:
        """Queue an event and return at once, when awaited.

        Args:
            event_name: The event's name.
            data: What it says; copied.
            priority: How urgent it is.
            source: Who publishes it; the plugin whose code is running by default.
            correlation_id: What it belongs to; the request or event that led to it by default.

        Raises:
            EventError: If the name is no string, the data no mapping with string keys or the priority none.
        """
        return Publication(self._publish, sys._getframe(1), event_name, data, priority, source, correlation_id)

    def publish_now(
        self,
        event_name: str,
        data: Mapping[str, Any] | None = None,
        priority: EventPriority = EventPriority.NORMAL,
        source: str | None = None,
        *,
        correlation_id: str | None = None,
    ) -> None:
        """Queue an event, from code that cannot await. The arguments are those of `publish`."""
        self._publish(event_name, data, priority, source, correlation_id)

    def _publish(  # noqa: C901 - the busiest way there is stays in one function
        self,
        name: str,
        data: Mapping[str, Any] | None,
        priority: EventPriority,
        source: str | None,
        correlation_id: str | None,
    ) -> None:
        if isinstance(data, Event):
            data = data.data
        if type(data) is not dict or type(name) is not str or type(priority) is not EventPriority:
            check_publication(name, data, priority)
            data = dict(data) if data else {}
        for key in data:
            if type(key) is not str:
                check_publication(name, data, priority)
        if self.guard is not None:
            self.guard.check("events.publish")
        data = copied_data(name, data)
        doing = activity.get()
        plugin = cause = caused_by = None
        if doing is not None:
            plugin = who()
            cause = doing.cause
            caused_by = doing.number
            if correlation_id is None:
                correlation_id = doing.correlation_id
        if self._consumer is None or self._consumer.done():
            loop = asyncio.get_running_loop()
            self._consumer = loop.create_task(self._consume(), name="nexus event bus", context=contextvars.Context())
        if cause is None or not cause.open:
            cause = Cause()
            self._causes[cause] = None
        cause.open += 1
        journal = self.journal
        record = Published(
            journal.next_seq(),
            self._clock.time(),
            name,
            data,
            source if source is not None else plugin,
            plugin,
            correlation_id,
            priority,
            caused_by,
        )
        journal.append(record)
        self._queues[priority].append((record, cause))
        if self._expectations:
            self._notice(record)

    # -- delivering ----------------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """How many events wait for their turn."""
        return sum(map(len, self._queues.values()))

    def _next(self) -> tuple[Published, Cause] | None:
        for queue in self._queues.values():
            if queue:
                return queue.popleft()
        return None

    async def _consume(self) -> None:
        try:
            while (item := self._next()) is not None:
                record, cause = item
                try:
                    for subscription in tuple(self._subscriptions.hearing(record.name)):
                        if subscription.handle.active:
                            if subscription.once:
                                subscription.handle()
                            await self._deliver(record, cause, subscription)
                finally:
                    self._leave(cause)
        finally:
            self._consumer = None
            self._running = None

    def _leave(self, cause: Cause) -> None:
        cause.leave()
        if not cause.open:
            self._causes.pop(cause, None)

    async def _deliver(self, record: Published, cause: Cause, subscription: Subscription) -> None:
        event = event_of(record)
        plugin = subscription.handle.plugin
        journal = self.journal
        begun = journal.next_seq()
        activity.set(Activity("handler", self._kernel, plugin, record.correlation_id, cause, None, begun))
        self._running = (subscription, event)
        error: BaseException | None = None
        at = self._clock.time()
        started = time.perf_counter()
        try:
            result = subscription.handler(event)
            if type(result) is CoroutineType or inspect.isawaitable(result):
                await result
        except asyncio.CancelledError as raised:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            error = raised
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as raised:  # noqa: BLE001 - recorded, logged, and the next handler runs; so is pytest.fail()
            error = raised
        journal.append(
            Delivered(
                journal.next_seq(),
                at,
                record.name,
                record.seq,
                subscription.label,
                plugin,
                (of_exception(error) or of_callable(subscription.handler)) if error is not None else None,
                time.perf_counter() - started,
                error,
                begun,
            )
        )
        if error is not None:
            logger.error("Error in event handler for %s: %s", record.name, error, exc_info=error)

    # -- coming to rest ------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether nothing is queued or running."""
        return self._consumer is None

    @awaited
    async def drain(self, timeout: float | None = 5.0) -> None:  # noqa: ASYNC109 - a limit with a message of its own
        """Wait until nothing is queued or running.

        Args:
            timeout: Seconds of real time; None for no limit.

        Raises:
            DrainTimeout: If it takes longer; it names the handler that runs.
            EventError: If a handler calls it, since it would wait for itself.
        """
        __tracebackhide__ = True
        self._refuse_inside("drain")
        await self._wait(list(self._causes), timeout, whole=True)

    async def settle(self, timeout: float | None = 5.0) -> None:  # noqa: ASYNC109 - as above
        """Wait for the events published so far, and for what their handlers publish in turn.

        Args:
            timeout: Seconds of real time; None for no limit.

        Raises:
            DrainTimeout: If it takes longer; it names the handler that runs.
        """
        __tracebackhide__ = True
        doing = activity.get()
        if self._consumer is None or (doing is not None and doing.kind in {"handler", "job"}):
            return
        await self._wait(list(self._causes), timeout, whole=False)

    async def _wait(self, causes: list[Cause], timeout: float | None, *, whole: bool) -> None:  # noqa: ASYNC109
        __tracebackhide__ = True
        try:
            async with limit(timeout):
                while causes:
                    for cause in causes:
                        await cause.rest()
                    causes = list(self._causes) if whole else []
                while whole and self._consumer is not None:
                    await asyncio.wait([self._consumer])
        except TimeoutError:
            raise DrainTimeout(
                f"Events did not come to rest within {timeout} s; {self.queued} are queued.",
                where=of_callable(self._running[0].handler) if self._running else None,
                why=self._busy(),
                fix="Let the handler end, or raise the limit: nexus_drain_timeout in pytest's configuration.",
                plugin=self._running[0].handle.plugin if self._running else None,
            ) from None

    def _busy(self) -> str:
        if self._running is None:
            return ""
        subscription, event = self._running
        return f"handler {subscription.label} of {subscription.handle.plugin or 'the test'} is still at {event!r}"

    def _refuse_inside(self, verb: str) -> None:
        doing = activity.get()
        if doing is not None and doing.kind == "handler":
            raise EventError(
                f"{verb}() was called by an event handler, which would wait for itself.",
                where=caller(3),
                fix="Drain in the test, after what publishes.",
                plugin=doing.plugin,
            )

    # -- the life of the published bus, which here needs no starting -----------------------------------------------

    async def start(self) -> None:
        """Do nothing: delivery starts with the first event."""

    async def process_events(self) -> None:
        """Deliver what is queued."""
        await self._wait(list(self._causes), None, whole=True)

    async def shutdown(self) -> None:
        """Stop delivering. What is still queued is dropped."""
        for queue in self._queues.values():
            while queue:
                self._leave(queue.popleft()[1])
        consumer = self._consumer
        if consumer is not None and consumer is not asyncio.current_task():
            consumer.cancel()
            await asyncio.wait([consumer])
            # One that was cancelled before its first step had no turn to say that it is gone.
            self._consumer = None
        self._causes.clear()
