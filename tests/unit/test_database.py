"""Keys and values, schemas and transactions of the database that plugins get."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI

from nexus_testing.calls import collect_unawaited
from nexus_testing.errors import ConfigurationError, DataError, TransactionError
from nexus_testing.nexus.adapter import DatabaseAdapter
from nexus_testing.nexus.context import Activity, activity
from nexus_testing.nexus.database import MemoryDatabase, get_db
from nexus_testing.records import Query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMA: dict[str, Any] = {
    "collections": {
        "items": {"indexes": [{"field": "name", "unique": True}, {"field": "created_at"}]},
        "categories": {"indexes": [{"field": "slug", "unique": True}]},
    },
    "initial_data": {"categories": [{"id": "1", "name": "Default", "slug": "default"}]},
}


@contextmanager
def acting_as(plugin: str) -> Iterator[None]:
    """Let the block's code count as the plugin's."""
    token = activity.set(Activity("hook", None, plugin))
    try:
        yield
    finally:
        activity.reset(token)


async def connected(config: Mapping[str, Any] | None = None) -> MemoryDatabase:
    """Return a new database that answers."""
    db = MemoryDatabase(config)
    await db.connect()
    return db


async def raw(db: MemoryDatabase, key: str) -> Any:
    """Return what is under a key, as a plain dict if it is one."""
    found = await db.get(key)
    return dict(found) if isinstance(found, dict) else found


# -- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_what_was_set_is_got() -> None:
    """A value comes back equal; a key without one gives the default."""
    db = await connected()
    await db.set("settings", {"theme": "dark", "sizes": [1, 2]})
    await db.set("count", 3)
    await db.set("nothing", None)

    assert await db.get("settings") == {"theme": "dark", "sizes": [1, 2]}
    assert await db.get("count") == 3
    assert await db.get("nothing", "default") is None
    assert await db.get("other") is None
    assert await db.get("other", 7) == 7
    assert await db.exists("nothing")
    assert not await db.exists("other")


@pytest.mark.asyncio
async def test_values_are_copies_with_attributes() -> None:
    """Nothing that a plugin does to a value it got or gave changes what is stored."""
    db = await connected()
    given = {"owner": {"name": "Ann"}}
    await db.set("account", given)
    given["owner"]["name"] = "Bob"
    got = await db.get("account")
    got.owner.name = "Eve"

    assert (await db.get("account")).owner.name == "Ann"


@pytest.mark.asyncio
async def test_update_merges_fields() -> None:
    """An update writes some fields and leaves the others."""
    db = await connected()
    await db.set("account", {"balance": 1, "owner": "Ann"})
    await db.update("account", {"balance": 2})

    assert await db.get("account") == {"balance": 2, "owner": "Ann"}


@pytest.mark.asyncio
async def test_an_update_of_nothing_is_refused_with_a_guess() -> None:
    """An update of a key that is not there says so and names the one that was meant."""
    db = await connected()
    await db.set("account", {"balance": 1})

    with pytest.raises(DataError, match="'acount' cannot be updated, since nothing is there") as caught:
        await db.update("acount", {"balance": 2})
    assert "Did you mean 'account'?" in caught.value.fix
    with pytest.raises(DataError, match="nothing is there") as caught:
        await db.update("zzz", {"balance": 2})
    assert "db.set('zzz'" in caught.value.fix


@pytest.mark.parametrize(("value", "fields"), [(3, {"a": 1}), ({"a": 1}, 3), ({"a": 1}, None)])
@pytest.mark.asyncio
async def test_an_update_needs_fields_on_both_sides(value: object, fields: Any) -> None:
    """What has no fields can neither be updated nor update."""
    db = await connected()
    await db.set("key", value)

    with pytest.raises(DataError, match="fields"):
        await db.update("key", fields)


@pytest.mark.asyncio
async def test_delete_is_content_with_nothing() -> None:
    """Deleting twice is no error."""
    db = await connected()
    await db.set("a", 1)
    await db.delete("a")
    await db.delete("a")

    assert not await db.exists("a")


@pytest.mark.asyncio
async def test_list_keys_gives_plain_keys_and_those_of_documents() -> None:
    """A pattern picks from all keys, plain ones first, and only * and ? are special in it."""
    db = await connected()
    await db.apply_schema("shop", SCHEMA)
    for key in ("user:2", "user:1", "User:3", "a[1]", "items.x"):
        await db.set(key, {})

    assert await db.list_keys() == ["user:2", "user:1", "User:3", "a[1]", "items.x", "categories.1"]
    assert await db.list_keys("user:?") == ["user:2", "user:1"]
    assert await db.list_keys("items.*") == ["items.x"]
    assert await db.list_keys("a[1]") == ["a[1]"]


@pytest.mark.asyncio
async def test_clear_empties_and_keeps_what_was_declared() -> None:
    """Clearing deletes values and documents; indexes hold on and initial documents do not come back."""
    db = await connected()
    await db.apply_schema("shop", SCHEMA)
    await db.set("a", 1)
    await db.clear()

    assert await db.list_keys() == []
    await db.set("items.1", {"name": "x"})
    with pytest.raises(DataError, match="already"):
        await db.set("items.2", {"name": "x"})
    await db.clear()
    assert await db.list_keys() == []


@pytest.mark.asyncio
async def test_plain_keys_never_import_mongomock() -> None:
    """A plugin without documents does not pay for them, nor does one whose schema nobody touched."""
    code = """
