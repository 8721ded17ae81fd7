"""Figure 11: the measuring path of loads and httpx' way, a slow handler under load, and one that stands still once."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .measuring import CHILDREN, Row, child, environment, python_command, row
from .sample import NAME, write_plugin

if TYPE_CHECKING:
    from .environments import Environments

__all__ = ("measure",)


def measure(environments: Environments) -> list[Row]:
    """Measure all of it in one process.

    Args:
        environments: Not needed here.
    """
    with tempfile.TemporaryDirectory(prefix="nexus-benchmark-") as name:
        folder = Path(name) / NAME
        write_plugin(folder)
        found = child(python_command(CHILDREN / "load.py", folder), environment(), Path(name))

    def ratio(which: str, what: str, target: str) -> Row:
        """Return the row of one app."""
        own, other = zip(*found[which], strict=True)
        note = f"{statistics.median(own):.0f} µs and {statistics.median(other):.0f} µs a request here"
        samples = [two / one for one, two in found[which]]
        return row(
            f"requests by the measuring path ÷ by httpx.ASGITransport: {what}", target, "×", samples, "load", note
        )

    return [
        ratio("bare", "a bare FastAPI route", "≥ 3.5×"),
        ratio("embedded", "a plugin's route, in memory", "≥ 2.5×"),
        row(
            "p50 of a handler of 10 ms, 100 at once",
            "≤ 11.5 ms",
            "ms",
            found["slow"],
            "load",
            f"{found['quiet']} of 15 runs had the machine to themselves",
        ),
        row(
            "one stall of 1 s at 200 requests a second: p99 from when they were due",
            "900 … 1,000 ms",
            "ms",
            found["stall"],
            "load",
            f"{statistics.median(found['naive']):.0f} ms from when they were sent",
        ),
        row("blocks of memory that a request of a clean plugin leaves", "≤ 0.1", "", found["blocks"], "load"),
    ]
