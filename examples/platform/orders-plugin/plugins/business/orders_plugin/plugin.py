"""The plugin: its routes, what it needs, and what it listens to."""

from typing import Any
from uuid import uuid4

from fastapi import APIRouter, HTTPException
from nexus.core import Event
from nexus.plugins import BasePlugin
from pydantic import BaseModel, PositiveInt


class OrderIn(BaseModel):
    """What a customer sends."""

    sku: str
    quantity: PositiveInt


class OrdersPlugin(BasePlugin):
    """Takes orders and follows them until they are confirmed."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "orders_plugin"
        self.category = "business"

    async def initialize(self) -> bool:
        """Find the inventory, and listen to it."""
        self.inventory = self.service_registry.get("inventory")
        if self.inventory is None:
            self.logger.error("there is no inventory")
            return False
        self.event_bus.subscribe("stock.reserved", self.on_answer)
        self.event_bus.subscribe("stock.short", self.on_answer)
        return True

    async def shutdown(self) -> None:
        """Take back what was registered."""
        self.event_bus.unsubscribe("stock.reserved", self.on_answer)
        self.event_bus.unsubscribe("stock.short", self.on_answer)

    async def on_answer(self, event: Event) -> None:
        """Handle what the inventory says to an order."""
        status = "confirmed" if event.name == "stock.reserved" else "refused"
        await self.db_adapter.set(f"orders:{event.data['order_id']}", {"status": status})

    def get_api_routes(self) -> list[APIRouter]:
        """Return the routes."""
        router = APIRouter(prefix="/orders", tags=["orders"])

        @router.post("", status_code=201)
        async def place(order: OrderIn) -> dict[str, str]:
            if await self.inventory.available(order.sku) < order.quantity:
                raise HTTPException(409, f"not enough {order.sku} in stock")
            order_id = uuid4().hex
            await self.db_adapter.set(f"orders:{order_id}", {"status": "pending"})
            await self.publish_event("order.created", {"order_id": order_id, **order.model_dump()})
            return {"id": order_id}

        @router.get("/{order_id}")
        async def show(order_id: str) -> dict[str, Any]:
            found: dict[str, Any] | None = await self.db_adapter.get(f"orders:{order_id}")
            if found is None:
                raise HTTPException(404, "no such order")
            return {"id": order_id, "status": found["status"]}

        return [router]

    def get_database_schema(self) -> dict[str, Any]:
        """Declare nothing: keys and values need no schema."""
        return {}
