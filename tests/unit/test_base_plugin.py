"""The class that plugins derive from: its defaults, its names, and what it can do with and without an app."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from nexus_testing import App, create_test_app
from nexus_testing.nexus.event import Event
from nexus_testing.nexus.plugins import BasePlugin, PluginInfo
from nexus_testing.nexus.plugins.categories import BusinessPlugin, UIPlugin
from nexus_testing.records import EventPriority


class ServiceConsumerPlugin(BasePlugin):
    """A plugin that says nothing of itself."""


class Said(BasePlugin):
    """A plugin that says all of it."""

    def __init__(self) -> None:
        self.name = "said"
        self.version = "2.0.0"
        self.category = "reports"
        self.description = "Says who it is."
        self.author = "Ada"
        self.logger = logging.getLogger("own")


class Informed(BusinessPlugin):
    """A plugin that says it in the guide's way."""

    def __init__(self) -> None:
        super().__init__()
        self.info = PluginInfo(name="informed", version="3.0.0", description="By info.", author="Bob")


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (ServiceConsumerPlugin, ("service_consumer", "1.0.0", "", "", "")),
        (Said, ("said", "2.0.0", "reports", "Says who it is.", "Ada")),
        (Informed, ("informed", "3.0.0", "business", "By info.", "Bob")),
        (type("HTTPProxyPlugin", (UIPlugin,), {}), ("http_proxy", "1.0.0", "ui", "", "")),
        (type("Plugin", (BasePlugin,), {}), ("plugin", "1.0.0", "", "", "")),
    ],
)
def test_who_a_plugin_is(cls: type[BasePlugin], expected: tuple[str, ...]) -> None:
    """It is what it sets, else what its `info` says, else what its class is called."""
    plugin = cls()
    assert expected == (plugin.name, plugin.version, plugin.category, plugin.description, plugin.author)
    assert f"<{cls.__name__} {expected[0]!r} {expected[1]}>" == repr(plugin)


def test_a_logger_is_named_after_the_plugin() -> None:
    """Also where the name is set later, unless the plugin brings one of its own."""
    plugin = ServiceConsumerPlugin()
    plugin.name = "renamed"
    assert "nexus.plugins.renamed" == plugin.logger.name
    assert "own" == Said().logger.name


@pytest.mark.asyncio
async def test_what_is_not_overridden_is_harmless() -> None:
    """Every method of a plugin that writes none has an answer that says: nothing."""
    plugin = ServiceConsumerPlugin()
    assert await plugin.initialize() is True
    await plugin.shutdown()
    assert ([], {}, {}, [], {}, True) == (
        plugin.get_api_routes(),
        plugin.get_database_schema(),
        plugin.get_ui_components(),
        plugin.get_menu_items(),
        plugin.get_metrics(),
        plugin.validate_config({}),
    )


@pytest.mark.asyncio
async def test_without_an_app_a_plugin_reaches_nothing() -> None:
    """A unit test may make one and call it: what needs a port does nothing."""
    plugin = ServiceConsumerPlugin()
    await plugin.publish_event("a")
    await plugin.set_data("key", 1)
    assert await plugin.subscribe_to_event("a", print) is None
    await plugin.unsubscribe_from_event("a", print)
    assert (None, None) == (plugin.register_service("a", 1), plugin.get_service("a"))
    assert ("default", "default") == (
        await plugin.get_data("key", "default"),
        await plugin.get_config("key", "default"),
    )
    health = await plugin.health_check()
    assert (False, "disconnected") == (health.healthy, health.components["database"]["status"])


@dataclass
class OrderPaidEvent:
    """An event."""

    total: int


@pytest_asyncio.fixture(name="app")
async def _app() -> AsyncIterator[App]:
    async with create_test_app([Said]) as app:
        yield app


@pytest.fixture(name="plugin")
def _plugin(app: App) -> Said:
    plugin: Said = app.get_plugin("said")
    return plugin


@pytest.mark.asyncio
async def test_a_plugin_publishes_in_its_own_name(app: App, plugin: Said) -> None:
    """A name with data, an event with what it carries, or an object that describes one."""
    await plugin.publish_event("order.created", {"id": 7})
    await plugin.publish_event(Event("order.sent", {"id": 7}, priority=EventPriority.HIGH, correlation_id="r"))
    await plugin.publish_event(OrderPaidEvent(3))
    expected = [
        ("order.created", {"id": 7}, EventPriority.NORMAL, None),
        ("order.sent", {"id": 7}, EventPriority.HIGH, "r"),
        ("order.paid", {"total": 3}, EventPriority.NORMAL, None),
    ]
    events = [event for event in app.event_bus.published if event.name.startswith("order.")]
    assert expected == [(event.name, event.data, event.priority, event.correlation_id) for event in events]
    assert {"reports.said"} == {event.source for event in events}


@pytest.mark.asyncio
async def test_a_plugin_subscribes_and_leaves(app: App, plugin: Said) -> None:
    """What it subscribed it hears until it unsubscribes."""
    heard: list[Any] = []
    await plugin.subscribe_to_event("a", heard.append)
    await plugin.publish_event("a", {"n": 1})
    await app.event_bus.drain()
    await plugin.unsubscribe_from_event("a", heard.append)
    await plugin.publish_event("a", {"n": 2})
    await app.event_bus.drain()
    assert [{"n": 1}] == heard


@pytest.mark.asyncio
async def test_a_plugin_offers_and_finds_services(app: App, plugin: Said) -> None:
    """Its short forms go to the app's registry."""
    plugin.register_service("mailer", self_ := object())
    assert (self_, self_) == (plugin.get_service("mailer"), app.service_registry.get("mailer"))


@pytest.mark.asyncio
async def test_a_plugin_keeps_data_of_its_own(app: App, plugin: Said) -> None:
    """Under keys that begin with its name."""
    await plugin.set_data("seen", 3)
    assert (3, 3, None) == (
        await plugin.get_data("seen"),
        await app.db.get("plugin:said:seen"),
        await plugin.get_data("other"),
    )


@pytest.mark.asyncio
async def test_a_plugin_changes_its_configuration(plugin: Said) -> None:
    """A stored value wins over the one that was given, and None is a default like any other."""
    plugin.config["retries"] = 1
    assert (1, None) == (await plugin.get_config("retries"), await plugin.get_config("other"))
    await plugin.set_config("retries", 2)
    assert (2, 2) == (plugin.config["retries"], await plugin.get_config("retries"))


@pytest.mark.asyncio
async def test_a_plugin_tells_how_it_is(app: App, plugin: Said) -> None:
    """While it is loaded it is healthy and running, and afterwards it is not."""
    health = await plugin.health_check()
    assert (True, "Plugin is running", "connected") == (
        health.healthy,
        health.message,
        health.components["database"]["status"],
    )
    assert {
        "name": "said",
        "category": "reports",
        "version": "2.0.0",
        "description": "Says who it is.",
        "author": "Ada",
        "enabled": True,
        "status": "running",
    } == plugin.get_info()
    await app.unload_plugin("said")
    assert "stopped" == plugin.get_info()["status"]
