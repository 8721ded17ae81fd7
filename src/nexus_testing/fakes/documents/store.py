"""Documents by collection and id, for the framework's own use; collections, for that of plugins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import DataError
from ...locations import caller
from .checkpoint import Checkpoint
from .history import History

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from .history import Snapshot
    from .shelf import Shelf

__all__ = ("DocumentStore", "Image", "Index", "KeyId")

_DATABASE = "nexus"


class Index(NamedTuple):
    """An index of a collection, over one field or several."""

    fields: tuple[str, ...]
    unique: bool = False
    sparse: bool = False
    expire_after_seconds: float | None = None

    def __str__(self) -> str:
        kind = ("unique" if self.unique else "plain") + (", sparse" if self.sparse else "")
        if self.expire_after_seconds is not None:
            kind += f", expiring after {self.expire_after_seconds:g} s"
        return f"{kind} index on {' and '.join(repr(field) for field in self.fields)}"


class Image(NamedTuple):
    """What stood under an id at some time; `document` is None if nothing did."""

    collection: str
    id: str
    document: dict[str, Any] | None


class KeyId(str):
    """An `_id` that nobody wrote: it was made of the key, or of the document's `id`."""

    __slots__ = ()


class DocumentStore:
    """Documents by collection and id, behind a Motor-like client. Lives as long as its database.

    Reading and writing by id is synchronous; `collection` returns what plugins await.

    Args:
        now: Returns the seconds since the epoch, by which documents expire.
        check: Raises if collections must not answer.
        note: Takes what a collection was asked: operation, collection, whether anything was found, seconds.
        scanned: Takes collection and fields of a query for which there should be an index.
        exchange: Returns the block in which a collection answers, given whether it may write.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        check: Callable[[], None] = lambda: None,
        note: Callable[[str, str, bool, float], None] = lambda *_: None,
        scanned: Callable[[str, tuple[str, ...]], None] = lambda *_: None,
        exchange: Callable[[bool], AbstractAsyncContextManager[None]] | None = None,
    ) -> None:
        self.history = History()
        self._now = now
        self._check = check
        self._note = note
        self._scanned = scanned
        self._exchange = exchange
        self._motor: Any = None
        self._database: Any = None
        self._shelves: Any = None
        self._view: Any = None
        self._server: Any = None
        self._duplicate: type[Exception] = Exception

    # -- collections ---------------------------------------------------------------------------------------------

    @property
    def opened(self) -> bool:
        """Whether a collection was touched."""
        return self._motor is not None

    def open(self) -> None:
        """Import mongomock and start a server of it; the second time does nothing."""
        if self._motor is not None:
            return
        # Takes longer to import than most tests take to run, so it waits for the first collection.
        from mongomock import DuplicateKeyError

        from .mongo import Client, Server
        from .motor import MotorClient
        from .view import View

        server = self._server = Server(self._now, self.history, self._scanned)
        client = Client(server)
        self._motor = MotorClient(client, self._check, self._note, self._exchange)
        self._database = client[_DATABASE]
        self._shelves = server[_DATABASE]
        self._view = View
        self._duplicate = DuplicateKeyError

    def names(self) -> list[str]:
        """Return the collections that hold documents, in the order of their making."""
        if not self.opened:
            return []
        return [
            name for name in self._shelves.list_created_collection_names() if not self._shelves.shelf(name).is_empty
        ]

    def __contains__(self, name: object) -> bool:
        return self.opened and isinstance(name, str) and not self._shelves.shelf(name).is_empty

    def collection(self, name: str) -> Any:
        """Return a collection with the methods of Motor's.

        Args:
            name: The collection's name.
        """
        self.open()
        return self._motor[_DATABASE][name]

    def index(self, name: str, index: Index) -> str:
        """Make an index and return its name.

        Args:
            name: The collection's name.
            index: What to index.

        Raises:
            DataError: If the documents that are there do not allow it.
        """
        self.open()
        try:
            made: str = self._database[name].create_index(
                [(field, 1) for field in index.fields],
                unique=index.unique,
                sparse=index.sparse,
                expireAfterSeconds=index.expire_after_seconds,
            )
        except Exception as error:
            raise DataError(
                f"The {index} of the collection {name!r} cannot be made.",
                where=caller(),
                why="two documents have the same value there" if isinstance(error, self._duplicate) else str(error),
                fix="Change the documents, or declare another index.",
            ) from error
        return made

    def unindex(self, name: str, index_name: str) -> None:
        """Drop an index, if it is there.

        Args:
            name: The collection's name.
            index_name: The index's name.
        """
        self.open()
        if index_name in self._database[name].index_information():
            self._database[name].drop_index(index_name)

    def drop(self, name: str) -> None:
        """Forget a collection, its documents and its indexes.

        Args:
            name: The collection's name.
        """
        if self.opened:
            self._database[name].drop()

    def clear(self) -> None:
        """Delete all documents. Indexes stay."""
        for name in self.names():
            self._database[name].delete_many({})

    # -- documents -----------------------------------------------------------------------------------------------

    def find(self, name: str, document_id: str, snapshot: Snapshot | None = None) -> dict[str, Any] | None:
        """Return the document of that id as it was written, or None. It is no copy: leave its values alone.

        Args:
            name: The collection's name.
            document_id: Compared as a string, first with each `_id`, then with each `id`.
            snapshot: A moment to read, instead of this one.
        """
        found = self._find(name, document_id, snapshot)
        if found is not None and type(found["_id"]) is KeyId:
            return {key: value for key, value in found.items() if key != "_id"}
        return found

    def insert(self, name: str, document: Mapping[str, Any], *, key: str) -> None:
        """Write a new document.

        Args:
            name: The collection's name.
            document: The document. Its `id` serves as its `_id`, if it has none.
            key: What to call it in a message.

        Raises:
            DataError: If it cannot be stored, or a unique index forbids it.
        """
        self.open()
        document_id = document.get("id")
        inserted = dict(document)
        if "_id" not in inserted and document_id is not None:
            inserted = {"_id": KeyId(document_id), **inserted}
        try:
            self._database[name].insert_one(inserted)
        except Exception as error:
            raise self._refusal(name, key, error) from error

    def insert_unseen(self, name: str, document: Mapping[str, Any], *, key: str) -> None:
        """Write a new document that is to count as having been there always, for every snapshot too.

        Args:
            name: The collection's name.
            document: The document.
            key: What to call it in a message.

        Raises:
            DataError: If it cannot be stored, or a unique index forbids it.
        """
        snapshots, self.history.open = self.history.open, []
        try:
            self.insert(name, document, key=key)
        finally:
            self.history.open = snapshots

    def put(self, name: str, document_id: str, value: Mapping[str, Any]) -> None:
        """Write a whole document, in place of the one of that id if there is one.

        Args:
            name: The collection's name.
            document_id: The document's id.
            value: The document; its `_id` may be left out.

        Raises:
            DataError: If its own id is another one, or it cannot be stored, or a unique index forbids it.
        """
        found = self._find(name, document_id)
        own = found["_id"] if found is not None else KeyId(document_id)
        document = {"_id": own, **value}
        if document["_id"] != own and (found is not None or str(document["_id"]) != document_id):
            raise _other_id(name, document_id, "_id", document["_id"])
        if found is not None and str(own) != document_id and str(document.setdefault("id", found["id"])) != document_id:
            raise _other_id(name, document_id, "id", document["id"])
        try:
            if found is None:
                self._database[name].insert_one(document)
            else:
                self._database[name].replace(found, document)
        except Exception as error:
            raise self._refusal(name, f"{name}.{document_id}", error) from error

    def remove(self, name: str, document_id: str) -> bool:
        """Delete the document of that id and say whether there was one.

        Args:
            name: The collection's name.
            document_id: The document's id.
        """
        found = self._find(name, document_id)
        if found is None:
            return False
        self._shelves.shelf(name).remove(found)
        return True

    def remove_like(self, name: str, document: Mapping[str, Any]) -> None:
        """Delete one document that has these values.

        Args:
            name: The collection's name.
            document: The values.
        """
        self.open()
        self._database[name].delete_one(dict(document))

    def ids(self, name: str) -> list[str]:
        """Return the ids of a collection's documents, in the order of insertion.

        Args:
            name: The collection's name.
        """
        self.open()
        return [
            str(one["id"] if "id" in one and type(one["_id"]).__name__ == "ObjectId" else one["_id"])
            for one in self._shelves.shelf(name).documents
        ]

    def _find(self, name: str, document_id: str, snapshot: Snapshot | None = None) -> dict[str, Any] | None:
        self.open()
        shelf = self._shelves.shelf(name)
        if snapshot is not None:
            shelf = self._view(shelf, snapshot)
        found: dict[str, Any] | None = shelf.named(document_id)
        return found

    # -- undoing -------------------------------------------------------------------------------------------------

    def image(self, name: str, document_id: str) -> Image:
        """Return what stands under an id now, to be put back later.

        Args:
            name: The collection's name.
            document_id: The document's id.
        """
        return Image(name, document_id, self._find(name, document_id))

    def images(self, name: str) -> list[Image]:
        """Return what stands under every id of a collection now.

        Args:
            name: The collection's name.
        """
        self.open()
        return [Image(name, str(one["_id"]), one) for one in self._shelves.shelf(name).documents]

    def restore(self, image: Image) -> None:
        """Put back what stood under an id.

        Args:
            image: What stood there.
        """
        name, document_id, document = image
        if document is None:
            self.remove(name, document_id)
            return
        self.open()
        # Into the shelf itself, since a unique index may hold again only when everything is back.
        self._shelves.shelf(name).put(document)

    def restore_all(self, name: str, images: Iterable[Image]) -> None:
        """Make a collection hold what it held, and nothing else.

        Args:
            name: The collection's name.
            images: What stood there.
        """
        self.open()
        self._database[name].delete_many({})
        for image in images:
            self.restore(image)

    def indexes(self, name: str) -> dict[str, dict[str, Any]]:
        """Return the indexes of a collection, by name.

        Args:
            name: The collection's name.
        """
        self.open()
        return dict(self._shelves.shelf(name).indexes)

    def restore_indexes(self, name: str, indexes: Mapping[str, dict[str, Any]], keep: Container[str]) -> None:
        """Let a collection have the indexes that it had, and no others.

        Args:
            name: The collection's name.
            indexes: What `indexes` returned.
            keep: Names of others that stay.
        """
        shelf = self._shelves.shelf(name)
        for made in [one for one, index in shelf.indexes.items() if indexes.get(one) != index and one not in keep]:
            shelf.drop_index(made)
        for missing in indexes.keys() - shelf.indexes.keys():
            shelf.create_index(missing, indexes[missing])

    def shelves(self) -> Iterator[tuple[str, Shelf]]:
        """Return where the documents of each collection stand, by database and name."""
        for database, shelves in self._server.databases() if self.opened else ():
            for name, shelf in shelves.shelves().items():
                yield f"{database}.{name}", shelf

    def shelf(self, full_name: str) -> Shelf:
        """Return where the documents of a collection stand.

        Args:
            full_name: Database and name, with a dot between them.
        """
        self.open()
        database, _, name = full_name.partition(".")
        shelf: Shelf = self._server[database].shelf(name)
        return shelf

    def checkpoint(self) -> Checkpoint:
        """Return all documents and indexes as they are now, to be put back."""
        return Checkpoint(self._server, self.history.snapshot())

    def go_back(self, checkpoint: Checkpoint) -> None:
        """Make all documents and indexes what they were.

        Args:
            checkpoint: What `checkpoint` returned.
        """
        checkpoint.restore(self._server)

    # -- messages ------------------------------------------------------------------------------------------------

    def _refusal(self, name: str, key: str, error: Exception) -> DataError:
        if not isinstance(error, self._duplicate):
            return DataError(
                f"The collection {name!r} refuses {key!r}.",
                where=caller(),
                why=f"{type(error).__name__}: {error}",
                fix="Write what MongoDB takes.",
            )
        value = (getattr(error, "details", None) or {}).get("keyValue")
        fields = " and ".join(repr(field) for field in value) if value else "'_id'"
        return DataError(
            f"The collection {name!r} has a document with {value or 'that _id'} already: {key!r} cannot be a second.",
            where=caller(),
            why=f"{fields} is unique there",
            fix="Write another value, or delete the other document first.",
        )


def _other_id(name: str, document_id: str, field: str, value: object) -> DataError:
    return DataError(
        f"The document under {f'{name}.{document_id}'!r} cannot have the {field} {value!r}.",
        where=caller(),
        why="its key says another one, and that cannot change",
        fix=f"Leave {field!r} out, or write the document under {f'{name}.{value}'!r}.",
    )