import asyncio, sys
from nexus_testing.nexus.database import MemoryDatabase
async def main():
    db = MemoryDatabase()
    await db.connect()
    await db.apply_schema("shop", {"collections": {"items": {"indexes": [{"field": "name", "unique": True}]}}})
    async with db.transaction() as tx:
        await tx.set("a", 1)
    await db.set("user.1", {}); await db.list_keys(); await db.clear()
    print("mongomock" in sys.modules)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: ASYNC221

    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("key", [7, None, ("a", "b")])
@pytest.mark.asyncio
async def test_a_key_must_be_a_string(key: Any) -> None:
    """A key of another type is refused by every operation that takes one."""
    db = await connected()

    for call in (db.get(key), db.set(key, 1), db.delete(key), db.exists(key), db.update(key, {}), db.list_keys(key)):
        with pytest.raises(DataError, match="is no key") as caught:
            await call
        assert __file__ in str(caught.value.where)


@pytest.mark.asyncio
async def test_nothing_is_answered_before_a_connection() -> None:
    """A database that is not connected says what to do, and health_check says so."""
    db = MemoryDatabase()

    assert not db.connected
    assert not await db.health_check()
    with pytest.raises(DataError, match="not connected") as caught:
        await db.get("a")
    assert "await db.connect()" in caught.value.fix
    with pytest.raises(DataError, match="not connected"):
        db.collection("items")
    with pytest.raises(DataError, match="not connected"):
        await db.apply_schema("shop", {})
    with pytest.raises(DataError, match="not connected"):
        async with db.transaction():
            pass


@pytest.mark.asyncio
async def test_a_disconnection_loses_nothing() -> None:
    """Data are there again after the next connection."""
    db = await connected()
    await db.set("a", 1)
    await db.disconnect()
    with pytest.raises(DataError, match="not connected"):
        await db.get("a")
    await db.connect()

    assert await db.get("a") == 1
    assert await db.health_check()


@pytest.mark.asyncio
async def test_a_value_that_bson_does_not_know_is_refused() -> None:
    """A value that production would refuse is refused here, and nothing is written."""
    db = await connected()

    with pytest.raises(DataError, match=r"value\['tags'\]"), acting_as("shop"):
        await db.set("a", {"tags": {1}})
    assert not await db.exists("a")


@pytest.mark.asyncio
async def test_a_document_over_16_mb_is_refused() -> None:
    """A document that is too large is refused by its key, written as a whole or grown, and nothing of it is stored."""
    db = await connected()
    db.collection("items")
    await db.apply_schema("shop", {"items": []})
    await db.set("items.1", {"text": ""})
    large = "x" * (16 * 1024 * 1024)

    with pytest.raises(DataError, match=r"refuses 'items.2'") as caught:
        await db.set("items.2", {"text": large})
    assert "too large" in caught.value.why
    with pytest.raises(DataError, match=r"refuses 'items.1'"):
        await db.update("items.1", {"text": large})
    assert [("items.1", "")] == [(key, (await db.get(key)).text) for key in await db.list_keys()]


@pytest.mark.asyncio
async def test_loose_values_are_a_choice() -> None:
    """With strict off a plain key keeps what Python can copy."""
    db = await connected({"strict": False})
    await db.set("a", {"tags": {1}})

    assert await db.get("a") == {"tags": {1}}
    with pytest.raises(ConfigurationError, match="strict 'no'"):
        MemoryDatabase({"strict": "no"})


@pytest.mark.asyncio
async def test_other_tasks_run_during_an_operation() -> None:
    """Reading, waiting and writing back loses an update here as it would in production."""
    db = await connected()
    await db.set("count", 0)

    async def increment() -> None:
        await db.set("count", await db.get("count") + 1)

    await asyncio.gather(increment(), increment())

    assert await db.get("count") == 1


@pytest.mark.asyncio
async def test_each_operation_is_recorded() -> None:
    """The journal says what was asked, by whom, and whether anything was there."""
    db = await connected()
    with acting_as("shop"):
        await db.set("a", 1)
        await db.get("a")
        await db.get("b")
        await db.delete("b")
        await db.list_keys("z*")
        with pytest.raises(DataError):
            await db.update("b", {})
        db.collection("items")
    await db.exists("a")

    queries = db.journal.of(Query)
    assert [(one.operation, one.key, one.found, one.plugin) for one in queries] == [
        ("set", "a", True, "shop"),
        ("get", "a", True, "shop"),
        ("get", "b", False, "shop"),
        ("delete", "b", False, "shop"),
        ("list_keys", "z*", False, "shop"),
        ("update", "b", False, "shop"),
        ("collection", "items", True, "shop"),
        ("exists", "a", True, None),
    ]
    assert all(one.duration >= 0 for one in queries)
    assert [one.seq for one in queries] == sorted({one.seq for one in queries})


