"""A plugin that knows what is in stock. Other plugins may rely on what this module defines."""

from abc import ABC, abstractmethod

__all__ = ["Inventory"]


class Inventory(ABC):
    """What is in stock. Registered as the service "inventory"."""

    @abstractmethod
    async def available(self, sku: str) -> int:
        """Return how many pieces are free."""
