"""The harness itself: its fixtures, its clock, faults and the audit, in runs of pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nexus_testing.namespace import platform_installed

if TYPE_CHECKING:
    from tests.conftest import Repo

    from .conftest import Runtime

pytestmark = pytest.mark.asyncio

CONFIG = """
    import pytest


    @pytest.fixture(scope="session")
    def nexus_config():
        return {{"platform": {{"profile": {profile!r}}}}}


    @pytest.fixture(scope="session")
    def nexus_plugins():
        return ["shop"]
"""


def write(runtime: Runtime, test: str, **plugin: str) -> None:
    """Write a plugin and a test of it."""
    runtime.write(**plugin)  # type: ignore[arg-type]  # only texts are given here
    profile = "connected" if runtime.here else runtime.profile
    runtime.file("tests/conftest.py", CONFIG.format(profile=profile))
    runtime.file("tests/test_shop.py", test)


class TestFixtures:
    """The names that a test takes."""

    async def test_those_that_both_have(self, runtime: Runtime, repo: Repo) -> None:
        """One test drives the plugin on either framework, unchanged."""
        write(
            runtime,
            """
            async def test_hello(nexus_app, test_client, event_bus, service_registry, nexus_db, nexus_journal):
                response = await test_client.get(nexus_app.url("shop", "/hello"))
                assert response.json() == {"hello": "shop"}
                event_bus.assert_published("shop.greeted")
                assert service_registry is nexus_app.service_registry
                await nexus_db.set("a", 1)
                assert await nexus_db.get("a") == 1
                assert [record for record in nexus_journal if getattr(record, "path", "").endswith("/hello")]
            """,
            routes="""
            @router.get("/hello")
            async def hello():
                await self.publish_event("shop.greeted", {})
                return {"hello": self.name}
            """,
        )
        repo.run(apart=True).assert_outcomes(passed=1)

    @pytest.mark.parametrize("name", ["nexus_cache", "nexus_tasks", "nexus_app_module", "nexus_faults"])
    async def test_those_that_memory_alone_has(self, runtime: Runtime, repo: Repo, name: str) -> None:
        """Elsewhere the test errs with what is not there."""
        write(runtime, f"async def test_it(nexus_app, {name}):\n    pass\n")
        result = repo.run(apart=True)
        if runtime.here:
            result.assert_outcomes(passed=1)
        else:
            assert result.ret == 1
            result.stdout.fnmatch_lines(["*NotOnBackend*"])


class TestTheClock:
    """Time is the test's."""

    async def test_a_plugin_waits_for_a_month(self, runtime: Runtime, repo: Repo) -> None:
        """In a moment, on either."""
        write(
            runtime,
            """
            import asyncio


            async def test_month(nexus_app, nexus_clock):
                plugin = nexus_app.get_plugin("shop")
                waiting = asyncio.create_task(plugin.wait())
                await nexus_clock.advance(days=31)
                assert waiting.done()
                assert plugin.seen == ["over"]
            """,
            top="import asyncio",
            more="async def wait(self):\n    await asyncio.sleep(30 * 86400)\n    self.seen.append('over')\n",
        )
        repo.run(apart=True).assert_outcomes(passed=1)


class TestTheAudit:
    """What is left alive fails the test, with its line."""

    async def test_a_task_that_is_left(self, runtime: Runtime, repo: Repo) -> None:
        """On either framework."""
        write(
            runtime,
            "async def test_it(nexus_app):\n    pass\n",
            top="import asyncio",
            initialize="self.task = asyncio.create_task(asyncio.sleep(60))",
        )
        result = repo.run(apart=True)
        assert result.ret == 1
        result.stdout.fnmatch_lines(["*plugins/business/shop/plugin.py:*"])

    async def test_the_twin_that_ends_it(self, runtime: Runtime, repo: Repo) -> None:
        """Nothing is said of it."""
        write(
            runtime,
            "async def test_it(nexus_app):\n    pass\n",
            top="import asyncio",
            initialize="self.task = asyncio.create_task(asyncio.sleep(60))",
            shutdown="self.task.cancel()",
        )
        repo.run(apart=True).assert_outcomes(passed=1)

    async def test_a_call_to_another_machine(self, runtime: Runtime, repo: Repo) -> None:
        """It is refused on either."""
        write(
            runtime,
            "async def test_it(nexus_app):\n    nexus_app.get_plugin('shop').call()\n",
            top="import socket",
            more="def call(self):\n    socket.getaddrinfo('payments.example', 443)\n",
        )
        result = repo.run(apart=True)
        result.stdout.fnmatch_lines(["*OutboundRefused*payments.example*"])


class TestOneBackend:
    """A process has one framework."""

    async def test_the_header_says_which(self, runtime: Runtime, repo: Repo) -> None:
        """The first lines of a run name it."""
        write(runtime, "def test_it():\n    pass\n")
        result = repo.run(apart=True)
        name = "platform" if platform_installed() else "embedded"
        result.stdout.fnmatch_lines([f"nexus*{name}*"])
