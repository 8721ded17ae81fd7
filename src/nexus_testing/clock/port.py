"""What the framework and the fakes ask of a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ("Clock",)


class Clock(Protocol):
    """A source of time. Every part of an app reads the same one."""

    def now(self) -> datetime:
        """Return the wall clock's time, aware, in UTC."""
        ...

    def time(self) -> float:
        """Return the wall clock's time in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait.

        Args:
            seconds: How long.
        """
        ...
