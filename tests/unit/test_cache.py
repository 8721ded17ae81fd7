"""The cache that plugins get, and the decorator that fills it."""

from __future__ import annotations

import asyncio
import enum
import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from nexus_testing.errors import DataError
from nexus_testing.nexus.cache import CacheManager, CacheTTL, cache
from nexus_testing.nexus.context import Activity, activity
from nexus_testing.records import CacheCall

if TYPE_CHECKING:
    from collections.abc import Iterator


class FakeKernel:
    """What the decorator asks of an app."""

    def __init__(self, owner: str | None = None) -> None:
        self.cache_manager = CacheManager()
        self.owner = owner

    def owner_of(self, _function: object) -> str | None:
        return self.owner


@contextmanager
def acting_as(plugin: str | None, kernel: Any = None) -> Iterator[None]:
    """Let the block's code count as the plugin's."""
    token = activity.set(Activity("hook", kernel, plugin))
    try:
        yield
    finally:
        activity.reset(token)


@pytest.fixture(name="manager")
def _manager(set_clock: Any) -> CacheManager:
    return CacheManager(clock=set_clock)


class Shop:
    """A plugin as authors write one."""

    def __init__(self, manager: CacheManager | None) -> None:
        self.cache_manager = manager
        self.runs: list[Any] = []

    @cache(ttl=CacheTTL.MEDIUM)
    async def get_expensive_data(self, key: str) -> dict[str, Any]:
        self.runs.append(key)
        return {"key": key, "run": len(self.runs)}

    @cache()
    async def find(self, a: Any, b: Any = 2, *rest: Any, flag: bool = False, **more: Any) -> int:
        self.runs.append((a, b, rest, flag, more))
        return len(self.runs)

    @cache()
    async def nothing(self) -> None:
        self.runs.append(None)

    async def invalidate_cache(self, key: str) -> None:
        assert self.cache_manager is not None
        await self.cache_manager.delete(f"get_expensive_data:{key}")


# -- the manager -------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_what_was_set_is_got(manager: CacheManager) -> None:
    """A value comes back; a key without one gives the default."""
    await manager.set("a", {"n": 1})
    await manager.set("none", None)

    assert await manager.get("a") == {"n": 1}
    assert await manager.get("none", 7) is None
    assert await manager.get("b") is None
    assert await manager.get("b", 7) == 7
    assert await manager.exists("none")
    assert not await manager.exists("b")


@pytest.mark.asyncio
async def test_values_are_copies(manager: CacheManager) -> None:
    """Neither the value given nor the one got is the one kept."""
    given = {"tags": ["a"]}
    await manager.set("a", given)
    given["tags"].append("b")
    (await manager.get("a"))["tags"].append("c")

    assert await manager.get("a") == {"tags": ["a"]}


@pytest.mark.asyncio
async def test_a_value_lives_until_its_time_is_up(manager: CacheManager, set_clock: Any) -> None:
    """A value is there just before its end and gone at it; one without a time stays."""
    await manager.set("a", 1, ttl=CacheTTL.SHORT)
    await manager.set("b", 2)
    assert await manager.ttl("a") == 60
    assert await manager.ttl("b") is None
    set_clock.seconds += 59.999
    assert await manager.get("a") == 1
    set_clock.seconds += 0.001

    assert await manager.get("a") is None
    assert await manager.ttl("a") is None
    assert await manager.keys() == ["b"]
    assert await manager.get("b") == 2
    assert manager.stats.size == 1


@pytest.mark.asyncio
async def test_the_names_of_times_are_seconds() -> None:
    """The four names stand for a minute, five minutes, an hour and a day."""
    assert list(CacheTTL) == [60, 300, 3600, 86400]
    assert [one.name for one in CacheTTL] == ["SHORT", "MEDIUM", "LONG", "DAY"]


@pytest.mark.asyncio
async def test_keys_and_clear(manager: CacheManager) -> None:
    """Keys can be listed by pattern and deleted one by one or all together."""
    for key in ("user:1", "user:2", "item:1"):
        await manager.set(key, 1)

    assert await manager.keys("user:*") == ["user:1", "user:2"]
    assert await manager.delete("user:1")
    assert not await manager.delete("user:1")
    await manager.clear()
    assert await manager.keys() == []


@pytest.mark.asyncio
async def test_hits_and_misses_are_counted(manager: CacheManager) -> None:
    """The statistics say how often the cache had what it was asked for."""
    await manager.set("a", 1)
    await manager.get("a")
    await manager.get("b")
    await manager.exists("b")

    assert manager.stats == (1, 1, 1)
    assert manager.stats.hits == 1


