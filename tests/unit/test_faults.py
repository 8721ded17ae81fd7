"""Faults at the ports of an app: what they do to a plugin's calls, and what they leave alone."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from nexus_testing import create_test_app
from nexus_testing.app import App
from nexus_testing.calls import collect_unawaited
from nexus_testing.errors import DataError, FaultAssertionError, FaultError, PluginLoadError
from nexus_testing.faults import Faults
from nexus_testing.faults.faults import at_work
from nexus_testing.nexus.adapter import DatabaseAdapter
from nexus_testing.nexus.cache import CacheManager
from nexus_testing.nexus.event import Event
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.nexus.tasks import BackgroundTask, Schedule
from nexus_testing.nexus.transactions import TransactionContext
from nexus_testing.records import Delivered, FaultHit, JobRun

pytestmark = pytest.mark.asyncio


class Prices:
    """A service of the plugin's."""

    async def of(self, name: str) -> int:
        """Return a price."""
        return len(name)

    def sync(self) -> int:
        """Return a number at once."""
        return 7


class ShopPlugin(BasePlugin):
    """Asks every port for something."""

    def __init__(self) -> None:
        self.name = "shop"
        self.heard: list[Any] = []
        self.ended: list[str] = []

    async def initialize(self) -> bool:
        try:
            await self.db.set("started", 1)
        except asyncio.CancelledError:
            self.ended.append("initialize")
            raise
        self.service_registry.register("prices", Prices())
        self.event_bus.subscribe("order.*", self.hear)
        self.task_manager.register_task(BackgroundTask("count", self.count, Schedule.every_hours(1)))
        return True

    async def on_load(self) -> None:
        """Do nothing."""

    async def on_enable(self) -> None:
        """Do nothing."""

    async def shutdown(self) -> None:
        self.ended.append("shutdown")

    async def hear(self, event: Event) -> None:
        self.heard.append(event["n"])

    async def count(self) -> int:
        return len(await self.db.list_keys("order.*"))

    async def keep(self, *keys: str) -> None:
        for key in keys:
            await self.db.set(key, {"kept": True})

    async def together(self, *keys: str) -> None:
        async with self.db.transaction() as tx:
            for key in keys:
                await tx.set(key, {"kept": True})

    async def cached(self) -> Any:
        return await self.cache_manager.get("a")

    async def price(self) -> int:
        prices = await self.service_registry.get_service("prices")
        found: int = await prices.of("tea") + prices.sync()
        return found

    async def insert(self) -> None:
        await self.db.collection("items").insert_one({"_id": "1"})

    async def find(self) -> list[Any]:
        found: list[Any] = await self.db.collection("items").find({}).sort("_id", 1).to_list(None)
        return found

    async def each(self) -> list[Any]:
        return [one async for one in self.db.collection("items").find({})]

    async def tell(self, *numbers: int) -> None:
        for number in numbers:
            await self.event_bus.publish(f"order.{number}", {"n": number})

    def shout(self) -> None:
        self.event_bus.publish_now("order.1", {"n": 1})

    def register(self, name: str) -> None:
        self.task_manager.register_task(BackgroundTask(name, self.count, Schedule.every_hours(1)))

    async def in_parts(self) -> None:
        async with self.db.transaction() as tx:
            await tx.set("a", 1)
            async with tx.transaction() as part:
                await part.set("b", 2)
            await tx.commit()


@pytest_asyncio.fixture(name="app")
async def _app() -> AsyncIterator[App]:
    async with create_test_app([ShopPlugin]) as app:
        yield app
        app.faults.end()


@pytest.fixture(name="shop")
def _shop(app: App) -> ShopPlugin:
    plugin: ShopPlugin = app.get_plugin("shop")
    return plugin


# -- which calls, and how often ------------------------------------------------------------------------------------


async def test_a_call_fails_after_others_and_once(app: App, shop: ShopPlugin) -> None:
    """The first three calls pass, the fourth fails and writes nothing, the fifth passes."""
    fault = app.faults.fail("db.set", OSError, after=3)
    await shop.keep("a", "b", "c")
    with pytest.raises(
        OSError, match=r"injected by nexus_faults\.fail\('db\.set', OSError, after=3\), at .+test_faults"
    ):
        await shop.keep("d")
    await shop.keep("e")
    assert ["started", "a", "b", "c", "e"] == await app.db.list_keys()
    assert 1 == fault.hits
    (hit,) = app.journal.of(FaultHit)
    assert ("db.set", "d", "failed", "shop") == hit[2:6]
    assert "ShopPlugin.keep" in str(hit.where)


