"""The tables that hold an app's data."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, MetaData, Table, Text

__all__ = ("VERSION", "Tables")

VERSION = 1
"""The version of these tables. Raise it with every change of them."""


class Tables:
    """The tables in one schema.

    Args:
        schema: Its name; None where a database has none.
    """

    def __init__(self, schema: str | None = None) -> None:
        self.metadata = MetaData(schema=schema)
        self.state = Table(
            "nexus_state",
            self.metadata,
            Column("version", Integer, nullable=False),
            # Grows with every write, whoever writes: the database itself sees to it.
            Column("revision", BigInteger, nullable=False),
        )
        self.entries = Table(
            "nexus_entries",
            self.metadata,
            Column("kind", Text, primary_key=True),
            Column("collection", Text, primary_key=True),
            Column("id", Text, primary_key=True),
            Column("place", BigInteger, nullable=False),
            Column("derived", Boolean, nullable=False),
            Column("body", LargeBinary, nullable=False),
        )
