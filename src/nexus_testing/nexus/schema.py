"""What `get_database_schema` returns, in either of its two spellings, checked part by part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import DataError, did_you_mean
from ..fakes.documents import Index
from .values import stored

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ("CollectionSchema", "parsed_schema")

_WHOLE = ("collections", "initial_data")
_INDEX = ("field", "fields", "unique", "sparse", "expireAfterSeconds")

_MOST_SECONDS = 2**31
"""MongoDB keeps the seconds of an expiring index in 32 bits."""

_SHAPE = """\
{"collections": {"items": {"indexes": [{"field": "name", "unique": True}]}},
 "initial_data": {"items": [{"id": "1", "name": "first"}]}}
or, without indexes: {"items": []}"""
_INDEX_SHAPE = '{"field": "name", "unique": True} or {"fields": ["owner", "name"]}'


class CollectionSchema(NamedTuple):
    """What a plugin says of one collection."""

    name: str
    indexes: tuple[Index, ...]
    documents: tuple[dict[str, Any], ...]


def parsed_schema(plugin: str, schema: object, known: Collection[str] = ()) -> list[CollectionSchema]:
    """Return the collections that a schema declares.

    Args:
        plugin: Whose schema it is.
        schema: What `get_database_schema` returned.
        known: The collections that were declared before, which initial data may be for as well.

    Raises:
        DataError: If a part of it cannot be; it names the part.
    """
    return _Parser(plugin).schema(schema, known)


class _Parser:
    def __init__(self, plugin: str) -> None:
        self._plugin = plugin

    def _wrong(self, path: str, what: str, shape: str, hint: str = "") -> DataError:
        return DataError(
            f"The database schema of {self._plugin!r} cannot be used: {path or 'the schema'} {what}.",
            where="get_database_schema()",
            why=hint,
            fix=f"Write {shape}",
            plugin=self._plugin,
        )

    def _mapping(self, value: object, path: str, shape: str) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self._wrong(path, f"is {_a(value)}, not a dict", shape)
        for key in value:
            if not isinstance(key, str):
                raise self._wrong(path, f"has the key {key!r}, which is no string", shape)
        return value

    def _only(self, value: Mapping[str, Any], allowed: Iterable[str], path: str, shape: str) -> None:
        for key in value:
            if key not in allowed:
                where = f"{path}.{key}" if path else key
                raise self._wrong(where, "is not known", shape, did_you_mean(key, allowed))

    def schema(self, schema: object, known: Collection[str]) -> list[CollectionSchema]:
        whole = self._mapping(schema, "", _SHAPE)
        if not any(key in whole for key in _WHOLE):
            return [self._simple(name, documents) for name, documents in whole.items()]
        self._only(whole, _WHOLE, "", _SHAPE)
        indexes = {
            name: self._collection(name, value)
            for name, value in self._mapping(whole.get("collections", {}), "collections", _SHAPE).items()
        }
        data = self._mapping(whole.get("initial_data", {}), "initial_data", _SHAPE)
        for name in data:
            if name not in indexes and name not in known:
                raise self._wrong(
                    f"initial_data.{name}",
                    "names no collection of this schema",
                    f'{{"collections": {{{name!r}: {{"indexes": []}}}}}} as well',
                    did_you_mean(name, [*indexes, *known]),
                )
        found = []
        for name in {**indexes, **data}:
            documents = self._documents(data.get(name, []), f"initial_data.{name}")
            self._unique(documents, indexes.get(name, ()), f"initial_data.{name}")
            found.append(CollectionSchema(name, indexes.get(name, ()), documents))
        return found

    def _simple(self, name: str, documents: object) -> CollectionSchema:
        self._name(name, name)
        found = self._documents(documents, name)
        self._unique(found, (), name)
        return CollectionSchema(name, (), found)

    def _name(self, name: str, path: str) -> None:
        if not name or "." in name or "$" in name or "\0" in name:
            raise self._wrong(path, "is no name for a collection", "a name without '.' and '$'")

    def _collection(self, name: str, value: object) -> tuple[Index, ...]:
        path = f"collections.{name}"
        self._name(name, path)
        shape = f'{{"indexes": [{_INDEX_SHAPE}]}}'
        definition = self._mapping(value, path, shape)
        self._only(definition, ("indexes",), path, shape)
        indexes = definition.get("indexes", [])
        if not isinstance(indexes, list | tuple):
            raise self._wrong(f"{path}.indexes", f"is {_a(indexes)}, not a list", f"[{_INDEX_SHAPE}]")
        found: dict[tuple[str, ...], Index] = {}
        for number, one in enumerate(indexes):
            index = self._index(one, f"{path}.indexes[{number}]")
            if index.fields in found:
                raise self._wrong(
                    f"{path}.indexes[{number}]", f"is a second index on {', '.join(index.fields)}", "it once"
                )
            found[index.fields] = index
        return tuple(found.values())

    def _index(self, value: object, path: str) -> Index:
        index = self._mapping(value, path, _INDEX_SHAPE)
        self._only(index, _INDEX, path, _INDEX_SHAPE)
        if ("field" in index) == ("fields" in index):
            what = "has both field and fields" if "field" in index else "has neither field nor fields"
            raise self._wrong(path, what, _INDEX_SHAPE)
        fields = index.get("fields", [index.get("field")])
        if not isinstance(fields, list | tuple) or not fields:
            raise self._wrong(f"{path}.fields", f"is {_a(fields)}, not a list of names", '["owner", "name"]')
        for number, field in enumerate(fields):
            if not isinstance(field, str) or not field or field.startswith("$"):
                part = f"{path}.fields[{number}]" if "fields" in index else f"{path}.field"
                raise self._wrong(part, f"is {field!r}, which is no field's name", '"name" or "address.city"')
        for option in ("unique", "sparse"):
            if not isinstance(index.get(option, False), bool):
                raise self._wrong(f"{path}.{option}", f"is {index[option]!r}", "True or False")
        seconds = index.get("expireAfterSeconds")
        if seconds is not None:
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < _MOST_SECONDS:
                raise self._wrong(f"{path}.expireAfterSeconds", f"is {seconds!r}", "seconds, 0 or more, below 2**31")
            if len(fields) > 1:
                raise self._wrong(f"{path}.expireAfterSeconds", "is for one field only", '{"field": "created_at", ...}')
        return Index(tuple(fields), index.get("unique", False), index.get("sparse", False), seconds)

    def _documents(self, value: object, path: str) -> tuple[dict[str, Any], ...]:
        if not isinstance(value, list | tuple):
            raise self._wrong(path, f"is {_a(value)}, not a list of documents", '[{"id": "1", "name": "first"}] or []')
        found = []
        for number, one in enumerate(value):
            if not isinstance(one, Mapping):
                raise self._wrong(f"{path}[{number}]", f"is {_a(one)}, not a dict", '{"id": "1", "name": "first"}')
            found.append(stored(dict(one), f"{path}[{number}]", plugin=self._plugin))
        return tuple(found)

    def _unique(self, documents: tuple[dict[str, Any], ...], indexes: tuple[Index, ...], path: str) -> None:
        identity = tuple(
            Index((field,), sparse=True) for field in ("_id", "id") if any(field in one for one in documents)
        )
        for index in (*identity, *(one for one in indexes if one.unique)):
            first: dict[str, int] = {}
            for number, document in enumerate(documents):
                values = [_at(document, field) for field in index.fields]
                if index.sparse and not any(value is not None for value in values):
                    continue
                earlier = first.setdefault(repr(values), number)
                if earlier != number:
                    raise self._wrong(
                        f"{path}[{number}].{index.fields[0]}",
                        f"is {values[0]!r}, as in {path}[{earlier}], and must be unique",
                        "another value",
                    )


def _at(document: Mapping[str, Any], field: str) -> Any:
    value: Any = document
    for part in field.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _a(value: object) -> str:
    return "None" if value is None else f"{value!r} ({type(value).__name__})"
