"""The event bus: what is delivered and in which order, who waits for whom, and what ends it."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, cast
from unittest.mock import AsyncMock, create_autospec

import pytest
import pytest_asyncio

from nexus_testing import create_test_app
from nexus_testing.calls import Unawaited, collect_unawaited
from nexus_testing.errors import DrainTimeout, EventError
from nexus_testing.nexus.context import Activity, activity
from nexus_testing.nexus.event import Event
from nexus_testing.nexus.events import EventBus
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.records import EventPriority


@pytest_asyncio.fixture(name="bus")
async def _bus() -> AsyncIterator[EventBus]:
    bus = EventBus()
    yield bus
    await bus.shutdown()


@contextmanager
def acting_as(plugin: str | None, correlation_id: str | None = None) -> Iterator[None]:
    """Let the block's code count as the plugin's."""
    token = activity.set(Activity("request", None, plugin, correlation_id))
    try:
        yield
    finally:
        activity.reset(token)


class Gate:
    """A handler that stays where it is until the test opens it."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.ended = False

    async def __call__(self, event: Event) -> None:
        self.entered.set()
        await self.open.wait()
        self.ended = True


# -- who and what ------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_publication_knows_whose_it_is(bus: EventBus) -> None:
    """The plugin whose code runs is plugin and source; a source that is said wins, the test itself is nobody."""
    await bus.publish("a")
    await bus.publish("a", source="cron")
    with acting_as("shop", "request-1"):
        await bus.publish("a")
        await bus.publish("a", source="cron", correlation_id="mine")
    expected = [(None, None, None), ("cron", None, None), ("shop", "shop", "request-1"), ("cron", "shop", "mine")]
    assert expected == [(one.source, one.plugin, one.correlation_id) for one in bus.published]


@pytest.mark.asyncio
async def test_a_correlation_id_goes_on_to_what_handlers_publish(bus: EventBus) -> None:
    """What an event leads to belongs to what led to the event."""

    async def again(event: Event) -> None:
        await bus.publish("b")

    bus.subscribe("a", again)
    await bus.publish("a", correlation_id="request-1")
    await bus.drain()
    assert "request-1" == bus.assert_published("b").correlation_id


@pytest.mark.asyncio
async def test_a_handler_counts_as_its_plugins(bus: EventBus) -> None:
    """What the handler of a plugin publishes is the plugin's, and so is the record of its run."""

    async def again(event: Event) -> None:
        await bus.publish("b")

    with acting_as("shop"):
        bus.subscribe("a", again)
    await bus.publish("a")
    await bus.drain()
    assert "shop" == bus.assert_published("b").source
    assert ["shop"] == [delivery.plugin for delivery in bus.deliveries]


@pytest.mark.asyncio
async def test_a_handler_is_given_all_that_is_known(bus: EventBus) -> None:
    """The event has the publication's name, time, source, priority and correlation id."""
    seen: list[Event] = []
    bus.subscribe("a", seen.append)
    await bus.publish("a", {"x": 1}, EventPriority.HIGH, "shop", correlation_id="r")
    await bus.drain()
    (event,) = seen
    assert ("a", {"x": 1}, EventPriority.HIGH, "shop", "r") == (
        event.name,
        event.data,
        event.priority,
        event.source,
        event.correlation_id,
    )
    assert bus.published[0].at == Event("a", timestamp=bus.published[0].at)._timestamp


@pytest.mark.asyncio
async def test_a_delivery_is_on_record(bus: EventBus) -> None:
    """Its record has the number of the publication, the handler's name and how long it took."""
    bus.subscribe("a", functools.partial(Gate.__init__))
    bus.subscribe("a", Gate.__init__)
    await bus.publish("a")
    await bus.drain()
    first, second = bus.deliveries
    assert (1, "Gate.__init__", "Gate.__init__") == (first.published, first.handler, second.handler)
    assert first.duration >= 0
    assert first.seq < second.seq


@pytest.mark.asyncio
async def test_an_event_may_be_the_data_of_another(bus: EventBus) -> None:
    """A handler may pass on what it was given."""
    await bus.publish("b", Event("a", {"x": 1}))
    assert {"x": 1} == bus.assert_published("b").data


