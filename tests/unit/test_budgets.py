"""Budgets: how they are read, what each verdict comes of, and what is refused before anything is sent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from fastapi import APIRouter

from nexus_testing import PerformanceTest, budget, create_test_app
from nexus_testing.errors import BudgetError, ExtraMissing
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.performance import disturbances, grammar
from nexus_testing.performance.budgets import Said, budgets_of
from nexus_testing.performance.grammar import parse
from nexus_testing.performance.judging import Measured, Sourced, judge
from nexus_testing.performance.samples import Track
from nexus_testing.records import Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from nexus_testing.performance.verdicts import Verdict

pytest.importorskip("lark", reason="the extra performance is not installed")

ITEMS, ORDERS = "GET /api/shop/items/{number}", "POST /api/shop/orders"


# -- how they are read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http_req_duration p(95) < 50ms", ("http_req_duration", {}, "p", 95, "<", 0.05)),
        ("http_req_duration  p( 99.9 )<=1.5s", ("http_req_duration", {}, "p", 99.9, "<=", 1.5)),
        ("http_req_ttfb med<800us", ("http_req_ttfb", {}, "med", 0, "<", 0.0008)),
        ("http_req_failed rate<1%", ("http_req_failed", {}, "rate", 0, "<", 0.01)),
        ("http_reqs rate >= 100/s", ("http_reqs", {}, "rate", 0, ">=", 100)),
        ("http_reqs count != 0", ("http_reqs", {}, "count", 0, "!=", 0)),
        (
            "http_reqs{route:GET /items/{id}, status_class:2xx} count > 5",
            ("http_reqs", {"route": "GET /items/{id}", "status_class": "2xx"}, "count", 0, ">", 5),
        ),
        ('http_reqs{route:"GET /a,b"} count > 5', ("http_reqs", {"route": "GET /a,b"}, "count", 0, ">", 5)),
        ("in_flight_peak value == 3", ("in_flight_peak", {}, "value", 0, "==", 3)),
    ],
)
def test_a_budget_is_read(text: str, expected: tuple[Any, ...]) -> None:
    """Metric, tags, aggregate, comparison and limit, the latter in base units."""
    rule = parse(text)
    actual = (rule.metric, rule.tags, rule.aggregate, rule.percent, rule.compare)
    assert expected[:-1] == actual
    assert rule.limit == pytest.approx(expected[-1])


def test_a_budget_has_options_and_may_be_relative() -> None:
    """Options follow after commas; a limit may be so many times a baseline, and a bit more."""
    rule = parse("http_req_duration p(50) <= 1.1x baseline + 50us, level=warn, min_samples=5, no_data=skip")
    assert ("warn", 5, "skip") == (rule.level, rule.min_samples, rule.no_data)
    assert rule.relative is not None
    assert ("baseline", 1.1) == (rule.relative.of, rule.relative.factor)
    assert rule.relative.more == pytest.approx(50e-6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http_req_duratoin p(95) < 50ms", "Did you mean 'http_req_duration'"),
        ("http_req_duration{rute:GET /a} p(95) < 50ms", "no tag 'rute'.*Did you mean 'route'"),
        ("loop_lag{route:GET /a} p(95) < 50ms", "is of the whole load.*Leave {…} out"),
        ("http_req_duration p95 < 50ms", "there is no aggregate 'p95'"),
        ("http_req_duration p < 50ms", r"p says no percentile.*p\(95\)"),
        ("http_req_duration p(101) < 50ms", "from 0 to 100"),
        ("http_req_duration max(3) < 50ms", "only p has a number"),
        ("http_req_duration rate < 50ms", r"has no rate.*avg, min, med, max, p\(N\), count"),
        ("http_req_duration p(95) < 50", "the unit of 50 is missing.*50us or 50ms or 50s"),
        ("http_req_duration p(95) < 50%", "'%' is no unit of it"),
        ("http_req_failed rate < 1", "the unit of 1 is missing"),
        ("http_reqs count > 5ms", "is a number, and has no unit 'ms'"),
        ("http_req_duration p(95)", "it ends where one of < <= > >= == != has to"),
        ("http_req_duration p(95) | 50ms", r"'\| 50ms' stands where"),
        ("", "it ends where a name has to"),
        ("http_req_duration p(95) < 2x baseline", "compared by <= and a factor"),
        ("http_req_duration p(95) <= 2x basline", "Did you mean 'baseline'"),
        ("http_req_duration p(95) < 50ms, levle=warn", "Did you mean 'level'"),
        ("http_req_duration p(95) < 50ms, level=loud", "no level 'loud'"),
        ("http_req_duration p(95) < 50ms, no_data=ok", "no no_data 'ok'"),
        ("http_req_duration p(95) < 50ms, min_samples=few", "must be a whole number"),
    ],
)
def test_what_cannot_be_a_budget_is_refused(text: str, said: str) -> None:
    """Each slip is named, with what would do."""
    with pytest.raises(BudgetError, match=f"(?s){said}") as refused:
        parse(text, "somewhere")
    assert "somewhere" == refused.value.where


def test_a_budget_is_a_text() -> None:
    """Anything else is refused."""
    with pytest.raises(BudgetError, match="5 is no budget"):
        parse(5)  # type: ignore[arg-type]  # that is what is refused


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    grammar._parser.cache_clear()
    monkeypatch.setitem(sys.modules, "lark", None)
    with pytest.raises(ExtraMissing, match="performance"):
        parse("http_reqs count > 0")


# -- verdicts ------------------------------------------------------------------------------------------------------


def track(durations: Sequence[float], status: int = 200, failed: int = 0) -> Track:
    """Return what was measured of a route; the first so many failed."""
    found = Track()
    for number, duration in enumerate(durations):
        wrong = number < failed
        found.add(
            0.1 * number, duration, duration / 2, duration / 4, 500 if wrong else status, "500" if wrong else None
        )
    return found


def measured(**changes: Any) -> Measured:
    """Return what a load measured in quiet."""
    values: dict[str, Any] = {
        "tracks": {ITEMS: track([0.001 * number for number in range(1, 1001)])},
        "plugins": {ITEMS: "shop", ORDERS: "shop"},
        "elapsed": 100.0,
        "users": None,
        "in_flight_peak": 3,
        "dropped": 0,
        "iterations": [],
        "lags": [0.001],
        "pauses": [],
        "generator_share": 0.1,
        "foreign_cpu": 0.0,
        "disturbances": [],
        "levels": {},
    }
    return Measured(**{**values, **changes})


def verdict(text: str, **changes: Any) -> Verdict:
    """Return the verdict on a budget."""
    return judge(Sourced(parse(text), "budgets"), measured(**changes))


@pytest.mark.parametrize(
    ("text", "status", "value"),
    [
        ("http_req_duration p(95) < 951ms", "PASS", 0.95005),
        ("http_req_duration p(95) < 950ms", "FAIL", 0.95005),
        ("http_req_duration med <= 500.5ms", "PASS", 0.5005),
        ("http_req_duration avg <= 500.4ms", "FAIL", 0.5005),
        ("http_req_duration max == 1s", "PASS", 1.0),
        ("http_req_duration min > 1ms", "FAIL", 0.001),
        ("http_req_duration count >= 1000", "PASS", 1000),
        ("http_req_service max <= 500ms", "PASS", 0.5),
        ("http_req_ttfb max <= 250ms", "PASS", 0.25),
        ("http_reqs rate >= 10/s", "PASS", 10),
        ("http_reqs rate > 10/s", "FAIL", 10),
        ("http_req_failed rate < 1%", "PASS", 0),
        ("http_req_failed count == 0", "PASS", 0),
        ("dropped_arrivals count == 0", "PASS", 0),
        ("in_flight_peak value >= 3", "PASS", 3),
        ("generator_cpu value < 20%", "PASS", 0.1),
        ("loop_lag max < 2ms", "PASS", 0.001),
        ("gc_pause count == 0", "PASS", 0),
        ("gc_pause max < 1ms", "NO_DATA", None),
        ("iteration_duration avg < 1ms", "NO_DATA", None),
        ("blocks_per_req value < 1", "NO_DATA", None),
    ],
)
def test_a_budget_is_held_against_what_was_measured(text: str, status: str, value: float | None) -> None:
    """Values are compared as they are, not as they are shown."""
    found = verdict(text)
    assert (status, value) == (found.status, found.value if value is None else pytest.approx(found.value))
    assert {"PASS": "passed", "FAIL": "failed", "NO_DATA": "failed"}[status] == found.outcome


def test_a_route_a_status_and_a_plugin_are_told_apart() -> None:
    """Each tag leaves those requests that have it; what nobody sent has no data, which is a failure."""
    tracks = {ITEMS: track([0.01] * 30, failed=3), ORDERS: track([0.05] * 60, status=201)}

    def count(tags: str) -> float | None:
        return verdict(f"http_reqs{{{tags}}} count > 0", tracks=tracks).value

    assert (30, 60, 60) == (count(f"route:{ITEMS}"), count("route:/api/shop/orders"), count("method:POST"))
    assert (3, 87, 27) == (count("status_class:5xx"), count("status_class:2xx"), count("method:GET,status_class:2xx"))
    assert (90, 0) == (count("plugin:shop"), count("plugin:other"))
    failed = verdict("http_req_failed{method:GET} rate < 10%", tracks=tracks)
    assert "FAIL" == failed.status
    assert pytest.approx(0.1) == failed.value
    nobody = verdict("http_req_duration{method:PUT} max < 1s", tracks=tracks)
    assert ("NO_DATA", "failed", "no request was of method PUT") == (nobody.status, nobody.outcome, nobody.reason)
    assert "FAIL" == verdict("http_req_duration{status_class:2xx,method:POST} max < 50ms", tracks=tracks).status


def test_what_is_shown_tells_value_and_limit_apart() -> None:
    """A value that is over by a hair does not look like the limit."""
    found = verdict("http_req_duration max < 100ms", tracks={ITEMS: track([0.10000001] * 20)})
    assert ("FAIL", "100.00001ms, limit < 100ms, n=20") == (found.status, found.text)


def test_a_level_and_no_data_may_be_softer() -> None:
    """A warning passes and says so; no data may be skipped."""
    broken = verdict("http_req_duration p(95) < 1ms, level=warn")
    assert ("WARN", "passed") == (broken.status, broken.outcome)
    empty = verdict("http_req_duration{method:PUT} p(95) < 1ms, level=warn")
    assert ("WARN", "passed") == (empty.status, empty.outcome)
    skipped = verdict("http_req_duration{method:PUT} p(95) < 1ms, no_data=skip")
    assert ("NO_DATA", "skipped") == (skipped.status, skipped.outcome)
    assert "PASS" == verdict("http_req_duration p(95) < 1s, level=warn").status


@pytest.mark.parametrize(
    ("text", "count", "least"),
    [
        ("http_req_duration p(95) < 1s", 199, 200),
        ("http_req_duration p(99) < 1s", 999, 1000),
        ("http_req_duration p(99.9) < 1s", 9_999, 10_000),
        ("http_req_duration med < 1s", 19, 20),
        ("http_req_duration p(5) < 1s", 199, 200),
        ("http_req_duration max < 1s, min_samples=30", 29, 30),
    ],
)
def test_a_percentile_needs_samples_beyond_it(text: str, count: int, least: int) -> None:
    """Ten of them; with one fewer nothing is said."""
    few = verdict(text, tracks={ITEMS: track([0.01] * count)})
    assert ("INCONCLUSIVE", "skipped", f"too few samples: {count} of {least}") == (few.status, few.outcome, few.reason)
    assert "PASS" == verdict(text, tracks={ITEMS: track([0.01] * least)}).status


FAST, SLOW = "http_req_duration p(95) < 1.5s", "http_req_duration p(95) < 1ms"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"generator_share": 0.95}, "the generator is saturated: 95%"),
        ({"users": 50}, "the concurrency was never reached: 50 users, and at most 3 requests in the app at once"),
    ],
)
@pytest.mark.parametrize("text", [FAST, SLOW])
def test_a_load_that_was_none_says_nothing(text: str, changes: dict[str, Any], reason: str) -> None:
    """Neither that a budget holds, nor that it does not; what is no time is judged all the same."""
    found = verdict(text, **changes)
    assert ("INCONCLUSIVE", "skipped") == (found.status, found.outcome)
    assert reason in found.reason
    assert "PASS" == verdict("http_req_failed rate < 1%", **changes).status


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"foreign_cpu": 0.8}, "others used 0.80 processors"),
        ({"disturbances": ["coverage is measured"]}, "coverage is measured"),
    ],
)
def test_what_slows_down_is_no_excuse_for_what_is_quick(changes: dict[str, Any], reason: str) -> None:
    """A budget that does not hold may be the disturbance's fault; one that holds holds in spite of it."""
    assert ("INCONCLUSIVE", reason) == (verdict(SLOW, **changes).status, verdict(SLOW, **changes).reason)
    assert "PASS" == verdict(FAST, **changes).status
    assert "INCONCLUSIVE" == verdict("http_req_duration p(95) > 1ms", **changes).status
    assert "FAIL" == verdict("http_req_duration p(95) > 1.5s", **changes).status
    assert "INCONCLUSIVE" == verdict("http_reqs rate > 20/s", **changes).status
    assert "PASS" == verdict("http_reqs rate > 5/s", **changes).status
    assert "FAIL" == verdict("http_req_failed count > 5", **changes).status


