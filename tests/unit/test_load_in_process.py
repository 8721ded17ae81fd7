"""Loads on an app: what is sent, what is measured of it, and what is refused."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from fastapi import APIRouter, HTTPException

from nexus_testing import PerformanceTest, create_test_app
from nexus_testing.clock import VirtualClock
from nexus_testing.errors import PerformanceError, ResultError
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.performance import load as load_module
from nexus_testing.performance.result import PerformanceResult, read_performance
from nexus_testing.records import Request

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio


class Load(PerformanceTest):
    """An author's test class, driven by hand."""

    __test__ = False


class ShopPlugin(BasePlugin):
    """A plugin with routes that answer, wait, refuse, raise and hang."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self.gate = asyncio.Event()
        self.waiting = 0

    def get_api_routes(self) -> list[APIRouter]:
        router = APIRouter()

        @router.get("/items/{number}")
        async def one(number: int, page: int = 0) -> dict[str, int]:
            self.seen.append((number, page))
            return {"number": number}

        @router.post("/orders")
        async def order(body: dict[str, Any]) -> dict[str, Any]:
            self.seen.append(body)
            await self.event_bus.publish("order.created", body)
            return body

        @router.get("/missing")
        async def missing() -> None:
            raise HTTPException(404)

        @router.get("/broken")
        async def broken() -> None:
            raise OSError("out of paper")

        @router.get("/hidden/{number}", include_in_schema=False)
        async def hidden(number: int) -> int:
            return number

        @router.get("/gate")
        async def gate() -> None:
            self.waiting += 1
            await self.gate.wait()

        @router.get("/stall")
        async def stall() -> None:
            self.seen.append(1)
            if len(self.seen) == 10:
                time.sleep(0.2)  # noqa: ASYNC251 - it is what is measured

        return [router]


@pytest_asyncio.fixture
async def case() -> AsyncIterator[Load]:
    """A test class whose app has the plugin."""
    async with create_test_app([ShopPlugin]) as app:
        case = Load()
        case.bind(app)
        yield case


def plugin_of(case: Load) -> ShopPlugin:
    """Return the plugin."""
    plugin: ShopPlugin = case.app.get_plugin("shop")
    return plugin


# -- what is sent --------------------------------------------------------------------------------------------------


async def test_users_send_one_request_after_the_other(case: Load) -> None:
    """So many as were asked for are sent, measured in total and for their route, and the journal counts them all."""
    result = await case.run(
        "GET /items/{number}", users=3, requests=50, params={"number": range(5)}, query={"page": 7}, warmup=False
    )
    assert {(number, 7) for number in range(5)} == set(plugin_of(case).seen)
    assert (50, 0, {200: 50}) == (result.total.count, result.total.failed, result.total.statuses)
    assert ["GET /api/shop/items/{number}"] == list(result.routes)
    assert ("closed", 3, None, 0) == (result.model, result.users, result.rate, result.dropped)
    assert 50 == result.instruments.journal_counts["Request"]
    spans = result.total.duration
    assert spans is not None
    assert 0 < spans.min <= spans.p50 <= spans.p95 <= spans.p99_9 <= spans.max
    assert 50 == sum(bucket.count for bucket in result.total.histogram)
    assert 50 == sum(moment.count for moment in result.total.series)
    assert [result] == case.results


async def test_a_body_is_sent_and_made_anew_by_a_function(case: Load) -> None:
    """The same seed gives the same bodies; headers say that they are JSON."""

    def body(rng: random.Random) -> dict[str, int]:
        return {"total": rng.randrange(1_000_000)}

    for _ in range(2):
        await case.run("POST /orders", users=1, requests=4, json=body, warmup=False, seed=5)
    seen = plugin_of(case).seen
    assert seen[:4] == seen[4:]
    assert len({each["total"] for each in seen}) == 4
    await case.app.settle()


async def test_a_route_may_be_named_as_the_app_or_the_plugin_has_it(case: Load) -> None:
    """A concrete path counts under its route, too."""
    for path in ("GET /items/3", "GET /api/shop/items/3", "/items/3"):
        result = await case.run(path, users=1, requests=1, warmup=False)
        assert ["GET /api/shop/items/{number}"] == list(result.routes)


async def test_several_take_turns_by_their_weights(case: Load) -> None:
    """Each route has figures of its own, and what is heavier comes more often."""
    result = await case.run({"GET /items/1": 9, "GET /missing": 1}, users=2, requests=200, warmup=False)
    items, missing = (result.routes[name].count for name in ("GET /api/shop/items/{number}", "GET /api/shop/missing"))
    assert 200 == items + missing
    assert items > 3 * missing > 0


async def test_a_warm_up_counts_for_nothing(case: Load) -> None:
    """Its requests reach the plugin, are told, and stand in no figure."""
    result = await case.run("GET /items/1", users=1, requests=10)
    assert 200 == result.warmup.requests
    assert (10, 210) == (result.total.count, len(plugin_of(case).seen))


async def test_a_scenario_is_timed_at_the_app(case: Load) -> None:
    """Its requests count under their routes; what the client takes besides stands in a column of its own."""

    async def browse() -> None:
        await case.client.get("/api/shop/items/1")
        await case.client.post("/api/shop/orders", json={})

    result = await case.run(browse, users=2, requests=20, warmup=False)
    assert {"GET /api/shop/items/{number}": 20, "POST /api/shop/orders": 20} == {
        name: figures.count for name, figures in result.routes.items()
    }
    assert result.iterations is not None
    assert result.client is not None
    assert (20, 20) == (result.iterations.count, result.client.count)
    assert 0 < result.client.p50 < result.iterations.p50
    assert result.instruments.generator_share is None
    await case.app.settle()


async def test_arrivals_do_not_wait_for_answers(case: Load) -> None:
    """Requests are due at their rate; those that find everybody waiting are dropped and counted, never queued."""
    released = asyncio.get_running_loop().call_later(0.3, plugin_of(case).gate.set)
    result = await case.run("GET /gate", rate=200, users=10, duration="100ms", warmup=False)
    released.cancel()
    assert (20, 10, 10) == (result.scheduled, result.total.count, result.dropped)
    assert (10, 10) == (plugin_of(case).waiting, result.instruments.in_flight_peak)
    assert ("open", 200, "even") == (result.model, result.rate, result.arrivals)


async def test_a_stall_is_in_the_times_of_those_who_waited(case: Load) -> None:
    """Times begin when a request was due: all that came during a stall have it in them, though the app was quick."""
    result = await case.run("GET /stall", rate=200, duration="500ms", warmup=False)
    assert result.total.duration is not None
    assert result.total.service is not None
    assert result.total.duration.p90 > 0.05
    assert result.total.service.p90 < 0.05


async def test_what_fails_is_counted_by_its_reason(case: Load) -> None:
    """A status of 400 or more and an exception of the plugin's are failures; others are none."""
    mix = {"GET /missing": 1, "GET /broken": 1, "GET /items/1": 1}
    result = await case.run(mix, users=1, requests=60, warmup=False)
    counts = {name.split("/")[3]: figures for name, figures in result.routes.items()}
    assert {"404": counts["missing"].count} == counts["missing"].failures
    assert {"OSError": counts["broken"].count} == counts["broken"].failures
    assert {} == counts["items"].failures
    assert result.total.failed == counts["missing"].count + counts["broken"].count


