"""Collections: what mongomock gets wrong by itself, indexes in use, sessions."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from bson import ObjectId
from pymongo import IndexModel, InsertOne, ReplaceOne, ReturnDocument, UpdateOne
from pymongo.errors import (
    BulkWriteError,
    DocumentTooLarge,
    DuplicateKeyError,
    InvalidOperation,
    OperationFailure,
    WriteError,
)

from nexus_testing.errors import DataError
from nexus_testing.fakes.documents import DocumentStore

pytestmark = pytest.mark.asyncio


class Now:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1_900_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def date(self, after: float = 0) -> dt.datetime:
        """Return a moment so many seconds from now, as MongoDB keeps it."""
        return dt.datetime.fromtimestamp(self.seconds + after, dt.UTC).replace(tzinfo=None)


@pytest.fixture(name="now")
def _now() -> Now:
    return Now()


@pytest.fixture(name="items")
def _items(now: Now) -> Any:
    return DocumentStore(now).collection("items")


async def everything(items: Any) -> list[dict[str, Any]]:
    """Return all documents, without ids."""
    return await items.find({}, {"_id": 0}).to_list(None)  # type: ignore[no-any-return]


async def test_a_failed_update_changes_nothing(items: Any) -> None:
    """An update of which one part fails leaves the document whole, and raises what the driver raises."""
    await items.insert_one({"_id": 1, "n": 1, "name": "a"})

    with pytest.raises(WriteError) as caught:
        await items.update_one({"_id": 1}, {"$set": {"n": 2}, "$inc": {"name": 1}})

    assert 14 == caught.value.code
    assert {"_id": 1, "n": 1, "name": "a"} == await items.find_one({"_id": 1})


async def test_a_unique_index_holds_for_each_element_of_a_list(items: Any) -> None:
    """No two documents share an element; one document may have it twice."""
    await items.create_index("tags", unique=True)
    await items.insert_one({"tags": ["a", "b", "a"]})

    with pytest.raises(DuplicateKeyError):
        await items.insert_one({"tags": ["c", "b"]})
    await items.insert_one({"tags": ["c"]})
    assert 2 == await items.count_documents({})


async def test_a_violation_names_key_and_value(items: Any) -> None:
    """The driver's error has the pattern and the values, on insertion and on update alike."""
    await items.create_index([("owner", 1), ("name", -1)], unique=True)
    await items.insert_many([{"owner": "x", "name": "a"}, {"owner": "x", "name": "b"}])

    with pytest.raises(DuplicateKeyError) as caught:
        await items.update_one({"name": "b"}, {"$set": {"name": "a"}})

    assert caught.value.details is not None
    assert {"owner": 1, "name": -1} == caught.value.details["keyPattern"]
    assert {"owner": "x", "name": "a"} == caught.value.details["keyValue"]
    assert [{"owner": "x", "name": "a"}, {"owner": "x", "name": "b"}] == await everything(items)


async def test_one_sorted_document_is_found_and_updated(items: Any) -> None:
    """A projection without `_id` makes no difference to which document it is."""
    await items.insert_many([{"_id": 1, "n": 1}, {"_id": 2, "n": 2}])

    found = await items.find_one_and_update(
        {}, {"$set": {"hit": True}}, sort=[("n", -1)], projection={"_id": 0}, return_document=ReturnDocument.AFTER
    )

    assert {"n": 2, "hit": True} == found
    assert [{"_id": 1, "n": 1}, {"_id": 2, "n": 2, "hit": True}] == await items.find().to_list()
    assert {"n": 2, "hit": True} == await items.find_one_and_delete({}, sort=[("n", -1)], projection={"_id": 0})
    assert 1 == await items.count_documents({})