@pytest.mark.asyncio
async def test_a_missing_await_is_noticed() -> None:
    """A call that nobody awaits warns at its own line."""
    db = await connected()
    collector = collect_unawaited(None)
    try:
        with pytest.warns(RuntimeWarning, match=r"MemoryDatabase.set\(\) was never awaited"):
            db.set("a", 1)
    finally:
        collect_unawaited(collector)


def test_the_interface_is_abstract() -> None:
    """Another database has to say how it does each of these things."""
    with pytest.raises(TypeError, match="abstract"):
        DatabaseAdapter()  # type: ignore[abstract]


# -- documents ---------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_key_reaches_the_document_of_a_declared_collection() -> None:
    """The part before the first dot is the collection and the rest is the id."""
    db = await connected()
    await db.apply_schema("shop", {"accounts": []})
    await db.set("accounts.a.b", {"balance": 10})

    assert await db.get("accounts.a.b") == {"balance": 10}
    assert await db.collection("accounts").find_one({"_id": "a.b"}) == {"_id": "a.b", "balance": 10}
    await db.update("accounts.a.b", {"balance": 11})
    assert await db.collection("accounts").count_documents({"balance": 11}) == 1
    await db.delete("accounts.a.b")
    assert await db.collection("accounts").count_documents({}) == 0


@pytest.mark.asyncio
async def test_a_key_reaches_documents_that_came_through_the_collection() -> None:
    """A collection that nobody declared is one as long as it holds documents."""
    db = await connected()
    await db.collection("accounts").insert_one({"_id": 7, "balance": 1})

    assert (await db.get("accounts.7")).balance == 1
    await db.update("accounts.7", {"balance": 2})
    assert await db.collection("accounts").find_one() == {"_id": 7, "balance": 2}


@pytest.mark.asyncio
async def test_values_from_before_the_collection_are_a_part_of_it() -> None:
    """A test may seed keys before the plugin that declares the collection is loaded."""
    db = await connected()
    await db.set("accounts.a", {"balance": 10})
    await db.set("accounts.total", 10)
    await db.apply_schema("bank", {"accounts": []})

    assert (await db.get("accounts.a")).balance == 10
    assert await db.collection("accounts").find_one({"_id": "a"}) == {"_id": "a", "balance": 10}
    assert (await db.get("accounts.a")).balance == 10
    assert await db.get("accounts.total") == 10
    assert await db.list_keys() == ["accounts.total", "accounts.a"]


@pytest.mark.asyncio
async def test_a_document_takes_the_place_of_a_plain_value() -> None:
    """A value that was written anew as a document is not there a second time."""
    db = await connected()
    await db.set("accounts.a", {"balance": 10})
    await db.apply_schema("bank", {"accounts": []})
    await db.set("accounts.a", {"balance": 20})
    await db.collection("accounts").delete_one({"_id": "a"})

    assert await db.get("accounts.a") is None


@pytest.mark.asyncio
async def test_a_document_is_a_dict() -> None:
    """A scalar cannot be a document; the error says why the key is one's."""
    db = await connected()
    await db.apply_schema("bank", {"accounts": []})

    with pytest.raises(DataError, match=r"'accounts.total' cannot hold 10") as caught:
        await db.set("accounts.total", 10)
    assert "collection" in caught.value.why
    assert "'accounts:total'" in caught.value.fix


@pytest.mark.asyncio
async def test_a_failed_write_changes_nothing() -> None:
    """A document that a unique index refuses leaves the old one whole."""
    db = await connected()
    await db.apply_schema("shop", SCHEMA)
    await db.set("items.1", {"name": "a", "n": 1})
    await db.set("items.2", {"name": "b", "n": 2})

    with pytest.raises(DataError, match="already"):
        await db.update("items.2", {"name": "a", "n": 3})

    assert await db.get("items.2") == {"name": "b", "n": 2}


@pytest.mark.parametrize("name", ["", "a$b", None, 7])
@pytest.mark.asyncio
async def test_a_collection_needs_a_name(name: Any) -> None:
    """What MongoDB does not take for a collection's name is refused."""
    db = await connected()

    with pytest.raises(DataError, match="is no name for a collection"):
        db.collection(name)


@pytest.mark.asyncio
async def test_routes_get_the_same_database() -> None:
    """`Depends(get_db)` gives a route the object that plugins have as self.db."""
    app = FastAPI()
    db = await connected()
    app.state.nexus = type("Kernel", (), {"db": db})()
    seen = []

    @app.get("/")
    async def route(given: Annotated[Any, Depends(get_db)]) -> None:
        seen.append(given)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/")).status_code == 200
    assert seen == [db]


