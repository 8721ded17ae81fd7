"""A real PostgreSQL under the database: a schema for each app, and what is said when it is no use."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

pytest.importorskip("asyncpg", reason="the extra sql is not installed")

from pymongo.errors import DuplicateKeyError

from nexus_testing import create_test_app
from nexus_testing.clock import VirtualClock
from nexus_testing.errors import BackendUnavailable, ConfigurationError, DataError
from nexus_testing.nexus.database import MemoryDatabase
from nexus_testing.servers.addresses import shown

if TYPE_CHECKING:
    from ..servers.postgres import PostgresProcess

pytestmark = pytest.mark.asyncio


USER, PASSWORD = "shop", "open-sesame"


def on(url: str) -> dict[str, Any]:
    """Return an app's configuration."""
    return {"database": {"type": "postgresql", "url": url}}


@asynccontextmanager
async def opened(url: str, clock: Any = None) -> AsyncIterator[MemoryDatabase]:
    """Connect a database, and close it at the block's end."""
    db = MemoryDatabase(on(url)["database"], clock=clock)
    await db.connect()
    try:
        yield db
    finally:
        await db.close()


@pytest_asyncio.fixture(name="db")
async def _db(postgres_server: PostgresProcess) -> AsyncIterator[MemoryDatabase]:
    async with opened(postgres_server.url) as db:
        yield db


# -- a schema for each app ---------------------------------------------------------------------------------------


async def test_apps_are_apart_and_leave_nothing(postgres_server: PostgresProcess) -> None:
    """Two apps on one server see nothing of each other, and both leave it as it was."""
    config = on(postgres_server.url)
    async with create_test_app(config=config) as one, create_test_app(config=config) as other:
        await one.db.set("a", 1)
        await other.db.collection("items").insert_one({})
        assert (1, None) == (await one.db.get("a"), await other.db.get("a"))
        assert 0 == await one.db.collection("items").count_documents({})
        assert 2 == len(postgres_server.schemas())
    assert [] == postgres_server.schemas()
    assert ["0"] == postgres_server.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()"
    )


async def test_what_a_killed_process_left_is_removed(start_postgres: Callable[..., PostgresProcess]) -> None:
    """The schema of a process that was killed is dropped by the next app; that of one that lives is not."""
    server = start_postgres()
    code = """
    import asyncio, sys
    from nexus_testing.nexus.database import MemoryDatabase

    async def run():
        db = MemoryDatabase({"type": "postgresql", "url": sys.argv[1]})
        await db.connect()
        await db.set("a", 1)
        print("up", flush=True)
        await asyncio.sleep(600)

    asyncio.run(run())
    """
    command = [sys.executable, "-c", dedent(code), server.url]
    processes = [await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(2)]
    server.sql("CREATE SCHEMA nexus_testing_of_somebody_else")
    try:
        for process in processes:
            assert process.stdout is not None
            assert b"up\n" == await process.stdout.readline()
        assert 3 == len(server.schemas())
        processes[0].kill()
        await processes[0].wait()
        _gone(server, 1)
        async with opened(server.url) as db:
            assert [] == await db.list_keys()
            assert 3 == len(server.schemas())
    finally:
        processes[1].kill()
        await processes[1].wait()
    _gone(server, 0)
    async with opened(server.url):
        pass
    assert ["nexus_testing_of_somebody_else"] == server.schemas()


def _gone(server: PostgresProcess, left: int) -> None:
    """Wait until the server has noticed that clients are gone."""
    count = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    end = time.monotonic() + 20
    while server.sql(count) != [str(left)]:
        assert time.monotonic() < end


async def test_what_is_done_by_sql_is_seen(db: MemoryDatabase, postgres_server: PostgresProcess) -> None:
    """Reads are answered from the server: a row that somebody changed or deleted there is another one here."""
    (schema,) = postgres_server.schemas()
    await db.collection("items").insert_one({"_id": "1"})
    await db.set("a", "old\0")
    await db.set("b\0", 1)
    entries = f"{schema}.nexus_entries"
    changed = f"UPDATE {entries} SET body = overlay(body placing 'new' from position('old'::bytea in body)) "
    postgres_server.sql(changed + """WHERE id = '"a"'""")
    assert ("new\0", 1) == (await db.get("a"), await db.get("b\0"))
    postgres_server.sql(f"DELETE FROM {entries} WHERE collection = 'nexus.items'")
    assert 0 == await db.collection("items").count_documents({})
    postgres_server.sql(f"UPDATE {entries} SET body = 'x'")
    with pytest.raises(BackendUnavailable, match="holds what is not ours"):
        await db.get("a")
    postgres_server.sql(f"TRUNCATE {entries}")
    assert [] == await db.list_keys()


