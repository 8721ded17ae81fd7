"""Collections of documents, with each method asked for permission."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .permissions import Permissions

__all__ = ("GuardedCollection",)

_READS = frozenset({
    "aggregate",
    "aggregate_raw_batches",
    "count_documents",
    "distinct",
    "estimated_document_count",
    "find",
    "find_one",
    "find_raw_batches",
    "index_information",
    "list_indexes",
    "options",
    "watch",
})  # fmt: skip
_WRITES = frozenset({
    "bulk_write",
    "create_index",
    "create_indexes",
    "delete_many",
    "delete_one",
    "drop",
    "drop_index",
    "drop_indexes",
    "find_one_and_delete",
    "find_one_and_replace",
    "find_one_and_update",
    "insert_many",
    "insert_one",
    "rename",
    "replace_one",
    "update_many",
    "update_one",
})  # fmt: skip
_STAGES = ("$out", "$merge")


class GuardedCollection:
    """A collection that asks, method by method, whether the running code may read or write.

    Args:
        collection: The collection.
        guard: Whom it asks.
    """

    def __init__(self, collection: Any, guard: Permissions) -> None:
        self._collection = collection
        self._guard = guard

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._collection, name)
        if name == "with_options":
            return lambda *args, **kwargs: GuardedCollection(found(*args, **kwargs), self._guard)
        if name not in _READS and name not in _WRITES:
            return found
        permission = "database.read" if name in _READS else "database.write"

        @functools.wraps(found)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._guard.check(permission)
            if name == "aggregate" and _writes(args[0] if args else kwargs.get("pipeline")):
                self._guard.check("database.write")
            return found(*args, **kwargs)

        return call

    def __getitem__(self, name: str) -> Any:
        return GuardedCollection(self._collection[name], self._guard)

    def __eq__(self, other: object) -> bool:
        return bool(self._collection == (other._collection if isinstance(other, GuardedCollection) else other))

    def __hash__(self) -> int:
        return hash(self._collection)

    def __bool__(self) -> bool:
        return bool(self._collection)

    def __repr__(self) -> str:
        return repr(self._collection)


def _writes(pipeline: Any) -> bool:
    return isinstance(pipeline, list | tuple) and any(
        isinstance(stage, dict) and any(key in stage for key in _STAGES) for stage in pipeline
    )
