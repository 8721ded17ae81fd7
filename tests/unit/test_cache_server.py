"""The Redis server in memory: its own for each app, on the app's clock, without fakeredis' bugs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from nexus_testing.errors import DataError
from nexus_testing.fakes.cache import CacheServer, store, upstream


class Now:
    """The seconds since the epoch, as a test sets them."""

    def __init__(self) -> None:
        self.seconds = 1_900_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(name="now")
def _now() -> Now:
    return Now()


@pytest_asyncio.fixture(name="server")
async def _server(now: Now) -> Any:
    server = CacheServer(now)
    yield server
    await server.close()


@pytest.fixture(name="client")
def _client(server: CacheServer) -> Redis:
    return server.client(decode_responses=True)


async def _settled() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


# -- one server each ---------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_two_servers_share_nothing(server: CacheServer, client: Redis) -> None:
    """What is in one app's server is in no other's, though their clients are told the same."""
    await client.set("a", "1")
    other = CacheServer()

    assert await other.client(decode_responses=True).get("a") is None
    assert "1" == await server.client(decode_responses=True).get("a")
    await other.close()


@pytest.mark.asyncio
async def test_clients_of_one_server_share_its_keys(client: Redis, server: CacheServer) -> None:
    """The framework's own commands and every client reach the same keys."""
    await client.set("a", "1")

    assert b"1" == server.command(b"GET", b"a")
    server.command(b"DEL", b"a")
    assert not await client.exists("a")


def test_nothing_is_imported_before_the_first_command() -> None:
    """Neither the cache nor its server imports fakeredis or redis before somebody uses it."""
    code = """
import sys
from nexus_testing.nexus.cache import CacheManager
manager = CacheManager()
manager.stats
print(sorted({"fakeredis", "redis"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()


@pytest.mark.asyncio
async def test_a_closed_server_answers_nobody(server: CacheServer, client: Redis) -> None:
    """After the end, commands and new clients are refused by us, and old clients by the connection."""
    await client.ping()
    await server.close()

    with pytest.raises(DataError, match="The cache is closed"):
        server.command(b"PING")
    with pytest.raises(DataError, match="The cache is closed"):
        server.client()
    with pytest.raises(RedisConnectionError):
        await client.ping()


@pytest.mark.asyncio
async def test_what_the_server_does_not_know_is_an_error(server: CacheServer, client: Redis) -> None:
    """A command that is not there raises, whoever runs it."""
    with pytest.raises(ResponseError, match="unknown command"):
        await client.execute_command("SLOWLOG", "GET")  # type: ignore[no-untyped-call]
    with pytest.raises(ResponseError, match="wrong number of arguments"):
        server.command(b"GET")


def test_another_fakeredis_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fakeredis without the parts that the server is made of is an error that names its version."""
    monkeypatch.setitem(sys.modules, f"{store.__package__}.server", None)
    with pytest.raises(DataError, match="does not know fakeredis 2") as caught:
        CacheServer().command(b"PING")
    assert "pip install 'fakeredis>=" in caught.value.fix


