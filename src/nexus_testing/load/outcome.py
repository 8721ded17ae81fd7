"""What a run of load came to, of what Locust and the server left."""

from __future__ import annotations

import contextlib
import json
import os
from array import array
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .._version import __version__
from ..performance.arrivals import digest
from ..performance.disturbances import FOREIGN_LIMIT, GENERATOR_LIMIT
from ..performance.grammar import parse
from ..performance.instruments import machine
from ..performance.judging import Sourced
from ..performance.result import Instruments, PerformanceResult
from ..performance.samples import Track, distribution, figures
from .judgement import measured, tracks_of, verdicts
from .report import Aborted, Generator, LoadResult, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..performance.result import Warmup
    from ..performance.traffic import Operation
    from ..performance.verdicts import Verdict
    from .plan import LoadPlan, Sample
    from .processes import Process, Usage
    from .settings import Settings

__all__ = ("Run", "busy", "outcome")


class Run(NamedTuple):
    """One run that is over: what it was told, what was sent before it, and the processes that it was made of.

    `busy` is how many seconds of processors the machine worked meanwhile.
    """

    settings: Settings
    plan: LoadPlan
    listed: Sequence[Operation]
    rules: Sequence[Sourced]
    warmup: Warmup
    locust: Process
    server: Process | None
    beats: Path
    busy: float
    interrupted: bool


def busy() -> float:
    """Return for how many seconds of processors this machine has worked since it was started."""
    import psutil

    times = psutil.cpu_times()
    return float(times.user + times.system + times.nice)


def outcome(run: Run) -> LoadResult:
    """Return what a run came to.

    Args:
        run: The run.
    """
    settings, plan, server = run.settings, run.plan, run.server
    file = Path(plan.results)
    said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    samples = said.get("samples", [])
    tracks = tracks_of(samples)
    total = Track().join(tracks.values())
    elapsed = max(total.ends, default=0.0)
    beats = _beats(run.beats)
    lags = [one["lag"] for one in beats]
    used = _cpu(run.locust.usage) / plan.workers
    lost = plan.workers - said.get("workers", 0) if samples else 0
    what = measured(
        tracks,
        elapsed=elapsed,
        dropped=said.get("dropped", 0),
        peak=_peak(samples),
        lags=lags,
        generator=used,
        foreign=_in_the_way(run),
        levels=_levels(beats, len(samples), server),
        doubts=[f"{lost} of {plan.workers} workers were lost"] if lost else [],
    )
    judged = [] if run.interrupted else verdicts(run.rules, what)
    performance = PerformanceResult(
        tool=__version__,
        what=f"{settings.profile.name} of {', '.join(settings.plugins) or settings.host}",
        model=plan.model,
        users=_users(plan),
        rate=settings.average if plan.model == "open" else None,
        arrivals=("poisson" if settings.poisson else "even") if plan.model == "open" else None,
        schedule=_digest(plan.due),
        seed=plan.seed,
        planned=plan.seconds,
        elapsed=elapsed,
        interrupted=run.interrupted,
        scheduled=len(plan.due) if plan.model == "open" else None,
        dropped=what.dropped,
        warmup=run.warmup,
        total=figures(total, elapsed),
        routes={name: figures(track, elapsed) for name, track in tracks.items()},
        instruments=Instruments(
            in_flight_peak=what.in_flight_peak,
            loop_lag=distribution(lags),
            gc_pauses=0,
            gc_seconds=0.0,
            gc_longest=0.0,
            own_cpu=_cpu(server.usage) if server is not None else 0.0,
            foreign_cpu=_foreign(run),
            generator_share=min(used, 1.0),
            lateness=distribution([max(one[2] - one[3], 0.0) for one in samples]) if plan.model == "open" else None,
            journal_kept=0,
            journal_counts={},
        ),
        machine=machine(),
    )
    aborted = said.get("aborted")
    searching = settings.profile.searches
    return LoadResult(
        profile=settings.profile.name,
        plugins=settings.plugins,
        performance=performance,
        verdicts=judged,
        recovery=_recovery(run, samples, beats),
        aborted=Aborted(**aborted) if aborted else None,
        held_rate=plan.level(min(said.get("held", 0.0), plan.seconds - 1e-6)) if searching and samples else None,
        uncalled=[one.name for one in run.listed if one.name not in tracks],
        unanswered=[
            name for name, one in tracks.items() if not any(code < HTTPStatus.BAD_REQUEST for code in one.statuses)
        ],
        server=_served(server, lags) if server is not None else None,
        generator=Generator(workers=plan.workers, lost=max(lost, 0), cpu=used, saturated=used > GENERATOR_LIMIT),
    )