# -- schemas -----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_schema_brings_indexes_and_documents() -> None:
    """Unique indexes hold, and initial documents are there by key and by query."""
    db = await connected()
    await db.apply_schema("shop", SCHEMA)

    assert await db.get("categories.1") == {"id": "1", "name": "Default", "slug": "default"}
    assert (await db.collection("categories").find_one({"slug": "default"}))["name"] == "Default"
    information = await db.collection("items").index_information()
    assert information["name_1"]["unique"]
    assert "created_at_1" in information
    with pytest.raises(DataError, match="already"):
        await db.set("categories.2", {"slug": "default"})


@pytest.mark.asyncio
async def test_an_untouched_collection_is_there_for_an_aggregation() -> None:
    """A $lookup finds the initial documents of a collection that nobody touched by name."""
    db = await connected()
    await db.apply_schema("shop", SCHEMA)
    items = db.collection("items")
    await items.insert_one({"name": "a", "category": "1"})

    found = await items.aggregate(
        [{"$lookup": {"from": "categories", "localField": "category", "foreignField": "id", "as": "of"}}]
    ).to_list(None)

    assert [[category["name"] for category in one["of"]] for one in found] == [["Default"]]


@pytest.mark.asyncio
async def test_the_short_spelling_names_collections() -> None:
    """A dict of names and lists declares collections without indexes."""
    db = await connected()
    await db.apply_schema("shop", {"messages": [], "users": [{"_id": 1, "name": "Ann"}]})
    await db.set("messages.1", {"text": "hi"})

    assert await db.collection("messages").count_documents({}) == 1
    assert await db.get("users.1") == {"_id": 1, "name": "Ann"}


@pytest.mark.asyncio
async def test_a_compound_index_may_be_unique() -> None:
    """`fields` makes one index over several fields."""
    db = await connected()
    indexes = [{"fields": ["owner", "name"], "unique": True}]
    await db.apply_schema("shop", {"collections": {"items": {"indexes": indexes}}})
    await db.set("items.1", {"owner": "x", "name": "a"})
    await db.set("items.2", {"owner": "y", "name": "a"})

    with pytest.raises(DataError, match="already"):
        await db.set("items.3", {"owner": "x", "name": "a"})


@pytest.mark.asyncio
async def test_initial_documents_are_inserted_once() -> None:
    """Neither a second load nor a document that is there already is overwritten or doubled."""
    db = await connected()
    schema = {"collections": {"a": {}}, "initial_data": {"a": [{"id": "1", "n": 1}, {"_id": 2, "n": 2}, {"n": 3}]}}
    await db.set("a.1", {"n": "mine"})
    await db.collection("a").insert_one({"_id": "2", "n": "mine"})
    await db.apply_schema("shop", schema)
    await db.delete("a.2")
    await db.apply_schema("shop", schema)

    assert await db.get("a.1") == {"n": "mine"}
    assert await db.collection("a").count_documents({}) == 2
    assert await db.collection("a").count_documents({"n": 3}) == 1


@pytest.mark.asyncio
async def test_two_plugins_may_share_a_collection() -> None:
    """Indexes of both hold, unless they contradict each other."""
    db = await connected()
    await db.apply_schema("a", {"collections": {"items": {"indexes": [{"field": "name", "unique": True}]}}})
    await db.apply_schema("b", {"collections": {"items": {"indexes": [{"field": "code", "unique": True}]}}})
    await db.apply_schema("c", {"collections": {"items": {}}, "initial_data": {"items": [{"id": "1", "code": 1}]}})

    with pytest.raises(DataError, match="already"):
        await db.set("items.2", {"name": "x", "code": 1})
    with pytest.raises(DataError, match="plain index on 'name' for 'd' and a unique index on 'name' for 'a'"):
        await db.apply_schema("d", {"collections": {"items": {"indexes": [{"field": "name"}]}}})


@pytest.mark.asyncio
async def test_a_reload_may_change_an_index() -> None:
    """The same plugin's next version replaces its own index, before and after documents came."""
    db = await connected()
    plain = {"collections": {"items": {"indexes": [{"field": "name"}]}}}
    unique = {"collections": {"items": {"indexes": [{"field": "name", "unique": True}]}}}
    await db.apply_schema("a", unique)
    await db.apply_schema("a", plain)
    await db.set("items.1", {"name": "x"})
    await db.set("items.2", {"name": "x"})

    with pytest.raises(DataError, match="cannot be made") as caught:
        await db.apply_schema("a", unique)
    assert caught.value.plugin == "a"
    await db.set("items.3", {"name": "x"})
    await db.delete("items.3")
    await db.delete("items.2")
    await db.apply_schema("a", unique)
    with pytest.raises(DataError, match="already"):
        await db.set("items.2", {"name": "x"})


