"""Apps that nobody shuts down: the harness does, where the fixture or the test that made them ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

PLUGIN = """
    import anyio
    from fastapi import APIRouter
    from nexus.plugins import BasePlugin

    LOG = []


    class ShopPlugin(BasePlugin):
        async def initialize(self):
            self.group = anyio.create_task_group()
            await self.group.__aenter__()
            self.group.start_soon(self.keep_open)
            LOG.append("initialize")
            return True

        async def keep_open(self):
            try:
                await anyio.sleep_forever()
            finally:
                LOG.append("closed")

        async def shutdown(self):
            self.group.cancel_scope.cancel()
            await self.group.__aexit__(None, None, None)
            LOG.append("shutdown")

        def get_api_routes(self):
            router = APIRouter()

            @router.get("/tea")
            async def tea():
                return {"price": 3}

            return [router]
"""

CONFTEST = """
    import json
    from pathlib import Path


    def pytest_sessionfinish():
        from shop.plugin import LOG

        Path("log.json").write_text(json.dumps(LOG))
"""

TEST = """
    import pytest
    from httpx import AsyncClient
    from nexus.testing import create_test_app
    from shop.plugin import LOG, ShopPlugin
"""


def _tests(repo: Repo, text: str) -> None:
    repo.manifest()
    repo.write("__init__.py")
    repo.write("plugin.py", PLUGIN)
    repo.write("conftest.py", CONFTEST)
    repo.write("tests/test_it.py", TEST + text)


def _log(repo: Repo) -> list[Any]:
    found: list[Any] = json.loads((repo.folder / "log.json").read_text(encoding="utf-8"))
    return found


def test_a_fixture_that_returns_an_app(repo: Repo) -> None:
    """The plugin is shut down, in the task that started it, when the fixture's test is over."""
    _tests(
        repo,
        """

    @pytest.fixture
    async def app():
        app = create_test_app()
        await app.load_plugin("shop")
        return app

    @pytest.fixture
    async def client(app):
        async with AsyncClient(app=app, base_url="http://test") as client:
            yield client
        LOG.append("client closed")

    async def test_it(client):
        assert 200 == (await client.get("/api/shop/tea")).status_code
        LOG.append("test")

    async def test_again(client):
        assert ["initialize", "test", "client closed", "closed", "shutdown", "initialize"] == LOG
        """,
    )
    assert {"passed": 2} == repo.run("-W", "error").parseoutcomes()
    assert ["client closed", "closed", "shutdown"] == _log(repo)[-3:]


def test_a_fixtures_own_teardown_comes_first(repo: Repo) -> None:
    """What stands after the author's `yield` still has the app and its plugin."""
    _tests(
        repo,
        """

    @pytest.fixture
    async def app():
        app = create_test_app()
        await app.load_plugin("shop")
        yield app
        assert app.is_running
        await app.unload_plugin("shop")
        LOG.append("teardown")

    @pytest.fixture
    async def other():
        app = create_test_app()
        await app.load_plugin("shop")
        yield app
        LOG.append("teardown")

    async def test_it(app):
        LOG.append("test")

    async def test_other(other):
        LOG.append("test")
        """,
    )
    assert {"passed": 2} == repo.run("-W", "error").parseoutcomes()
    assert ["initialize", "test", "closed", "shutdown", "teardown"] == _log(repo)[:5]
    assert ["initialize", "test", "teardown", "closed", "shutdown"] == _log(repo)[5:]


def test_an_app_made_in_a_test(repo: Repo) -> None:
    """It is shut down when the test function returns, before the fixtures are."""
    _tests(
        repo,
        """

    @pytest.fixture
    def around():
        yield
        LOG.append("fixture over")

    async def test_it(around):
        app = create_test_app()
        await app.load_plugin("shop")
        LOG.append("test")
        """,
    )
    assert {"passed": 1} == repo.run("-W", "error").parseoutcomes()
    assert ["initialize", "test", "closed", "shutdown", "fixture over"] == _log(repo)


