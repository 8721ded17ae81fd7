"""Documents, values and indexes as BSON, for databases that keep them as bytes."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import bson
from bson import json_util

from .store import KeyId

__all__ = ("Packed", "pack", "pack_document", "unpack", "unpack_document")


class Packed(NamedTuple):
    """What is kept of a document or a value."""

    id: str
    derived: bool
    body: bytes


def pack(key: str, value: Any) -> Packed:
    """Return what is kept of a value.

    Args:
        key: Its key.
        value: The value.
    """
    return Packed(json.dumps(key), derived=False, body=bson.encode({"": value}))


def unpack(entry_id: str, body: bytes) -> tuple[str, Any]:
    """Return key and value.

    Args:
        entry_id: What `pack` made of the key.
        body: What `pack` made of the value.
    """
    key: str = json.loads(entry_id)
    return key, bson.decode(body)[""]


def pack_document(document: dict[str, Any]) -> Packed:
    """Return what is kept of a document.

    Args:
        document: The document, with its `_id`.
    """
    own = document["_id"]
    return Packed(json_util.dumps(own, json_options=_CANONICAL), type(own) is KeyId, bson.encode(document))


def unpack_document(body: bytes, *, derived: bool) -> dict[str, Any]:
    """Return a document.

    Args:
        body: What `pack_document` made of it.
        derived: Whether its `_id` was made of a key.
    """
    document: dict[str, Any] = bson.decode(body)
    if derived:
        document["_id"] = KeyId(document["_id"])
    return document


_CANONICAL = json_util.CANONICAL_JSON_OPTIONS
