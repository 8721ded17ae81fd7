"""An app and one GET on the real framework: through the harness and by hand, and the same plugin in memory."""

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
    """Compare them, in turns, in a few processes of an environment that has both frameworks.

    Args:
        environments: Where the environment comes from.
    """
    python = environments.with_platform()
    times: dict[str, list[float]] = {"platform": [], "by_hand": [], "embedded": []}
    ratios: list[float] = []
    with tempfile.TemporaryDirectory(prefix="nexus-benchmark-") as name:
        write_plugin(Path(name) / "plugins" / "custom" / NAME)
        for _ in range(_PROCESSES):
            # One process has one framework, so what is in memory takes its turn in another.
            for kinds in ("platform,by_hand", "embedded"):
                command = python_command(CHILDREN / "real_framework.py", kinds, python=python)
                found = child(command, environment(), Path(name))
                for kind, values in found.items():
                    times[kind] += values
            ratios.append(statistics.median(found["embedded"]) / statistics.median(times["platform"]))
    middle = {kind: statistics.median(values) for kind, values in times.items()}
    return [
        row(
            "an app on nexus-platform and one GET: through the harness ÷ by hand",
            "≤ 1.15×",
            "×",
            [one / other for one, other in zip(times["platform"], times["by_hand"], strict=True)],
            "real_framework",
            f"{middle['platform']:.1f} ms and {middle['by_hand']:.1f} ms here",
        ),
        row(
            "the same plugin: in memory ÷ on nexus-platform",
            "≤ 0.3×",
            "×",
            ratios,
            "real_framework",
            f"{middle['embedded']:.1f} ms and {middle['platform']:.1f} ms here",
        ),
    ]