@pytest.mark.parametrize(
    ("schema", "part"),
    [
        (None, "the schema is None"),
        ([], "the schema is []"),
        ({7: []}, "the key 7"),
        ({"messages": {}}, "messages is {}"),
        ({"messages": ["a"]}, "messages[0] is 'a'"),
        ({"a.b": []}, "a.b is no name"),
        ({"collections": []}, "collections is []"),
        ({"collections": {}, "initial_dat": {}}, "initial_dat is not known"),
        ({"collections": {"items": None}}, "collections.items is None"),
        ({"collections": {"items": {"index": []}}}, "collections.items.index is not known"),
        ({"collections": {"items": {"indexes": "name"}}}, "collections.items.indexes is 'name'"),
        ({"collections": {"items": {"indexes": ["name"]}}}, "collections.items.indexes[0] is 'name'"),
        ({"collections": {"items": {"indexes": [{"feild": "a"}]}}}, "collections.items.indexes[0].feild is not known"),
        ({"collections": {"items": {"indexes": [{}]}}}, "collections.items.indexes[0] has neither"),
        ({"collections": {"items": {"indexes": [{"field": 7}]}}}, "collections.items.indexes[0].field is 7"),
        ({"collections": {"items": {"indexes": [{"fields": []}]}}}, "collections.items.indexes[0].fields is []"),
        ({"collections": {"items": {"indexes": [{"fields": ["a", 7]}]}}}, "items.indexes[0].fields[1] is 7"),
        ({"collections": {"items": {"indexes": [{"field": "a", "fields": ["a"]}]}}}, "indexes[0] has both"),
        ({"collections": {"items": {"indexes": [{"field": "a", "unique": 1}]}}}, "indexes[0].unique is 1"),
        ({"collections": {"items": {"indexes": [{"field": "a"}, {"field": "a"}]}}}, "indexes[1] is a second"),
        ({"collections": {"$items": {}}}, "collections.$items is no name"),
        ({"collections": {"items": {}}, "initial_data": {"itms": []}}, "initial_data.itms names no collection"),
        ({"initial_data": {"items": []}}, "initial_data.items names no collection"),
        ({"collections": {"a": {}}, "initial_data": {"a": {}}}, "initial_data.a is {}"),
        ({"a": [{"id": "1"}, {"id": "1"}]}, "a[1].id is '1', as in a[0]"),
        (
            {"collections": {"a": {"indexes": [{"field": "n", "unique": True}]}}, "initial_data": {"a": [{}, {}]}},
            "initial_data.a[1].n is None",
        ),
    ],
)
@pytest.mark.asyncio
async def test_a_malformed_schema_is_refused_at_once(schema: Any, part: str) -> None:
    """The error names the part that is wrong, the plugin, and the shape to write; nothing is declared."""
    db = await connected()

    with pytest.raises(DataError) as caught:
        await db.apply_schema("shop", schema)

    error = caught.value
    assert part in error.what
    assert "'shop'" in error.what
    assert error.plugin == "shop"
    assert error.fix.startswith("Write ")
    assert not db.keyspace.documents.opened
    assert db.keyspace.declarations.names() == []


@pytest.mark.asyncio
async def test_a_slip_in_a_schema_is_guessed() -> None:
    """A misspelt word comes with the one that was meant."""
    db = await connected()

    with pytest.raises(DataError) as caught:
        await db.apply_schema("shop", {"collections": {"items": {"indexes": [{"feild": "name"}]}}})

    assert "Did you mean 'field'" in caught.value.why


@pytest.mark.asyncio
async def test_an_initial_document_that_bson_does_not_know_is_refused() -> None:
    """A value in a schema is held to the same rules, with its path."""
    db = await connected()

    with pytest.raises(DataError, match=r"'initial_data.a\[0\]' cannot hold .* at value\['tags'\]"):
        await db.apply_schema("shop", {"collections": {"a": {}}, "initial_data": {"a": [{"tags": {1}}]}})


@pytest.mark.asyncio
async def test_a_failed_load_leaves_no_data_behind() -> None:
    """Undoing takes back the schema and what its plugin wrote since, and nothing else."""
    db = await connected()
    await db.set("kept", 1)
    await db.set("both", {"n": 1})
    await db.collection("old").insert_one({"_id": "1", "n": 1})
    undo = await db.apply_schema("shop", {**SCHEMA, "collections": {**SCHEMA["collections"], "old": {}}})
    with acting_as("shop"):
        await db.set("made", 1)
        await db.set("both", {"n": 2})
        await db.set("items.1", {"name": "a"})
        await db.delete("old.1")
        await db.collection("old").insert_one({"_id": "2"})
        async with db.transaction() as tx:
            await tx.set("also", 1)
    with acting_as("other"):
        await db.set("others", 1)
    await undo()
    await undo()

    assert await db.list_keys() == ["kept", "both", "others", "old.1"]
    assert await db.get("both") == {"n": 1}
    await db.set("items.1", 5)
    assert await db.get("items.1") == 5


