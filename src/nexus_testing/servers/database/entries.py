"""What is kept in the tables: one entry for each document, each value, and what is known besides."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ("Entry", "Key")


class Key(NamedTuple):
    """Where an entry stands."""

    kind: str
    collection: str
    id: str


class Entry(NamedTuple):
    """One row of the table of entries."""

    key: Key
    place: int
    """Its place in the order of insertion."""
    derived: bool
    """Whether its `_id` was made of a key and is no part of the document."""
    body: bytes
    """What it holds, as BSON."""
