"""All documents as they stood at some moment, to be put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .history import ABSENT

if TYPE_CHECKING:
    from .history import Snapshot
    from .mongo import Server
    from .shelf import Shelf

__all__ = ("Checkpoint",)


class _Moment:
    """What one collection was like."""

    __slots__ = ("_created", "_documents", "_indexes", "_order", "_shelf")

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._documents = dict(shelf._documents)
        self._order = dict(shelf._order)
        self._indexes = dict(shelf.indexes)
        self._created = shelf._is_force_created

    def restore(self, snapshot: Snapshot) -> None:
        self._restore_indexes()
        self._shelf._is_force_created = self._created
        self._restore_documents(self._shelf.versions.changed(snapshot))

    def _restore_indexes(self) -> None:
        shelf = self._shelf
        if shelf.indexes != self._indexes:
            for name in [one for one, index in shelf.indexes.items() if self._indexes.get(one) != index]:
                shelf.drop_index(name)
            for name in self._indexes.keys() - shelf.indexes.keys():
                shelf.create_index(name, self._indexes[name])

    def _restore_documents(self, changed: dict[Any, Any]) -> None:
        shelf = self._shelf
        for key, before in changed.items():
            if before is not ABSENT:
                if shelf._documents.get(key) is not before:
                    shelf[key] = before
            elif key in shelf._documents:
                del shelf[key]
        if len(shelf._documents) != len(self._documents):
            # Initial data counts as having been there always.
            for key in shelf._documents.keys() - self._documents.keys():
                del shelf[key]
        if changed:
            # What was deleted and came back stands at the end.
            shelf._documents = dict(self._documents)
            shelf._order = dict(self._order)


class Checkpoint:
    """The documents and indexes of a server at the time of its making. Close it, or what is overwritten is kept.

    Putting them back costs what was written since, and a copy of the list of ids for each collection written to.

    Args:
        server: Whose documents; None if there is none yet.
        snapshot: That moment.
    """

    def __init__(self, server: Server | None, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._shelves: dict[str, dict[str, Shelf]] = {}
        self._moments: dict[int, _Moment] = {}
        for name, database in server.databases() if server is not None else ():
            self._shelves[name] = database.shelves()
            self._moments.update({id(shelf): _Moment(shelf) for shelf in self._shelves[name].values()})

    def restore(self, server: Server | None) -> None:
        """Put everything back, whatever transactions are still open.

        Args:
            server: Whose documents; None if there is none yet.
        """
        for name, database in server.databases() if server is not None else ():
            known = self._shelves.get(name, {})
            for shelf in database.shelves().values():
                if id(shelf) not in self._moments:
                    shelf.drop()
            database.take(known)
            for shelf in known.values():
                self._moments[id(shelf)].restore(self._snapshot)
        self._snapshot.rewind()

    def close(self) -> None:
        """Remember that moment no more."""
        self._snapshot.close()
