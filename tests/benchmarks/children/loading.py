"""Load and unload plugins in one app, and apps of more and more plugins, in one process."""

from __future__ import annotations

import asyncio
import gc
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter

from nexus_testing.app import create_test_app
from nexus_testing.nexus.plugins import BasePlugin

if TYPE_CHECKING:
    from nexus_testing.app import App

LOADS = 400
SIZES = (10, 20, 50, 100)
ROUNDS = 7


class RoutesPlugin(BasePlugin):
    """A plugin with two routes."""

    def get_api_routes(self) -> list[APIRouter]:
        """Return them."""
        router = APIRouter()

        @router.get("/items")
        async def listed() -> list[int]:
            return []

        @router.get("/items/{number}")
        async def one(number: int) -> int:
            return number

        return [router]


class BarePlugin(BasePlugin):
    """A plugin without routes."""


async def _loads(app: App, cls: type[BasePlugin], name: str) -> list[float]:
    """Return the milliseconds of each load and unload."""
    taken = []
    for _ in range(LOADS):
        started = time.perf_counter()
        await app.load_plugin(cls)
        await app.unload_plugin(name)
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def _checks(app: App, temporary: str) -> list[float]:
    """Return the microseconds of holding what a test says against one plugin, before its load."""
    folder = Path(temporary).resolve()
    (folder / "plugin.py").write_text("", encoding="utf-8")
    schema = {"properties": {name: {"type": "string"} for name in "abcdefghij"}}
    (folder / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    manifest = {"name": "shop", "version": "1.0.0", "configuration": {"schema": "schema.json"}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    config = {"a": "1", "b": "2", "c": "3"}
    taken = []
    for _ in range(LOADS * ROUNDS):
        started = time.perf_counter()
        app.backend.check([folder], config, frozenset(), None)
        taken.append((time.perf_counter() - started) * 1e6)
    return taken


async def _many(size: int) -> float:
    """Return the seconds that an app of so many plugins takes from its start to its end."""
    gc.collect()
    started = time.perf_counter()
    async with create_test_app() as app:
        for number in range(size):
            plugin = RoutesPlugin()
            plugin.name = f"p{number}"
            await app.load_plugin(plugin)
    return time.perf_counter() - started


async def _measured() -> dict[str, object]:
    found: dict[str, list[float]] = {"routes": [], "bare": []}
    async with create_test_app() as app:
        await _loads(app, RoutesPlugin, "routes")
        with tempfile.TemporaryDirectory() as folder:
            checks = _checks(app, folder)
        for _ in range(ROUNDS):
            found["routes"] += await _loads(app, RoutesPlugin, "routes")
            found["bare"] += await _loads(app, BarePlugin, "bare")
    many: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(ROUNDS):
        for size in SIZES:
            many[size].append(await _many(size))
    return {**found, "many": many, "checks": checks}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measured())))
