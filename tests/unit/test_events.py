"""The event bus: what is delivered, in which order, and what a test may ask of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from unittest.mock import create_autospec

import pytest

from nexus_testing.calls import collect_unawaited
from nexus_testing.errors import DrainTimeout, EventAssertionError, EventError
from nexus_testing.nexus.event import Event, described_event
from nexus_testing.nexus.events import EventBus
from nexus_testing.records import EventPriority


@pytest.fixture(name="bus")
def _bus() -> EventBus:
    return EventBus()


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
async def test_a_handler_that_raises_stops_nobody(bus: EventBus, caplog: pytest.LogCaptureFixture) -> None:
    """Its error is on record and in the log with its traceback; a cancellation of its own is one too."""
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
    assert "Traceback" in caplog.text


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


@pytest.mark.asyncio
async def test_settling_waits_for_what_follows_and_for_nothing_else(bus: EventBus) -> None:
    """Events of handlers belong to what led to them; events published later do not."""
    seen: list[str] = []

    async def first(event: Event) -> None:
        await bus.publish("second", priority=EventPriority.LOW)
        asyncio.get_running_loop().create_task(other())

    async def other() -> None:
        await bus.publish("second.other")

    bus.subscribe("first", first)
    bus.subscribe("second", lambda event: seen.append("second"))
    await bus.publish("first")
    await bus.settle()
    assert ["second"] == seen
    await bus.drain()
    assert ["first", "second", "second.other"] == sorted(event.name for event in bus.published)


@pytest.mark.asyncio
async def test_what_never_comes_to_rest(bus: EventBus) -> None:
    """The error names the handler, its line and the event; a handler may not wait for itself."""

    async def stuck(event: Event) -> None:
        await asyncio.Event().wait()

    async def impatient(event: Event) -> None:
        await bus.drain()

    bus.subscribe("patience", impatient)
    await bus.publish("patience")
    await bus.drain()
    assert isinstance(bus.errors[0].error, EventError)
    bus.subscribe("n", stuck)
    await bus.publish("n", {"a": 1})
    with pytest.raises(DrainTimeout, match=r"within 0\.01 s") as raised:
        await bus.drain(0.01)
    assert "stuck" in str(raised.value)
    assert "{'a': 1}" in str(raised.value)
    assert f"{__file__}:" in str(raised.value)
    await bus.shutdown()
    assert bus.idle


@pytest.mark.asyncio
@pytest.mark.parametrize("arguments", [(7,), ("n", [1]), ("n", {1: 2}), ("n", {}, 5)])
async def test_what_cannot_be_published(bus: EventBus, arguments: tuple[Any, ...]) -> None:
    """A wrong name, data, key or priority is refused at the publisher's line."""
    with pytest.raises(EventError, match="cannot be published") as refused:
        await bus.publish(*arguments)
    assert f"{__file__}:" in str(refused.value)
    with pytest.raises(EventError, match="cannot use"):
        bus.subscribe("n", None)  # type: ignore[arg-type]  # the mistake under test


def test_a_publication_that_nobody_awaits(bus: EventBus) -> None:
    """It is noticed with its line, and nothing is published."""
    found: list[Any] = []
    before = collect_unawaited(found)
    try:
        bus.publish("n")
    finally:
        collect_unawaited(before)
    assert [("EventBus.publish", __file__)] == [(one.name, one.where.file) for one in found]
    assert [] == bus.published


@pytest.mark.asyncio
async def test_a_publication_may_be_a_task_of_its_own(bus: EventBus) -> None:
    """It counts as a coroutine for those who schedule or mock it."""
    await asyncio.create_task(bus.publish("n"))
    await asyncio.gather(bus.publish("n"), bus.expect("n"))
    assert 2 == len(bus.of("n"))
    await create_autospec(EventBus).drain(None)


def test_an_event_is_a_mapping_that_cannot_be_changed() -> None:
    """It reads like its data, compares with it, and tells what is there where something is not."""
    event = Event("order.created", {"id": 7}, source="shop", correlation_id="r1")
    assert event == {"id": 7}
    assert event["id"] == event.data["id"] == event.get("id") == 7
    assert {"id": 7} == {**event}
    assert "id" in event
    assert ("order.created", "shop", "r1", EventPriority.NORMAL) == (
        event.name,
        event.source,
        event.correlation_id,
        event.priority,
    )
    assert event.timestamp.tzinfo is None
    with pytest.raises(KeyError, match="has no 'total', only"):
        event["total"]
    with pytest.raises(AttributeError):
        event.name = "other"  # type: ignore[misc]  # the mistake under test


@dataclass
class OrderCreatedEvent:
    """An event as a plugin may describe it."""

    order_id: int


class Named:
    """An object that knows its event's name."""

    event_name = "a.b"

    def __init__(self) -> None:
        self.x = 1


def test_what_a_plugin_may_hand_over() -> None:
    """A name, an event, a dataclass or an object with a name becomes name and data."""
    assert ("a", {"x": 1}) == described_event("a", {"x": 1})
    assert ("a", {"x": 1}) == described_event(Event("a", {"x": 1}), None)
    assert ("order.created", {"order_id": 7}) == described_event(OrderCreatedEvent(7), None)
    assert ("a.b", {"x": 1}) == described_event(Named(), None)
    with pytest.raises(EventError, match="cannot tell the name"):
        described_event(7, None)


@pytest.mark.asyncio
async def test_assertions(bus: EventBus) -> None:
    """What holds returns the event; what does not shows the nearest with a difference, and the last events."""
    with pytest.raises(EventAssertionError, match="no event was published at all"):
        bus.assert_published("order.created")
    await bus.publish("order.created", {"id": 7, "total": 3})
    await bus.publish("order.paid", {"id": 7})
    await bus.drain()
    assert 3 == bus.assert_published("order.created", id=7).data["total"]
    bus.assert_published("order.created", {"id": 7}, times=1)
    bus.assert_not_published("order.created", id=8)
    with pytest.raises(EventAssertionError, match=r"id: expected 8, got 7(.|\n)*the last 2 of 2 events"):
        bus.assert_published("order.created", id=8)
    with pytest.raises(EventAssertionError, match=r"Did you mean 'order\.created'"):
        bus.assert_published("order.craeted")
    with pytest.raises(EventAssertionError, match="was published 1 times, not 2"):
        bus.assert_published("order.created", times=2)
    with pytest.raises(EventAssertionError, match=r"was published: \{'id': 7\}"):
        bus.assert_not_published("order.paid")


@pytest.mark.asyncio
async def test_sequences_and_expectations(bus: EventBus) -> None:
    """Order is held where it is asked for, and what is to come is waited for, within a limit."""
    for name in ("a", "b", "c"):
        await bus.publish(name)
    assert ["a", "c"] == [event.name for event in bus.assert_sequence("a", "c")]
    bus.assert_sequence("c", "a", ordered=False)
    with pytest.raises(EventAssertionError, match="'a' was not published after 'c'"):
        bus.assert_sequence("c", "a")
    assert "a" == (await bus.expect("a")).name
    waiting = asyncio.create_task(bus.expect("late", within=5, n=2))
    await asyncio.sleep(0)
    await bus.publish("late", {"n": 1})
    await bus.publish("late", {"n": 2})
    assert {"n": 2} == (await waiting).data
    with pytest.raises(EventAssertionError, match=r"was not published within 0\.01 s"):
        await bus.expect("never", within=0.01)
    await bus.drain()
