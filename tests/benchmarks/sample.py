"""The plugin and the two test suites that the benchmarks measure, written where they are wanted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("NAME", "write_by_hand", "write_plugin", "write_with_harness")

NAME = "bench_plugin"

_PLUGIN = '''\
"""A plugin with two routes."""

from fastapi import APIRouter
from nexus.plugins import BasePlugin


class BenchPlugin(BasePlugin):
    def __init__(self):
        super().__init__()
        self.items = {}

    async def initialize(self):
        self.items = {1: "one"}
        return True

    async def shutdown(self):
        self.items.clear()

    def get_api_routes(self):
        router = APIRouter()

        @router.get("/items")
        async def listed():
            return {"items": list(self.items.values())}

        @router.get("/items/{number}")
        async def one(number: int):
            return {"item": self.items.get(number)}

        return [router]

    def get_database_schema(self):
        return {}
'''

_HARNESS_TEST = """
async def test_{number}(nexus_app, test_client):
    response = await test_client.get("/api/bench_plugin/items")
    assert response.json() == {{"items": ["one"]}}
"""

_BY_HAND = """\
from contextlib import asynccontextmanager

import httpx
import pytest
import pytest_asyncio
from asgi_lifespan import LifespanManager
from fastapi import APIRouter, FastAPI


@pytest_asyncio.fixture
async def app():
    items = {}

    @asynccontextmanager
    async def lifespan(app):
        items[1] = "one"
        yield
        items.clear()

    app = FastAPI(lifespan=lifespan)
    router = APIRouter()

    @router.get("/items")
    async def listed():
        return {"items": list(items.values())}

    @router.get("/items/{number}")
    async def one(number: int):
        return {"item": items.get(number)}

    app.include_router(router, prefix="/api/bench_plugin")
    async with LifespanManager(app):
        yield app


@pytest_asyncio.fixture
async def client(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://testserver") as client:
        yield client

"""

_BY_HAND_TEST = """
@pytest.mark.asyncio
async def test_{number}(app, client):
    response = await client.get("/api/bench_plugin/items")
    assert response.json() == {{"items": ["one"]}}
"""

_CONFTEST = """\
import json
import os
import time

import pytest

times, cpu = [], []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol():
    started, busy = time.perf_counter(), time.process_time()
    try:
        return (yield)
    finally:
        times.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - busy) * 1000)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    print(json.dumps({"times": times, "cpu": cpu}), file=open(os.environ["BENCHMARK_TIMES"], "w"))
"""


def write_plugin(folder: Path) -> None:
    """Write the plugin.

    Args:
        folder: Its folder.
    """
    folder.mkdir(parents=True)
    (folder / "plugin.py").write_text(_PLUGIN, encoding="utf-8")
    (folder / "manifest.json").write_text(json.dumps({"name": NAME, "version": "1.0.0"}), encoding="utf-8")


def _write_tests(folder: Path, head: str, test: str, count: int) -> None:
    """Write a suite of tests that are all alike, and what times them."""
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
    body = head + "".join(test.format(number=number) for number in range(count))
    (folder / "test_suite.py").write_text(body, encoding="utf-8")


def write_with_harness(folder: Path, count: int) -> None:
    """Write the plugin, with tests that use the fixtures of the harness.

    Args:
        folder: The plugin's folder.
        count: How many tests.
    """
    write_plugin(folder)
    _write_tests(folder, "", _HARNESS_TEST, count)


def write_by_hand(folder: Path, count: int) -> None:
    """Write the same tests of the same routes with fixtures of their own.

    Args:
        folder: The suite's folder.
        count: How many tests.
    """
    folder.mkdir(parents=True)
    _write_tests(folder, _BY_HAND, _BY_HAND_TEST, count)
