"""Collections of mongomock, made quicker, atomic and stricter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import bson
from mongomock import DuplicateKeyError, ObjectId, OperationFailure, WriteError, aggregate, helpers
from mongomock import collection as mongomock_collection
from mongomock.filtering import filter_applies
from mongomock.results import BulkWriteResult
from pymongo import ReturnDocument
from pymongo.errors import DocumentTooLarge, PyMongoError

from .checks import check_query, check_update, is_replacement, refuse, refused
from .filters import judge
from .shelf import shelf_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ("Collection",)

_MOST_BYTES = 16 * 1024 * 1024


class Collection(mongomock_collection.Collection):
    """A collection whose look-ups use indexes and whose updates happen whole or not at all."""

    # mongomock_motor would wrap the methods of each collection to add what is built in here.
    _patched_by_mongomock_motor = True

    def with_options(self, **options: Any) -> Collection:
        """Return the collection with other options.

        Args:
            options: How to read and write.
        """
        made = super().with_options(**options)
        return made if made is self else _like(self, made)

    # -- reading -------------------------------------------------------------------------------------------------

    def _iter_documents(self, filter: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        if filter:
            check_query(filter)
        shelf = self._store
        documents = shelf.candidates(filter)
        if not documents:
            # mongomock judges a filter by applying it.
            filter_applies(filter, {})
            return iter(())
        fits = judge(filter)
        return (one for one in documents if fits(filter, one))

    def find(self, *args: Any, **kwargs: Any) -> Any:
        """Return a cursor.

        Args:
            args: As mongomock's.
            kwargs: As mongomock's.
        """
        refuse(kwargs, "find", "collation")
        return super().find(*args, **kwargs)

    def aggregate(self, pipeline: list[dict[str, Any]], session: Any = None, **options: Any) -> Any:
        """Return a cursor over what a pipeline makes of the documents.

        Args:
            pipeline: The stages.
            session: Not looked at.
            options: As mongomock's.
        """
        refuse(options, "aggregate", "collation", "let")
        first = pipeline[0].get("$match") if pipeline and isinstance(pipeline[0], dict) else None
        return aggregate.process_pipeline(list(self.find(first or {})), self.database, pipeline, None)

    # -- writing -------------------------------------------------------------------------------------------------

    def _insert(self, data: Any, session: Any = None, ordered: bool = True) -> Any:
        if isinstance(data, list):
            return super()._insert(data, ordered=ordered)
        if "_id" not in data:
            data["_id"] = ObjectId()
        if isinstance(data["_id"], list | tuple):
            raise WriteError("The '_id' value cannot be of type array", 53)
        document = _written(data)
        key = shelf_key(document["_id"])
        if key in self._store:
            raise self._duplicate("_id_", {"key": [("_id", 1)]}, document)
        self._put(key, document)
        return data["_id"]

    def _put(self, key: Any, document: dict[str, Any]) -> None:
        shelf = self._store
        if shelf.indexes:
            twin = shelf.twin(key, document)
            if twin is not None:
                raise self._duplicate(twin[0], twin[1], document)
        shelf[key] = document

    def _duplicate(self, name: str, index: Mapping[str, Any], document: Mapping[str, Any]) -> DuplicateKeyError:
        values = {}
        for field, _ in index["key"]:
            try:
                values[field] = helpers.get_value_by_dot(document, field)
            except KeyError:
                values[field] = None
        shown = ", ".join(f"{field}: {value!r}" for field, value in values.items())
        message = f"E11000 duplicate key error collection: {self.full_name} index: {name} dup key: {{ {shown} }}"
        details = {"code": 11000, "errmsg": message, "keyPattern": dict(index["key"]), "keyValue": values}
        return DuplicateKeyError(message, 11000, details)

    def _update(self, spec: Any, document: Any, upsert: bool = False, **options: Any) -> dict[str, Any]:
        multi = options.pop("multi", False)
        refuse(options, "update", "hint", "collation", "array_filters", "let", "sort")
        spec = helpers.patch_datetime_awareness_in_document(spec)
        check_update(document)
        matched = modified = 0
        upserted = None
        for existing in self._iter_documents(spec):
            matched += 1
            modified += self._change(existing, spec, document)
            if not multi:
                break
        if not matched and upsert:
            upserted = self._insert(self._seed(spec, document))
        return {
            "connectionId": self.database.client._id,
            "err": None,
            "n": matched or int(upserted is not None),
            "nModified": modified,
            "ok": 1,
            "upserted": upserted,
            "updatedExisting": bool(matched),
        }

    def replace(self, existing: dict[str, Any], document: Mapping[str, Any]) -> None:
        """Write a document in place of one that is here.

        Args:
            existing: What is here.
            document: The new one, with the same `_id`.
        """
        self._change(existing, {}, document)

    def _change(self, existing: dict[str, Any], spec: Mapping[str, Any], document: Any) -> bool:
        """Replace a document by what an update makes of it, and say whether that is another one."""
        own = existing["_id"]
        if is_replacement(document):
            made = {"_id": own, **document}
        else:
            made = mongomock_collection._copy_field(existing, dict)
            self._apply(made, spec, document)
        made = _written(made)
        if made["_id"] != own:
            raise WriteError(
                f"After applying the update, the (immutable) field '_id' was found to have been altered to "
                f"_id: {made['_id']!r}",
                66,
            )
        if made == existing and bson.encode(made) == bson.encode(existing):
            return False
        self._put(shelf_key(own), made)
        return True

    def _seed(self, spec: Mapping[str, Any], document: Any) -> dict[str, Any]:
        """Return the document that an update inserts where it finds none."""
        seed, _ = self._discard_operators(self._expand_dots(dict(spec)))
        seed = dict(seed or {})
        if is_replacement(document):
            return {"_id": seed.get("_id", ObjectId()), **document}
        self._apply(seed, spec, document, inserting=True)
        return {"_id": seed.pop("_id", ObjectId()), **seed}

    def _apply(self, made: dict[str, Any], spec: Mapping[str, Any], document: Any, *, inserting: bool = False) -> None:
        try:
            if isinstance(document, list):
                self._apply_update_pipeline(made, document, None)
                return
            document = self._dated(document)
            factors = document.pop("$mul", {})
            if factors:
                self._update_document_fields(made, factors, _multiply)
            if document:
                self._apply_update_document(made, spec, document, inserting)
        except PyMongoError:
            raise
        except (TypeError, AttributeError, KeyError, IndexError, ValueError) as error:
            raise WriteError(f"The update cannot be applied to the document: {error}", 14) from error

    def _dated(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return an update with the clock's time in place of `$currentDate`."""
        plain = dict(document)
        wanted = plain.pop("$currentDate", None)
        if wanted:
            for field, kind in wanted.items():
                if kind is not True and kind != {"$type": "date"}:
                    raise refused("update", f"$currentDate of {field!r} as {kind!r}", "Write True for a date.")
            now = datetime.fromtimestamp(self.database.client.server.now(), UTC).replace(tzinfo=None)
            plain["$set"] = {**plain.get("$set", {}), **dict.fromkeys(wanted, now)}
        return plain

    def _find_and_modify(
        self, query: Any, projection: Any = None, update: Any = None, upsert: bool = False, *rest: Any, **options: Any
    ) -> Any:
        sort = options.pop("sort", rest[0] if rest else None)
        returned = options.pop("return_document", rest[1] if len(rest) > 1 else ReturnDocument.BEFORE)
        remove = options.pop("remove", False)
        refuse(options, "find_one_and_*", "hint", "collation", "array_filters", "let")
        query = helpers.patch_datetime_awareness_in_document(query)
        if not remove:
            check_update(update)
        found = next(self._get_dataset(query, sort, {"_id": 1}, dict), None)
        shelf = self._store
        if found is None:
            if remove or not upsert:
                return None
            own = self._insert(self._seed(query, update))
            return self._shown(shelf[shelf_key(own)], projection) if returned is ReturnDocument.AFTER else None
        key = shelf_key(found["_id"])
        before = shelf[key]
        if remove:
            del shelf[key]
        else:
            self._change(before, query, update)
        return self._shown(shelf[key] if returned is ReturnDocument.AFTER and not remove else before, projection)

    def _shown(self, document: dict[str, Any], projection: Any) -> Any:
        if isinstance(projection, dict):
            projection = dict(projection)
        return self._copy_only_fields(document, projection, dict)

    def _delete(self, filter: Any, multi: bool = False, **options: Any) -> dict[str, Any]:
        refuse(options, "delete", "hint", "collation", "let")
        shelf = self._store
        found = self._iter_documents(helpers.patch_datetime_awareness_in_document(filter))
        documents = list(found) if multi else [one for one in (next(found, None),) if one is not None]
        for document in documents:
            del shelf[shelf_key(document["_id"])]
        return {"connectionId": self.database.client._id, "n": len(documents), "ok": 1.0, "err": None}

    def bulk_write(self, requests: Iterable[Any], ordered: bool = True, **options: Any) -> Any:
        """Make several writes.

        Args:
            requests: What to write, in pymongo's words.
            ordered: Whether to stop at the first that fails.
            options: None of them is taken.
        """
        refuse(options, "bulk_write", "bypass_document_validation", "let")
        bulk = _Bulk(self, ordered=ordered)
        for request in requests:
            request._add_to_bulk(bulk)
        return BulkWriteResult(bulk.execute(), True)

    # -- indexes -------------------------------------------------------------------------------------------------

    def create_index(self, key_or_list: Any, cache_for: int = 300, session: Any = None, **options: Any) -> str:
        """Make an index and return its name.

        Args:
            key_or_list: The field, or pairs of field and direction.
            cache_for: Not looked at.
            session: Not looked at.
            options: `name`, `unique`, `sparse`, `expireAfterSeconds`, `partialFilterExpression`.

        Raises:
            DuplicateKeyError: If documents that are there break it.
            OperationFailure: If another index has that name.
        """
        refuse(options, "create_index", "collation", "wildcardProjection", "weights")
        keys = helpers.create_index_list(key_or_list)
        name: str = options.get("name") or helpers.gen_index_name(keys)
        index: dict[str, Any] = {"key": keys}
        for option in ("sparse", "unique"):
            if options.get(option):
                index[option] = True
        for option in ("expireAfterSeconds", "partialFilterExpression"):
            if options.get(option) is not None:
                index[option] = options[option]
        shelf = self._store
        existing = shelf.indexes.get(name)
        if existing == index:
            return name
        if existing is not None:
            raise OperationFailure(f"Index with name: {name} already exists with different options", 86)
        shelf.create_index(name, index)
        if index.get("unique"):
            for document in shelf.documents:
                twin = shelf.twin(shelf_key(document["_id"]), document)
                if twin is not None and twin[0] == name:
                    shelf.drop_index(name)
                    raise self._duplicate(twin[0], twin[1], document)
        return name

    def create_indexes(self, indexes: Iterable[Any], session: Any = None) -> list[str]:
        """Make several indexes and return their names.

        Args:
            indexes: In pymongo's words.
            session: Not looked at.
        """
        made = []
        for index in indexes:
            options = dict(index.document)
            made.append(self.create_index(list(options.pop("key").items()), **options))
        return made

    def drop_indexes(self, session: Any = None) -> None:
        """Forget all indexes.

        Args:
            session: Not looked at.
        """
        for name in list(self._store.indexes):
            self._store.drop_index(name)


