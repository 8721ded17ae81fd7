"""Events and services: how plugins hear of each other and what they offer each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from nexus_testing.errors import NotOnBackend

if TYPE_CHECKING:
    from .conftest import Runtime

pytestmark = pytest.mark.asyncio


def found(app: Any, id_: str) -> bool:
    """Return whether an app has a finding of that id."""
    return any(finding.id == id_ for finding in app.findings)


class TestDelivery:
    """Events are queued, and delivered one after another by one consumer."""

    async def test_handlers_get_event_and_data(self, runtime: Runtime) -> None:
        """A plugin's handler has name and data of what another one published."""
        runtime.write(initialize="self.event_bus.subscribe('till.opened', self.hear)")
        app = await runtime.start("shop")
        await app.event_bus.publish("till.opened", {"number": 7})
        await app.event_bus.drain()
        assert app.get_plugin("shop").seen == [("till.opened", {"number": 7})]
        app.event_bus.assert_published("till.opened", number=7)

    async def test_first_in_first_out(self, runtime: Runtime) -> None:
        """Of one priority; and handlers in the order in which they subscribed."""
        app = await runtime.start()
        seen: list[tuple[str, int]] = []
        app.event_bus.subscribe("a", lambda event: seen.append(("first", event.data["n"])))
        app.event_bus.subscribe("a", lambda event: seen.append(("second", event.data["n"])))
        for number in range(3):
            await app.event_bus.publish("a", {"n": number})
        assert seen == [], "nothing is delivered by the publisher"
        await app.event_bus.drain()
        assert seen == [(who, number) for number in range(3) for who in ("first", "second")]

    async def test_priority(self, runtime: Runtime) -> None:
        """Higher ones come first in memory."""
        app = await runtime.start()
        from nexus.core import EventPriority

        seen: list[str] = []
        app.event_bus.subscribe("a", lambda event: seen.append(event.data["n"]))
        await app.event_bus.publish("a", {"n": "normal"})
        await app.event_bus.publish("a", {"n": "high"}, priority=EventPriority.HIGH)
        await app.event_bus.drain()
        assert seen == runtime.either("priority", here=["high", "normal"], production=["normal", "high"])

    async def test_an_event_as_a_dict(self, runtime: Runtime) -> None:
        """The guide's handlers take it for one."""
        app = await runtime.start()
        seen: list[Any] = []
        app.event_bus.subscribe("a", lambda event: seen.append(event["n"]))
        await app.event_bus.publish("a", {"n": 1})
        await app.event_bus.drain()
        assert seen == runtime.either("event-as-dict", here=[1], production=[])
        assert bool(app.event_bus.errors) is not runtime.here

    async def test_a_handler_that_changes_what_it_got(self, runtime: Runtime) -> None:
        """The next one does not see it in memory, and the publisher on neither."""
        app = await runtime.start()
        seen: list[dict[str, Any]] = []

        def change(event: Any) -> None:
            event.data["items"].append("b")

        app.event_bus.subscribe("a", change)
        app.event_bus.subscribe("a", lambda event: seen.append(event.data))
        await app.event_bus.publish("a", {"items": ["a"]})
        await app.event_bus.drain()
        assert seen == [{"items": runtime.either("shared-event", here=["a"], production=["a", "b"])}]

    async def test_a_handler_that_raises(self, runtime: Runtime) -> None:
        """It stops nobody else, and is on record with its exception."""
        app = await runtime.start()
        seen: list[str] = []

        def fail(event: Any) -> None:
            raise ValueError(event.name)

        app.event_bus.subscribe("a", fail)
        app.event_bus.subscribe("a", lambda event: seen.append(event.name))
        await app.event_bus.publish("a", {})
        await app.event_bus.drain()
        assert seen == ["a"]
        assert [type(one.error) for one in app.event_bus.errors] == [ValueError]

    async def test_a_handler_that_is_cancelled(self, runtime: Runtime) -> None:
        """It ends the delivery of everything on the framework."""
        app = runtime.make()
        await app.startup()
        seen: list[str] = []

        def cancel(event: Any) -> None:
            raise asyncio.CancelledError

        app.event_bus.subscribe("a", cancel)
        app.event_bus.subscribe("b", lambda event: seen.append(event.name))
        await app.event_bus.publish("a", {})
        await app.event_bus.publish("b", {})
        goes_on = runtime.either("cancelled-handler", here=True, production=False)
        if goes_on:
            await app.event_bus.drain()
        else:
            with pytest.raises(Exception, match="CancelledError"):
                await app.event_bus.drain()
        assert seen == (["b"] if goes_on else [])
        assert app.event_bus.errors
        await app.shutdown()

    async def test_unsubscribing_while_an_event_is_delivered(self, runtime: Runtime) -> None:
        """Nobody is skipped in memory."""
        app = await runtime.start()
        seen: list[str] = []

        def once(event: Any) -> None:
            seen.append("once")
            app.event_bus.unsubscribe("a", once)

        app.event_bus.subscribe("a", once)
        app.event_bus.subscribe("a", lambda _: seen.append("next"))
        await app.event_bus.publish("a", {})
        await app.event_bus.drain()
        assert seen == runtime.either("unsubscribe-in-dispatch", here=["once", "next"], production=["once"])

    async def test_a_coroutine_that_a_plain_function_returns(self, runtime: Runtime) -> None:
        """It is awaited in memory, and found on the framework."""
        runtime.write(initialize="self.event_bus.subscribe('a', lambda event: self.hear(event))")
        app = await runtime.start("shop")
        await app.event_bus.publish("a", {})
        await app.event_bus.drain()
        heard = bool(app.get_plugin("shop").seen)
        assert heard is runtime.either("coroutine-of-a-function", here=True, production=False)
        assert found(app, "NX803") is not runtime.here

    async def test_patterns(self, runtime: Runtime) -> None:
        """They are found, since only memory has them."""
        runtime.write(initialize="self.event_bus.subscribe('till.*', self.hear)")
        app = await runtime.start("shop")
        await app.event_bus.publish("till.opened", {})
        await app.event_bus.drain()
        assert bool(app.get_plugin("shop").seen) is runtime.either("patterns", here=True, production=False)
        assert found(app, "NX502")

    async def test_what_is_queued_at_the_end(self, runtime: Runtime) -> None:
        """It is delivered in memory before the plugin that listens is shut down."""
        runtime.write(initialize="self.event_bus.subscribe('a', self.hear)")
        app = await runtime.start("shop")
        plugin = app.get_plugin("shop")
        for number in range(5):
            await app.event_bus.publish("a", {"n": number})
        await app.shutdown()
        assert (len(plugin.seen) == 5) is runtime.either("events-at-the-end", here=True, production=False)

    async def test_objects_as_events(self, runtime: Runtime) -> None:
        """The guide's `publish_event(OrderCreatedEvent(…))`."""
        runtime.write(
            top="""
            from dataclasses import dataclass


            @dataclass
            class OrderCreatedEvent:
                number: int
            """,
            more="async def order(self):\n    await self.publish_event(OrderCreatedEvent(7))\n",
        )
        app = await runtime.start("shop")
        if runtime.either("event-objects", here=True, production=False):
            await app.get_plugin("shop").order()
            app.event_bus.assert_published("order.created", number=7)
        else:
            with pytest.raises(TypeError, match="data"):
                await app.get_plugin("shop").order()

    async def test_a_plugins_own_events(self, runtime: Runtime) -> None:
        """Name and data; the source says whose they are."""
        runtime.write(more="async def tell(self):\n    await self.publish_event('shop.opened', {'n': 1})\n")
        app = await runtime.start("shop")
        await app.get_plugin("shop").tell()
        await app.event_bus.drain()
        assert app.event_bus.assert_published("shop.opened", n=1).source == "business.shop"

    async def test_the_news_of_the_app(self, runtime: Runtime) -> None:
        """It says when it has started, after its plugins were loaded, and when it stops."""
        runtime.write()
        app = await runtime.start("shop")
        await app.shutdown()
        app.event_bus.assert_sequence("plugin.loaded", "app.started", "app.stopping", "plugin.unloaded")


