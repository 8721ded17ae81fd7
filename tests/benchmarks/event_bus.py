"""Figure 5: our event bus, journal and all, and the published framework's."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from .measuring import CHILDREN, Row, child, environment, python_command, row

if TYPE_CHECKING:
    from .environments import Environments

__all__ = ("measure",)


def measure(environments: Environments) -> list[Row]:
    """Deliver a backlog on both, in turns, where the published framework is installed.

    Args:
        environments: Where the environment comes from.
    """
    found = child(python_command(CHILDREN / "event_bus.py", python=environments.platform()), environment())
    ours, published = found["ours"], found["published"]
    return [
        row(
            "events a second on our bus ÷ on the published framework's, 20,000 queued, one handler",
            "≥ 2×",
            "×",
            [one / other for one, other in zip(ours, published, strict=True)],
            "event_bus",
            f"{statistics.median(ours):,.0f}/s and {statistics.median(published):,.0f}/s here",
        )
    ]