@pytest.mark.asyncio
async def test_undoing_a_load_leaves_what_others_declared() -> None:
    """A shared collection keeps its documents and the other plugin's index."""
    db = await connected()
    await db.apply_schema("a", SCHEMA)
    await db.set("items.1", {"name": "x"})
    undo = await db.apply_schema(
        "b",
        {
            "collections": {"items": {"indexes": [{"field": "code", "unique": True}]}},
            "initial_data": {"items": [{"id": "1", "name": "y"}, {"id": "2", "code": 7, "name": "z"}]},
        },
    )
    await undo()
    await db.set("items.3", {"name": "u"})
    await db.set("items.4", {"name": "v"})

    assert await db.list_keys("items.*") == ["items.1", "items.3", "items.4"]
    assert await db.get("items.1") == {"name": "x"}
    with pytest.raises(DataError, match="already"):
        await db.set("items.5", {"name": "x"})


@pytest.mark.asyncio
async def test_undoing_a_reload_brings_the_old_schema_back() -> None:
    """A new version that fails to load leaves the indexes and documents of the one before, touched or not."""
    db = await connected()
    unique = {"collections": {"items": {"indexes": [{"field": "name", "unique": True}]}}}
    plain = {
        "collections": {"items": {"indexes": [{"field": "name"}, {"field": "code", "unique": True}]}},
        "initial_data": {"items": [{"name": "new"}]},
    }
    await db.apply_schema("shop", unique)
    await (await db.apply_schema("shop", plain))()
    await db.set("items.1", {"name": "x", "code": 1})
    await (await db.apply_schema("shop", plain))()
    await db.set("items.2", {"name": "y", "code": 1})

    assert await db.collection("items").count_documents({}) == 2
    with pytest.raises(DataError, match="already"):
        await db.set("items.3", {"name": "x"})


@pytest.mark.asyncio
async def test_a_schema_that_documents_break_is_told_to_who_touches_them() -> None:
    """Initial documents of two plugins that contradict each other fail where they are, not elsewhere."""
    db = await connected()
    indexes = {"collections": {"items": {"indexes": [{"field": "code", "unique": True}]}}}
    for plugin in ("a", "b"):
        await db.apply_schema(plugin, {**indexes, "initial_data": {"items": [{"id": plugin, "code": 7}]}})
    await db.apply_schema("other", {"notes": []})

    await db.set("notes.1", {"text": "hi"})
    for _ in range(2):
        with pytest.raises(DataError, match=r"a document with \{'code': 7\} already") as caught:
            await db.get("items.a")
        assert caught.value.plugin == "b"
        assert "initial_data.items" in caught.value.what


@pytest.mark.asyncio
async def test_seeds_of_the_test_survive_a_failed_load() -> None:
    """What a test wrote before the load is there after it failed, though a collection had taken it in."""
    db = await connected()
    await db.set("accounts.a", {"balance": 1})
    undo = await db.apply_schema("bank", {"accounts": []})
    with acting_as("bank"):
        assert await db.collection("accounts").count_documents({}) == 1
        await db.clear()
    await undo()

    assert await db.get("accounts.a") == {"balance": 1}


@pytest.mark.asyncio
async def test_a_load_that_is_kept_is_not_undone() -> None:
    """After `keep` nothing is watched and undoing does nothing."""
    db = await connected()
    undo = await db.apply_schema("shop", SCHEMA)
    undo.keep()
    with acting_as("shop"):
        await db.set("made", 1)
    await undo()

    assert await db.list_keys() == ["made", "categories.1"]


# -- transactions ------------------------------------------------------------------------------------------------


async def bank() -> MemoryDatabase:
    """Return a database with two accounts."""
    db = await connected()
    await db.apply_schema("bank", {"accounts": [{"id": "a", "balance": 10}, {"id": "b", "balance": 1}]})
    return db


async def transfer(db: MemoryDatabase, amount: float) -> None:
    """Do what the guide does."""
    async with db.transaction() as tx:
        try:
            debtor = await tx.get("accounts.a")
            if debtor.balance < amount:
                raise ValueError("Insufficient funds")  # noqa: TRY301 - as plugins write it
            debtor.balance -= amount
            await tx.update("accounts.a", debtor)
            creditor = await tx.get("accounts.b")
            creditor.balance += amount
            await tx.update("accounts.b", creditor)
            await tx.commit()
        except Exception:
            await tx.rollback()
            raise


async def balances(db: MemoryDatabase) -> tuple[float, float]:
    """Return both balances."""
    return (await db.get("accounts.a")).balance, (await db.get("accounts.b")).balance


@pytest.mark.asyncio
async def test_a_transfer_moves_money() -> None:
    """The usual transaction, with explicit commit and rollback, runs as plugins write it."""
    db = await bank()
    await transfer(db, 4)

    assert await balances(db) == (6, 5)


@pytest.mark.asyncio
async def test_a_transfer_that_fails_moves_nothing() -> None:
    """The plugin's own exception comes out of the block, and nothing was written."""
    db = await bank()

    with pytest.raises(ValueError, match="Insufficient funds"):
        await transfer(db, 40)

    assert await balances(db) == (10, 1)


