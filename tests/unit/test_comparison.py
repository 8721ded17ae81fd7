"""Comparisons of two apps: what is a regression, what is noise, and what cannot be compared."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from fastapi import APIRouter, HTTPException

from nexus_testing import PerformanceTest, create_test_app
from nexus_testing.errors import PerformanceError
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.performance.paired import Pair, contrasts, decided, holm, interval

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nexus_testing.app import App
    from nexus_testing.performance.paired import Contrast

KEY = ("GET /a", "p50")


# -- statistics ----------------------------------------------------------------------------------------------------


def drawn(ratio: float, count: int, *, base: float = 0.002, spread: float = 0.02, seed: int = 1) -> list[Pair]:
    """Return blocks of a head that is slower by a ratio, with noise."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    return [Pair(base, base * ratio * rng.gauss(1, spread)) for _ in range(count)]


def judged(blocks: list[Pair], margin: float = 0.05) -> Contrast:
    """Return what became of one route."""
    (found,) = contrasts({KEY: blocks}, margin)  # type: ignore[dict-item]  # the key's second part is a statistic
    return found


@pytest.mark.parametrize(
    ("count", "place"),
    # From tables of the sign test: the rank at which the interval of 99 % for a median begins.
    [(8, 1), (10, 1), (12, 2), (20, 4), (30, 8), (40, 12), (60, 20)],
)
def test_an_interval_is_that_of_the_order_statistics(count: int, place: int) -> None:
    """Its ends are values themselves, as far from the one end as from the other."""
    assert (place, count + 1 - place) == interval([float(number) for number in range(count, 0, -1)])


def test_holm_takes_what_is_unlikely_among_many() -> None:
    """Each is held against what is left of the likelihood, until one is not unlikely enough."""
    likelihoods: dict[Any, float] = {"a": 0.001, "b": 0.02, "c": 0.0016, "d": 0.004}
    assert {"a", "c"} == holm(likelihoods, 0.005)
    assert {"a", "b", "c", "d"} == holm(likelihoods, 0.05)
    assert set() == holm({"a": 0.003, "b": 0.5}, 0.005)


@pytest.mark.parametrize(
    ("blocks", "status"),
    [
        (drawn(1.0, 20), "PASS"),
        (drawn(1.15, 20), "FAIL"),
        (drawn(1.075, 60), "FAIL"),
        (drawn(1.05, 60), "INCONCLUSIVE"),
        (drawn(0.5, 20), "PASS"),
    ],
)
def test_slower_is_what_is_slower_by_more_than_margin_and_noise(blocks: list[Pair], status: str) -> None:
    """Neither identical code nor what is just at the margin is called out."""
    found = judged(blocks)
    assert status == found.status
    assert found.low <= found.ratio <= found.high
    assert decided([found]) is (status != "INCONCLUSIVE")
    assert bool(found.reason) is (status != "PASS")


def test_what_differs_by_microseconds_is_no_regression() -> None:
    """A route of 100 µs may take 140, and says so."""
    found = judged(drawn(1.4, 20, base=0.0001))
    assert ("PASS", "slower, and by 40 µs alone") == (found.status, found.reason)
    assert "FAIL" == judged(drawn(1.6, 20, base=0.0001)).status


def test_many_routes_take_more() -> None:
    """What is unlikely for one route alone is likely to happen to one of forty."""
    blocks = [Pair(0.002, 0.0023)] * 9 + [Pair(0.002, 0.002)]
    alone = judged([*blocks[:9], blocks[0]])
    among = {(f"GET /{number}", "p50"): drawn(1.0, 10, seed=number) for number in range(40)}
    among[KEY] = [Pair(0.002, 0.0023)] * 10
    (found,) = [one for one in contrasts(among, 0.05) if one.route == "GET /a"]  # type: ignore[arg-type]  # as above
    assert ("FAIL", "INCONCLUSIVE") == (alone.status, found.status)
    assert alone.likelihood == found.likelihood == 1 / 1024


# -- apps ----------------------------------------------------------------------------------------------------------


class Load(PerformanceTest):
    """An author's test class, driven by hand."""

    __test__ = False


