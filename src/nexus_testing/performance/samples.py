"""What was measured, value by value, and the statistics of it."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Any, Literal

from .result import Bucket, Distribution, Figures, Moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ("RAW_LIMIT", "Spread", "Track", "distribution", "figures", "percentile")

RAW_LIMIT = 1_000_000
"""Up to so many values every one is kept for the percentiles."""

_DIGITS = 3
_BUCKETS_A_DECADE = 10
_INTERVALS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
_MOMENTS = 120


class Track:
    """All that was measured of one route, or of all of them.

    Spans are in seconds, and ends count from the start of the load.
    """

    __slots__ = ("codes", "durations", "ends", "failed", "failures", "firsts", "services", "statuses")

    def __init__(self) -> None:
        self.ends: array[float] = array("d")
        self.durations: array[float] = array("d")
        self.services: array[float] = array("d")
        self.firsts: array[float] = array("d")
        self.failed: array[int] = array("b")
        self.codes: array[int] = array("h")
        self.failures: dict[str, int] = {}
        self.statuses: dict[int, int] = {}

    def add(  # noqa: PLR0917 - one call for every request
        self, end: float, duration: float, service: float, first: float, status: int | None, reason: str | None
    ) -> None:
        """Add a request.

        Args:
            end: When it ended.
            duration: How long it took from when it was due.
            service: How long the app took, to the last byte.
            first: How long the app took to the first byte.
            status: What it answered, if it did.
            reason: Why it counts as failed; None if it does not.
        """
        self.ends.append(end)
        self.durations.append(duration)
        self.services.append(service)
        self.firsts.append(first)
        self.codes.append(status or 0)
        if status is not None:
            self.statuses[status] = self.statuses.get(status, 0) + 1
        if reason is None:
            self.failed.append(0)
        else:
            self.failed.append(1)
            self.failures[reason] = self.failures.get(reason, 0) + 1

    def join(self, others: Iterable[Track]) -> Track:
        """Take in what others have.

        Args:
            others: The others.

        Returns:
            This one.
        """
        for other in others:
            self.ends.extend(other.ends)
            self.durations.extend(other.durations)
            self.services.extend(other.services)
            self.firsts.extend(other.firsts)
            self.failed.extend(other.failed)
            self.codes.extend(other.codes)
            for reason, count in other.failures.items():
                self.failures[reason] = self.failures.get(reason, 0) + count
            for status, count in other.statuses.items():
                self.statuses[status] = self.statuses.get(status, 0) + count
        return self


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return a percentile of values, between two of them by a straight line.

    Args:
        ordered: The values in order; at least one.
        percent: From 0 to 100.
    """
    at = percent / 100 * (len(ordered) - 1)
    low = math.floor(at)
    below = ordered[low]
    if low == at:
        return below
    return below + (ordered[low + 1] - below) * (at - low)


class Spread:
    """Values of one metric, in order or in a histogram, that percentiles are read from.

    Args:
        values: The values, in seconds or any other unit.
    """

    def __init__(self, values: Sequence[float]) -> None:
        self.count = len(values)
        self.mean = math.fsum(values) / self.count if self.count else 0.0
        self.method: Literal["linear", "hdr"] = "linear"
        self._histogram = _histogram_of(values) if self.count > RAW_LIMIT else None
        if self._histogram is not None:
            self.method = "hdr"
            self.min, self.max = min(values), max(values)
        else:
            self._ordered = sorted(values)
            self.min, self.max = (self._ordered[0], self._ordered[-1]) if self.count else (0.0, 0.0)

    def percentile(self, percent: float) -> float:
        """Return a percentile.

        Args:
            percent: From 0 to 100.
        """
        if self._histogram is None:
            return percentile(self._ordered, percent)
        found: int = self._histogram.get_value_at_percentile(percent)
        return min(max(found / 1e9, self.min), self.max)


def _histogram_of(values: Sequence[float]) -> Any:
    """Return a histogram of very many values, or None where the library for it is not installed: all are kept then."""
    try:
        from hdrh.histogram import HdrHistogram
    except ModuleNotFoundError:
        return None
    histogram = HdrHistogram(1, 86_400_000_000_000, _DIGITS)
    for value in values:
        histogram.record_value(max(round(value * 1e9), 1))
    return histogram


def distribution(values: Sequence[float]) -> Distribution | None:
    """Return the statistics of values; None of no values.

    Args:
        values: The values, in seconds.
    """
    spread = Spread(values)
    if not spread.count:
        return None
    at = spread.percentile
    return Distribution(
        count=spread.count,
        method=spread.method,
        min=spread.min,
        mean=spread.mean,
        p50=at(50),
        p90=at(90),
        p95=at(95),
        p99=at(99),
        p99_9=at(99.9),
        max=spread.max,
    )


def _histogram(values: Sequence[float]) -> list[Bucket]:
    """Return how many values lie under each of a series of limits, equal in ratio."""
    counts: dict[int, int] = {}
    for value in values:
        place = math.ceil(math.log10(max(value, 1e-9)) * _BUCKETS_A_DECADE)
        counts[place] = counts.get(place, 0) + 1
    if not counts:
        return []
    return [
        Bucket(upto=10 ** (place / _BUCKETS_A_DECADE), count=counts.get(place, 0))
        for place in range(min(counts), max(counts) + 1)
    ]


def _series(track: Track, elapsed: float) -> list[Moment]:
    width = next((one for one in _INTERVALS if elapsed / one <= _MOMENTS), _INTERVALS[-1])
    spans: dict[int, list[float]] = {}
    failed: dict[int, int] = {}
    for end, duration, wrong in zip(track.ends, track.durations, track.failed, strict=True):
        place = int(end / width)
        spans.setdefault(place, []).append(duration)
        failed[place] = failed.get(place, 0) + wrong
    moments = []
    for place in range(max(spans, default=-1) + 1):
        ordered = sorted(spans.get(place, ()))
        moments.append(
            Moment(
                at=place * width,
                length=width,
                count=len(ordered),
                failed=failed.get(place, 0),
                p50=percentile(ordered, 50) if ordered else None,
                p95=percentile(ordered, 95) if ordered else None,
                max=ordered[-1] if ordered else None,
            )
        )
    return moments


def figures(track: Track, elapsed: float) -> Figures:
    """Return the figures of a route.

    Args:
        track: What was measured of it.
        elapsed: How many seconds the load took.
    """
    return Figures(
        count=len(track.ends),
        rate=len(track.ends) / elapsed if elapsed > 0 else 0.0,
        failed=sum(track.failed),
        failures=dict(sorted(track.failures.items())),
        statuses=dict(sorted(track.statuses.items())),
        duration=distribution(track.durations),
        service=distribution(track.services),
        ttfb=distribution(track.firsts),
        histogram=_histogram(track.durations),
        series=_series(track, elapsed),
    )