def test_disturbances_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracemalloc, something that traces, and other workers of xdist; a worker alone has none beside it."""
    monkeypatch.setattr(disturbances, "debugging", lambda: False)
    monkeypatch.setattr("tracemalloc.is_tracing", lambda: True)
    monkeypatch.setattr(disturbances, "_monitored", lambda: True)
    monkeypatch.setitem(sys.modules, "coverage", None)
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    expected = ["tracemalloc is active", "something traces every line", "other workers of xdist are at work"]
    assert expected == disturbances.active()
    monkeypatch.setattr("tracemalloc.is_tracing", lambda: False)
    monkeypatch.setattr(disturbances, "_monitored", lambda: False)
    monkeypatch.setattr("sys.gettrace", lambda: None)
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "1")
    assert [] == disturbances.active()
    monkeypatch.setattr(disturbances, "debugging", lambda: True)
    assert ["a debugger is attached"] == disturbances.active()


def test_a_relative_budget_has_its_limit_from_a_standard() -> None:
    """So many times its value, and so much more; without one there is no data."""
    sourced = Sourced(parse("http_req_duration p(50) <= 1.1x baseline + 1ms"), "budgets")
    standard = measured(tracks={ITEMS: track([0.1] * 20)})
    quick, slow = (measured(tracks={ITEMS: track([each] * 20)}) for each in (0.1109, 0.1112))
    assert ("PASS", "FAIL") == (judge(sourced, quick, standard).status, judge(sourced, slow, standard).status)
    assert pytest.approx(0.111) == judge(sourced, quick, standard).limit
    assert "NO_DATA" == judge(sourced, quick).status


# -- in a load -----------------------------------------------------------------------------------------------------


class Load(PerformanceTest):
    """An author's test class, driven by hand."""

    __test__ = False


