"""Real time."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import tzinfo

__all__ = ("RealClock",)


class RealClock:
    """The machine's own clock."""

    @property
    def zone(self) -> tzinfo:
        """The zone of its wall clock: UTC, whatever the machine's is."""
        return UTC

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

    def external(self) -> AbstractContextManager[None]:
        """Do nothing: real time waits for nobody."""
        return nullcontext()

    def quiet(self, fd: int, *, on: bool) -> None:
        """Do nothing: real time watches no connection.

        Args:
            fd: The connection's file descriptor.
            on: Whether it need not be watched.
        """