@pytest.mark.asyncio
async def test_get_or_set_makes_a_value_once(manager: CacheManager) -> None:
    """The factory runs where nothing is kept, and its value is kept for the time said."""
    runs = []

    async def factory() -> int:
        runs.append(1)
        return len(runs)

    assert await manager.get_or_set("a", factory, ttl=5) == 1
    assert await manager.get_or_set("a", factory, ttl=5) == 1
    assert await manager.ttl("a") == 5


@pytest.mark.asyncio
async def test_each_call_is_recorded(manager: CacheManager) -> None:
    """The journal says what was asked, by whom, and whether it was a hit."""
    with acting_as("shop"):
        await manager.set("a", 1)
        await manager.get("a")
    await manager.for_plugin("shop").get("b")

    assert [(one.operation, one.key, one.hit, one.plugin) for one in manager.journal.of(CacheCall)] == [
        ("set", "a", None, "shop"),
        ("get", "a", True, "shop"),
        ("get", "b", False, "shop"),
    ]


@pytest.mark.asyncio
async def test_plugins_do_not_see_each_other(manager: CacheManager) -> None:
    """Each plugin has keys of its own, whether it uses its view or the app's cache."""
    a, b = manager.for_plugin("a"), manager.for_plugin("b")
    await a.set("k", "of a")
    with acting_as("b"):
        await manager.set("k", "of b")
    await manager.set("k", "of the test")

    assert await a.get("k") == "of a"
    assert await b.get("k") == "of b"
    assert await manager.get("k") == "of the test"
    assert await a.keys() == ["k"]
    assert manager.for_plugin("a") is a
    assert manager.stats == (3, 0, 3)
    assert a.stats == (1, 0, 1)
    await a.clear()
    assert await b.get("k") == "of b"
    await manager.clear()
    assert manager.stats.size == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ["", None, 7])
async def test_a_key_must_be_a_string(manager: CacheManager, key: Any) -> None:
    """A key of another type, or an empty one, is refused."""
    for call in (manager.get(key), manager.set(key, 1), manager.delete(key), manager.exists(key), manager.ttl(key)):
        with pytest.raises(DataError, match="no key for the cache") as caught:
            await call
        assert __file__ in str(caught.value.where)


@pytest.mark.asyncio
@pytest.mark.parametrize("ttl", [0, -1, True, "60", float("inf"), float("nan")])
async def test_a_time_must_be_positive(manager: CacheManager, ttl: Any) -> None:
    """A time that keeps nothing, or is none, is refused by the manager and by the decorator."""
    with pytest.raises(DataError, match="Nothing can be cached for"):
        await manager.set("a", 1, ttl=ttl)
    with pytest.raises(DataError, match="Nothing can be cached for") as caught:
        cache(ttl=ttl)
    assert "CacheTTL.SHORT" in caught.value.fix


@pytest.mark.asyncio
async def test_what_cannot_be_pickled_cannot_be_cached(manager: CacheManager) -> None:
    """An object that cannot be pickled is refused with its key."""
    with pytest.raises(DataError, match="under 'a', since it cannot be pickled"):
        await manager.set("a", threading.Lock())
    assert not await manager.exists("a")


@pytest.mark.asyncio
async def test_a_client_takes_no_address(manager: CacheManager) -> None:
    """A client that asks for another server is refused: there is only one."""
    with pytest.raises(DataError, match="takes no 'host'"):
        manager.redis(host="127.0.0.1", port=6379)


# -- the decorator -----------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_method_runs_once_per_argument(manager: CacheManager, set_clock: Any) -> None:
    """A result is kept by its arguments for as long as said."""
    shop = Shop(manager.for_plugin("shop"))

    assert await shop.get_expensive_data("k") == {"key": "k", "run": 1}
    assert await shop.get_expensive_data("k") == {"key": "k", "run": 1}
    assert await shop.get_expensive_data(key="k") == {"key": "k", "run": 1}
    assert await shop.get_expensive_data("l") == {"key": "l", "run": 2}
    set_clock.seconds += 300
    assert await shop.get_expensive_data("k") == {"key": "k", "run": 3}


@pytest.mark.asyncio
@pytest.mark.parametrize("who", [None, "shop", "other"])
async def test_the_plugin_invalidates_by_the_functions_name(manager: CacheManager, who: str | None) -> None:
    """Deleting `function:argument` forgets one result, whoever has the plugin's method run."""
    shop = Shop(manager.for_plugin("shop"))
    await shop.get_expensive_data("k")
    await shop.get_expensive_data("l")
    with acting_as(who):
        await shop.invalidate_cache("k")
    await shop.get_expensive_data("k")
    await shop.get_expensive_data("l")

    assert shop.runs == ["k", "l", "k"]


