"""The moves that a life has, and those that it does not have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from nexus_testing import create_test_app
from nexus_testing.app import App
from nexus_testing.errors import (
    ConfigurationError,
    LifecycleAssertionError,
    LifecycleError,
    PluginLoadError,
)
from nexus_testing.nexus.manager import PluginStatus
from nexus_testing.nexus.plugins import BasePlugin, PluginLifecycle, requires_dependency
from nexus_testing.runtime.states import MOVES, State, refuse_move

pytestmark = pytest.mark.asyncio

WHOLE = ["Discovery", "Validation", "Loading", "Initialization", "Active"]


class ShopPlugin(BasePlugin):
    """A plugin that can be asked for everything."""


async def _nothing(app: App) -> None:
    """Leave the plugin active."""


async def _disabled(app: App) -> None:
    await app.disable_plugin("shop")


async def _unloaded(app: App) -> None:
    await app.unload_plugin("shop")


@pytest.mark.parametrize(
    ("before", "move", "what"),
    [
        (_nothing, App.enable_plugin, "cannot enable: it is active"),
        (_disabled, App.disable_plugin, "cannot disable: it is disabled"),
        (_disabled, App.reload_plugin, "cannot reload: it is disabled"),
        (_unloaded, App.enable_plugin, "There is no plugin 'shop'"),
        (_unloaded, App.disable_plugin, "There is no plugin 'shop'"),
        (_unloaded, App.reload_plugin, "There is no plugin 'shop'"),
        (_unloaded, App.unload_plugin, "There is no plugin 'shop'"),
    ],
)
async def test_a_move_that_there_is_not_is_refused_by_name(
    before: Callable[[App], Awaitable[None]], move: Callable[[App, str], Awaitable[bool]], what: str
) -> None:
    """The error says what the plugin is and what to do, and the plugin stays as it was."""
    async with create_test_app([ShopPlugin]) as app:
        await before(app)
        steps, plugins = app.journal.lifecycle("shop"), app.plugins
        with pytest.raises(LifecycleError, match=what) as refused:
            await move(app, "shop")
        assert refused.value.fix
        assert "shop" == refused.value.plugin
        assert (steps, plugins) == (app.journal.lifecycle("shop"), app.plugins)


async def test_a_second_load_is_refused() -> None:
    """A plugin that is there is not loaded again."""
    async with create_test_app([ShopPlugin]) as app:
        with pytest.raises(PluginLoadError, match="A plugin called 'shop' is loaded already"):
            await app.load_plugin(ShopPlugin)
        with pytest.raises(PluginLoadError, match="A plugin called 'shop' is loaded already"):
            await app.load_plugin(app.get_plugin("shop"))
        assert PluginStatus.ENABLED is app.backend.plugin_manager.get_plugin_status("shop")  # type: ignore[attr-defined]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("move", MOVES)
async def test_every_state_allows_or_refuses_every_move(move: str, state: State) -> None:
    """The table decides, and a refusal always says what to do."""
    if state in MOVES[move]:
        refuse_move(move, "shop", state)
        return
    with pytest.raises(LifecycleError, match=f"Plugin 'shop' cannot {move}: it is {state.value}") as refused:
        refuse_move(move, "shop", state)
    assert refused.value.fix


# -- the journal of a life ---------------------------------------------------------------------------------------


async def test_a_life_is_asserted_step_by_step() -> None:
    """All steps in order hold; a step that is missing, and a name that nearly fits, are shown."""

    class HookedPlugin(BasePlugin):
        async def on_load(self) -> None:
            """Have a hook that runs."""

    async with create_test_app([HookedPlugin]) as app:
        app.journal.assert_lifecycle(WHOLE, "hooked")
        assert ("on_load", "get_database_schema") == app.journal.lifecycle("hooked")[2].hooks
        assert ("initialize",) == app.journal.lifecycle("hooked")[3].hooks
        await app.disable_plugin("hooked")
        await app.enable_plugin("hooked")
        app.journal.assert_lifecycle([*WHOLE, "Disabled", "Active"], "hooked")
        with pytest.raises(LifecycleAssertionError, match="- Unloaded") as failed:
            app.journal.assert_lifecycle([*WHOLE, "Disabled", "Active", "Unloaded"], "hooked")
        assert isinstance(failed.value, AssertionError)
        with pytest.raises(LifecycleAssertionError, match="Did you mean 'hooked'"):
            app.journal.assert_lifecycle(WHOLE, "hookd")


async def test_whose_life_it_is_has_to_be_said_where_there_are_several() -> None:
    """The only plugin need not be named; of two one has to be."""

    class FirstPlugin(BasePlugin):
        pass

    class SecondPlugin(BasePlugin):
        pass

    async with create_test_app() as app:
        with pytest.raises(LifecycleAssertionError, match="No plugin took steps"):
            app.journal.assert_lifecycle([])
        await app.load_plugin(FirstPlugin)
        app.journal.assert_lifecycle(WHOLE)
        await app.load_plugin(SecondPlugin)
        with pytest.raises(LifecycleAssertionError, match=r"first, second\n +fix: +Say whose: .*'first'"):
            app.journal.assert_lifecycle(WHOLE)


async def test_a_step_that_failed_is_asserted_as_such() -> None:
    """The failure is a part of the step's name, and its error is shown where the assertion does not hold."""

    class BrokenPlugin(BasePlugin):
        async def initialize(self) -> bool:
            raise OSError("no till")

    async with create_test_app() as app:
        assert not await app.load_plugin(BrokenPlugin, check=False)
        app.journal.assert_lifecycle([*WHOLE[:3], "Initialization failed"], "broken")
        with pytest.raises(LifecycleAssertionError, match="no till"):
            app.journal.assert_lifecycle(WHOLE, "broken")


