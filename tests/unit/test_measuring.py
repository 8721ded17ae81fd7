"""What is measured besides requests that a test writes: functions, events, profiles, requests from OpenAPI."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import pytest
import pytest_asyncio
from fastapi import APIRouter, Body, Header, Path
from pydantic import BaseModel, Field

from nexus_testing import PerformanceTest, create_test_app
from nexus_testing.errors import BudgetError, ExtraMissing, PerformanceError
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.performance import load as load_module
from nexus_testing.performance.profiles import PROFILES, level_of, stages_of

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio


class Load(PerformanceTest):
    """An author's test class, driven by hand."""

    __test__ = False


Version = Annotated[int, Header()]


class Order(BaseModel):
    """A body."""

    total: int = Field(ge=1, le=5)
    name: str = Field(min_length=1)
    lines: list[Line] = Field(max_length=2)


class Line(BaseModel):
    """A part of it."""

    amount: int = Field(ge=1)


Order.model_rebuild()


class ShopPlugin(BasePlugin):
    """A plugin that says in its schemas what it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self.gate = asyncio.Event()

    def get_api_routes(self) -> list[APIRouter]:
        router = APIRouter()

        @router.get("/items/{number}/{name}")
        async def item(number: Annotated[int, Path(ge=1, le=20)], name: str, page: int, size: int = 5) -> int:
            self.seen.append((number, name, page, size))
            return number

        @router.get("/examples/{code}")
        async def example(
            code: Annotated[str, Path(examples=["ada", "bob"])], version: Annotated[int, Header()]
        ) -> str:
            self.seen.append((code, version))
            return code

        @router.post("/orders")
        async def order(order: Order) -> Order:
            self.seen.append(order)
            return order

        @router.post("/told")
        async def told(order: Annotated[Order, Body(examples=[{"total": 1, "name": "x", "lines": []}])]) -> None:
            self.seen.append(order)

        return [router]


class FormPlugin(BasePlugin):
    """A plugin with a body that is no JSON, and one that nothing fits."""

    def get_api_routes(self) -> list[APIRouter]:
        router = APIRouter()

        @router.post("/form")
        async def form(name: Annotated[str, Body(media_type="text/plain")]) -> str:
            return name

        @router.get("/never/{name}")
        async def never(name: Annotated[str, Path(pattern="^a$", min_length=5)]) -> str:
            return name

        return [router]


@pytest_asyncio.fixture
async def case() -> AsyncIterator[Load]:
    """A test class whose app has both plugins."""
    async with create_test_app([ShopPlugin, FormPlugin]) as app:
        case = Load()
        case.bind(app)
        yield case


def plugin_of(case: Load) -> ShopPlugin:
    """Return the plugin."""
    plugin: ShopPlugin = case.app.get_plugin("shop")
    return plugin


# -- functions -----------------------------------------------------------------------------------------------------


async def test_a_function_is_measured(case: Load) -> None:
    """Plain or a coroutine function, so often as was asked for, after a warm-up."""
    calls: list[int] = []

    def plain() -> None:
        calls.append(1)

    async def waits() -> None:
        calls.append(2)
        await asyncio.sleep(0)

    for function, name in ((plain, "plain"), (waits, "waits")):
        result = await case.measure(function, calls=30)
        assert (name, "closed", 1) == (result.what, result.model, result.users)
        assert result.iterations is not None
        assert (30, 30, [name]) == (result.iterations.count, result.total.count, list(result.routes))
        assert 200 == result.warmup.requests
    assert [230, 230] == [calls.count(each) for each in (1, 2)]
    concurrent = await case.measure(waits, users=5, calls=30, warmup=False)
    assert 5 == concurrent.instruments.in_flight_peak
    due = await case.measure(plain, rate=200, duration="50ms", warmup=False)
    assert (10, 10) == (due.scheduled, due.total.count)


async def test_what_a_function_raises_is_the_tests(case: Load) -> None:
    """It ends the load, as with a scenario."""

    def fails() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await case.measure(fails, calls=5)
    with pytest.raises(PerformanceError, match="without arguments"):
        await case.measure(lambda name: name, calls=5)  # type: ignore[misc, arg-type]  # that is what is refused


async def test_a_function_has_budgets_of_its_own(case: Load) -> None:
    """How long a call took, and nothing of requests, not even those that hold anyhow."""
    pytest.importorskip("lark", reason="the extra performance is not installed")
    result = await case.measure(len_of_nothing, calls=30, budgets=["iteration_duration med < 1s"])
    assert ["PASS"] == [one.status for one in result.verdicts]
    with pytest.raises(BudgetError, match="nothing of it goes through a route"):
        await case.measure(len_of_nothing, calls=30, budgets=["http_req_duration med < 1s"])


def len_of_nothing() -> int:
    """Return nothing's length."""
    return len("")


