"""The parts of an app, as a test reaches them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import pytest
import pytest_asyncio
from fastapi import APIRouter, Depends

from nexus_testing import App, create_test_app
from nexus_testing.errors import LifecycleError
from nexus_testing.nexus.plugins import BasePlugin


def unit() -> str:
    """Give the unit."""
    return "EUR"


class ShopPlugin(BasePlugin):
    """A plugin with a dependency that a test can override."""

    def get_api_routes(self) -> list[APIRouter]:
        """Return one route."""
        router = APIRouter(prefix="/prices")

        @router.get("/unit")
        async def answer(value: Annotated[str, Depends(unit)]) -> str:
            return value

        return [router]


@pytest_asyncio.fixture(name="app")
async def _app() -> AsyncIterator[App]:
    async with create_test_app([ShopPlugin], config={"cache": {}}, services={"mailer": print}) as app:
        yield app


def test_parts_are_there_before_the_start() -> None:
    """A test may prepare an app that does not run yet."""
    app = create_test_app(config={"cache": {"type": "memory"}}, services={"mailer": print})
    assert app.config == {"cache": {"type": "memory"}}
    assert app.service_registry.get("mailer") is print
    assert ({}, [], [], 2) == (app.plugins, app.routes, app.findings, len(app.journal))
    assert app.event_bus.idle
    assert "Nexus" == app.fastapi_app.title
    assert "embedded" == app.backend.name
    app.abandon()


@pytest.mark.asyncio
async def test_what_is_not_loaded(app: App) -> None:
    """The error lists what is, guesses, and names the line that asked."""
    with pytest.raises(LifecycleError, match="no plugin 'shopp' in the app") as missing:
        app.get_plugin("shopp")
    assert ("loaded are 'shop'", "Did you mean 'shop'?") == (missing.value.why, missing.value.fix)
    assert f"{__file__}:" in str(missing.value.where)
    with pytest.raises(LifecycleError, match="no plugin 'billing'") as unknown:
        app.url("billing")
    assert "Load it first: await app.load_plugin('billing')." == unknown.value.fix


@pytest.mark.asyncio
async def test_where_routes_are(app: App) -> None:
    """The app knows the path of a plugin's route, and the plugin of each path."""
    assert "/api/shop/prices/unit" == app.url("shop", "prices/unit") == app.url("shop", "/prices/unit")
    assert "/api/shop/" == app.url("shop")
    assert [("GET", "/api/shop/prices/unit", "shop")] == [(one.method, one.path, one.plugin) for one in app.routes]


@pytest.mark.asyncio
async def test_an_override_ends_with_its_block(app: App) -> None:
    """A value or a function stands in; the outer one is back afterwards, also after an error."""
    client, path = app.client(), app.url("shop", "prices/unit")

    async def answer() -> str:
        return str((await client.get(path)).json())

    async def fail() -> None:
        with app.override(unit, lambda: "USD"):
            assert "USD" == await answer()
            raise KeyError

    with app.override(unit, "CHF"):
        with pytest.raises(KeyError):
            await fail()
        assert "CHF" == await answer()
    assert "EUR" == await answer()
    assert {} == app.fastapi_app.dependency_overrides


@pytest.mark.asyncio
async def test_overrides_of_fastapi_do_not_outlive_the_app() -> None:
    """What a test puts into FastAPI's own table is gone when the app is."""
    async with create_test_app([ShopPlugin]) as app:
        app.fastapi_app.dependency_overrides[unit] = lambda: "CHF"
        assert "CHF" == (await app.client().get(app.url("shop", "prices/unit"))).json()
    assert {} == app.fastapi_app.dependency_overrides


@pytest.mark.asyncio
async def test_settling_waits_for_what_was_published(app: App) -> None:
    """A test that publishes itself can wait like the client does."""
    heard: list[object] = []
    app.event_bus.subscribe("a", heard.append)
    await app.event_bus.publish("a")
    await app.settle()
    assert [{}] == heard