# -- the hooks of the guide --------------------------------------------------------------------------------------


class GuidedPlugin(PluginLifecycle, BasePlugin):
    """A plugin that overrides a step here and there."""

    steps: list[str]
    valid = True

    def __init__(self) -> None:
        self.name = "guided"
        self.steps = []

    def validate_config(self, config: dict[str, Any]) -> bool:
        """Agree or not."""
        self.steps.append("validate_config")
        return self.valid

    async def register_services(self) -> None:
        """Offer one."""
        self.steps.append("register_services")
        self.service_registry.register("guide", self)

    async def cleanup_resources(self) -> None:
        """Note that it was called."""
        self.steps.append("cleanup_resources")

    async def notify_admin(self, error: Exception) -> None:
        """Note the error."""
        self.steps.append(f"notify_admin {error}")


async def test_the_hooks_are_made_of_steps_that_work() -> None:
    """A plugin with PluginLifecycle overrides a step, and the hook around it calls it; nothing has to be released."""
    app = create_test_app()
    plugin = GuidedPlugin()
    await app.load_plugin(plugin)
    assert ["validate_config", "register_services"] == plugin.steps
    assert app.service_registry.get("guide") is plugin
    await app.unload_plugin("guided")
    assert "cleanup_resources" == plugin.steps[-1]
    assert app.service_registry.get("guide") is None
    assert [] == [finding for finding in app.findings if finding.id == "NX106"]
    assert await app.db.health_check()
    await app.shutdown()


async def test_steps_may_be_called_by_a_plugin_without_the_class_of_hooks() -> None:
    """Every plugin has the steps, so hooks that are written as in the guide find them."""

    class PlainPlugin(BasePlugin):
        async def on_validate(self) -> bool:
            return await self.check_dependencies()

        async def on_load(self) -> None:
            assert {"a": 1} == await self.load_configuration()

        async def on_enable(self) -> None:
            await self.start_background_tasks()

        async def on_disable(self) -> None:
            await self.stop_background_tasks()

        async def on_shutdown(self) -> None:
            await self.disconnect_database()
            await self.unregister_services()

    async with create_test_app() as app:
        await app.load_plugin(PlainPlugin, {"a": 1})


async def test_a_configuration_that_the_plugin_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """validate_config() that returns False fails the load, and the steps of on_error hear of it."""
    monkeypatch.setattr(GuidedPlugin, "valid", False)
    plugin = GuidedPlugin()
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match=r"failed in on_load\(\): PluginConfigurationError"):
            await app.load_plugin(plugin)
    assert plugin.steps[-1].startswith("notify_admin validate_config() refuses")