async def test_what_is_never_answered_fails(case: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests in flight have some time left when the load is over, and are cancelled then."""
    monkeypatch.setattr(load_module, "_GRACE", 0.05)
    result = await case.run("GET /gate", users=2, duration="20ms", warmup=False)
    assert {"unanswered": 2} == result.total.failures
    result = await case.run("GET /gate", rate=100, duration="20ms", warmup=False)
    assert {"unanswered": 2} == result.total.failures


# -- what it leaves ------------------------------------------------------------------------------------------------


async def test_the_journal_is_a_ring_meanwhile(case: Load) -> None:
    """The last thousand records are kept, what came before stays in front of them, and requests are numbered again."""
    await case.client.get("/api/shop/items/1")
    before = list(case.app.journal)
    await case.run("GET /items/1", users=1, requests=1200, warmup=False)
    records = list(case.app.journal)
    assert before == records[: len(before)]
    assert len(before) + 1000 == len(records)
    assert [None] * 1000 == [request.correlation_id for request in case.app.journal.of(Request)][-1000:]
    await case.client.get("/api/shop/items/1")
    assert "request-1202" == case.app.journal.of(Request)[-1].correlation_id


async def test_clients_do_not_wait_for_events_meanwhile(case: Load) -> None:
    """A client that does so otherwise returns with the answer; afterwards it waits again."""
    gate = asyncio.Event()
    heard: list[object] = []

    async def slow(event: object) -> None:
        await gate.wait()
        heard.append(event)

    case.app.event_bus.subscribe("order.created", slow)
    client = case.app.client()

    async def order() -> None:
        await client.post("/api/shop/orders", json={})

    await case.run(order, users=1, requests=3, warmup=False)
    assert [] == heard
    gate.set()
    await order()
    assert 4 == len(heard)


async def test_a_result_is_json_and_back(case: Load, tmp_path: Path) -> None:
    """It holds all that was measured, frozen, under a name and a version."""
    result = await case.run("GET /items/1", rate=500, arrivals="poisson", duration="20ms", warmup=False, seed=2)
    file = tmp_path / "result.json"
    file.write_text(result.model_dump_json(), encoding="utf-8")
    assert result == read_performance(file)
    with pytest.raises(ValueError, match="frozen"):
        result.what = "other"
    value = json.loads(file.read_text(encoding="utf-8"))
    assert ("nexus-testing/performance", 1) == (value["format"], value["version"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("{}", "does not say that it is"),
        ('{"format": "nexus-testing/performance", "version": 9}', "it says version 9"),
        ('{"format": "nexus-testing/performance", "version": 1}', "does not hold together"),
    ],
)
async def test_another_file_is_no_result(text: str, said: str, tmp_path: Path) -> None:
    """What is no JSON, says another version or lacks fields is refused by name."""
    file = tmp_path / "result.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ResultError, match=said):
        read_performance(file)


async def test_an_interrupted_load_keeps_what_it_had(case: Load) -> None:
    """The partial result says that it is one; requests that were in flight are in no figure."""
    running = asyncio.ensure_future(_as_coroutine(case))
    while len(plugin_of(case).seen) < 20:  # noqa: ASYNC110 - the load does not say how far it is
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    (result,) = case.results
    assert result.interrupted
    assert result.total.count >= 19
    assert {} == result.total.failures
    assert case.app.journal.counts is None


async def _as_coroutine(case: Load) -> PerformanceResult:
    return await case.run("GET /items/1", users=2, duration="60s", warmup=False)


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"users": 3, "requests": 9}, {"rate": 100, "duration": "5s"}])
async def test_what_a_scenario_raises_ends_the_load(case: Load, options: dict[str, Any]) -> None:
    """It is the exception itself that the test gets, with the scenario's line, and no statistic."""
    calls: list[int] = []

    async def browse() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise LookupError("no such page")
        await asyncio.sleep(0)

    with pytest.raises(LookupError, match="no such page"):
        await case.run(browse, warmup=False, **options)
    assert [] == case.results
    assert len(calls) < 9


@pytest.mark.parametrize(
    ("what", "options", "said"),
    [
        ("GET /item/{number}", {"users": 1}, r"There is no route.*Did you mean 'GET /items/\{number\}'"),
        ("PUT /orders", {"users": 1}, "the path has POST"),
        ("GTE /orders", {"users": 1}, "Did you mean 'GET'"),
        ("GET orders", {"users": 1}, "a path begins with '/'"),
        ("GET /items/1?page=2", {"users": 1}, "has a query in its path"),
        ("GET /hidden/{number}", {"users": 1}, "says no value for 'number'"),
        ("GET /missing", {"users": 1, "profile": "averge"}, "Did you mean 'average'"),
        ("GET /missing", {"users": 1, "profile": "average", "requests": 5}, "needs a duration"),
        ("GET /items/{number}", {"users": 1, "params": {"nubmer": 1}}, "Did you mean 'number'"),
        ("GET /items/{number}", {"users": 1, "params": {"number": []}}, "no values to choose from"),
        ("GET /missing", {}, "needs users or a rate"),
        ("GET /missing", {"users": 0}, "users=0 cannot be"),
        ("GET /missing", {"users": True}, "users=True cannot be"),
        ("GET /missing", {"rate": 0}, "rate=0 cannot be"),
        ("GET /missing", {"rate": "5/d"}, "rate='5/d' cannot be"),
        ("GET /missing", {"rate": float("inf")}, "rate=inf cannot be"),
        ("GET /missing", {"rate": 1, "duration": "0s"}, "nothing can be measured in no time"),
        ("GET /missing", {"users": 1, "duration": 10}, 'fix:   duration="10s"'),
        ("GET /missing", {"users": 1, "duration": "10sec"}, "the unit is one of us, ms, s, m, h"),
        ("GET /missing", {"users": 1, "requests": 0}, "requests=0 cannot be"),
        ("GET /missing", {"rate": 1, "requests": 5}, "is for users, not for a rate"),
        ("GET /missing", {"users": 1, "arrivals": "evn"}, "Did you mean 'even'"),
        ("GET /missing", {"users": 1, "seed": "x"}, "seed='x' cannot be"),
        ({"GET /missing": 0}, {"users": 1}, "A weight of 0 cannot be"),
        ({}, {"users": 1}, "nothing to send"),
        (5, {"users": 1}, "5 is nothing to send"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_sent(
    case: Load, what: Any, options: dict[str, Any], said: str
) -> None:
    """Each is named with what would do, and where it stands."""
    with pytest.raises(PerformanceError, match=f"(?s){said}") as refused:
        await case.run(what, **options)
    assert f"{__file__}:" in str(refused.value.where)
    assert [] == plugin_of(case).seen


async def test_a_scenario_is_a_coroutine_function_that_says_its_requests_itself(case: Load) -> None:
    """A plain function, and parts of a request beside a scenario, are refused."""

    def browse() -> None:
        """Block."""

    async def fine() -> None:
        """Do nothing."""

    with pytest.raises(PerformanceError, match="browse is no coroutine function"):
        await case.run(browse, users=1)  # type: ignore[arg-type]  # that is what is refused
    with pytest.raises(PerformanceError, match="are for requests, not for scenarios"):
        await case.run(fine, users=1, json={})


async def test_virtual_time_measures_nothing(case: Load) -> None:
    """A load under a virtual clock is refused."""
    with VirtualClock(), pytest.raises(PerformanceError, match="in virtual time"):
        await case.run("GET /missing", users=1)
