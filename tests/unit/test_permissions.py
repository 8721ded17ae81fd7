"""Permissions: what a plugin's code may do after its manifest, at each port."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus_testing import create_test_app
from nexus_testing.app import App
from nexus_testing.errors import NexusTestingError, PermissionDenied, PluginLoadError
from nexus_testing.nexus.events import EventBus
from nexus_testing.nexus.kernel import Kernel
from nexus_testing.nexus.permissions import ALWAYS, WHERE_NAMED
from nexus_testing.records import Refused
from nexus_testing.runtime.discovery import Project, set_project
from nexus_testing.runtime.loader import import_class, resolve

SOURCE = """\
import asyncio
from fastapi import APIRouter
from nexus.cache import cache
from nexus.plugins import BasePlugin
from nexus.tasks import BackgroundTask, Schedule

class DoerPlugin(BasePlugin):
    async def initialize(self):
        self.items = self.db.collection("items")
        return True

    def get_database_schema(self):
        return {"collections": {"items": {"indexes": [{"field": "name", "unique": True}]}},
                "initial_data": {"items": [{"id": "1", "name": "first"}]}}

    def get_api_routes(self):
        if self.config.get("silent"):
            return []
        router = APIRouter()

        @router.get("/do/{what}")
        async def do(what: str):
            await getattr(self, "do_" + what)()

        return [router]

    async def do_get(self): await self.db.get("a")
    async def do_exists(self): await self.db.exists("a")
    async def do_list_keys(self): await self.db.list_keys()
    async def do_set(self): await self.db.set("a", 1)
    async def do_update(self): await self.db.update("items.1", {"size": 1})
    async def do_delete(self): await self.db.delete("a")
    async def do_clear(self): await self.db.clear()
    async def do_data(self): await self.set_data("a", 1)
    async def do_find(self): await self.items.find_one({})
    async def do_find_all(self): await self.items.find({}).to_list(None)
    async def do_count(self): await self.items.count_documents({})
    async def do_insert(self): await self.items.insert_one({"name": "x"})
    async def do_remove(self): await self.db.collection("items").delete_many({})
    async def do_out(self): self.items.aggregate([{"$out": "others"}])

    async def do_tx_get(self):
        async with self.db.transaction() as tx:
            await tx.get("a")

    async def do_tx_set(self):
        async with self.db.transaction() as tx:
            await tx.set("a", 1)

    async def do_publish(self): await self.event_bus.publish("done")
    async def do_publish_event(self): await self.publish_event("done", {})
    async def do_subscribe(self): self.event_bus.subscribe("done", self.on_done)
    async def do_register(self): self.service_registry.register("doer", self)
    async def do_cache(self): await self.cache_manager.set("a", 1)
    async def do_cached(self): await self.costly()
    async def do_task(self):
        self.task_manager.register_task(BackgroundTask("work", self.work, Schedule.every_minutes(15)))

    async def do_spawned(self):
        await asyncio.create_task(self.do_set())

    async def do_thread(self):
        await asyncio.to_thread(self.do_thread_itself)

    def do_thread_itself(self): self.event_bus.subscribe("done", self.on_done)

    async def on_done(self, event): await self.db.set("b", 1)
    async def work(self): await self.db.set("c", 1)

    @cache()
    async def costly(self): return 7
"""

DEEDS = {
    "database.read": ["get", "exists", "list_keys", "find", "find_all", "count", "tx_get"],
    "database.write": [
        "set",
        "update",
        "delete",
        "clear",
        "data",
        "insert",
        "remove",
        "tx_set",
        "spawned",
    ],
    "events.publish": ["publish", "publish_event"],
    "events.subscribe": ["subscribe", "thread"],
    "services.register": ["register"],
    "cache": ["cache", "cached"],
    "tasks": ["task"],
}
ALL = sorted([*ALWAYS, *WHERE_NAMED])
PAIRS = [(permission, deed) for permission, deeds in DEEDS.items() for deed in deeds]


@pytest.fixture(name="repo")
def _repo(tmp_path: Path) -> Iterator[Path]:
    before = set_project(Project(tmp_path))
    (tmp_path / "plugin.py").write_text(SOURCE, encoding="utf-8")
    yield tmp_path
    set_project(before)


def app_with(repo: Path, permissions: list[str] | None, **config: Any) -> App:
    """Return an app with the plugin, whose manifest names these permissions."""
    manifest: dict[str, Any] = {"name": "doer", "version": "1.0.0"}
    if permissions is not None:
        manifest["permissions"] = permissions
    (repo / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    return create_test_app([repo], config={"plugins": {"doer": config}})


async def do(app: App, deed: str) -> None:
    """Have the plugin's code do something, in a request."""
    await app.client().get(f"/api/doer/do/{deed}")


