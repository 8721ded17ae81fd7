"""Plugins on the real framework: loaded, mounted, unloaded, and what goes wrong with its cause."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from nexus_testing.errors import LifecycleError, NotOnBackend, PluginLoadError, PluginUnloadError
from nexus_testing.runtime.audit import verdicts
from nexus_testing.runtime.discovery import entry_points

if TYPE_CHECKING:
    from tests.conftest import Repo

pytestmark = pytest.mark.asyncio


async def test_a_plugin_is_loaded_mounted_and_driven(project: Repo, write_shop: Any, make_app: Any) -> None:
    """The framework's own manager loads it; the client, the journal and the event assertions work."""
    write_shop()
    app = await make_app("shop")
    import shop.plugin  # type: ignore[import-not-found]  # it is written above

    assert type(app.get_plugin("shop")) is shop.plugin.ShopPlugin
    assert app.url("shop", "/hello/Jo") == app.url("shop", "/v1/hello/Jo")
    async with app.client() as client:
        response = await client.get(app.url("shop", "/hello/Jo"))
    assert response.json() == {"hello": "Jo"}
    assert str(response.url).endswith("/api/plugins/business.shop/v1/v1/hello/Jo")
    greeted = app.event_bus.assert_published("shop.greeted", name="Jo")
    assert (greeted.plugin, greeted.source) == ("shop", "business.shop")
    assert ["GET", "GET"] == [app.routes[0].method, app.journal.caused_by(greeted)[0].method]
    app.event_bus.assert_sequence("plugin.loaded", "app.started", "shop.greeted")
    assert ["Loading"] == [step.stage for step in app.journal.lifecycle("shop")]


@pytest.mark.parametrize(
    ("initialize", "text", "cause"),
    [
        ("raise ValueError('no tills')", r"ValueError: no tills(.|\n)*plugin\.py:", ValueError),
        ("return None", "returned None or False", type(None)),
        ("self.logger.error('no tills'); return False", "it logged 'no tills'", type(None)),
        ("return self.service_registry.get('till') is not None", r"did not get them:\s+service 'till'", type(None)),
    ],
)
async def test_a_failure_has_the_cause_that_the_framework_swallowed(  # noqa: PLR0917 - fixtures count too
    project: Repo, write_shop: Any, make_app: Any, initialize: str, text: str, cause: type
) -> None:
    """The framework returns False; the error names the line, and has the plugin's own exception as its cause."""
    write_shop(initialize)
    app = await make_app()
    with pytest.raises(PluginLoadError, match=text) as raised:
        await app.load_plugin("shop")
    assert type(raised.value.__cause__) is cause
    assert await app.load_plugin("business.shop", check=False) is False
    assert app.plugins == {}


async def test_routes_that_cannot_be_mounted_name_their_plugin(project: Repo, write_shop: Any, make_app: Any) -> None:
    """The framework's whole start fails with a TypeError; the error says whose routes they are."""
    write_shop(routes="router")
    with pytest.raises(PluginLoadError, match=r"routes of plugin 'shop' cannot be mounted: TypeError") as raised:
        await make_app("shop")
    assert isinstance(raised.value.__cause__, TypeError)


async def test_a_late_load_is_mounted_when_connected_and_not_as_shipped(
    project: Repo, write_shop: Any, make_app: Any
) -> None:
    """As shipped, routes are mounted at the start alone; either way it is found."""
    write_shop()
    for profile, status in (("connected", 200), ("as_shipped", 404)):
        app = await make_app(profile=profile)
        await app.load_plugin("shop")
        async with app.client() as client:
            assert (await client.get("/api/plugins/business.shop/v1/v1/hello/Jo")).status_code == status
        assert "NX806" in {finding.id for finding in app.findings}
        await app.shutdown()


async def test_the_database_is_not_there_as_shipped(project: Repo, write_shop: Any, make_app: Any) -> None:
    """A plugin that asks it in initialize() only loads when connected, where that is found."""
    write_shop("await self.set_data('opened', 1)")
    app = await make_app("shop")
    assert "NX804" in {finding.id for finding in app.findings}
    await app.shutdown()
    with pytest.raises(PluginLoadError, match=r"Database not connected(.|\n)*the profile 'connected'"):
        await make_app("shop", profile="as_shipped")


async def test_an_unload_leaves_what_the_framework_leaves(project: Repo, write_shop: Any, make_app: Any) -> None:
    """Subscriptions and routes stay, as in production; what was not released is found."""
    write_shop("self.event_bus.subscribe('till.opened', print); self.register_service('till', self)")
    app = await make_app("shop")
    await app.unload_plugin("shop")
    with pytest.raises(LifecycleError, match="no plugin 'shop'"):
        await app.unload_plugin("shop")
    assert 2 == [finding.id for finding in app.findings].count("NX106")
    async with app.client() as client:
        assert (await client.get("/api/plugins/business.shop/v1/v1/hello/Jo")).status_code == 200


