"""What every cache answers alike: entries, times, one making for many, and Redis' own commands."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from nexus_testing.errors import DataError
from nexus_testing.nexus.cache import CacheManager, CacheTTL, cache


class CacheContract:
    """Tests of a cache; a child says which one, in a fixture `manager` that is empty, and how time goes by."""

    async def wait(self, manager: CacheManager, seconds: float) -> None:
        """Let time go by."""
        raise NotImplementedError

    @pytest.mark.asyncio
    async def test_entries(self, manager: CacheManager) -> None:
        """A value is set, read as a copy, listed, counted and deleted."""
        given = {"tags": ["a"], 1: None}
        assert await manager.get("user:1") is None
        await manager.set("user:1", given)
        given["tags"] = []
        await manager.set("user:2", None)
        await manager.set("item:1", b"\0\xff")

        assert {"tags": ["a"], 1: None} == await manager.get("user:1")
        assert await manager.get("user:2", 7) is None
        assert b"\0\xff" == await manager.get("item:1")
        assert ["user:1", "user:2"] == sorted(await manager.keys("user:?"))
        assert (3, 1, 3) == manager.stats
        assert await manager.exists("user:1")
        assert await manager.delete("user:1")
        assert not await manager.delete("user:1")
        assert 7 == await manager.get("user:1", 7)
        await manager.clear()
        assert [] == await manager.keys()

    @pytest.mark.asyncio
    async def test_one_glob(self, manager: CacheManager) -> None:
        """In a pattern, only a star and a question mark are special."""
        for key in ("a[1]", "a1", "a\\1", "a^1"):
            await manager.set(key, 1)

        assert ["a[1]"] == await manager.keys("a[1]")
        assert ["a[1]", "a\\1", "a^1"] == sorted(await manager.keys("a?1*"))

    @pytest.mark.asyncio
    async def test_times(self, manager: CacheManager) -> None:
        """A value goes when its time is up; setting it again starts anew or makes it stay."""
        await manager.set("a", 1, ttl=CacheTTL.SHORT)
        await manager.set("b", 1, ttl=0.5)
        await manager.set("c", 1)
        assert 60 == pytest.approx(await manager.ttl("a"), abs=1)
        assert (await manager.ttl("c"), await manager.ttl("d")) == (None, None)

        await self.wait(manager, 0.6)
        assert ["a", "c"] == sorted(await manager.keys())
        await manager.set("a", 2)
        assert await manager.ttl("a") is None
        assert 2 == manager.stats.size

    @pytest.mark.asyncio
    @pytest.mark.parametrize("key", ["", 7, None, b"a"])
    async def test_keys_are_strings(self, manager: CacheManager, key: Any) -> None:
        """What is no string, or an empty one, is no key."""
        with pytest.raises(DataError, match="no key for the cache"):
            await manager.set(key, 1)

    @pytest.mark.asyncio
    async def test_a_value_is_made_once(self, manager: CacheManager) -> None:
        """Whoever asks while a value is made gets that one; an exception is not kept."""
        runs: list[None] = []

        async def make() -> dict[str, int]:
            runs.append(None)
            await asyncio.sleep(0)
            if len(runs) == 1:
                raise ValueError("down")
            return {"run": len(runs)}

        failed = await asyncio.gather(*(manager.get_or_set("a", make) for _ in range(2)), return_exceptions=True)
        made = await asyncio.gather(*(manager.get_or_set("a", make, ttl=60) for _ in range(3)))
        assert ["down", "down"] == [str(one) for one in failed]
        assert [{"run": 2}] * 3 == made
        assert made[1] is not made[2]
        assert 60 == pytest.approx(await manager.ttl("a"), abs=1)

    @pytest.mark.asyncio
    async def test_plugins_are_apart(self, manager: CacheManager) -> None:
        """Each plugin has keys of its own; the test clears and counts those of all."""
        one, other = manager.for_plugin("one"), manager.for_plugin("o[n]e*")
        await one.set("a", 1)
        await other.set("a", 2)

        assert (1, 2, None) == (await one.get("a"), await other.get("a"), await manager.get("a"))
        assert ["a"] == await other.keys()
        assert (2, 1, 2) == manager.stats
        await other.clear()
        assert 1 == await one.get("a")
        await manager.clear()
        assert 0 == manager.stats.size

    @pytest.mark.asyncio
    async def test_cached_calls(self, manager: CacheManager) -> None:
        """A cached method runs once for its arguments, until its key is deleted or its time is up."""

        class Plugin:
            cache_manager = manager.for_plugin("plugin")
            runs = 0

            @cache(ttl=0.5)
            async def find(self, name: str, limit: int = 10) -> int:
                self.runs += 1
                return self.runs

        plugin = Plugin()
        assert (1, 1, 2) == (await plugin.find("a"), await plugin.find(limit=10, name="a"), await plugin.find("a", 5))
        assert ["find:a:10", "find:a:5"] == sorted(await plugin.cache_manager.keys())
        await plugin.cache_manager.delete("find:a:10")
        assert 3 == await plugin.find("a")
        await self.wait(manager, 0.6)
        assert 4 == await plugin.find("a")

    @pytest.mark.asyncio
    async def test_the_client(self, manager: CacheManager) -> None:
        """Redis' own client reaches the server: values, hashes and pipelines, apart from cache_manager's keys."""
        client = manager.redis(decode_responses=True)
        await client.set("raw", "1", px=500)
        await client.hset("hash", mapping={"a": "1"})
        async with client.pipeline() as pipe:
            assert [2, {"a": "1"}] == await pipe.incr("raw").hgetall("hash").execute()  # type: ignore[attr-defined]  # a pipeline, which types call a client
        await self.wait(manager, 0.6)
        assert await client.get("raw") is None
        assert [] == await manager.keys()

    @pytest.mark.asyncio
    async def test_scripts(self, manager: CacheManager) -> None:
        """Lua scripts run, and the client's locks, which are made of them."""
        pytest.importorskip("lupa", reason="an environment that was made before lupa was a dependency")
        client = manager.redis(decode_responses=True)
        assert "b" == await client.eval("return ARGV[1]", 0, "b")
        async with client.lock("lock", timeout=10):
            assert await client.exists("lock")
            assert not await client.lock("lock").acquire(blocking=False)
        assert not await client.exists("lock")