def test_a_failed_test_shuts_its_apps_down_too(repo: Repo) -> None:
    """The plugin gets its whole shutdown, and the failure stays what it was."""
    _tests(
        repo,
        """

    @pytest.fixture
    async def app():
        app = create_test_app()
        await app.load_plugin("shop")
        return app

    async def test_with_a_fixture(app):
        raise ValueError("burnt")

    async def test_by_itself():
        app = create_test_app()
        await app.load_plugin("shop")
        raise ValueError("burnt")

    async def test_in_a_block():
        async with create_test_app() as app:
            await app.load_plugin("shop")
            raise ValueError("burnt")

    async def test_the_fixtures(nexus_app):
        raise ValueError("burnt")
        """,
    )
    result = repo.run("-W", "error")
    assert {"failed": 4} == result.parseoutcomes()
    assert 4 == sum(line.startswith("FAILED") and line.endswith("ValueError: burnt") for line in result.outlines)
    assert ["initialize", "closed", "shutdown"] * 4 == _log(repo)


def test_a_failed_fixture_shuts_its_apps_down_too(repo: Repo) -> None:
    """An app that a fixture made before it failed does not outlive it."""
    _tests(
        repo,
        """

    @pytest.fixture
    async def app():
        app = create_test_app()
        await app.load_plugin("shop")
        raise ValueError("burnt")

    async def test_it(app):
        pass

    async def test_next():
        assert ["initialize", "closed", "shutdown"] == LOG
        """,
    )
    assert {"errors": 1, "passed": 1} == repo.run("-W", "error").parseoutcomes()


def test_several_apps_go_down_newest_first(repo: Repo) -> None:
    """A fixture may make many apps; one that it shut down itself is not shut down again."""
    _tests(
        repo,
        """
    from nexus.plugins import BasePlugin


    class NumberPlugin(BasePlugin):
        number = 0

        async def shutdown(self):
            LOG.append(self.number)

    async def made(number):
        plugin = NumberPlugin()
        plugin.number = number
        app = create_test_app()
        await app.load_plugin(plugin)
        return app

    @pytest.fixture
    async def apps():
        apps = [await made(number) for number in range(4)]
        await apps[2].shutdown()
        return apps

    async def test_it(apps):
        await apps[0].shutdown()
        """,
    )
    assert {"passed": 1} == repo.run("-W", "error").parseoutcomes()
    assert [2, 0, 3, 1] == _log(repo)


def test_an_app_of_wider_scope_lives_as_long_as_its_fixture(repo: Repo) -> None:
    """A module's app, on the module's loop, serves all its tests and is shut down after the last."""
    _tests(
        repo,
        """
    import pytest_asyncio

    pytestmark = pytest.mark.asyncio(loop_scope="module")

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def app():
        app = create_test_app()
        await app.load_plugin("shop")
        return app

    async def test_one(app):
        assert 200 == (await app.client().get("/api/shop/tea")).status_code

    async def test_two(app):
        assert ["initialize"] == LOG
        assert 200 == (await app.client().get("/api/shop/tea")).status_code
        """,
    )
    assert {"passed": 2} == repo.run("-W", "error").parseoutcomes()
    assert ["initialize", "closed", "shutdown"] == _log(repo)


def test_a_shutdown_that_fails_there_is_an_error(repo: Repo) -> None:
    """What the plugin's shutdown raised is not lost, and names the plugin's line."""
    _tests(
        repo,
        """
    from nexus.plugins import BasePlugin


    class LeakyPlugin(BasePlugin):
        async def shutdown(self):
            raise OSError("stuck")

    @pytest.fixture
    async def app():
        app = create_test_app([LeakyPlugin])
        return await app

    async def test_fixture(app):
        pass

    async def test_by_itself():
        await create_test_app([LeakyPlugin])
        """,
    )
    result = repo.run("-W", "error")
    assert {"passed": 1, "failed": 1, "errors": 1} == result.parseoutcomes()
    assert 2 == sum(
        "PluginUnloadError: Plugin 'leaky' failed in shutdown(): OSError: stuck" in line
        for line in result.outlines
        if line.startswith("E  ")
    )


