"""Subscriptions: patterns, those that end with the first event, and what cannot be subscribed."""

from __future__ import annotations

import functools
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock, create_autospec

import pytest

from nexus_testing.errors import EventError
from nexus_testing.nexus.event import Event
from nexus_testing.nexus.events import EventBus


@pytest.fixture(name="bus")
def _bus() -> EventBus:
    return EventBus()


async def published(bus: EventBus, *names: str) -> None:
    """Publish events and wait until all handlers are through."""
    for name in names:
        await bus.publish(name)
    await bus.drain()


class Shop:
    """Has a handler of every shape."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def nothing(self) -> None:
        """Take no event."""

    def on_order(self, event: Event) -> None:
        """Take an event."""
        self.seen.append(event.name)

    def two(self, event: Event, reason: str) -> None:
        """Take more than an event."""

    def named(self, event: Event, *, reason: str) -> None:
        """Take more than an event, by name."""

    def optional(self, event: Event, reason: str = "", *, loud: bool = False) -> None:
        """Take an event, and more if there is more."""
        self.seen.append(event.name)

    def anything(self, *args: Any, **kwargs: Any) -> None:
        """Take whatever comes."""
        self.seen.append(args[0].name)

    @staticmethod
    def static(event: Event) -> None:
        """Take an event without a shop."""

    @classmethod
    def of_class(cls, event: Event) -> None:
        """Take an event for all shops."""


class Callable0:
    def __call__(self) -> None:
        """Take no event."""


class Callable1:
    def __call__(self, event: Event) -> None:
        """Take an event."""


# -- patterns ------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("pattern", "heard"),
    [
        ("order.*", ["order.created", "order.line.added"]),
        ("*.created", ["order.created", "invoice.created"]),
        ("order.line.?dded", ["order.line.added"]),
        ("*", ["order.created", "order.line.added", "invoice.created", "orders"]),
        ("order[.]created", []),
    ],
)
async def test_a_pattern_stands_for_names(bus: EventBus, pattern: str, heard: list[str]) -> None:
    """`*` stands for any characters, the dots among them, `?` for one, and nothing else is special."""
    shop = Shop()
    bus.subscribe(pattern, shop.on_order)
    await published(bus, "order.created", "order.line.added", "invoice.created", "orders")
    assert heard == shop.seen


@pytest.mark.asyncio
async def test_patterns_and_names_are_served_in_the_order_of_subscription(bus: EventBus) -> None:
    """It makes no difference to the order by what a handler was subscribed."""
    seen: list[int] = []
    for number, pattern in enumerate(["order.*", "order.created", "*", "order.created", "*.created"]):
        bus.subscribe(pattern, functools.partial(lambda number, event: seen.append(number), number))
    await published(bus, "order.created")
    assert [0, 1, 2, 3, 4] == seen


@pytest.mark.asyncio
async def test_a_pattern_is_unsubscribed_as_it_was_subscribed(bus: EventBus) -> None:
    """The pattern takes the place of the name; other patterns stay."""
    shop, other = Shop(), Shop()
    bus.subscribe("order.*", shop.on_order)
    handle = bus.subscribe("*", other.on_order)
    bus.unsubscribe("order.*", shop.on_order)
    await published(bus, "order.created")
    assert ([], ["order.created"]) == (shop.seen, other.seen)
    handle()
    assert [] == bus.subscriptions
    await published(bus, "order.created")
    assert ["order.created"] == other.seen


@pytest.mark.asyncio
async def test_an_event_that_is_called_like_a_pattern_is_delivered_once(bus: EventBus) -> None:
    """The published framework takes a pattern for a name, so an event may be called so."""
    shop = Shop()
    bus.subscribe("order.*", shop.on_order)
    await published(bus, "order.*")
    assert ["order.*"] == shop.seen


# -- once ----------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_once_is_once(bus: EventBus) -> None:
    """The first event ends the subscription before the handler runs, so that it may publish the same again."""
    seen: list[int] = []

    async def again(event: Event) -> None:
        seen.append(len(seen))
        await bus.publish("order.created")

    bus.once("order.*", again)
    await published(bus, "order.created", "order.created")
    assert [0] == seen
    assert [] == bus.subscriptions
    bus.subscribe("order.created", again, once=True)
    await published(bus, "order.created")
    assert [0, 1] == seen


@pytest.mark.asyncio
async def test_once_takes_a_handler_without_a_hash(bus: EventBus) -> None:
    """A handler is only ever called and compared."""

    class Unhashable(list[str]):
        def __call__(self, event: Event) -> None:
            self.append(event.name)

    handler = Unhashable()
    bus.once("a", handler)
    await published(bus, "a", "a")
    assert ["a"] == handler


@pytest.mark.asyncio
async def test_what_was_subscribed_once_can_be_undone_before(bus: EventBus) -> None:
    """Its handle undoes it, and so does the end of a `with` block."""
    shop = Shop()
    bus.once("a", shop.on_order)()
    with bus.once("a", shop.on_order) as handle:
        assert handle.active
    with bus.subscribe("a", shop.on_order):
        await published(bus, "a")
    await published(bus, "a")
    assert ["a"] == shop.seen


# -- what cannot be subscribed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "", 7, b"a", ["a"], cast("Any", object)])
@pytest.mark.parametrize("verb", ["subscribe", "once", "unsubscribe"])
def test_a_name_that_is_none(bus: EventBus, verb: str, name: Any) -> None:
    """The message names the call, what was given, and the line."""
    with pytest.raises(EventError) as failed:
        getattr(bus, verb)(name, print)
    assert f"{verb}() was given what it cannot use: {name!r} is no name of events." == failed.value.what
    assert __file__ in str(failed.value.where)
    assert [] == bus.subscriptions


@pytest.mark.parametrize(
    ("handler", "signature"),
    [
        (Shop().nothing, "Shop.nothing() -> 'None'"),
        (Shop().two, "Shop.two(event: 'Event', reason: 'str') -> 'None'"),
        (Shop().named, "Shop.named(event: 'Event', *, reason: 'str') -> 'None'"),
        (Shop.optional, None),
        (Shop.on_order, "Shop.on_order(self, event: 'Event') -> 'None'"),
        (functools.partial(Shop().on_order, Event("a")), "Shop.on_order() -> 'None'"),
        (Callable0(), "Callable0() -> 'None'"),
        (lambda: None, "<lambda>()"),
    ],
)
@pytest.mark.parametrize("verb", ["subscribe", "once"])
def test_a_handler_that_cannot_take_an_event(bus: EventBus, verb: str, handler: Any, signature: str | None) -> None:
    """It is refused when it is subscribed, with its signature, instead of failing with each event."""
    with pytest.raises(EventError) as failed:
        getattr(bus, verb)("a", handler)
    if signature is not None:
        assert failed.value.what.startswith(f"{verb}('a') was given a handler that cannot take an event: ")
        assert failed.value.what.endswith(f"{signature}.")
    assert [] == bus.subscriptions


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "handler",
    [
        Shop().on_order,
        Shop().optional,
        Shop().anything,
        Shop.static,
        Shop.of_class,
        functools.partial(Shop().two, reason="sold"),
        functools.partial(Shop.on_order, Shop()),
        Callable1(),
        [].append,
        print,
        MagicMock(),
        AsyncMock(),
        create_autospec(Shop.static),
        functools.wraps(Shop.two)(lambda *args: None),
    ],
)
async def test_a_handler_that_can(bus: EventBus, handler: Any) -> None:
    """More arguments are fine where nobody has to give them; a decorated function counts as what it became."""
    bus.subscribe("a", handler)
    await published(bus, "a")
    assert [] == bus.errors


def test_a_handler_that_is_none(bus: EventBus) -> None:
    """The message shows what cannot be called."""
    with pytest.raises(EventError, match="handler 'on_order' cannot be called"):
        bus.once("a", cast("Any", "on_order"))
