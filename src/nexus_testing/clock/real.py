"""Real time."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

__all__ = ("RealClock",)


class RealClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the wall clock's time, aware, in UTC."""
        return datetime.now(UTC)

    def time(self) -> float:
        """Return the wall clock's time in seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait.

        Args:
            seconds: How long.
        """
        await asyncio.sleep(seconds)
