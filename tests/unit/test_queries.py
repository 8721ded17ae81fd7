"""What the database is asked is counted, scans of many documents and transactions that never end are found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from nexus_testing import create_test_app
from nexus_testing.errors import ConfigurationError, DataError, QueryAssertionError
from nexus_testing.fakes.documents.hashes import unindexed
from nexus_testing.nexus.database import MemoryDatabase
from nexus_testing.runtime.discovery import Project, set_project
from nexus_testing.runtime.importer import finder

pytestmark = pytest.mark.asyncio

PLUGIN = """
    from nexus_testing.nexus.plugins import BasePlugin


    class ShopPlugin(BasePlugin):
        def __init__(self):
            self.name = "shop"

        async def initialize(self):
            return True

        def get_database_schema(self):
            return {"collections": {"items": {"indexes": [{"fields": ["owner", "price"]}]}}}

        async def fill(self, count):
            await self.db.collection("items").insert_many(
                [{"owner": f"o{n % 7}", "price": n, "name": f"n{n}"} for n in range(count)]
            )

        async def ask(self, query):
            return await self.db.collection("items").find(query).to_list()

        async def one_by_one(self):
            found = []
            async for item in self.db.collection("items").find({"owner": "o1"}):
                found.append(await self.db.collection("items").find_one({"_id": item["_id"]}))
            return found

        async def leave(self):
            session = await self.db.collection("items").database.client.start_session()
            session.start_transaction()
            tx = self.db.transaction()
            await tx.__aenter__()
            await tx.set("a", 1)
"""


@pytest.fixture(name="shop")
def _shop(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"name": "shop", "version": "1.0.0"}), encoding="utf-8")
    (folder / "plugin.py").write_text(dedent(PLUGIN), encoding="utf-8")
    before = set_project(Project(tmp_path))
    yield folder
    set_project(before)
    finder.remove(folder)


async def connected() -> MemoryDatabase:
    """Return a database that answers."""
    db = MemoryDatabase()
    await db.connect()
    return db


# -- counting ----------------------------------------------------------------------------------------------------


async def test_every_question_counts_once() -> None:
    """Calls of keys and of collections count once each, a cursor once however many documents it gives."""
    db = await connected()
    items = db.collection("items")
    await items.insert_many([{"_id": str(number)} for number in range(5)])
    for number in range(3):
        await db.get(f"items.{number}")
    assert 5 == len([one async for one in items.find()])
    assert 2 == len(await items.find().to_list(2))
    assert 1 == len(await items.aggregate([{"$match": {"_id": "1"}}]).to_list(None))
    assert await items.find_one({"_id": "9"}) is None
    async with db.transaction() as tx:
        await tx.set("plain", 1)

    assert {
        "insert_many items": 1,
        "get items.*": 3,
        "find items": 2,
        "aggregate items": 1,
        "find_one items": 1,
        "set plain": 1,
    } == db.queries.counts
    assert [False] == [one.found for one in db.queries if one.operation == "find_one"]
    assert all(one.duration > 0 for one in db.queries)


async def test_a_question_that_fails_counts_too() -> None:
    """What the database refuses was asked all the same."""
    db = await connected()
    await db.collection("items").insert_one({"_id": "1"})
    with pytest.raises(Exception, match="duplicate key"):
        await db.collection("items").insert_one({"_id": "1"})
    assert [True, False] == [one.found for one in db.queries]


async def test_queries_are_known_by_plugin(shop: Path) -> None:
    """What a plugin asks from a hook or a route is its own; what a test asks is nobody's."""
    async with create_test_app([shop]) as app:
        await app.db.set("a", 1)
        assert ["set"] == [one.operation for one in app.db.queries.by(None)]
        assert () == app.db.queries.by("shop")


async def test_so_many_and_no_more(shop: Path) -> None:
    """A block that asks too often fails with a list of what it asked, the most frequent first."""
    async with create_test_app([shop]) as app:
        plugin = app.get_plugin("shop")
        await plugin.fill(50)
        with app.db.assert_max_queries(8) as limit:
            await plugin.one_by_one()
        await plugin.one_by_one()
        assert 8 == len(limit.queries)
        with pytest.raises(QueryAssertionError, match="asked the database 8 times, where 7 are allowed") as caught:
            async with app.db.assert_max_queries(7):
                await plugin.one_by_one()
        assert "7 × find_one items\n1 × find items" == caught.value.why
        assert "test_queries.py" in str(caught.value.where)
        assert isinstance(caught.value, AssertionError)


