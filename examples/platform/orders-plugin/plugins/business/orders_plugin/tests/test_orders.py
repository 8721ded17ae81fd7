"""The routes, with the inventory loaded before: nexus-platform loads no plugin for another one."""

import pytest
from inventory_plugin import Inventory
from nexus.testing import App, PluginLoadError, create_test_app
from nexus.testing.client import Client


class EndlessShelves(Inventory):
    """An inventory that has everything."""

    async def available(self, sku: str) -> int:
        """Return a lot."""
        return 1_000_000


@pytest.fixture
def nexus_plugins() -> list[str]:
    """Load both, in order."""
    return ["inventory_plugin", "orders_plugin"]


async def test_an_order_is_confirmed_by_the_inventory(nexus_app: App, test_client: Client) -> None:
    """The request returns when the events that it led to are through, so the answer is there."""
    orders = nexus_app.url("orders_plugin", "/orders")
    order_id = (await test_client.post(orders, json={"sku": "mug", "quantity": 2})).json()["id"]
    nexus_app.event_bus.assert_sequence("order.created", "stock.reserved")
    order = await test_client.get(nexus_app.url("orders_plugin", f"/orders/{order_id}"))
    assert order.json() == {"id": order_id, "status": "confirmed"}
    assert (await test_client.post(orders, json={"sku": "mug", "quantity": 1})).status_code == 409


async def test_a_stand_in_leaves_orders_pending() -> None:
    """A service of the test's takes the inventory's place; nobody answers then, and it was called by the route."""
    async with create_test_app(["orders_plugin"], services={"inventory": EndlessShelves()}) as app:
        async with app.client() as client:
            response = await client.post(app.url("orders_plugin", "/orders"), json={"sku": "tea", "quantity": 500})
        app.event_bus.assert_published("order.created", order_id=response.json()["id"], quantity=500)
        assert await app.db.get(f"orders:{response.json()['id']}") == {"status": "pending"}


async def test_it_does_not_start_without_the_inventory() -> None:
    """The plugin says so in its log, and the error repeats it."""
    app = create_test_app()
    with pytest.raises(PluginLoadError, match="there is no inventory"):
        await app.load_plugin("orders_plugin")
