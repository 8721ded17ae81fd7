"""The plugin that the tests of load are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Repo

SHOP = """
    import os

    from fastapi import APIRouter, Depends, HTTPException
    from nexus.auth import get_current_user
    from nexus.plugins import BasePlugin
    from pydantic import BaseModel


    class Order(BaseModel):
        sku: str


    class ShopPlugin(BasePlugin):
        async def initialize(self):
            self.orders = []
            return True

        async def shutdown(self):
            print("the shop is shut", flush=True)

        def get_api_routes(self):
            router = APIRouter()

            @router.get("/hello")
            async def hello(user=Depends(get_current_user)):
                return {"hello": user.id}

            @router.post("/orders")
            async def order(order: Order):
                self.orders.append(order.sku)
                return {"id": len(self.orders), "sku": order.sku}

            @router.get("/orders/{number}")
            async def ordered(number: int):
                if not 0 < number <= len(self.orders):
                    raise HTTPException(404, "no such order")
                return {"sku": self.orders[number - 1]}

            @router.get("/die", include_in_schema=False)
            async def die():
                os._exit(7)

            return [router]
"""


@pytest.fixture
def shop(repo: Repo) -> Path:
    """Write the plugin `shop` into the repository; return its file."""
    repo.manifest()
    return repo.write("plugin.py", SHOP)
