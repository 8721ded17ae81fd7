"""Deliver a backlog on the published framework's bus and on ours, in turns, in one process."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from typing import Any

from nexus.core import EventBus as PublishedBus

from nexus_testing.nexus.events import EventBus

EVENTS = 20_000
ROUNDS = 9


async def published() -> float:
    """Return how many events a second the published bus delivers."""
    bus: Any = PublishedBus()
    handled, done = 0, asyncio.Event()

    async def handler(event: object) -> None:
        """Count."""
        nonlocal handled
        handled += 1
        if handled == EVENTS:
            done.set()

    bus.subscribe("benchmark", handler)
    started = time.perf_counter()
    await bus.start()
    for number in range(EVENTS):
        await bus.publish("benchmark", {"number": number})
    await done.wait()
    taken = time.perf_counter() - started
    await bus.shutdown()
    return EVENTS / taken


async def ours() -> float:
    """Return how many events a second our bus delivers, each on record twice."""
    bus = EventBus()
    handled = 0

    async def handler(event: object) -> None:
        """Count."""
        nonlocal handled
        handled += 1

    bus.subscribe("benchmark", handler)
    started = time.perf_counter()
    for number in range(EVENTS):
        await bus.publish("benchmark", {"number": number})
    await bus.drain(None)
    taken = time.perf_counter() - started
    if (handled, len(bus.journal)) != (EVENTS, 2 * EVENTS):
        msg = f"{handled} events handled, {len(bus.journal)} records made"
        raise RuntimeError(msg)
    return EVENTS / taken


def main() -> None:
    """Measure and print."""
    found: dict[str, list[float]] = {"ours": [], "published": []}
    asyncio.run(published())
    asyncio.run(ours())
    for turn in range(ROUNDS):
        for name in ("ours", "published") if turn % 2 else ("published", "ours"):
            gc.collect()
            found[name].append(asyncio.run(ours() if name == "ours" else published()))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
