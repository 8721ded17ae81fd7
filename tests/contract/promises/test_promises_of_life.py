"""The life of a plugin: what it is, how it is loaded, initialised, shut down and unloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nexus_testing.errors import LifecycleError, NotOnBackend, PluginLoadError, PluginUnloadError

if TYPE_CHECKING:
    from .conftest import Runtime

pytestmark = pytest.mark.asyncio


def steps(app: Any, name: str = "shop") -> list[str]:
    """Return the stages of a plugin's life that are on record."""
    return [step.stage for step in app.journal.lifecycle(name)]


def found(app: Any, id_: str) -> bool:
    """Return whether an app has a finding of that id."""
    return any(finding.id == id_ for finding in app.findings)


class TestTheClass:
    """A plugin is the class that its module defines."""

    async def test_a_base_that_is_imported_by_name(self, runtime: Runtime) -> None:
        """`from nexus.plugins import BusinessPlugin` puts a second name that ends in Plugin into the module."""
        runtime.write(
            "till",
            top="from nexus.plugins import BusinessPlugin" if not runtime.here else CATEGORY,
            bases="BusinessPlugin",
        )
        app = await runtime.start()
        # There the class that is picked has no name, and where routes are mounted late it fails for that.
        await app.load_plugin("till", check=False)
        taken = [finding.text for finding in app.findings if finding.id == "NX802"]
        picked = "BusinessPlugin" if any("BusinessPlugin" in text for text in taken) else "TillPlugin"
        assert picked == runtime.either("class-picked", here="TillPlugin", production="BusinessPlugin")

    async def test_what_a_class_must_have(self, runtime: Runtime) -> None:
        """The guide's short examples leave methods out."""
        runtime.write("shop")
        runtime.file(
            "plugins/business/shop/plugin.py",
            """
            from nexus.plugins import BasePlugin


            class ShopPlugin(BasePlugin):
                pass
            """,
        )
        app = await runtime.start()
        loads = await app.load_plugin("shop", check=False)
        assert loads is runtime.either("abstract-base", here=True, production=False)
        if runtime.here:
            plugin = app.get_plugin("shop")
            assert ([], {}) == (plugin.get_api_routes(), plugin.get_database_schema())
            assert found(app, "NX105")

    async def test_a_category_after_the_base(self, runtime: Runtime) -> None:
        """The order of the guide's examples has no method resolution order in Python."""
        runtime.write(
            top="from nexus import plugins" if not runtime.here else "from nexus.plugins import categories as plugins",
            bases="BasePlugin, plugins.BusinessPlugin",
        )
        app = await runtime.start()
        loads = await app.load_plugin("shop", check=False)
        assert loads is runtime.either("order-of-bases", here=True, production=False)
        assert found(app, "NX102") is runtime.here

    @pytest.mark.parametrize(
        "line",
        [
            "from nexus.plugins.categories import UIPlugin as Base",
            "from nexus.tasks import Schedule",
            "from nexus.cache import CacheTTL",
            "from nexus.core import get_db",
        ],
    )
    async def test_names_that_the_guide_imports(self, runtime: Runtime, line: str) -> None:
        """They are there in memory; elsewhere the finding says what is there instead."""
        runtime.write(top=line)
        app = await runtime.start()
        loads = await app.load_plugin("shop", check=False)
        assert loads is runtime.either("names-of-modules", here=True, production=False)
        assert found(app, "NX801") is not runtime.here

    async def test_names_that_both_have(self, runtime: Runtime) -> None:
        """What the published framework has is in memory too."""
        runtime.write(
            top="""
            from nexus.auth import get_current_user
            from nexus.core import Event, EventBus, EventPriority, PluginStatus, ServiceRegistry
            from nexus.plugins import HealthStatus, PluginError, PluginMetadata
            """
        )
        assert await (await runtime.start()).load_plugin("shop")

    async def test_a_plugin_without_a_name_of_its_own(self, runtime: Runtime) -> None:
        """Its manifest says it in memory; on the framework it stays without."""
        runtime.write(initialize="self.seen.append(self.name)")
        file = runtime.folder / "plugins/business/shop/plugin.py"
        file.write_text(
            file.read_text().replace("self.name, self.category, self.seen = 'shop', ", "_, _, self.seen = 0, ")
        )
        app = await runtime.start()
        await app.load_plugin("shop")
        assert app.get_plugin("shop").seen == [runtime.either("own-name", here="shop", production="")]

    async def test_the_logger_is_named_after_the_plugin(self, runtime: Runtime) -> None:
        """Although the name is set after the logger was made."""
        runtime.write()
        app = await runtime.start()
        await app.load_plugin("shop")
        logger = app.get_plugin("shop").logger.name
        assert ("shop" in logger) is runtime.either("logger-name", here=True, production=False)


