"""How the time that something takes grows with the size of what it is given."""

from __future__ import annotations

import inspect
import math
import random
import statistics
import time
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from .._version import __version__
from ..errors import PerformanceError
from ..locations import caller, of_callable
from .instruments import machine
from .paired import ALPHA, FEWEST, interval, tail
from .result import Machine
from .units import whole
from .verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ("LIMIT", "Growth", "measure_growth")

LIMIT = 1.25
"""The slope of time over size, in logarithms, from which it is worse than linear; n·log(n) is below it."""

_LEAST = 1e-3
"""Seconds that a measurement takes at least, by calling as often as that needs."""


class Growth(BaseModel):
    """How the time grows: the slope in each round, their median and its interval of 99 %, and the median times."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["nexus-testing/growth"] = "nexus-testing/growth"
    version: Literal[1] = 1
    tool: str
    what: str
    sizes: list[int]
    times: list[float]
    slopes: list[float]
    slope: float
    low: float
    high: float
    verdicts: list[Verdict]
    machine: Machine
    interrupted: Literal[False] = False


async def _call(function: Callable[[int], Any], size: int) -> None:
    found = function(size)
    if inspect.isawaitable(found):
        await found


async def _timed(function: Callable[[int], Any], size: int, times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        await _call(function, size)
    return (time.perf_counter() - started) / times


async def measure_growth(
    function: Callable[[int], Any], sizes: Sequence[int], *, rounds: int, limit: float, seed: int
) -> Growth:
    """Call a function with several sizes, in turns, and judge how its time grows.

    Args:
        function: It is given a size; plain, or a coroutine function.
        sizes: The sizes, at least three, from the least to the greatest.
        rounds: How often each is measured.
        limit: The slope from which it is worse than linear.
        seed: The seed of the order in each round.

    Raises:
        PerformanceError: If that cannot be.
        BaseException: What the function raised.
    """
    __tracebackhide__ = True
    where = of_callable(function) or caller(2)
    sizes = [whole("sizes", size) for size in sizes]
    whole("rounds", rounds, FEWEST)
    if len(sizes) < 3 or sizes != sorted(set(sizes)) or sizes[-1] < 10 * sizes[0]:  # noqa: PLR2004 - said below
        raise PerformanceError(
            f"sizes={sizes!r} cannot be.",
            where=caller(2),
            why="it takes three at least, each greater than the last, and the last ten times the first",
            fix="sizes=[100, 1_000, 10_000]",
        )
    if not callable(function):
        raise PerformanceError(f"{function!r} cannot be called with a size.", where=where, fix="lambda size: …")
    rng = random.Random(seed)  # noqa: S311 - no secret
    repeats = {}
    for size in sizes:
        await _call(function, size)
        repeats[size] = max(1, math.ceil(_LEAST / max(await _timed(function, size, 1), 1e-9)))
    measured: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size in rng.sample(sizes, k=len(sizes)):
            measured[size].append(await _timed(function, size, repeats[size]))
    logs = [math.log(size) for size in sizes]
    slopes = [
        statistics.linear_regression(logs, [math.log(measured[size][number]) for size in sizes]).slope
        for number in range(rounds)
    ]
    low, high = interval(slopes)
    slope = statistics.median(slopes)
    worse = tail(rounds, sum(1 for one in slopes if one > limit)) <= ALPHA
    status: Literal["PASS", "FAIL", "INCONCLUSIVE"] = "FAIL" if worse else "PASS" if high <= limit else "INCONCLUSIVE"
    outcome: Literal["passed", "failed", "skipped"]
    outcome = "failed" if status == "FAIL" else "passed" if status == "PASS" else "skipped"
    name = str(getattr(function, "__name__", None) or type(function).__name__)
    times = [statistics.median(measured[size]) for size in sizes]
    shown = ", ".join(f"{size}: {1000 * one:.3g} ms" for size, one in zip(sizes, times, strict=True))
    verdict = Verdict(
        rule=f"{name} grows no worse than linearly: slope <= {limit:g}",
        status=status,
        outcome=outcome,
        text=f"slope {slope:.3g} ({low:.3g} … {high:.3g}), limit <= {limit:g}; {shown}",
        reason={"FAIL": "worse than linear", "PASS": ""}.get(status, "the rounds do not agree"),
        value=slope,
        limit=limit,
        samples=rounds,
        level="error",
        source="default",
    )
    return Growth(
        tool=__version__,
        what=name,
        sizes=list(sizes),
        times=times,
        slopes=slopes,
        slope=slope,
        low=low,
        high=high,
        verdicts=[verdict],
        machine=machine(),
    )
