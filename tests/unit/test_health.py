"""How a plugin is: its endpoint, and the checks at intervals."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter

from nexus_testing import create_test_app
from nexus_testing.errors import ConfigurationError
from nexus_testing.nexus.plugins import BasePlugin, HealthStatus
from nexus_testing.records import JobRun, Request

if TYPE_CHECKING:
    from tests.conftest import Repo

pytestmark = pytest.mark.asyncio

PLUGIN = """
    import asyncio
    from fastapi import APIRouter
    from nexus_testing.nexus.plugins import BasePlugin


    class ShopPlugin(BasePlugin):
        async def initialize(self):
            self.asked = 0
            return True

        def get_api_routes(self):
            router = APIRouter()
            router.add_api_route("/{item}", lambda item: item)
            return [router]

        async def health_check(self):
            self.asked += 1
            if self.asked == 2:
                raise RuntimeError("closed")
            return True
"""


class Patient(BasePlugin):
    """A plugin that says of itself what the test wants."""

    def __init__(self, says: Any, path: str = "") -> None:
        self.name = "patient"
        self.says = says
        self.path = path

    def get_api_routes(self) -> list[APIRouter]:
        """Return a route, if there is a path for it."""
        router = APIRouter()
        if self.path:
            router.add_api_route(self.path, lambda: "its own")
        return [router]

    async def health_check(self) -> Any:
        """Return or raise it."""
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class Sick(Patient):
    """A plugin that answers at once."""

    def health_check(self) -> Any:
        """Return it."""
        return self.says


class HandClock:
    """A clock that moves when the test says so."""

    def __init__(self) -> None:
        self.at = datetime(2030, 1, 1, tzinfo=UTC)
        self.sleepers: list[tuple[datetime, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self.at

    def time(self) -> float:
        return self.at.timestamp()

    def monotonic(self) -> float:
        return self.time()

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.at + timedelta(seconds=seconds), future))
        await future

    async def to(self, seconds: float) -> None:
        """Be so many seconds after the start."""
        await asyncio.sleep(0)
        self.at = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        for due, future in self.sleepers:
            if due <= self.at and not future.done():
                future.set_result(None)
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("says", "status", "healthy", "message"),
    [
        (HealthStatus(healthy=True, message="fine"), 200, True, "fine"),
        (HealthStatus(healthy=False, message="closed"), 503, False, "closed"),
        (True, 200, True, ""),
        (False, 503, False, ""),
        ({"healthy": True, "message": "fine"}, 200, True, "fine"),
        ({"healthy": "yes"}, 503, False, "which is no HealthStatus"),
        (None, 503, False, "health_check() returned None"),
        (OSError("no disk"), 503, False, "OSError: no disk"),
    ],
)
@pytest.mark.parametrize("kind", [Patient, Sick])
async def test_the_endpoint_says_how_a_plugin_is(
    *,
    kind: type[Patient],
    says: Any,
    status: int,
    healthy: bool,
    message: str,
) -> None:
    """What health_check() returns is the body, and decides the status; what it raises is not well."""
    if kind is Sick and isinstance(says, Exception):
        says = None
        message = "None"
    async with create_test_app([kind(says)]) as app:
        answer = await app.client().get("/api/patient/health")
        assert (status, healthy) == (answer.status_code, answer.json()["healthy"])
        assert message in answer.json()["message"]
        (record,) = app.journal.of(Request)
        assert "patient" == record.plugin
        assert {} == app.openapi("patient").get("paths", {}) == app.openapi()["paths"]


async def test_a_plugin_that_writes_nothing_is_well_while_it_runs() -> None:
    """The endpoint is always there, with the default health_check(), and goes with the plugin."""

    class Plain(BasePlugin):
        pass

    async with create_test_app([Plain]) as app:
        client = app.client()
        answer = await client.get("/api/plain/health")
        assert (200, "Plugin is running") == (answer.status_code, answer.json()["message"])
        await app.disable_plugin("plain")
        assert 404 == (await client.get("/api/plain/health")).status_code
        await app.enable_plugin("plain")
        assert 200 == (await client.get("/api/plain/health")).status_code
        await app.unload_plugin("plain")
        assert 404 == (await client.get("/api/plain/health")).status_code


async def test_a_route_of_the_plugins_own_answers_in_its_place() -> None:
    """Whoever writes the endpoint has it; a wider route has it too, where the manifest names none."""
    for path in ("/health", "/{item}"):
        async with create_test_app([Patient(says=False, path=path)]) as app:
            assert "its own" == (await app.client().get("/api/patient/health")).json()


async def test_an_endpoint_that_the_manifest_names_comes_before_a_wider_route(project: Repo) -> None:
    """A plugin with a route for everything is asked how it is all the same."""
    project.manifest(health_check={"endpoint": "/alive"}, api={"rate_limit": {"requests": 1, "period": 60}})
    project.write("plugin.py", PLUGIN)
    async with create_test_app(["shop"]) as app:
        client = app.client()
        assert (await client.get("/api/shop/alive")).json()["healthy"]
        assert "else" == (await client.get("/api/shop/else")).json()


async def test_an_answer_that_does_not_come_in_time_is_not_well(project: Repo) -> None:
    """The manifest's timeout ends it, and the message has the line."""
    project.manifest(health_check={"timeout": 0.01})
    project.write("plugin.py", PLUGIN.replace("self.asked += 1", "await asyncio.Event().wait()").replace("{item}", "a"))
    async with create_test_app(["shop"]) as app:
        answer = await app.client().get("/api/shop/health")
    assert 503 == answer.status_code
    assert "no answer from health_check() within 0.01 s" in answer.json()["message"]
    assert "plugin.py:" in answer.json()["message"]


@pytest.mark.parametrize("interval", [True, False])
async def test_checks_at_intervals_are_made_where_the_app_says_so(
    *,
    interval: bool,
    project: Repo,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They follow the app's clock and the manifest's interval, are on record, and end with the plugin."""
    project.manifest(health_check={"interval": 10}, features={"background_tasks": False}, permissions=["api.register"])
    project.write("plugin.py", PLUGIN)
    app = create_test_app(config={"health": {"interval": interval}})
    kernel = app.fastapi_app.state.nexus
    kernel.clock = clock = HandClock()
    async with app:
        await app.load_plugin("shop")
        for second in (9, 10, 20, 30):
            await clock.to(second)
        runs = app.journal.of(JobRun)
        expected = [None, "plugin 'shop' is not well: RuntimeError: closed", None] if interval else []
        assert expected == [run.error and str(run.error) for run in runs]
        assert {("health of shop", "shop")} >= {(run.name, run.plugin) for run in runs}
        await app.disable_plugin("shop")
        await app.enable_plugin("shop")
        await app.unload_plugin("shop")
        await clock.to(100)
        assert runs == app.journal.of(JobRun)
        assert [] == kernel.task_manager.list()
        assert {"NX105"} == {finding.id for finding in app.findings}


@pytest.mark.parametrize("section", [{"interval": 30}, {"intervall": True}, True, {"interval": True, "more": 1}])
async def test_a_configuration_of_checks_that_is_none_is_refused(section: Any) -> None:
    """The message has what to write."""
    async with create_test_app(config={"health": section}) as app:
        with pytest.raises(ConfigurationError, match="The app's configuration of health checks is"):
            await app.load_plugin(Patient(says=True))
        assert {} == app.plugins
