"""What a load and an unload cost, and how that grows with the number of plugins."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from .measuring import CHILDREN, Row, child, environment, python_command, row

if TYPE_CHECKING:
    from .environments import Environments

__all__ = ("measure",)


def _slope(sizes: list[float], times: list[float]) -> float:
    """Return the slope of the line through the logarithms, by least squares: 1 is linear growth, 2 quadratic."""
    return statistics.linear_regression([math.log(size) for size in sizes], [math.log(one) for one in times]).slope


def measure(environments: Environments) -> list[Row]:
    """Load and unload in one process.

    Args:
        environments: Not needed here.
    """
    found = child(python_command(CHILDREN / "loading.py"), environment())
    sizes = [float(size) for size in found["many"]]
    rounds = list(zip(*found["many"].values(), strict=True))
    last = statistics.median(times[-1] for times in rounds)
    return [
        row("load + unload, a plugin of 2 routes", "≤ 1 ms", "ms", found["routes"], "loading"),
        row("load + unload, a plugin without routes", "≤ 0.3 ms", "ms", found["bare"], "loading"),
        row("checks of what a test says, one load with configuration", "≤ 50 µs", "µs", found["checks"], "loading"),
        row(
            "10 to 100 plugins in one app, slope of time over number in logarithms",
            "≤ 1.1",
            "",
            [_slope(sizes, list(times)) for times in rounds],
            "loading",
            f"{last * 1000:.0f} ms for 100",
        ),
    ]