@pytest.mark.asyncio
async def test_code_that_cannot_await_may_publish(bus: EventBus) -> None:
    """`publish_now` does at once what `publish` does when it is awaited."""
    bus.publish_now("a", {"x": 1}, EventPriority.LOW, "shop", correlation_id="r")
    assert ("shop", "r", EventPriority.LOW) == bus.published[0][4:5] + bus.published[0][6:8]
    with pytest.raises(EventError):
        bus.publish_now("a", cast("Any", []))


def test_without_a_loop_nothing_is_published() -> None:
    """Outside of a loop the bus refuses, and keeps nothing of it."""
    bus = EventBus()
    with pytest.raises(RuntimeError, match="no running event loop"):
        bus.publish_now("a")
    assert ([], 0) == (bus.published, bus.queued)


@pytest.mark.asyncio
async def test_wrong_use_is_refused_at_its_own_line(bus: EventBus) -> None:
    """The error of a wrong publication or subscription names the line that made it."""
    with pytest.raises(EventError, match="cannot be published") as unpublished:
        await bus.publish(cast("Any", 7))
    assert f"{__file__}:" in str(unpublished.value.where)
    for arguments in ((7, print), ("a", None)):
        with pytest.raises(EventError, match="cannot use") as refused:
            bus.subscribe(*cast("Any", arguments))
        assert f"{__file__}:" in str(refused.value.where)
    assert ([], []) == (bus.published, bus.subscriptions)


@pytest.mark.asyncio
async def test_each_handler_has_data_of_its_own(bus: EventBus) -> None:
    """What one handler or the publisher changes nobody else sees."""
    seen: list[Any] = []

    def greedy(event: Event) -> None:
        event.data["items"].append("more")

    bus.subscribe("n", greedy)
    bus.subscribe("n", lambda event: seen.append(event["items"]))
    data = {"items": ["one"]}
    await bus.publish("n", data)
    data["items"].clear()
    await bus.drain()
    assert [["one"]] == seen
    assert {"items": ["one"]} == bus.published[0].data


# -- handlers ----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_more_urgent_comes_first_and_else_the_first(bus: EventBus) -> None:
    """Events are queued: nothing runs before the publisher waits, then by priority, then in order."""
    seen: list[int] = []
    bus.subscribe("n", lambda event: seen.append(event["n"]))
    await bus.publish("n", {"n": 1})
    await bus.publish("n", {"n": 2}, EventPriority.LOW)
    await bus.publish("n", {"n": 3}, EventPriority.CRITICAL)
    await bus.publish("n", {"n": 4})
    assert [] == seen
    assert not bus.idle
    assert 4 == bus.queued
    await bus.drain()
    assert [3, 1, 4, 2] == seen
    assert bus.idle


@pytest.mark.asyncio
async def test_every_kind_of_handler_runs_in_order(bus: EventBus) -> None:
    """A function, a coroutine function and an object with an async call, each once, in the order of subscription."""
    seen: list[str] = []

    async def coroutine(event: Event) -> None:
        await asyncio.sleep(0)
        seen.append("coroutine")

    class Handler:
        async def __call__(self, event: Event) -> None:
            seen.append("object")

    bus.subscribe("n", coroutine)
    bus.subscribe("n", lambda event: seen.append("function"))
    bus.subscribe("n", Handler())
    await bus.publish("n")
    await bus.drain()
    assert ["coroutine", "function", "object"] == seen
    assert ["n", "n", "n"] == [delivery.name for delivery in bus.deliveries]


@pytest.mark.asyncio
async def test_mocks_are_handlers(bus: EventBus) -> None:
    """An AsyncMock is awaited with the event; its error has a place, although it was written nowhere."""
    good, bad = AsyncMock(), AsyncMock(side_effect=ValueError("broken"))
    bus.subscribe("a", good)
    bus.subscribe("a", bad)
    await bus.publish("a", {"x": 1})
    await bus.drain()
    good.assert_awaited_once_with({"x": 1})
    (error,) = bus.errors
    assert error.where is not None
    assert isinstance(error.where.line, int)


@pytest.mark.asyncio
async def test_a_plain_function_may_return_a_coroutine(bus: EventBus) -> None:
    """Whatever a handler returns is awaited if it can be."""
    seen: list[str] = []

    async def later() -> None:
        seen.append("later")

    bus.subscribe("a", lambda event: later())
    await bus.publish("a")
    await bus.drain()
    assert ["later"] == seen


