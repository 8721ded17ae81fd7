"""Two versions measured in turns, block by block: how far the one is slower, and whether that is more than noise."""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = (
    "ALPHA",
    "FEWEST",
    "LEAST_DIFFERENCE",
    "Contrast",
    "Pair",
    "Statistic",
    "contrasts",
    "decided",
    "holm",
    "interval",
)

Statistic = Literal["p50", "p95"]
"""What of a block is compared; the tail beyond is noise, and the rest follows these."""

Key = TypeVar("Key", bound=Hashable)

ALPHA = 0.005
"""How likely a route that is just as slow as it may be is called slower, all routes together: what an interval of 99 %
leaves out at one end."""

LEAST_DIFFERENCE = 50e-6
"""Seconds; what differs by less is no regression, however much it is of a very quick route."""

FEWEST = 8
"""Of fewer blocks no interval of 99 % can be made."""


class Pair(NamedTuple):
    """What one block of the base and one of the head took, in seconds, side by side."""

    base: float
    head: float


class Contrast(BaseModel):
    """What became of one statistic of one route.

    `ratio` is the median of head over base, block by block, `low` and `high` the ends of its interval of 99 %.
    `likelihood` is how likely so many blocks are slower by more than the margin if the route is not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    route: str
    statistic: Statistic
    base: float
    head: float
    ratio: float
    low: float
    high: float
    likelihood: float
    blocks: int
    status: Literal["PASS", "FAIL", "INCONCLUSIVE"]
    reason: str


def tail(count: int, least: int) -> float:
    """Return how likely at least so many of a number of coins fall on one side.

    Args:
        count: How many there are.
        least: How many of them.
    """
    ways: int = sum(math.comb(count, k) for k in range(least, count + 1))
    return ways / float(2**count)


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the interval of 99 % for the median, which are two of the values themselves.

    Args:
        ratios: One for each block; at least `FEWEST`.
    """
    ordered = sorted(ratios)
    count = len(ordered)
    place = max(k for k in range(1, count // 2 + 1) if k == 1 or tail(count, count + 1 - k) <= ALPHA)
    return ordered[place - 1], ordered[count - place]


def holm(likelihoods: Mapping[Key, float], alpha: float = ALPHA) -> set[Key]:
    """Return those that are too unlikely to be chance, when so many are looked at: Holm's way.

    Args:
        likelihoods: How likely each is by chance.
        alpha: How likely any of them may be called out wrongly.
    """
    found: set[Key] = set()
    ordered = sorted(likelihoods.items(), key=lambda item: item[1])
    for place, (key, likelihood) in enumerate(ordered):
        if likelihood > alpha / (len(ordered) - place):
            break
        found.add(key)
    return found


def contrasts(
    pairs: Mapping[tuple[str, Statistic], Sequence[Pair]], margin: float, *, last: bool = True
) -> list[Contrast]:
    """Return what became of each statistic of each route.

    Args:
        pairs: What was measured, block by block.
        margin: By which part the head may be slower.
        last: Whether nothing more will be measured.
    """
    limit = 1 + margin
    ratios = {key: [pair.head / pair.base for pair in blocks] for key, blocks in pairs.items()}
    # The sign test, one-sided: were the median at the limit, each block would lie above it as a coin falls.
    likelihoods = {key: tail(len(values), sum(one > limit for one in values)) for key, values in ratios.items()}
    slower = holm(likelihoods)
    found = []
    for (route, statistic), blocks in pairs.items():
        key = (route, statistic)
        low, high = interval(ratios[key])
        base, head = (statistics.median(values) for values in zip(*blocks, strict=True))
        difference = statistics.median(pair.head - pair.base for pair in blocks)
        status: Literal["PASS", "FAIL", "INCONCLUSIVE"] = "INCONCLUSIVE"
        reason = f"after {len(blocks)} blocks it may be slower by more than {margin:.0%}, or not"
        if key in slower and low > limit:
            if difference > LEAST_DIFFERENCE:
                status, reason = "FAIL", f"slower by more than {margin:.0%}"
            else:
                status, reason = "PASS", f"slower, and by {difference * 1e6:.0f} µs alone"
        elif high < limit:
            status, reason = "PASS", ""
        found.append(
            Contrast(
                route=route,
                statistic=statistic,
                base=base,
                head=head,
                ratio=statistics.median(ratios[key]),
                low=low,
                high=high,
                likelihood=likelihoods[key],
                blocks=len(blocks),
                status=status,
                reason=reason if last or status != "INCONCLUSIVE" else "",
            )
        )
    return found


def decided(found: Sequence[Contrast]) -> bool:
    """Say whether more blocks would change nothing.

    Args:
        found: What became of each.
    """
    return all(one.status != "INCONCLUSIVE" for one in found)
