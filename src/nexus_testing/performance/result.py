"""The result of a load as versioned JSON: what every table, page and verdict is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from ..reports.result import read_model
from .verdicts import Verdict

if TYPE_CHECKING:
    from pathlib import Path

__all__ = (
    "FORMAT",
    "VERSION",
    "Bucket",
    "Distribution",
    "Figures",
    "Instruments",
    "Machine",
    "Moment",
    "PerformanceResult",
    "Warmup",
    "read_performance",
)

FORMAT = "nexus-testing/performance"
VERSION = 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Distribution(_Part):
    """The statistics of spans of time, in seconds.

    `method` says how percentiles were found: "linear" between all values, or "hdr", from a histogram of three digits.
    """

    count: int
    method: Literal["linear", "hdr"]
    min: float
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    p99_9: float
    max: float


class Bucket(_Part):
    """How many requests took at most so many seconds, and more than the bucket before says."""

    upto: float
    count: int


class Moment(_Part):
    """The requests that ended in one stretch of the load's time."""

    at: float
    length: float
    count: int
    failed: int
    p50: float | None
    p95: float | None
    max: float | None


class Figures(_Part):
    """What was measured of one route, or of all.

    `duration` is from when a request was due to its last byte, `service` and `ttfb` from the entry into the app to the
    last and to the first byte. `failures` counts by reason: a status of 400 or more, or the exception.
    """

    count: int
    rate: float
    failed: int
    failures: dict[str, int]
    statuses: dict[int, int]
    duration: Distribution | None
    service: Distribution | None
    ttfb: Distribution | None
    histogram: list[Bucket]
    series: list[Moment]


class Warmup(_Part):
    """What was sent before, and counts for nothing."""

    requests: int
    seconds: float


class Instruments(_Part):
    """How the measuring went: what a figure has to be read with.

    `in_flight_peak` is how many requests were in the app at once. `loop_lag` is by how much the event loop was late for
    a timer every 10 ms. `foreign_cpu` is how many processors others used, `own_cpu` how many this process did, and
    `generator_share` which part of that went into sending; each is None where it cannot be known.
    """

    in_flight_peak: int
    loop_lag: Distribution | None
    gc_pauses: int
    gc_seconds: float
    gc_longest: float
    own_cpu: float
    foreign_cpu: float | None
    generator_share: float | None
    lateness: Distribution | None
    journal_kept: int
    journal_counts: dict[str, int]
    correlation_ids: Literal[False] = False
    drains: Literal[False] = False


class Machine(_Part):
    """Where it was measured."""

    python: str
    implementation: str
    system: str
    processor: str
    processors: int
    versions: dict[str, str]


class PerformanceResult(_Part):
    """What one load came to.

    `model` is "closed", where each of `users` sends its next request when it has the answer to the last, or "open",
    where requests are due at a `rate` whatever becomes of them; then `users` is how many may wait at once, and
    `dropped` counts those that were due while so many did. `client` is what a scenario and its client took besides
    the app, for each run of it, and `iterations` how long the runs of it took.
    """

    format: Literal["nexus-testing/performance"] = "nexus-testing/performance"
    version: Literal[1] = 1
    tool: str
    what: str
    model: Literal["closed", "open"]
    users: int
    rate: float | None
    arrivals: Literal["even", "poisson"] | None
    schedule: str | None
    seed: int
    profile: str | None = None
    planned: float | None
    elapsed: float
    interrupted: bool
    scheduled: int | None
    dropped: int
    warmup: Warmup
    total: Figures
    routes: dict[str, Figures]
    iterations: Distribution | None = None
    client: Distribution | None = None
    instruments: Instruments
    machine: Machine
    verdicts: list[Verdict] = []


def read_performance(path: Path) -> PerformanceResult:
    """Read a result that was written as JSON.

    Args:
        path: The file.

    Raises:
        ResultError: If it cannot be read, or is none of this version.
    """
    return read_model(path, PerformanceResult, FORMAT, VERSION, ("performance result", "Measure again"))
