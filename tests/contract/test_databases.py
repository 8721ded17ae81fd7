"""What every database answers alike: keys, documents, transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from nexus_testing import create_test_app
from nexus_testing.errors import DataError, TransactionError
from nexus_testing.namespace import platform_installed
from nexus_testing.nexus.adapter import DatabaseAdapter
from nexus_testing.nexus.database import MemoryDatabase


class KeyContract:
    """What every database answers alike, those of the published framework too.

    A child says which one, in a fixture `db` that is connected and empty.
    """

    @pytest.mark.asyncio
    async def test_values_under_keys(self, db: Any) -> None:
        """A value is written, replaced, read, found and deleted; what is not there gives the default."""
        first = {"name": "a", "tags": ["x", {"n": 1.5, "none": None, "yes": True}]}
        await db.set("item:1", first)
        assert first == await db.get("item:1")
        await db.set("item:1", {"name": "b"})
        await db.set("item:2", ["c"])
        await db.set("other", "text")

        assert {"name": "b"} == await db.get("item:1")
        assert (["c"], "text") == (await db.get("item:2"), await db.get("other"))
        assert await db.exists("item:1")
        await db.delete("item:1")
        await db.delete("item:1")
        assert not await db.exists("item:1")
        assert (None, 7) == (await db.get("item:1"), await db.get("item:1", 7))

    @pytest.mark.asyncio
    async def test_keys_by_pattern(self, db: Any) -> None:
        """Keys are listed, all of them or by a pattern with a star; `clear` deletes every one."""
        for key in ("item:1", "item:2", "order:1"):
            await db.set(key, {"key": key})

        assert ["item:1", "item:2", "order:1"] == sorted(await db.list_keys())
        assert ["item:1", "item:2"] == sorted(await db.list_keys("item:*"))
        await db.clear()
        assert [] == await db.list_keys()
        assert not await db.exists("item:1")

    @pytest.mark.asyncio
    async def test_an_empty_value_is_one(self, db: Any) -> None:
        """An empty dict or list is there."""
        value: Any
        for value in ({}, []):
            await db.set("empty", value)
            assert await db.exists("empty")
            assert value == await db.get("empty", 7)

    @pytest.mark.asyncio
    async def test_health(self, db: Any) -> None:
        """A database that is connected is healthy; one that is not answers nothing and says so."""
        await db.set("a", {})
        health = await db.health_check()
        assert ("healthy", True, 1) == (health["status"], health["connected"], health["total_keys"])
        await db.disconnect()
        assert "disconnected" == (await db.health_check())["status"]
        with pytest.raises((DataError, RuntimeError), match="not connected"):
            await db.get("a")


class DatabaseContract(KeyContract):
    """What is ours besides: copies, BSON's rules, documents and transactions."""

    @pytest.mark.asyncio
    async def test_keys(self, db: DatabaseAdapter) -> None:
        """A value is written, read as a copy, changed in part, listed and deleted."""
        given = {"theme": "dark", "sizes": [1]}
        await db.set("settings:a", given)
        given["theme"] = "light"
        await db.update("settings:a", {"lang": "en"})

        assert {"theme": "dark", "sizes": [1], "lang": "en"} == await db.get("settings:a")
        assert await db.exists("settings:a")
        assert ["settings:a"] == await db.list_keys("settings:?")
        await db.delete("settings:a")
        await db.delete("settings:a")
        assert 7 == await db.get("settings:a", 7)
        await db.set("b", None)
        await db.clear()
        assert [] == await db.list_keys()
        assert await db.health_check()

    @pytest.mark.asyncio
    @pytest.mark.parametrize("value", [{1}, (1,), {1: 2}, 2**63, object(), {"a": [{"b": {2}}]}])
    async def test_values(self, db: DatabaseAdapter, value: Any) -> None:
        """What BSON does not know is refused, and nothing is stored."""
        with pytest.raises(DataError, match="cannot hold"):
            await db.set("key", value)
        assert not await db.exists("key")

    @pytest.mark.asyncio
    async def test_documents(self, db: DatabaseAdapter) -> None:
        """A collection and keys reach the same documents."""
        await db.collection("items").insert_one({"_id": "1", "name": "a"})
        await db.update("items.1", {"name": "b"})

        assert {"_id": "1", "name": "b"} == await db.collection("items").find_one({"name": "b"})
        assert "b" == (await db.get("items.1")).name

    @pytest.mark.asyncio
    async def test_a_transaction(self, db: DatabaseAdapter) -> None:
        """Writes become visible together at the end of the block, or not at all."""
        await db.collection("items").insert_one({"_id": "1", "n": 1})
        async with db.transaction() as tx:
            await tx.set("plain", 1)
            await tx.update("items.1", {"n": 2})
            assert 2 == (await tx.get("items.1")).n
            assert not await db.exists("plain")
            assert 1 == (await db.get("items.1")).n
        assert 1 == await db.get("plain")

        tx = db.transaction()
        async with tx:
            await tx.set("plain", 9)
            await tx.rollback()
        with pytest.raises(TransactionError):
            await tx.get("plain")
        assert 1 == await db.get("plain")
        assert 2 == (await db.get("items.1")).n

    @pytest.mark.asyncio
    async def test_a_savepoint(self, db: DatabaseAdapter) -> None:
        """A part of a transaction is rolled back by itself."""
        async with db.transaction() as tx:
            await tx.set("a", 1)
            async with tx.transaction() as part:
                await part.set("a", 2)
                await part.rollback()
            async with tx.transaction() as part:
                await part.set("b", 3)
        assert (1, 3) == (await db.get("a"), await db.get("b"))


class TestMemoryDatabase(DatabaseContract):
    """The database in memory."""

    @pytest_asyncio.fixture
    async def db(self) -> MemoryDatabase:
        """Return a database that is connected and empty."""
        db = MemoryDatabase()
        await db.connect()
        return db


class TestSqliteDatabase(DatabaseContract):
    """SQLite, in a file and in memory."""

    @pytest_asyncio.fixture(params=["file", "own", "memory"])
    async def db(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MemoryDatabase]:
        """Return a database that is connected and empty."""
        pytest.importorskip("aiosqlite", reason="the extra sql is not installed")
        paths: dict[str, dict[str, str]] = {
            "file": {"path": str(tmp_path / "app.db")},
            "own": {},
            "memory": {"path": ":memory:"},
        }
        db = MemoryDatabase({"type": "sqlite", **paths[request.param]})
        await db.connect()
        yield db
        await db.close()


class TestPostgresDatabase(DatabaseContract):
    """PostgreSQL, in a schema of the app's own."""

    @pytest_asyncio.fixture
    async def db(self, request: pytest.FixtureRequest) -> AsyncIterator[MemoryDatabase]:
        """Return a database that is connected and empty."""
        pytest.importorskip("asyncpg", reason="the extra sql is not installed")
        url = request.getfixturevalue("postgres_server").url
        db = MemoryDatabase({"type": "postgresql", "url": url})
        await db.connect()
        yield db
        await db.close()


# Each environment has one framework. `make platform` and the CI run this file where the published one is installed.
if platform_installed():

    @pytest.mark.parametrize("kind", ["memory", "sqlite", "mongodb"])
    class TestPlatformDatabase(KeyContract):
        """The published framework's adapters: memory, a SQLite file, and MongoDB."""

        @pytest_asyncio.fixture
        async def db(self, kind: str) -> Any:
            """Return a database that is connected and empty."""
            async with create_test_app(config={"database": {"type": kind}}, backend="platform") as app:
                yield app.db