@pytest.mark.asyncio
async def test_one_handler_may_be_subscribed_twice(bus: EventBus) -> None:
    """It runs twice; one unsubscription takes one of them away."""
    seen: list[object] = []
    bus.subscribe("a", seen.append)
    bus.subscribe("a", seen.append)
    bus.unsubscribe("a", seen.append)
    assert 1 == len(bus.subscriptions)
    await bus.publish("a")
    await bus.drain()
    assert 1 == len(seen)


@pytest.mark.asyncio
async def test_unsubscribing_while_events_are_delivered(bus: EventBus) -> None:
    """Nobody is skipped, and nobody hears after having left, by handle or by name; handles may be awaited."""
    seen: list[str] = []

    def leaves(event: Event) -> None:
        seen.append("leaves")
        bus.unsubscribe("n", leaves)
        last()

    bus.subscribe("n", leaves)
    bus.subscribe("n", lambda event: seen.append("stays"))
    last = await bus.subscribe("n", lambda event: seen.append("gone"))
    await bus.publish("n")
    await bus.publish("n")
    await bus.drain()
    assert ["leaves", "stays", "stays"] == seen
    assert not last.active
    last()
    with pytest.raises(ValueError, match="is not subscribed"):
        bus.unsubscribe("n", leaves)
    await bus.unsubscribe("unknown", leaves)


@pytest.mark.asyncio
async def test_a_handler_that_subscribes_another(bus: EventBus) -> None:
    """The new one hears the next event, not the one that is being delivered."""
    seen: list[int] = []

    def subscribing(event: Event) -> None:
        bus.subscribe("a", lambda event: seen.append(event["n"]))

    undo = bus.subscribe("a", subscribing)
    await bus.publish("a", {"n": 1})
    await bus.drain()
    undo()
    await bus.publish("a", {"n": 2})
    await bus.drain()
    assert [2] == seen


@pytest.mark.asyncio
async def test_who_subscribes_before_delivery_hears(bus: EventBus) -> None:
    """Handlers are looked up when an event's turn comes."""
    seen: list[Event] = []
    await bus.publish("a")
    bus.subscribe("a", seen.append)
    await bus.drain()
    assert 1 == len(seen)


@pytest.mark.asyncio
async def test_a_handler_that_raises_stops_nobody(bus: EventBus) -> None:
    """Its error is on record, with its place; a cancellation of its own is one too."""
    seen: list[str] = []

    async def cancelled(event: Event) -> None:
        raise asyncio.CancelledError

    def broken(event: Event) -> None:
        raise ValueError("broken")

    for handler in (broken, cancelled, lambda event: seen.append("after")):
        bus.subscribe("n", handler)
    await bus.publish("n")
    await bus.publish("n")
    await bus.drain()
    assert ["after", "after"] == seen
    assert [ValueError, asyncio.CancelledError] * 2 == [type(one.error) for one in bus.errors]
    assert bus.errors[0].where is not None
    assert __file__ == bus.errors[0].where.file


@pytest.mark.asyncio
async def test_a_failing_pytest_assertion_in_a_handler_is_recorded(
    bus: EventBus, caplog: pytest.LogCaptureFixture
) -> None:
    """`pytest.fail` is no Exception; it is on record like one, and the next event is delivered."""
    seen: list[Event] = []
    bus.subscribe("a", lambda event: pytest.fail("must not be called"))
    bus.subscribe("b", seen.append)
    await bus.publish("a")
    await bus.publish("b")
    await bus.drain()
    assert 1 == len(seen)
    assert ["must not be called"] == [str(delivery.error) for delivery in bus.errors]
    assert [("nexus.core", logging.ERROR)] == [(one.name, one.levelno) for one in caplog.records]
    assert "Error in event handler for a: must not be called" in caplog.text


@pytest.mark.asyncio
async def test_the_log_has_the_handlers_line(bus: EventBus, caplog: pytest.LogCaptureFixture) -> None:
    """The traceback that is logged ends in the handler."""

    async def broken(event: Event) -> None:
        raise ValueError("broken")

    bus.subscribe("a", broken)
    await bus.publish("a")
    await bus.drain()
    assert f'File "{__file__}"' in caplog.text
    assert "in broken" in caplog.text


# -- coming to rest ----------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_draining_follows_every_chain(bus: EventBus) -> None:
    """Events of handlers of events are waited for, however deep they go."""
    seen: list[int] = []

    async def count(event: Event) -> None:
        seen.append(event["n"])
        await asyncio.sleep(0)
        if event["n"] < 5:
            await bus.publish("a", {"n": event["n"] + 1})

    bus.subscribe("a", count)
    await bus.publish("a", {"n": 1})
    await bus.drain()
    assert [1, 2, 3, 4, 5] == seen
    await bus.drain()


