"""SQLite under the database: what stays in the file, what others write to it, and what is said when it is no use."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

pytest.importorskip("aiosqlite", reason="the extra sql is not installed")

from bson import Int64, ObjectId
from pymongo.errors import DuplicateKeyError

from nexus_testing import create_test_app
from nexus_testing.clock import VirtualClock
from nexus_testing.errors import BackendUnavailable, ConfigurationError, DataError, ExtraMissing, TransactionError
from nexus_testing.nexus.database import MemoryDatabase
from nexus_testing.servers.database import SqliteServer, sqlite

pytestmark = pytest.mark.asyncio


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    """The file of the tests."""
    return tmp_path / "shop.db"


@asynccontextmanager
async def opened(path: Path | str | None, clock: Any = None) -> AsyncIterator[MemoryDatabase]:
    """Connect a database, and close it at the block's end."""
    db = MemoryDatabase({"type": "sqlite"} if path is None else {"type": "sqlite", "path": path}, clock=clock)
    await db.connect()
    try:
        yield db
    finally:
        await db.close()


@pytest_asyncio.fixture(name="db")
async def _db(path: Path) -> AsyncIterator[MemoryDatabase]:
    async with opened(path) as db:
        yield db


def sql(path: Path, statement: str) -> list[Any]:
    """Do something to the file as another process would."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def written(path: Path) -> None:
    """Make the file one that is none of SQLite."""
    path.write_text("not a database at all, but long enough to be taken for one" * 20, encoding="utf-8")


def there(path: Path | str) -> bool:
    """Say whether there is such a file."""
    return Path(path).is_file()


# -- what stays --------------------------------------------------------------------------------------------------

VALUES = {
    "number": 2**40,
    "small": 7,
    "float": float("inf"),
    "bytes": b"\0\xff",
    "moment": datetime(2030, 1, 2, 3, 4, 5, 678000),
    "id": ObjectId("0123456789abcdef01234567"),
    "dollar": {"$date": 5, "a.b": None},
    "list": [[], {}, True, 1, 1.0, "\0"],
}


async def test_what_is_written_is_there_for_the_next_app(path: Path) -> None:
    """Values, documents, their order, their kinds of `_id` and indexes outlast the app that wrote them."""
    async with opened(path) as db:
        for key, value in VALUES.items():
            await db.set(key, value)
        items = db.collection("items")
        for own in (3, "b", {"k": 1}, ObjectId("0123456789abcdef01234567")):
            await items.insert_one({"_id": own, "name": str(own), **VALUES})
        await db.set("items.a", {"n": 1})
        await items.create_index([("name", 1), ("n", -1)], unique=True, sparse=True)
    async with opened(path) as db:
        found = {key: await db.get(key) for key in VALUES}
        assert VALUES == found
        assert [type(one) for one in VALUES.values()][:1] == [type(found["number"])]
        items = db.collection("items")
        assert [3, "b", {"k": 1}, ObjectId("0123456789abcdef01234567"), "a"] == [
            one["_id"] async for one in items.find({})
        ]
        assert VALUES.items() <= (await items.find_one({"name": "b"})).items()
        assert {"n": 1} == await db.get("items.a")
        information = (await items.index_information())["name_1_n_-1"]
        assert ([("name", 1), ("n", -1)], True) == (information["key"], information["unique"])
        with pytest.raises(DuplicateKeyError):
            await items.insert_one({"name": "b"})


async def test_what_is_deleted_is_gone_for_the_next_app(path: Path) -> None:
    """So are values, documents, whole collections, and collections under their old names."""
    async with opened(path) as db:
        await db.set("a", 1)
        await db.set("b", 1)
        for name in ("kept", "dropped", "old"):
            await db.collection(name).insert_many([{"_id": 1}, {"_id": 2}])
        await db.delete("a")
        await db.collection("kept").delete_one({"_id": 1})
        await db.collection("dropped").drop()
        await db.collection("old").rename("new")
    async with opened(path) as db:
        assert ["b", "kept.2", "new.1", "new.2"] == sorted(await db.list_keys())
        await db.clear()
    async with opened(path) as db:
        assert [] == await db.list_keys()


async def test_initial_data_and_migrations_are_given_once(path: Path) -> None:
    """What a schema gave is not given again by the next app, deleted or not; applied migrations are known."""
    schema = {"collections": {"items": {"indexes": []}}, "initial_data": {"items": [{"id": "1"}, {"name": "x"}]}}
    for first in (True, False):
        async with opened(path) as db:
            (await db.apply_schema("shop", schema)).keep()
            assert (2 if first else 1) == await db.collection("items").count_documents({})
            assert ({} if first else {"shop": ["001_first"]}) == db.migrations
            await db.delete("items.1")
            db.migrations["shop"] = ["001_first"]


@pytest.mark.parametrize("path", [None, ":memory:"], ids=["own", "memory"])
async def test_what_nobody_named_does_not_stay(path: Any) -> None:
    """Without a path each app has a file of its own, which is deleted with it; memory is each app's own too."""
    before = set(threading.enumerate())
    async with opened(path) as one, opened(path) as other:
        await one.set("a", 1)
        assert not await other.exists("a")
        address = one._backing._server.address  # type: ignore[union-attr]  # it has one
        assert there(address) is (path is None)
    assert not there(address)
    assert before == set(threading.enumerate())


