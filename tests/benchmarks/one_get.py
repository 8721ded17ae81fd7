"""Figure 4: one GET through `test_client`, and through httpx's own transport to the same FastAPI app."""

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

_PROCESSES = 3


def measure(environments: Environments) -> list[Row]:
    """Compare both, batch by batch, in a few processes.

    Args:
        environments: Not needed here.
    """
    with tempfile.TemporaryDirectory(prefix="nexus-benchmark-") as name:
        folder = Path(name) / NAME
        write_plugin(folder)
        runs = [
            child(python_command(CHILDREN / "one_get.py", folder), environment(), Path(name)) for _ in range(_PROCESSES)
        ]
    ours, plain = ([value for run in runs for value in run[which]] for which in ("ours", "plain"))
    return [
        row(
            "one GET through test_client ÷ through httpx.ASGITransport",
            "≤ 1.05×",
            "×",
            [one / other for one, other in zip(ours, plain, strict=True)],
            "one_get",
            f"{statistics.median(ours):.0f} µs and {statistics.median(plain):.0f} µs here",
        )
    ]
