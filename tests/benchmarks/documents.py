"""What collections of documents cost, and how that grows with the number of documents."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from .measuring import CHILDREN, Row, child, environment, python_command, row

if TYPE_CHECKING:
    from .environments import Environments

__all__ = ("measure",)

_CALLS = (
    ("insert under a unique index", "insert", "≤ 80 µs"),
    ("find_one by an indexed field", "find by field", "≤ 40 µs"),
    ("find_one by _id", "find by _id", "≤ 40 µs"),
    ("update_one by an indexed field", "update", "≤ 100 µs"),
    ("two updates in a transaction, then abort", "transaction", "≤ 300 µs"),
)


def measure(environments: Environments) -> list[Row]:
    """Ask collections in one process.

    Args:
        environments: Not needed here.
    """
    found = child(python_command(CHILDREN / "documents.py"), environment())
    rows = [
        row(
            f"10,000 documents: {title}",
            target,
            "µs",
            found["10000"][name],
            "documents",
            f"{statistics.median(found['10000'][name]) / statistics.median(found['100'][name]):.2f} × that of 100",
        )
        for title, name, target in _CALLS
    ]
    return [*rows, row("database and cache, made, opened and removed", "≤ 150 µs", "µs", found["fresh"], "documents")]
