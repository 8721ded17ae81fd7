"""What a test does with an app on the real framework: requests, services, overrides, and what is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from nexus_testing.app import create_test_app
from nexus_testing.backends import Limits
from nexus_testing.defaults import Defaults, set_defaults
from nexus_testing.errors import (
    BackendError,
    ConsistencyError,
    NotOnBackend,
    PluginLoadError,
    PluginUnloadError,
    ServiceError,
)

if TYPE_CHECKING:
    from tests.conftest import Repo

pytestmark = pytest.mark.asyncio

PLUGIN = """
    from fastapi import APIRouter, Depends, HTTPException, WebSocket
    from nexus.plugins import BasePlugin


    def opening_hours():
        return "closed"


    class ShopPlugin(BasePlugin):
        async def initialize(self):
            return True

        async def shutdown(self):
            pass

        def get_api_routes(self):
            inner = APIRouter(prefix="/tills")

            @inner.get("/{number}")
            async def till(number: int):
                return {"till": number}

            plain = APIRouter()

            @plain.get("/")
            async def index(hours: str = Depends(opening_hours)):
                return {"hours": hours}

            @plain.get("/price/{sku}")
            async def price(sku: str):
                return {"price": self.service_registry.get("prices").of(sku)}

            @plain.get("/broken")
            async def broken():
                raise ValueError("no tills")

            @plain.websocket("/ws")
            async def ws(socket: WebSocket):
                await socket.accept()
                await socket.send_text("open")

            versioned = APIRouter(prefix="/v1")
            versioned.include_router(inner)
            return [versioned, plain]

        def get_database_schema(self):
            return {}
"""


class Prices:
    """What the plugin asks."""

    def of(self, sku: str) -> int:
        """Return a price."""
        return len(sku)


async def make_shop(project: Repo, make_app: Any, **options: Any) -> Any:
    """Return an app with the plugin."""
    project.manifest("shop", category="business")
    project.write("plugin.py", PLUGIN)
    return await make_app("shop", **options)


@pytest.mark.parametrize(
    ("path", "mounted"),
    [
        ("/tills/7", "/v1/v1/tills/7"),
        ("/v1/tills/7", "/v1/v1/tills/7"),
        ("tills/7?full=1", "/v1/v1/tills/7?full=1"),
        ("/", "/"),
        ("/price/tea", "/price/tea"),
        ("/ws", "/ws"),
    ],
)
async def test_url_gives_the_path_that_a_route_answers_at(
    project: Repo, make_app: Any, path: str, mounted: str
) -> None:
    """As the plugin writes it, with the prefix of its router or without; the framework puts that there twice."""
    app = await make_shop(project, make_app)
    assert app.url("shop", path) == f"/api/plugins/business.shop{mounted}"
    assert app.url("business.shop", path) == app.url("shop", path)


async def test_routes_and_sockets_answer(project: Repo, make_app: Any) -> None:
    """Errors have the framework's bodies, or are raised as the client says."""
    app = await make_shop(project, make_app, services={"prices": Prices()})
    async with app.client() as client:
        assert (await client.get(app.url("shop", "/tills/7"))).json() == {"till": 7}
        assert (await client.get(app.url("shop", "/nowhere"))).status_code == 404
        async with client.websocket(app.url("shop", "/ws")) as socket:
            assert await socket.receive_text() == "open"
        with pytest.raises(ValueError, match="no tills"):
            await client.get(app.url("shop", "/broken"))
    async with app.client(raise_app_exceptions=False) as client:
        assert (await client.get(app.url("shop", "/broken"))).json()["error"]["message"] == "Internal server error"
        assert (await client.get("/api/plugins")).json()["plugins"][0]["name"] == "shop"
    assert "ValueError('no tills')" in {repr(request.error) for request in app.journal if hasattr(request, "status")}
    paths = app.openapi("shop")["paths"]
    assert "/api/plugins/business.shop/v1/v1/tills/{number}" in paths
    assert not any(path.startswith("/api/v1") for path in paths)


