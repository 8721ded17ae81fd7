"""When requests are due, fixed before the first of them is sent."""

from __future__ import annotations

import hashlib
import math
import random
from array import array
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ("Stage", "digest", "schedule")


class Stage(NamedTuple):
    """A stretch of time in which a rate goes from one value to another, in a straight line."""

    length: float
    start: float
    end: float


def _marks(seed: int | None) -> Iterator[float]:
    """Yield how much of the rate's integral has to pass before each arrival: 1, 2, 3, or at random around that."""
    if seed is None:
        mark = 0.0
        while True:
            yield mark
            mark += 1.0
    rng = random.Random(seed)  # noqa: S311 - no secret
    mark = 0.0
    while True:
        mark += rng.expovariate(1.0)
        yield mark


def schedule(stages: Sequence[Stage], seed: int | None = None) -> array[float]:
    """Return when each request is due, in seconds from the start.

    Args:
        stages: The rate over time.
        seed: The seed of a Poisson process; None for even distances.
    """
    due: array[float] = array("d")
    marks = _marks(seed)
    mark = next(marks)
    begun = passed = 0.0
    for length, start, end in stages:
        area = (start + end) / 2 * length
        slope = (end - start) / length
        while mark < passed + area:
            due.append(begun + _within(mark - passed, start, slope))
            mark = next(marks)
        passed += area
        begun += length
    return due


def _within(area: float, start: float, slope: float) -> float:
    """Return after which time a rate that grows by a slope has an integral."""
    # The form of the root that stays exact as the slope goes to nothing.
    root = math.sqrt(max(start * start + 2 * slope * area, 0.0))
    return 2 * area / (start + root) if area else 0.0


def digest(due: array[float]) -> str:
    """Return what two schedules have in common only if they are the same.

    Args:
        due: The schedule.
    """
    return hashlib.sha256(due.tobytes()).hexdigest()[:16]
