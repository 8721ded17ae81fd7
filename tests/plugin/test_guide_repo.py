"""Repos built as a newcomer builds them run with nothing configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

FIRST_PLUGIN = """
    from typing import Any

    from fastapi import APIRouter
    from nexus.plugins import BasePlugin


    class LendingPlugin(BasePlugin):
        def __init__(self):
            super().__init__()
            self.name = "lending"
            self.version = "0.1.0"

        async def initialize(self) -> bool:
            self.logger.info("open for lending")
            return True

        async def shutdown(self) -> None:
            self.logger.info("closed")

        def get_api_routes(self) -> list[APIRouter]:
            router = APIRouter()

            @router.get("/shelf")
            async def shelf():
                return {"books": ["Emma"]}

            return [router]

        def get_database_schema(self) -> dict[str, Any]:
            return {"loans": []}
"""

FIRST_TEST = """
    import pytest
    from lending.plugin import LendingPlugin
    from nexus.testing import PluginTestCase


    class TestLending(PluginTestCase):
        @pytest.fixture
        async def plugin(self):
            plugin = LendingPlugin()
            await plugin.initialize()
            yield plugin
            await plugin.shutdown()

        async def test_identity(self, plugin):
            assert ("lending", "0.1.0") == (plugin.name, plugin.version)

        async def test_shelf(self, plugin, test_client):
            response = await test_client.get("/api/lending/shelf")
            assert (200, {"books": ["Emma"]}) == (response.status_code, response.json())
"""

SERVICE_PLUGIN = """
    from fastapi import APIRouter
    from nexus.plugins import BasePlugin

    from .services import LoanService


    class LoansPlugin(BasePlugin):
        def get_api_routes(self):
            router = APIRouter()

            @router.get("/loans")
            async def loans():
                return {"loans": []}

            @router.get("/loans/{number}")
            async def loan(number: int):
                return {"number": number}

            return [router]
"""

SERVICE = """
    class LoanService:
        def __init__(self, repository):
            self.repository = repository

        async def find(self, number):
            return await self.repository.find(number)
"""

UNIT_TEST = """
    from unittest.mock import AsyncMock, Mock

    import pytest
    from loans.services import LoanService


    class TestLoanService:
        @pytest.fixture
        def repository(self):
            repository = Mock()
            repository.find = AsyncMock(return_value={"number": 7})
            return repository

        @pytest.fixture
        def service(self, repository):
            return LoanService(repository)

        async def test_find(self, service, repository):
            assert {"number": 7} == await service.find(7)
            repository.find.assert_awaited_once_with(7)
"""

INTEGRATION_TEST = """
    import pytest
    from httpx import AsyncClient
    from nexus.testing import create_test_app


    @pytest.fixture
    async def app():
        app = create_test_app()
        await app.load_plugin("loans")
        return app


    @pytest.fixture
    async def client(app):
        async with AsyncClient(app=app, base_url="http://test") as client:
            yield client


    async def test_loans(client):
        response = await client.get("/api/loans/loans")
        assert (200, {"loans": []}) == (response.status_code, response.json())
"""

LOAD_TEST = """
    import asyncio

    from nexus.testing import PerformanceTest


    class TestLoad(PerformanceTest):
        async def test_a_hundred_at_once(self):
            requests = [self.client.get(f"/api/loans/loans/{number}") for number in range(100)]
            responses = await asyncio.gather(*requests)
            assert [{"number": number} for number in range(100)] == [one.json() for one in responses]
"""


def _first(repo: Repo) -> None:
    repo.folder = repo.folder.with_name("lending-plugin")
    repo.manifest("lending", version="0.1.0", category="business")
    repo.write("__init__.py")
    repo.write("plugin.py", FIRST_PLUGIN)
    repo.write("tests/test_plugin.py", FIRST_TEST)


def _three_kinds(repo: Repo) -> None:
    repo.folder = repo.folder.with_name("loans")
    repo.manifest("loans", category="business")
    repo.write("__init__.py")
    repo.write("plugin.py", SERVICE_PLUGIN)
    repo.write("services/__init__.py", SERVICE)
    repo.write("tests/unit/test_service.py", UNIT_TEST)
    repo.write("tests/integration/test_api.py", INTEGRATION_TEST)
    repo.write("tests/performance/test_load.py", LOAD_TEST)


@pytest.mark.parametrize("strictness", [(), ("-W", "error")], ids=["as it is", "warnings are errors"])
def test_a_first_plugin_and_its_test_class_pass(repo: Repo, strictness: tuple[str, ...]) -> None:
    """A test class with a fixture `plugin` passes in a folder whose name is no module name."""
    _first(repo)
    assert {"passed": 2} == repo.run(*strictness, apart=True).parseoutcomes()


@pytest.mark.parametrize("strictness", [(), ("-W", "error")], ids=["as it is", "warnings are errors"])
def test_the_three_kinds_of_test_pass_in_one_run(repo: Repo, strictness: tuple[str, ...]) -> None:
    """Unit tests with mocks, tests of the API and load tests run side by side."""
    _three_kinds(repo)
    assert {"passed": 3} == repo.run(*strictness, apart=True).parseoutcomes()


@pytest.mark.parametrize("kind", ["unit", "integration", "performance"])
def test_each_kind_of_test_passes_by_itself(repo: Repo, kind: str) -> None:
    """None of the three kinds depends on what another one imported or set up."""
    _three_kinds(repo)
    assert {"passed": 1} == repo.run(f"tests/{kind}", apart=True).parseoutcomes()


def test_a_test_of_a_repo_can_be_run_from_its_own_folder(repo: Repo) -> None:
    """The folder that pytest is started in does not matter."""
    _three_kinds(repo)
    repo.folder = repo.folder / "tests" / "integration"
    assert {"passed": 1} == repo.run().parseoutcomes()


def test_the_fixtures_need_no_test_class(repo: Repo) -> None:
    """A plain function gets an app with the plugin under test loaded, whether it is a coroutine or not."""
    _first(repo)
    repo.write(
        "tests/test_fixtures.py",
        """
        async def test_shelf(test_client):
            assert 200 == (await test_client.get("/api/lending/shelf")).status_code


        def test_app(nexus_app, event_bus, service_registry, nexus_db, nexus_journal):
            assert ["lending"] == list(nexus_app.plugins)
            assert event_bus is nexus_app.event_bus
            assert service_registry is nexus_app.service_registry
            assert nexus_db is nexus_app.db
            assert nexus_journal is nexus_app.journal
        """,
    )
    assert {"passed": 4} == repo.run().parseoutcomes()


def test_tests_may_stand_beside_the_plugin(repo: Repo) -> None:
    """A test file in the plugin's own folder is collected under the plugin's package."""
    _first(repo)
    repo.write("test_beside.py", FIRST_TEST)
    assert {"passed": 4} == repo.run().parseoutcomes()
