"""What is done in a block of `App.fresh` is taken back: data, cache, bus, services, tasks, overrides, journal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import pytest_asyncio

from nexus_testing import create_test_app
from nexus_testing.app import App
from nexus_testing.errors import LifecycleError
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.nexus.tasks import BackgroundTask, Schedule
from nexus_testing.runtime.discovery import Project, set_project
from nexus_testing.runtime.importer import finder

pytestmark = pytest.mark.asyncio


class ShopPlugin(BasePlugin):
    """A plugin that has some of everything from its start."""

    name = "shop"

    async def initialize(self) -> bool:
        await self.db.set("started", {"n": [1]})
        await self.cache_manager.set("rates", {"EUR": 1})
        self.event_bus.subscribe("order.created", self.on_order)
        self.event_bus.once("first", self.on_order)
        self.service_registry.register("prices", {"a": 1})
        self.task_manager.register_task(BackgroundTask("tidy", self.tidy, Schedule.hourly()))
        return True

    def get_database_schema(self) -> dict[str, Any]:
        indexes = [{"field": "name", "unique": True}, {"field": "at", "expireAfterSeconds": 3600}]
        items = [{"id": str(number), "name": f"item {number}"} for number in range(5)]
        return {"collections": {"items": {"indexes": indexes}}, "initial_data": {"items": items}}

    async def on_order(self, event: Any) -> None:
        await self.db.set(f"orders.{event['id']}", {"id": event["id"]})

    async def tidy(self) -> None: ...


@pytest_asyncio.fixture(name="app")
async def _app() -> AsyncIterator[App]:
    async with create_test_app([ShopPlugin]) as app:
        yield app


async def _world(app: App) -> dict[str, Any]:
    """Return all that can be seen of an app, in order."""
    items = app.db.collection("items")
    return {
        "data": [(key, await app.db.get(key)) for key in await app.db.list_keys()],
        "items": [one["name"] for one in await items.find().to_list()],
        "indexes": await items.index_information(),
        "collections": await items.database.list_collection_names(),
        "rates": await app.cache_manager.for_plugin("shop").get("rates"),
        "keys": sorted(await app.cache_manager.redis().keys()),
        "stats": app.cache_manager.stats,
        "subscriptions": [(one.name, one.plugin, one.active) for one in app.event_bus.subscriptions],
        "services": app.service_registry.list_services(),
        "overrides": dict(app.fastapi_app.dependency_overrides),
        "tasks": app.backend.host._kernel.task_manager.list(),  # type: ignore[attr-defined]
    }


async def _spoil(app: App) -> None:
    """Change all that is there, in every way."""
    items = app.db.collection("items")
    await items.delete_one({"id": "1"})
    await items.update_one({"id": "2"}, {"$set": {"name": "other"}})
    await items.insert_one({"id": "7", "name": "item 1"})
    await items.delete_one({"id": "3"})
    await items.insert_one({"id": "3", "name": "item 3"})
    await items.drop_index("at_1")
    await items.create_index("price")
    await app.db.collection("more").insert_one({"a": 1})
    await app.db.collection("more").create_index("a", unique=True)
    await app.db.set("plain", 1)
    await app.db.delete("started")
    await app.db.set("started", 2)
    await app.cache_manager.for_plugin("shop").set("rates", 7)
    await app.cache_manager.set("mine", 7)
    await app.cache_manager.redis().rpush("list", "a")
    app.event_bus.subscribe("order.created", print)
    await app.event_bus.publish("order.created", {"id": "1"})
    await app.event_bus.publish("first", {"id": "2"})
    app.service_registry.register("prices", {})
    app.service_registry.register("mine", {})
    app.fastapi_app.dependency_overrides[print] = print
    app.backend.host._kernel.task_manager.unregister_task("tidy")  # type: ignore[attr-defined]
    await items.rename("things")


async def test_everything_is_taken_back(app: App) -> None:
    """After the block all is what it was, the order of keys and documents included, as often as one likes."""
    before = await _world(app)
    async with app.fresh():
        # What the comparison itself asks is taken back too.
        before = await _world(app)
    records = len(app.journal)
    for _ in range(3):
        async with app.fresh() as same:
            assert same is app
            await _spoil(app)
        assert records == len(app.journal)
        async with app.fresh():
            assert before == await _world(app)
            with pytest.raises(Exception, match="duplicate key"):
                await app.db.collection("items").insert_one({"name": "item 1"})


async def test_what_was_once_is_once_again(app: App) -> None:
    """A subscription to the next event only, which was used up in a block, is there again after it."""
    for _ in range(2):
        async with app.fresh():
            await app.event_bus.publish("first", {"id": "1"})
            await app.event_bus.publish("first", {"id": "2"})
            await app.event_bus.drain()
            assert ["orders.1"] == await app.db.list_keys("orders.*")


async def test_events_come_to_rest_first(app: App) -> None:
    """What is still under way at the end of a block belongs to it."""
    async with app.fresh():
        await app.event_bus.publish("order.created", {"id": "1"})
    await app.event_bus.drain()
    assert [] == await app.db.list_keys("orders.*")


async def test_nothing_of_the_past_is_kept(app: App) -> None:
    """Blocks that are over cost nothing any more: nothing of what they overwrote is remembered."""
    history = app.db.keyspace.documents.history
    for _ in range(3):
        async with app.fresh():
            await _spoil(app)
    assert [] == history.open
    await app.db.update("items.1", {"name": "after"})
    assert [] == [versions for versions in history.all() if versions.entries]


async def test_a_checkpoint_forgets_what_was_put_back(app: App) -> None:
    """A checkpoint that is gone back to again and again does not remember the rounds before."""
    go_back = await app.checkpoint()
    history = app.db.keyspace.documents.history
    for number in range(3):
        await app.db.update("items.1", {"name": f"round {number}"})
        await app.db.set("plain", number)
        assert 2 == sum(len(entries) for versions in history.all() for entries in versions.entries.values())
        await go_back()
    assert 1 == len(history.open)
    await go_back(last=True)
    assert [] == history.open


async def test_who_logged_in_is_logged_out(app: App) -> None:
    """A login of the block is none after it, and one from before still is."""
    users = app.backend.host._kernel.auth  # type: ignore[attr-defined]
    early = app.login("ann")["Authorization"].removeprefix("Bearer ")
    async with app.fresh():
        late = app.login("bob")["Authorization"].removeprefix("Bearer ")
        assert "bob" == users.user_of(late).id
    assert "ann" == users.user_of(early).id
    assert users.user_of(late) is None


async def test_blocks_nest(app: App) -> None:
    """An inner block takes its own back and leaves the outer one's, which goes in its turn."""
    async with app.fresh():
        await app.db.update("items.1", {"name": "outer"})
        async with app.fresh():
            await app.db.update("items.1", {"name": "inner"})
            await app.db.update("items.2", {"name": "inner two"})
        assert "outer" == (await app.db.get("items.1")).name
        assert "item 2" == (await app.db.get("items.2")).name
    assert "item 1" == (await app.db.get("items.1")).name


