"""What virtual time costs: a month of background tasks, the clock itself, many sleepers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .measuring import CHILDREN, Row, child, environment, python_command, row

if TYPE_CHECKING:
    from .environments import Environments

__all__ = ("measure",)


def measure(environments: Environments) -> list[Row]:
    """Let time pass in one process.

    Args:
        environments: Not needed here.
    """
    found = child(python_command(CHILDREN / "clock.py"), environment())
    ratios = [ours / bare for ours, bare in zip(found["month"], found["bare"], strict=True)]
    middle = sorted(found["month"])[len(found["month"]) // 2]
    note = f"{middle:.0f} ms for {found['runs']} runs here"
    return [
        row(
            "30 days of background tasks ÷ bare loops on the same clock",
            "≤ 3.5×",
            "×",
            ratios,
            "clock",
            note,
        ),
        row("the virtual clock, put on and taken off", "≤ 50 µs", "µs", found["install"], "clock"),
        row("1,000 tasks that sleep 10 times each", "≤ 120 ms", "ms", found["sleepers"], "clock"),
    ]