class ShopPlugin(BasePlugin):
    """A plugin with two routes."""

    def get_api_routes(self) -> list[APIRouter]:
        router = APIRouter()

        @router.get("/items/{number}")
        async def one(number: int) -> int:
            return number

        @router.post("/orders")
        async def order() -> None:
            """Do nothing."""

        return [router]


@pytest_asyncio.fixture
async def case() -> AsyncIterator[Load]:
    """A test class whose app has the plugin."""
    async with create_test_app([ShopPlugin]) as app:
        case = Load()
        case.bind(app)
        yield case


@pytest.mark.asyncio
async def test_verdicts_stand_in_the_result(case: Load) -> None:
    """Those of the test, of decorators and of the configuration, and those that hold where any does."""
    case.hold_to(
        [
            Said("http_reqs count == 30", "here", "mark"),
            Said("http_reqs{route:GET /nowhere} count > 0", "there", "ini"),
            Said("http_reqs count > 100, level=off", "there", "ini"),
        ]
    )
    budgets = ["http_reqs{route:GET /items/{number}} count > 30", "http_req_duration{route:POST /orders} max < 1s"]
    result = await case.run("GET /items/1", users=1, requests=30, warmup=False, budgets=budgets)
    assert [("FAIL", "budgets"), ("NO_DATA", "budgets"), ("PASS", "mark"), ("PASS", "default")] == [
        (one.status, one.source) for one in result.verdicts
    ]
    assert "http_req_failed rate < 1%" == result.verdicts[-1].rule