class NeedyPlugin(PluginLifecycle, BasePlugin):
    """A plugin with a method that needs another plugin."""

    @requires_dependency("till_plugin", ">=2")
    async def pay(self) -> None:
        """Need it."""


@pytest.mark.parametrize(("version", "why"), [(None, "is not here"), ("1.0.0", "is here as 1.0.0"), ("2.1", "")])
async def test_marked_dependencies_are_checked(version: str | None, why: str) -> None:
    """A method's mark refuses the load where the plugin is missing or too old, with the reason."""
    async with create_test_app(stubs={"till_plugin": version} if version else None) as app:
        if not why:
            assert await app.load_plugin(NeedyPlugin)
            return
        with pytest.raises(PluginLoadError, match=why) as refused:
            await app.load_plugin(NeedyPlugin)
        assert "Validation" == refused.value.stage


@pytest.mark.parametrize(
    ("described", "what"),
    [
        ({"capabilities": ["api"], "requirements": ["database", "cache", "till", "bank"]}, ""),
        (None, ""),
        ({"requirements": ["databse"]}, "requires 'databse'.*\n.*\n.*\n.*Did you mean 'database'"),
        ({"requirements": ["postgres", "kafka"]}, "requires 'postgres', 'kafka', which is not here"),
        ({"requirements": "database"}, "its 'requirements' is 'database', not a list of names"),
        ({"capabilities": [7]}, r"its 'capabilities' is \[7\]"),
        (["database"], "not a dict"),
    ],
)
async def test_what_a_plugin_says_that_it_requires_has_to_be_there(described: Any, what: str) -> None:
    """Ports, services and plugins count; what is not here, or cannot be read, fails the load with its name."""

    class SayingPlugin(BasePlugin):
        async def on_discover(self) -> Any:
            return described

    async with create_test_app(services={"till": object()}, stubs={"bank": "1.0"}) as app:
        if not what:
            assert await app.load_plugin(SayingPlugin)
            return
        with pytest.raises(PluginLoadError, match=what) as refused:
            await app.load_plugin(SayingPlugin)
        assert ("Validation", {}) == (refused.value.stage, app.plugins)
        assert "on_discover" in str(refused.value.where)


# -- stand-ins ---------------------------------------------------------------------------------------------------


async def test_a_stand_in_has_a_version_and_recording_services() -> None:
    """Services that are only named are mocks; those that are given are the very objects."""
    app = create_test_app(stubs={"auth_plugin": {"version": "1.2.0", "services": ["auth_service"]}})
    mail = object()
    stand_in = app.provide_plugin("email_plugin", services={"email_service": mail})
    assert ("email_plugin", "1.0.0", {"email_service": mail}) == stand_in
    assert mail is app.service_registry.get("email_service")
    auth = app.service_registry.get("auth_service")
    auth.check.return_value = True
    assert await auth.check("ann")
    auth.check.assert_awaited_once_with("ann")
    await app.shutdown()


@pytest.mark.parametrize(
    ("stubs", "what"),
    [
        ({"a": 1}, "'a' cannot be taken for a loaded plugin with 1"),
        ({"": "1.0"}, "'' cannot be taken"),
        ({"a": "one"}, "cannot have the version 'one'"),
        ({"a": {"versions": "1.0"}}, "cannot be taken for a loaded plugin"),
        ({"a": {"services": "auth"}}, "cannot offer 'auth'"),
        ({"a": {"services": [1]}}, r"cannot offer \[1\]"),
        ({"a": {"services": 7}}, "cannot offer 7"),
    ],
)
async def test_what_cannot_stand_in(stubs: dict[str, Any], what: str) -> None:
    """The message names the plugin and the value, and shows what a stub looks like."""
    with pytest.raises(ConfigurationError, match=what) as refused:
        create_test_app(stubs=stubs)
    assert "services" in refused.value.fix
    assert __file__ in str(refused.value.where)


async def test_nothing_stands_in_for_what_is_there() -> None:
    """A plugin that is loaded cannot be provided as well."""
    async with create_test_app([ShopPlugin]) as app:
        with pytest.raises(LifecycleError, match="'shop' is loaded, so nothing can stand in for it"):
            app.provide_plugin("shop")