CATEGORY = "from nexus.plugins.categories import BusinessPlugin"


class TestInjection:
    """What a plugin is given before `initialize()`."""

    async def test_the_ports_are_there(self, runtime: Runtime) -> None:
        """Database, bus and registry are those of the app."""
        runtime.write(initialize="self.seen = [self.db_adapter, self.event_bus, self.service_registry]")
        app = await runtime.start("shop")
        database, bus, registry = app.get_plugin("shop").seen
        assert bus is app.event_bus
        assert registry is app.service_registry
        await app.db.set("a", 1)
        assert await database.get("a") == 1

    async def test_the_database_while_a_plugin_is_initialised(self, runtime: Runtime) -> None:
        """As shipped it is not connected by then, where a plugin has routes."""
        runtime.write(initialize="await self.db_adapter.set('opened', 1)")
        app = runtime.make("shop")
        expected = runtime.either("database-at-load", here=True, production=True, as_shipped=False)
        try:
            if expected:
                await app.startup()
                assert await app.db.get("opened") == 1
                assert found(app, "NX804") is not runtime.here
            else:
                with pytest.raises(PluginLoadError, match="Database not connected"):
                    await app.startup()
        finally:
            await app.shutdown()

    async def test_the_configuration(self, runtime: Runtime) -> None:
        """What the test configures reaches the plugin in memory; there is nothing to reach on the framework."""
        runtime.write(initialize="self.seen.append(self.config.get('hours'))", configuration={"optional": ["hours"]})
        app = await runtime.start()
        if not runtime.here:
            with pytest.raises(NotOnBackend, match="configuration"):
                await app.load_plugin("shop", {"hours": 9})
        await app.load_plugin("shop", {"hours": 9} if runtime.here else None)
        assert app.get_plugin("shop").seen == runtime.either("configuration", here=[9], production=[None])


