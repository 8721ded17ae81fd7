"""The routes, mounted at /api/orders."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, WebSocket, WebSocketException
from nexus.auth import User, get_current_user, require_auth, require_permission
from nexus.core import DatabaseAdapter, Event, get_db
from pydantic import BaseModel, PositiveInt

from .orders import OrderRefused, Orders

Anybody = Annotated[User, Depends(get_current_user)]
Customer = Annotated[User, Depends(require_auth)]
Database = Annotated[DatabaseAdapter, Depends(get_db)]


class OrderIn(BaseModel):
    """What a customer sends."""

    sku: str
    quantity: PositiveInt


def make_router(orders: Orders) -> APIRouter:
    """Return the routes of an order book."""
    router = APIRouter(tags=["orders"])
    add_status_socket(router, orders)

    @router.post("", status_code=201)
    async def place(order: OrderIn, customer: Customer) -> dict[str, str]:
        try:
            return {"id": await orders.place(customer.id, order.sku, order.quantity)}
        except OrderRefused as error:
            raise HTTPException(409, str(error)) from error

    @router.get("")
    async def own(user: Anybody, db: Database) -> list[dict[str, Any]]:
        found = await db.collection("orders").find({"customer": user.id}).to_list(None)
        return [{"id": order["id"], "status": order["status"]} for order in found]

    @router.delete("/{order_id}", status_code=204, dependencies=[Depends(require_permission("orders.cancel"))])
    async def cancel(order_id: str) -> None:
        if not await orders.settle(order_id, "cancelled"):
            raise HTTPException(404, "no such order is pending")

    return router


def add_status_socket(router: APIRouter, orders: Orders) -> None:
    """Add the WebSocket that tells a customer how an order stands, and when that changes."""

    @router.websocket("/{order_id}/status")
    async def follow(socket: WebSocket, order_id: str, customer: Customer, db: Database) -> None:
        async def push(event: Event) -> None:
            if event["order_id"] == order_id:
                await socket.send_text(event["status"])

        order = await db.get(f"orders.{order_id}")
        if order is None or order.customer != customer.id:
            raise WebSocketException(1008, "no such order")
        await socket.accept()
        orders.event_bus.subscribe("order.settled", push)
        try:
            await socket.send_text((await db.get(f"orders.{order_id}")).status)
            async for _ in socket.iter_text():
                pass  # until the customer hangs up
        finally:
            orders.event_bus.unsubscribe("order.settled", push)