async def test_what_the_block_raises_comes_out(shop: Path) -> None:
    """An exception of the block is not hidden by the number of its queries."""
    db = await connected()

    async def fail() -> None:
        with db.assert_max_queries(0):
            await db.set("a", 1)
            await db.get(7)  # type: ignore[arg-type]  # what the test is about

    with pytest.raises(DataError, match="is no key"):
        await fail()


@pytest.mark.parametrize("most", [-1, 1.5, True, None, "3"])
async def test_a_limit_is_a_number(most: Any) -> None:
    """What is no number of times is refused."""
    db = await connected()
    with pytest.raises(ConfigurationError, match="times at most"):
        db.assert_max_queries(most)


async def test_a_limit_that_checks_nothing_warns() -> None:
    """A limit that is no block checks nothing, and says so at its line."""
    db = await connected()
    with pytest.warns(RuntimeWarning, match="never entered") as caught:
        db.assert_max_queries(3)
    assert __file__ == caught[0].filename


# -- scans -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"name": "n7"}, "'name'"),
        ({"name": "n7", "price": {"$gt": 3}}, "'name' and 'price'"),
        ({"$or": [{"owner": "o1"}, {"name": "n7"}]}, "'name'"),
        ({"$and": [{"name": "n7"}, {"price": 7}]}, "'name' and 'price'"),
        ({"price": 7}, "'price'"),
    ],
)
async def test_a_scan_is_found(shop: Path, query: dict[str, Any], fields: str) -> None:
    """A query over more than a hundred documents that no index begins with is a finding, once, at the plugin's line."""
    async with create_test_app([shop]) as app:
        plugin = app.get_plugin("shop")
        await plugin.fill(101)
        await plugin.ask(query)
        await plugin.ask(query)
        [found] = [one for one in app.findings if one.id == "NX701"]
        assert f"the collection 'items' is searched by {fields}, and" in found.text
        assert "plugin.py:" in str(found.where)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"owner": "o1"},
        {"owner": {"$gt": "o1"}, "name": "n7"},
        {"_id": {"$ne": 3}},
        {"$and": [{"owner": {"$ne": "o1"}}, {"name": "n7"}]},
        {"$or": [{"owner": "o1"}, {"owner": {"$gt": "o3"}}]},
    ],
)
async def test_an_index_that_helps_is_enough(shop: Path, query: dict[str, Any]) -> None:
    """A query that an index of a real database helps with is no finding, nor is one for all documents."""
    async with create_test_app([shop]) as app:
        await app.get_plugin("shop").fill(101)
        await app.get_plugin("shop").ask(query)
        assert [] == [one for one in app.findings if one.id == "NX701"]


async def test_few_documents_and_tests_own_questions_are_no_scans(shop: Path) -> None:
    """A hundred documents may be looked at, and a test may look at as many as it likes."""
    async with create_test_app([shop]) as app:
        await app.get_plugin("shop").fill(100)
        await app.get_plugin("shop").ask({"name": "n7"})
        await app.get_plugin("shop").fill(100)
        await app.db.collection("items").find_one({"name": "n7"})
        assert [] == [one for one in app.findings if one.id == "NX701"]


async def test_operators_alone_are_about_no_field() -> None:
    """A filter without fields names none."""
    assert () == unindexed({"$where": "1", "$or": []}, {"a"})


# -- transactions that never end ---------------------------------------------------------------------------------


async def test_a_transaction_that_never_ends_is_found(shop: Path) -> None:
    """A session's transaction and one of keys that nobody ends are findings at the lines that began them."""
    async with create_test_app([shop]) as app:
        await app.get_plugin("shop").leave()
        assert not await app.db.exists("a")
    found = [one for one in app.findings if one.id == "NX702"]
    assert 2 == len(found)
    assert all("plugin.py:" in str(one.where) for one in found)


async def test_one_that_ends_is_none(shop: Path) -> None:
    """Transactions that are committed, rolled back or left are no findings."""
    async with create_test_app([shop]) as app:
        async with app.db.transaction() as tx:
            await tx.set("a", 1)
        async with await app.db.collection("items").database.client.start_session() as session:
            session.start_transaction()
    assert [] == [one for one in app.findings if one.id == "NX702"]


async def test_a_shared_app_finds_it_after_the_test(shop: Path) -> None:
    """In an app that tests share, the one that leaves a transaction open is told from the others."""
    async with create_test_app([shop]) as app:
        async with app.fresh():
            await app.get_plugin("shop").leave()
        assert 2 == sum(one.id == "NX702" for one in app.findings)
        async with app.fresh():
            await app.db.set("a", 2)
