"""What a test says of a load, checked before anything is sent."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..clock import VirtualClock, current
from ..errors import PerformanceError, did_you_mean
from ..locations import caller, of_callable
from .arrivals import Stage, schedule
from .targets import Fill, Target, target
from .units import per_second, seconds, whole

if TYPE_CHECKING:
    import random
    from array import array

    from ..app import App

__all__ = ("Plan", "Scenario", "make_plan")

Scenario = Callable[..., Any]

WAITING = 1000
"""How many requests of the open model may wait at once, unless said otherwise."""

WARMUP_REQUESTS = 200
WARMUP_SECONDS = 1.0
_ARRIVALS = ("even", "poisson")


class Plan(NamedTuple):
    """One load, all of it."""

    what: str
    works: tuple[Target | Scenario, ...]
    weights: tuple[float, ...]
    users: int
    rate: float | None
    arrivals: Literal["even", "poisson"] | None
    due: array[float] | None
    duration: float | None
    requests: int | None
    seed: int
    warmup: bool


def make_plan(  # noqa: C901 - one check after the other
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
    fill: Fill,
) -> Plan:
    """Return the load that is meant.

    Args:
        app: The app, up.
        what: A request, a scenario, or several with their weights.
        users: How many send, or may wait.
        rate: How many requests there are a second, or None for the closed model.
        arrivals: How they are spread.
        duration: How long it takes.
        requests: How many are sent, instead.
        warmup: Whether to send some before that count for nothing.
        seed: The seed of all that is drawn.
        fill: What fills placeholders of requests.

    Raises:
        PerformanceError: If it cannot be.
    """
    __tracebackhide__ = True
    where = caller(2)
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
    weighted = what if isinstance(what, Mapping) else {what: 1}
    works = tuple(_work(app, one, fill) for one in weighted)
    weights = tuple(_weight(one) for one in weighted.values())
    if not works:
        raise PerformanceError("There is nothing to send.", where=where, fix='run("GET /items", users=10)')
    due = each = None
    if rate is not None and length is not None:
        each = per_second("rate", rate)
        due = schedule([Stage(length, each, each)], seed if arrivals == "poisson" else None)
        if not due:
            raise PerformanceError(
                f"At {each:g} a second nothing is due in {length:g} s.", where=where, fix="Take a longer duration."
            )
    return Plan(
        what=", ".join(one.name if isinstance(one, Target) else _name(one) for one in works),
        works=works,
        weights=weights,
        users=users if users is not None else WAITING,
        rate=each,
        arrivals=("poisson" if arrivals == "poisson" else "even") if due is not None else None,
        due=due,
        duration=length,
        requests=requests,
        seed=seed,
        warmup=bool(warmup),
    )


def _name(scenario: Scenario) -> str:
    return str(getattr(scenario, "__name__", None) or type(scenario).__name__)


def _work(app: App, said: Any, fill: Fill) -> Target | Scenario:
    __tracebackhide__ = True
    if isinstance(said, str):
        return target(app, said, fill)
    if not callable(said):
        raise PerformanceError(
            f"{said!r} is nothing to send.",
            where=caller(3),
            why="it is a request, such as 'GET /items', or a coroutine function",
        )
    if not inspect.iscoroutinefunction(said) and not inspect.iscoroutinefunction(type(said).__call__):
        raise PerformanceError(
            f"The scenario {_name(said)} is no coroutine function.",
            where=of_callable(said),
            why="it would keep the event loop to itself, and all others waiting",
            fix=f"async def {_name(said)}(): …",
        )
    if fill:
        raise PerformanceError(
            "params, query, headers and json are for requests, not for scenarios.",
            where=caller(3),
            fix="Say them where the scenario sends its requests.",
        )
    scenario: Scenario = said
    return scenario


def _weight(said: Any) -> float:
    __tracebackhide__ = True
    if isinstance(said, bool) or not isinstance(said, int | float) or not said > 0:
        raise PerformanceError(
            f"A weight of {said!r} cannot be.", where=caller(3), why="it says how often, against the others"
        )
    return float(said)


def chooser(plan: Plan, rng: random.Random) -> Callable[[], Target | Scenario]:
    """Return what says, each time it is called, what comes next.

    Args:
        plan: The load.
        rng: Where its choices come from.
    """
    if len(plan.works) == 1:
        only = plan.works[0]
        return lambda: only
    return lambda: rng.choices(plan.works, plan.weights)[0]
