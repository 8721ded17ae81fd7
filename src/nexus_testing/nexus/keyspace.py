"""One flat space of keys: plain values, and the documents of collections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import DataError, did_you_mean
from ..fakes.documents import DocumentStore
from ..locations import caller
from .changes import Changes
from .context import who
from .declarations import Declarations
from .schema import parsed_schema
from .values import copied, key_filter, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..fakes.documents import Snapshot, Versions

__all__ = ("MISSING", "Keyspace")

MISSING: Any = object()
"""What stands under a key that is not there."""


class _Plain(dict[str, Any]):
    """Values under plain keys, each write of which is noted."""

    def __init__(self, versions: Versions) -> None:
        super().__init__()
        self.versions = versions

    def __setitem__(self, key: str, value: Any) -> None:
        self.versions.note(key, self.get(key, MISSING))
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self.versions.note(key, self[key])
        super().__delitem__(key)

    def pop(self, key: str, default: Any = None) -> Any:
        """Take a value out."""
        if key not in self:
            return default
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Take all values out."""
        for key in list(self):
            del self[key]

    def become(self, values: Mapping[str, Any]) -> None:
        """Hold these values and no others, unnoted.

        Args:
            values: The values.
        """
        super().clear()
        super().update(values)


class Keyspace:
    """Knows where a key's value is kept. Nothing here waits, so whatever it does is done at once.

    A key belongs to a document if the part before its first dot is a collection that a schema declared or that
    holds documents; the rest is the id. A plain value that was there before the collection stays readable.

    Args:
        strict: Whether values must be such as BSON knows.
        documents: Where documents are kept.
    """

    def __init__(self, *, strict: bool = True, documents: DocumentStore | None = None) -> None:
        self.documents = documents or DocumentStore()
        self.plain = _Plain(self.documents.history.versions())
        self.declarations = Declarations(self.documents)
        self._strict = strict
        self._changes: dict[str, Changes] = {}

    # -- values --------------------------------------------------------------------------------------------------

    def read(self, key: str, snapshot: Snapshot | None = None) -> Any:
        """Return what stands under a key, or MISSING. It is no copy: leave it alone.

        Args:
            key: The key.
            snapshot: A moment to read, instead of this one.
        """
        place = self._place(key)
        if place is None and snapshot is not None and self.documents.opened:
            # The collection may have lost its last document since.
            name, dot, document_id = key.partition(".")
            place = (name, document_id) if dot else None
        if place is not None:
            document = self.documents.find(*place, snapshot)
            if document is not None:
                return document
        value = self.plain.get(key, MISSING)
        return value if snapshot is None else self.plain.versions.at(key, snapshot, value)

    def taken(self, key: str, value: Any) -> Any:
        """Return a copy of a value, fit to be stored under a key.

        Args:
            key: The key.
            value: The value.

        Raises:
            DataError: If it cannot be stored there.
        """
        place = self._place(key)
        if place is not None and not isinstance(value, Mapping) and key not in self.plain:
            raise DataError(
                f"{key!r} cannot hold {value!r} ({type(value).__name__}).",
                where=caller(),
                why=f"{place[0]!r} is a collection, so {key!r} is one of its documents",
                fix=f"Write a dict, or use a key without the dot, such as {key.replace('.', ':', 1)!r}.",
                plugin=who(),
            )
        return stored(value, key, strict=self._strict, plugin=who())

    def merged(self, key: str, value: Any, fields: object) -> dict[str, Any]:
        """Return a copy of what stands under a key with some fields changed.

        Args:
            key: The key.
            value: What stands there, or MISSING.
            fields: The fields.

        Raises:
            DataError: If that has no fields, or one of the new ones cannot be stored.
        """
        what = fix = ""
        if not isinstance(fields, Mapping):
            what = f"{fields!r} ({type(fields).__name__}) has no fields to update {key!r} with."
            fix = "Pass a dict." if not hasattr(fields, "model_dump") else "Pass value.model_dump()."
        elif value is MISSING:
            what = f"{key!r} cannot be updated, since nothing is there."
            fix = did_you_mean(key, self.keys()) or f"Write it first: await self.db.set({key!r}, {{...}})"
        elif not isinstance(value, dict):
            what = f"{key!r} cannot be updated, since {value!r} ({type(value).__name__}) has no fields."
            fix = f"Replace it: await self.db.set({key!r}, ...)"
        else:
            return {**copied(value), **stored(dict(fields), key, strict=self._strict, plugin=who())}
        raise DataError(what, where=caller(), fix=fix, plugin=who())

    def write(self, key: str, value: Any) -> None:
        """Put a value under a key.

        Args:
            key: The key.
            value: What `taken` or `merged` returned.

        Raises:
            DataError: If the key's collection refuses it.
        """
        self._note(key)
        place = self._place(key)
        if place is None or not isinstance(value, dict):
            self.plain[key] = value
            return
        self.documents.put(*place, value)
        self.plain.pop(key, None)

    def remove(self, key: str) -> bool:
        """Delete what stands under a key and say whether anything did.

        Args:
            key: The key.
        """
        self._note(key)
        place = self._place(key)
        found = place is not None and self.documents.remove(*place)
        return self.plain.pop(key, MISSING) is not MISSING or found

    def write_together(self, values: Mapping[str, Any]) -> None:
        """Put values under keys, all of them or none.

        Args:
            values: What `taken` or `merged` returned, or MISSING where the key is to be deleted.

        Raises:
            DataError: If a collection refuses one.
        """
        undo = Changes(self)
        try:
            for key, value in values.items():
                undo.note(key)
                if value is MISSING:
                    self.remove(key)
                else:
                    self.write(key, value)
        except BaseException:
            undo.revert()
            raise

    def keys(self, pattern: str = "*") -> list[str]:
        """Return the keys that fit a pattern, plain ones first.

        Args:
            pattern: `*` stands for any characters, `?` for one.
        """
        fits = key_filter(pattern)
        return [key for key in dict.fromkeys(self._all_keys()) if fits(key)]

    def _all_keys(self) -> Iterator[str]:
        yield from self.plain
        if self.declarations.waiting():
            self.declarations.settle_all()
        for name in self.documents.names():
            for document_id in self.documents.ids(name):
                yield f"{name}.{document_id}"

    def clear(self) -> None:
        """Delete every value and every document. What schemas declared stays declared."""
        changes = self._changes.get(who() or "")
        if changes is not None:
            for key in self.plain:
                changes.note(key)
            for name in self.documents.names():
                changes.note_collection(name)
        self.plain.clear()
        self.declarations.forget_waiting()
        self.documents.clear()

    def place(self, key: str) -> tuple[str, str] | None:
        """Return collection and id of a key that belongs to a document.

        Args:
            key: The key.
        """
        return self._place(key)

    def _place(self, key: str) -> tuple[str, str] | None:
        name, dot, document_id = key.partition(".")
        if not dot:
            return None
        if name in self.declarations:
            self.declarations.settle(name)
        elif name not in self.documents:
            return None
        return name, document_id

    # -- collections ---------------------------------------------------------------------------------------------

    def collection(self, name: object) -> Any:
        """Return a collection with the methods of Motor's. Documents that were plain values become a part of it.

        Args:
            name: The collection's name.

        Raises:
            DataError: If that is no name for one.
        """
        if not isinstance(name, str) or not name or "$" in name or "\0" in name:
            raise DataError(
                f"{name!r} is no name for a collection.",
                where=caller(),
                fix="self.db.collection('items')",
                plugin=who(),
            )
        self.declarations.settle(name)
        start = f"{name}."
        for key in [key for key, value in self.plain.items() if key.startswith(start) and isinstance(value, dict)]:
            document_id = key.removeprefix(start)
            if self.documents.find(name, document_id) is None:
                self._note(key)
                self.documents.put(name, document_id, self.plain[key])
                del self.plain[key]
        changes = self._changes.get(who() or "")
        if changes is not None:
            changes.note_collection(name)
        return self.documents.collection(name)

    def watch(self, plugin: str) -> Changes:
        """Watch what a plugin writes, until that is kept or reverted.

        Args:
            plugin: The plugin's name.
        """
        changes = self._changes[plugin] = Changes(self, plugin)
        return changes

    def apply_schema(self, plugin: str, schema: object, changes: Changes | None = None) -> Changes:
        """Declare what a plugin's schema says, and watch what the plugin writes until that is kept or reverted.

        Args:
            plugin: Whose schema it is.
            schema: What `get_database_schema` returned.
            changes: What `watch` returned, if the plugin is watched already.

        Raises:
            DataError: If the schema cannot be used.
        """
        parsed = parsed_schema(plugin, schema, self.declarations.names())
        changes = changes or self.watch(plugin)
        try:
            for one in parsed:
                changes.undo_later(self.declarations.declare(plugin, one))
                if self.documents.opened:
                    self.declarations.settle(one.name)
        except DataError:
            changes.revert()
            raise
        return changes

    def checkpoint(self) -> tuple[Callable[[], None], Callable[[], None]]:
        """Return what puts everything back that is there now, and what ends the remembering of what is replaced."""
        if self.declarations.names():
            self.declarations.settle_all()
        declarations = self.declarations.checkpoint()
        documents = self.documents.checkpoint()
        plain = dict(self.plain)

        def go_back() -> None:
            self._changes.clear()
            declarations()
            self.documents.go_back(documents)
            self.plain.become(plain)

        return go_back, documents.close

    def forget(self, changes: Changes) -> None:
        """Watch no more.

        Args:
            changes: What `apply_schema` returned.
        """
        for plugin, watched in list(self._changes.items()):
            if watched is changes:
                del self._changes[plugin]

    def _note(self, key: str) -> None:
        if self._changes:
            changes = self._changes.get(who() or "")
            if changes is not None:
                changes.note(key)
