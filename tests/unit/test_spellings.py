"""Names of events that differ by their spelling alone."""

from __future__ import annotations

import pytest

from nexus_testing import create_test_app
from nexus_testing.findings import Finding
from nexus_testing.nexus.event import Event
from nexus_testing.nexus.plugins import BasePlugin


class Shop(BasePlugin):
    """Subscribes to what it is told to."""

    subscribes: tuple[str, ...] = ()

    async def initialize(self) -> bool:
        for name in self.subscribes:
            self.event_bus.subscribe(name, self.on_event)
        return True

    async def on_event(self, event: Event) -> None:
        """Hear of an event."""


async def found(
    monkeypatch: pytest.MonkeyPatch, subscribed: tuple[str, ...], published: tuple[str, ...]
) -> list[Finding]:
    """Return the findings about names, once the app is over."""
    monkeypatch.setattr(Shop, "subscribes", subscribed)
    async with create_test_app([Shop]) as app:
        for name in published:
            await app.event_bus.publish(name)
    return [finding for finding in app.findings if finding.id.startswith("NX50")]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("subscribed", "published"),
    [
        ("order.created", "order.create"),
        ("order.created", "orders.created"),
        ("order.created", "order.craeted"),
        ("order.created", "order.creates"),
        ("order.created", "order_created"),
        ("order.created", "orderCreated"),
        ("order.created", "Order.Created"),
        ("order.created", "created.order"),
    ],
)
async def test_a_slip_is_a_finding(monkeypatch: pytest.MonkeyPatch, subscribed: str, published: str) -> None:
    """One letter, two that changed places, other signs between the words, another order of them."""
    (finding,) = await found(monkeypatch, (subscribed,), (published,))
    assert ("NX501", "shop") == (finding.id, finding.plugin)
    assert (
        f"plugin 'shop' subscribed to {subscribed!r}, which nobody published; {published!r}, published by the test, "
        "was heard by nobody." == finding.text
    )
    assert finding.fix.startswith(f"Did you mean {published!r}?")
    assert "Shop.initialize" in str(finding.where)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("subscribed", "published"),
    [
        (("order.created",), ("order.updated", "user.created", "order.deleted", "order")),
        (("order.created",), ("order.created", "order.create")),
        (("order.created", "order.create"), ("order.create",)),
        (("order.created", "order.creat*"), ("order.create",)),
        (("item.1",), ("item.2", "item.11")),
        (("a.b",), ("a.c",)),
        ((), ("order.created",)),
        (("order.created",), ()),
    ],
)
async def test_all_else_is_none(
    monkeypatch: pytest.MonkeyPatch, subscribed: tuple[str, ...], published: tuple[str, ...]
) -> None:
    """Other words, numbers, short names, and names that are heard or published after all are no slips."""
    assert [] == [one for one in await found(monkeypatch, subscribed, published) if one.id == "NX501"]


@pytest.mark.asyncio
async def test_a_pattern_of_a_plugin_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published framework takes it for a name; a test may use patterns as it likes."""
    (finding,) = await found(monkeypatch, ("order.*",), ())
    assert ("NX502", "plugin 'shop' subscribed to the pattern 'order.*'.") == (finding.id, finding.text)
    async with create_test_app() as app:
        app.event_bus.subscribe("*", print)
        assert [] == app.findings
