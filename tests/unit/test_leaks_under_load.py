"""What requests leave behind, round by round, and how time grows with size."""

from __future__ import annotations

import asyncio
import os
import time
from array import array
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from fastapi import APIRouter

from nexus_testing import PerformanceTest, create_test_app
from nexus_testing.errors import PerformanceError
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.performance.leaks import LIMITS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio


class Load(PerformanceTest):
    """An author's test class, driven by hand."""

    __test__ = False


class ShopPlugin(BasePlugin):
    """A plugin whose routes leave something, each something else."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.files = array("i")
        self.cache: dict[int, object] = {}

    def get_api_routes(self) -> list[APIRouter]:
        router = APIRouter()

        @router.get("/clean")
        async def clean() -> None:
            await self.event_bus.publish("looked", {"at": "it"})

        @router.get("/blocks")
        async def blocks() -> None:
            self.kept.append({"an": object()})

        @router.get("/cached")
        async def cached() -> None:
            # The first round fills it.
            if len(self.cache) < 50:
                self.cache[len(self.cache)] = object()

        @router.get("/tasks")
        async def tasks() -> None:
            self.tasks.append(asyncio.create_task(asyncio.sleep(60)))

        @router.get("/descriptors")
        async def descriptors() -> None:
            self.files.append(os.dup(0))

        @router.get("/queries")
        async def queries() -> None:
            self.kept.append(None)
            for _ in self.kept[::20]:
                await self.db.get("one")

        return [router]


@pytest_asyncio.fixture
async def case() -> AsyncIterator[Load]:
    """A test class whose app has the plugin."""
    async with create_test_app([ShopPlugin]) as app:
        case = Load()
        case.bind(app)
        yield case
        plugin = app.get_plugin("shop")
        for task in plugin.tasks:
            task.cancel()
        for file in plugin.files:
            os.close(file)


def failed(result: Any) -> set[str]:
    """Return the kinds of what was left."""
    kinds = dict(zip(LIMITS, result.verdicts, strict=True))
    return {kind for kind, verdict in kinds.items() if verdict.outcome == "failed"}


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the system does not say what is open")  # noqa: PTH112
@pytest.mark.parametrize(
    ("route", "left"),
    [
        ("clean", set[str]()),
        ("cached", set[str]()),
        ("blocks", {"blocks"}),
        ("tasks", {"blocks", "tasks"}),
        ("descriptors", {"descriptors"}),
        ("queries", {"queries"}),
    ],
)
async def test_what_each_request_leaves_is_found(case: Load, route: str, left: set[str]) -> None:
    """In every round after the first; what only fills a cache, and events that are still to be heard, are no leak."""
    result = await case.run_leaks(f"GET /{route}", requests=100, rounds=4)
    assert left == failed(result)
    assert 4 == len(result.blocks) == len(result.tasks) == len(result.queries)
    assert [result] == case.results
    if left:
        (verdict, *_) = [one for one in result.verdicts if one.outcome == "failed"]
        assert ("FAIL", "in every round after the first") == (verdict.status, verdict.reason)


async def test_a_scenario_may_leave_something_too(case: Load) -> None:
    """It is run as often as requests are sent otherwise; what it raises is the test's."""

    async def browse() -> None:
        await case.client.get("/api/shop/tasks")

    assert "tasks" in failed(await case.run_leaks(browse, requests=50, rounds=3))

    async def fails() -> None:
        raise LookupError("no such page")

    with pytest.raises(LookupError):
        await case.run_leaks(fails)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"requests": 49}, "a whole number from 50 up"), ({"rounds": 2}, "a whole number from 3 up")],
)
async def test_too_few_say_nothing(case: Load, options: dict[str, Any], said: str) -> None:
    """Of few requests a leak looks like chance."""
    with pytest.raises(PerformanceError, match=said):
        await case.run_leaks("GET /clean", **options)


# -- growth --------------------------------------------------------------------------------------------------------


async def test_growth_is_told_from_its_slope(case: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """In logarithms: 1 is linear, 2 quadratic; between them, n·log(n) still passes."""
    now = 0.0
    monkeypatch.setattr("nexus_testing.performance.growth.time.perf_counter", lambda: now)

    def linear(size: int) -> None:
        nonlocal now
        now += size * 1e-5

    async def sorting(size: int) -> None:
        nonlocal now
        now += size * len(str(size)) * 1e-5

    def quadratic(size: int) -> None:
        nonlocal now
        now += size * size * 1e-7

    slopes = {}
    for function in (linear, sorting, quadratic):
        result = await case.run_growth(function, sizes=[100, 1_000, 10_000])
        slopes[result.what] = (round(result.slope, 2), result.verdicts[0].status, result.verdicts[0].outcome)
    assert {
        "linear": (1.0, "PASS", "passed"),
        "sorting": (1.11, "PASS", "passed"),
        "quadratic": (2.0, "FAIL", "failed"),
    } == slopes
    assert [pytest.approx(0.001), pytest.approx(0.1), pytest.approx(10)] == result.times


async def test_rounds_that_do_not_agree_say_nothing(case: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither that it is linear, nor that it is not."""
    now, calls = 0.0, 0
    monkeypatch.setattr("nexus_testing.performance.growth.time.perf_counter", lambda: now)

    def varies(size: int) -> None:
        nonlocal now, calls
        calls += 1
        now += (size if (calls // 3) % 2 else size * size / 100) * 1e-3

    result = await case.run_growth(varies, sizes=[10, 30, 100])
    assert ("INCONCLUSIVE", "skipped") == (result.verdicts[0].status, result.verdicts[0].outcome)


async def test_real_time_is_measured(case: Load) -> None:
    """A quadratic loop is one."""

    def quadratic(size: int) -> None:
        time.sleep(size * size * 2e-8)

    result = await case.run_growth(quadratic, sizes=[100, 400, 1_600], rounds=8)
    assert result.times == sorted(result.times)


@pytest.mark.parametrize(
    "sizes", [[], [1, 10], [10, 5, 100], [10, 10, 100], [10, 20, 90], [0, 10, 100], ["a", "b", "c"]]
)
async def test_sizes_that_say_nothing_are_refused(case: Load, sizes: Any) -> None:
    """Too few, not in order, too near."""
    with pytest.raises(PerformanceError, match="cannot be"):
        await case.run_growth(lambda size: None, sizes=sizes)


async def test_growth_needs_rounds_and_a_function(case: Load) -> None:
    """Of fewer than eight there is no interval."""
    with pytest.raises(PerformanceError, match="a whole number from 8 up"):
        await case.run_growth(lambda size: None, rounds=7)
    with pytest.raises(PerformanceError, match="cannot be called with a size"):
        await case.run_growth(5)  # type: ignore[arg-type]  # that is what is refused