@pytest.mark.asyncio
async def test_budgets_that_hold_anyhow_give_way(case: Load) -> None:
    """A rule on failures takes the place of the one that is not written; no rule at all means no verdict."""
    options: dict[str, Any] = {"rate": 200, "duration": "50ms", "warmup": False}
    result = await case.run("GET /items/x", budgets=["http_req_failed rate == 100%"], **options)
    assert ["http_req_failed rate == 100%", "dropped_arrivals count == 0"] == [one.rule for one in result.verdicts]
    assert ["PASS", "PASS"] == [one.status for one in result.verdicts]
    assert [] == (await case.run("GET /items/x", **options)).verdicts
    off = "http_req_failed rate < 1%, level=off"
    assert ["dropped_arrivals count == 0"] == [
        one.rule for one in (await case.run("GET /items/x", budgets=[off], **options)).verdicts
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("http_reqs{route:GET /item/{number}} count > 0", r"no route 'GET /item/\{number\}'.*Did you mean"),
        ("http_reqs{method:GTE} count > 0", "Did you mean 'GET'"),
        ("http_reqs{plugin:shp} count > 0", "Did you mean 'shop'"),
        ("http_reqs{status_class:6xx} count > 0", "no status_class '6xx'"),
        ("dropped_arrivals count == 0", "nothing is ever dropped"),
        ("iteration_duration max < 1s", "runs no scenario"),
        ("blocks_per_req value < 1", "does not look for what requests leave"),
        ("http_req_duration p(50) <= 1.1x baseline", "has no baseline"),
    ],
)
async def test_what_the_load_does_not_have_is_refused(case: Load, rule: str, said: str) -> None:
    """Before anything is sent, with the place of the budget; what the configuration says is left out instead."""
    with pytest.raises(BudgetError, match=f"(?s){said}") as refused:
        await case.run("GET /items/1", users=1, budgets=[rule])
    assert f"{__file__}:" in str(refused.value.where)
    assert [] == case.app.journal.of(Request)
    case.hold_to([Said(rule, "there", "ini")])
    assert [] == (await case.run("GET /items/1", users=1, requests=1, warmup=False)).verdicts


@pytest.mark.asyncio
async def test_budgets_are_a_list(case: Load) -> None:
    """One text is no list of them; and what a scenario costs is not known."""
    with pytest.raises(BudgetError, match="it is one text"):
        await case.run("GET /items/1", users=1, budgets="http_reqs count > 0")

    async def nothing() -> None:
        """Send nothing."""

    with pytest.raises(BudgetError, match="is not known"):
        await case.run(nothing, users=1, budgets=["generator_cpu value < 1%"])


def test_decorators_add_up() -> None:
    """Those of the base, of the class and of the function, in this order, each with its line."""

    @budget("http_reqs count > 1")
    class Base:
        """A class."""

    @budget("http_reqs count > 2")
    class Derived(Base):
        """A class."""

        @budget("http_reqs count > 3", "http_reqs count > 4")
        @budget("http_reqs count > 5")
        def test(self) -> None:
            """A test."""

    found = budgets_of(Derived.test, Derived)
    assert "12345" == "".join(said.text[-1] for said in found)
    assert all(f"{__file__}:" in str(said.where) for said in found)
    assert 1 == len(budgets_of(lambda: None, Base))
