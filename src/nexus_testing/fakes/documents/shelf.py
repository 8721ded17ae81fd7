"""Where the documents of one collection stand: the server's side, and what a transaction sees of it."""

from __future__ import annotations

import heapq
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mongomock import OperationFailure
from mongomock.filtering import iter_key_candidates
from mongomock.helpers import hashdict
from mongomock.store import CollectionStore
from sentinels import NOTHING

from .filters import applies
from .hashes import HashIndex, equalities, unindexed
from .history import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .history import History

__all__ = ("Shelf", "named", "shelf_key")


def shelf_key(document_id: Any) -> Any:
    """Return what an `_id` is kept under.

    Args:
        document_id: The `_id`.
    """
    return hashdict(document_id) if isinstance(document_id, dict) else document_id


MANY = 100
"""Documents beyond which a query should have an index."""


class Shelf(CollectionStore):
    """The documents of a collection, with a hash index for each index that was made.

    Documents are never changed in place, only replaced: whoever holds one holds what stood there then.

    Args:
        name: The collection's name.
        history: Where writes are counted.
        now: Returns the seconds since the epoch.
        scanned: Takes the name and the fields of a query that had to look at more than a hundred documents.
    """

    def __init__(
        self, name: str, history: History, now: Callable[[], float], scanned: Callable[[str, tuple[str, ...]], None]
    ) -> None:
        super().__init__(name)
        self._scanned = scanned
        self._documents: dict[Any, dict[str, Any]] = {}
        self.versions = history.versions()
        self._now = now
        self._hashes: dict[tuple[str, ...], HashIndex] = {}
        self._order: dict[Any, int] = {}
        self._last = 0
        self._deadlines: dict[str, list[tuple[float, int, Any]]] = {}
        self._texts: dict[str, dict[Any, None]] | None = None

    # -- documents -----------------------------------------------------------------------------------------------

    def __setitem__(self, key: Any, document: dict[str, Any]) -> None:
        before = self._documents.get(key, ABSENT)
        self.versions.note(key, before)
        if before is ABSENT:
            self._last += 1
            self._order[key] = self._last
        for index in self._hashes.values():
            if before is not ABSENT:
                index.discard(key, before)
            index.add(key, document)
        if self._texts is not None:
            if before is not ABSENT:
                self._untext(key, before)
            self._text(self._texts, key, document)
        self._documents[key] = document
        for name in self._deadlines:
            self._schedule(name, key, document)

    def __delitem__(self, key: Any) -> None:
        before = self._documents[key]
        self.versions.note(key, before)
        for index in self._hashes.values():
            index.discard(key, before)
        self._untext(key, before)
        del self._documents[key]
        del self._order[key]

    def __contains__(self, key: object) -> bool:
        self._remove_expired_documents()
        return key in self._documents

    def __getitem__(self, key: Any) -> dict[str, Any]:
        self._remove_expired_documents()
        return self._documents[key]

    def __len__(self) -> int:
        self._remove_expired_documents()
        return len(self._documents)

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands here."""
        self._remove_expired_documents()
        return not self._documents

    @property
    def documents(self) -> Iterator[dict[str, Any]]:
        """All documents, in the order of insertion."""
        self._remove_expired_documents()
        return iter(list(self._documents.values()))

    def put(self, document: dict[str, Any]) -> None:
        """Place a document, whatever the indexes say.

        Args:
            document: The document.
        """
        self[shelf_key(document["_id"])] = document

    def remove(self, document: dict[str, Any]) -> None:
        """Take a document away.

        Args:
            document: One that is here.
        """
        del self[shelf_key(document["_id"])]

    def take(self, key: Any, document: dict[str, Any], place: int) -> None:
        """Place a document where somebody else placed it.

        Args:
            key: What it is kept under.
            document: The document.
            place: Its place in the order of insertion.
        """
        self[key] = document
        self._last = max(self._last, place)
        if self._order[key] != place or next(reversed(self._documents)) != key:
            self._order[key] = place
            self._documents = {one: self._documents[one] for one in self.sorted(list(self._documents))}

    def drop(self) -> None:
        """Forget all documents and indexes."""
        for key, document in self._documents.items():
            self.versions.note(key, document)
        super().drop()
        self._documents = {}
        self._hashes.clear()
        self._order.clear()
        self._deadlines.clear()
        self._texts = None

    # -- ids as text ---------------------------------------------------------------------------------------------

    def named(self, text: str) -> dict[str, Any] | None:
        """Return the document whose `_id`, or else whose `id`, reads like that.

        Args:
            text: The id as a string.
        """
        self._remove_expired_documents()
        found = self._documents.get(text)
        if found is not None:
            return found
        return named([self._documents[key] for key in self.sorted(self.named_keys(text))], text)

    def named_keys(self, text: str) -> list[Any]:
        """Return what the documents with such an id are kept under.

        Args:
            text: The id as a string.
        """
        if self._texts is None:
            self._texts = {}
            for key, document in self._documents.items():
                self._text(self._texts, key, document)
        return list(self._texts.get(text, ()))

    def _text(self, texts: dict[str, dict[Any, None]], key: Any, document: Mapping[str, Any]) -> None:
        for text in _texts(document):
            texts.setdefault(text, {})[key] = None

    def _untext(self, key: Any, document: Mapping[str, Any]) -> None:
        if self._texts is not None:
            for text in _texts(document):
                self._texts.get(text, {}).pop(key, None)

    # -- indexes -------------------------------------------------------------------------------------------------

    def create_index(self, index_name: str, index_dict: dict[str, Any]) -> None:
        """Make an index over what is here and what will be.

        Args:
            index_name: Its name.
            index_dict: What it is, in mongomock's words.

        Raises:
            OperationFailure: If it is to make documents expire and has more than one field.
        """
        expiring = index_dict.get("expireAfterSeconds") is not None
        if expiring and len(index_dict["key"]) > 1:
            raise OperationFailure("TTL indexes are single-field indexes, compound indexes do not support TTL", 67)
        self.indexes[index_name] = index_dict
        if all(direction in {1, -1} for _, direction in index_dict["key"]):
            fields = _fields(index_dict)
            self._hash(fields)
            self._hash(fields[:1])
        if expiring:
            self._ttl_indexes[index_name] = index_dict
            self._deadlines[index_name] = []
            for key, document in self._documents.items():
                self._schedule(index_name, key, document)

    def _hash(self, fields: tuple[str, ...]) -> None:
        if fields in self._hashes:
            return
        index = self._hashes[fields] = HashIndex(fields)
        for key, document in self._documents.items():
            index.add(key, document)

    def drop_index(self, index_name: str) -> None:
        """Forget an index.

        Args:
            index_name: Its name.

        Raises:
            KeyError: If there is none of that name.
        """
        self._remove_expired_documents()
        del self.indexes[index_name]
        self._ttl_indexes.pop(index_name, None)
        self._deadlines.pop(index_name, None)
        needed = {fields[:size] for fields in map(_fields, self.indexes.values()) for size in (1, len(fields))}
        for fields in set(self._hashes) - needed:
            del self._hashes[fields]

    def twin(self, key: Any, document: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
        """Return name and index of a unique index that forbids a document, if one does.

        Args:
            key: What the document is kept under.
            document: The document.
        """
        return self.twin_among({}, key, document)

    def twin_among(
        self, patches: Mapping[Any, Any], key: Any, document: Mapping[str, Any]
    ) -> tuple[str, dict[str, Any]] | None:
        """Return the same, where something else stands in some places.

        Args:
            patches: What stands in these places, or ABSENT.
            key: What the document is kept under.
            document: The document.
        """
        for name, index in self.indexes.items():
            if not index.get("unique") or not _covers(index, document):
                continue
            by_value = self._hashes[_fields(index)]
            mine = by_value.keys(document)
            for other in {other for one in mine for other in by_value.find(one)} - {key, *patches}:
                if _covers(index, self._documents[other]):
                    return name, index
            for other, patched in patches.items():
                if (
                    other != key
                    and patched is not ABSENT
                    and _covers(index, patched)
                    and not mine.isdisjoint(by_value.keys(patched))
                ):
                    return name, index
        return None

    def candidates(self, query: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        """Return all documents that may fit a filter, and perhaps others, in the order of insertion.

        Args:
            query: The filter.
        """
        self._remove_expired_documents()
        keys = self.candidate_keys(query)
        if keys is None:
            if len(self._documents) > MANY and query:
                fields = unindexed(query, {index["key"][0][0] for index in self.indexes.values()})
                if fields:
                    self._scanned(self.name, fields)
            return list(self._documents.values())
        return [self._documents[key] for key in self.sorted(keys)]

    def candidate_keys(self, query: Mapping[str, Any]) -> list[Any] | None:
        """Return what the candidates are kept under, or None if all of them are.

        Args:
            query: The filter.
        """
        if not query:
            return None
        wanted = equalities(query)
        if "_id" in wanted:
            return [key for key in dict.fromkeys(wanted["_id"]) if key in self._documents]
        best: list[Any] | None = None
        for index in self._hashes.values():
            found = index.look_up(wanted)
            if found is not None and (best is None or len(found) < len(best)):
                best = found
        return best

    def sorted(self, keys: list[Any]) -> list[Any]:
        """Return keys in the order of insertion.

        Args:
            keys: Keys of documents that are here.
        """
        return keys if len(keys) < 2 else sorted(keys, key=self._order.__getitem__)  # noqa: PLR2004 - one is sorted

    # -- time ----------------------------------------------------------------------------------------------------

    def _schedule(self, index_name: str, key: Any, document: Mapping[str, Any]) -> None:
        due = _due(self._ttl_indexes[index_name], document)
        if due is not None:
            self._last += 1
            heapq.heappush(self._deadlines[index_name], (due, self._last, key))

    def _remove_expired_documents(self) -> None:
        if not self._deadlines:
            return
        now = self._now()
        for name, heap in self._deadlines.items():
            while heap and heap[0][0] <= now:
                key = heapq.heappop(heap)[2]
                document = self._documents.get(key)
                # It may have been written again since, with another time.
                due = _due(self._ttl_indexes[name], document) if document is not None else None
                if due is not None and due <= now:
                    del self[key]


def _texts(document: Mapping[str, Any]) -> set[str]:
    own = {str(document["_id"])}
    return own | {str(document["id"])} if "id" in document else own


def named(documents: list[dict[str, Any]], text: str) -> dict[str, Any] | None:
    """Return the first document whose `_id`, or else whose `id`, reads like that.

    Args:
        documents: The documents.
        text: The id as a string.
    """
    by_id = (one for one in documents if str(one["_id"]) == text)
    return next(by_id, None) or next((one for one in documents if "id" in one and str(one["id"]) == text), None)


def _fields(index: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(field for field, _ in index["key"])


def _covers(index: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Say whether an index has an entry for a document."""
    partial = index.get("partialFilterExpression")
    if partial is not None and not applies(partial, document):
        return False
    return not index.get("sparse") or any(
        value is not NOTHING for field in _fields(index) for value in iter_key_candidates(field, document)
    )


def _due(index: Mapping[str, Any], document: Mapping[str, Any]) -> float | None:
    """Return when a document is to go, in seconds since the epoch; None for never."""
    value = document.get(index["key"][0][0])
    moments = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, datetime)]
    if not moments:
        return None
    due: float = min(moments).replace(tzinfo=UTC).timestamp() + index["expireAfterSeconds"]
    return due