@pytest.mark.asyncio
async def test_settling_does_not_wait_for_what_comes_later(bus: EventBus) -> None:
    """Somebody else's event that is published meanwhile is not waited for."""
    gate, late = Gate(), Gate()
    bus.subscribe("a", gate)
    bus.subscribe("late", late)
    await bus.publish("a")
    settling = asyncio.create_task(bus.settle())
    await gate.entered.wait()
    await bus.publish("late")
    gate.open.set()
    await settling
    assert (True, False) == (gate.ended, late.ended)
    late.open.set()
    await bus.drain()
    assert late.ended


@pytest.mark.asyncio
async def test_settling_waits_for_what_a_slow_handler_publishes(bus: EventBus) -> None:
    """An event that a handler publishes after the wait began is waited for too."""
    gate, seen = Gate(), list[Event]()

    async def slow(event: Event) -> None:
        await gate(event)
        await bus.publish("b")

    bus.subscribe("a", slow)
    bus.subscribe("b", seen.append)
    await bus.publish("a")
    settling = asyncio.create_task(bus.settle())
    await gate.entered.wait()
    gate.open.set()
    await settling
    assert 1 == len(seen)


@pytest.mark.asyncio
async def test_settling_inside_of_a_handler_does_not_wait(bus: EventBus) -> None:
    """A handler that makes a request would wait for itself; so it goes on at once."""

    async def impatient(event: Event) -> None:
        await bus.settle()

    bus.subscribe("a", impatient)
    await bus.publish("a")
    await bus.drain(1)
    assert [] == bus.errors


@pytest.mark.asyncio
async def test_several_may_wait_and_one_may_give_up(bus: EventBus) -> None:
    """A wait that is cancelled takes nobody with it."""
    gate = Gate()
    bus.subscribe("a", gate)
    await bus.publish("a")
    first, second = (asyncio.create_task(bus.drain()) for _ in range(2))
    await gate.entered.wait()
    first.cancel()
    await asyncio.wait([first])
    gate.open.set()
    await second
    assert first.cancelled()
    assert bus.idle


@pytest.mark.asyncio
async def test_a_handler_may_not_drain(bus: EventBus) -> None:
    """It would wait for itself, so it is refused."""

    async def impatient(event: Event) -> None:
        await bus.drain()

    bus.subscribe("a", impatient)
    await bus.publish("a")
    await bus.drain()
    (delivery,) = bus.errors
    assert isinstance(delivery.error, EventError)
    assert "would wait for itself" in str(delivery.error)


@pytest.mark.asyncio
async def test_a_timeout_names_the_handlers_plugin(bus: EventBus) -> None:
    """Handler, plugin, place and the number of events that wait are in the message."""
    gate = Gate()
    with acting_as("shop"):
        bus.subscribe("a", gate)
    await bus.publish("a", {"x": 1})
    await bus.publish("a")
    with pytest.raises(DrainTimeout) as failed:
        await bus.drain(0.01)
    assert "Events did not come to rest within 0.01 s; 1 are queued." == failed.value.what
    assert "handler Gate of shop is still at Event('a', {'x': 1})" == failed.value.why
    assert "shop" == failed.value.plugin
    assert f"{__file__}:" in str(failed.value.where)


@pytest.mark.asyncio
async def test_a_bus_goes_on_after_a_timeout(bus: EventBus) -> None:
    """The handler that took too long is not cut off."""
    gate = Gate()
    bus.subscribe("a", gate)
    await bus.publish("a")
    with pytest.raises(DrainTimeout):
        await bus.drain(0.01)
    gate.open.set()
    await bus.drain()
    assert gate.ended


@pytest.mark.asyncio
async def test_processing_events_delivers_what_is_queued(bus: EventBus) -> None:
    """The published bus's methods are there: start does nothing, process_events waits for the queue."""
    seen: list[Event] = []
    bus.subscribe("a", seen.append)
    await bus.start()
    await bus.publish("a")
    await bus.process_events()
    assert 1 == len(seen)


