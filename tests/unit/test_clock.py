"""Real time, as the clock port tells it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nexus_testing.clock import RealClock


@pytest.mark.asyncio
async def test_the_real_clock_is_the_machines() -> None:
    """Wall clock in UTC, seconds since the epoch, and seconds that only grow; a sleep takes its time."""
    clock = RealClock()
    before, monotonic, seconds = datetime.now(UTC), clock.monotonic(), clock.time()
    await clock.sleep(0.001)
    assert clock.monotonic() >= monotonic + 0.001
    assert clock.time() > seconds
    assert before < clock.now()
    assert UTC is clock.now().tzinfo
