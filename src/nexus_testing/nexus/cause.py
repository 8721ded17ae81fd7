"""What led to an event, so that one may wait for all that follows from a thing and for nothing else."""

from __future__ import annotations

import asyncio

__all__ = ("Cause",)


class Cause:
    """One publication from outside of a handler, with all that its handlers published in turn."""

    __slots__ = ("_rest", "open")

    def __init__(self) -> None:
        self.open = 0
        self._rest: asyncio.Future[None] | None = None

    async def rest(self) -> None:
        """Wait until nothing of it is queued or running."""
        if self.open:
            if self._rest is None:
                self._rest = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._rest)

    def fail(self, error: Exception) -> None:
        """Tell those who wait for it that it will never come to rest.

        Args:
            error: What they are told.
        """
        if self._rest is not None and not self._rest.done():
            self._rest.set_exception(error)
        self._rest = None

    def leave(self) -> None:
        """Count one delivery less."""
        self.open -= 1
        if not self.open and self._rest is not None:
            if not self._rest.done():
                self._rest.set_result(None)
            self._rest = None