async def test_a_failing_shutdown_is_raised_with_its_cause(project: Repo, write_shop: Any, make_app: Any) -> None:
    """The framework logs it and keeps the plugin; both the unload and the app's end say so."""
    write_shop(shutdown="raise ValueError('stuck')")
    app = await make_app("shop")
    for end in (lambda: app.unload_plugin("shop"), app.shutdown):
        with pytest.raises(PluginUnloadError, match=r"ValueError: stuck(.|\n)*plugin\.py:") as raised:
            await end()
        assert isinstance(raised.value.__cause__, ValueError)


async def test_a_task_that_is_left_is_ended_and_found(project: Repo, write_shop: Any, make_app: Any) -> None:
    """The framework ends none; afterwards there are as many as before."""
    write_shop("import asyncio; self.task = asyncio.create_task(self.count())")
    with (project.folder / "plugin.py").open("a") as file:
        file.write("\n    async def count(self):\n        import asyncio\n        await asyncio.sleep(60)\n")
    before = asyncio.all_tasks()
    app = await make_app("shop")
    await app.shutdown()
    assert before == asyncio.all_tasks()
    assert ["tasks"] == [leak.kind for verdict in verdicts for leak in verdict.leaks]
    verdicts.clear()


async def test_enabling_and_disabling_is_the_frameworks(project: Repo, write_shop: Any, make_app: Any) -> None:
    """Disabling unloads there; a reload there is none."""
    write_shop()
    app = await make_app("shop")
    await app.enable_plugin("shop")
    assert await app.db.get("core.plugins.enabled") == ["business.shop"]
    with pytest.raises(NotOnBackend, match="a reload"):
        await app.reload_plugin("shop")
    await app.disable_plugin("shop")
    assert app.plugins == {}
    app.event_bus.assert_sequence("plugin.enabled", "plugin.unloaded", "plugin.disabled")


async def test_a_class_and_an_instance_can_be_loaded(project: Repo, make_app: Any) -> None:
    """The framework makes its plugins itself, from modules; what is in no folder is given one."""
    from nexus.plugins import BasePlugin

    class Bare(BasePlugin):  # type: ignore[misc]  # the real framework is not there for the type checker
        async def initialize(self) -> bool:
            return True

        async def shutdown(self) -> None:
            pass

        def get_api_routes(self) -> list[Any]:
            return []

        def get_database_schema(self) -> dict[str, Any]:
            return {}

    class TinyPlugin(Bare):
        pass

    app = await make_app(TinyPlugin)
    assert type(app.get_plugin("tiny")) is TinyPlugin
    await app.unload_plugin("tiny")
    mine = TinyPlugin()
    await app.load_plugin(mine)
    assert app.get_plugin("tiny") is mine
    assert mine.event_bus is app.event_bus
    with pytest.raises(PluginLoadError, match="No plugin class found"):
        await app.load_plugin(Bare)


@pytest.mark.parametrize("place", ["till_plugin.plugin:TillPlugin", "till_plugin.code:TillPlugin"])
async def test_an_installed_plugin_is_found_by_its_entry_point(
    project: Repo, write_shop: Any, make_app: Any, place: str
) -> None:
    """The framework knows no entry points; the plugin is put where it looks, from wherever its class is."""
    write_shop()
    site = project.distribution("till-plugin", entry_points=f"[nexus.plugins]\ntill = {place}")
    (site / "till_plugin").mkdir()
    (site / "till_plugin/__init__.py").touch()
    code = (project.folder / "plugin.py").read_text().replace("ShopPlugin", "TillPlugin")
    (site / f"{place.partition(':')[0].replace('.', '/')}.py").write_text(code)
    entry_points.cache_clear()
    app = await make_app("till")
    assert type(app.get_plugin("till")).__module__ == place.partition(":")[0]
    async with app.client() as client:
        assert (await client.get("/api/plugins/custom.till/v1/v1/hello/Jo")).status_code == 200


async def test_a_plugin_is_loaded_once_and_again_after_its_unload(
    project: Repo, write_shop: Any, make_app: Any
) -> None:
    """A second load is refused by name, where the framework says True; after an unload its module is read anew."""
    write_shop()
    app = await make_app("shop")
    first = app.get_plugin("shop")
    with pytest.raises(PluginLoadError, match="called 'shop' is loaded already"):
        await app.load_plugin("shop")
    await app.unload_plugin("shop")
    await app.load_plugin("shop")
    second = app.get_plugin("shop")
    assert type(first).__module__ == type(second).__module__
    assert type(first) is not type(second)
    await app.shutdown()
    third = await make_app("shop")
    assert type(third.get_plugin("shop")) is type(second)