async def test_a_dependency_is_overridden(project: Repo, make_app: Any) -> None:
    """For the length of the block; one that no route has is refused."""
    app = await make_shop(project, make_app)
    from nexus.auth import get_current_user

    hours = next(route.endpoint for route in app.routes if route.path.endswith("shop/")).__globals__["opening_hours"]
    async with app.client() as client:
        with app.override(hours, "open"):
            assert (await client.get(app.url("shop", "/"))).json() == {"hours": "open"}
        assert (await client.get(app.url("shop", "/"))).json() == {"hours": "closed"}
    with pytest.raises(ConsistencyError, match="no route depends on it"), app.override(get_current_user, {}):
        pass


async def test_services_are_stubbed_and_spied_on(project: Repo, make_app: Any) -> None:
    """On the framework's own registry."""
    app = await make_shop(project, make_app, services={"prices": Prices()})
    spy = app.service_registry.spy("prices")
    async with app.client() as client:
        assert (await client.get(app.url("shop", "/price/tea"))).json() == {"price": 3}
        assert spy.assert_called("of", sku="tea").plugin == "shop"

        class Free:
            def of(self, _sku: str) -> int:
                return 0

        with app.service_registry.override("prices", Free()):
            assert (await client.get(app.url("shop", "/price/tea"))).json() == {"price": 0}
    with pytest.raises(ServiceError, match="Did you mean 'prices'"):
        app.service_registry.override("price", Prices())
    app.provide_plugin("till", services={"till": Prices()})
    assert app.service_registry.get("till").of("tea") == 3
    assert app.service_registry.owner_of("till") is None


async def test_what_the_framework_has_no_meaning_for_is_said_by_name(project: Repo, make_app: Any) -> None:
    """Users, permissions, user interfaces, configuration, migrations, a cache, a way back."""
    app = await make_shop(project, make_app)
    refused: list[Callable[[], object]] = [
        lambda: app.login("ann"),
        lambda: app.login_principal("admin"),
        lambda: app.permissions_used("shop"),
        lambda: app.ui("shop"),
        lambda: app.cache_manager,
    ]
    for ask in refused:
        with pytest.raises(NotOnBackend, match="nexus-platform does not have"):
            ask()
    with pytest.raises(NotOnBackend, match="migrations of plugin 'shop'"):
        await app.migrate_plugin("shop")
    with pytest.raises(NotOnBackend, match=r"cannot be given the configuration \{'max': 1\}"):
        await app.load_plugin("shop", {"max": 1})
    with pytest.raises(NotOnBackend, match="a way back"):
        async with app.fresh():
            pass
    assert app.login_principal("anonymous") == {}


@pytest.mark.parametrize(("hook", "error"), [("initialize", PluginLoadError), ("shutdown", PluginUnloadError)])
async def test_a_hook_that_hangs_is_cut_short(
    project: Repo, write_shop: Any, hook: str, error: type[Exception]
) -> None:
    """The error names the line that it was waiting at; the process is free for the next app."""
    write_shop(**{hook: "import asyncio; await asyncio.Event().wait()"})
    before = set_defaults(Defaults(Limits(hook=0.05), backend="platform"))
    try:
        app = create_test_app(["shop"])
        with pytest.raises(error, match=r"0\.05 s(.|\n)*plugin\.py:"):
            async with app:
                pass
        async with create_test_app():
            pass
    finally:
        set_defaults(before)


async def test_a_database_that_cannot_be_connected_fails_the_start(
    make_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As shipped, the framework would go on with another one that no plugin has."""
    import nexus.database

    async def refuse(_self: object) -> None:
        raise OSError("no disk")

    monkeypatch.setattr(nexus.database.SQLAlchemyAdapter, "connect", refuse)
    config = {"database": {"type": "sqlite"}}
    with pytest.raises(OSError, match="no disk"):
        await make_app(config=config)
    with pytest.raises(BackendError, match=r"could not connect(.|\n)*no disk") as raised:
        await make_app(config=config, profile="as_shipped")
    assert isinstance(raised.value.__cause__, OSError)
