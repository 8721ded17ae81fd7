"""What a transaction sees of a collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mongomock import OperationFailure

from .history import ABSENT
from .shelf import named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .history import Snapshot
    from .shelf import Shelf

__all__ = ("View", "write_conflict")


class View:
    """A shelf as a transaction sees it: as it was at the snapshot, with the transaction's own writes on top.

    Args:
        shelf: The shelf.
        snapshot: The moment.
    """

    def __init__(self, shelf: Shelf, snapshot: Snapshot) -> None:
        self.shelf = shelf
        self.writes: dict[Any, Any] = {}
        self._snapshot = snapshot

    @property
    def name(self) -> str:
        """The collection's name."""
        return self.shelf.name

    @property
    def indexes(self) -> dict[str, dict[str, Any]]:
        """The indexes, which no transaction changes."""
        return self.shelf.indexes

    @property
    def is_created(self) -> bool:
        """Whether the collection was made."""
        return bool(self.writes or self.shelf.is_created)

    def _patches(self) -> dict[Any, Any]:
        """Return what stands elsewhere than on the shelf, or does not stand at all."""
        return {**self.shelf.versions.changed(self._snapshot), **self.writes}

    def _refuse(self, *_: object) -> None:
        raise OperationFailure("Collections and indexes cannot be made or dropped in a transaction", 263)

    create = create_index = drop_index = drop = _refuse

    def conflict(self) -> Any:
        """Return the key of a document that was written here and, since the snapshot, by somebody else; or ABSENT."""
        changed = self.shelf.versions.changed(self._snapshot) if self.shelf.versions.entries else {}
        return next((key for key in self.writes if key in changed), ABSENT)

    def __setitem__(self, key: Any, document: Any) -> None:
        if self.shelf.versions.entries and key in self.shelf.versions.changed(self._snapshot):
            raise write_conflict(self.name, key)
        self.writes[key] = document

    def __delitem__(self, key: Any) -> None:
        self[key] = ABSENT

    def _read(self, key: Any) -> Any:
        if key in self.writes:
            return self.writes[key]
        return self.shelf.versions.at(key, self._snapshot, self.shelf._documents.get(key, ABSENT))

    def __contains__(self, key: object) -> bool:
        return self._read(key) is not ABSENT

    def __getitem__(self, key: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._read(key)
        if found is ABSENT:
            raise KeyError(key)
        return found

    def __len__(self) -> int:
        return len(list(self.documents))

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands here."""
        return not len(self)

    @property
    def documents(self) -> Iterator[dict[str, Any]]:
        """All documents, in the order of insertion."""
        patches = self._patches()
        for key, document in list(self.shelf._documents.items()):
            found = patches.pop(key, document)
            if found is not ABSENT:
                yield found
        yield from [document for document in patches.values() if document is not ABSENT]

    def named(self, text: str) -> dict[str, Any] | None:
        """Return the document whose `_id`, or else whose `id`, reads like that.

        Args:
            text: The id as a string.
        """
        return named(self._patched(self.shelf.named_keys(text)), text)

    def candidates(self, query: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        """Return all documents that may fit a filter, and perhaps others, in the order of insertion.

        Args:
            query: The filter.
        """
        keys = self.shelf.candidate_keys(query)
        return list(self.documents) if keys is None else self._patched(keys)

    def _patched(self, keys: list[Any]) -> list[dict[str, Any]]:
        """Return the documents of these keys, and all that stand elsewhere than on the shelf."""
        patches = self._patches()
        here = [key for key in patches if key in self.shelf._documents]
        found = [
            patches.pop(key, self.shelf._documents[key]) for key in self.shelf.sorted(list(dict.fromkeys(keys + here)))
        ]
        return [document for document in [*found, *patches.values()] if document is not ABSENT]

    def twin(self, key: Any, document: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
        """Return name and index of a unique index that forbids a document, if one does.

        Args:
            key: What the document is kept under.
            document: The document.
        """
        return self.shelf.twin_among(self._patches(), key, document)


def write_conflict(name: str, key: Any) -> OperationFailure:
    """Return the error of a write to a document that somebody else wrote since the snapshot.

    Args:
        name: The collection's name.
        key: The document's key.
    """
    return OperationFailure(
        f"WriteConflict: somebody else wrote the document {key!r} of {name!r} since this transaction began",
        112,
        {"code": 112, "codeName": "WriteConflict", "errorLabels": ["TransientTransactionError"]},
    )
