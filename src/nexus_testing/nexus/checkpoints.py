"""What one app holds at some moment, to be put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .handles import Handle
    from .kernel import Kernel

__all__ = ("Checkpoint",)


class Checkpoint:
    """Data, cache, users, subscriptions, services, tasks and journal of one app, as they were when this was made.

    Going back costs what was changed since, and may be done again and again. Call `close` at its end, or what is
    overwritten is kept.

    Args:
        kernel: The app's parts.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._handles = list(kernel.handles)
        data, self.close = kernel.db.checkpoint()
        self._parts = [
            kernel.event_bus.checkpoint(),
            kernel.service_registry.checkpoint(),
            kernel.task_manager.checkpoint(),
            kernel.auth.checkpoint(),
            data,
        ]
        self._cache = kernel.cache_manager.checkpoint()
        self._journal = kernel.journal.checkpoint()

    def late(self) -> list[Handle]:
        """Return what was registered since and is registered still."""
        known = set(map(id, self._handles))
        return [handle for handle in self._kernel.handles if id(handle) not in known]

    async def go_back(self) -> None:
        """Put everything back."""
        kernel = self._kernel
        for handle in self.late():
            handle()
        for part in self._parts:
            part()
        await kernel.db.settle()
        await self._cache()
        kernel.handles[:] = self._handles
        for handle in self._handles:
            handle.active = True
        for reset in kernel.counters:
            reset()
        self._journal()