async def test_a_block_that_fails_is_taken_back(app: App) -> None:
    """An exception that leaves the block changes nothing of that, and comes out."""

    async def fail() -> None:
        async with app.fresh():
            await _spoil(app)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await fail()
    assert 5 == await app.db.collection("items").count_documents({})


async def test_an_open_transaction_ends_with_the_block(app: App) -> None:
    """What a transaction that nobody closed wrote is nowhere, and keeps nothing from being written afterwards."""
    async with app.fresh():
        items = app.db.collection("items")
        session = await items.database.client.start_session()
        session.start_transaction()
        await items.update_one({"id": "1"}, {"$set": {"name": "open"}}, session=session)
        await items.update_one({"id": "2"}, {"$set": {"name": "written"}})
    assert ["item 1", "item 2"] == [(await app.db.get(f"items.{number}")).name for number in (1, 2)]
    await app.db.update("items.1", {"name": "after"})
    assert "after" == (await app.db.get("items.1")).name


async def test_a_plugin_of_the_block_is_unloaded(app: App) -> None:
    """A plugin that was loaded in a block goes with it, with its collections and data, and can be loaded again."""

    class ExtraPlugin(BasePlugin):
        name = "extra"
        stopped = 0

        def get_database_schema(self) -> dict[str, Any]:
            return {"extras": [{"id": "1", "n": 1}]}

        async def shutdown(self) -> None:
            type(self).stopped += 1

    for number in (1, 2):
        async with app.fresh():
            await app.load_plugin(ExtraPlugin)
            assert 1 == (await app.db.get("extras.1")).n
        assert number == ExtraPlugin.stopped
        assert ["shop"] == list(app.plugins)
        assert not await app.db.exists("extras.1")


@pytest.mark.parametrize("move", ["unload_plugin", "disable_plugin"])
async def test_a_plugin_that_is_gone_cannot_come_back(app: App, move: str) -> None:
    """A block that unloads or disables a plugin is an error, since the others would miss it."""
    with pytest.raises(LifecycleError, match="left plugin 'shop' unloaded, disabled or reloaded") as caught:
        async with app.fresh():
            await getattr(app, move)("shop")
    assert "nexus_app" in caught.value.fix


