"""Budgets of a run of load: which there are, and what became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..performance.grammar import parse
from ..performance.judging import Measured, Sourced, judge
from ..performance.samples import Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..performance.traffic import Operation
    from ..performance.verdicts import Verdict
    from .plan import Sample
    from .profiles import Profile

__all__ = ("budgets", "exit_code", "measured", "tracks_of", "verdicts")

_ALWAYS = "http_reqs count > 0"
"""A run that sent nothing is no good one."""

_FAILED, _UNKNOWN = 1, 3


def budgets(profile: Profile, own: Iterable[str], listed: Sequence[Operation]) -> list[Sourced]:
    """Return the budgets of a run: the author's, and of the profile's those about what the author says nothing of.

    Args:
        profile: The profile.
        own: The author's.
        listed: The operations that there are.

    Raises:
        BudgetError: If one of them cannot be.
    """
    found = [Sourced(parse(text), "budgets") for text in own]
    said = {one.rule.metric for one in found}
    for text in (_ALWAYS, *profile.budgets):
        rule = parse(text)
        if rule.metric not in said:
            found.append(Sourced(rule, "default"))
    if profile.every_route:
        found += [Sourced(parse(f"http_reqs{{route:{one.name}}} count > 0"), "default") for one in listed if one.weight]
    return [one for one in found if one.rule.level != "off"]


def tracks_of(samples: Iterable[Sample]) -> dict[str, Track]:
    """Return what was measured of each route.

    Args:
        samples: The requests.
    """
    tracks: dict[str, Track] = {}
    for name, ended, duration, service, status, reason in samples:
        tracks.setdefault(name, Track()).add(ended, duration, service, service, status, reason)
    return dict(sorted(tracks.items()))


def measured(
    tracks: Mapping[str, Track],
    *,
    elapsed: float,
    dropped: int = 0,
    peak: int = 0,
    lags: Sequence[float] = (),
    generator: float | None = None,
    foreign: float | None = None,
    levels: Mapping[str, float] | None = None,
    doubts: Sequence[str] = (),
) -> Measured:
    """Return what budgets are held against.

    Args:
        tracks: What was measured of each route.
        elapsed: How many seconds it took.
        dropped: How many requests were due and not sent.
        peak: How many were under way at once, at most.
        lags: How late the server's loop was.
        generator: How many processors each worker used.
        foreign: How many processors others used.
        levels: What grew with each request.
        doubts: What makes times unsure.
    """
    return Measured(
        tracks=tracks,
        plugins={},
        elapsed=elapsed,
        users=None,
        in_flight_peak=peak,
        dropped=dropped,
        iterations=(),
        lags=lags,
        pauses=(),
        generator_share=generator,
        foreign_cpu=foreign,
        disturbances=doubts,
        levels=levels or {},
    )


def verdicts(rules: Iterable[Sourced], what: Measured) -> list[Verdict]:
    """Return what became of each budget.

    Args:
        rules: The budgets.
        what: What they are held against.
    """
    return [judge(rule, what) for rule in rules]


def exit_code(found: Iterable[Any]) -> int:
    """Return 0 if all budgets hold, 1 if one does not, 3 if of one it is not known.

    Args:
        found: The verdicts.
    """
    # A budget may say that having nothing to be about is no matter.
    idle = {("NO_DATA", "skipped")}
    statuses = {one.status for one in found if one.outcome != "passed" and (one.status, one.outcome) not in idle}
    if "FAIL" in statuses:
        return _FAILED
    return _UNKNOWN if statuses & {"NO_DATA", "INCONCLUSIVE"} else 0
