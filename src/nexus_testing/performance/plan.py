"""What a test says of a load, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..clock import VirtualClock, current
from ..errors import PerformanceError, did_you_mean
from ..locations import caller
from .arrivals import Stage, schedule
from .profiles import level_of, stages_of
from .targets import Fill, target, targets
from .units import per_second, seconds, whole
from .works import RequestWork, ScenarioWork, Work

if TYPE_CHECKING:
    import random
    from array import array

    from ..app import App
    from .works import Kind

__all__ = ("WARMUP_REQUESTS", "WARMUP_SECONDS", "Plan", "chooser", "make_plan", "make_work")

WAITING = 1000
"""How many requests of the open model may wait at once, unless said otherwise."""

WARMUP_REQUESTS = 200
WARMUP_SECONDS = 1.0
_ARRIVALS = ("even", "poisson")


class Plan(NamedTuple):
    """One load, all of it."""

    what: str
    works: tuple[Work, ...]
    weights: tuple[float, ...]
    users: int
    rate: float | None
    arrivals: Literal["even", "poisson"] | None
    due: array[float] | None
    duration: float | None
    requests: int | None
    seed: int
    warmup: bool
    profile: str | None = None
    level: Callable[[float], float] | None = None
    """How many users there are after so many seconds; all of them by default."""

    @property
    def kinds(self) -> set[Kind]:
        """Of what the load consists."""
        return {one.kind for one in self.works}


def make_plan(  # noqa: C901, PLR0912 - one check after the other
    app: App,
    what: Any,
    *,
    users: int | None,
    rate: Any,
    arrivals: str,
    duration: Any,
    requests: int | None,
    warmup: bool,
    seed: int,
    fill: Fill | None = None,
    profile: str | None = None,
) -> Plan:
    """Return the load that is meant.

    Args:
        app: The app, up.
        what: A request, a scenario, or several with their weights; None for all requests that there are.
        users: How many send, or may wait.
        rate: How many requests there are a second, or None for the closed model.
        arrivals: How they are spread.
        duration: How long it takes.
        requests: How many are sent, instead.
        warmup: Whether to send some before that count for nothing.
        seed: The seed of all that is drawn.
        fill: What fills placeholders of requests.
        profile: How the load rises and falls.

    Raises:
        PerformanceError: If it cannot be.
    """
    __tracebackhide__ = True
    where = caller(2)
    fill = fill or Fill()
    if isinstance(current(), VirtualClock):
        raise PerformanceError(
            "Nothing can be measured in virtual time.",
            where=where,
            why="a virtual clock is on: what takes time takes none of it",
            fix="Leave nexus_clock out of this test.",
        )
    if arrivals not in _ARRIVALS:
        raise PerformanceError(
            f"arrivals={arrivals!r} cannot be.",
            where=where,
            why=f"they are {' or '.join(_ARRIVALS)}",
            fix=did_you_mean(arrivals, _ARRIVALS) if isinstance(arrivals, str) else "",
        )
    if users is None and rate is None:
        raise PerformanceError(
            "A load needs users or a rate.",
            where=where,
            fix="run(…, users=50): each sends when it has an answer. run(…, rate=200): so many a second anyway.",
        )
    if requests is not None:
        whole("requests", requests)
        if rate is not None:
            raise PerformanceError(
                "requests= is for users, not for a rate.",
                where=where,
                fix='Say how long: run(…, rate=200, duration="5s").',
            )
    if users is not None:
        whole("users", users)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise PerformanceError(f"seed={seed!r} cannot be.", where=where, why="it must be a whole number")
    length = seconds("duration", duration) if duration is not None else None
    if length is None and requests is None:
        length = 10.0
    if what is None:
        what = dict.fromkeys(map(RequestWork, targets(app, fill, seed)), 1)
    weighted = what if isinstance(what, Mapping) else {what: 1}
    works = tuple(make_work(app, one, fill, seed) for one in weighted)
    weights = tuple(_weight(one) for one in weighted.values())
    if not works:
        raise PerformanceError("There is nothing to send.", where=where, fix='run("GET /items", users=10)')
    due = each = None
    if rate is not None and length is not None:
        each = per_second("rate", rate)
        stages = [Stage(length, each, each)] if profile is None else stages_of(profile, length, each, where)
        due = schedule(stages, seed if arrivals == "poisson" else None)
        if not due:
            raise PerformanceError(
                f"At {each:g} a second nothing is due in {length:g} s.", where=where, fix="Take a longer duration."
            )
    most, level = users if users is not None else WAITING, None
    if profile is not None and due is None:
        if length is None:
            raise PerformanceError(
                "A profile needs a duration.", where=where, why="it says how the load goes over its time"
            )
        most, level = level_of(profile, length, most, where)
    return Plan(
        what=", ".join(one.name for one in works),
        works=works,
        weights=weights,
        users=most,
        rate=each,
        arrivals=("poisson" if arrivals == "poisson" else "even") if due is not None else None,
        due=due,
        duration=length,
        requests=requests,
        seed=seed,
        warmup=bool(warmup),
        profile=profile,
        level=level,
    )


def make_work(app: App, said: Any, fill: Fill, seed: int) -> Work:
    """Return what is to be done again and again.

    Args:
        app: The app, up.
        said: A request or a scenario.
        fill: What fills a request.
        seed: The seed of what is drawn.

    Raises:
        PerformanceError: If it is neither.
    """
    __tracebackhide__ = True
    if isinstance(said, Work):
        return said
    if isinstance(said, str):
        return RequestWork(target(app, said, fill, seed))
    if not callable(said):
        raise PerformanceError(
            f"{said!r} is nothing to send.",
            where=caller(3),
            why="it is a request, such as 'GET /items', or a coroutine function",
        )
    work = ScenarioWork(said)
    if fill:
        raise PerformanceError(
            "params, query, headers and json are for requests, not for scenarios.",
            where=caller(3),
            fix="Say them where the scenario sends its requests.",
        )
    return work


def _weight(said: Any) -> float:
    __tracebackhide__ = True
    if isinstance(said, bool) or not isinstance(said, int | float) or not said > 0:
        raise PerformanceError(
            f"A weight of {said!r} cannot be.", where=caller(3), why="it says how often, against the others"
        )
    return float(said)


def chooser(plan: Plan, rng: random.Random) -> Callable[[], Work]:
    """Return what says, each time it is called, what comes next.

    Args:
        plan: The load.
        rng: Where its choices come from.
    """
    if len(plan.works) == 1:
        only = plan.works[0]
        return lambda: only
    return lambda: rng.choices(plan.works, plan.weights)[0]