@pytest.mark.asyncio
async def test_nothing_is_seen_outside_before_the_commit() -> None:
    """A transaction reads its own writes; the same task, through the database, does not."""
    db = await bank()
    async with db.transaction() as tx:
        await tx.update("accounts.a", {"balance": 0})
        await tx.set("note", {"text": "x"})
        await tx.delete("accounts.b")

        assert (await tx.get("accounts.a")).balance == 0
        assert (await tx.get("note")).text == "x"
        assert await tx.get("accounts.b", "gone") == "gone"
        assert not await tx.exists("accounts.b")
        assert await balances(db) == (10, 1)
        assert not await db.exists("note")
        assert await db.collection("accounts").count_documents({"balance": 0}) == 0

    assert (await db.get("accounts.a")).balance == 0
    assert await db.list_keys() == ["note", "accounts.a"]


@pytest.mark.asyncio
async def test_an_exception_rolls_back() -> None:
    """An exception that leaves the block takes all writes with it."""
    db = await bank()

    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what raises
        async with db.transaction() as tx:
            await tx.set("accounts.a", {"balance": 0})
            raise ZeroDivisionError

    assert await balances(db) == (10, 1)


@pytest.mark.asyncio
async def test_a_commit_is_all_or_nothing() -> None:
    """If one write is refused, those before it are taken back."""
    db = await connected()
    await db.apply_schema("shop", SCHEMA)
    await db.set("items.1", {"name": "a"})
    await db.set("plain", 1)

    with pytest.raises(DataError, match="already"):  # noqa: PT012 - the block is what raises
        async with db.transaction() as tx:
            await tx.set("plain", 2)
            await tx.delete("categories.1")
            await tx.set("items.2", {"name": "b"})
            await tx.set("items.3", {"name": "a"})

    assert await db.list_keys() == ["plain", "items.1", "categories.1"]
    assert await db.get("plain") == 1


@pytest.mark.asyncio
async def test_two_transactions_do_not_lose_an_update() -> None:
    """Of two transfers at once one is told that the other was first; no money is made."""
    db = await bank()

    outcomes = await asyncio.gather(transfer(db, 1), transfer(db, 2), return_exceptions=True)

    failed = [one for one in outcomes if one is not None]
    assert [TransactionError] == [type(one) for one in failed]
    assert "'accounts.a'" in str(failed[0])
    assert sum(await balances(db)) == 11


@pytest.mark.asyncio
async def test_reads_repeat() -> None:
    """A transaction sees a key as it was when it began, whoever writes it meanwhile."""
    db = await bank()
    async with db.transaction() as tx:
        before = await tx.get("accounts.a")
        await db.update("accounts.a", {"balance": 99})

        assert await tx.get("accounts.a") == before

    assert (await db.get("accounts.a")).balance == 99


@pytest.mark.asyncio
async def test_what_is_got_in_a_transaction_is_a_copy() -> None:
    """Only an update writes: a changed copy alone changes nothing."""
    db = await bank()
    async with db.transaction() as tx:
        (await tx.get("accounts.a")).balance = 0
        written = {"balance": 5}
        await tx.set("accounts.b", written)
        written["balance"] = 6
        (await tx.get("accounts.b")).balance = 7

    assert await balances(db) == (10, 5)


@pytest.mark.asyncio
async def test_a_savepoint_is_rolled_back_by_itself() -> None:
    """An inner transaction that fails takes only its own writes; one that succeeds joins the outer."""
    db = await bank()
    async with db.transaction() as tx:
        await tx.update("accounts.a", {"balance": 1})
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what raises
            async with tx.transaction() as inner:
                assert (await inner.get("accounts.a")).balance == 1
                await inner.update("accounts.a", {"balance": 2})
                raise ZeroDivisionError
        assert (await tx.get("accounts.a")).balance == 1
        async with tx.transaction() as inner:
            await inner.update("accounts.b", {"balance": 3})
            assert (await tx.get("accounts.b")).balance == 1
        assert (await tx.get("accounts.b")).balance == 3
        assert await balances(db) == (10, 1)

    assert await balances(db) == (1, 3)


@pytest.mark.asyncio
async def test_a_savepoint_ends_with_its_outer_transaction() -> None:
    """An inner transaction cannot outlive the outer one."""
    db = await bank()

    with pytest.raises(TransactionError, match="after it was rolled back"):  # noqa: PT012 - the block is what raises
        async with db.transaction() as tx, tx.transaction() as inner:
            await tx.rollback()
            await inner.set("a", 1)


@pytest.mark.parametrize("ending", ["commit", "rollback"])
@pytest.mark.asyncio
async def test_a_transaction_is_over_after_its_end(ending: str) -> None:
    """What comes after the end is refused, with the line and the line of the end; leaving the block is not."""
    db = await bank()
    async with db.transaction() as tx:
        await getattr(tx, ending)()
        for call in (tx.get("a"), tx.set("a", 1), tx.update("accounts.a", {}), tx.delete("a"), tx.exists("a")):
            with pytest.raises(TransactionError, match="used after it was") as caught:
                await call
            assert __file__ in str(caught.value.where)
            assert __file__ in caught.value.why
        for call in (tx.commit(), tx.rollback()):
            with pytest.raises(TransactionError, match="used after it was"):
                await call
        with pytest.raises(TransactionError, match="used after it was"):
            tx.transaction()

    with pytest.raises(TransactionError, match="used after it was"):
        await tx.get("a")
    assert not await db.exists("a")


