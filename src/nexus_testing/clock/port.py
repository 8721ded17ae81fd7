"""What the framework and the fakes ask of a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime, tzinfo

__all__ = ("Clock",)


class Clock(Protocol):
    """A source of time. Every part of an app reads the same one."""

    @property
    def zone(self) -> tzinfo:
        """The zone of its wall clock."""
        ...

    def now(self) -> datetime:
        """Return the wall clock's time, aware, in the clock's zone."""
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

    def external(self) -> AbstractContextManager[None]:
        """Say that something outside of the event loop is at work, for the length of a ``with`` block.

        Whoever calls a real backend holds it meanwhile, so that virtual time stands still until the answer is there.
        """
        ...

    def quiet(self, fd: int, *, on: bool) -> None:
        """Say that a connection need not be watched, since whoever waits for an answer on it uses `external`.

        Args:
            fd: The connection's file descriptor.
            on: Whether it need not be watched; said again before it is closed.
        """
        ...