WAYS = """
    async def use(app):
        async with app.client() as client:
            assert 200 == (await client.get("/api/shop/tea")).status_code

    async def test_before_the_start():
        app = create_test_app(["shop"])
        async with app:
            await use(app)
        assert ["initialize", "closed", "shutdown"] == LOG

    async def test_after_the_start():
        async with create_test_app() as app:
            await app.load_plugin("shop")
            await use(app)

    async def test_unloaded():
        async with create_test_app(["shop"]) as app:
            await app.unload_plugin("shop")
            assert ["closed", "shutdown"] == LOG[-2:]

    async def test_reloaded():
        async with create_test_app(["shop"]) as app:
            await app.reload_plugin("shop")
            await use(app)

    async def test_our_fixtures(nexus_app):
        await use(nexus_app)

    def test_our_fixtures_without_a_coroutine(nexus_app):
        assert nexus_app.is_running

    @pytest.fixture
    async def app():
        app = create_test_app()
        await app.load_plugin("shop")
        return app

    async def test_a_fixture_that_returns(app):
        await use(app)

    @pytest.fixture
    async def plugin():
        plugin = ShopPlugin()
        await plugin.initialize()
        yield plugin
        await plugin.shutdown()

    async def test_the_fixture_plugin(plugin, nexus_app):
        await use(nexus_app)
"""


@pytest.mark.parametrize(
    "options",
    [(), ("-o", "asyncio_mode=auto"), ("-o", "asyncio_default_test_loop_scope=session"), ("anyio",)],
    ids=["as it is", "auto mode", "one loop", "anyio"],
)
def test_a_plugin_may_hold_a_task_group(repo: Repo, options: tuple[str, ...]) -> None:
    """One task opens and closes it, whoever loads the plugin and whenever."""
    text = WAYS
    if options == ("anyio",):
        options = ()
        text = (
            "\n    pytestmark = pytest.mark.anyio\n\n    @pytest.fixture\n    def anyio_backend():\n"
            "        return 'asyncio'\n\n" + text
        )
    _tests(repo, text)
    assert {"passed": 8} == repo.run("-W", "error", *options).parseoutcomes()
    assert ["initialize", "closed", "shutdown"] * (len(_log(repo)) // 3) == _log(repo)


def test_the_task_group_of_a_plugin_that_fails_shows_where_it_is_closed(repo: Repo) -> None:
    """A task that dies takes down neither the test's task nor the app; its error comes out of the shutdown."""
    repo.write(
        "test_it.py",
        """
        import anyio
        import pytest
        from nexus.plugins import BasePlugin
        from nexus.testing import create_test_app
        from nexus_testing.errors import PluginUnloadError


        class FragilePlugin(BasePlugin):
            async def initialize(self):
                self.group = anyio.create_task_group()
                await self.group.__aenter__()
                self.group.start_soon(self.break_down)
                return True

            async def break_down(self):
                raise LookupError("broken")

            async def shutdown(self):
                await self.group.__aexit__(None, None, None)


        async def test_it(nexus_journal):
            app = create_test_app()
            await app.load_plugin(FragilePlugin)
            await anyio.sleep(0)
            assert ["fragile"] == list(app.plugins)
            assert 200 == (await app.client().get("/health")).status_code
            with pytest.raises(PluginUnloadError) as caught:
                await app.shutdown()
            group = caught.value.__cause__
            assert "LookupError('broken')" in repr(group)


        @pytest.fixture
        def nexus_plugins():
            return []
        """,
    )
    assert {"passed": 1} == repo.run().parseoutcomes()


def test_outside_of_pytest_an_app_that_is_dropped_open_warns(repo: Repo) -> None:
    """The warning names the line that made the app; one that was never started, or was shut down, is no leak."""
    script = repo.write(
        "script.py",
        """
        import asyncio
        import gc

        import nexus_testing


        async def main():
            nexus_testing.create_test_app()
            async with nexus_testing.create_test_app():
                pass
            app = nexus_testing.create_test_app()
            await app


        asyncio.run(main())
        gc.collect()
        """,
    )
    result = repo.python("-W", "always::ResourceWarning", "script.py")
    warnings = [line for line in result.errlines if "ResourceWarning" in line]
    assert 1 == len(warnings)
    assert f"An app made at {script}:11 in main was dropped without being shut down: " in warnings[0]
    assert "use `async with create_test_app() as app`, or await app.shutdown()." in warnings[0]
