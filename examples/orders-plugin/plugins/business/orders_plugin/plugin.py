"""The plugin: what it needs, what it listens to, and what it does by itself."""

from typing import Any

from fastapi import APIRouter
from nexus.plugins.categories import BusinessPlugin
from nexus.tasks import BackgroundTask, Schedule

from .api import make_router
from .orders import Orders


class OrdersPlugin(BusinessPlugin):
    """Takes orders and follows them until they are confirmed."""

    async def initialize(self) -> bool:
        """Find the inventory, listen to it, and look for late orders now and then."""
        inventory = await self.service_registry.get_service("inventory")
        if inventory is None:
            return False
        self.orders = Orders(self.db, self.event_bus, inventory, self.config)
        for answer in ("stock.reserved", "stock.short"):
            self.event_bus.subscribe(answer, self.orders.on_answer)
        self.task_manager.register_task(BackgroundTask("late", self.orders.give_up_on_late, Schedule.every_minutes(5)))
        return True

    async def shutdown(self) -> None:
        """Take back what was registered."""
        self.task_manager.unregister_task("late")
        for answer in ("stock.reserved", "stock.short"):
            self.event_bus.unsubscribe(answer, self.orders.on_answer)

    def get_api_routes(self) -> list[APIRouter]:
        """Return the routes."""
        return [make_router(self.orders)]

    def get_database_schema(self) -> dict[str, Any]:
        """Declare the orders."""
        return {"collections": {"orders": {"indexes": [{"field": "customer"}]}}}
