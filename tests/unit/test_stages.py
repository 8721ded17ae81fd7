"""Running a plugin's hooks: how each way to fail is said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexus_testing import create_test_app
from nexus_testing.backends import Limits
from nexus_testing.defaults import current, set_defaults
from nexus_testing.errors import NexusTestingError, PluginLoadError
from nexus_testing.nexus.plugins import BasePlugin

pytestmark = pytest.mark.asyncio


class Failing(BasePlugin):
    """A plugin whose initialize() a test gives."""

    def __init__(self, body: Any) -> None:
        self.name = "failing"
        self._body = body

    def initialize(self) -> Any:
        """Do what the test says."""
        return self._body(self)


async def refusal(body: Any) -> PluginLoadError:
    """Load the plugin and return the error of it."""
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError) as refused:
            await app.load_plugin(Failing(body))
        assert {} == app.plugins
    return refused.value


async def test_a_hook_that_raises() -> None:
    """Its exception is the cause, and its line the place."""

    async def body(plugin: Failing) -> None:
        raise ValueError("no database")

    error = await refusal(body)
    assert "Plugin 'failing' failed in initialize(): ValueError: no database" == error.what
    assert ("Initialization", "failing") == (error.stage, error.plugin)
    assert f"{__file__}:" in str(error.where)
    assert isinstance(error.__cause__, ValueError)


async def test_an_exception_without_a_message() -> None:
    """The news of it says its type, where there is no text."""

    async def body(plugin: Failing) -> None:
        raise KeyError

    async with create_test_app() as app:
        with pytest.raises(PluginLoadError):
            await app.load_plugin(Failing(body))
        assert "KeyError" == app.event_bus.assert_published("plugin.error").data["error"]


@pytest.mark.parametrize("result", [True, None, 7])
async def test_a_hook_that_is_not_async(result: object) -> None:
    """What it returned cannot be awaited, whatever it is."""
    error = await refusal(lambda plugin: result)
    assert "Plugin 'failing': initialize() is not async." == error.what
    assert "Write `async def initialize`." == error.fix


async def test_a_hook_that_hangs() -> None:
    """The limit ends it, and the place is the line that it hung at."""

    async def body(plugin: Failing) -> None:
        await asyncio.Event().wait()

    before = set_defaults(current()._replace(limits=Limits(hook=0.01)))
    try:
        error = await refusal(body)
    finally:
        set_defaults(before)
    assert "Plugin 'failing' did not come back from initialize() within 0.01 s." == error.what
    assert str(error.where).endswith("test_a_hook_that_hangs.<locals>.body")
    assert "nexus_hook_timeout" in error.fix


async def test_a_timeout_of_the_plugins_own_is_no_hang() -> None:
    """A limit inside of the hook is the plugin's business, and fails like any exception."""

    async def body(plugin: Failing) -> None:
        raise TimeoutError("the gateway did not answer")

    assert (
        "Plugin 'failing' failed in initialize(): TimeoutError: the gateway did not answer"
        == (await refusal(body)).what
    )


async def test_a_hook_that_cancels_itself() -> None:
    """It is a failure of the hook, and not the end of the app."""

    async def body(plugin: Failing) -> None:
        raise asyncio.CancelledError

    error = await refusal(body)
    assert "failed in initialize(): CancelledError" in error.what
    assert "the hook was cancelled, by nobody of ours" == error.why


async def test_wrong_use_of_the_harness_in_a_hook() -> None:
    """An error of ours is the cause like any other, and keeps its own words."""

    async def body(plugin: Failing) -> None:
        await plugin.event_bus.publish(7)  # type: ignore[arg-type]  # the mistake under test

    error = await refusal(body)
    assert "failed in initialize(): EventError" in error.what
    assert isinstance(error.__cause__, NexusTestingError)


async def test_a_refusal_says_what_was_logged() -> None:
    """The last error in the log that was about an exception is the cause."""

    async def body(plugin: Failing) -> bool:
        plugin.logger.error("before that")
        try:
            int("no database")
        except ValueError:
            plugin.logger.exception("Cannot start")
        plugin.logger.error("after that")
        return False

    error = await refusal(body)
    assert "Plugin 'failing' refused to start: initialize() returned False." == error.what
    assert "it logged 'Cannot start' at" in error.why
    assert "after it had caught ValueError: invalid literal for int()" in error.why
    assert isinstance(error.__cause__, ValueError)


async def test_a_refusal_that_logged_without_an_exception() -> None:
    """The message is the reason, and its line the place."""

    async def body(plugin: Failing) -> bool:
        plugin.logger.error("No api key")
        return False

    error = await refusal(body)
    assert error.why.startswith("it logged 'No api key' at")
    assert f"{__file__}:" in str(error.where)
    assert error.__cause__ is None


async def test_a_refusal_says_what_was_missed() -> None:
    """Services, keys of the database and of the configuration that were asked for and not there, each once."""

    async def body(plugin: Failing) -> bool:
        plugin.get_service("mailer")
        plugin.get_service("mailer")
        await plugin.db.get("settings.currency")
        plugin.config.get("api_key")
        return False

    error = await refusal(body)
    assert [
        "service 'mailer'",
        "key 'settings.currency' of the database",
        "configuration key 'api_key'",
    ] == error.why.splitlines()[1:]
    assert "nexus_services" in error.fix


async def test_a_refusal_without_any_sign() -> None:
    """Nothing was logged and nothing was missed, and the message says so."""

    async def body(plugin: Failing) -> bool:
        return False

    error = await refusal(body)
    assert "it raised nothing and logged no error; it asked for nothing that was not there" == error.why
    assert "Log the reason before `return False` in initialize()" in error.fix


async def test_a_caller_that_gives_up_is_not_the_hooks_failure() -> None:
    """A load whose test was cancelled ends by that, and the app can go on."""
    running = asyncio.Event()

    async def body(plugin: Failing) -> None:
        running.set()
        await asyncio.Event().wait()

    async with create_test_app() as app:
        load = asyncio.create_task(app.load_plugin(Failing(body)))
        await running.wait()
        load.cancel()
        await asyncio.wait([load])
        assert load.cancelled()
        assert {} == app.plugins
        assert 200 == (await app.client().get("/health")).status_code
