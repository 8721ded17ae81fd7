"""Many customers at once."""

import asyncio
import time

from nexus.testing import PerformanceTest


class TestLoad(PerformanceTest):
    """`self.client` does not wait for events; whoever wants to, drains."""

    async def test_a_hundred_orders_at_once(self) -> None:
        """A hundred customers want the ten pieces that there are; all are answered within five seconds."""
        started = time.perf_counter()
        customers = (self.client.as_user(f"customer-{number}") for number in range(100))
        await asyncio.gather(*(one.post("/api/orders", json={"sku": "tea", "quantity": 1}) for one in customers))
        await self.app.event_bus.drain()
        assert time.perf_counter() - started < 5
        assert len(self.app.event_bus.of("stock.reserved")) == 10