class _Bulk(mongomock_collection.BulkOperationBuilder):
    """Takes what newer pymongo hands over as well."""

    def add_update(self, *args: Any, sort: Any = None, **options: Any) -> None:
        """Take an update."""
        refuse({**options, "sort": sort}, "bulk_write", "sort", "collation")
        super().add_update(*args, **options)

    def add_replace(self, *args: Any, sort: Any = None, **options: Any) -> None:
        """Take a replacement."""
        refuse({**options, "sort": sort}, "bulk_write", "sort", "collation")
        super().add_replace(*args, **options)


def _like(collection: Collection, other: Any) -> Collection:
    return Collection(
        collection.database,
        collection.name,
        collection._db_store,
        write_concern=other.write_concern,
        read_concern=other.read_concern,
        read_preference=other.read_preference,
        codec_options=other.codec_options,
    )


def _written(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document as MongoDB gives it back: through BSON, `_id` first."""
    mongomock_collection._validate_data_fields(document)
    raw = bson.encode(document)
    if len(raw) > _MOST_BYTES:
        raise DocumentTooLarge(f"BSON document too large ({len(raw)} bytes) - at most {_MOST_BYTES} bytes are stored.")
    made: dict[str, Any] = bson.decode(raw)
    if next(iter(made)) != "_id":
        made = {"_id": made["_id"], **made}
    own = document["_id"]
    if isinstance(own, str):
        made["_id"] = own
    return made


def _multiply(document: Any, field: str, factor: Any) -> None:
    if isinstance(document, dict):
        document[field] = document.get(field, 0) * factor
    else:
        document[int(field)] *= factor
