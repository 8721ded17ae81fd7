"""The routes, with the inventory loaded because the manifest depends on it."""

from nexus.core import EventBus
from nexus.testing.client import Client

MUGS = {"sku": "mug", "quantity": 2}


async def test_an_order_is_confirmed_by_the_inventory(test_client: Client, event_bus: EventBus) -> None:
    """The request returns when the events that it led to are through, so the answer is there."""
    ann = test_client.as_user("ann")
    order_id = (await ann.post("/api/orders", json=MUGS)).json()["id"]
    event_bus.assert_sequence("order.created", "stock.reserved", "order.settled")
    event_bus.assert_published("stock.reserved", order_id=order_id, times=1)
    assert (await ann.get("/api/orders")).json() == [{"id": order_id, "status": "confirmed"}]


async def test_an_order_needs_a_customer_and_enough_pieces(test_client: Client, event_bus: EventBus) -> None:
    """Nobody gets 401 and more than there is 409; neither is published, and the list is empty."""
    ann = test_client.as_user("ann")
    assert (await test_client.post("/api/orders", json=MUGS)).status_code == 401
    assert (await ann.post("/api/orders", json={**MUGS, "quantity": 3})).status_code == 409
    event_bus.assert_not_published("order.created")
    assert (await test_client.get("/api/orders")).json() == (await ann.get("/api/orders")).json() == []
