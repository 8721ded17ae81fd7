"""What an order goes through, apart from HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from inventory_plugin import Inventory
from nexus.core import DatabaseAdapter, Event, EventBus


class OrderRefused(Exception):
    """The order cannot be taken."""


@dataclass
class Orders:
    """Takes orders, and follows what becomes of them: documents under ``orders.{id}``."""

    db: DatabaseAdapter
    event_bus: EventBus
    inventory: Inventory
    config: Mapping[str, Any]

    async def place(self, customer: str, sku: str, quantity: int) -> str:
        """Take an order and return its id, or raise OrderRefused; the inventory answers later."""
        if quantity > self.config["max_quantity"]:
            raise OrderRefused(f"at most {self.config['max_quantity']} pieces")
        if await self.inventory.available(sku) < quantity:
            raise OrderRefused(f"not enough {sku} in stock")
        order_id = uuid4().hex
        order = {"id": order_id, "customer": customer, "status": "pending", "placed_at": datetime.now(UTC)}
        await self.db.set(f"orders.{order_id}", order)
        await self.event_bus.publish("order.created", {"order_id": order_id, "sku": sku, "quantity": quantity})
        return order_id

    async def settle(self, order_id: str, status: str) -> bool:
        """Give a pending order its last status and tell the others of it, or return False if there is none."""
        order = await self.db.get(f"orders.{order_id}")
        if order is None or order.status != "pending":
            return False
        await self.db.update(f"orders.{order_id}", {"status": status})
        await self.event_bus.publish("order.settled", {"order_id": order_id, "status": status})
        return True

    async def on_answer(self, event: Event) -> None:
        """Handle what the inventory says to an order."""
        await self.settle(event["order_id"], "confirmed" if event.name == "stock.reserved" else "refused")

    async def give_up_on_late(self) -> None:
        """Cancel the orders that nobody answered in time."""
        deadline = datetime.now(UTC) - timedelta(minutes=self.config["patience_minutes"])
        late = self.db.collection("orders").find({"status": "pending", "placed_at": {"$lt": deadline}})
        for order in await late.to_list(None):
            await self.settle(order["id"], "cancelled")
