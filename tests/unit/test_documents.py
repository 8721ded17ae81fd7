"""The store of documents: ids, indexes, images."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from bson import ObjectId

from nexus_testing.errors import DataError
from nexus_testing.fakes.documents import DocumentStore, Index


@pytest.fixture(name="store")
def _store() -> DocumentStore:
    return DocumentStore()


def test_mongomock_is_imported_by_the_first_touch_only() -> None:
    """Neither the import of the module nor a new store imports mongomock; a collection does."""
    code = (
        "import sys; from nexus_testing.fakes.documents import DocumentStore; s = DocumentStore();"
        "s.names(); s.clear(); s.drop('a'); before = 'mongomock' in sys.modules;"
        "s.put('a', '1', {}); print(before, 'mongomock' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "True"]


def test_a_document_is_found_by_the_id_it_was_put_under(store: DocumentStore) -> None:
    """What was put under an id is found there as it was written, without an `_id` of ours."""
    store.put("accounts", "a", {"balance": 10})

    assert store.find("accounts", "a") == {"balance": 10}
    assert store.find("accounts", "b") is None
    assert store.ids("accounts") == ["a"]


def test_an_id_is_compared_as_a_string_first_with_the_own_id(store: DocumentStore) -> None:
    """`_id` counts before `id`, and both of them whatever their type."""
    own = ObjectId()
    store.insert("items", {"_id": own, "id": 7, "name": "by id"}, key="k")
    store.insert("items", {"_id": 8, "id": 9, "name": "by _id"}, key="k")
    store.insert("items", {"_id": 9, "name": "nine"}, key="k")

    assert store.find("items", "7") == {"_id": own, "id": 7, "name": "by id"}
    assert store.find("items", str(own)) == {"_id": own, "id": 7, "name": "by id"}
    assert store.find("items", "8") == {"_id": 8, "id": 9, "name": "by _id"}
    assert store.find("items", "9") == {"_id": 9, "name": "nine"}
    assert store.ids("items") == ["7", "8", "9"]


def test_documents_without_any_id_get_one_each(store: DocumentStore) -> None:
    """MongoDB's own ids are made where a document has none."""
    store.insert("items", {"n": 1}, key="k")
    store.insert("items", {"n": 2}, key="k")

    assert len(set(store.ids("items"))) == 2
    assert [store.find("items", one)["n"] for one in store.ids("items")] == [1, 2]  # type: ignore[index]


def test_a_document_put_again_is_replaced_in_its_place(store: DocumentStore) -> None:
    """Putting replaces the whole document and keeps its `_id` and the order."""
    own = ObjectId()
    store.insert("items", {"_id": own, "id": "1", "name": "a", "old": True}, key="k")
    store.put("items", "2", {"name": "b"})
    store.put("items", "1", {"name": "c"})

    assert store.find("items", "1") == {"_id": own, "id": "1", "name": "c"}
    assert store.ids("items") == ["1", "2"]


@pytest.mark.parametrize("document", [{"_id": "b"}, {"id": "b"}])
def test_an_id_cannot_be_changed(store: DocumentStore, document: dict[str, Any]) -> None:
    """A document whose own id contradicts its key is refused, and stays as it was."""
    store.insert("accounts", {"_id": ObjectId(), "id": "a", "balance": 1}, key="k")

    with pytest.raises(DataError, match="cannot have the") as caught:
        store.put("accounts", "a", document)

    assert "'accounts.b'" in caught.value.fix
    assert store.find("accounts", "a")["balance"] == 1  # type: ignore[index]


def test_a_new_document_cannot_have_another_id_than_its_key(store: DocumentStore) -> None:
    """The `_id` of a new document is the id in its key, whatever its type."""
    with pytest.raises(DataError, match="cannot have the _id 'b'"):
        store.put("accounts", "a", {"_id": "b"})
    store.put("accounts", "7", {"_id": 7})

    assert store.ids("accounts") == ["7"]


def test_a_unique_index_holds_for_new_and_for_replaced_documents(store: DocumentStore) -> None:
    """A second document with the same value is refused by name, and nothing is changed by the attempt."""
    store.index("items", Index(("name",), unique=True))
    store.put("items", "1", {"name": "a"})
    store.put("items", "2", {"name": "b"})

    for own in ("2", "3"):
        with pytest.raises(DataError, match=r"has a document with \{'name': 'a'\} already") as caught:
            store.put("items", own, {"name": "a"})
        assert "'name' is unique" in caught.value.why
        assert f"'items.{own}'" in caught.value.what

    assert store.find("items", "2") == {"name": "b"}
    assert store.ids("items") == ["1", "2"]


def test_a_compound_index_is_about_all_its_fields(store: DocumentStore) -> None:
    """A unique index over two fields forbids only what agrees in both."""
    store.index("items", Index(("owner", "name"), unique=True))
    store.put("items", "1", {"owner": "x", "name": "a"})
    store.put("items", "2", {"owner": "y", "name": "a"})

    with pytest.raises(DataError, match="already"):
        store.put("items", "3", {"owner": "x", "name": "a"})