async def test_true_is_not_one(items: Any) -> None:
    """Booleans and numbers are apart in filters and in unique indexes, indexed or not."""
    await items.create_index("a", unique=True)
    await items.insert_many([{"a": True, "b": True}, {"a": 1, "b": 1}])

    for field in ("a", "b"):
        assert [{"a": 1, "b": 1}] == await items.find({field: 1}, {"_id": 0}).to_list()
        found = await items.find({field: {"$in": [True]}}, {"_id": 0}).to_list()
        assert [True] == [one[field] for one in found]
        assert found[0][field] is True


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ({"$or": [{"a": 1}, {"a": 7}]}, [1]),
        ({"$or": [{"a": True}, {"a": 7}]}, [True]),
        ({"$nor": [{"a": 1}]}, [True, [0], [False], {"b": 1}, {"b": True}, None]),
        ({"a": {"$ne": True}}, [1, [0], [False], {"b": 1}, {"b": True}, None]),
        ({"a": {"$nin": [1, 0]}}, [True, [False], {"b": 1}, {"b": True}, None]),
        ({"a": {"$not": {"$eq": 1}}}, [True, [0], [False], {"b": 1}, {"b": True}, None]),
        ({"a": {"$in": [0, None]}}, [[0], None]),
        ({"a": {"$in": [True, re.compile("x")]}}, [True]),
        ({"a": {"$all": [False]}}, [[False]]),
        ({"a": {"$elemMatch": {"$eq": 0}}}, [[0]]),
        ({"a": [0]}, [[0]]),
        ({"a": {"b": True}}, [{"b": True}]),
        ({"a.b": 1}, [{"b": 1}]),
        ({"$and": [{"a": {"$gte": 1}}, {"a": {"$ne": 0}}]}, [1]),
        ({"a": {"$exists": True}}, [True, 1, [0], [False], {"b": 1}, {"b": True}]),
    ],
)
@pytest.mark.parametrize("indexed", [True, False])
async def test_true_is_not_one_anywhere(items: Any, query: Any, kinds: list[Any], indexed: bool) -> None:  # noqa: FBT001
    """Booleans and numbers are apart within every operator too, in lists and in documents."""
    if indexed:
        await items.create_index("a")
    values: list[Any] = [True, 1, [0], [False], {"b": 1}, {"b": True}]
    await items.insert_many([*({"a": value} for value in values), {"c": 1}])

    found = await items.find(query, {"_id": 0}).to_list()
    assert repr(kinds) == repr([one.get("a") for one in found])


async def test_a_large_document_is_refused(items: Any) -> None:
    """A document over 16 MB is the driver's error, also where an update makes it so large."""
    await items.insert_one({"_id": 1})

    with pytest.raises(DocumentTooLarge):
        await items.update_one({"_id": 1}, {"$set": {"text": "x" * (16 * 1024 * 1024)}})
    assert {"_id": 1} == await items.find_one()


async def test_several_writes_go_in_bulk(items: Any) -> None:
    """The requests of today's pymongo are taken, in order, up to the first that fails."""
    await items.create_index("name", unique=True)
    result = await items.bulk_write(
        [
            InsertOne({"_id": 1, "name": "a"}),
            UpdateOne({"_id": 1}, {"$set": {"n": 1}}),
            ReplaceOne({"_id": 2}, {"name": "b"}, upsert=True),
        ]
    )

    assert (1, 1, 1) == (result.inserted_count, result.modified_count, result.upserted_count)
    with pytest.raises(BulkWriteError):
        await items.bulk_write([InsertOne({"name": "a"}), InsertOne({"name": "z"})])
    assert [{"name": "a", "n": 1}, {"name": "b"}] == await everything(items)


async def test_a_replacement_may_be_found_by_an_operator(items: Any) -> None:
    """An operator on `_id` finds the document that is replaced, which keeps its id."""
    await items.insert_one({"_id": 7, "a": 1})

    assert 1 == (await items.replace_one({"_id": {"$in": [7]}}, {"b": 2})).modified_count
    assert [{"_id": 7, "b": 2}] == await items.find().to_list()


async def test_an_id_cannot_change(items: Any) -> None:
    """Neither an update nor a replacement changes `_id`."""
    await items.insert_one({"_id": 1})
    for call in (items.update_one({"_id": 1}, {"$set": {"_id": 2}}), items.replace_one({"_id": 1}, {"_id": 2})):
        with pytest.raises(WriteError, match="immutable"):
            await call
    assert [{"_id": 1}] == await items.find().to_list()