@pytest.mark.parametrize(("permission", "deed"), PAIRS)
@pytest.mark.asyncio
async def test_what_is_not_named_is_denied(repo: Path, permission: str, deed: str) -> None:
    """With all other names; the error says which plugin, which line of its code, and what to write."""
    others = [name for name in ALL if name != permission]
    async with app_with(repo, others) as app:
        with pytest.raises(PermissionDenied) as caught:
            await do(app, deed)
        error = caught.value
        assert ("doer", permission) == (error.plugin, error.permission)
        assert f"{repo}/plugin.py:" in str(error.where)
        assert f"DoerPlugin.do_{'set' if deed == 'spawned' else deed}" in str(error.where)
        assert f"{repo}/manifest.json:4" in error.why
        assert json.loads("{" + error.fix.splitlines()[-1] + "}") == {"permissions": [*others, permission]}
        assert [(permission, "doer")] == [(one.permission, one.plugin) for one in app.journal.of(Refused)]
        assert (permission,) == app.permissions_used("doer").denied


@pytest.mark.parametrize(("permission", "deed"), PAIRS)
@pytest.mark.asyncio
async def test_what_is_named_is_allowed_and_counted(repo: Path, permission: str, deed: str) -> None:
    """And nothing else is counted, but the routes that were mounted."""
    async with app_with(repo, [permission, "api.register"]) as app:
        await do(app, deed)
        use = app.permissions_used("doer")
        assert tuple(sorted((permission, "api.register"))) == use.declared == use.used
        assert ((), ()) == (use.unused, use.denied)


@pytest.mark.asyncio
async def test_a_denied_write_has_written_nothing(repo: Path) -> None:
    """Neither by key, nor by collection, nor in a transaction."""
    async with app_with(repo, ["api.register", "database.read"]) as app:
        before = await app.db.list_keys()
        for deed in DEEDS["database.write"]:
            with pytest.raises(PermissionDenied):
                await do(app, deed)
        assert before == await app.db.list_keys() == ["items.1"]


@pytest.mark.asyncio
async def test_a_pipeline_that_writes_needs_both(repo: Path) -> None:
    """Reading is not enough for it."""
    async with app_with(repo, ["api.register", "database.read"]) as app:
        with pytest.raises(PermissionDenied, match=r"database\.write"):
            await do(app, "out")


@pytest.mark.asyncio
async def test_without_the_key_nothing_is_denied(repo: Path) -> None:
    """No port even has somebody to ask."""
    async with app_with(repo, None) as app:
        for _, deed in PAIRS:
            await do(app, deed)
        assert app.db.guard is app.event_bus.guard is app.service_registry.guard is None
        assert not app.permissions_used("doer").enforced


@pytest.mark.asyncio
async def test_services_cache_and_tasks_count_where_one_of_them_is_named(repo: Path) -> None:
    """A manifest of the guide's kind, which names none of them, allows them all."""
    async with app_with(repo, ["api.register"]) as app:
        for deed in ("register", "cache", "cached", "task"):
            await do(app, deed)
    async with app_with(repo, ["api.register", "tasks"]) as app:
        await do(app, "task")
        for deed in ("register", "cache", "cached"):
            with pytest.raises(PermissionDenied):
                await do(app, deed)


@pytest.mark.asyncio
async def test_the_test_itself_may_do_anything(repo: Path) -> None:
    """Also by the plugin's own methods and ports, when it calls them itself."""
    async with app_with(repo, ["api.register"]) as app:
        plugin = app.get_plugin("doer")
        for _, deed in PAIRS:
            await getattr(plugin, f"do_{deed}")()
        assert ("api.register",) == app.permissions_used("doer").used
        await app.event_bus.drain()
        # A handler is the plugin's code, whoever subscribed it.
        assert {"DoerPlugin.on_done"} == {one.where.function for one in app.journal.of(Refused) if one.where}


@pytest.mark.asyncio
async def test_the_schema_is_the_runtimes_work(repo: Path) -> None:
    """Collections, indexes and initial documents need no permission of the plugin."""
    async with app_with(repo, ["api.register"]) as app:
        assert "first" == (await app.db.get("items.1")).name