# -- events --------------------------------------------------------------------------------------------------------


async def test_events_are_measured_to_the_last_handler(case: Load) -> None:
    """Each handler has figures of its own, with its failures; patterns are heard, too."""
    seen: list[Any] = []

    async def store(event: Any) -> None:
        await asyncio.sleep(0)
        seen.append(event["number"])

    def fail(event: Any) -> None:
        raise OSError("no till")

    case.app.event_bus.subscribe("order.created", store)
    case.app.event_bus.subscribe("order.*", fail)

    def data(rng: random.Random) -> dict[str, int]:
        return {"number": rng.randrange(1000)}

    result = await case.measure_events("order.created", data, events=20, warmup=False)
    assert 20 == len(seen) > len(set(seen)) / 2
    assert result.iterations is not None
    assert 20 == result.iterations.count
    figures = {name.partition(" → ")[2].rpartition(".")[2]: each for name, each in result.routes.items()}
    assert {"store": {}, "fail": {"OSError": 20}} == {name: each.failures for name, each in figures.items()}
    assert 40 == result.instruments.journal_counts["Delivered"]


async def test_events_that_are_not_heard_in_time_fail(case: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are due while too many wait are dropped; those that hang count as unanswered."""
    monkeypatch.setattr(load_module, "_GRACE", 0.05)

    async def hang(event: Any) -> None:
        await plugin_of(case).gate.wait()

    case.app.event_bus.subscribe("order.created", hang)
    result = await case.measure_events("order.created", rate=100, users=3, duration="50ms", warmup=False)
    assert (5, 2, {"unanswered": 3}) == (result.scheduled, result.dropped, result.total.failures)
    plugin_of(case).gate.set()
    await case.app.settle()


async def test_an_event_that_nobody_hears_is_refused(case: Load) -> None:
    """With the one that was meant."""
    case.app.event_bus.subscribe("order.created", print)
    with pytest.raises(
        PerformanceError, match=r"(?s)Nobody listens to 'order\.craeted'.*Did you mean 'order\.created'"
    ):
        await case.measure_events("order.craeted", events=1)


# -- profiles ------------------------------------------------------------------------------------------------------


async def test_a_profile_is_the_shape_of_a_load() -> None:
    """Its stages fill the time that the load takes, its levels are shares of the rate."""
    stages = stages_of("average", 40, 10, None)
    assert [(5, 0, 10), (30, 10, 10), (5, 10, 0)] == [tuple(stage) for stage in stages]
    most, level = level_of("spike", 5, 3, None)
    assert (60, 0, 60, 30, 3, 3, 0) == (most, level(0), level(2), level(2.5), level(3), level(4.9), level(9))
    assert all(PROFILES.values())


async def test_a_load_follows_its_profile(case: Load) -> None:
    """The rate's integral says how many there are; in the closed model users come and go."""
    result = await case.run("POST /told", rate=400, duration="100ms", profile="average", warmup=False, json=TOLD)
    assert ("average", 35, 35) == (result.profile, result.scheduled, result.total.count)
    active: list[int] = []
    running = 0

    async def count() -> None:
        nonlocal running
        running += 1
        active.append(running)
        await asyncio.sleep(0.002)
        running -= 1

    result = await case.run(count, users=4, duration="200ms", profile="stress", warmup=False)
    assert (8, 8) == (result.users, max(active))
    assert max(active[:3]) < 8


TOLD = {"total": 2, "name": "y", "lines": []}


# -- requests from OpenAPI -----------------------------------------------------------------------------------------


async def test_what_is_not_said_is_drawn_from_the_schemas(case: Load) -> None:
    """Paths, queries and bodies that the plugin takes, the same with the same seed; what is optional is left out."""
    pytest.importorskip("schemathesis", reason="the extra conformance is not installed")
    seen = plugin_of(case).seen
    for _ in range(2):
        result = await case.run("GET /items/{number}/{name}", users=1, requests=30, seed=4, warmup=False)
        assert {200: 30} == result.total.statuses
    assert seen[:30] == seen[30:]
    assert len(set(seen)) > 10
    assert {5} == {size for _, _, _, size in seen}
    seen.clear()
    result = await case.run("POST /orders", users=1, requests=30, seed=4, warmup=False)
    assert {200: 30} == result.total.statuses
    assert len({order.model_dump_json() for order in seen}) > 10


async def test_what_is_said_is_not_drawn(case: Load) -> None:
    """Only the rest is, under whatever name a placeholder has."""
    pytest.importorskip("schemathesis", reason="the extra conformance is not installed")
    await case.run("GET /items/{id}/{name}", users=1, requests=3, params={"id": 7}, query={"page": 2}, warmup=False)
    assert {(7, 2)} == {(number, page) for number, _, page, _ in plugin_of(case).seen}


async def test_examples_come_before_schemas(case: Load) -> None:
    """They are taken in turns."""
    pytest.importorskip("schemathesis", reason="the extra conformance is not installed")
    await case.run("GET /examples/{code}", users=1, requests=4, warmup=False, headers={"Version": "3"})
    assert [("ada", 3), ("bob", 3)] * 2 == plugin_of(case).seen
    plugin_of(case).seen.clear()
    await case.run("POST /told", users=1, requests=2, warmup=False)
    assert [("x", 1)] * 2 == [(order.name, order.total) for order in plugin_of(case).seen]


async def test_without_anything_said_all_requests_are_sent(case: Load) -> None:
    """Those of the plugins' OpenAPI document, as often as each other."""
    pytest.importorskip("schemathesis", reason="the extra conformance is not installed")
    with pytest.raises(PerformanceError, match="form"):
        await case.run(users=1)
    await case.app.unload_plugin("form")
    result = await case.run(users=2, requests=100, warmup=False)
    assert 4 == len(result.routes)
    assert {200: 100} == result.total.statuses
    await case.app.unload_plugin("shop")
    with pytest.raises(PerformanceError, match="no routes to send requests to"):
        await case.run(users=1)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("POST /form", r"takes text/plain, which is not made from a schema.*scenario"),
        ("GET /never/{name}", "the parameter 'name' cannot be drawn from its schema.*Say it yourself"),
    ],
)
async def test_what_cannot_be_drawn_is_refused(case: Load, what: str, said: str) -> None:
    """Before anything is sent."""
    pytest.importorskip("schemathesis", reason="the extra conformance is not installed")
    with pytest.raises(PerformanceError, match=f"(?s){said}") as refused:
        await case.run(what, users=1)
    assert f"{__file__}:" in str(refused.value.where)


async def test_without_the_library_the_extra_is_named(case: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what needs it."""
    monkeypatch.setitem(sys.modules, "schemathesis", None)
    with pytest.raises(ExtraMissing, match="drawing the body from its schema, since the load does not say it, needs"):
        await case.run("POST /orders", users=1)