async def test_an_exception_is_raised_as_it_is(app: App, shop: ShopPlugin) -> None:
    """The very object that was given, each time."""
    error = KeyError("mine")
    app.faults.fail("db.set", error, times=None)
    for _ in range(2):
        with pytest.raises(KeyError) as raised:
            await shop.keep("a")
        assert raised.value is error


@pytest.mark.parametrize("pattern", ["db.*", "*", "db.s?t"])
async def test_a_pattern_names_several(app: App, shop: ShopPlugin, pattern: str) -> None:
    """A star stands for whatever there is."""
    app.faults.fail(pattern, OSError)
    with pytest.raises(OSError, match="injected"):
        await shop.keep("a")


async def test_the_key_and_the_plugin_narrow_it(app: App, shop: ShopPlugin) -> None:
    """Calls about other keys, and those of other plugins, pass."""
    app.faults.fail("db.set", OSError, key="order.*", plugin="shop")
    other = app.faults.fail("db.set", ValueError, plugin="other", required=False)
    await shop.keep("a")
    with pytest.raises(OSError, match="injected"):
        await shop.keep("order.1")
    assert 0 == other.hits


async def test_chance_can_be_repeated(app: App, shop: ShopPlugin) -> None:
    """The same seed has the same calls fail."""

    async def failures(seed: int | None) -> list[int]:
        failed = []
        with app.faults.fail("db.set", OSError, times=None, probability=0.5, seed=seed) as fault:
            for number in range(20):
                try:
                    await shop.keep(f"k{number}")
                except OSError:
                    failed.append(number)
            assert fault.aim.seed is not None
            seeds.append(fault.aim.seed)
        return failed

    seeds: list[int] = []
    once = await failures(None)
    assert 0 < len(once) < 20
    assert once == await failures(seeds[0])
    _, lines = app.faults.end()
    assert f"seed={seeds[0]}" in lines[0]


async def test_what_the_test_asks_is_left_alone(app: App) -> None:
    """A fault is for plugins; the test looks at the database as it is."""
    app.faults.fail("db.*", OSError, times=None, required=False)
    await app.db.set("mine", 1)
    assert 1 == await app.db.get("mine")


# -- the ports -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "method"),
    [
        ("db.transaction.set", "together"),
        ("db.transaction.begin", "together"),
        ("db.transaction.commit", "together"),
        ("db.collection.insert_one", "insert"),
        ("db.collection.find", "find"),
        ("db.collection.find", "each"),
        ("cache.get", "cached"),
        ("services.get", "price"),
        ("services.prices.of", "price"),
        ("services.prices.sync", "price"),
        ("services.*.*", "price"),
    ],
)
async def test_every_port_can_fail(app: App, shop: ShopPlugin, operation: str, method: str) -> None:
    """Each way that a plugin asks is one that can go wrong, once; the next time it does not."""
    app.faults.fail(operation, OSError)
    arguments = ("a", "b") if method == "together" else ()
    with pytest.raises(OSError, match="injected"):
        await getattr(shop, method)(*arguments)
    assert "a" not in await app.db.list_keys()
    await getattr(shop, method)(*arguments)
    assert 1 == len(app.journal.of(FaultHit))


async def test_what_answers_at_once_fails_too(app: App, shop: ShopPlugin) -> None:
    """Publications and registrations, with and without an await."""
    app.faults.fail("events.publish", OSError)
    with pytest.raises(OSError, match="injected"):
        await shop.tell(1)
    app.faults.fail("events.publish_now", OSError)
    with pytest.raises(OSError, match="injected"):
        shop.shout()
    app.faults.fail("tasks.register_task", OSError, key="late")
    with pytest.raises(OSError, match="injected"):
        shop.register("late")
    assert ["count"] == app.task_manager.list()
    assert [] == shop.heard


