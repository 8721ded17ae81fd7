"""The budgets of one load: from the test, its decorators and the configuration, held against what the load has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..errors import BudgetError, did_you_mean
from ..locations import caller
from .grammar import Rule, parse
from .judging import Sourced
from .metrics import OF_ROUTES
from .targets import METHODS, whole_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..app import App
    from .judging import Source
    from .plan import Plan

__all__ = ("Said", "budget", "budgets_of", "gather")

T = TypeVar("T")

_ATTRIBUTE = "__nexus_budgets__"
_FAMILIES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_DEFAULTS = ("http_req_failed rate < 1%", "dropped_arrivals count == 0")


class Said(NamedTuple):
    """A budget as somebody wrote it, and where."""

    text: str
    where: object
    source: Source


def budget(*rules: str) -> Callable[[T], T]:
    """Hold every load of a test, or of all tests of a class, to budgets.

    Args:
        *rules: The budgets, such as "http_req_duration p(95) < 50ms".

    Returns:
        A decorator.
    """
    where = caller(2)

    def decorate(target: T) -> T:
        own = vars(target).get(_ATTRIBUTE, ())
        setattr(target, _ATTRIBUTE, (*(Said(rule, where, "mark") for rule in rules), *own))
        return target

    return decorate


def budgets_of(function: object, cls: type | None) -> list[Said]:
    """Return what decorators say of a test.

    Args:
        function: The test's function.
        cls: The test's class, if it has one.
    """
    classes = [vars(one).get(_ATTRIBUTE, ()) for one in reversed(cls.__mro__)] if cls is not None else []
    return [said for each in (*classes, getattr(function, _ATTRIBUTE, ())) for said in each]


def gather(
    app: App, plan: Plan, rules: Sequence[str], others: Iterable[Said], standards: Iterable[str] = ()
) -> list[Sourced]:
    """Return the budgets that a load is judged by, all of which it can be judged by.

    Args:
        app: The app.
        plan: The load.
        rules: What the test says for this load alone.
        others: What is said elsewhere.
        standards: What the load can be compared with: "baseline", "reference".

    Raises:
        BudgetError: If one of them cannot be.
    """
    __tracebackhide__ = True
    where = caller(2)
    if isinstance(rules, str):
        raise BudgetError(
            f"budgets={rules!r} cannot be.", where=where, why="it is one text", fix=f"budgets=[{rules!r}]"
        )
    found = []
    for said in (*(Said(rule, where, "budgets") for rule in rules), *others):
        rule = parse(said.text, said.where)
        problem = _lacking(plan, rule, frozenset(standards)) or _unknown(app, rule)
        if problem is None:
            found.append(Sourced(_whole(app, rule), said.source))
        elif said.source != "ini":
            # What stands in the configuration is for all loads, and not each of them has everything.
            why, fix = problem
            raise BudgetError(f"The budget {said.text!r} cannot be.", where=said.where, why=why, fix=fix)
    if found:
        judged = {one.rule.metric for one in found}
        defaults = [parse(text) for text in _DEFAULTS]
        found += [
            Sourced(rule, "default")
            for rule in defaults
            if rule.metric not in judged and _lacking(plan, rule, frozenset()) is None
        ]
    return [one for one in found if one.rule.level != "off"]


def _lacking(  # noqa: PLR0911 - one reason after the other
    plan: Plan, rule: Rule, standards: frozenset[str]
) -> tuple[str, str] | None:
    """Return why a load does not have what a budget is about, and what to do; None if it has."""
    kinds = plan.kinds
    if rule.metric in OF_ROUTES and not kinds & {"requests", "scenarios"}:
        return "nothing of it goes through a route", "iteration_duration is how long a call or an event took."
    if rule.metric == "dropped_arrivals" and plan.due is None:
        return "users send when they have an answer, so nothing is ever dropped", "Leave it out, or say a rate."
    if rule.metric == "iteration_duration" and kinds == {"requests"}:
        return "the load sends requests and runs no scenario", "http_req_duration is the same for a request."
    if rule.metric == "generator_cpu" and kinds != {"requests"}:
        return "what a scenario costs itself is not known", "Leave it out."
    if rule.metric in {"rss_growth", "blocks_per_req", "tasks_leaked"}:
        return "this load does not look for what requests leave", "Leave it out."
    if rule.relative is not None and rule.relative.of not in standards:
        return f"this load has no {rule.relative.of}", f"Say one: run(…, {rule.relative.of}=…)."
    return None


def _names(app: App) -> list[str]:
    return [f"{one.method} {one.path}" for one in app.routes]


def _whole(app: App, rule: Rule) -> Rule:
    """Return the budget with its route as the app knows it."""
    said = rule.tags.get("route")
    if said is None:
        return rule
    method, _, path = said.rpartition(" ")
    known = {(one.method, one.path) for one in app.routes}
    for candidate in whole_paths(app, path):
        if any(candidate == other and method.upper() in {"", taken} for taken, other in known):
            return rule._replace(tags={**rule.tags, "route": f"{method.upper()} {candidate}".strip()})
    return rule


def _unknown(app: App, rule: Rule) -> tuple[str, str] | None:
    """Return what a budget is about that is not there, and what to do; None if all is."""
    route = _whole(app, rule).tags.get("route")
    if route is not None and not any(route in {name, name.partition(" ")[2]} for name in _names(app)):
        known = _names(app)
        return f"there is no route {route!r}", did_you_mean(route, known) or f"There are {', '.join(known) or 'none'}."
    choices: dict[str, Sequence[Any]] = {
        "method": METHODS,
        "status_class": _FAMILIES,
        "plugin": list(app.plugins),
    }
    for tag, possible in choices.items():
        said = rule.tags.get(tag)
        if said is not None and said not in possible:
            return f"there is no {tag} {said!r}", did_you_mean(said, possible) or f"It is {', '.join(possible)}."
    return None
