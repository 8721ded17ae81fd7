"""Figure 12: how often the rule for regressions is wrong, and how often it sees one that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .measuring import CHILDREN, Row, child, environment, python_command, row

if TYPE_CHECKING:
    from .environments import Environments

__all__ = ("measure",)


def measure(environments: Environments) -> list[Row]:
    """Judge draws of one measured set of blocks.

    Args:
        environments: Not needed here.
    """
    found = child(python_command(CHILDREN / "comparison.py"), environment())

    def rate(what: str, target: str, which: str, blocks: str) -> Row:
        """Return the row of one variant."""
        hits = found[which][blocks]
        note = f"of {len(hits)} draws; p50 {found['base']:.1f} ms, ratio {found[which]['ratio']:.3f}"
        return row(what, target, "%", [100 * sum(hits) / len(hits)], "comparison", note)

    return [
        rate("a comparison of identical code says slower", "≤ 1 %", "same", "60"),
        rate("… of code that is slower by 15 %, within 20 blocks", "≥ 95 %", "slower by 15 %", "20"),
        rate("… by 7.5 %, within 60 blocks", "≥ 95 %", "slower by 7.5 %", "60"),
    ]
