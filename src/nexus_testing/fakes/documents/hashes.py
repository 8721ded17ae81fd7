"""Hash indexes over the documents of a collection."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId
from mongomock.filtering import iter_key_candidates
from sentinels import NOTHING

__all__ = ("HashIndex", "equalities", "frozen", "unindexed")

_PLAIN = frozenset({str, int, float, bytes, type(None), datetime, ObjectId, bool})
_MOST = 1000
"""Combinations of values beyond which a look-up is no quicker than a scan."""


def frozen(value: Any) -> Any:
    """Return a value that can be hashed, and that tells `True` from `1` as MongoDB does.

    Args:
        value: A value of a document.
    """
    if value is True or value is False:
        return (bool, value)
    if isinstance(value, Mapping):
        return frozenset((key, frozen(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple([frozen(item) for item in value])
    return value


def equalities(query: Any) -> dict[str, tuple[Any, ...]]:
    """Return the values that a filter asks fields to be equal to, as far as a hash index can look them up.

    Args:
        query: The filter.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for field, search in query.items():
        if field == "$and":
            for part in search:
                if isinstance(part, Mapping):
                    found = {**equalities(part), **found}
        elif field[:1] == "$":
            continue
        elif type(search) in _PLAIN:
            found[field] = (search,)
        elif isinstance(search, dict):
            values = (search["$eq"],) if "$eq" in search else search.get("$in")
            if isinstance(values, list | tuple) and all(type(one) in _PLAIN for one in values):
                found[field] = tuple(values)
    return found


def unindexed(query: Mapping[str, Any], leading: Collection[str]) -> tuple[str, ...]:
    """Return the fields of a filter that no index helps with, or none if one helps with the whole.

    A real database uses an index for ranges and patterns too, so it is enough that one begins with a field.

    Args:
        query: The filter.
        leading: The first fields of the indexes.
    """
    fields: dict[str, None] = {}
    for field, search in query.items():
        if field == "$or" and isinstance(search, list | tuple):
            parts = [unindexed(part, leading) for part in search if isinstance(part, Mapping)]
            if all(not part for part in parts):
                return ()
            fields |= dict.fromkeys(one for part in parts for one in part)
        elif field == "$and" and isinstance(search, list | tuple):
            for part in search:
                found = unindexed(part, leading) if isinstance(part, Mapping) and part else None
                if found == ():
                    return ()
                fields |= dict.fromkeys(found or ())
        elif field == "_id" or field in leading:
            return ()
        elif field[:1] != "$":
            fields[field] = None
    return tuple(fields)


class HashIndex:
    """Ids of documents by the values of some of their fields.

    Args:
        fields: The fields, which may have dots.
    """

    __slots__ = ("_ids", "fields")

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.fields = fields
        self._ids: dict[Any, dict[Any, None]] = {}

    def keys(self, document: Mapping[str, Any]) -> set[tuple[Any, ...]]:
        """Return the keys under which a document is found: more than one if a field holds a list.

        Args:
            document: The document.
        """
        if len(self.fields) == 1:
            return {(key,) for key in _values(document, self.fields[0])}
        return set(itertools.product(*(_values(document, field) for field in self.fields)))

    def add(self, document_id: Any, document: Mapping[str, Any]) -> None:
        """Take a document in.

        Args:
            document_id: Its id.
            document: The document.
        """
        for key in self.keys(document):
            self._ids.setdefault(key, {})[document_id] = None

    def discard(self, document_id: Any, document: Mapping[str, Any]) -> None:
        """Take a document out.

        Args:
            document_id: Its id.
            document: The document, as it was taken in.
        """
        for key in self.keys(document):
            ids = self._ids.get(key)
            if ids is not None:
                ids.pop(document_id, None)
                if not ids:
                    del self._ids[key]

    def find(self, key: tuple[Any, ...]) -> dict[Any, None]:
        """Return the ids of the documents that have a key.

        Args:
            key: One that `keys` returned, or could.
        """
        return self._ids.get(key, {})

    def look_up(self, wanted: Mapping[str, tuple[Any, ...]]) -> list[Any] | None:
        """Return the ids of the documents that may have such values, or None if this index cannot say.

        Args:
            wanted: What `equalities` returned.
        """
        values = []
        combinations = 1
        for field in self.fields:
            if field not in wanted:
                return None
            values.append([frozen(value) for value in wanted[field]])
            combinations *= len(values[-1])
        if combinations == 1:
            return list(self.find(tuple([one[0] for one in values])))
        if combinations > _MOST:
            return None
        return list(dict.fromkeys(one for key in itertools.product(*values) for one in self.find(key)))


def _values(document: Mapping[str, Any], field: str) -> list[Any]:
    candidates = iter_key_candidates(field, document) if "." in field else [document.get(field)]
    found: list[Any] = []
    for value in candidates:
        if value is NOTHING:
            found.append(None)
        elif isinstance(value, list | tuple):
            found += [frozen(item) for item in value] or [()]
        else:
            found.append(frozen(value))
    return found or [None]