@pytest.mark.asyncio
async def test_a_key_is_made_of_the_arguments_in_order(manager: CacheManager) -> None:
    """Positional, keyword, default and further arguments make one key, however they were passed."""
    shop = Shop(manager.for_plugin("shop"))
    await shop.find(1)
    await shop.find(a=1, b=2, flag=False)
    await shop.find("x", None, 3, 4, flag=True, z=1, y="2")
    await shop.nothing()

    assert await manager.for_plugin("shop").keys() == [
        "find:1:2:False",
        "find:x:None:3:4:True:y=2:z=1",
        "nothing",
    ]


@pytest.mark.asyncio
async def test_none_is_a_result_and_an_exception_is_not(manager: CacheManager) -> None:
    """None is kept; what raises runs again."""
    shop = Shop(manager.for_plugin("shop"))
    await shop.nothing()
    await shop.nothing()
    assert shop.runs == [None]

    @cache()
    async def fail(self: Shop) -> None:
        self.runs.append("fail")
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):  # noqa: PT011 - it is the plugin's own
            await fail(shop)
    assert shop.runs == [None, "fail", "fail"]


class Colour(enum.StrEnum):
    """Some enumeration."""

    RED = "red"


@pytest.mark.asyncio
@pytest.mark.parametrize("value", [1.5, ["a"], {"a": 1}, (1,), Colour.RED, object()])
async def test_an_argument_that_makes_no_key_is_refused(manager: CacheManager, value: Any) -> None:
    """The error names the parameter, the function's line and the line of the call, and what to write."""
    shop = Shop(manager.for_plugin("shop"))

    with pytest.raises(DataError, match="argument 'b' of find") as caught:
        await shop.find(1, value)

    assert __file__ in str(caught.value.where)
    assert "Shop.find" in caught.value.why
    assert "key=lambda" in caught.value.fix
    assert shop.runs == []


@pytest.mark.asyncio
async def test_key_says_the_whole_key(manager: CacheManager) -> None:
    """`key=` gets the arguments without self and returns the key; it must be a string."""
    keys: list[Any] = ["order:7"]

    class Orders(Shop):
        @cache(key=lambda order, _times=1: keys[0] if order["id"] == 7 else "")
        async def total(self, order: dict[str, Any], _times: int = 1) -> int:
            self.runs.append(order)
            return len(self.runs)

    orders = Orders(manager.for_plugin("orders"))
    assert await orders.total({"id": 7}) == await orders.total({"id": 7, "other": 1}, 2) == 1
    assert await manager.for_plugin("orders").keys() == ["order:7"]
    keys[0] = 7
    with pytest.raises(DataError, match=r"The key= of total\(\) returned 7"):
        await orders.total({"id": 7})


@pytest.mark.asyncio
async def test_wrong_arguments_are_pythons_own_error(manager: CacheManager) -> None:
    """A call that the function does not take raises what it would raise without the decorator."""
    shop = Shop(manager.for_plugin("shop"))

    with pytest.raises(TypeError, match=r"get_expensive_data\(\) missing 1 required positional argument: 'key'"):
        await shop.get_expensive_data()  # type: ignore[call-arg]


@pytest.mark.asyncio
async def test_without_a_cache_the_function_simply_runs() -> None:
    """Where no app is current and the object has no cache, nothing is kept."""
    shop = Shop(None)
    await shop.get_expensive_data("k")
    await shop.get_expensive_data("k")

    assert shop.runs == ["k", "k"]


@pytest.mark.asyncio
async def test_a_function_uses_the_cache_of_the_current_app() -> None:
    """A plain function's results are kept for the plugin whose code it is, else for who calls it."""
    runs = []

    @cache()
    async def lookup(name: str) -> int:
        runs.append(name)
        return len(runs)

    kernel = FakeKernel()
    with acting_as("shop", kernel):
        await lookup("a")
        await lookup("a")
    assert runs == ["a"]
    assert await kernel.cache_manager.for_plugin("shop").keys() == ["lookup:a"]
    with acting_as(None, kernel):
        await lookup("a")
    assert await kernel.cache_manager.keys() == ["lookup:a"]
    kernel.owner = "owner"
    with acting_as("shop", kernel):
        await lookup("b")
    assert await kernel.cache_manager.for_plugin("owner").keys() == ["lookup:b"]