async def test_a_commit_is_one_transaction_of_the_server(db: MemoryDatabase, postgres_server: PostgresProcess) -> None:
    """Where the server refuses a part of it, nothing of it is written, there or here."""
    (schema,) = postgres_server.schemas()
    await db.set("a", 1)
    postgres_server.sql(f"""ALTER TABLE {schema}.nexus_entries ADD CONSTRAINT other CHECK (id <> '"c"')""")
    async with db.transaction() as tx:
        for key in "abc":
            await tx.set(key, 2)
        with pytest.raises(BackendUnavailable, match="CheckViolation"):
            await tx.commit()
        await tx.rollback()
    assert (1, None, None) == (await db.get("a"), await db.get("b"), await db.get("c"))
    assert ['"a"'] == postgres_server.sql(f"SELECT id FROM {schema}.nexus_entries")


async def test_many_at_once(db: MemoryDatabase) -> None:
    """Calls of many tasks are answered one after the other; a unique index lets one of them win."""
    await db.collection("items").create_index("name", unique=True)

    async def insert(number: int) -> int:
        try:
            await db.collection("items").insert_one({"_id": number, "name": "x"})
        except DuplicateKeyError:
            return 0
        return 1

    assert 1 == sum(await asyncio.gather(*map(insert, range(20))))


async def test_whoever_is_cancelled_leaves_the_rest_usable(db: MemoryDatabase) -> None:
    """A call that is cancelled in the middle is done or not, and the next one is answered."""
    for turns in range(12):
        task = asyncio.ensure_future(db.set(f"key:{turns}", turns))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await db.get(f"key:{turns}")) in {None, turns}
    await db.set("a", 1)
    assert 1 == await db.get("a")


async def test_another_loop(db: MemoryDatabase) -> None:
    """Whoever asks from another event loop is told so."""

    async def get() -> None:
        await db.get("a")

    with pytest.raises(DataError, match="another event loop"):
        await asyncio.to_thread(lambda: asyncio.run(get()))


# -- when it is no use -------------------------------------------------------------------------------------------


async def test_a_server_that_dies_between_two_calls(start_postgres: Callable[..., PostgresProcess]) -> None:
    """Every call from then on says so, nothing stands in, and the end of the app does not raise it again."""
    server = start_postgres()
    async with opened(server.url) as db:
        await db.set("a", 1)
        server.stop()
        for _ in range(2):
            with pytest.raises(BackendUnavailable, match="went away") as caught:
                await db.get("a")
            assert server.address == caught.value.address
            assert "in test_a_server_that_dies" in str(caught.value)
        with pytest.raises(BackendUnavailable, match="went away"):
            await db.collection("items").insert_one({})
        assert "unhealthy" == (await db.health_check())["status"]


async def test_a_connection_that_is_lost(postgres_server: PostgresProcess) -> None:
    """Nobody connects a second time: what the app held may be somebody else's by then."""
    async with opened(postgres_server.url) as db:
        await db.set("a", 1)
        postgres_server.sql("SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory'")
        for _ in range(2):
            with pytest.raises(BackendUnavailable, match="went away"):
                await db.set("a", 2)
    async with opened(postgres_server.url):
        assert 1 == len(postgres_server.schemas())


async def test_tables_that_are_lost(postgres_server: PostgresProcess) -> None:
    """An app whose schema somebody dropped says so."""
    async with opened(postgres_server.url) as db:
        postgres_server.sql(f"DROP SCHEMA {postgres_server.schemas()[0]} CASCADE")
        with pytest.raises(BackendUnavailable, match="has lost the app's tables"):
            await db.get("a")


async def _refused(url: str) -> BackendUnavailable:
    with pytest.raises(BackendUnavailable) as caught:
        await create_test_app(config=on(url))
    error = caught.value
    assert ("database.url", shown(url)) == (error.key, error.address)
    assert "***" in error.address
    for secret in (PASSWORD, "secret"):
        assert secret not in str(error)
    assert __file__ in str(error)
    return error


