"""Take back what was written to a shared app, in one process."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from nexus_testing import create_test_app
from nexus_testing.nexus.plugins import BasePlugin

CALLS = 300
DOCUMENTS = 1000


class ShopPlugin(BasePlugin):
    """A plugin with documents from its start."""

    name = "shop"

    async def initialize(self) -> bool:
        self.rates = {"EUR": 1}
        self.event_bus.subscribe("order.created", print)
        await self.cache_manager.set("rates", self.rates)
        return True

    def get_database_schema(self) -> dict[str, Any]:
        items = [{"id": str(number), "name": f"item {number}"} for number in range(DOCUMENTS)]
        return {
            "collections": {"items": {"indexes": [{"field": "name", "unique": True}]}},
            "initial_data": {"items": items},
        }


async def _measured() -> dict[str, Any]:
    found: dict[str, list[float]] = {"reset": [], "fresh": []}
    async with create_test_app([ShopPlugin]) as app:
        items = app.db.collection("items")
        go_back = await app.checkpoint()
        for number in range(CALLS):
            for one in range(10):
                await items.update_one({"id": str(one)}, {"$set": {"n": number}})
            await items.insert_one({"id": "new", "name": "new"})
            await app.cache_manager.set("a", number)
            started = time.perf_counter()
            await go_back()
            found["reset"].append((time.perf_counter() - started) * 1_000_000)
        for _ in range(CALLS):
            started = time.perf_counter()
            async with app.fresh():
                pass
            found["fresh"].append((time.perf_counter() - started) * 1_000_000)
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measured())))