@pytest.mark.asyncio
async def test_handlers_and_jobs_are_the_plugins_code(repo: Path) -> None:
    """Whoever published the event or ran the task."""
    async with app_with(repo, ["api.register", "events.subscribe", "tasks"]) as app:
        await do(app, "subscribe")
        await do(app, "task")
        await app.event_bus.publish("done")
        await app.event_bus.drain()
        assert [PermissionDenied] == [type(one.error) for one in app.event_bus.errors]
        with pytest.raises(PermissionDenied):
            await app.backend.fastapi_app.state.nexus.task_manager.run_now("work")


@pytest.mark.asyncio
async def test_a_spawned_task_is_its_plugins_code(repo: Path) -> None:
    """It inherits whose code it is from where it was made."""
    async with app_with(repo, ["api.register"]) as app:
        with pytest.raises(PermissionDenied) as caught:
            await do(app, "spawned")
        assert "doer" == caught.value.plugin


@pytest.mark.asyncio
async def test_routes_need_a_permission(repo: Path) -> None:
    """Without it the load fails, and nothing is mounted; a plugin without routes needs none."""
    async with app_with(repo, [], silent=True) as app:
        assert ["doer"] == list(app.plugins)
    with pytest.raises(PluginLoadError, match=r"'api\.register'") as caught:
        await app_with(repo, [])
    assert isinstance(caught.value.__cause__, PermissionDenied)
    assert "get_api_routes" in str(caught.value.where)


@pytest.mark.asyncio
async def test_a_denial_during_the_load_fails_it(repo: Path) -> None:
    """The cause is the denial."""
    source = SOURCE.replace('self.items = self.db.collection("items")', 'await self.db.set("a", 1)')
    (repo / "plugin.py").write_text(source, encoding="utf-8")
    with pytest.raises(PluginLoadError) as caught:
        await app_with(repo, ["api.register"])
    assert isinstance(caught.value.__cause__, PermissionDenied)
    assert "DoerPlugin.initialize" in str(caught.value.where)


@pytest.mark.asyncio
async def test_what_a_plugin_declares_and_never_uses_is_found_at_its_end(repo: Path) -> None:
    """When it is unloaded, and when the app ends; the finding stands at the line of the manifest."""
    for end in ("unload", "shutdown"):
        app = app_with(repo, ["api.register", "database.read", "tasks"])
        await app.startup()
        await do(app, "get")
        assert ("tasks",) == app.permissions_used("doer").unused
        assert [] == [one for one in app.findings if one.id == "NX611"]
        await (app.unload_plugin("doer") if end == "unload" else app.shutdown())
        (found,) = [one for one in app.findings if one.id == "NX611"]
        assert ("info", 7) == (found.severity.value, found.where and found.where.line)
        assert "'tasks'" in found.text
        await app.shutdown()


@pytest.mark.asyncio
async def test_a_plugin_that_was_never_active_is_not_blamed(repo: Path) -> None:
    """Neither if its load fails, be it at the last step, nor if a fixture only initialises it."""
    (repo / "plugin.py").write_text(f"{SOURCE}\n    async def on_enable(self): raise ValueError(1)\n", encoding="utf-8")
    app_with(repo, ["api.register", "tasks"]).abandon()
    async with create_test_app() as app:
        assert not await app.load_plugin(repo, check=False)
        site = resolve(repo).site
        assert site is not None
        plugin = import_class(site)()
        await plugin.initialize()
        assert ("tasks",) == app.permissions_used("doer").unused
        await plugin.shutdown()
        assert [] == [one for one in app.findings if one.id == "NX611"]


@pytest.mark.asyncio
async def test_a_reload_goes_by_the_new_manifest(repo: Path) -> None:
    """What was denied is allowed once the manifest says so."""
    async with app_with(repo, ["api.register"]) as app:
        with pytest.raises(PermissionDenied):
            await do(app, "get")
        app_with(repo, ["api.register", "database.read"]).abandon()
        await app.reload_plugin("doer")
        await do(app, "get")


def test_another_plugin_is_nobodys_business() -> None:
    """Who declared nothing may do all, and has no use to tell of."""
    kernel = Kernel()
    kernel.permissions.declare("strict", [])
    kernel.permissions.require("ui.register", "other")
    with pytest.raises(PermissionDenied, match="have parts of the user interface") as caught:
        kernel.permissions.require("ui.register", "strict")
    assert isinstance(caught.value, NexusTestingError)
    assert caught.value.where is None
    kernel.permissions.declare("strict", None)
    kernel.permissions.require("ui.register", "strict")
    assert ((), False) == (kernel.permissions.use_of("nobody").declared, kernel.permissions.use_of("strict").enforced)
    assert EventBus().guard is None