class TestLoading:
    """A load succeeds whole, or fails and leaves nothing."""

    async def test_a_load_is_on_record(self, runtime: Runtime) -> None:
        """The plugin is there, and its news is out."""
        runtime.write()
        app = await runtime.start()
        assert await app.load_plugin("shop") is True
        assert list(app.plugins) == ["shop"]
        await app.event_bus.drain()
        published = app.event_bus.assert_published("plugin.loaded")
        assert published.data["plugin_id"].rpartition(".")[2] == "shop"
        assert "Loading" in steps(app)

    async def test_initialize_that_returns_none(self, runtime: Runtime) -> None:
        """The guide's own plugins do."""
        runtime.write(initialize="return None")
        app = await runtime.start()
        loads = await app.load_plugin("shop", check=False)
        assert loads is runtime.either("initialize-none", here=True, production=False)
        assert found(app, "NX101") is runtime.here

    @pytest.mark.parametrize("statement", ["return False", "raise ValueError('no tills')"])
    async def test_initialize_that_fails(self, runtime: Runtime, statement: str) -> None:
        """The plugin's exception is the cause; without the check it is False, as in production."""
        runtime.write(initialize=statement)
        app = await runtime.start()
        with pytest.raises(PluginLoadError, match=r"plugin\.py:|returned (None or )?False") as raised:
            await app.load_plugin("shop")
        assert isinstance(raised.value.__cause__, ValueError) is statement.startswith("raise")
        assert await app.load_plugin("shop", check=False) is False
        assert list(app.plugins) == []

    async def test_a_failed_load_leaves_nothing(self, runtime: Runtime) -> None:
        """Subscriptions and services are taken back in memory."""
        runtime.write(
            initialize="""
            self.event_bus.subscribe("till.opened", self.hear)
            self.service_registry.register("till", self)
            return False
            """
        )
        app = await runtime.start()
        assert await app.load_plugin("shop", check=False) is False
        left = runtime.either("failed-load-leftovers", here=False, production=True)
        assert app.service_registry.has_service("till") is left
        assert found(app, "NX106") is left

    async def test_one_failure_does_not_stop_others(self, runtime: Runtime) -> None:
        """They are loaded all the same."""
        runtime.write("shop", initialize="return False")
        runtime.write("till")
        app = await runtime.start()
        assert await app.load_plugin("shop", check=False) is False
        assert await app.load_plugin("till") is True

    async def test_a_second_plugin_of_one_name(self, runtime: Runtime) -> None:
        """It is refused, where the framework says True and does nothing."""
        runtime.write()
        app = await runtime.start()
        await app.load_plugin("shop")
        with pytest.raises(PluginLoadError, match="'shop'"):
            await app.load_plugin("shop")

    async def test_a_plugin_that_depends_on_another(self, runtime: Runtime) -> None:
        """It is loaded first in memory; the framework looks at no dependency."""
        runtime.write("till")
        runtime.write("shop", dependencies={"plugins": ["till>=1.0.0"]})
        app = await runtime.start()
        await app.load_plugin("shop")
        assert ("till" in app.plugins) is runtime.either("requirements", here=True, production=False)

    async def test_a_requirement_that_is_not_met(self, runtime: Runtime) -> None:
        """It ends the load in memory."""
        runtime.write(dependencies={"plugins": ["safe>=1.0.0"]})
        app = await runtime.start()
        loads = await app.load_plugin("shop", check=False)
        assert loads is runtime.either("requirements", here=False, production=True)

    async def test_hooks(self, runtime: Runtime) -> None:
        """Each is called at its stage, once."""
        names = ("on_discover", "on_validate", "on_load", "on_initialize", "on_enable")
        bodies = {name: "{}" if name == "on_discover" else "True" for name in names}
        hook = "async def {0}(self, *args):\n    self.seen.append({0!r})\n    return {1}\n"
        runtime.write(more="".join(hook.format(*one) for one in bodies.items()))
        app = await runtime.start()
        await app.load_plugin("shop")
        assert app.get_plugin("shop").seen == runtime.either("hooks", here=list(names), production=[])

    async def test_news_of_discovery_and_failure(self, runtime: Runtime) -> None:
        """Both are published in memory."""
        runtime.write(initialize="raise ValueError('no tills')")
        app = await runtime.start()
        await app.load_plugin("shop", check=False)
        await app.event_bus.drain()
        names = {"plugin.discovered", "plugin.error"}
        published = {event.name for event in app.event_bus.published}
        assert published & names == runtime.either("news-of-plugins", here=names, production=set())

    @pytest.mark.parametrize(
        "manifest",
        [
            {"author": {"name": "Jo"}},
            {"repository": {"url": "https://example.com/a"}},
            {"dependencies": {"nexus": ">=0.1"}},
        ],
    )
    async def test_forms_of_the_manifest(self, runtime: Runtime, manifest: dict[str, Any]) -> None:
        """The guide's are taken in memory, and rejected there with a finding; the plugin loads all the same."""
        runtime.write(**manifest)
        app = await runtime.start("shop")
        assert list(app.plugins) == ["shop"]
        assert found(app, "NX805") is runtime.either("manifest-forms", here=False, production=True)


