"""Real SQL databases, on which everything that an app stores is kept."""

from __future__ import annotations

from .entries import Entry, Key
from .failures import Damaged
from .server import SqlServer
from .sqlite import SqliteServer

__all__ = ("Damaged", "Entry", "Key", "SqlServer", "SqliteServer")
