"""Tests that are over hold no memory: their apps are gone, and the collector looks at no library twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Repo

PLUGIN = """
    from fastapi import APIRouter
    from nexus.plugins import BasePlugin


    class ShopPlugin(BasePlugin):
        def get_api_routes(self):
            router = APIRouter()

            @router.get("/items")
            async def items():
                return self.name

            return [router]

        async def initialize(self):
            return True
"""


def test_an_app_is_gone_after_its_test(repo: Repo) -> None:
    """Neither the plugins of tests that are over nor their apps are kept by anything, FastAPI's memory included."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write(
        "tests/test_it.py",
        """
        import gc
        import weakref
        import pytest

        seen = []

        @pytest.mark.parametrize("number", range(5))
        async def test_it(number, nexus_app, test_client):
            assert (await test_client.get("/api/shop/items")).status_code == 200
            seen.append(weakref.ref(nexus_app.plugins["shop"]))
            seen.append(weakref.ref(nexus_app.event_bus))

        def test_gone():
            gc.collect()
            assert [one for one in seen[:-2] if one() is not None] == []
    """,
    )
    repo.run(apart=True).assert_outcomes(passed=6)


def test_modules_are_set_aside(repo: Repo) -> None:
    """What modules made is kept from the collector once the first app is gone, and not before."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write(
        "tests/test_it.py",
        """
        import gc

        def test_before():
            assert gc.get_freeze_count() == 0

        async def test_it(nexus_app):
            pass

        def test_after():
            assert gc.get_freeze_count() > 10_000
    """,
    )
    repo.run(apart=True).assert_outcomes(passed=3)