async def test_clients_of_the_block_are_closed(app: App) -> None:
    """A client that was made in a block sends nothing after it; one from before does."""
    early = app.client()
    async with app.fresh():
        late = app.client()
        await late.get("/health")
    assert 200 == (await early.get("/health")).status_code
    with pytest.raises(Exception, match=r"shut|closed|over"):
        await late.get("/health")


async def test_a_block_starts_the_app() -> None:
    """An app that was not started is, and stays so."""
    app = create_test_app()
    async with app.fresh():
        await app.db.set("a", 1)
    assert app.is_running
    assert not await app.db.exists("a")
    await app.shutdown()


async def test_what_the_test_left_is_found(app: App) -> None:
    """What the test registered and did not release is a finding with its line; what it released is none."""
    async with app.fresh():
        with app.event_bus.subscribe("released", print):
            app.event_bus.subscribe("left", print)
    [found] = [one for one in app.findings if one.id == "NX108"]
    assert "subscription 'left'" in found.text
    assert "test_fresh.py" in str(found.where)


async def test_rates_begin_anew(tmp_path: Path) -> None:
    """Requests of a block do not count for a plugin's rate limit after it."""
    folder = tmp_path / "narrow"
    folder.mkdir()
    api = {"rate_limit": {"requests": 1, "period": 60}}
    (folder / "manifest.json").write_text(json.dumps({"name": "narrow", "version": "1.0.0", "api": api}), "utf-8")
    text = """
        from fastapi import APIRouter
        from nexus_testing.nexus.plugins import BasePlugin

        class NarrowPlugin(BasePlugin):
            def get_api_routes(self):
                router = APIRouter()
                router.add_api_route("/", lambda: {})
                return [router]
        """
    (folder / "plugin.py").write_text(dedent(text), "utf-8")
    async with create_test_app([folder]) as app:
        for _ in range(2):
            async with app.fresh():
                client = app.client()
                assert [200, 429] == [(await client.get("/api/narrow/")).status_code for _ in range(2)]
    finder.remove(folder)


# -- state that plugins keep themselves --------------------------------------------------------------------------

PLUGIN = """
    from collections import defaultdict
    from nexus_testing.nexus.plugins import BasePlugin

    SEEN = []
    LIMIT = 10
    TABLE = dict.fromkeys(range(100_000))


    class Store:
        def __init__(self):
            self.items = {"a": [1]}


    class KeeperPlugin(BasePlugin):
        def __init__(self):
            self.name = "keeper"
            self.count = 0
            self.store = Store()
            self.tags = set()

        async def initialize(self):
            return True

        async def change(self, what):
            global LIMIT
            if what == "attribute":
                self.count += 1
            if what == "object":
                self.store.items["a"].append(2)
            if what == "set":
                self.tags.add("a")
            if what == "new":
                self.late = 1
            if what == "module":
                SEEN.append(1)
            if what == "many":
                TABLE[-1] = 1
            if what == "constant":
                LIMIT = 11
            if what == "database":
                await self.db.set("a", self.count)
                await self.cache_manager.set("a", 1)
                self.logger.info("written")
"""


@pytest.fixture(name="keeper")
def _keeper(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "keeper"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"name": "keeper", "version": "1.0.0"}), encoding="utf-8")
    (folder / "plugin.py").write_text(dedent(PLUGIN), encoding="utf-8")
    before = set_project(Project(tmp_path))
    yield folder
    set_project(before)
    finder.remove(folder)


@pytest.mark.parametrize(
    ("what", "place"),
    [
        ("attribute", "self.count"),
        ("object", "self.store.items"),
        ("set", "self.tags"),
        ("new", "self.late"),
        ("module", "keeper.plugin.SEEN"),
        ("constant", "keeper.plugin.LIMIT"),
        ("many", "keeper.plugin.TABLE"),
    ],
)
async def test_state_that_a_plugin_keeps_is_found(keeper: Path, what: str, place: str) -> None:
    """An attribute, an object's, and a variable of a module that a block changed is a finding that names it, once."""
    async with create_test_app([keeper]) as app:
        async with app.fresh():
            await app.get_plugin("keeper").change(what)
        [found] = [one for one in app.findings if one.id == "NX107"]
        assert found.text.endswith(f"which the test changed: {place}.")
        assert "plugin.py" in str(found.where)
        async with app.fresh():
            pass
        assert 1 == sum(one.id == "NX107" for one in app.findings)


async def test_what_is_taken_back_is_no_such_state(keeper: Path) -> None:
    """Data and cached values are none of a plugin's own state."""
    async with create_test_app([keeper]) as app:
        async with app.fresh():
            await app.get_plugin("keeper").change("database")
            await asyncio.sleep(0)
        assert [] == [one for one in app.findings if one.id == "NX107"]
