"""What it costs to take back what a test did to an app that others share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .measuring import CHILDREN, Row, child, environment, python_command, row

if TYPE_CHECKING:
    from .environments import Environments

__all__ = ("measure",)


def measure(environments: Environments) -> list[Row]:
    """Write to an app of a thousand documents, and take it back.

    Args:
        environments: Not needed here.
    """
    found = child(python_command(CHILDREN / "sharing.py"), environment())
    return [
        row("a shared app of 1,000 documents after 11 writes, taken back", "≤ 300 µs", "µs", found["reset"], "sharing"),
        row("a block of `fresh()` in the same app", "≤ 1,000 µs", "µs", found["fresh"], "sharing"),
    ]
