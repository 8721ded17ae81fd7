"""Time GETs through the client of the harness and through httpx's own transport, in turns, in one process."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from pathlib import Path

import httpx

from nexus_testing import create_test_app, install

BATCHES = 60
SIZE = 50


async def batch(client: httpx.AsyncClient, url: str) -> float:
    """Return the microseconds that one GET of a batch takes."""
    started = time.perf_counter()
    for _ in range(SIZE):
        await client.get(url)
    return (time.perf_counter() - started) / SIZE * 1_000_000


async def main(folder: Path) -> None:
    """Measure and print."""
    async with create_test_app([folder]) as app:
        url = app.url(next(iter(app.plugins)), "/items")
        transport = httpx.ASGITransport(app=app.fastapi_app)
        async with app.client() as ours, httpx.AsyncClient(transport=transport, base_url="http://testserver") as plain:
            clients: dict[str, httpx.AsyncClient] = {"ours": ours, "plain": plain}
            times: dict[str, list[float]] = {"ours": [], "plain": []}
            for client in clients.values():
                (await client.get(url)).raise_for_status()
                await batch(client, url)
            gc.collect()
            gc.freeze()
            for turn in range(BATCHES):
                for name in sorted(clients, reverse=bool(turn % 2)):
                    times[name].append(await batch(clients[name], url))
    print(json.dumps(times))


if __name__ == "__main__":
    install()
    asyncio.run(main(Path(sys.argv[1])))
