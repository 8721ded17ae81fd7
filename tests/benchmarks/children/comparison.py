"""Measure one set of blocks of a route of two milliseconds, as it is, once more, and slower; then judge draws of it."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import time
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from nexus_testing.performance.comparison import block
from nexus_testing.performance.driver import Meter
from nexus_testing.performance.paired import Pair, contrasts, decided
from nexus_testing.performance.samples import percentile
from nexus_testing.performance.targets import Fill, Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexus_testing.performance.paired import Statistic

BLOCKS = 60
REQUESTS = 300
DRAWS = 300
MARGIN = 0.05
WORK = 0.002
VARIANTS = {"base": 1.0, "same": 1.0, "slower by 7.5 %": 1.075, "slower by 15 %": 1.15}


def spins() -> int:
    """Return how many turns of a loop take as long as the route is to take."""
    turns = 10_000

    def taken() -> float:
        started = time.perf_counter()
        spin(turns)
        return time.perf_counter() - started

    # What else the machine does only makes it longer.
    return round(turns * WORK / min(taken() for _ in range(200)))


def spin(turns: int) -> None:
    """Do something."""
    for _ in range(turns):
        pass


def app_of(turns: int) -> FastAPI:
    """Return an app whose route does so much."""
    app = FastAPI()

    @app.get("/work")
    async def work() -> None:
        spin(turns)

    return app


def status(blocks: Mapping[Statistic, list[Pair]], least: int, most: int, rng: random.Random) -> str:
    """Return what the whole rule says of blocks that are drawn from those that were measured."""
    places = [rng.randrange(BLOCKS) for _ in range(most)]
    count = least
    while True:
        pairs = {("GET /work", name): [values[place] for place in places[:count]] for name, values in blocks.items()}
        found = contrasts(pairs, MARGIN, last=count >= most)
        if decided(found) or count >= most:
            return "FAIL" if any(one.status == "FAIL" for one in found) else "other"
        count += 10


async def main() -> None:
    """Measure, judge and print."""
    rng = random.Random(5)  # noqa: S311 - no secret
    turns = spins()
    target = Target("GET", "/work", Fill(), "/work")
    sides = {name: (Meter(app_of(round(turns * factor)), rng), target) for name, factor in VARIANTS.items()}
    await block(sides, REQUESTS, rng)
    gc.collect()
    gc.freeze()
    measured: dict[str, list[dict[Statistic, float]]] = {name: [] for name in VARIANTS}
    for _ in range(BLOCKS):
        for name, statistics in (await block(sides, REQUESTS, rng)).items():
            measured[name].append(statistics)
    judged: dict[str, Any] = {}
    for name in list(VARIANTS)[1:]:
        blocks: dict[Statistic, list[Pair]] = {
            each: [Pair(one[each], two[each]) for one, two in zip(measured["base"], measured[name], strict=True)]
            for each in ("p50", "p95")
        }
        judged[name] = {str(most): [status(blocks, 20, most, rng) == "FAIL" for _ in range(DRAWS)] for most in (20, 60)}
        ratios = sorted(pair.head / pair.base for pair in blocks["p50"])
        judged[name]["ratio"] = percentile(ratios, 50)
    judged["base"] = 1000 * percentile(sorted(one["p50"] for one in measured["base"]), 50)
    print(json.dumps(judged))


if __name__ == "__main__":
    asyncio.run(main())