class ShopPlugin(BasePlugin):
    """A plugin whose configuration says how slow it is."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def get_api_routes(self) -> list[APIRouter]:
        router = APIRouter()

        @router.get("/items/{number}")
        async def one(number: int) -> int:
            self.seen += 1
            time.sleep(self.config.get("pause", 0))  # noqa: ASYNC251 - it is what is measured
            return number

        @router.get("/missing")
        async def missing() -> None:
            raise HTTPException(404)

        return [router]


@pytest_asyncio.fixture
async def case() -> AsyncIterator[Load]:
    """A test class whose app is quick."""
    async with create_test_app([ShopPlugin]) as app:
        case = Load()
        case.bind(app)
        yield case


def slow() -> App:
    """Return an app that takes two milliseconds more."""
    return create_test_app([ShopPlugin], config={"plugins": {"shop": {"pause": 0.002}}})


@pytest.mark.asyncio
async def test_an_app_that_is_slower_is_found(case: Load) -> None:
    """Each statistic of the route is a verdict, with ratio, interval and times; the other way round it holds."""
    async with slow() as other:
        result = await case.compare("GET /items/7", other, blocks=(10, 10), requests=10)
        assert "PASS" == result.verdicts[0].status
        head = Load()
        head.bind(other)
        result = await head.compare("GET /items/7", case.app, blocks=(10, 10), requests=10)
    assert ["p50", "p95"] == [one.statistic for one in result.contrasts]
    assert result.contrasts[0].ratio > 2
    verdict = result.verdicts[0]
    assert ("FAIL", "failed", 1.05, 10) == (verdict.status, verdict.outcome, verdict.limit, verdict.samples)
    assert "GET /api/shop/items/{number} p50 <= 1.05x base" == verdict.rule
    assert [result] == head.results
    # A block of each was for warming up.
    assert 2 * 11 * 10 == case.app.get_plugin("shop").seen


@pytest.mark.asyncio
async def test_blocks_go_on_while_it_is_not_clear(case: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """In steps of ten, up to the most that there may be."""
    counts: list[tuple[int, bool]] = []

    def never(pairs: Any, margin: float, *, last: bool) -> list[Contrast]:
        counts.append((len(next(iter(pairs.values()))), last))
        return contrasts({KEY: drawn(1.05, 60)}, margin)  # type: ignore[dict-item]  # as above

    monkeypatch.setattr("nexus_testing.performance.comparison.contrasts", never)
    async with create_test_app([ShopPlugin]) as other:
        result = await case.compare("GET /items/7", other, blocks=(8, 25), requests=10)
    assert [(8, False), (18, False), (25, True)] == counts
    assert ("INCONCLUSIVE", "skipped") == (result.verdicts[0].status, result.verdicts[0].outcome)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("what", "options", "said"),
    [
        ("GET /items/7", {"margin": "5"}, "margin='5' cannot be"),
        ("GET /items/7", {"margin": "0%"}, "margin='0%' cannot be"),
        ("GET /items/7", {"blocks": (5, 60)}, "a whole number from 8 up"),
        ("GET /items/7", {"blocks": (20, 10)}, "a whole number from 20 up"),
        ("GET /items/7", {"requests": 9}, "a whole number from 10 up"),
        ("GET /item/7", {}, "There is no route"),
        ("GET /missing", {}, "'GET /api/shop/missing' fails, so there is nothing to compare.*10 times 404"),
    ],
)
async def test_what_cannot_be_compared_is_refused(case: Load, what: str, options: dict[str, Any], said: str) -> None:
    """Each is named, with where it stands."""
    options = {"requests": 10, **options}
    async with create_test_app([ShopPlugin]) as other:
        with pytest.raises(PerformanceError, match=f"(?s){said}") as refused:
            await case.compare(what, other, **options)
    assert f"{__file__}:" in str(refused.value.where)


@pytest.mark.asyncio
async def test_an_app_is_not_compared_with_itself(case: Load) -> None:
    """It would always hold."""
    with pytest.raises(PerformanceError, match="cannot be compared with itself"):
        await case.compare("GET /items/7", case.app)
