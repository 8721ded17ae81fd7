"""What of an app's data is kept on a real database, kind by kind: documents, values, and what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..fakes.documents.packing import Packed, pack, pack_document, unpack, unpack_document
from ..fakes.documents.shelf import shelf_key
from .values import stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..servers.database import Entry
    from .database import MemoryDatabase

__all__ = ("Kept", "kinds")


class Kept(Protocol):
    """One kind of data: how it is read out of memory, and put into it."""

    name: str
    """The kind's name in the table."""
    places: bool
    """Whether what is kept has places of its own."""

    def now(self) -> Iterator[tuple[str, Mapping[Any, Any], Mapping[Any, int]]]:
        """Return what there is in each collection, and the places of it."""
        ...

    def pack(self, local: Any, what: Any) -> Packed:
        """Return what is kept.

        Args:
            local: Where it stands in memory.
            what: What stands there.
        """
        ...

    def put(self, entry: Entry) -> tuple[Any, Any]:
        """Put what was kept into memory; return where it stands, and what stands there.

        Args:
            entry: What was kept.
        """
        ...

    def remove(self, collection: str, local: Any) -> None:
        """Take something out of memory.

        Args:
            collection: Its collection.
            local: Where it stands.
        """
        ...


class _Documents:
    name = "document"
    places = True

    def __init__(self, database: MemoryDatabase) -> None:
        self._store = database.keyspace.documents

    def now(self) -> Iterator[tuple[str, Mapping[Any, Any], Mapping[Any, int]]]:
        for name, shelf in self._store.shelves():
            yield name, shelf._documents, shelf._order

    def pack(self, local: Any, what: Any) -> Packed:  # noqa: ARG002 - it is in the document
        return pack_document(what)

    def put(self, entry: Entry) -> tuple[Any, Any]:
        document = unpack_document(entry.body, derived=entry.derived)
        local = shelf_key(document["_id"])
        self._store.shelf(entry.key.collection).take(local, document, entry.place)
        return local, document

    def remove(self, collection: str, local: Any) -> None:
        shelf = self._store.shelf(collection)
        if local in shelf._documents:
            del shelf[local]


class _Named:
    """Values under names, in no collection."""

    name = ""
    places = False

    def now(self) -> Iterator[tuple[str, Mapping[Any, Any], Mapping[Any, int]]]:
        yield "", self._all(), {}

    def pack(self, local: Any, what: Any) -> Packed:
        return pack(local, what)

    def put(self, entry: Entry) -> tuple[Any, Any]:
        name, what = unpack(entry.key.id, entry.body)
        return name, self._put(name, what)

    def remove(self, collection: str, local: Any) -> None:  # noqa: ARG002 - there is none
        self._remove(local)

    def _all(self) -> Mapping[str, Any]:
        raise NotImplementedError

    def _put(self, name: str, what: Any) -> Any:
        raise NotImplementedError

    def _remove(self, name: str) -> None:
        raise NotImplementedError


class _Values(_Named):
    name = "value"

    def __init__(self, database: MemoryDatabase) -> None:
        self._plain = database.keyspace.plain

    def _all(self) -> Mapping[str, Any]:
        return self._plain

    def _put(self, name: str, what: Any) -> Any:
        # BSON gives a kind of int of its own back where there are more than 32 bits.
        value = self._plain[name] = stored(what, name)
        return value

    def _remove(self, name: str) -> None:
        self._plain.pop(name)


class _Indexes(_Named):
    """Which collections were made, and which indexes each has."""

    name = "collection"

    def __init__(self, database: MemoryDatabase) -> None:
        self._store = database.keyspace.documents

    def _all(self) -> Mapping[str, Any]:
        return {
            name: {"made": shelf._is_force_created, "indexes": shelf.indexes}
            for name, shelf in self._store.shelves()
            if shelf._is_force_created or shelf.indexes
        }

    def _put(self, name: str, what: Any) -> Any:
        shelf = self._store.shelf(name)
        shelf._is_force_created = what["made"]
        indexes = {
            made: {**index, "key": [tuple(part) for part in index["key"]]} for made, index in what["indexes"].items()
        }
        for made in [one for one, index in shelf.indexes.items() if indexes.get(one) != index]:
            shelf.drop_index(made)
        for made in indexes.keys() - shelf.indexes.keys():
            shelf.create_index(made, indexes[made])
        return what

    def _remove(self, name: str) -> None:
        self._put(name, {"made": False, "indexes": {}})


class _Migrations(_Named):
    """Which migrations were applied, by plugin."""

    name = "migrations"

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def _all(self) -> Mapping[str, Any]:
        return {plugin: list(names) for plugin, names in self._database.migrations.items() if names}

    def _put(self, name: str, what: Any) -> Any:
        self._database.migrations.setdefault(name, [])[:] = what
        return what

    def _remove(self, name: str) -> None:
        self._database.migrations.get(name, []).clear()


class _Given(_Named):
    """Which documents schemas gave, which are given once."""

    name = "given"

    def __init__(self, database: MemoryDatabase) -> None:
        self._declarations = database.keyspace.declarations

    def _all(self) -> Mapping[str, Any]:
        return self._declarations.given()

    def _put(self, name: str, what: Any) -> Any:
        self._declarations.remembered[name] = what
        return what

    def _remove(self, name: str) -> None:
        self._declarations.remembered.pop(name, None)


def kinds(database: MemoryDatabase) -> list[Kept]:
    """Return all kinds of what is kept.

    Args:
        database: Whose data it is.
    """
    return [_Documents(database), _Values(database), _Indexes(database), _Migrations(database), _Given(database)]
