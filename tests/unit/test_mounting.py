"""A plugin's routes in the app: where they are mounted, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, WebSocket

from nexus_testing import create_test_app
from nexus_testing.errors import PluginLoadError
from nexus_testing.nexus.plugins import BasePlugin

pytestmark = pytest.mark.asyncio


async def _coroutine() -> list[APIRouter]:
    return []


class Routed(BasePlugin):
    """A plugin whose routes a test gives."""

    def __init__(self, name: str, routes: Any) -> None:
        self.name = name
        self._routes = routes

    def get_api_routes(self) -> Any:
        """Return them, or raise."""
        if isinstance(self._routes, Exception):
            raise self._routes
        return self._routes() if self._routes is _coroutine else self._routes


def router(path: str = "/items", **options: Any) -> APIRouter:
    """Return a router with one route."""
    made = APIRouter(**options)

    @made.get(path)
    async def answer() -> str:
        return "here"

    return made


async def test_several_routers_are_mounted_under_one_prefix() -> None:
    """The prefix of a router comes after the plugin's."""
    async with create_test_app() as app:
        await app.load_plugin(Routed("shop", [router(), router("/all", prefix="/orders")]))
        client = app.client()
        answers = [(await client.get(f"/api/shop/{path}")).status_code for path in ("items", "orders/all", "all")]
    assert [200, 200, 404] == answers


@pytest.mark.parametrize("routes", [None, [], ()])
async def test_a_plugin_may_have_no_routes(routes: Any) -> None:
    """Nothing is mounted, and nothing is wrong."""
    async with create_test_app() as app:
        await app.load_plugin(Routed("shop", routes))
        assert [] == app.routes


async def test_every_method_and_every_kind_is_listed() -> None:
    """One entry a method; a WebSocket is one too, with its endpoint and plugin."""
    made = APIRouter()

    async def endpoint() -> None:
        """Answer."""

    async def socket(ws: WebSocket) -> None:
        """Talk."""

    made.add_api_route("/both", endpoint, methods=["PUT", "POST"])
    made.add_api_websocket_route("/ws", socket)
    async with create_test_app() as app:
        await app.load_plugin(Routed("shop", [made]))
        assert [
            ("POST", "/api/shop/both", endpoint, "shop"),
            ("PUT", "/api/shop/both", endpoint, "shop"),
            ("WEBSOCKET", "/api/shop/ws", socket, "shop"),
        ] == list(map(tuple, app.routes))


async def test_an_authors_router_stays_as_it_is() -> None:
    """One router serves app after app, and is never added to."""
    made = router()
    before = list(made.routes)
    for _ in range(2):
        async with create_test_app() as app:
            await app.load_plugin(Routed("shop", [made]))
            assert 200 == (await app.client().get("/api/shop/items")).status_code
    assert before == list(made.routes)


async def test_routes_go_with_their_plugin() -> None:
    """They are answered and documented while it is loaded, and not after it; another's stay."""
    async with create_test_app() as app:
        client = app.client()
        seen: list[tuple[list[str], list[int]]] = []

        async def look() -> None:
            paths = (await client.get("/openapi.json")).json()["paths"]
            answers = [(await client.get(f"/api/{name}/items")).status_code for name in ("shop", "other")]
            seen.append((sorted(paths), answers))

        await app.load_plugin(Routed("other", [router()]))
        await look()
        await app.load_plugin(Routed("shop", [router()]))
        await look()
        await app.unload_plugin("shop")
        await look()
    without = (["/api/other/items"], [404, 200])
    assert [without, (["/api/other/items", "/api/shop/items"], [200, 200]), without] == seen


@pytest.mark.parametrize(
    ("routes", "message", "fix"),
    [
        (router(), "returned a bare APIRouter, not a list of routers", "Write `return [router]`."),
        ([router(), 7], "returned 7, not a list of routers", "Return a list of fastapi.APIRouter objects"),
        ("routes", "returned 'routes', not a list of routers", "Return a list"),
        (_coroutine, "returned <coroutine object _coroutine", "Return a list"),
        (ValueError("broken"), r"failed in get_api_routes\(\): ValueError: broken", "Mend the line above"),
    ],
    ids=["a bare router", "something between", "no list", "a coroutine", "raises"],
)
async def test_routes_that_cannot_be_mounted(routes: Any, message: str, fix: str) -> None:
    """The plugin is refused at its method's line, and nothing of it is left."""
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match=message) as refused:
            await app.load_plugin(Routed("shop", routes))
        assert f"{__file__}:" in str(refused.value.where)
        assert fix in refused.value.fix
        assert ([], {}) == (app.routes, app.plugins)