@pytest.mark.asyncio
async def test_a_shutdown_drops_what_is_queued_and_frees_who_waits(bus: EventBus) -> None:
    """The running handler is cancelled, the rest is dropped, and a drain without a limit ends."""
    gate = Gate()
    bus.subscribe("a", gate)
    await bus.publish("a")
    await bus.publish("a")
    waiting = asyncio.create_task(bus.drain(None))
    await gate.entered.wait()
    await bus.shutdown()
    await asyncio.wait_for(waiting, 1)
    assert (True, 0, False) == (bus.idle, bus.queued, gate.ended)
    gate.open.set()
    await bus.publish("a")
    await bus.drain()
    assert gate.ended


@pytest.mark.asyncio
async def test_a_handler_may_shut_the_bus_down(bus: EventBus) -> None:
    """It is not cancelled by it, and what was queued behind it is dropped."""
    seen: list[str] = []

    async def last(event: Event) -> None:
        await bus.shutdown()
        seen.append("done")

    bus.subscribe("a", last)
    await bus.publish("a")
    await bus.publish("a")
    await bus.drain(1)
    assert ["done"] == seen


def test_a_bus_may_be_used_on_one_loop_after_another() -> None:
    """Its consumer belongs to no loop for longer than there are events."""
    bus, seen = EventBus(), list[Event]()
    bus.subscribe("a", seen.append)

    async def publish() -> None:
        await bus.publish("a")
        await bus.drain()

    for _ in range(2):
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(publish())
    assert 2 == len(seen)


# -- publications nobody awaits ----------------------------------------------------------------------------------


@pytest.fixture(name="dropped")
def _dropped() -> Iterator[list[Unawaited]]:
    found: list[Unawaited] = []
    before = collect_unawaited(found)
    yield found
    collect_unawaited(before)


def test_a_publication_that_nobody_awaits_is_reported(dropped: list[Unawaited]) -> None:
    """It is noticed with its line, and nothing is published."""
    bus = EventBus()
    bus.publish("a")
    assert [("EventBus.publish", __file__)] == [(one.name, one.where.file) for one in dropped]
    assert [] == bus.published


@pytest.mark.asyncio
async def test_a_publication_that_is_closed_or_thrown_into_is_not_reported(
    bus: EventBus, dropped: list[Unawaited]
) -> None:
    """Somebody dealt with it; nothing was published."""
    bus.publish("a").close()
    with pytest.raises(ValueError, match="given up"):
        bus.publish("a").throw(ValueError("given up"))
    assert ([], []) == (dropped, bus.published)


@pytest.mark.asyncio
async def test_publications_are_coroutines_to_others(bus: EventBus, dropped: list[Unawaited]) -> None:
    """They may be gathered, limited, scheduled and mocked."""
    await asyncio.gather(bus.publish("a"), bus.publish("b"))
    await asyncio.wait_for(bus.publish("c"), 1)
    await asyncio.create_task(bus.publish("d"))
    await create_autospec(EventBus).publish("e")
    assert (["a", "b", "c", "d"], []) == ([event.name for event in bus.published], dropped)


# -- in an app ---------------------------------------------------------------------------------------------------


class Listener(BasePlugin):
    """A plugin one of whose methods a test subscribes."""

    def __init__(self) -> None:
        self.name = "listener"
        self.heard: list[Event] = []

    def hear(self, event: Event) -> None:
        self.heard.append(event)


@pytest.mark.asyncio
async def test_a_plugins_method_is_the_plugins_whoever_subscribes_it() -> None:
    """The subscription of a bound method belongs to the instance's plugin, also through a partial."""
    async with create_test_app([Listener]) as app:
        plugin: Listener = app.get_plugin("listener")
        handles = [
            app.event_bus.subscribe("a", plugin.hear),
            app.event_bus.subscribe("a", functools.partial(plugin.hear)),
            app.event_bus.subscribe("a", lambda event: None),
        ]
        assert ["listener", "listener", None] == [handle.plugin for handle in handles]
        assert "<subscription 'a' of listener, active>" == repr(handles[0])
        handles[2]()
        assert "<subscription 'a' of the test, undone>" == repr(handles[2])


@pytest.mark.asyncio
async def test_what_a_request_publishes_is_correlated_with_it() -> None:
    """Each request has an id of its own, which its events have too."""
    async with create_test_app() as app:

        @app.fastapi_app.get("/publish")
        async def publish() -> None:
            await app.event_bus.publish("asked")

        client = app.client()
        await client.get("/publish")
        await client.get("/publish")
        assert ["request-1", "request-2"] == [event.correlation_id for event in app.event_bus.of("asked")]
