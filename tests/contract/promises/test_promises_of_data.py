"""Data: keys and values, what a plugin keeps of its own, transactions and schemas."""

from __future__ import annotations

import asyncio
import enum
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from nexus_testing.errors import DataError, TransactionError

if TYPE_CHECKING:
    from .conftest import Runtime

pytestmark = pytest.mark.asyncio

SQLITE = {"database": {"type": "sqlite"}}
"""The framework's database that keeps text."""


class Colour(enum.Enum):
    """A value that no database keeps."""

    RED = 1


def sqlite(runtime: Runtime) -> dict[str, Any]:
    """Return the configuration with which the framework keeps its data in SQLite; in memory what there is."""
    return {} if runtime.here else SQLITE


class TestValues:
    """What is written is what is read."""

    @pytest.mark.parametrize("value", [1, 1.5, "text", "007", "", [], {}, {"a": [1, {"b": None}]}])
    async def test_values_that_stay(self, runtime: Runtime, value: Any) -> None:
        """JSON's own, but for those below."""
        app = await runtime.start(config=sqlite(runtime))
        await app.db.set("a", value)
        assert await app.db.get("a") == value

    @pytest.mark.parametrize(
        ("value", "there"),
        [(True, "True"), (None, "None"), ("123", 123), ("true", True), ('{"a": 1}', {"a": 1}), (b"ab", "b'ab'")],
    )
    async def test_values_that_change_in_sqlite(self, runtime: Runtime, value: Any, there: Any) -> None:
        """It keeps text, and reads it as JSON where it can."""
        app = await runtime.start(config=sqlite(runtime))
        await app.db.set("a", value)
        expected = runtime.either("value-types", here=value, production=there)
        assert (type(expected), expected) == (type(await app.db.get("a")), await app.db.get("a"))

    @pytest.mark.parametrize("value", [Colour.RED, {1}, {"a": {1: 2}}, datetime(2030, 1, 1, tzinfo=UTC).date()])
    async def test_values_that_are_refused(self, runtime: Runtime, value: Any) -> None:
        """By name in memory; on the framework something else is kept, or its library raises."""
        app = await runtime.start(config=sqlite(runtime))
        if runtime.either("value-types", here=True, production=False):
            with pytest.raises(DataError, match="cannot hold"):
                await app.db.set("a", value)
        else:
            await app.db.set("a", value)
            assert await app.db.get("a") != value

    async def test_a_value_is_a_copy(self, runtime: Runtime) -> None:
        """The framework's memory keeps and gives the very object."""
        app = await runtime.start()
        given = {"items": ["a"]}
        await app.db.set("a", given)
        given["items"].append("b")
        expected = runtime.either("value-aliases", here=["a"], production=["a", "b"])
        assert (await app.db.get("a"))["items"] == expected

    async def test_patterns_of_keys(self, runtime: Runtime) -> None:
        """SQLite takes `_` for any character, and case for nothing."""
        app = await runtime.start(config=sqlite(runtime))
        for key in ("user_1", "user:2", "User_3"):
            await app.db.set(key, 1)
        everything = ["User_3", "user:2", "user_1"]
        expected = runtime.either("key-patterns", here=["user_1"], production=everything)
        assert sorted(await app.db.list_keys("user_*")) == expected

    async def test_two_first_writes_at_once(self, runtime: Runtime) -> None:
        """One of them fails in SQLite."""
        app = await runtime.start(config=sqlite(runtime))
        results = await asyncio.gather(*(app.db.set("a", n) for n in range(5)), return_exceptions=True)
        failed = any(isinstance(result, Exception) for result in results)
        assert failed is runtime.either("lost-updates", here=False, production=True)
        assert await app.db.exists("a")