async def test_numbers_are_multiplied(items: Any) -> None:
    """`$mul` multiplies, and makes 0 of what is not there."""
    await items.insert_one({"_id": 1, "n": 4})
    await items.update_one({}, {"$mul": {"n": 2.5, "m.k": 3}, "$set": {"s": 1}})

    assert {"_id": 1, "n": 10.0, "m": {"k": 0}, "s": 1} == await items.find_one()


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.find_one({}, collation={"locale": "en"}),
        lambda c: c.update_one({}, {"$set": {"a.$[x]": 1}}, array_filters=[{"x": 1}]),
        lambda c: c.delete_one({}, hint="a"),
        lambda c: c.create_index("a", collation={"locale": "en"}),
        lambda c: c.bulk_write([UpdateOne({}, {"$set": {"a": 1}}, collation={"locale": "en"})]),
        lambda c: c.update_one({}, {"$currentDate": {"a": {"$type": "timestamp"}}}),
    ],
)
async def test_what_would_be_ignored_is_refused(items: Any, call: Any) -> None:
    """An option that changes what MongoDB does and is unknown here is an error that names it."""
    await items.insert_one({"a": [1]})

    with pytest.raises(DataError, match="does not take"):
        await call(items)


@pytest.mark.parametrize(
    "query",
    [
        {"$or": [{"a": {"$gtt": 1}}, {"b": 2}]},
        {"$and": [{"b": 2}, {"$nor": [{"a": {"$gtt": 1}}]}]},
        {"a": {"$not": {"$gtt": 1}}},
        {"a": {"$elemMatch": {"$gtt": 1}}},
        {"a": {"$elemMatch": {"b": {"$gtt": 1}}}},
        {"a": {"$gt": 0, "$gtt": 1}},
    ],
)
async def test_unknown_operators_are_refused_deep_inside(items: Any, query: Any) -> None:
    """A misspelt operator fails wherever it stands, though no document is there to be judged by it."""
    with pytest.raises(OperationFailure, match=r"unknown operator: \$gtt.*\$gt"):
        await items.find_one(query)


async def test_unknown_operators_are_refused(items: Any) -> None:
    """A misspelt operator fails, with a guess, whether or not a document leads to it."""
    await items.create_index("a")
    for _ in range(2):
        with pytest.raises(OperationFailure, match=r"unknown operator: \$gtt.*\$gt"):
            await items.find_one({"a": 5, "b": {"$gtt": 1}})
        with pytest.raises(WriteError, match=r"Unknown modifier: \$sett.*\$set"):
            await items.update_one({}, {"$sett": {"a": 1}})
        await items.insert_one({"a": 1})