def _users(plan: LoadPlan) -> int:
    if plan.model == "open":
        return plan.max_in_flight * plan.workers
    return max(round(max(last for _, _, last in plan.ramps)), 1)


def _recovery(run: Run, samples: Sequence[Sample], beats: Sequence[dict[str, Any]]) -> list[Verdict]:
    """Return what became of the budgets of the last stage, held against what ended in it."""
    rules = run.settings.profile.recovery
    if not rules or run.interrupted:
        return []
    length = run.plan.ramps[-1][0]
    begun = run.plan.seconds - length
    late = [one for one in samples if one[1] >= begun]
    # The first half of it is for coming back.
    share = round(len(beats) * length / run.plan.seconds / 2)
    what = measured(tracks_of(late), elapsed=length, lags=[one["lag"] for one in beats[len(beats) - share :]])
    return verdicts([Sourced(parse(text), "default") for text in rules], what)


def _foreign(run: Run) -> float | None:
    """Return how many processors others used while the load ran."""
    usage = run.locust.usage
    if len(usage) < 2:  # noqa: PLR2004 - between two moments
        return None
    seconds = usage[-1].at - usage[0].at
    ours = usage[-1].cpu + (_cpu(run.server.usage) * seconds if run.server is not None else 0.0)
    return max((run.busy - ours) / seconds, 0.0)


def _in_the_way(run: Run) -> float | None:
    """Return how many processors others used, if that can have kept server and generator waiting."""
    usage = run.locust.usage
    full = len(usage) > 1 and run.busy / (usage[-1].at - usage[0].at) > (os.cpu_count() or 1) - FOREIGN_LIMIT
    return _foreign(run) if full else None


def _levels(beats: Sequence[dict[str, Any]], requests: int, server: Process | None) -> dict[str, float]:
    """Return what grew with each request, from the second quarter of the run to its end."""
    found: dict[str, float] = {}
    first = len(beats) // 4
    since = beats[first:]
    asked = requests * len(since) / len(beats) if beats else 0
    if len(since) > 1 and asked:
        found["blocks_per_req"] = (since[-1]["blocks"] - since[0]["blocks"]) / asked
        found["tasks_leaked"] = (since[-1]["tasks"] - since[0]["tasks"]) / asked
    if server is not None and len(server.usage) > 1 and requests:
        found["rss_growth"] = (server.usage[-1].rss - server.usage[len(server.usage) // 4].rss) / requests
    return found


def _digest(due: Sequence[float]) -> str | None:
    return digest(array("d", due)) if due else None


def _beats(file: Path) -> list[dict[str, Any]]:
    """Return what the server wrote each second of its loop."""
    found = []
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            # The last one may be cut off.
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
    return found


def _cpu(usage: Sequence[Usage]) -> float:
    """Return how many processors were used on average."""
    if len(usage) < 2:  # noqa: PLR2004 - between two moments
        return 0.0
    first, last = usage[0], usage[-1]
    return (last.cpu - first.cpu) / max(last.at - first.at, 1e-9)


def _peak(samples: Sequence[Sample]) -> int:
    """Return how many requests were under way at once, at most."""
    edges = [edge for _, ended, _, service, *_ in samples for edge in ((ended - service, 1), (ended, -1))]
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
