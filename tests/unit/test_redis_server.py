"""A real Redis behind the cache: a database for each app, the app's clock, and what is said when it is not there."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from textwrap import dedent
from typing import Any

import pytest
import pytest_asyncio
from redis.exceptions import ResponseError

from nexus_testing import create_test_app
from nexus_testing.clock import VirtualClock
from nexus_testing.errors import BackendUnavailable, ConfigurationError, DataError
from nexus_testing.nexus.cache import CacheManager
from nexus_testing.servers.addresses import shown


def on(url: str) -> dict[str, Any]:
    """Return an app's configuration."""
    return {"cache": {"type": "redis", "url": url}}


@asynccontextmanager
async def connected(url: str, clock: Any = None) -> AsyncIterator[CacheManager]:
    """Connect a cache, and close it at the block's end."""
    manager = CacheManager(on(url)["cache"], clock=clock)
    await manager.connect()
    try:
        yield manager
    finally:
        await manager.close()


@pytest_asyncio.fixture(name="manager")
async def _manager(redis_server: Any, set_clock: Any) -> AsyncIterator[CacheManager]:
    async with connected(redis_server.url, set_clock) as manager:
        yield manager


@pytest_asyncio.fixture(name="client")
async def _client(manager: CacheManager) -> Any:
    return manager.redis(decode_responses=True)


# -- a database for each app -------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_apps_are_apart_and_leave_nothing(redis_server: Any) -> None:
    """Two apps on one server see nothing of each other, and both leave it empty."""
    async with (
        create_test_app(config=on(redis_server.url)) as one,
        create_test_app(config=on(redis_server.url)) as other,
    ):
        await one.cache_manager.set("a", 1)
        await other.cache_manager.redis().set("raw", "1")
        assert (1, None) == (await one.cache_manager.get("a"), await other.cache_manager.get("a"))
        assert not await one.cache_manager.redis().exists("raw")
        assert 2 == redis_server.cli("info", "keyspace").count("keys=1") - 1
    assert "# Keyspace" == redis_server.cli("info", "keyspace")


