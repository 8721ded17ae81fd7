"""Many requests at once."""

from __future__ import annotations

import asyncio
import time

from nexus.testing import PerformanceTest


class TestLoad(PerformanceTest):
    """`self.client` goes to an app with the plugin loaded, and does not wait for events."""

    async def test_a_hundred_people_at_once(self) -> None:
        """Everybody is greeted by the right name, all within two seconds."""
        names = [f"guest-{number}" for number in range(100)]
        started = time.perf_counter()
        responses = await asyncio.gather(*(self.client.get(f"/api/hello_plugin/hello/{name}") for name in names))
        assert time.perf_counter() - started < 2
        assert [response.json()["message"] for response in responses] == [f"Hello, {name}!" for name in names]
