"""Time an app on the real framework through the harness and by hand, in turns; or an app in memory, alone."""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import logging
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from nexus_testing import create_test_app, install
from nexus_testing.runtime.discovery import Project, set_project

ROUNDS = 60
PLUGIN = "bench_plugin"


async def harness(backend: str) -> None:
    """Make an app, load the plugin, ask it once, shut the app down."""
    async with create_test_app([PLUGIN], backend=backend) as app, app.client() as client:
        (await client.get(app.url(PLUGIN, "/items"))).raise_for_status()


async def by_hand() -> None:
    """Do the same with what the framework has, as its users would."""
    import nexus

    app = nexus.create_nexus_app(config={"database": {"type": "sqlite", "connection": {"path": "unused.db"}}})
    app.database = nexus.core.MemoryAdapter()
    app.plugin_manager.set_database(app.database)
    await app.database.connect()
    assert await app.load_plugin(f"custom.{PLUGIN}")
    async with app.app.router.lifespan_context(app.app):
        transport = httpx.ASGITransport(app=app.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            (await client.get(f"/api/plugins/custom.{PLUGIN}/items")).raise_for_status()
    # Its consumer would go on for up to a second, and be the next turn's burden.
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0)


async def main(which: str) -> None:
    """Measure and print, in milliseconds."""
    runs: dict[str, Callable[[], Awaitable[None]]] = {
        "platform": functools.partial(harness, "platform"),
        "by_hand": by_hand,
        "embedded": functools.partial(harness, "embedded"),
    }
    kinds = which.split(",")
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for kind in kinds * 3:
        await runs[kind]()
    gc.collect()
    gc.freeze()
    for turn in range(ROUNDS):
        for kind in sorted(kinds, reverse=bool(turn % 2)):
            started = time.perf_counter()
            await runs[kind]()
            times[kind].append((time.perf_counter() - started) * 1000)
    print(json.dumps(times))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    install("embedded" if sys.argv[1] == "embedded" else "platform")
    set_project(Project(Path.cwd()))
    asyncio.run(main(sys.argv[1]))