@pytest.mark.asyncio
async def test_what_a_killed_process_left_is_removed(start_redis: Any) -> None:
    """The database of a process that was killed is emptied by the next app; that of one that lives is not."""
    server = start_redis()
    code = """
    import asyncio, sys
    from nexus_testing.nexus.cache import CacheManager

    async def run():
        manager = CacheManager({"type": "redis", "url": sys.argv[1]})
        await manager.connect()
        await manager.set("a", 1)
        print("up", flush=True)
        await asyncio.sleep(600)

    asyncio.run(run())
    """
    command = [sys.executable, "-c", dedent(code), server.url]
    processes = [await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(2)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert b"up\n" == await process.stdout.readline()
        numbers = server.cli("hkeys", "nexus-testing:databases").split()
        assert ["1", "2"] == sorted(numbers)
        processes[0].kill()
        await processes[0].wait()
        async with connected(server.url) as manager:
            assert 0 == manager.stats.size
            assert 2 == int(server.cli("hlen", "nexus-testing:databases"))
        assert 1 == int(server.cli("hlen", "nexus-testing:databases"))
    finally:
        processes[1].kill()
        await processes[1].wait()
    async with connected(server.url):
        pass
    assert "# Keyspace" == server.cli("info", "keyspace")


@pytest.mark.asyncio
async def test_data_of_others_is_not_touched(start_redis: Any) -> None:
    """A database that holds something is left alone; where none is free, the error says what to do."""
    server = start_redis("--databases", "4")
    server.cli("-n", "1", "set", "precious", "1")
    server.cli("set", "first", "1")
    async with connected(server.url) as manager, connected(server.url):
        await manager.redis().flushdb()
        with pytest.raises(BackendUnavailable, match="has no database free") as caught:
            await CacheManager(on(server.url)["cache"]).connect()
    assert "redis-server --databases" in caught.value.fix
    assert ("1", "1") == (server.cli("-n", "1", "get", "precious"), server.cli("get", "first"))


@pytest.mark.asyncio
async def test_the_url_says_where_the_databases_begin(start_redis: Any) -> None:
    """Only databases after the one that the URL names are used."""
    server = start_redis()
    async with connected(f"{server.url}/9") as manager:
        await manager.set("a", 1)
        assert "1" == server.cli("-n", "10", "dbsize")


@pytest.mark.asyncio
@pytest.mark.parametrize("words", [("FLUSHALL",), ("SELECT", "3"), ("SWAPDB", "0", "1"), ("MOVE", "a", "2")])
async def test_a_client_stays_in_its_database(client: Any, words: tuple[str, ...]) -> None:
    """What would reach another app's database is refused."""
    with pytest.raises(DataError, match=f"cannot {words[0]}"):
        await client.execute_command(*words)


@pytest.mark.asyncio
async def test_a_client_has_one_database(manager: CacheManager) -> None:
    """A client that asks for another database is refused."""
    with pytest.raises(DataError, match="takes no 'db'"):
        manager.redis(db=3)


@pytest.mark.asyncio
async def test_channels_are_apart(redis_server: Any) -> None:
    """What one app publishes is heard in it and in no other, by the name that it has there."""
    async with connected(redis_server.url) as manager, connected(redis_server.url) as other:
        mine, theirs = (one.redis(decode_responses=True) for one in (manager, other))
        async with mine.pubsub() as listener, theirs.pubsub() as stranger:
            await listener.subscribe("orders")
            await listener.psubscribe("ord*")
            await stranger.subscribe("orders")
            assert 2 == await mine.publish("orders", "1")
            heard = [await listener.get_message(timeout=5) for _ in range(4)]
            assert {"type": "subscribe", "pattern": None, "channel": "orders", "data": 1} == await stranger.get_message(
                timeout=5
            )
            assert await stranger.get_message(timeout=0) is None
    assert [
        ("subscribe", None, "orders", 1),
        ("psubscribe", None, "ord*", 2),
        ("message", None, "orders", "1"),
        ("pmessage", "ord*", "orders", "1"),
    ] == [(one["type"], one["pattern"], one["channel"], one["data"]) for one in heard if one]


@pytest.mark.asyncio
async def test_own_keys_are_announced_as_those_of_the_first_database(client: Any, redis_server: Any) -> None:
    """Where the server announces what happens to keys, an app's database is number 0 to it, as in memory."""
    redis_server.cli("config", "set", "notify-keyspace-events", "KEA")
    try:
        async with client.pubsub(ignore_subscribe_messages=True) as listener:
            await listener.subscribe("__keyspace@0__:a")
            await client.set("a", "1")
            heard: Any = None
            while heard is None:
                heard = await listener.get_message(timeout=5)
        assert ("__keyspace@0__:a", "set") == (heard["channel"], heard["data"])
    finally:
        redis_server.cli("config", "set", "notify-keyspace-events", "")


# -- the app's clock ---------------------------------------------------------------------------------------------

SETTING: list[tuple[Any, ...]] = [
    ("SET", "a", "1", "EX", 60),
    ("SET", "a", "1", "NX", "PX", 60_000),
    ("SET", "a", "1", "EXAT", 1_900_000_060),
    ("SET", "a", "1", "PXAT", 1_900_000_060_000, "GET"),
    ("SETEX", "a", 60, "1"),
    ("PSETEX", "a", 60_000, "1"),
    ("EXPIRE", "b", 60),
    ("PEXPIRE", "b", "60000", "NX"),
    ("EXPIREAT", "b", 1_900_000_060),
    ("PEXPIREAT", b"b", 1_900_000_060_000),
    ("GETEX", "b", "EX", 60),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("words", SETTING, ids=lambda words: " ".join(map(str, words)))
async def test_keys_expire_by_the_clock(client: Any, set_clock: Any, words: tuple[Any, ...]) -> None:
    """Whatever sets it, a key is there until its deadline by the app's clock, and gone at it."""
    await client.set("b", "1")
    await client.execute_command(*words)
    key = words[1]
    assert (60, 60_000) == (await client.ttl(key), await client.pttl(key))
    assert (1_900_000_060, 1_900_000_060_000) == (await client.expiretime(key), await client.pexpiretime(key))
    set_clock.seconds += 59.999
    async with client.pipeline(transaction=True) as pipe:
        assert [1, 1] == await pipe.exists(key).pttl(key).execute()
    set_clock.seconds = 1_900_000_060.0
    assert 0 == await client.exists(key)
    assert (-2, -2) == (await client.ttl(key), await client.execute_command(b"PTTL", key))


@pytest.mark.asyncio
async def test_a_deadline_goes_with_its_key(client: Any, set_clock: Any, manager: CacheManager) -> None:
    """A key that was renamed or copied expires too, though nobody but the server knows its name."""
    await client.set("a", "1", ex=60)
    await client.copy("a", "b")
    await client.rename("a", "c")
    await client.set("d", "1", ex=60)
    await client.persist("d")
    set_clock.seconds += 60

    assert ["d"] == await client.keys()
    assert -1 == await client.ttl("d")
    assert 0 == manager.stats.size


@pytest.mark.asyncio
async def test_what_the_server_refuses_it_refuses_still(client: Any) -> None:
    """Times that are none are sent as they are, for the server to say what is wrong with them."""
    for words in (
        ("SET", "a", "1", "EX", "0"),
        ("SET", "a", "1", "EX", "x"),
        ("SETEX", "a", "-1", "1"),
        ("EXPIRE", "a"),
    ):
        with pytest.raises(ResponseError, match=r"invalid expire|not an integer|wrong number"):
            await client.execute_command(*words)
    await client.set("a", "1")
    await client.expire("a", -1)
    assert not await client.exists("a")


@pytest.mark.asyncio
async def test_the_servers_time_is_the_clocks(client: Any, set_clock: Any) -> None:
    """TIME answers with the app's clock."""
    set_clock.seconds += 0.25
    assert (1_900_000_000, 250_000) == await client.time()


@pytest.mark.asyncio
async def test_time_in_scripts_is_refused(client: Any) -> None:
    """A script that is about time cannot be told to the server under such a clock; others run."""
    assert "1" == await client.eval(
        "redis.call('set', KEYS[1], ARGV[1]) return redis.call('get', KEYS[1])", 1, "a", "1"
    )
    for script in ("redis.call('expire', 'a', 1)", 'redis.call("SET", "a", 1, "PX", 1)', "return redis.call('TIME')"):
        with pytest.raises(DataError, match="EVAL cannot be told to a real Redis under a clock") as caught:
            await client.eval(script, 0)
        assert __file__ in str(caught.value.where)
    with pytest.raises(DataError, match="HEXPIRE cannot be told"):
        await client.hexpire("a", 1, "b")
    with pytest.raises(DataError, match="SCRIPT cannot be told"):
        await client.script_load("redis.call('expire', 'a', 1)")


@pytest.mark.asyncio
async def test_in_real_time_nothing_is_changed(redis_server: Any) -> None:
    """Without such a clock the server's own time counts, in scripts too."""
    async with connected(redis_server.url) as manager:
        client = manager.redis()
        await client.eval("redis.call('set', 'a', 1, 'px', 60000)", 0)
        assert 60_000 == pytest.approx(await client.pttl("a"), abs=5_000)


@pytest.mark.asyncio
async def test_a_month_goes_by_at_once(redis_server: Any) -> None:
    """Under virtual time, a plugin's hourly use of the cache for a month takes no real time worth mentioning."""
    with VirtualClock() as clock:
        async with create_test_app(config=on(redis_server.url)) as app:
            cache = app.cache_manager
            client = cache.redis(decode_responses=True)
            there: list[bool] = []

            async def hourly() -> None:
                while True:
                    await clock.sleep(3600)
                    there.append(await cache.exists("a"))
                    await cache.set("a", 1, ttl=1800)
                    await client.set("raw", "1", ex=7200)

            running = asyncio.create_task(hourly())
            with clock.real() as real:
                begun = real.monotonic()
            await clock.advance(days=30)
            assert real.monotonic() - begun < 2
            assert [False] * 720 == there
            assert (1800, 7200) == (await cache.ttl("a"), await client.ttl("raw"))
            # Not one timer of the client's is left, or was made in virtual time.
            assert {one.where.function for one in clock.timers() if one.where} == {
                "test_a_month_goes_by_at_once.<locals>.hourly"
            }
            running.cancel()


@pytest.mark.asyncio
async def test_virtual_time_waits_for_an_answer(redis_server: Any) -> None:
    """While a command is answered, no timer fires, however long it takes."""
    with VirtualClock() as clock:
        async with create_test_app(config=on(redis_server.url)) as app:
            client = app.cache_manager.redis()
            fired: list[float] = []
            asyncio.get_running_loop().call_later(1, lambda: fired.append(clock.monotonic()))
            await client.eval("for _ = 1, 2e7 do end", 0)
            assert [] == fired
            await clock.advance(seconds=1)
            assert fired


@pytest.mark.asyncio
async def test_virtual_time_does_not_wait_for_a_waiting_command(redis_server: Any) -> None:
    """A consumer that waits for the next job does not hold the clock, and gets what is pushed."""
    with VirtualClock() as clock:
        async with create_test_app(config=on(redis_server.url)) as app:
            client = app.cache_manager.redis(decode_responses=True, socket_timeout=None)
            jobs: list[Any] = []

            async def consume() -> None:
                while True:
                    jobs.extend(await client.blpop(["jobs"], 0) or ())

            running = asyncio.create_task(consume())
            await clock.advance(days=1)
            await client.rpush("jobs", "a", "b")
            await clock.advance(days=1)
            assert ["jobs", "a", "jobs", "b"] == jobs
            running.cancel()
            await asyncio.wait([running])


# -- going back --------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_fresh_block_takes_back_everything(redis_server: Any) -> None:
    """Values, types and deadlines are after the block what they were before it."""
    async with create_test_app(config=on(redis_server.url)) as app:
        cache = app.cache_manager
        client = cache.redis(decode_responses=True)
        await cache.set("kept", {"n": 1}, ttl=600)
        await client.hset("hash", mapping={"f": "\0\xff"})
        for _ in range(2):
            async with app.fresh():
                await cache.set("kept", 2)
                await cache.set("new", 3)
                await client.delete("hash")
                late = cache.redis()
                await late.ping()
            assert ["kept"] == await cache.keys()
            assert {"n": 1} == await cache.get("kept")
            assert 600 == pytest.approx(await cache.ttl("kept"), abs=10)
            assert {"f": "\0\xff"} == await client.hgetall("hash")


@pytest.mark.asyncio
async def test_deadlines_come_back_with_their_keys(manager: CacheManager, set_clock: Any) -> None:
    """A key that expired within a fresh block is there again after it, and expires again."""
    await manager.set("a", 1, ttl=60)
    go_back = manager.checkpoint()
    set_clock.seconds += 60
    assert await manager.get("a") is None
    set_clock.seconds -= 30
    await go_back()
    assert (1, 30) == (await manager.get("a"), await manager.ttl("a"))
    set_clock.seconds += 30
    assert await manager.get("a") is None


# -- a server that is not there ----------------------------------------------------------------------------------


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@pytest.mark.asyncio
async def test_an_unreachable_server_fails_the_start() -> None:
    """Nothing stands in for it: the app does not start, and the error hides the password."""
    url = f"redis://me:secret@127.0.0.1:{_free_port()}"
    with pytest.raises(BackendUnavailable, match="cannot be reached") as caught:
        await create_test_app(config=on(url)).startup()
    assert ("cache.url", shown(url)) == (caught.value.key, caught.value.address)
    assert "secret" not in str(caught.value)
    assert "me:***@127.0.0.1" in str(caught.value)
    assert "--nexus-cache" in caught.value.fix
    assert __file__ in str(caught.value.where)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("options", "user", "says"),
    [
        (("--requirepass", "right"), ":wrong@", "refuses its user or password"),
        (("--requirepass", "right"), "", "refuses its user or password"),
        (("--replicaof", "127.0.0.1 1"), "", "is a replica that can only be read"),
        (("--maxmemory", "1"), "", "has no memory left"),
    ],
)
async def test_a_server_that_refuses(start_redis: Any, options: tuple[str, ...], user: str, says: str) -> None:
    """A password that is wrong or missing, and a server that takes no writes, are said by name."""
    server = start_redis(*options)
    url = server.url.replace("redis://", f"redis://{user}")
    with pytest.raises(BackendUnavailable, match=says) as caught:
        await create_test_app(config=on(url)).startup()
    assert "wrong@" not in str(caught.value)


def _failure_of(url: str) -> str:
    try:
        asyncio.run(create_test_app(config=on(url)).startup())
    except BackendUnavailable as error:
        return error.what
    return ""


@pytest.mark.asyncio
async def test_another_kind_of_server() -> None:
    """What is no Redis at all is said, too."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    # From a thread, since the app asks for its database without an event loop.
    said = await asyncio.to_thread(_failure_of, url)
    server.close()
    assert f"The Redis at {url} does not answer as a Redis does." == said


@pytest.mark.asyncio
async def test_a_server_that_dies_between_two_calls(start_redis: Any) -> None:
    """The next call says so, and so does every later one; a plugin's own client hears what it would in production."""
    server = start_redis()
    manager = CacheManager(on(server.url)["cache"])
    await manager.connect()
    await manager.set("a", 1)
    server.stop()
    for ask in (manager.get("a"), manager.set("a", 2), manager.delete("a"), manager.keys(), manager.clear()):
        with pytest.raises(BackendUnavailable, match="cannot be reached"):
            await ask
    with pytest.raises(BackendUnavailable):
        assert manager.stats
    await manager.close()


@pytest.mark.asyncio
async def test_a_server_that_dies_unnoticed(start_redis: Any) -> None:
    """If nobody asked it any more, the end of the app says so, once."""
    server = start_redis()
    manager = CacheManager(on(server.url)["cache"])
    await manager.connect()
    server.stop()
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        await manager.close()
    await manager.close()


@pytest.mark.asyncio
async def test_before_and_after_it_is_refused(redis_server: Any) -> None:
    """A cache that is not connected yet, or closed, answers nobody."""
    manager = CacheManager(on(redis_server.url)["cache"])
    with pytest.raises(DataError, match="not connected"):
        await manager.get("a")
    await manager.close()
    with pytest.raises(DataError, match="closed"):
        await manager.get("a")


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"type": "reddis", "url": "redis://localhost"}, "Did you mean 'redis'"),
        ({"typ": "redis"}, "Did you mean 'type'"),
        ({"type": "redis"}, "needs a url, and has None"),
        ({"type": "redis", "url": 7}, "needs a url, and has 7"),
        ({"type": "redis", "url": "http://localhost"}, "is none of Redis"),
        ({"type": "redis", "url": "redis://localhost:port"}, "is none of Redis"),
        ({"type": "redis", "url": "redis://localhost?db=x"}, "is none of Redis"),
        ({"type": "memory", "url": "redis://localhost"}, "in memory has no url"),
        ("redis://localhost", "section 'cache' is 'redis"),
    ],
)
def test_a_section_that_cannot_be(section: Any, says: str) -> None:
    """The configuration of the cache is checked when the app is made."""
    with pytest.raises(ConfigurationError) as caught:
        create_test_app(config={"cache": section})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://h:1", "redis://h:1"),
        ("redis://:pw@h:1/2", "redis://:***@h:1/2"),
        ("redis://me:p%40w@[::1]:1", "redis://me:***@[::1]:1"),
        ("redis://h?password=pw&db=1", "redis://h?password=***&db=1"),
    ],
)
def test_a_password_is_hidden(url: str, said: str) -> None:
    """An address is shown without its password, wherever that stands."""
    assert said == shown(url)
