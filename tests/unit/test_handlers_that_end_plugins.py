"""Handlers that unsubscribe, unload or reload the plugin that they belong to, or another, while they run."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest

from nexus_testing import App, create_test_app
from nexus_testing.errors import LifecycleError
from nexus_testing.nexus.event import Event
from nexus_testing.nexus.plugins import BasePlugin


class Selfish(BasePlugin):
    """Does to itself what it is told to, in a handler."""

    app: ClassVar[App]
    log: ClassVar[list[str]] = []

    async def initialize(self) -> bool:
        self.log.append("initialize")
        self.event_bus.subscribe("do", self.on_do)
        self.event_bus.subscribe("do", self.on_do_too)
        return True

    async def shutdown(self) -> None:
        self.log.append("shutdown")

    async def on_do(self, event: Event) -> None:
        what = event["what"]
        for _turn in range(event.get("turns", 0)):
            await asyncio.sleep(0)
        if what == "unsubscribe":
            self.event_bus.unsubscribe("do", self.on_do)
        elif what == "shut down":
            await self.app.shutdown()
        else:
            await getattr(self.app, f"{what}_plugin")(event.get("plugin", "selfish"))
        self.log.append(f"{what} done")

    async def on_do_too(self, event: Event) -> None:
        self.log.append("second handler")


class Other(BasePlugin):
    """Publishes when it is shut down, and is there to be unloaded."""

    async def shutdown(self) -> None:
        Selfish.log.append("other shutdown")


async def do(app: App, what: str, *, errors: int = 0, **more: Any) -> list[str]:
    """Publish what is to be done and wait until all handlers are through; a hang is an error after 2 s."""
    Selfish.app = app
    Selfish.log.clear()
    await app.event_bus.publish("do", {"what": what, **more})
    await app.event_bus.drain(2)
    assert errors == len(app.event_bus.errors)
    return list(Selfish.log)


@pytest.mark.asyncio
async def test_a_handler_unsubscribes_itself() -> None:
    """The handlers after it still run, and it is not called again."""
    async with create_test_app([Selfish]) as app:
        assert ["unsubscribe done", "second handler"] == await do(app, "unsubscribe")
        assert ["second handler"] == await do(app, "unsubscribe")


@pytest.mark.asyncio
async def test_a_handler_unloads_its_plugin() -> None:
    """The unload does not wait for the handler that asked for it; the plugin's other handlers are not called."""
    async with create_test_app([Selfish]) as app:
        assert ["shutdown", "unload done"] == await do(app, "unload")
        assert {} == app.plugins
        assert [] == app.event_bus.subscriptions
        await app.load_plugin(Selfish)


@pytest.mark.asyncio
async def test_a_handler_reloads_its_plugin() -> None:
    """It runs to its end; the new plugin hears of the events after this one, once each."""
    async with create_test_app([Selfish]) as app:
        assert ["shutdown", "initialize", "reload done"] == await do(app, "reload")
        assert 2 == len(app.event_bus.subscriptions)
        assert ["shutdown", "initialize", "reload done"] == await do(app, "reload")


@pytest.mark.asyncio
@pytest.mark.parametrize(("what", "log"), [("disable", ["disable done", "second handler"])])
async def test_a_handler_switches_its_plugin(what: str, log: list[str]) -> None:
    """A disabled plugin still hears of events."""
    async with create_test_app([Selfish]) as app:
        assert log == await do(app, what)


@pytest.mark.asyncio
async def test_a_handler_unloads_another_plugin() -> None:
    """That is shut down before the handler goes on."""
    async with create_test_app([Other, Selfish]) as app:
        assert ["other shutdown", "unload done", "second handler"] == await do(app, "unload", plugin="other")
        assert ["selfish"] == list(app.plugins)


@pytest.mark.asyncio
async def test_a_handler_shuts_the_app_down() -> None:
    """The app ends, and nobody waits for ever."""
    app = create_test_app([Selfish])
    await app.startup()
    Selfish.app = app
    Selfish.log.clear()
    await app.event_bus.publish("do", {"what": "shut down"})
    async with asyncio.timeout(4):
        await app.event_bus.drain(None)
        await app.shutdown()
    assert not app.is_running
    assert "shutdown" in Selfish.log


@pytest.mark.asyncio
@pytest.mark.parametrize("turns", [0, 20])
async def test_a_handler_is_refused_while_the_app_waits_for_it(turns: int) -> None:
    """The test's unload waits for the handler to end, so the handler cannot wait for one, whichever asks first."""
    async with create_test_app([Other, Selfish]) as app:
        Selfish.app = app
        Selfish.log.clear()
        await app.event_bus.publish("do", {"what": "unload", "turns": turns})
        async with asyncio.timeout(2):
            await app.unload_plugin("other")
        (failure,) = app.event_bus.errors
        assert isinstance(failure.error, LifecycleError)
        assert "it waits for that handler" in failure.error.what
        assert "selfish" == failure.error.plugin
        assert __file__ in str(failure.error.where)
        assert ["second handler", "other shutdown"] == Selfish.log
        assert ["shutdown", "unload done"] == await do(app, "unload", errors=1)


@pytest.mark.asyncio
async def test_a_handler_that_asked_first_is_refused_too() -> None:
    """It waits for its turn while a hook runs; the operation of that hook then waits for events, and so for it."""
    entered, leave = asyncio.Event(), asyncio.Event()

    class Slow(BasePlugin):
        async def on_disable(self) -> None:
            entered.set()
            await leave.wait()

    async with create_test_app([Slow, Selfish]) as app:
        Selfish.app = app
        unloading = asyncio.ensure_future(app.unload_plugin("slow"))
        await entered.wait()
        await app.event_bus.publish("do", {"what": "unload"})
        for _turn in range(5):
            await asyncio.sleep(0)
        leave.set()
        async with asyncio.timeout(2):
            await unloading
        (failure,) = app.event_bus.errors
        assert isinstance(failure.error, LifecycleError)
        assert ["selfish"] == list(app.plugins)