# -- what others write -------------------------------------------------------------------------------------------


async def test_two_apps_on_one_file(db: MemoryDatabase, path: Path) -> None:
    """Each sees at once what the other wrote, and a unique index holds across both."""
    async with opened(path) as other:
        await db.set("a", 1)
        assert 1 == await other.get("a")
        await other.delete("a")
        assert not await db.exists("a")
        await db.collection("items").create_index("name", unique=True)
        await db.collection("items").insert_one({"_id": 1, "name": "x"})
        with pytest.raises(DuplicateKeyError):
            await other.collection("items").insert_one({"_id": 2, "name": "x"})
        await other.collection("items").update_one({"_id": 1}, {"$inc": {"n": 1}})
        await db.collection("items").update_one({"_id": 1}, {"$inc": {"n": 1}})
        assert {"_id": 1, "name": "x", "n": 2} == await other.collection("items").find_one({})
        await asyncio.gather(*(one.collection("n").insert_one({}) for one in (db, other) for _ in range(10)))
        assert (20, 20) == tuple([await one.collection("n").count_documents({}) for one in (db, other)])


async def test_a_transaction_sees_the_time_of_its_start(db: MemoryDatabase, path: Path) -> None:
    """What another app commits meanwhile is not seen in it, and where both wrote the same, it fails as a whole."""
    async with opened(path) as other:
        await db.set("a", 1)
        await other.set("b", 1)
        async with db.transaction() as tx:
            await other.set("a", 2)
            assert 2 == await db.get("a")
            assert (1, 1) == (await tx.get("a"), await tx.get("b"))
            await tx.set("b", 5)
            await tx.set("a", 5)
            with pytest.raises(TransactionError, match="somebody else wrote 'a'"):
                await tx.commit()
            await tx.rollback()
        assert (2, 1) == (await other.get("a"), await other.get("b"))


async def test_what_is_done_by_sql_is_seen(db: MemoryDatabase, path: Path) -> None:
    """Reads are answered from the file: a row that somebody changed or deleted there is another one here."""
    await db.collection("items").insert_one({"_id": "1"})
    await db.set("a", "old")
    sql(path, "UPDATE nexus_entries SET body = CAST(replace(body, x'6f6c64', x'6e6577') AS BLOB) WHERE kind = 'value'")
    assert "new" == await db.get("a")
    sql(path, "DELETE FROM nexus_entries WHERE collection = 'nexus.items'")
    assert 0 == await db.collection("items").count_documents({})
    sql(path, "UPDATE nexus_entries SET body = 'text'")
    with pytest.raises(BackendUnavailable, match="holds what is not ours"):
        await db.get("a")
    sql(path, "DELETE FROM nexus_entries")
    assert None is await db.get("a")


async def test_a_commit_is_one_transaction_of_the_file(db: MemoryDatabase, path: Path) -> None:
    """Where the file refuses a part of it, nothing of it is written, there or here."""
    await db.set("a", 1)
    sql(
        path,
        """CREATE TRIGGER refuse BEFORE INSERT ON nexus_entries WHEN NEW.id = '"c"'
        BEGIN SELECT RAISE(ABORT, 'not this one'); END""",
    )
    async with db.transaction() as tx:
        for key in "abc":
            await tx.set(key, 2)
        with pytest.raises(BackendUnavailable, match="not this one"):
            await tx.commit()
        await tx.rollback()
    assert (1, None, None) == (await db.get("a"), await db.get("b"), await db.get("c"))
    with pytest.raises(BackendUnavailable, match="not this one"):
        await db.set("c", 1)
    assert ['"a"'] == [row[0] for row in sql(path, "SELECT id FROM nexus_entries")]


# -- what cannot be ----------------------------------------------------------------------------------------------


async def test_a_value_that_cannot_be_kept(db: MemoryDatabase) -> None:
    """What no UTF-8 can say is refused, and is not there."""
    with pytest.raises(DataError, match="cannot be kept on a real database"):
        await db.set("a", "\ud800")
    assert not await db.exists("a")
    await db.set("a", Int64(5))
    assert 5 == await db.get("a")


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

    def ask() -> None:
        asyncio.run(_get(db))

    with pytest.raises(DataError, match="another event loop"):
        await asyncio.to_thread(ask)


async def _get(db: MemoryDatabase) -> None:
    await db.get("a")