async def test_a_job_fails_before_it_begins(app: App) -> None:
    """The run is on record with what it failed with."""
    app.faults.fail("tasks.run", OSError, key="count")
    with pytest.raises(OSError, match="injected"):
        await app.task_manager.run_now("count")
    (run,) = app.journal.of(JobRun)
    assert isinstance(run.error, OSError)
    assert 0 == await app.task_manager.run_now("count")


async def test_a_handler_sees_its_database_fail(app: App, shop: ShopPlugin) -> None:
    """The error is the handler's, as any of its own."""

    async def hear(event: Event) -> None:
        await shop.keep("a")

    app.event_bus.subscribe("asked", hear)
    app.faults.fail("db.set", OSError)
    await app.event_bus.publish("asked")
    await app.event_bus.drain()
    (delivered,) = [one for one in app.journal.of(Delivered) if one.name == "asked"]
    assert isinstance(delivered.error, OSError)


async def test_the_ports_stay_what_they_are(app: App, shop: ShopPlugin) -> None:
    """With the layer over them they have their classes, signatures and identities; without it, their own methods."""
    before = {name: inspect.signature(getattr(app.db, name)) for name in ("get", "set", "transaction", "collection")}
    app.faults.watch()
    assert isinstance(shop.db, DatabaseAdapter)
    assert shop.db is app.db
    assert isinstance(shop.cache_manager, CacheManager)
    assert isinstance(app.db.transaction(), TransactionContext)
    assert before == {name: inspect.signature(getattr(app.db, name)) for name in before}
    assert inspect.iscoroutinefunction(app.db.set) == inspect.iscoroutinefunction(type(app.db).set)
    assert isinstance(app.service_registry.get("prices"), Prices)
    assert app.service_registry.get("prices") is app.service_registry.get("prices")
    with pytest.raises(TypeError, match="missing a required argument"):
        app.db.set("a")  # type: ignore[call-arg]
    app.faults.end()
    assert not {"get", "set", "transaction", "collection"} & vars(app.db).keys()
    assert "publish" not in vars(app.event_bus)
    assert app.faults not in at_work


async def test_a_call_that_nobody_awaits_is_still_told(app: App, shop: ShopPlugin) -> None:
    """The layer hides no forgotten await."""
    found: list[Any] = []
    before = collect_unawaited(found)
    try:
        app.faults.watch("db.*")
        shop.db.set("a", 1)
    finally:
        collect_unawaited(before)
    assert ["MemoryDatabase.set"] == [one.name for one in found]


# -- what happens --------------------------------------------------------------------------------------------------


async def test_a_delay_is_on_the_apps_clock(nexus_clock: Any) -> None:
    """Virtual time passes, and none of the machine's."""
    async with create_test_app([ShopPlugin]) as app:
        app.faults.delay("cache.get", 90.0)
        before = nexus_clock.monotonic()
        await app.get_plugin("shop").cached()
        assert 90.0 == pytest.approx(nexus_clock.monotonic() - before)


