"""The plugin: a service for other plugins, and a handler for their orders."""

from typing import Any

from fastapi import APIRouter
from nexus.core import DatabaseAdapter, Event
from nexus.plugins.categories import BusinessPlugin

from . import Inventory


class Stock(Inventory):
    """Counts pieces: documents under ``stock.{sku}``."""

    def __init__(self, db: DatabaseAdapter) -> None:
        self._db = db

    async def available(self, sku: str) -> int:
        """Return how many pieces are free."""
        item = await self._db.get(f"stock.{sku}")
        return int(item.free) if item else 0

    async def take(self, sku: str, quantity: int) -> bool:
        """Reserve pieces in one transaction, or return False if there are not as many."""
        async with self._db.transaction() as tx:
            item = await tx.get(f"stock.{sku}")
            if item is None or item.free < quantity:
                return False
            await tx.update(f"stock.{sku}", {"free": item.free - quantity})
        return True


class InventoryPlugin(BusinessPlugin):
    """Knows what is in stock, and reserves it for orders."""

    async def initialize(self) -> bool:
        """Offer the service, and listen to orders."""
        self.stock = Stock(self.db)
        self.service_registry.register("inventory", self.stock, Inventory)
        self.event_bus.subscribe("order.created", self.reserve)
        return True

    async def shutdown(self) -> None:
        """Take back what was registered."""
        self.event_bus.unsubscribe("order.created", self.reserve)
        self.service_registry.unregister("inventory")

    async def reserve(self, order: Event) -> None:
        """Reserve what was ordered, and say whether it could be."""
        taken = await self.stock.take(order["sku"], order["quantity"])
        await self.publish_event("stock.reserved" if taken else "stock.short", {"order_id": order["order_id"]})

    def get_api_routes(self) -> list[APIRouter]:
        """Return no routes: other plugins use the service."""
        return []

    def get_database_schema(self) -> dict[str, Any]:
        """Declare the stock, and bring some along."""
        stock = [{"id": "tea", "name": "Tea", "free": 10}, {"id": "mug", "name": "Mug", "free": 2}]
        unique = {"stock": {"indexes": [{"field": "name", "unique": True}]}}
        return {"collections": unique, "initial_data": {"stock": stock}}