@pytest.mark.asyncio
async def test_a_transaction_is_used_in_its_block_once() -> None:
    """A transaction cannot be used before its block, nor entered twice."""
    db = await bank()
    tx = db.transaction()
    with pytest.raises(TransactionError, match="before its block is entered"):
        await tx.get("a")
    async with tx:
        pass
    with pytest.raises(TransactionError, match="a second time"):
        async with tx:
            pass


@pytest.mark.asyncio
async def test_wrong_values_are_refused_where_they_are_written() -> None:
    """A value that cannot be stored is refused by the write, not by the commit."""
    db = await bank()
    async with db.transaction() as tx:
        with pytest.raises(DataError, match="cannot hold"):
            await tx.set("a", {1})
        with pytest.raises(DataError, match="cannot hold 3"):
            await tx.set("accounts.a", 3)
        with pytest.raises(DataError, match="nothing is there"):
            await tx.update("accounts.z", {"balance": 1})

    assert await balances(db) == (10, 1)


@pytest.mark.asyncio
async def test_a_transaction_is_recorded() -> None:
    """The journal has each step of a transaction."""
    db = await bank()
    await transfer(db, 1)

    assert [one.operation for one in db.journal.of(Query)] == ["get", "update", "get", "update", "commit"]


@pytest.mark.asyncio
async def test_a_transaction_sees_one_moment() -> None:
    """Documents and plain keys are read as they stood at the block's start, also those it looks at later."""
    db = await bank()
    await db.set("rate", 1)
    async with db.transaction() as tx:
        await db.set("rate", 2)
        await db.set("fresh", 3)
        await db.update("accounts.b", {"balance": 77})
        await db.delete("accounts.a")

        assert await tx.get("rate") == 1
        assert not await tx.exists("fresh")
        assert (await tx.get("accounts.b")).balance != 77
        assert await tx.exists("accounts.a")

    assert await db.get("rate") == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ["rate", "accounts.a"])
async def test_a_blind_write_conflicts_too(key: str) -> None:
    """What somebody else wrote since the block began is not overwritten unseen, be it a value or a document."""
    db = await bank()
    tx = db.transaction()
    await tx.__aenter__()
    await tx.set(key, {"balance": 1})
    await db.set(key, {"balance": 2})

    with pytest.raises(TransactionError, match=f"wrote '{key}' since it began"):
        await tx.commit()
    with pytest.raises(TransactionError, match="since it began"):
        await tx.__aexit__(None, None, None)
    assert (await db.get(key)).balance == 2


@pytest.mark.asyncio
async def test_a_transaction_belongs_to_its_task() -> None:
    """Another task that uses it is told where it was begun."""
    db = await bank()
    async with db.transaction() as tx:
        other = asyncio.create_task(_get(tx, "accounts.a"))
        with pytest.raises(TransactionError, match="from another task") as caught:
            await other

    assert "test_database.py" in caught.value.why


async def _get(tx: Any, key: str) -> Any:
    return await tx.get(key)


@pytest.mark.asyncio
async def test_an_ended_transaction_keeps_nothing_of_the_past() -> None:
    """After the last transaction no earlier value is kept."""
    db = await bank()
    async with db.transaction() as tx:
        await db.set("rate", 2)
        assert db.keyspace.plain.versions.entries
        await tx.rollback()

    assert not db.keyspace.plain.versions.entries


@pytest.mark.asyncio
async def test_a_schema_makes_documents_expire() -> None:
    """`expireAfterSeconds` of an index is followed, by the database's clock; wrong ones are refused."""
    from datetime import datetime

    db = await connected()
    index = {"field": "at", "expireAfterSeconds": 60}
    await db.apply_schema("shop", {"collections": {"carts": {"indexes": [index]}}})
    await db.set("carts.old", {"at": datetime(2020, 1, 1)})
    await db.set("carts.new", {"at": datetime(2999, 1, 1)})

    assert await db.list_keys() == ["carts.new"]
    for wrong in (-1, True, "60", 2**31):
        with pytest.raises(DataError, match="expireAfterSeconds"):
            await db.apply_schema("b", {"collections": {"c": {"indexes": [{**index, "expireAfterSeconds": wrong}]}}})
    compound = {"fields": ["at", "name"], "expireAfterSeconds": 1}
    with pytest.raises(DataError, match="one field only"):
        await db.apply_schema("b", {"collections": {"c": {"indexes": [compound]}}})


@pytest.mark.asyncio
async def test_a_collection_does_not_outlive_its_database() -> None:
    """A collection that a plugin kept answers no more once the database is disconnected."""
    db = await connected()
    items = db.collection("items")
    await db.disconnect()

    with pytest.raises(DataError, match="not connected"):
        await items.find_one()
