"""The order book alone, on mocks of what it needs."""

from unittest.mock import AsyncMock, Mock

import pytest
from orders_plugin.orders import OrderRefused, Orders


@pytest.fixture
def bus() -> Mock:
    """A bus that takes every event."""
    return Mock(publish=AsyncMock())


@pytest.fixture
def orders(bus: Mock) -> Orders:
    """The order book, with three pieces of everything in stock."""
    return Orders(AsyncMock(), bus, Mock(available=AsyncMock(return_value=3)), {"max_quantity": 5})


async def test_an_order_is_told_to_the_others(orders: Orders, bus: Mock) -> None:
    """An order that is taken is published, once."""
    order_id = await orders.place("ann", "tea", 3)
    bus.publish.assert_awaited_once_with("order.created", {"order_id": order_id, "sku": "tea", "quantity": 3})


@pytest.mark.parametrize(("quantity", "reason"), [(4, "not enough tea"), (6, "at most 5")])
async def test_an_order_is_refused(orders: Orders, bus: Mock, quantity: int, reason: str) -> None:
    """More than there is, or more than is allowed, is refused, and nobody hears of it."""
    with pytest.raises(OrderRefused, match=reason):
        await orders.place("ann", "tea", quantity)
    bus.publish.assert_not_awaited()
