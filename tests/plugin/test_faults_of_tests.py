"""What a test says of faults is over with it, and a fault that never happened fails it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Repo

PLUGIN = """
    from fastapi import APIRouter
    from nexus.plugins import BasePlugin


    class ShopPlugin(BasePlugin):
        async def initialize(self):
            self.stock = await self.service_registry.get_service("stock")
            return True

        async def shutdown(self):
            await self.db.set("ended", True)

        async def buy(self):
            left = await self.stock.left()
            await self.db.set("left", left - 1)
            return left

        def get_api_routes(self):
            router = APIRouter()
            router.add_api_route("/buy", self.buy)
            return [router]
"""

TESTS = """
    import pytest
    from nexus_testing import create_test_app
    from nexus_testing.errors import PluginLoadError


    class Stock:
        async def left(self):
            return 3


    @pytest.fixture
    def nexus_services():
        return {"stock": Stock()}


    async def test_passes_where_the_database_fails(test_client, nexus_faults):
        nexus_faults.fail("db.set", OSError)
        with pytest.raises(OSError):
            await test_client.get("/api/shop/buy")
        assert (await test_client.get("/api/shop/buy")).json() == 3

    async def test_passes_where_a_service_fails_that_the_plugin_has_already(test_client, nexus_faults):
        nexus_faults.fail("services.stock.left", OSError)
        with pytest.raises(OSError):
            await test_client.get("/api/shop/buy")

    async def test_passes_though_faults_are_left(test_client, nexus_faults):
        nexus_faults.fail("db.set", OSError, times=None)
        nexus_faults.disconnect("db")
        with pytest.raises(Exception):
            await test_client.get("/api/shop/buy")

    async def test_passes_for_an_app_of_its_own(nexus_services):
        async with create_test_app(services=nexus_services) as app:
            app.faults.fail("initialize", OSError)
            with pytest.raises(PluginLoadError):
                await app.load_plugin("shop")

    async def test_passes_where_it_need_not_happen(test_client, nexus_faults):
        nexus_faults.fail("db.set", OSError, required=False)

    async def test_fails_where_one_never_happened(test_client, nexus_faults):
        nexus_faults.fail("db.update", OSError)
        await test_client.get("/api/shop/buy")

    async def test_fails_of_itself(test_client, nexus_faults):
        nexus_faults.fail("db.set", OSError, times=None, probability=0.5, seed=11)
        nexus_faults.fail("db.get", OSError)
        assert "this" == "that"
"""


def test_what_a_test_said_is_over_with_it(repo: Repo) -> None:
    """The plugin shuts down undisturbed; the line of a fault that never happened is in the report, and its chance."""
    repo.manifest()
    repo.write("__init__.py")
    repo.write("plugin.py", PLUGIN)
    file = repo.write("tests/test_shop.py", TESTS)
    result = repo.run()
    result.assert_outcomes(passed=5, failed=2)
    line = 1 + file.read_text("utf-8").splitlines().index('    nexus_faults.fail("db.update", OSError)')
    result.stdout.fnmatch_lines([
        "*FaultAssertionError: nexus_faults.fail('db.update', OSError) never happened.",
        f"*test_shop.py:{line} in test_fails_where_one_never_happened",
        "*the plugins asked meanwhile:",
        "*1 × db.set left by shop",
    ])  # fmt: skip
    result.stdout.fnmatch_lines(["*fail('db.set', OSError) happened 0 times; to repeat it: seed=11"])
    result.stdout.fnmatch_lines(["*Besides: nexus_faults.fail('db.get', OSError) never happened.*"])


def test_a_shared_app_is_without_faults_after_a_test(repo: Repo) -> None:
    """The next test finds it as it was."""
    repo.manifest()
    repo.write("__init__.py")
    repo.write("plugin.py", PLUGIN.replace("await self.stock.left()", "3"))
    repo.write(
        "tests/test_shop.py",
        """
        import pytest

        async def test_one(nexus_app_module):
            nexus_app_module.faults.fail("db.set", OSError, times=None)
            with pytest.raises(OSError):
                await nexus_app_module.get_plugin("shop").buy()

        async def test_another(nexus_app_module):
            assert await nexus_app_module.get_plugin("shop").buy() == 3
            assert nexus_app_module.faults.calls == []
            assert "set" not in vars(nexus_app_module.db)
        """,
    )
    repo.run().assert_outcomes(passed=2)
