"""Ask collections of a hundred and of ten thousand documents, in one process."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from nexus_testing.nexus.cache import CacheManager
from nexus_testing.nexus.database import MemoryDatabase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SIZES = (100, 10_000)
CALLS = 300


async def _times(call: Callable[[int], Awaitable[Any]]) -> list[float]:
    """Return the microseconds of each call."""
    taken = []
    for number in range(CALLS):
        started = time.perf_counter()
        await call(number)
        taken.append((time.perf_counter() - started) * 1_000_000)
    return taken


async def _collection(size: int) -> dict[str, list[float]]:
    db = MemoryDatabase()
    await db.connect()
    items = db.collection("items")
    await items.create_index("email", unique=True)
    for number in range(size):
        await items.insert_one(_document(number))
    middle = {"email": f"u{size // 2}@example.org"}
    client = items.database.client

    async def aborted(number: int) -> None:
        async with await client.start_session() as session:
            session.start_transaction()
            await items.update_one(middle, {"$set": {"n": -number - 1}}, session=session)
            await items.update_one({"_id": 7}, {"$set": {"n": -number - 1}}, session=session)
            await session.abort_transaction()

    return {
        "insert": await _times(lambda number: items.insert_one(_document(size + number))),
        "find by field": await _times(lambda _: items.find_one(middle)),
        "find by _id": await _times(lambda _: items.find_one({"_id": size // 2})),
        "update": await _times(lambda number: items.update_one(middle, {"$set": {"n": -number - 1}})),
        "transaction": await _times(aborted),
    }


def _document(number: int) -> dict[str, Any]:
    return {"_id": number, "email": f"u{number}@example.org", "n": number, "name": "Ann", "tags": ["a", "b"]}


async def _fresh(_: int) -> None:
    db = MemoryDatabase()
    await db.connect()
    db.collection("items")
    cache = CacheManager()
    await cache.set("a", 1)
    await cache.close()
    await db.disconnect()


async def _measured() -> dict[str, Any]:
    found: dict[str, Any] = {str(size): await _collection(size) for size in SIZES}
    return {**found, "fresh": await _times(_fresh)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measured())))
