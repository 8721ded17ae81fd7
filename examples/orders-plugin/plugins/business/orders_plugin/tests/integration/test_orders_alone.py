"""The plugin with stand-ins for what it depends on, so that orders are pending until the test answers."""

from datetime import UTC, datetime

import pytest
from inventory_plugin import Inventory
from nexus.testing import App, PluginLoadError, WebSocketRejected, create_test_app
from nexus.testing.client import Client


class EndlessShelves(Inventory):
    """An inventory that has everything."""

    async def available(self, sku: str) -> int:
        """Return a lot."""
        return 1_000_000


@pytest.fixture
def nexus_stubs() -> dict[str, str]:
    """Take the inventory plugin for loaded."""
    return {"inventory_plugin": "1.0.0"}


@pytest.fixture
def nexus_services() -> dict[str, Inventory]:
    """Offer its service."""
    return {"inventory": EndlessShelves()}


@pytest.fixture
def nexus_plugin_config() -> dict[str, int]:
    """Allow larger orders than config/default.yaml does."""
    return {"max_quantity": 500}


async def test_a_customer_sees_a_clerk_cancel(test_client: Client) -> None:
    """The socket says how the order stands and when that changes; a clerk may change it, a customer may not."""
    ann, clerk = test_client.as_user("ann"), test_client.as_user("eve", permissions=["orders.cancel"])
    url = f"/api/orders/{(await ann.post('/api/orders', json={'sku': 'tea', 'quantity': 500})).json()['id']}"
    async with ann.websocket(f"{url}/status") as socket:
        assert await socket.receive_text() == "pending"
        assert [(await user.delete(url)).status_code for user in (ann, clerk, clerk)] == [403, 204, 404]
        assert await socket.receive_text() == "cancelled"
    with pytest.raises(WebSocketRejected, match="no such order"):
        async with clerk.websocket(f"{url}/status"):
            pass


async def test_late_orders_are_given_up(nexus_app: App) -> None:
    """The background task is run here without waiting for its time."""
    await nexus_app.db.set("orders.7", {"id": "7", "status": "pending", "placed_at": datetime(2020, 1, 1, tzinfo=UTC)})
    await nexus_app.get_plugin("orders_plugin").task_manager.run_now("late")
    await nexus_app.event_bus.expect("order.settled", order_id="7", status="cancelled")


@pytest.mark.parametrize(
    ("version", "complaint"),
    [("1.0.0", "did not get them:\n *service 'inventory'"), ("0.9.0", "'inventory_plugin' >=1.0; here is 0.9.0")],
)
async def test_it_does_not_start_without_the_inventory(version: str, complaint: str) -> None:
    """A plugin that offers no service, or is too old, is named in the error."""
    app = create_test_app(stubs={"inventory_plugin": version})
    with pytest.raises(PluginLoadError, match=complaint):
        await app.load_plugin("orders_plugin")