async def test_after_the_end(path: Path) -> None:
    """A closed database answers nothing, and can be closed twice."""
    async with opened(path) as db:
        pass
    await db.close()
    with pytest.raises(DataError, match="not connected"):
        await db.get("a")


async def _refused(path: Path | str) -> BackendUnavailable:
    db = MemoryDatabase({"type": "sqlite", "path": path})
    with pytest.raises(BackendUnavailable) as caught:
        await db.connect()
    await db.close()
    assert "database.path" == caught.value.key
    assert str(path) == caught.value.address
    assert Path(__file__).name in str(caught.value)
    return caught.value


async def test_a_file_of_another_version(path: Path) -> None:
    """Tables of another version are refused and left alone; the message says what to do."""
    async with opened(path):
        pass
    sql(path, "UPDATE nexus_state SET version = 99")
    error = await _refused(path)
    assert "has tables of another version" in error.what
    assert "version 99" in str(error)
    assert "Delete the file" in error.fix
    assert [(99,)] == sql(path, "SELECT version FROM nexus_state")


async def test_files_that_are_no_use(path: Path, tmp_path: Path) -> None:
    """A file that is none of SQLite, one with tables that are not ours, and none at all for want of a folder."""
    written(path)
    assert "is no database" in (await _refused(path)).what
    other = tmp_path / "other.db"
    sql(other, "CREATE TABLE nexus_state (x)")
    assert "has tables that are not ours" in (await _refused(other)).what
    assert "cannot be opened" in (await _refused(tmp_path / "none" / "shop.db")).what


async def test_a_file_that_can_only_be_read(path: Path) -> None:
    """It is refused by name."""
    async with opened(path):
        pass
    # Said by SQLite itself, since root may write any file.
    with (
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection,
        pytest.raises(sqlite3.OperationalError) as caught,
    ):
        connection.execute("DELETE FROM nexus_entries")
    assert "can only be read" in SqliteServer(path).refusal(caught.value).what


async def test_a_file_that_somebody_is_writing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits too long for another process is told so; when that is done, all goes on."""
    monkeypatch.setattr(sqlite, "_SECONDS", 0.01)
    async with opened(path) as db:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(BackendUnavailable, match="is being written by somebody else"):
                await db.set("a", 1)
            assert not await db.health_check()
            other.execute("ROLLBACK")
        assert await db.health_check()
        await db.set("a", 1)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "sqlit"}, "Did you mean 'sqlite'"),
        ({"type": 7}, "no database of the type 7"),
        ({"type": "sqlite", "pth": "x"}, "Did you mean 'path'"),
        ({"path": "x"}, "'memory' takes no 'path'"),
        ({"type": "sqlite", "path": 7}, "7 is no path"),
        ({"type": "sqlite", "path": ""}, "'' is no path"),
        ({"type": "sqlite", "strict": False}, "cannot be strict: False"),
        (7, "'database' is 7"),
    ],
)
async def test_a_section_that_says_something_impossible(config: Any, message: str) -> None:
    """The error names it, and what there is."""
    with pytest.raises(ConfigurationError, match=message):
        MemoryDatabase(config)


async def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a library is missing, the error has the line that installs it."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "aiosqlite" else find(name))
    with pytest.raises(ExtraMissing, match=re.escape("pip install 'nexus-testing[sql]'")):
        MemoryDatabase({"type": "sqlite"})


# -- time and apps -----------------------------------------------------------------------------------------------


async def test_the_clock(path: Path) -> None:
    """A month goes by while the file is open: documents expire by the clock, and no timer is left or fired."""
    with VirtualClock() as clock:
        async with opened(path, clock) as db:
            items = db.collection("items")
            await items.create_index("at", expireAfterSeconds=3600)
            await items.insert_one({"_id": 1, "at": clock.now()})
            assert [] == clock.timers()
            await clock.advance(minutes=59)
            assert 1 == await items.count_documents({})
            await clock.advance(days=30)
            assert 0 == await items.count_documents({})
        assert [] == sql(path, "SELECT id FROM nexus_entries WHERE kind = 'document'")


async def test_an_app_and_its_checkpoints() -> None:
    """An app goes back to what it was, on the file too."""
    async with create_test_app(config={"database": {"type": "sqlite"}}) as app:
        await app.db.set("a", 1)
        await app.db.collection("items").insert_one({"_id": 1, "n": 1})
        async with app.fresh():
            await app.db.set("a", 2)
            await app.db.set("b", 2)
            await app.db.collection("items").delete_many({})
            await app.db.collection("others").insert_one({})
        assert ["a", "items.1"] == await app.db.list_keys()
        path = Path(app.db._backing._server.address)  # type: ignore[union-attr]  # it has one
        assert [('"a"',), ('{"$numberInt": "1"}',)] == sql(
            path, "SELECT id FROM nexus_entries WHERE kind IN ('value', 'document') ORDER BY id"
        )
    assert not there(path)
