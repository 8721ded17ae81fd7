"""What expires does so on the virtual clock: there a microsecond before its deadline, gone a microsecond after."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from fastapi import APIRouter, Depends

from nexus_testing import create_test_app
from nexus_testing.app import App
from nexus_testing.clock import VirtualClock
from nexus_testing.nexus.auth import require_auth
from nexus_testing.nexus.cache import CacheTTL, cache
from nexus_testing.nexus.plugins import BasePlugin

pytestmark = pytest.mark.asyncio

MICROSECOND = 0.000_001


class CachedPlugin(BasePlugin):
    """The guide's plugin with a cached call."""

    def __init__(self) -> None:
        self.name = "cached"
        self.computed: list[str] = []

    @cache(ttl=CacheTTL.MEDIUM)
    async def get_expensive_data(self, key: str) -> str:
        self.computed.append(key)
        return f"data of {key}"

    async def invalidate_cache(self, key: str) -> None:
        await self.cache_manager.delete(f"get_expensive_data:{key}")

    def get_api_routes(self) -> list[APIRouter]:
        router = APIRouter()
        router.add_api_route("/ping", lambda: "pong")
        router.add_api_route("/mine", _mine, dependencies=[Depends(require_auth)])
        return [router]


async def _mine() -> str:
    return "mine"


@pytest_asyncio.fixture(name="clock")
async def _clock() -> AsyncIterator[VirtualClock]:
    with VirtualClock() as clock:
        yield clock


@pytest.fixture(name="limited")
def _limited(tmp_path: Path) -> Path:
    manifest = {"name": "limited", "version": "1.0.0", "api": {"rate_limit": {"requests": 1, "period": 60}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (tmp_path / "plugin.py").write_text(
        "from fastapi import APIRouter\nfrom nexus.plugins import BasePlugin\n"
        "router = APIRouter()\n@router.get('/ping')\nasync def ping() -> str:\n    return 'pong'\n"
        "class LimitedPlugin(BasePlugin):\n    def get_api_routes(self):\n        return [router]\n",
        encoding="utf-8",
    )
    return tmp_path


@pytest_asyncio.fixture(name="app")
async def _app(clock: VirtualClock) -> AsyncIterator[App]:
    assert clock.now() == datetime(2030, 1, 1, tzinfo=UTC)
    async with create_test_app([CachedPlugin]) as app:
        yield app


async def test_a_key_of_the_cache(clock: VirtualClock, app: App) -> None:
    """With the event that tells of it."""
    await app.cache_manager.set("tea", "mint", ttl=60)
    await clock.advance(seconds=60 - MICROSECOND)
    assert "mint" == await app.cache_manager.get("tea")
    await clock.advance(microseconds=2)
    assert await app.cache_manager.get("tea") is None


async def test_a_cached_call(clock: VirtualClock, app: App) -> None:
    """The guide's example: five minutes, and sooner if it is invalidated."""
    plugin = app.get_plugin("cached")
    assert "data of a" == await plugin.get_expensive_data("a")
    await clock.advance(seconds=300 - MICROSECOND)
    await plugin.get_expensive_data("a")
    assert ["a"] == plugin.computed
    await clock.advance(microseconds=2)
    await plugin.get_expensive_data("a")
    assert ["a", "a"] == plugin.computed
    await plugin.invalidate_cache("a")
    await plugin.get_expensive_data("a")
    assert 3 == len(plugin.computed)


async def test_thirty_days_of_a_cached_call(clock: VirtualClock, app: App) -> None:
    """Asked for each minute, computed each five."""
    plugin = app.get_plugin("cached")
    for _ in range(60):
        await plugin.get_expensive_data("a")
        await clock.advance(minutes=1)
    assert 12 == len(plugin.computed)
    await clock.advance(days=30)
    await plugin.get_expensive_data("a")
    assert 13 == len(plugin.computed)


async def test_a_document(clock: VirtualClock, app: App) -> None:
    """By an index that says after how many seconds."""
    visits = app.db.collection("visits")
    await visits.create_index("at", expireAfterSeconds=60)
    await visits.insert_one({"_id": 1, "at": datetime.now(UTC)})
    await clock.advance(seconds=60 - MICROSECOND)
    assert 1 == await visits.count_documents({})
    await clock.advance(microseconds=2)
    assert 0 == await visits.count_documents({})


async def test_a_login(clock: VirtualClock, app: App) -> None:
    """The request after its end is nobody's."""
    ann = app.client().as_user("ann", expires_in=60)
    await clock.advance(seconds=60 - MICROSECOND)
    assert 200 == (await ann.get("/api/cached/mine")).status_code
    await clock.advance(microseconds=2)
    assert 401 == (await ann.get("/api/cached/mine")).status_code


async def test_a_window_of_a_rate_limit(clock: VirtualClock, limited: Path) -> None:
    """A client may come again when it is over."""
    async with create_test_app([limited]) as app:
        client = app.client()
        assert 200 == (await client.get("/api/limited/ping")).status_code
        await clock.advance(seconds=60 - MICROSECOND)
        assert 429 == (await client.get("/api/limited/ping")).status_code
        await clock.advance(microseconds=2)
        assert 200 == (await client.get("/api/limited/ping")).status_code
