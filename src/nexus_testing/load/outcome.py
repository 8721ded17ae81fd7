"""What a run of load came to, of what Locust and the server left."""

from __future__ import annotations

import contextlib
import json
from array import array
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..performance.arrivals import digest
from ..performance.instruments import machine
from ..performance.result import Instruments, PerformanceResult
from ..performance.samples import Track, distribution, figures
from .report import Generator, LoadResult, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..performance.result import Warmup
    from ..performance.traffic import Operation
    from .plan import LoadPlan
    from .processes import Process, Usage
    from .settings import Settings

__all__ = ("outcome",)

_SATURATED = 0.9
"""Processors a worker may use on average before what it measures is its own slowness: where Locust warns, too."""


def outcome(
    settings: Settings,
    plan: LoadPlan,
    listed: Sequence[Operation],
    *,
    warmup: Warmup,
    locust: Process,
    server: Process | None,
    beats: Path,
    interrupted: bool,
) -> LoadResult:
    """Return what a run came to.

    Args:
        settings: What it was told.
        plan: What Locust was told.
        listed: The operations that there are.
        warmup: What was sent before.
        locust: Locust's process.
        server: The server's; None if it runs elsewhere.
        beats: The file of how late the server's loop was.
        interrupted: Whether Ctrl-C ended it.
    """
    file = Path(plan.results)
    said: dict[str, Any] = (
        json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"samples": [], "dropped": 0}
    )
    tracks: dict[str, Track] = {}
    edges: list[tuple[float, int]] = []
    late = []
    for name, ended, duration, service, status, reason in said["samples"]:
        tracks.setdefault(name, Track()).add(ended, duration, service, service, status, reason)
        edges += [(ended - service, 1), (ended, -1)]
        late.append(max(duration - service, 0.0))
    total = Track().join(tracks.values())
    elapsed = max(total.ends, default=0.0)
    lags = _lags(beats)
    used = _cpu(locust.usage) / plan.workers
    of_server = _cpu(server.usage) if server is not None else 0.0
    rate = settings.average if plan.model == "open" else None
    performance = PerformanceResult(
        tool=__version__,
        what=f"{settings.profile.name} of {', '.join(settings.plugins) or settings.host}",
        model=plan.model,
        users=plan.max_in_flight * plan.workers
        if plan.model == "open"
        else max(round(max(b for *_, b in plan.ramps)), 1),
        rate=rate,
        arrivals=("poisson" if settings.poisson else "even") if plan.model == "open" else None,
        schedule=_digest(plan.due),
        seed=plan.seed,
        planned=plan.seconds,
        elapsed=elapsed,
        interrupted=interrupted,
        scheduled=len(plan.due) if plan.model == "open" else None,
        dropped=said["dropped"],
        warmup=warmup,
        total=figures(total, elapsed),
        routes={name: figures(track, elapsed) for name, track in sorted(tracks.items())},
        instruments=Instruments(
            in_flight_peak=_peak(edges),
            loop_lag=distribution(lags),
            gc_pauses=0,
            gc_seconds=0.0,
            gc_longest=0.0,
            own_cpu=of_server,
            foreign_cpu=None,
            generator_share=min(used, 1.0),
            lateness=distribution(late) if plan.model == "open" else None,
            journal_kept=0,
            journal_counts={},
        ),
        machine=machine(),
    )
    return LoadResult(
        profile=settings.profile.name,
        plugins=settings.plugins,
        performance=performance,
        uncalled=[one.name for one in listed if one.name not in tracks],
        unanswered=[
            name
            for name, track in sorted(tracks.items())
            if not any(one < HTTPStatus.BAD_REQUEST for one in track.statuses)
        ],
        server=_served(server, lags) if server is not None else None,
        generator=Generator(workers=plan.workers, cpu=used, saturated=used > _SATURATED),
    )


def _digest(due: Sequence[float]) -> str | None:
    return digest(array("d", due)) if due else None


def _lags(beats: Path) -> list[float]:
    if not beats.exists():
        return []
    found = []
    for line in beats.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError, KeyError):
            found.append(max(float(json.loads(line)["lag"]), 0.0))
    return found


def _cpu(usage: Sequence[Usage]) -> float:
    """Return how many processors were used on average."""
    if len(usage) < 2:  # noqa: PLR2004 - between two moments
        return 0.0
    first, last = usage[0], usage[-1]
    return (last.cpu - first.cpu) / max(last.at - first.at, 1e-9)


def _peak(edges: list[tuple[float, int]]) -> int:
    """Return how many requests were under way at once, at most."""
    now = most = 0
    for _, step in sorted(edges):
        now += step
        most = max(most, now)
    return most


def _served(server: Process, lags: Sequence[float]) -> Server:
    usage = server.usage or []
    steps = [(b.cpu - a.cpu) / max(b.at - a.at, 1e-9) for a, b in zip(usage, usage[4:], strict=False)]
    return Server(
        cpu=_cpu(usage),
        cpu_peak=max(steps, default=0.0),
        rss_first=usage[0].rss if usage else 0,
        rss_last=usage[-1].rss if usage else 0,
        rss_peak=max((one.rss for one in usage), default=0),
        loop_lag=distribution(list(lags)),
    )
