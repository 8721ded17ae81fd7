"""Budgets held against what was measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from .disturbances import FOREIGN_LIMIT, GENERATOR_LIMIT
from .grammar import OPERATORS
from .metrics import UNITS
from .samples import Spread
from .verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .grammar import Rule
    from .samples import Track
    from .verdicts import Status

__all__ = ("Measured", "Source", "Sourced", "judge")

Source = Literal["budgets", "mark", "ini", "default"]
"""Where a budget stands."""

_BEYOND = 10
"""How many samples have to lie beyond a percentile."""


class Sourced(NamedTuple):
    """A budget, and where it stands."""

    rule: Rule
    source: Source


class Measured(NamedTuple):
    """All that one load measured.

    `users` is how many were asked for in the closed model, None in the open one. `plugins` are the plugins of routes.
    """

    tracks: Mapping[str, Track]
    plugins: Mapping[str, str | None]
    elapsed: float
    users: int | None
    in_flight_peak: int
    dropped: int
    iterations: Sequence[float]
    lags: Sequence[float]
    pauses: Sequence[float]
    generator_share: float | None
    foreign_cpu: float | None
    disturbances: Sequence[str]
    levels: Mapping[str, float]


class _Value(NamedTuple):
    value: float
    samples: int


def judge(sourced: Sourced, measured: Measured, standard: Measured | None = None) -> Verdict:
    """Return what became of a budget.

    Args:
        sourced: The budget.
        measured: What was measured.
        standard: What it is compared with, where the budget says so.
    """
    rule = sourced.rule
    found = _value(rule, measured)
    limit, missing = rule.limit, ""
    if rule.relative is not None:
        base = _value(rule, standard) if standard is not None else None
        if base is None:
            missing = f"the {rule.relative.of} has no data"
        else:
            limit = base.value * rule.relative.factor + rule.relative.more
    status: Status
    reason = ""
    if found is None or missing:
        status, reason = "NO_DATA", missing or _nothing(rule)
    else:
        held = OPERATORS[rule.compare](found.value, limit)
        doubt = _doubt(rule, measured, found.samples, held=held)
        status, reason = ("INCONCLUSIVE", doubt) if doubt else ("PASS" if held else "FAIL", "")
    return _verdict(sourced, status, reason, found, limit)


def _verdict(sourced: Sourced, status: Status, reason: str, found: _Value | None, limit: float) -> Verdict:
    rule = sourced.rule
    outcome: Literal["passed", "failed", "skipped"] = "passed"
    if status == "INCONCLUSIVE" or (status == "NO_DATA" and rule.no_data == "skip"):
        outcome = "skipped"
    elif status in {"FAIL", "NO_DATA"}:
        if rule.level == "warn":
            reason = reason or "it does not hold, and its level is warn"
            status = "WARN"
        else:
            outcome = "failed"
    return Verdict(
        rule=rule.text,
        status=status,
        outcome=outcome,
        text=_told(rule, found, limit),
        reason=reason,
        value=found.value if found is not None else None,
        limit=limit,
        samples=found.samples if found is not None else 0,
        level="warn" if rule.level == "warn" else "error",
        source=sourced.source,
    )


def _nothing(rule: Rule) -> str:
    if rule.tags:
        return f"no request was of {', '.join(f'{name} {value}' for name, value in rule.tags.items())}"
    return "nothing was measured"


# -- values --------------------------------------------------------------------------------------------------------


def _value(rule: Rule, measured: Measured) -> _Value | None:
    match rule.metric:
        case "http_reqs" | "http_req_failed":
            return _counted(rule, measured)
        case "dropped_arrivals":
            return _Value(float(measured.dropped), len(_requests(measured)) + measured.dropped)
        case "in_flight_peak":
            return _Value(float(measured.in_flight_peak), 1)
        case "generator_cpu":
            return None if measured.generator_share is None else _Value(measured.generator_share, 1)
        case "rss_growth" | "blocks_per_req" | "tasks_leaked":
            level = measured.levels.get(rule.metric)
            return None if level is None else _Value(level, 1)
    return _of_spans(rule, _spans(rule, measured))


def _of_spans(rule: Rule, values: Sequence[float]) -> _Value | None:
    if rule.aggregate == "count":
        return _Value(float(len(values)), len(values))
    if not values:
        return None
    spread = Spread(values)
    match rule.aggregate:
        case "avg":
            value = spread.mean
        case "min":
            value = spread.min
        case "max":
            value = spread.max
        case _:
            value = spread.percentile(_percent(rule))
    return _Value(value, spread.count)


def _percent(rule: Rule) -> float:
    return 50.0 if rule.aggregate == "med" else rule.percent


def _requests(measured: Measured) -> list[float]:
    return [end for track in measured.tracks.values() for end in track.ends]


def _selected(rule: Rule, measured: Measured) -> list[tuple[Track, Sequence[int] | None]]:
    """Return the tracks that a budget is about, with the places of its samples where they are not all."""
    found: list[tuple[Track, Sequence[int] | None]] = []
    family = rule.tags.get("status_class")
    for name, track in measured.tracks.items():
        method, _, path = name.partition(" ")
        if rule.tags.get("route", name) not in {name, path}:
            continue
        if rule.tags.get("method", method) != method:
            continue
        plugin = measured.plugins.get(name)
        if rule.tags.get("plugin", plugin) != plugin:
            continue
        places = None
        if family is not None:
            places = [place for place, code in enumerate(track.codes) if f"{code // 100}xx" == family]
        found.append((track, places))
    return found


def _spans(rule: Rule, measured: Measured) -> Sequence[float]:
    whole = {"loop_lag": measured.lags, "gc_pause": measured.pauses, "iteration_duration": measured.iterations}
    if rule.metric in whole:
        return whole[rule.metric]
    spans: list[float] = []
    for track, places in _selected(rule, measured):
        values = {"http_req_duration": track.durations, "http_req_service": track.services}.get(
            rule.metric, track.firsts
        )
        spans.extend(values if places is None else (values[place] for place in places))
    return spans


def _counted(rule: Rule, measured: Measured) -> _Value | None:
    requests = failed = 0
    for track, places in _selected(rule, measured):
        requests += len(track.ends) if places is None else len(places)
        failed += sum(track.failed) if places is None else sum(track.failed[place] for place in places)
    if rule.metric == "http_reqs":
        if rule.aggregate == "count":
            return _Value(float(requests), requests)
        return _Value(requests / measured.elapsed, requests) if measured.elapsed > 0 else None
    if not requests:
        return None
    return _Value(failed / requests if rule.aggregate == "rate" else float(failed), requests)


# -- doubts --------------------------------------------------------------------------------------------------------


def _doubt(rule: Rule, measured: Measured, samples: int, *, held: bool) -> str:
    """Return why what was measured says nothing about the budget; an empty text if it does."""
    least = rule.min_samples if rule.min_samples is not None else _least(rule)
    if samples < least:
        return f"too few samples: {samples} of {least}"
    if rule.measures not in {"time", "rate"} or rule.relative is not None:
        return ""
    share = measured.generator_share
    if share is not None and share > GENERATOR_LIMIT:
        return f"the generator is saturated: {share:.0%} of this process' time went into sending"
    users = measured.users
    if users is not None and users > measured.in_flight_peak and rule.metric.startswith("http"):
        return (
            f"the concurrency was never reached: {users} users, and at most {measured.in_flight_peak} "
            f"request{'s' if measured.in_flight_peak != 1 else ''} in the app at once"
        )
    disturbances = list(measured.disturbances)
    if measured.foreign_cpu is not None and measured.foreign_cpu > FOREIGN_LIMIT:
        disturbances.append(f"others used {measured.foreign_cpu:.2f} processors")
    # All of these make things slower: what is quick in spite of them is quick, whichever way the budget has it.
    quick = {"<", "<="} if rule.measures == "time" else {">", ">="}
    safe = rule.compare not in {"==", "!="} and held == (rule.compare in quick)
    return "" if safe else "; ".join(disturbances)


def _least(rule: Rule) -> int:
    """Return how many samples a percentile needs."""
    if rule.aggregate not in {"p", "med"}:
        return 0
    percent = _percent(rule)
    tail = min(percent, 100 - percent) / 100
    return math.ceil(_BEYOND / tail - 1e-9) if tail > 0 else 0


# -- words ---------------------------------------------------------------------------------------------------------


def _told(rule: Rule, found: _Value | None, limit: float) -> str:
    """Return value and limit in the budget's unit, with as many digits as it takes to tell them apart."""
    unit = rule.unit.replace("µ", "u")
    size = UNITS[unit].size if unit else 1.0
    if found is None:
        return f"no value, limit {rule.compare} {limit / size:g}{unit}"
    digits = 4
    while digits < 17 and f"{found.value / size:.{digits}g}" == f"{limit / size:.{digits}g}" and found.value != limit:  # noqa: PLR2004
        digits += 1
    value, bound = (f"{one / size:.{digits}g}{unit}" for one in (found.value, limit))
    return f"{value}, limit {rule.compare} {bound}, n={found.samples}"
