"""Drive apps by the measuring path and by httpx, in turns; then a slow handler, and one that stands still once."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time
from pathlib import Path

import httpx
from fastapi import FastAPI

from nexus_testing import PerformanceTest, create_test_app, install
from nexus_testing.performance.disturbances import FOREIGN_LIMIT
from nexus_testing.performance.driver import Meter
from nexus_testing.performance.targets import Fill, Target

BATCHES = 40
SIZE = 300
SLOW = 15
STALLS = 3


class Load(PerformanceTest):
    """Drives loads by hand."""

    __test__ = False


async def direct(meter: Meter, target: Target) -> float:
    """Return the microseconds that one request of a batch takes on the measuring path."""
    started = time.perf_counter()
    for _ in range(SIZE):
        await meter.shoot(target.name, target.shot(meter.rng), None)
        await asyncio.sleep(0)
    return (time.perf_counter() - started) / SIZE * 1_000_000


async def by_httpx(client: httpx.AsyncClient, path: str) -> float:
    """Return the same by httpx."""
    started = time.perf_counter()
    for _ in range(SIZE):
        await client.get(path)
        await asyncio.sleep(0)
    return (time.perf_counter() - started) / SIZE * 1_000_000


async def ratios(app: object, path: str) -> list[tuple[float, float]]:
    """Return what both take, batch by batch."""
    rng = random.Random(0)  # noqa: S311 - no secret
    meter, target = Meter(app, rng), Target("GET", path, Fill(), path)  # type: ignore[arg-type]  # any ASGI app
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]  # as above
    pairs = []
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        (await client.get(path)).raise_for_status()
        await direct(meter, target)
        await by_httpx(client, path)
        gc.collect()
        gc.freeze()
        for turn in range(BATCHES):
            if turn % 2:
                other = await by_httpx(client, path)
                pairs.append((await direct(meter, target), other))
            else:
                own = await direct(meter, target)
                pairs.append((own, await by_httpx(client, path)))
    gc.unfreeze()
    return pairs


async def main(folder: Path) -> None:
    """Measure and print."""
    bare = FastAPI()

    @bare.get("/items")
    async def items() -> dict[str, list[str]]:
        return {"items": ["one"]}

    found: dict[str, object] = {"bare": await ratios(bare, "/items")}
    async with create_test_app([folder]) as app:
        plugin = next(iter(app.plugins))
        with app._under_load(lambda asgi: asgi, 1000, lambda _: None):
            found["embedded"] = await ratios(app, app.url(plugin, "/items"))
        seen = 0

        @app.fastapi_app.get("/slow")
        async def slow() -> None:
            await asyncio.sleep(0.01)

        @app.fastapi_app.get("/stall")
        async def stall() -> None:
            nonlocal seen
            seen += 1
            if seen == 400:
                time.sleep(1)  # noqa: ASYNC251 - it is what is measured

        case = Load()
        case.bind(app)
        quiet, medians, tails, naive = [], [], [], []
        for _ in range(SLOW):
            result = await case.run("GET /slow", users=100, duration="1s")
            assert result.total.duration is not None
            medians.append(result.total.duration.p50 * 1000)
            if (result.instruments.foreign_cpu or 0.0) < FOREIGN_LIMIT:
                quiet.append(medians[-1])
        for _ in range(STALLS):
            seen = 0
            result = await case.run("GET /stall", rate=200, duration="5s", warmup=False)
            assert result.total.duration is not None
            assert result.total.service is not None
            tails.append(result.total.duration.p99 * 1000)
            naive.append(result.total.service.p99 * 1000)
        leaks = await case.run_leaks(f"GET {app.url(plugin, '/items')}", requests=1000, rounds=6)
    found.update(blocks=leaks.blocks[1:], slow=quiet or medians, quiet=len(quiet), stall=tails, naive=naive)
    print(json.dumps(found))


if __name__ == "__main__":
    install()
    asyncio.run(main(Path(sys.argv[1])))
