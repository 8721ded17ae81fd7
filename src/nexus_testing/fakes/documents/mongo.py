"""The server that mongomock plays, with our collections in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mongomock
from mongomock import database as mongomock_database
from mongomock import store as mongomock_store

from .collection import Collection
from .shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable

    from .history import History
    from .sessions import Transaction

__all__ = ("Client", "Server")


class Server(mongomock_store.ServerStore):
    """The databases of one app.

    Args:
        now: Returns the seconds since the epoch.
        history: Where writes are counted.
        scanned: Takes collection and fields of a query for which there should be an index.
    """

    def __init__(
        self,
        now: Callable[[], float],
        history: History,
        scanned: Callable[[str, tuple[str, ...]], None] = lambda _name, _fields: None,
    ) -> None:
        super().__init__()
        self.now = now
        self.history = history
        self.scanned = scanned
        self.transaction: Transaction | None = None

    def __getitem__(self, name: str) -> _Shelves:
        found = self._databases.get(name)
        if found is None:
            found = self._databases[name] = _Shelves(self)
        return found

    def databases(self) -> list[tuple[str, _Shelves]]:
        """Return the databases by name."""
        return list(self._databases.items())


class _Shelves(mongomock_store.DatabaseStore):
    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server

    def shelf(self, name: str) -> Shelf:
        """Return where a collection's documents stand, whoever asks."""
        found: Shelf | None = self._collections.get(name)
        if found is None:
            found = self._collections[name] = Shelf(name, self._server.history, self._server.now, self._server.scanned)
        return found

    def shelves(self) -> dict[str, Shelf]:
        """Return where the documents of all collections stand, by name."""
        return dict(self._collections)

    def take(self, shelves: dict[str, Shelf]) -> None:
        """Have these collections, under these names, and no others.

        Args:
            shelves: What `shelves` returned.
        """
        for name, shelf in shelves.items():
            shelf.name = name
        self._collections = dict(shelves)

    def __getitem__(self, name: str) -> Any:
        transaction = self._server.transaction
        shelf = self.shelf(name)
        return shelf if transaction is None else transaction.view(shelf)


class Client(mongomock.MongoClient):
    """A client of one server."""

    def __init__(self, server: Server) -> None:
        super().__init__(_store=server)
        self.server = server

    def get_database(self, name: str | None = None, **options: Any) -> _Database:
        """Return a database.

        Args:
            name: Its name.
            options: How to read and write, which makes no difference here.
        """
        name = name or "nexus"
        found = self._database_accesses.get(name)
        if found is None:
            options = {key: value for key, value in options.items() if key != "write_concern"}
            found = self._database_accesses[name] = _Database(self, name, _store=self._store[name], **options)
        return found


class _Database(mongomock_database.Database):
    def get_collection(self, name: str, **options: Any) -> Collection:
        """Return a collection."""
        found: Collection | None = self._collection_accesses.get(name)
        if found is None:
            self._ensure_valid_collection_name(name)
            found = self._collection_accesses[name] = Collection(self, name, self._store)
        return found.with_options(**options) if options else found