class TestMemoryCache(CacheContract):
    """The cache in memory."""

    @pytest_asyncio.fixture
    async def manager(self, set_clock: Any) -> Any:
        """Return a cache that is empty."""
        self.clock = set_clock
        manager = CacheManager(clock=set_clock)
        yield manager
        await manager.close()

    async def wait(self, manager: CacheManager, seconds: float) -> None:
        """Set the clock."""
        self.clock.seconds += seconds


class TestRedisCache(CacheContract):
    """The cache on a real Redis, in real time."""

    @pytest_asyncio.fixture
    async def manager(self, redis_server: Any) -> Any:
        """Return a cache that is empty."""
        manager = CacheManager({"type": "redis", "url": redis_server.url})
        await manager.connect()
        yield manager
        await manager.close()

    async def wait(self, manager: CacheManager, seconds: float) -> None:
        """Wait, since the server's time is none that could be set."""
        await asyncio.sleep(seconds)


class TestRedisCacheOnASetClock(CacheContract):
    """The cache on a real Redis, whose keys expire by a clock that the test sets."""

    @pytest_asyncio.fixture
    async def manager(self, redis_server: Any, set_clock: Any) -> Any:
        """Return a cache that is empty."""
        self.clock = set_clock
        manager = CacheManager({"type": "redis", "url": redis_server.url}, clock=set_clock)
        await manager.connect()
        yield manager
        await manager.close()

    async def wait(self, manager: CacheManager, seconds: float) -> None:
        """Set the clock."""
        self.clock.seconds += seconds