class TestHandles:
    """What registers something can be taken back."""

    async def test_subscribing_and_unsubscribing(self, runtime: Runtime) -> None:
        """As published; in memory it can be awaited too."""
        app = await runtime.start()
        seen: list[str] = []

        def hear(event: Any) -> None:
            seen.append(event.name)

        handle = app.event_bus.subscribe("a", hear)
        assert (handle is not None) is runtime.either("undo-handles", here=True, production=False)
        app.event_bus.unsubscribe("a", hear)
        await app.event_bus.publish("a", {})
        await app.event_bus.drain()
        assert seen == []

    async def test_awaiting_a_subscription(self, runtime: Runtime) -> None:
        """The guide does; on the framework the load fails for it."""
        runtime.write(initialize="await self.event_bus.subscribe('a', self.hear)")
        app = await runtime.start()
        loads = await app.load_plugin("shop", check=False)
        assert loads is runtime.either("undo-handles", here=True, production=False)
        assert found(app, "NX801") is not runtime.here


class TestServices:
    """Plugins offer each other objects by name."""

    async def test_a_service_is_the_very_object(self, runtime: Runtime) -> None:
        """What another registers is what one gets; what nobody registered is None."""
        runtime.write("till", initialize="self.service_registry.register('till', self)")
        runtime.write(
            "shop", initialize="self.seen = [self.service_registry.get('till'), self.service_registry.get('x')]"
        )
        app = await runtime.start("till", "shop")
        assert app.get_plugin("shop").seen == [app.get_plugin("till"), None]
        assert app.service_registry.has_service("till")
        assert "till" in app.service_registry.list_services()

    async def test_by_interface(self, runtime: Runtime) -> None:
        """Those that were registered for it."""
        app = await runtime.start()
        app.service_registry.register("one", 1, int)
        app.service_registry.register("two", "2")
        assert app.service_registry.get_by_interface(int) == [1]
        app.service_registry.unregister("one")
        assert app.service_registry.get_by_interface(int) == []

    async def test_stubs_and_spies(self, runtime: Runtime) -> None:
        """The harness stands in for what is not there, on either."""

        class Prices:
            def of(self, sku: str) -> int:
                return len(sku)

        runtime.write(more="def price(self, sku):\n    return self.service_registry.get('prices').of(sku)\n")
        app = await runtime.start("shop", services={"prices": Prices()})
        spy = app.service_registry.spy("prices")
        assert app.get_plugin("shop").price("tea") == 3
        spy.assert_called("of", sku="tea")

    @pytest.mark.parametrize(
        "statement",
        ["await self.service_registry.get_service('x')", "await self.service_registry.register_service('x', 1)"],
    )
    async def test_names_of_the_guide(self, runtime: Runtime, statement: str) -> None:
        """They end the load on the framework, with the finding that says what to write."""
        runtime.write(initialize=statement)
        app = await runtime.start()
        loads = await app.load_plugin("shop", check=False)
        assert loads is runtime.either("services-of-the-guide", here=True, production=False)
        assert found(app, "NX801") is not runtime.here


class TestWhatIsNotThere:
    """What the published framework does not have is refused by name, never passed over."""

    @pytest.mark.parametrize("name", ["task_manager", "cache_manager", "faults"])
    async def test_parts_of_the_app(self, runtime: Runtime, name: str) -> None:
        """They are there in memory alone."""
        app = await runtime.start()
        if runtime.here:
            assert getattr(app, name) is not None
        else:
            with pytest.raises(NotOnBackend):
                getattr(app, name)

    @pytest.mark.parametrize("name", ["once", "publish_now", "use"])
    async def test_names_of_the_bus(self, runtime: Runtime, name: str) -> None:
        """`hasattr` answers as production does."""
        app = await runtime.start()
        if not runtime.here:
            assert not hasattr(app.event_bus, name)