def test_a_sparse_index_leaves_out_documents_without_the_field(store: DocumentStore) -> None:
    """A unique sparse index takes several documents without the field, a plain unique one does not."""
    store.index("a", Index(("code",), unique=True, sparse=True))
    store.index("b", Index(("code",), unique=True))
    store.put("a", "1", {})
    store.put("a", "2", {})
    store.put("b", "1", {})

    with pytest.raises(DataError, match="already"):
        store.put("b", "2", {})


def test_an_index_that_documents_break_is_refused(store: DocumentStore) -> None:
    """An index cannot become unique over values that are not."""
    store.put("items", "1", {"name": "a"})
    store.put("items", "2", {"name": "a"})

    with pytest.raises(DataError, match="unique index on 'name' of the collection 'items' cannot be made") as caught:
        store.index("items", Index(("name",), unique=True))

    assert "same value" in caught.value.why


def test_a_dropped_index_does_not_hold(store: DocumentStore) -> None:
    """After an index is gone its values may repeat; dropping it twice does nothing."""
    made = store.index("items", Index(("name",), unique=True))
    store.unindex("items", made)
    store.unindex("items", made)
    store.put("items", "1", {"name": "a"})
    store.put("items", "2", {"name": "a"})

    assert store.ids("items") == ["1", "2"]


def test_what_mongodb_does_not_take_is_refused(store: DocumentStore) -> None:
    """A field that MongoDB forbids is an error that names the key."""
    with pytest.raises(DataError, match=r"refuses 'items\.1'") as caught:
        store.put("items", "1", {"$set": 1})

    assert caught.value.why


def test_a_removed_document_is_gone(store: DocumentStore) -> None:
    """Removing says whether there was something to remove."""
    store.put("items", "1", {"a": 1})

    assert store.remove("items", "1")
    assert not store.remove("items", "1")
    assert "items" not in store


def test_clear_keeps_indexes_and_drop_does_not(store: DocumentStore) -> None:
    """Clearing deletes documents only; dropping forgets the collection."""
    store.index("items", Index(("name",), unique=True))
    store.put("items", "1", {"name": "a"})
    store.clear()
    store.put("items", "2", {"name": "b"})
    with pytest.raises(DataError, match="already"):
        store.put("items", "3", {"name": "b"})

    store.drop("items")
    store.put("items", "4", {"name": "a"})
    store.put("items", "5", {"name": "a"})

    assert store.ids("items") == ["4", "5"]


def test_an_image_puts_back_what_stood_under_an_id(store: DocumentStore) -> None:
    """A document that was changed, deleted or made since is as it was, down to its `_id`."""
    store.index("items", Index(("name",), unique=True))
    store.put("items", "1", {"name": "a", "tags": ["x"]})
    store.insert("items", {"_id": {"part": 1}, "id": "2", "name": "b"}, key="k")
    images = [store.image("items", own) for own in ("1", "2", "3")]
    store.put("items", "1", {"name": "c"})
    store.remove("items", "2")
    store.put("items", "3", {"name": "a"})
    for image in reversed(images):
        store.restore(image)

    assert store.find("items", "1") == {"name": "a", "tags": ["x"]}
    assert store.find("items", "2") == {"_id": {"part": 1}, "id": "2", "name": "b"}
    assert store.find("items", "3") is None


def test_a_whole_collection_can_be_put_back(store: DocumentStore) -> None:
    """All documents of a collection are as they were, in their order, and no others."""
    store.put("items", "1", {"n": [1]})
    store.put("items", "2", {"n": [2]})
    images = store.images("items")
    store.remove("items", "1")
    store.put("items", "2", {})
    store.put("items", "3", {})
    store.restore_all("items", images)

    assert store.ids("items") == ["1", "2"]
    assert store.find("items", "1") == {"n": [1]}


@pytest.mark.asyncio
async def test_a_collection_speaks_motor_about_the_same_documents(store: DocumentStore) -> None:
    """What is written by id is read through the collection, and the other way round."""
    items = store.collection("items")
    store.put("items", "1", {"name": "a"})
    result = await items.insert_one({"name": "b"})

    assert await items.find_one({"_id": "1"}) == {"_id": "1", "name": "a"}
    assert [one["name"] async for one in items.find().sort("name", -1)] == ["b", "a"]
    assert store.find("items", str(result.inserted_id)) == {"_id": result.inserted_id, "name": "b"}
    assert store.names() == ["items"]


@pytest.mark.asyncio
async def test_a_plugin_catches_the_drivers_own_error(store: DocumentStore) -> None:
    """Through the collection a unique index raises what pymongo raises."""
    from pymongo.errors import DuplicateKeyError

    store.index("items", Index(("name",), unique=True))
    await store.collection("items").insert_one({"name": "a"})

    with pytest.raises(DuplicateKeyError):
        await store.collection("items").insert_one({"name": "a"})