class TestAPluginsOwn:
    """What a plugin keeps under its own name."""

    async def test_data(self, runtime: Runtime) -> None:
        """Written and read; the default of what is not there counts in memory."""
        runtime.write(
            more="""
            async def keep(self):
                await self.set_data("a", {"n": 1})
                return [await self.get_data("a"), await self.get_data("b", 7)]
            """
        )
        app = await runtime.start("shop")
        default = runtime.either("data-defaults", here=7, production=None)
        assert await app.get_plugin("shop").keep() == [{"n": 1}, default]

    async def test_configuration_that_it_stores(self, runtime: Runtime) -> None:
        """After the next load the framework does not find it again."""
        runtime.write()
        app = await runtime.start("shop")
        await app.get_plugin("shop").set_config("hours", 9)
        assert await app.get_plugin("shop").get_config("hours") == 9
        await app.unload_plugin("shop")
        await app.load_plugin("shop")
        expected = runtime.either("stored-configuration", here=9, production=None)
        assert await app.get_plugin("shop").get_config("hours") == expected


class TestTransactions:
    """Whole or not at all."""

    async def test_a_transaction_that_fails(self, runtime: Runtime) -> None:
        """Nothing of it is there afterwards."""
        app = await runtime.start()
        there = runtime.either("transactions", here=True, production=False)
        assert hasattr(app.db, "transaction") is there

        async def write() -> None:
            from nexus.core import TransactionContext

            async with app.db.transaction() if there else TransactionContext(app.db) as tx:
                await tx.set("a", 1)
                raise ValueError("midway")

        with pytest.raises(ValueError, match="midway"):
            await write()
        assert not await app.db.exists("a")

    async def test_a_commit_that_fails_midway(self, runtime: Runtime) -> None:
        """On the framework the first half is there."""
        app = await runtime.start(config=sqlite(runtime))

        async def write() -> None:
            if runtime.here:
                async with app.db.transaction() as tx:
                    await tx.set("a", 1)
                    await tx.set("b", {"at": [{1}]})
            else:
                from nexus.core import TransactionContext

                async with TransactionContext(app.db) as context:
                    await context.set("a", 1)
                    await context.set("b", {"at": datetime(2030, 1, 1, tzinfo=UTC)})

        with pytest.raises((DataError, TypeError)):
            await write()
        assert await app.db.exists("a") is runtime.either("transactions", here=False, production=True)

    async def test_a_write_after_the_commit(self, runtime: Runtime) -> None:
        """It is an error in memory, and lost there."""
        app = await runtime.start()
        if runtime.either("writes-after-commit", here=True, production=False):
            async with app.db.transaction() as tx:
                await tx.commit()
                with pytest.raises(TransactionError):
                    await tx.set("a", 1)
        else:
            from nexus.core import TransactionContext

            async with TransactionContext(app.db) as tx:
                await tx.commit()
                await tx.set("a", 1)
        assert not await app.db.exists("a")


class TestSchemas:
    """What a plugin declares of its data."""

    async def test_it_is_applied(self, runtime: Runtime) -> None:
        """Unique indexes hold and initial data is there, in memory."""
        runtime.write(
            schema={
                "collections": {"items": {"indexes": [{"field": "sku", "unique": True}]}},
                "initial_data": {"items": [{"id": "1", "sku": "tea"}]},
            }
        )
        app = await runtime.start("shop")
        there = runtime.either("schemas", here=True, production=False)
        assert await app.db.exists("items.1") is there
        if there:
            with pytest.raises(Exception, match="duplicate key"):
                await app.db.collection("items").insert_one({"id": "2", "sku": "tea"})

    async def test_data_outlives_a_plugin(self, runtime: Runtime) -> None:
        """What it wrote is there after it was unloaded."""
        runtime.write(
            more="async def keep(self):\n    await self.set_data('a', 1)\n    return await self.get_data('a')\n"
        )
        app = await runtime.start("shop")
        await app.get_plugin("shop").keep()
        before = await app.db.list_keys()
        await app.unload_plugin("shop")
        assert before
        assert await app.db.list_keys() == before
