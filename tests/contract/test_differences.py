"""The indexed store against mongomock without indexes: the same operations, the same outcomes.

`NEXUS_DIFFERENCES` says how many operations (2,000 unless it is set), `NEXUS_DIFFERENCES_SEED` which ones.
"""

from __future__ import annotations

import os
import random
from typing import Any

import mongomock
import pytest
from bson import ObjectId
from pymongo.errors import PyMongoError

from nexus_testing.fakes.documents.history import History
from nexus_testing.fakes.documents.mongo import Client, Server

COUNT = int(os.environ.get("NEXUS_DIFFERENCES", "2000"))
SEED = int(os.environ.get("NEXUS_DIFFERENCES_SEED", "5"))
MOST = 200
IDS = [ObjectId(f"{number:024x}") for number in range(20)]
INDEXES: tuple[tuple[Any, dict[str, Any]], ...] = (
    ("u", {"unique": True, "sparse": True}),
    ([("a", 1), ("b", 1)], {}),
    ("tags", {}),
    ("c.d", {}),
    ([("x", 1), ("y", 1)], {"unique": True, "sparse": True}),
)


class Operations:
    """Makes operations at random, none of which mongomock is known to get wrong.

    Left out: booleans beside 0 and 1, lists and nulls under unique indexes, updates that fail half-way, and
    dicts as `_id`, which it cannot put back after a violation.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - not for secrets
        self._next = 0

    def value(self) -> Any:
        """Return a value of a field."""
        return self._random.choice(
            [None, "x", "y", 2, 3, 4.0, IDS[0], {"d": 2}, {"d": [2, "x"]}, ["x", 2], [], [{"d": 3}, {"e": 1}], b"z"]
        )

    def document(self) -> dict[str, Any]:
        """Return a document."""
        made: dict[str, Any] = {field: self.value() for field in ("a", "b", "c", "tags") if self._random.random() < 0.6}
        if self._random.random() < 0.5:
            made["u"] = self._random.randrange(2, 80)
        if self._random.random() < 0.3:
            made |= {"x": self._random.randrange(2, 9), "y": self._random.randrange(2, 9)}
        self._next += 1
        made["_id"] = self._random.choice([self._next, f"k{self._next}", *IDS])
        return made

    def query(self) -> dict[str, Any]:
        """Return a filter."""
        number = self._random.randrange(2, 80)
        return self._random.choice(
            [
                {"u": number},
                {"u": {"$in": [number, number + 1, None]}},
                {"a": self._plain()},
                {"a": self._plain(), "b": self._plain()},
                {"tags": self._plain()},
                {"c.d": self._plain()},
                {"c.d": {"$eq": self._plain()}},
                {"$and": [{"a": self._plain()}, {"tags": {"$exists": True}}]},
                {"$or": [{"u": number}, {"a": self._plain()}]},
                {"x": number % 9, "y": {"$gt": 3}},
                {"_id": self._random.choice([self._next, f"k{number}", IDS[3]])},
                {"_id": {"$in": [number, IDS[number % 20]]}},
                {"u": {"$gte": number}, "a": self._plain()},
                {"a": {"$ne": self._plain()}, "u": number},
                {"a": self.value()},
            ]
        )

    def _plain(self) -> Any:
        return self._random.choice([None, "x", "y", 2, 3, 4, b"z"])

    def update(self) -> dict[str, Any]:
        """Return an update."""
        number = self._random.randrange(2, 80)
        return self._random.choice(
            [
                {"$set": {"a": self.value()}},
                {"$set": {"u": number, "b": self.value()}},
                {"$unset": {"u": 1}},
                {"$set": {"x": number % 9, "y": 2}},
                {"$set": {"tags": ["x", number]}},
                {"$inc": {"count": 2}},
                {"$set": {"c": {"d": self.value()}}},
            ]
        )

    def one(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return the name of a method and what to call it with."""
        upsert = {"upsert": self._random.random() < 0.1}
        if self._random.random() < 0.4:
            return "insert_one", (self.document(),), {}
        choices: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
            ("find", (self.query(),), {}),
            ("find", (self.query(),), {"sort": [("u", -1)]}),
            ("find_one", (self.query(),), {}),
            ("count_documents", (self.query(),), {}),
            ("update_one", (self.query(), self.update()), {}),
            ("update_many", ({"u": self._random.randrange(2, 80)}, self.update()), {}),
            ("replace_one", ({"u": self._random.randrange(2, 80)}, {"a": self.value()}), {}),
            ("find_one_and_update", (self.query(), self.update()), {}),
            ("update_one", ({"u": self._random.randrange(2, 80)}, {"$inc": {"n": 1}}), upsert),
            ("delete_one", (self.query(),), {}),
            ("aggregate", ([{"$match": self.query()}, {"$group": {"_id": "$a", "n": {"$sum": 1}}}],), {}),
            ("distinct", ("u",), {}),
        ]
        return self._random.choice(choices)


def outcome(collection: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what an operation comes to, made comparable."""
    try:
        found = getattr(collection, name)(*args, **kwargs)
    except PyMongoError as error:
        return type(error).__name__
    if name in {"find", "aggregate"}:
        return list(found)
    for field in ("inserted_id", "deleted_count"):
        if hasattr(found, field):
            return getattr(found, field)
    if hasattr(found, "matched_count"):
        upserted = found.upserted_id is not None
        return (found.matched_count, found.modified_count, upserted)
    return found


def copied(value: Any) -> Any:
    """Return a copy, down to what cannot change."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return type(value)(copied(item) for item in value) if isinstance(value, list | tuple) else value


def run(ours: Any, plain: Any, *, seed: int, count: int) -> int:
    """Run the same operations on both, compare, and return how many documents were there at most."""
    operations = Operations(seed)
    most = 0
    for key, options in INDEXES:
        ours.create_index(key, **options)
        plain.create_index(key, **options)
    for number in range(count):
        name, args, kwargs = operations.one()
        if name == "insert_one" and plain.estimated_document_count() >= MOST:
            name, args = "delete_many", ({"u": {"$gt": 40}},)
        mine = outcome(ours, name, copied(args), copied(kwargs))
        theirs = outcome(plain, name, copied(args), copied(kwargs))
        shown = f"operation {number} of seed {seed}: {name}{args!r} {kwargs!r}"
        assert theirs == mine, shown
        if kwargs.get("upsert"):
            # Each made an id of its own.
            plain.delete_many({"_id": {"$type": "objectId", "$nin": IDS}})
            ours.delete_many({"_id": {"$type": "objectId", "$nin": IDS}})
        if number % 50 == 0:
            assert list(plain.find()) == list(ours.find()), shown
        most = max(most, plain.estimated_document_count())
    assert list(plain.find()) == list(ours.find())
    return most


def fresh() -> Any:
    """Return a new indexed collection."""
    return Client(Server(lambda: 0.0, History()))["nexus"]["items"]


def test_indexes_change_no_outcome() -> None:
    """Every operation comes to the same with indexes in use as without any, over up to 200 documents."""
    most = run(fresh(), mongomock.MongoClient()["nexus"]["items"], seed=SEED, count=COUNT)

    assert 50 < most <= MOST


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that loses documents is noticed."""
    from nexus_testing.fakes.documents.hashes import HashIndex

    real = HashIndex.look_up
    monkeypatch.setattr(HashIndex, "look_up", lambda self, wanted: (real(self, wanted) or [])[1:])

    with pytest.raises(AssertionError, match="operation"):
        run(fresh(), mongomock.MongoClient()["nexus"]["items"], seed=SEED, count=500)
