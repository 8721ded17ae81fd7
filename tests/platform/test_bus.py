"""The real event bus, with assertions, a drain and a record of who heard what."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexus_testing.errors import DrainTimeout, EventError, NotOnBackend

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
