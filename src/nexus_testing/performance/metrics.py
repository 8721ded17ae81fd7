"""What can be measured: each metric with its kind, what may be asked of it, and in which units."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ("AGGREGATES", "METRICS", "OF_ROUTES", "TAGS", "UNITS", "Metric", "Unit")


class Unit(NamedTuple):
    """A unit: what it measures, and how much of the base unit of that it is."""

    of: str
    size: float


UNITS = {
    "us": Unit("time", 1e-6),
    "ms": Unit("time", 1e-3),
    "s": Unit("time", 1.0),
    "%": Unit("share", 0.01),
    "/s": Unit("rate", 1.0),
    "B": Unit("size", 1.0),
    "KiB": Unit("size", 1024.0),
    "MiB": Unit("size", 1048576.0),
}

_SPANS = {"avg": "time", "min": "time", "med": "time", "max": "time", "p": "time", "count": "number"}
_LEVEL = {"value": "number"}

AGGREGATES = ("count", "rate", "value", "avg", "min", "med", "max", "p")

TAGS = ("route", "method", "status_class", "plugin")
"""By what the requests of a load can be told apart."""


class Metric(NamedTuple):
    """A metric: what each aggregate of it measures."""

    aggregates: dict[str, str]
    text: str


METRICS = {
    "http_req_duration": Metric(_SPANS, "from when a request was due to its last byte"),
    "http_req_service": Metric(_SPANS, "from the entry into the app to the last byte"),
    "http_req_ttfb": Metric(_SPANS, "from the entry into the app to the first byte"),
    "http_req_failed": Metric({"rate": "share", "count": "number"}, "requests that failed"),
    "http_reqs": Metric({"count": "number", "rate": "rate"}, "requests"),
    "dropped_arrivals": Metric({"count": "number"}, "requests that were due while too many waited"),
    "iteration_duration": Metric(_SPANS, "runs of scenarios"),
    "in_flight_peak": Metric(_LEVEL, "requests that were in the app at once"),
    "loop_lag": Metric(_SPANS, "how late the event loop was"),
    "gc_pause": Metric(_SPANS, "pauses of the garbage collector"),
    "generator_cpu": Metric({"value": "share"}, "the sending's part of this process' time"),
    "rss_growth": Metric({"value": "size"}, "memory that is held for each request"),
    "blocks_per_req": Metric(_LEVEL, "blocks of memory that each request leaves"),
    "tasks_leaked": Metric(_LEVEL, "tasks that each request leaves"),
}
"""All metrics, by name."""

OF_ROUTES = frozenset(name for name in METRICS if name.startswith("http_"))
"""Those that single routes have."""
