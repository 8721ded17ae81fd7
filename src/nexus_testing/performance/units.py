"""Spans of time and rates as their users write them, with their units."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Any

from ..errors import PerformanceError, did_you_mean
from ..locations import caller

__all__ = ("TIMES", "per_second", "seconds", "shown", "whole")

TIMES = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
"""Seconds in each unit of time."""

_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zµ]*)\s*", re.IGNORECASE)


def seconds(name: str, said: Any) -> float:
    """Return how many seconds a span of time is.

    Args:
        name: The argument that it is, for the message.
        said: Such as "10s", "500ms" or a timedelta.

    Raises:
        PerformanceError: If it is no span of time, or nothing.
    """
    __tracebackhide__ = True
    found: float | None = None
    why, fix = "a span of time is a number and its unit, or a timedelta", f'{name}="10s"'
    if isinstance(said, timedelta):
        found = said.total_seconds()
    elif isinstance(said, str) and (match := _SPAN.fullmatch(said)):
        unit = match[2].replace("µ", "u")
        if unit in TIMES:
            found = float(match[1]) * TIMES[unit]
        else:
            why = f"the unit is one of {', '.join(TIMES)}"
            fix = did_you_mean(unit, TIMES) or fix
    elif isinstance(said, int | float) and not isinstance(said, bool) and said > 0:
        fix = f'{name}="{said}s"'
    if found is not None and found <= 0:
        found, why = None, "nothing can be measured in no time"
    if found is None or not math.isfinite(found):
        raise PerformanceError(f"{name}={said!r} cannot be.", where=caller(2), why=why, fix=fix)
    return found


def per_second(name: str, said: Any) -> float:
    """Return a rate as a number per second.

    Args:
        name: The argument that it is, for the message.
        said: A number per second, or such as "200/s" or "30/m".

    Raises:
        PerformanceError: If it is no rate, or nothing ever comes at it.
    """
    __tracebackhide__ = True
    found: float | None = None
    if isinstance(said, str):
        number, _, unit = said.partition("/")
        try:
            found = float(number) / TIMES[unit.strip()]
        except (ValueError, KeyError):
            found = None
    elif isinstance(said, int | float) and not isinstance(said, bool):
        found = float(said)
    if found is None or not 0 < found < math.inf:
        raise PerformanceError(
            f"{name}={said!r} cannot be.",
            where=caller(2),
            why="a rate is how many there are a second, more than none",
            fix=f'{name}=200, or {name}="200/s"',
        )
    return found


def whole(name: str, said: Any, least: int = 1) -> int:
    """Return a number of things.

    Args:
        name: The argument that it is, for the message.
        said: The number.
        least: How many there must be.

    Raises:
        PerformanceError: If it is no whole number, or too small.
    """
    __tracebackhide__ = True
    if isinstance(said, bool) or not isinstance(said, int) or said < least:
        raise PerformanceError(
            f"{name}={said!r} cannot be.", where=caller(2), why=f"it must be a whole number from {least} up"
        )
    return said


def shown(span: float) -> str:
    """Return a span of time for people, in the unit that suits it.

    Args:
        span: The span, in seconds.
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if span >= size:
            return f"{span / size:.3g} {unit}" if span < 1000 * size else f"{span / size:.0f} {unit}"
    return f"{span * 1e6:.3g} µs"