# -- time --------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_keys_expire_by_the_clock(now: Now, client: Redis) -> None:
    """A key is there a microsecond before its deadline, and gone at it; the clock is the app's."""
    await client.set("a", "1", ex=60)
    await client.set("b", "1")
    await client.pexpire("b", 60_000)
    now.seconds += 59.999999

    assert 2 == await client.exists("a", "b")
    assert ((now.seconds // 1), 999999) == await client.time()
    now.seconds = 1_900_000_060.0
    assert 0 == await client.exists("a", "b")
    assert 0 == await client.dbsize()


@pytest.mark.asyncio
async def test_an_expired_key_is_announced(now: Now, client: Redis) -> None:
    """Those who listen hear of a key that expired, when it is looked at."""
    async with client.pubsub() as listener:
        await listener.psubscribe("__keyevent@0__:expired")
        await listener.subscribe("__keyspace@0__:a")
        await client.set("a", "1", ex=60)
        now.seconds += 60
        assert not await client.exists("a")

        heard = [await listener.get_message(timeout=0) for _ in range(5)]
    assert [
        ("psubscribe", "__keyevent@0__:expired", 1),
        ("subscribe", "__keyspace@0__:a", 2),
        ("message", "__keyspace@0__:a", "set"),
        ("message", "__keyspace@0__:a", "expired"),
        ("pmessage", "__keyevent@0__:expired", "a"),
    ] == [(one["type"], one["channel"], one["data"]) for one in heard if one]


@pytest.mark.asyncio
@pytest.mark.parametrize("first", ["key", "listener"])
async def test_an_expired_key_is_announced_though_nobody_looks(first: str) -> None:
    """Those who listen hear of it in time, whether the key or the listener was first."""
    server = CacheServer()
    client = server.client(decode_responses=True)
    async with client.pubsub(ignore_subscribe_messages=True) as listener:
        if first == "key":
            await client.set("a", "1", px=20)
        await listener.subscribe("__keyevent@0__:expired")
        if first == "listener":
            await client.set("a", "1", px=20)
        heard: Any = None
        while heard is None:
            heard = await listener.get_message(timeout=5)
    assert "a" == heard["data"]
    await server.close()


# -- what fakeredis does wrong -----------------------------------------------------------------------------------


def test_the_bugs_are_there() -> None:
    """The installed fakeredis still has each bug that is worked around: where this fails, take the work-around out."""
    assert upstream.bugs() == upstream.probed()


def test_a_newer_version_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a version that nobody looked at, only what is found is worked around."""
    monkeypatch.setattr("fakeredis.__version__", "3.0.0")
    monkeypatch.setattr(upstream, "_reads_nothing", lambda: True)
    monkeypatch.setattr(upstream, "_does_not_wait", lambda: False)

    assert frozenset({upstream.XREADGROUP}) == upstream.bugs.__wrapped__()


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [None, 5])
async def test_a_group_reads_what_is_there(client: Redis, count: int | None) -> None:
    """XREADGROUP with BLOCK returns entries that are ready, with COUNT and without."""
    await client.xadd("jobs", {"n": "1"}, id="1-1")
    await client.xgroup_create("jobs", "workers", "0")

    found = await client.xreadgroup("workers", "me", {"jobs": ">"}, count=count, block=1000)
    assert [["jobs", [("1-1", {"n": "1"})]]] == found
    assert 1 == (await client.xpending("jobs", "workers"))["pending"]


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [None, 5])
async def test_a_group_waits_for_what_comes(client: Redis, count: int | None) -> None:
    """XREADGROUP with BLOCK waits, and is woken by an entry."""
    await client.xgroup_create("jobs", "workers", "$", mkstream=True)
    reading = asyncio.ensure_future(client.xreadgroup("workers", "me", {"jobs": ">"}, count=count, block=5000))
    await _settled()
    assert not reading.done()
    await client.xadd("jobs", {"n": "1"}, id="1-1")

    assert [["jobs", [("1-1", {"n": "1"})]]] == await reading
    assert [] == (await client.xreadgroup("workers", "me", {"jobs": ">"}, count=count, block=1) or [])


@pytest.mark.asyncio
@pytest.mark.parametrize(("source", "target"), [("LEFT", "RIGHT"), ("RIGHT", "LEFT")])
async def test_a_move_waits_for_a_push(client: Redis, source: Any, target: Any) -> None:
    """BLMOVE waits on an empty list and is woken by a push."""
    await client.rpush("done", "z")
    moving = asyncio.ensure_future(client.blmove("todo", "done", 5, source, target))
    await _settled()
    assert not moving.done()
    await client.rpush("todo", "a", "b")

    assert ("a" if source == "LEFT" else "b") == await moving
    assert (["z", "a"] if target == "RIGHT" else ["b", "z"]) == await client.lrange("done", 0, -1)
    assert 1 == await client.llen("todo")


@pytest.mark.asyncio
async def test_a_move_takes_what_is_there(client: Redis) -> None:
    """BLMOVE does not wait where there is something, turns a list round, and gives up in time."""
    await client.rpush("todo", "a", "b")

    assert "a" == await client.blmove("todo", "todo", 1, "LEFT", "RIGHT")
    assert ["b", "a"] == await client.lrange("todo", 0, -1)
    assert await client.blmove("nothing", "todo", 0.01) is None  # type: ignore[arg-type]  # Redis takes fractions
    await client.set("text", "1")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await client.blmove("todo", "text", 1)
    with pytest.raises(ResponseError, match="syntax error"):
        await client.blmove("todo", "done", 1, "UP")


async def _waiting(client: Redis, *, started: bool) -> asyncio.Future[Any]:
    """Return a command that waits: for a while already, or only since fakeredis made its task, which has not run."""
    await client.ping()
    popping = asyncio.ensure_future(client.blpop(["todo"], 0))
    if started:
        await _settled()
        return popping
    for _ in range(100):
        if len(asyncio.all_tasks()) == 3:
            return popping
        await asyncio.sleep(0)
    return pytest.fail("the command never waited")


@pytest.mark.asyncio
@pytest.mark.parametrize("started", [True, False])
async def test_a_cancelled_command_leaves_no_task(server: CacheServer, started: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """Whoever stops waiting for a command leaves nothing that waits on, and the client goes on working."""
    # With a limit, sending is under asyncio.wait_for, which on Python 3.11 may swallow the cancellation.
    client = server.client(decode_responses=True, socket_timeout=None)
    popping = await _waiting(client, started=started)
    popping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await popping
    await _settled()

    assert {asyncio.current_task()} == asyncio.all_tasks()
    await client.rpush("todo", "a")
    assert ("todo", "a") == tuple(await client.blpop(["todo"], 1) or ())


@pytest.mark.asyncio
@pytest.mark.parametrize("started", [True, False])
async def test_closing_ends_what_waits(server: CacheServer, started: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """A command that still waits when the app ends leaves no task at the server."""
    popping = await _waiting(server.client(socket_timeout=None), started=started)
    await server.close()
    popping.cancel()
    await asyncio.wait([popping])
    await _settled()

    assert {asyncio.current_task()} == asyncio.all_tasks()
