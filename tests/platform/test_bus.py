"""The real event bus, with assertions, a drain and a record of who heard what."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexus_testing.app import create_test_app
from nexus_testing.errors import DrainTimeout, EventAssertionError, EventError, NotOnBackend

pytestmark = pytest.mark.asyncio


async def test_a_drain_waits_for_what_handlers_publish(make_app: Any) -> None:
    """What a handler publishes in turn is delivered too, and on record with what led to it."""
    app = await make_app()

    async def pay(event: Any) -> None:
        await asyncio.sleep(0.01)
        await app.event_bus.publish("order.paid", {"id": event.data["id"]})

    heard: list[Any] = []
    app.event_bus.subscribe("order.created", pay)
    app.event_bus.subscribe("order.paid", heard.append)
    await app.event_bus.publish("order.created", {"id": "7"})
    await app.event_bus.drain()
    assert ["7"] == [event.data["id"] for event in heard]
    paid = app.event_bus.assert_published("order.paid", id="7")
    assert ["order.created"] == [cause.name for cause in app.journal.caused_by(paid)[1:]]


async def test_a_handler_that_raises_is_on_record(make_app: Any) -> None:
    """The framework logs one line; the exception itself is there, and the next handler runs."""
    app = await make_app()

    def fail(_event: Any) -> None:
        raise ValueError("no")

    heard: list[Any] = []
    app.event_bus.subscribe("order.created", fail)
    app.event_bus.subscribe("order.created", heard.append)
    await app.event_bus.publish("order.created", {})
    await app.event_bus.drain()
    assert ["ValueError('no')"] == [repr(run.error) for run in app.event_bus.errors]
    assert len(heard) == 1


async def test_a_handler_that_lets_a_cancellation_out_ends_the_bus(make_app: Any) -> None:
    """The framework delivers nothing from then on; a drain says so instead of waiting."""
    app = await make_app()

    async def cancelled(_event: Any) -> None:
        raise asyncio.CancelledError

    app.event_bus.subscribe("order.created", cancelled)
    await app.event_bus.publish("order.created", {})
    await app.event_bus.publish("order.paid", {})
    with pytest.raises(EventError, match=r"1 are queued(.|\n)*CancelledError"):
        await app.event_bus.drain()
    assert ["order.paid"] == [event.name for event in app.event_bus.lost]


async def test_a_drain_names_the_handler_that_hangs(make_app: Any) -> None:
    """The limit is real time; the message names the handler."""
    app = await make_app()

    async def hang(_event: Any) -> None:
        await asyncio.Event().wait()

    app.event_bus.subscribe("order.created", hang)
    await app.event_bus.publish("order.created", {})
    with pytest.raises(DrainTimeout, match="hang"):
        await app.event_bus.drain(timeout=0.05)


async def test_a_coroutine_that_nobody_awaits_is_found(make_app: Any) -> None:
    """A function that returns a coroutine is called and not awaited, as in production."""
    app = await make_app()
    ran: list[Any] = []

    async def handle(event: Any) -> None:
        ran.append(event)

    def later(event: Any) -> Any:
        return handle(event)

    app.event_bus.subscribe("order.created", later)
    await app.event_bus.publish("order.created", {})
    await app.event_bus.drain()
    assert not ran
    assert ["NX803"] == [finding.id for finding in app.findings]


async def test_what_the_framework_does_not_have_is_said_by_name(make_app: Any) -> None:
    """It stays an AttributeError, so that code may ask whether it is there."""
    app = await make_app()
    with pytest.raises(NotOnBackend, match="has no attribute 'once' on nexus-platform"):
        app.event_bus.once("order.created", print)
    assert not hasattr(app.service_registry, "get_service")
    with pytest.raises(NotOnBackend, match="'collection'"):
        app.db.collection("orders")
    with pytest.raises(AttributeError, match=r"'nonsense'$"):
        _ = app.event_bus.nonsense


async def test_a_test_may_wait_for_an_event(make_app: Any) -> None:
    """Until it comes, or until it is clear that it does not."""
    from nexus.core import EventPriority

    app = await make_app()
    waiting = asyncio.create_task(app.event_bus.expect("order.paid", id="7"))
    await asyncio.sleep(0)
    await app.event_bus.publish("order.paid", {"id": "7"}, EventPriority.HIGH)
    assert (await waiting).priority.name == "HIGH"
    with pytest.raises(EventAssertionError, match=r"Did you mean 'order.paid'"):
        await app.event_bus.expect("order.payed", within=0.01)


async def test_a_handler_that_drains_would_wait_for_itself(make_app: Any) -> None:
    """It is told so, and a request's wait passes it by."""
    app = await make_app()

    async def drain(_event: Any) -> None:
        await app.settle()
        await app.event_bus.drain()

    app.event_bus.subscribe("order.created", drain)
    await app.event_bus.publish("order.created", {})
    await app.event_bus.drain()
    assert "would wait for itself" in str(app.event_bus.errors[0].error)


async def test_what_is_unsubscribed_is_called_no_more(make_app: Any) -> None:
    """One subscription goes at a time; a name in another spelling is found at the end."""
    app = await make_app()
    heard: list[Any] = []
    for _ in range(2):
        app.event_bus.subscribe("order.created", heard.append)
    app.event_bus.unsubscribe("order.created", heard.append)
    app.event_bus.subscribe("order.paid", heard.append)
    await app.event_bus.publish("order.created", {})
    await app.event_bus.publish("order_paid", {})
    await app.shutdown()
    assert ["order.created"] == [event.name for event in heard]
    assert ["NX501"] == [finding.id for finding in app.findings]


async def test_what_the_framework_refuses_is_not_on_record(make_app: Any) -> None:
    """Data that is no dict, and a priority that is none, are its own errors; nothing was published."""
    app = await make_app()
    await app.event_bus.drain()
    before = len(app.event_bus.published)
    with pytest.raises(ValueError, match="valid dictionary"):
        await app.event_bus.publish("order.created", ["7"])
    with pytest.raises(AttributeError, match="'int' object has no attribute 'value'"):
        await app.event_bus.publish("order.created", {}, 5)
    assert before == len(app.event_bus.published)
    await app.event_bus.drain()


async def test_events_before_the_start_wait_for_it() -> None:
    """Nothing delivers them yet, which a drain says; the start does."""
    app = create_test_app(backend="platform")
    heard: list[Any] = []
    app.event_bus.subscribe("order.created", heard.append)
    await app.event_bus.publish("order.created", {})
    with pytest.raises(EventError, match="Start the app first"):
        await app.event_bus.drain()
    async with app:
        await app.event_bus.drain()
    assert len(heard) == 1
