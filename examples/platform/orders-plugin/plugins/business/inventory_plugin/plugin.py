"""The plugin: a service for other plugins, and a handler for their orders."""

from typing import Any

from fastapi import APIRouter
from nexus.core import DatabaseAdapter, Event
from nexus.plugins import BasePlugin

from . import Inventory

DELIVERED = {"tea": 10, "mug": 2}


class Stock(Inventory):
    """Counts pieces: numbers under ``stock:{sku}``, at first as many as were delivered."""

    def __init__(self, db: DatabaseAdapter) -> None:
        self._db = db

    async def available(self, sku: str) -> int:
        """Return how many pieces are free."""
        return int(await self._db.get(f"stock:{sku}", DELIVERED.get(sku, 0)))

    async def take(self, sku: str, quantity: int) -> bool:
        """Reserve pieces, or return False if there are not as many."""
        free = await self.available(sku)
        if free < quantity:
            return False
        await self._db.set(f"stock:{sku}", free - quantity)
        return True


class InventoryPlugin(BasePlugin):
    """Knows what is in stock, and reserves it for orders."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "inventory_plugin"
        self.category = "business"

    async def initialize(self) -> bool:
        """Offer the service, and listen to orders."""
        self.stock = Stock(self.db_adapter)
        self.service_registry.register("inventory", self.stock, Inventory)
        self.event_bus.subscribe("order.created", self.reserve)
        return True

    async def shutdown(self) -> None:
        """Take back what was registered."""
        self.event_bus.unsubscribe("order.created", self.reserve)
        self.service_registry.unregister("inventory")

    async def reserve(self, order: Event) -> None:
        """Reserve what was ordered, and say whether it could be."""
        taken = await self.stock.take(order.data["sku"], order.data["quantity"])
        await self.publish_event("stock.reserved" if taken else "stock.short", {"order_id": order.data["order_id"]})

    def get_api_routes(self) -> list[APIRouter]:
        """Return no routes: other plugins use the service."""
        return []

    def get_database_schema(self) -> dict[str, Any]:
        """Declare nothing: keys and values need no schema."""
        return {}
