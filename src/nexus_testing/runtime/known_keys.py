"""Which keys of a configuration a plugin says that it knows."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..nexus.config_files import read_config_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..manifest import Manifest

__all__ = ("UnknownKey", "unknown_keys")

_EITHER = ("allOf", "anyOf", "oneOf")
_BRANCHES = ("if", "then", "else")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_FREE = ("additionalProperties", "patternProperties", "unevaluatedProperties", "propertyNames")


class UnknownKey(NamedTuple):
    """A key that the plugin does not know, and those that it knows in its place."""

    path: str
    key: str
    known: frozenset[str]


class _Level(NamedTuple):
    """The keys of one object, with their schemas, and whether it may have others."""

    keys: dict[str, list[Any]]
    free: bool


def unknown_keys(manifest: Manifest, folder: Path, given: Mapping[str, Any]) -> Iterator[UnknownKey]:
    """Return the keys of a configuration that neither schema nor defaults nor the manifest's lists name.

    A plugin that says nothing of its configuration knows every key, and so does an object whose schema says that it
    may have others.

    Args:
        manifest: The plugin's manifest.
        folder: The folder that its paths start from.
        given: The configuration.

    Raises:
        ConfigurationError: If one of the files cannot be used.
    """
    said = manifest.configuration
    files = read_config_files(manifest.name, folder, {"schema": said.schema_file, "defaults": said.defaults})
    names = frozenset((*said.required, *said.optional, *files.defaults))
    if files.schema is None:
        if names:
            yield from (UnknownKey(key, key, names) for key in given if key not in names)
        return
    yield from _unknown([files.schema], given, names, files.schema, "")


def _unknown(
    schemas: list[Any], given: Mapping[str, Any], names: frozenset[str], root: dict[str, Any], path: str
) -> Iterator[UnknownKey]:
    level = _Level({}, free=False)
    for schema in schemas:
        one = _level(schema, root, frozenset())
        for key, inner in one.keys.items():
            level.keys.setdefault(key, []).extend(inner)
        level = level._replace(free=level.free or one.free)
    known = names | level.keys.keys()
    for key, value in given.items():
        if key in level.keys:
            if isinstance(value, Mapping):
                yield from _unknown(level.keys[key], value, frozenset(), root, f"{path}{key}.")
        elif key not in known and known and not level.free:
            yield UnknownKey(f"{path}{key}", str(key), known)


def _level(schema: Any, root: dict[str, Any], seen: frozenset[int]) -> _Level:
    """Return what a schema says of the keys of an object, through its branches and its references."""
    if not isinstance(schema, dict):
        return _Level({}, free=schema is True)
    keys: dict[str, list[Any]] = {}
    if id(schema) in seen:
        return _Level(keys, free=False)
    free = any(schema.get(key, False) is not False for key in _FREE)
    properties, required = schema.get("properties"), schema.get("required")
    for key in required if isinstance(required, list) else ():
        keys[str(key)] = []
    for key, inner in properties.items() if isinstance(properties, dict) else ():
        keys[key] = [inner]
    for branch in _branches(schema, root):
        one = _level(branch, root, seen | {id(schema)})
        free = free or one.free
        for key, found in one.keys.items():
            keys.setdefault(key, []).extend(found)
    return _Level(keys, free)


def _branches(schema: dict[str, Any], root: dict[str, Any]) -> Iterator[Any]:
    for key in _EITHER:
        inner = schema.get(key)
        yield from inner if isinstance(inner, list) else ()
    for key in _BRANCHES:
        if isinstance(schema.get(key), dict):
            yield schema[key]
    dependent = schema.get("dependentSchemas")
    yield from dependent.values() if isinstance(dependent, dict) else ()
    for reference in _REFERENCES:
        if reference in schema:
            yield _referred(schema[reference], root)


def _referred(reference: object, root: dict[str, Any]) -> Any:
    """Return what a reference within the schema leads to; True, which takes everything, for any other."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return True
    parts = [part.replace("~1", "/").replace("~0", "~") for part in reference[1:].split("/")[1:]]
    try:
        return functools.reduce(lambda value, part: value[part], parts, root) if parts or reference == "#" else True
    except (KeyError, TypeError, IndexError):
        return True
