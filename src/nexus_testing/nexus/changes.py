"""What was changed since some moment, so that it can be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .values import copied

if TYPE_CHECKING:
    from collections.abc import Callable

    from .keyspace import Keyspace

__all__ = ("Changes",)

_ABSENT: Any = object()


class Changes:
    """The first images of what is written. Awaiting a call of it takes everything back.

    Args:
        keyspace: Where it is written.
        plugin: Who writes, where it is one plugin's load.
    """

    def __init__(self, keyspace: Keyspace, plugin: str | None = None) -> None:
        self.plugin = plugin
        self._keyspace = keyspace
        self._schema: list[Callable[[], None]] = []
        self._undo: dict[tuple[str, str], Callable[[], None]] = {}

    async def __call__(self) -> None:
        """Take everything back: values, documents, and what the schema declared. The second time does nothing."""
        self.revert()

    def keep(self) -> None:
        """Let everything stand, and stop watching: the load succeeded."""
        self._keyspace.forget(self)
        self._schema.clear()
        self._undo.clear()

    def undo_later(self, undo: Callable[[], None]) -> None:
        """Remember how to take back a part of the schema.

        Args:
            undo: What does it.
        """
        self._schema.append(undo)

    def note(self, key: str) -> None:
        """Remember what stands under a key, the first time.

        Args:
            key: The key that is about to be written.
        """
        if ("key", key) in self._undo:
            return
        keyspace = self._keyspace
        place = keyspace.place(key)
        before = copied(keyspace.plain[key]) if key in keyspace.plain else _ABSENT
        image = keyspace.documents.image(*place) if place is not None else None

        def undo() -> None:
            if image is not None:
                keyspace.documents.restore(image)
            if before is _ABSENT:
                keyspace.plain.pop(key, None)
            else:
                keyspace.plain[key] = before

        self._undo["key", key] = undo

    def note_collection(self, name: str) -> None:
        """Remember all documents and indexes of a collection, the first time.

        Args:
            name: The collection that is about to be written to, nobody knows where.
        """
        if ("collection", name) in self._undo:
            return
        documents = self._keyspace.documents
        images = documents.images(name)
        indexes = documents.indexes(name)

        def undo() -> None:
            documents.restore_all(name, images)
            documents.restore_indexes(name, indexes, self._keyspace.declarations.built(name))

        self._undo["collection", name] = undo

    def revert(self) -> None:
        """Take everything back at once."""
        undos = [*self._schema, *self._undo.values()]
        self.keep()
        for undo in reversed(undos):
            undo()