@pytest.mark.asyncio
async def test_only_coroutine_functions_are_cached() -> None:
    """A plain function is refused at its decoration, and so is the decorator without parentheses."""
    with pytest.raises(DataError, match="is for coroutine functions") as caught:

        @cache()  # type: ignore[arg-type]
        def plain() -> int:
            return 1

    assert __file__ in str(caught.value.where)
    with pytest.raises(DataError, match="needs parentheses") as caught:

        @cache  # type: ignore[arg-type]
        async def bare() -> int:
            return 1

    assert "@cache()" in caught.value.fix


@pytest.mark.asyncio
async def test_a_decorated_method_keeps_its_name() -> None:
    """The name, the docstring and being a coroutine function survive the decorator."""
    assert Shop.get_expensive_data.__name__ == "get_expensive_data"
    assert asyncio.iscoroutinefunction(Shop.get_expensive_data)


# -- at once -----------------------------------------------------------------------------------------------------


class Slow:
    """A factory that waits until it is let go."""

    def __init__(self) -> None:
        self.runs = 0
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> dict[str, int]:
        self.runs += 1
        run = self.runs
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return {"run": run}


async def settled() -> None:
    """Let every task run as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_concurrent_misses_run_once(manager: CacheManager) -> None:
    """Who asks while a value is being made waits for it, and has a copy of their own."""
    slow = Slow()
    asking = [asyncio.create_task(manager.get_or_set("a", slow)) for _ in range(3)]
    await settled()
    slow.go.set()
    first, *others = await asyncio.gather(*asking)
    first["run"] = 99

    assert slow.runs == 1
    assert others == [{"run": 1}, {"run": 1}]
    assert others[0] is not others[1]
    assert manager.stats == (2, 1, 1)


@pytest.mark.asyncio
async def test_all_who_wait_see_the_error(manager: CacheManager) -> None:
    """An exception reaches everybody who waited, and the next one runs it again."""
    slow = Slow()
    slow.error = ValueError("down")
    asking = [asyncio.create_task(manager.get_or_set("a", slow)) for _ in range(2)]
    await settled()
    slow.go.set()

    assert [slow.error] * 2 == await asyncio.gather(*asking, return_exceptions=True)
    slow.error = None
    assert await manager.get_or_set("a", slow) == {"run": 2}


@pytest.mark.asyncio
async def test_an_error_that_nobody_waited_for_is_told_once(
    manager: CacheManager, caplog: pytest.LogCaptureFixture
) -> None:
    """Who makes the value has the exception; the loop does not complain about it afterwards."""
    slow = Slow()
    slow.error = ValueError("down")
    slow.go.set()
    with pytest.raises(ValueError, match="down"):
        await manager.get_or_set("a", slow)
    gc.collect()

    assert caplog.records == []


@pytest.mark.asyncio
async def test_a_cancelled_maker_is_replaced(manager: CacheManager) -> None:
    """If the one who makes the value is cancelled, one of those who wait makes it."""
    slow = Slow()
    maker, waiter = (asyncio.create_task(manager.get_or_set("a", slow)) for _ in range(2))
    await settled()
    maker.cancel()
    await settled()
    slow.go.set()

    assert await waiter == {"run": 2}
    assert maker.cancelled()


@pytest.mark.asyncio
async def test_a_cancelled_waiter_disturbs_nobody(manager: CacheManager) -> None:
    """If one who waits is cancelled, the value is made all the same."""
    slow = Slow()
    maker, waiter = (asyncio.create_task(manager.get_or_set("a", slow)) for _ in range(2))
    await settled()
    waiter.cancel()
    await settled()
    slow.go.set()

    assert await maker == {"run": 1}


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["delete", "set", "clear"])
async def test_a_value_made_before_an_invalidation_is_not_kept(manager: CacheManager, how: str) -> None:
    """What was being computed when the key was deleted or set is of the time before."""
    slow = Slow()
    asking = asyncio.create_task(manager.get_or_set("a", slow))
    await settled()
    if how == "delete":
        await manager.delete("a")
    elif how == "set":
        await manager.set("a", "newer")
    else:
        await manager.clear()
    slow.go.set()

    assert await asking == {"run": 1}
    assert await manager.get("a") == ("newer" if how == "set" else None)


@pytest.mark.asyncio
async def test_a_function_that_calls_itself_does_not_wait_for_itself(manager: CacheManager) -> None:
    """A cached function may call itself with the same arguments, if it ends by itself."""

    class Recursive(Shop):
        @cache()
        async def descend(self, name: str) -> int:
            self.runs.append(name)
            return len(self.runs) if len(self.runs) == 3 else await self.descend(name)

    assert await Recursive(manager.for_plugin("shop")).descend("a") == 3