async def test_documents_are_copies_as_mongodb_returns_them(items: Any) -> None:
    """What is written and read is never the same object; times are in UTC and in milliseconds."""
    moment = dt.datetime(2030, 1, 1, 1, 0, 0, 1999, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    given = {"at": moment, "tags": ["a"], "pair": (1, 2)}
    await items.insert_one(given)
    given["tags"].append("b")  # type: ignore[attr-defined]
    (await items.find_one())["tags"].append("c")

    found = await items.find_one({}, {"_id": 0})
    assert {"at": dt.datetime(2030, 1, 1, 0, 0, 0, 1000), "tags": ["a"], "pair": [1, 2]} == found
    assert isinstance(given["_id"], ObjectId)


async def test_documents_expire(items: Any, now: Now) -> None:
    """A document goes when its time is up by the clock, and not if it was written again with another time."""
    await items.create_indexes([IndexModel("at", expireAfterSeconds=60)])
    await items.insert_many([{"_id": {"odd": 1}, "at": now.date()}, {"_id": 2, "at": now.date()}, {"_id": 3}])
    await items.update_one({"_id": 2}, {"$set": {"at": now.date(30)}})

    now.seconds += 59
    assert 3 == await items.count_documents({})
    now.seconds += 1
    assert [2, 3] == [one["_id"] async for one in items.find()]
    now.seconds += 30
    assert [3] == [one["_id"] async for one in items.find()]
    with pytest.raises(OperationFailure, match="compound"):
        await items.create_index([("a", 1), ("b", 1)], expireAfterSeconds=1)


async def test_the_current_date_is_the_clocks(items: Any, now: Now) -> None:
    """`$currentDate` writes the time of the app's clock."""
    await items.insert_one({})
    await items.update_one({}, {"$currentDate": {"at": True}})

    assert [{"at": now.date()}] == await everything(items)


async def test_a_session_is_isolated_both_ways(items: Any) -> None:
    """Nobody sees what a transaction wrote before its commit, and it sees nothing that was written since its start."""
    await items.create_index("name", unique=True)
    await items.insert_many([{"_id": 1, "name": "a"}, {"_id": 2, "name": "b"}])
    async with await items.database.client.start_session() as session:
        async with session.start_transaction():
            await items.update_one({"_id": 1}, {"$set": {"name": "c"}}, session=session)
            await items.insert_one({"_id": 3, "name": "d"}, session=session)
            await items.delete_one({"name": "b"})
            await items.insert_one({"_id": 4, "name": "e"})
            inside = [one["name"] async for one in items.find(session=session)]
            outside = [one["name"] async for one in items.find()]
            assert await items.find_one({"name": "c"}, session=session)
            assert await items.find_one({"name": "a"}, session=session) is None
            assert 3 == await items.count_documents({}, session=session)
        after = sorted([one["name"] async for one in items.find()])

    assert ["c", "b", "d"] == inside
    assert ["a", "e"] == outside
    assert ["c", "d", "e"] == after


async def test_an_aborted_transaction_leaves_nothing(items: Any) -> None:
    """An exception, an abort and the session's end forget what was written."""
    await items.insert_one({"_id": 1, "n": 1})
    client = items.database.client
    session = await client.start_session()

    async def failing() -> None:
        async with session.start_transaction():
            await items.update_one({}, {"$inc": {"n": 1}}, session=session)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await failing()
    session.start_transaction()
    await items.delete_many({}, session=session)
    await session.abort_transaction()
    session.start_transaction()
    await items.insert_one({"_id": 2}, session=session)
    await session.end_session()

    assert [{"_id": 1, "n": 1}] == await items.find().to_list()


async def test_two_transactions_cannot_both_write(items: Any) -> None:
    """The second write, and a commit over somebody else's write, conflict and leave nothing behind."""
    await items.insert_many([{"_id": 1, "n": 1}, {"_id": 2, "n": 2}])
    client = items.database.client
    first, second = await client.start_session(), await client.start_session()
    first.start_transaction()
    second.start_transaction()
    await items.update_one({"_id": 2}, {"$set": {"n": 20}}, session=second)
    await items.update_one({"_id": 1}, {"$set": {"n": 10}}, session=second)
    await items.update_one({"_id": 1}, {"$set": {"n": 11}}, session=first)
    await first.commit_transaction()

    with pytest.raises(OperationFailure) as caught:
        await second.commit_transaction()
    assert 112 == caught.value.code
    assert caught.value.has_error_label("TransientTransactionError")
    assert [{"_id": 1, "n": 11}, {"_id": 2, "n": 2}] == await items.find().to_list()


async def test_a_commit_keeps_unique_indexes(items: Any) -> None:
    """Two that became alike in two transactions are told at the second commit."""
    await items.create_index("name", unique=True)
    client = items.database.client
    async with await client.start_session() as session:
        session.start_transaction()
        await items.insert_one({"_id": 1, "name": "a"}, session=session)
        with pytest.raises(DuplicateKeyError):
            await items.insert_one({"_id": 2, "name": "a"}, session=session)
        await items.insert_one({"_id": 3, "name": "a"})
        with pytest.raises(OperationFailure, match="WriteConflict"):
            await session.commit_transaction()

    assert [{"_id": 3, "name": "a"}] == await items.find().to_list()


async def test_a_transaction_runs_again_after_a_conflict(items: Any) -> None:
    """`with_transaction` starts over until nobody wrote in between."""
    await items.insert_one({"_id": 1, "n": 0})
    runs: list[int] = []

    async def add(session: Any) -> str:
        found = await items.find_one({"_id": 1}, session=session)
        if not runs:
            await items.update_one({"_id": 1}, {"$inc": {"n": 100}})
        runs.append(found["n"])
        await items.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
        return "done"

    async with await items.database.client.start_session() as session:
        assert "done" == await session.with_transaction(add)
    assert [0, 100] == runs
    assert {"_id": 1, "n": 101} == await items.find_one()


async def test_sessions_are_used_rightly(items: Any) -> None:
    """A session is its client's, and over after its end; transactions do not nest."""
    session = await items.database.client.start_session()
    other = DocumentStore().collection("items")
    with pytest.raises(InvalidOperation, match="client"):
        await other.find_one({}, session=session)
    with pytest.raises(InvalidOperation, match="No transaction"):
        await session.commit_transaction()
    session.start_transaction()
    with pytest.raises(InvalidOperation, match="already"):
        session.start_transaction()
    await session.end_session()
    with pytest.raises(InvalidOperation, match="ended"):
        await items.find_one({}, session=session)


async def test_an_index_is_used(items: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up by a declared field, by a compound key or by `_id` looks at one document only."""
    from nexus_testing.fakes.documents import collection

    await items.create_index("a")
    await items.create_index([("b", 1), ("c", 1)])
    await items.insert_many([{"_id": n, "a": n, "b": n % 2, "c": n} for n in range(50)])
    looked: list[Any] = []
    real: Any = vars(collection)["judge"]

    def counting(query: Any) -> Any:
        def fits(_: Any, document: Any) -> Any:
            looked.append(document["_id"])
            return real(query)(query, document)

        return fits

    monkeypatch.setattr(collection, "judge", counting)
    for query in ({"a": 7}, {"b": 1, "c": 7}, {"_id": 7}, {"$and": [{"a": {"$in": [7]}}]}, {"a": {"$eq": 7}}):
        assert [7] == [one["_id"] async for one in items.find(query)]
    assert [7] * 5 == looked


async def test_mongomock_motor_goes_on_working() -> None:
    """Tests that use mongomock-motor by themselves get a server of their own, and our collections are none of its."""
    from mongomock_motor import AsyncMongoMockClient

    ours = DocumentStore().collection("items")
    theirs = AsyncMongoMockClient()["nexus"]["items"]
    await ours.insert_one({"_id": 1})
    await theirs.insert_one({"_id": 2})

    assert [{"_id": 1}] == await ours.find().to_list()
    assert [{"_id": 2}] == await theirs.find().to_list(None)


async def test_cursors_are_read_in_every_way(items: Any) -> None:
    """Cursors and pipelines give their documents one by one, some at a time, and again from a clone."""
    await items.insert_many([{"_id": number} for number in range(4)])

    cursor = items.find().sort("_id", -1)
    assert {"_id": 3} == await cursor.next()
    assert [{"_id": 2}, {"_id": 1}] == await cursor.to_list(2)
    assert [{"_id": 0}] == await cursor.to_list(2)
    with pytest.raises(StopAsyncIteration):
        await cursor.next()
    assert 4 == len([one async for one in cursor.clone()])
    assert 4 == len(await items.with_options().find().to_list())
    pipeline = items.aggregate([{"$sort": {"_id": -1}}, {"$limit": 3}]).batch_size(2)
    assert {"_id": 3} == await pipeline.next()
    assert [{"_id": 2}] == await pipeline.to_list(1)
    assert [{"_id": 1}] == [one async for one in pipeline]
    await pipeline.close()
    assert [] == await pipeline.to_list(None)


async def test_a_transaction_inserts_deletes_and_counts_its_own(items: Any) -> None:
    """What a transaction inserted is there for it and unique, what it deleted is gone, and others see neither."""
    await items.insert_many([{"_id": 1}, {"_id": 2}])
    async with await items.database.client.start_session() as session:
        session.start_transaction()
        await items.insert_one({"_id": 3}, session=session)
        await items.delete_one({"_id": 1}, session=session)
        with pytest.raises(DuplicateKeyError):
            await items.insert_one({"_id": 3}, session=session)
        with pytest.raises(OperationFailure, match="in a transaction"):
            await items.create_index("a", session=session)
        assert 2 == await items.count_documents({}, session=session)
        found = await items.find_one_and_update({"_id": 3}, {"$set": {"a": 1}}, return_document=True, session=session)
        assert {"_id": 3, "a": 1} == found
        assert [{"_id": 1}, {"_id": 2}] == await items.find().to_list()
        await session.commit_transaction()
    assert [{"_id": 2}, {"_id": 3, "a": 1}] == await items.find().to_list()