async def test_what_hangs_ends_with_the_fault(app: App, shop: ShopPlugin) -> None:
    """The plugin waits until its own limit, or until the fault is over."""
    app.faults.hang("db.set")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await shop.keep("a")
    fault = app.faults.hang("db.set")
    task = asyncio.create_task(shop.keep("b"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()
    fault()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["started"] == await app.db.list_keys()


async def test_a_disconnected_database_answers_nobody(app: App, shop: ShopPlugin) -> None:
    """It raises what it raises when it is not connected, its health is false, and a reconnection ends that."""
    app.faults.disconnect("db")
    with pytest.raises(DataError, match=r"The database is not connected\.(.|\n)+disconnect\('db'\)"):
        await shop.keep("a")
    with pytest.raises(DataError, match="not connected"):
        await app.db.get("a")
    with pytest.raises(DataError, match="not connected"):
        await shop.together("a")
    with pytest.raises(DataError, match="not connected"):
        await shop.find()
    health = await app.db.health_check()
    assert not health
    assert ("disconnected", False) == (health["status"], health["connected"])
    app.faults.reconnect("db")
    assert await app.db.health_check()
    await shop.keep("a")
    app.faults.disconnect("cache", ConnectionError)
    with pytest.raises(ConnectionError, match="injected"):
        await shop.cached()
    with pytest.raises(FaultError, match="'db' is not disconnected"):
        app.faults.reconnect("db")


@pytest.mark.parametrize(("keys", "left"), [("ab", ["a"]), ("abcd", ["a", "b"]), ("a", ["a"])])
async def test_a_commit_is_made_in_part(app: App, shop: ShopPlugin, keys: str, left: list[str]) -> None:
    """Half of the writes are there, and the plugin is told that none was made."""
    app.faults.partial("db.transaction.commit")
    with pytest.raises(ConnectionError, match=r"injected by nexus_faults\.partial"):
        await shop.together(*keys)
    assert ["started", *left] == await app.db.list_keys()


async def test_a_part_of_a_transaction_belongs_to_it(app: App, shop: ShopPlugin) -> None:
    """The commit of the whole fails, asked for or not; what a part wrote is a write of the whole."""
    app.faults.partial("db.transaction.commit", after=1)
    with pytest.raises(ConnectionError, match="injected"):
        await shop.in_parts()
    assert ["started", "a"] == await app.db.list_keys()
    await shop.in_parts()
    assert {"a": 1, "b": 2} == {key: await app.db.get(key) for key in ("a", "b")}


async def test_a_task_is_cancelled_where_it_waits(app: App, shop: ShopPlugin) -> None:
    """The call raises CancelledError, nothing is written, and the task may be used on."""
    app.faults.cancel_at("db.set")
    with pytest.raises(asyncio.CancelledError):
        await shop.keep("a")
    task = asyncio.current_task()
    assert task is not None
    assert 0 == task.cancelling()
    assert ["started"] == await app.db.list_keys()


async def test_a_hook_is_cancelled_where_it_waits() -> None:
    """The plugin is told in its hook, and nothing of it is left."""
    async with create_test_app() as app:
        plugin = ShopPlugin
        fault = app.faults.cancel_at("initialize")
        with pytest.raises(PluginLoadError, match=r"failed in initialize\(\): CancelledError"):
            await app.load_plugin(plugin)
        assert 1 == fault.hits
        assert [] == await app.db.list_keys()
        await app.load_plugin(plugin)
        assert {"shop"} == app.plugins.keys()
        app.faults.end()


@pytest.mark.parametrize("hook", ["on_load", "initialize", "on_enable", "lifecycle.initialize", "lifecycle.on_*"])
async def test_a_hook_fails(hook: str) -> None:
    """The load fails with what the fault raises as its cause."""
    async with create_test_app() as app:
        app.faults.fail(hook, OSError)
        with pytest.raises(PluginLoadError) as raised:
            await app.load_plugin(ShopPlugin)
        assert isinstance(raised.value.__cause__, OSError)
        app.faults.end()


async def test_events_are_dropped_duplicated_and_reordered(app: App, shop: ShopPlugin) -> None:
    """They are published as ever, and heard otherwise."""
    app.faults.drop("events", "order.1")
    app.faults.duplicate("events", "order.2")
    app.faults.reorder("events", "order.3")
    await shop.tell(1, 2, 3, 4, 5)
    await app.event_bus.drain()
    assert [2, 2, 4, 3, 5] == shop.heard
    assert [1, 1, 1, 1, 1] == [len(app.event_bus.of(f"order.{n}")) for n in (1, 2, 3, 4, 5)]
    assert ["dropped", "duplicated", "reordered"] == [one.action for one in app.journal.of(FaultHit)]
    assert app.event_bus.idle


async def test_an_event_that_nothing_overtakes_is_delivered(app: App, shop: ShopPlugin) -> None:
    """It is not lost, and the fault never happened."""
    app.faults.reorder("events", "order.*")
    await shop.tell(1)
    await app.event_bus.drain()
    assert [1] == shop.heard
    (error,), _ = app.faults.end()
    assert "never happened" in str(error)


async def test_the_frameworks_own_events_are_meant_only_by_name(app: App) -> None:
    """The news of a plugin is not what `drop("events")` is about."""
    app.faults.drop("events", required=False)
    heard: list[Any] = []
    app.event_bus.subscribe("plugin.unloaded", heard.append)
    await app.unload_plugin("shop")
    await app.event_bus.drain()
    assert 1 == len(heard)


# -- its end -------------------------------------------------------------------------------------------------------


async def test_a_fault_ends_with_its_block_or_when_told(app: App, shop: ShopPlugin) -> None:
    """After the block, the call or `clear()` everything passes."""
    with app.faults.fail("db.set", OSError, times=None), pytest.raises(OSError, match="injected"):
        await shop.keep("a")
    await shop.keep("a")
    fault = app.faults.fail("db.set", OSError, required=False)
    fault()
    fault.undo()
    await shop.keep("b")
    app.faults.fail("db.set", OSError, required=False)
    app.faults.clear()
    await shop.keep("c")


async def test_a_fault_that_never_happened_is_an_error(app: App, shop: ShopPlugin) -> None:
    """It names what was asked instead, and guesses."""
    app.faults.fail("db.update", OSError)
    app.faults.fail("db.set", OSError, key="ordrs.1")
    app.faults.fail("db.set", OSError, after=3, key="order*")
    app.faults.fail("db.set", OSError, plugin="shp")
    await shop.keep("orders.1", "orders.1")
    await app.db.update("orders.1", {"a": 1})
    errors, _ = app.faults.end()
    told = [str(error) for error in errors]
    assert "2 × db.set orders.1 by shop" in told[0]
    assert "the test itself asked 1 times" in told[0]
    assert "Did you mean 'orders.1'?" in told[1]
    assert "2 calls were such as it is about, and it lets 3 pass first" in told[2]
    assert "no plugin 'shp' is loaded; there is 'shop'" in told[3]
    assert "Did you mean 'shop'?" in told[3]


async def test_a_block_whose_fault_never_happened_is_an_error(app: App) -> None:
    """It is said at the block's end, and once."""
    with (
        pytest.raises(FaultAssertionError, match=r"fail\('db\.set', OSError\) never happened"),
        app.faults.fail("db.set", OSError),
    ):
        pass
    assert ([], []) == app.faults.end()


# -- wrong use -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda faults: faults.fail("db.sett", OSError), "Did you mean 'db.set'"),
        (lambda faults: faults.fail("initialise", OSError), "Did you mean 'initialize'"),
        (lambda faults: faults.fail("database.set", OSError), "Did you mean 'db.set'"),
        (lambda faults: faults.fail("db.frobnicate", OSError), "There is db.get, db.set"),
        (lambda faults: faults.fail("http.get", OSError), "nexus_http.fail"),
        (lambda faults: faults.fail(7, OSError), "no operation 7"),
        (lambda faults: faults.fail("db.set", "OSError"), "'OSError', which is no exception"),
        (lambda faults: faults.fail("db.set", UnicodeDecodeError), "cannot make a UnicodeDecodeError"),
        (lambda faults: faults.fail("db.set", OSError, times=0), "times=0"),
        (lambda faults: faults.fail("db.set", OSError, after=-1), "after=-1"),
        (lambda faults: faults.fail("db.set", OSError, probability=2), "probability=2"),
        (lambda faults: faults.fail("db.set", OSError, key=1), "key=1"),
        (lambda faults: faults.delay("cache.get", -1), "-1 seconds"),
        (lambda faults: faults.delay("events.subscribe", 1), "answers at once, so it cannot be delayed"),
        (lambda faults: faults.cancel_at("services.get"), "cannot be cancelled"),
        (lambda faults: faults.partial("db.set"), "cannot be done in part"),
        (lambda faults: faults.disconnect("dp"), "Name 'db' or 'cache'"),
        (lambda faults: faults.fail("queue.put", OSError), "the ports are db, cache"),
        (lambda faults: faults.disconnect("events"), "'events' is no port that could be disconnected"),
        (lambda faults: faults.drop("event"), "Did you mean 'events'"),
        (lambda faults: faults.watch("dbb.*"), "no operation 'dbb"),
    ],
)
async def test_what_cannot_be_meant_is_refused_at_once(call: Any, complaint: str) -> None:
    """The message says what could be meant, at the test's line; no layer is laid."""
    app = create_test_app()
    with pytest.raises(FaultError, match=complaint) as raised:
        call(app.faults)
    assert "test_faults.py" in str(raised.value.where)
    assert [] == app.faults.calls
    assert app.faults not in at_work
    await app.shutdown()


async def test_it_is_the_apps() -> None:
    """Each app has its own faults."""
    one, other = create_test_app(), create_test_app()
    assert isinstance(one.faults, Faults)
    assert one.faults is one.faults
    assert one.faults is not other.faults
    await one.shutdown()
    await other.shutdown()