class TestTheEnd:
    """A plugin that is unloaded is gone."""

    async def test_shutdown_is_called_once(self, runtime: Runtime) -> None:
        """At the unload, and not again at the app's end."""
        runtime.write(shutdown="self.seen.append('shutdown')")
        app = await runtime.start()
        await app.load_plugin("shop")
        plugin = app.get_plugin("shop")
        await app.unload_plugin("shop")
        await app.shutdown()
        assert plugin.seen == ["shutdown"]
        app.event_bus.assert_published("plugin.unloaded")

    async def test_what_a_plugin_registered_and_did_not_release(self, runtime: Runtime) -> None:
        """It is found on both, and removed in memory."""
        runtime.write(
            initialize="""
            self.event_bus.subscribe("till.opened", self.hear)
            self.service_registry.register("till", self)
            """,
            routes="""
            @router.get("/hello")
            async def hello():
                return {}
            """,
        )
        app = await runtime.start("shop")
        plugin = app.get_plugin("shop")
        async with app.client() as client:
            assert (await client.get(f"{runtime.routes_at('shop')}/hello")).status_code == 200
            await app.unload_plugin("shop")
            left = runtime.either("unload-leftovers", here=False, production=True)
            await app.event_bus.publish("till.opened", {"id": "1"})
            await app.event_bus.drain()
            assert bool(plugin.seen) is left
            assert app.service_registry.has_service("till") is left
            assert (await client.get(f"{runtime.routes_at('shop')}/hello")).status_code == (200 if left else 404)
        assert found(app, "NX106")

    async def test_what_a_plugin_released_is_no_finding(self, runtime: Runtime) -> None:
        """It says so itself in shutdown()."""
        runtime.write(
            initialize="""
            self.event_bus.subscribe("till.opened", self.hear)
            self.service_registry.register("till", self)
            """,
            shutdown="""
            self.event_bus.unsubscribe("till.opened", self.hear)
            self.service_registry.unregister("till")
            """,
        )
        app = await runtime.start()
        await app.load_plugin("shop")
        await app.unload_plugin("shop")
        assert not found(app, "NX106")

    async def test_the_order_at_the_end_of_the_app(self, runtime: Runtime) -> None:
        """The last one loaded comes first in memory."""
        runtime.write("shop", shutdown="self.service_registry.get('ends').append('shop')")
        runtime.write("till", shutdown="self.service_registry.get('ends').append('till')")
        ends: list[str] = []
        app = await runtime.start("shop", "till", services={"ends": ends})
        await app.shutdown()
        assert ends == runtime.either("order-of-shutdown", here=["till", "shop"], production=["shop", "till"])

    async def test_a_shutdown_that_raises(self, runtime: Runtime) -> None:
        """Others have their turn, and the exception is raised; in memory the plugin is gone all the same."""
        runtime.write("shop", shutdown="raise ValueError('stuck')")
        runtime.write("till", shutdown="self.seen.append('shutdown')")
        app = runtime.make("shop", "till")
        await app.startup()
        till = app.get_plugin("till")
        with pytest.raises(PluginUnloadError if not runtime.here else Exception, match="stuck"):
            await app.unload_plugin("shop")
        stays = runtime.either("failing-shutdown", here=False, production=True)
        assert ("shop" in app.plugins) is stays
        if stays:
            with pytest.raises(PluginUnloadError, match="stuck"):
                await app.shutdown()
        else:
            await app.shutdown()
        assert till.seen == ["shutdown"]

    async def test_a_plugin_that_is_not_loaded(self, runtime: Runtime) -> None:
        """It cannot be unloaded, on either."""
        app = await runtime.start()
        with pytest.raises(LifecycleError, match="'shop'"):
            await app.unload_plugin("shop")

    async def test_a_load_after_an_unload(self, runtime: Runtime) -> None:
        """It is a new object, initialised anew."""
        runtime.write()
        app = await runtime.start()
        await app.load_plugin("shop")
        first = app.get_plugin("shop")
        await app.unload_plugin("shop")
        await app.load_plugin("shop")
        assert app.get_plugin("shop") is not first

    async def test_a_reload(self, runtime: Runtime) -> None:
        """New code, old data, in memory; there is none on the framework."""
        runtime.write(initialize="self.seen.append('old')")
        app = await runtime.start()
        await app.load_plugin("shop")
        await app.db.set("a", 1)
        file = runtime.folder / "plugins/business/shop/plugin.py"
        file.write_text(file.read_text().replace("'old'", "'renewed'"))
        if runtime.either("reload", here=False, production=True):
            with pytest.raises(NotOnBackend, match="a reload"):
                await app.reload_plugin("shop")
        else:
            await app.reload_plugin("shop")
            assert app.get_plugin("shop").seen == ["renewed"]
        assert await app.db.get("a") == 1

    async def test_health(self, runtime: Runtime) -> None:
        """A plugin that is active is healthy in memory; there it is what nobody sets."""
        runtime.write()
        app = await runtime.start()
        await app.load_plugin("shop")
        health = await app.get_plugin("shop").health_check()
        assert health.healthy is runtime.either("health", here=True, production=False)
