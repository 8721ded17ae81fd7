"""The inventory by itself: this file stands in its folder, so it is the plugin under test."""

import pytest
from inventory_plugin import Inventory
from nexus.testing import App


@pytest.mark.parametrize(("quantity", "answer", "left"), [(2, "stock.reserved", 0), (3, "stock.short", 2)])
async def test_an_order_is_answered(nexus_app: App, quantity: int, answer: str, left: int) -> None:
    """What is there is reserved; what is not leaves the stock as it was."""
    await nexus_app.event_bus.publish("order.created", {"order_id": "7", "sku": "mug", "quantity": quantity})
    await nexus_app.event_bus.expect(answer, order_id="7")
    (inventory,) = nexus_app.service_registry.get_by_interface(Inventory)
    assert await inventory.available("mug") == left