async def test_servers_that_are_no_use(postgres_server: PostgresProcess) -> None:
    """Each says what is wrong and what to do, the password hidden: by the server, or by nobody listening there."""
    url = postgres_server.url
    assert "refuses its user or password" in (await _refused(url.replace(PASSWORD, "secret"))).what
    assert "refuses its user or password" in (await _refused(url.replace(f"//{USER}", "//nobody"))).what
    assert (
        "has no such database" in (await _refused(url.replace("/postgres", "/none").replace("sql:/none", "sql:/"))).what
    )
    assert "cannot be reached" in (await _refused(f"postgresql://{USER}:secret@127.0.0.1:1/postgres")).what


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ("CREATE ROLE {0} LOGIN PASSWORD 'secret'", "does not let this user make a schema"),
        ("CREATE ROLE {0} NOLOGIN PASSWORD 'secret'", "refuses its user"),
        (
            "CREATE ROLE {0} LOGIN SUPERUSER PASSWORD 'secret'; ALTER ROLE {0} SET default_transaction_read_only = on",
            "can only be read",
        ),
        ("CREATE ROLE {0} LOGIN PASSWORD 'secret' CONNECTION LIMIT 0", "has no connection left"),
    ],
    ids=["no right", "no login", "read only", "no connection"],
)
async def test_users_that_are_no_use(
    postgres_server: PostgresProcess, request: pytest.FixtureRequest, make: str, message: str
) -> None:
    """A user who may not do what an app needs is refused by name."""
    role = f"role_{abs(hash(request.node.name))}"
    for statement in make.format(role).split("; "):
        postgres_server.sql(statement)
    error = await _refused(postgres_server.url.replace(f"{USER}:{PASSWORD}", f"{role}:secret"))
    assert message in error.what
    assert [] == postgres_server.schemas()


@pytest.mark.parametrize(
    "url", ["localhost:5432", "mysql://me:secret@localhost/db", "postgresql://me:secret@host:port/db", "", None, 7]
)
async def test_a_url_that_is_none(url: Any) -> None:
    """It is refused, the password hidden."""
    with pytest.raises(ConfigurationError, match=r"is none of PostgreSQL|needs a url") as caught:
        MemoryDatabase({"type": "postgresql", "url": url})
    assert "secret" not in str(caught.value)
    assert "postgresql://user:password@host:5432/database" in caught.value.fix


async def test_schemes_and_types(postgres_server: PostgresProcess) -> None:
    """The short scheme and SQLAlchemy's are taken too; MySQL is refused by name, with what to do instead."""
    for scheme in ("postgres", "postgresql+asyncpg"):
        async with opened(postgres_server.url.replace("postgresql", scheme, 1)) as db:
            assert await db.health_check()
    with pytest.raises(ConfigurationError, match="type 'mysql' yet") as caught:
        MemoryDatabase({"type": "mysql", "url": "mysql://localhost"})
    assert "Use one of these" in caught.value.fix


# -- time and apps -----------------------------------------------------------------------------------------------


async def test_the_clock(postgres_server: PostgresProcess) -> None:
    """A month goes by on an open connection: documents expire by the clock, and no timer is left or fired."""
    with VirtualClock() as clock:
        async with opened(postgres_server.url, clock) as db:
            items = db.collection("items")
            await items.create_index("at", expireAfterSeconds=3600)
            await items.insert_one({"_id": 1, "at": clock.now()})
            assert [] == clock.timers()
            await clock.advance(minutes=59)
            assert 1 == await items.count_documents({})
            await clock.advance(days=30)
            assert 0 == await items.count_documents({})
            (schema,) = postgres_server.schemas()
            assert ["0"] == postgres_server.sql(f"SELECT count(*) FROM {schema}.nexus_entries WHERE kind = 'document'")
            assert [] == clock.timers()


async def test_an_app_and_its_checkpoints(postgres_server: PostgresProcess) -> None:
    """An app goes back to what it was, on the server too."""
    async with create_test_app(config=on(postgres_server.url)) as app:
        await app.db.set("a", 1)
        await app.db.collection("items").insert_one({"_id": 1, "n": 1})
        async with app.fresh():
            await app.db.set("a", 2)
            await app.db.set("b", 2)
            await app.db.collection("items").delete_many({})
        assert ["a", "items.1"] == await app.db.list_keys()
        (schema,) = postgres_server.schemas()
        ids = f"SELECT id FROM {schema}.nexus_entries WHERE kind IN ('value', 'document') ORDER BY id"
        assert ['"a"', '{"$numberInt": "1"}'] == postgres_server.sql(ids)
