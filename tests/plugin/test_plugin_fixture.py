"""The fixture `plugin`, which authors write: the app is up around it, and takes in what it makes."""

from __future__ import annotations

import json
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

PLUGIN = """
    import contextlib

    from fastapi import APIRouter
    from nexus.plugins import BasePlugin

    JOURNALS = []


    class ShopPlugin(BasePlugin):
        def __init__(self):
            super().__init__()
            JOURNALS.append(self.event_bus.journal)
            # In a fixture that is no coroutine there is no loop to publish on.
            with contextlib.suppress(RuntimeError):
                self.say("constructor")

        def say(self, what):
            self.event_bus.publish_now(what, {})

        async def on_load(self):
            self.say("on_load")

        async def initialize(self):
            assert self.config == {"colour": "red"}
            assert (await self.db.get("goods.1"))["name"] == "tea"
            self.say("initialize")
            return True

        async def shutdown(self):
            self.say("shutdown")

        def get_api_routes(self):
            router = APIRouter()

            @router.get("/tea")
            async def tea():
                return {"price": 3}

            return [router]

        def get_database_schema(self):
            return {"collections": {"goods": {}}, "initial_data": {"goods": [{"id": "1", "name": "tea"}]}}
"""

CONFTEST = """
    import json
    from pathlib import Path

    import pytest


    @pytest.fixture
    def nexus_plugin_config():
        return {"colour": "red"}


    def pytest_sessionfinish():
        from nexus_testing.records import Published
        from shop.plugin import JOURNALS

        names = [[event.name for event in journal.of(Published)] for journal in JOURNALS]
        Path("log.json").write_text(json.dumps(names))
"""

FIXTURE = """
    @pytest.fixture
    async def plugin({self}):
        plugin = ShopPlugin()
        assert await plugin.initialize() is True
        yield plugin
        try:
            await plugin.client.get("/api/shop/tea")
        except NexusTestingError as error:
            assert "its client is closed" in str(error)
            plugin.say("client down")
        assert [] == plugin.app.routes
        plugin.say("released")
        await plugin.shutdown()
"""

BODY = """
        plugin.say("test")
        plugin.client, plugin.app = test_client, nexus_app
        assert 3 == (await test_client.get("/api/shop/tea")).json()["price"]
        assert {"shop": plugin} == nexus_app.plugins
"""

LIFE = [
    "app.started",
    "constructor",
    "plugin.discovered",
    "on_load",
    "initialize",
    "plugin.loaded",
    "test",
    "client down",
    "released",
    "shutdown",
    "plugin.unloaded",
    "app.stopping",
]


def _plugin(repo: Repo) -> None:
    repo.manifest()
    repo.write("__init__.py")
    repo.write("plugin.py", PLUGIN)
    repo.write("conftest.py", CONFTEST)


def _lives(repo: Repo) -> list[list[str]]:
    found: list[list[str]] = json.loads((repo.folder / "log.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(
    "options", [(), ("-o", "asyncio_mode=auto"), ("-o", "asyncio_default_test_loop_scope=session")]
)
@pytest.mark.parametrize("shape", ["class", "function"])
def test_the_order_holds_for_every_order_of_arguments(repo: Repo, shape: str, options: tuple[str, ...]) -> None:
    """App up, constructor, initialize, adopted, test, client down, released, shutdown, app down: always so."""
    _plugin(repo)
    head = "import pytest\nfrom nexus.testing import NexusTestingError, PluginTestCase\n"
    head += "from shop.plugin import ShopPlugin\n"
    self, first = ("self", "self, ") if shape == "class" else ("", "")
    parts = [FIXTURE.format(self=self)]
    orders = list(permutations(("plugin", "test_client", "nexus_app", "event_bus")))
    parts += [f"\n    async def test_{number}({first}{', '.join(order)}):{BODY}" for number, order in enumerate(orders)]
    if shape == "class":
        text = head + "\n\nclass TestShop(PluginTestCase):\n" + "".join(parts)
    else:
        text = head + "\n\n" + "".join("\n".join(line[4:] for line in part.split("\n")) for part in parts)
    (repo.folder / "tests").mkdir()
    (repo.folder / "tests" / "test_it.py").write_text(text, encoding="utf-8")
    assert {"passed": 24} == repo.run("-W", "error", *options).parseoutcomes()
    assert [LIFE] * 24 == _lives(repo)


def test_a_failed_test_is_cleaned_up_in_the_same_order(repo: Repo) -> None:
    """A test that raises costs the plugin neither its release nor its shutdown."""
    _plugin(repo)
    body = BODY.replace("\n        ", "\n    ")
    text = (
        "import pytest\nfrom nexus.testing import NexusTestingError\nfrom shop.plugin import ShopPlugin\n"
        + "\n".join(line[4:] for line in FIXTURE.format(self="").split("\n"))
        + f"\n\nasync def test_it(test_client, plugin, nexus_app):{body}    raise ValueError('burnt')\n"
    )
    repo.write("tests/test_it.py", text)
    assert {"failed": 1} == repo.run().parseoutcomes()
    assert [LIFE] == _lives(repo)


CASES = """
    import pytest
    from nexus.testing import PluginTestCase
    from shop.plugin import ShopPlugin
"""


def _case(repo: Repo, text: str) -> None:
    _plugin(repo)
    repo.write("tests/test_it.py", CASES + text)


def test_a_plugin_that_is_not_initialised_is_loaded(repo: Repo) -> None:
    """A sync fixture that returns a fresh instance has it loaded, and unloaded afterwards."""
    _case(
        repo,
        """

    class TestShop(PluginTestCase):
        @pytest.fixture
        def plugin(self):
            return ShopPlugin()

        async def test_it(self, plugin):
            plugin.say("test")
            assert plugin.initialized
            assert 200 == (await self.client.get("/api/shop/tea")).status_code
        """,
    )
    assert {"passed": 1} == repo.run("-W", "error").parseoutcomes()
    assert [[name for name in LIFE if name not in {"constructor", "client down", "released"}]] == _lives(repo)


def test_a_plugin_whose_fixture_never_shuts_it_down_is_shut_down(repo: Repo) -> None:
    """A fixture that initialises and returns leaves the shutdown to the harness."""
    _case(
        repo,
        """

    @pytest.fixture
    async def plugin():
        plugin = ShopPlugin()
        await plugin.initialize()
        return plugin

    async def test_it(plugin, test_client):
        plugin.say("test")
        assert 200 == (await test_client.get("/api/shop/tea")).status_code
        """,
    )
    assert {"passed": 1} == repo.run("-W", "error").parseoutcomes()
    ends = [name for name in _lives(repo)[0] if name in {"test", "shutdown", "app.stopping"}]
    assert ["test", "app.stopping", "shutdown"] == ends


def test_a_fixture_that_makes_something_else_is_left_alone(repo: Repo) -> None:
    """A fixture of that name whose value is no plugin is just a fixture."""
    _case(
        repo,
        """

    @pytest.fixture
    def plugin():
        return "a string"

    def test_it(plugin):
        assert "a string" == plugin
        """,
    )
    assert {"passed": 1} == repo.run("-W", "error").parseoutcomes()


def test_an_overridden_fixture_is_taken_in_once(repo: Repo) -> None:
    """A fixture that builds on another of the same name adds nothing to the plugin's life."""
    _case(
        repo,
        """

    @pytest.fixture
    async def plugin():
        plugin = ShopPlugin()
        await plugin.initialize()
        yield plugin
        await plugin.shutdown()


    class TestShop:
        @pytest.fixture
        async def plugin(self, plugin):
            plugin.extra = True
            return plugin

        async def test_it(self, plugin, test_client):
            plugin.say("test")
            assert 200 == (await test_client.get("/api/shop/tea")).status_code
        """,
    )
    assert {"passed": 1} == repo.run("-W", "error").parseoutcomes()
    assert [[name for name in LIFE if name not in {"client down", "released"}]] == _lives(repo)


def test_parametrised_fixtures_make_a_plugin_each(repo: Repo) -> None:
    """Parameters of the fixture and of the test each get an app and a plugin."""
    _case(
        repo,
        """

    @pytest.fixture(params=[1, 2])
    async def plugin(request):
        plugin = ShopPlugin()
        plugin.number = request.param
        await plugin.initialize()
        yield plugin
        await plugin.shutdown()

    @pytest.mark.parametrize("letter", ["a", "b"])
    async def test_it(plugin, letter, nexus_app):
        assert plugin is nexus_app.get_plugin("shop")
        assert plugin.number in (1, 2)
        """,
    )
    assert {"passed": 4} == repo.run("-W", "error").parseoutcomes()
    assert 4 == len(_lives(repo))


def test_the_plugin_may_be_asked_for_late(repo: Repo) -> None:
    """A sync fixture `plugin` that is only asked for by another fixture is taken in all the same."""
    _case(
        repo,
        """

    @pytest.fixture
    def plugin():
        return ShopPlugin()

    @pytest.fixture
    async def price(plugin, test_client):
        return (await test_client.get("/api/shop/tea")).json()["price"]

    async def test_it(price):
        assert 3 == price
        """,
    )
    assert {"passed": 1} == repo.run("-W", "error").parseoutcomes()


@pytest.mark.parametrize("scope", ["class", "module", "session"])
def test_a_wider_scope_is_refused(repo: Repo, scope: str) -> None:
    """Each test has an app of its own, so a `plugin` of several tests cannot be; the message names the fixture."""
    _plugin(repo)
    file = repo.write(
        "tests/test_it.py",
        f"""
        import pytest
        from shop.plugin import ShopPlugin


        @pytest.fixture(scope={scope!r})
        def plugin():
            return ShopPlugin()


        def test_it(plugin):
            pass
        """,
    )
    result = repo.run()
    assert {"errors": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(
        [
            f"*LifecycleError: The fixture `plugin` has the scope '{scope}'; each test has an app of its own.",
            f"*where: {file}:5 in plugin",
            "*fix: *Leave the scope out: @pytest.fixture.",
        ]
    )


FAILING = """
    import pytest
    from nexus.plugins import BasePlugin


    class FailingPlugin(BasePlugin):
        async def initialize(self):
            {body}


    @pytest.fixture
    async def plugin():
        plugin = FailingPlugin()
        {call}
        yield plugin
        await plugin.shutdown()


    async def test_it(plugin, nexus_app):
        pass
"""


def test_a_refused_start_is_an_error_with_its_cause(repo: Repo) -> None:
    """An initialize() that logs what it caught and returns False fails the fixture with that exception."""
    body = "try:\n                raise ConnectionError('no till')\n            except Exception as error:\n"
    body += "                self.logger.error('cannot start: %s', error)\n                return False"
    file = repo.write("test_it.py", FAILING.format(body=body, call="assert await plugin.initialize() is False"))
    result = repo.run()
    assert {"errors": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(
        [
            "*ConnectionError: no till",
            "*PluginLoadError: Plugin 'failing' refused to start: initialize() returned False.",
            f"*where: {file}:8 in FailingPlugin.initialize",
            "*why: *it logged 'cannot start: no till' at *",
            "*after it had caught ConnectionError: no till",
        ]
    )


def test_exceptions_of_initialize_reach_the_author_unchanged(repo: Repo) -> None:
    """A test about a plugin that cannot start catches what the plugin raises, with a note about the stage."""
    call = """with pytest.raises(LookupError, match="no tea") as caught:
            await plugin.initialize()
        assert type(caught.value) is LookupError
        assert "failed in initialize()" in caught.value.__notes__[0]
        plugin = 1"""
    text = FAILING.format(body='raise LookupError("no tea")', call=call).replace("await plugin.shutdown()", "pass")
    repo.write("test_it.py", text)
    assert {"passed": 1} == repo.run("-W", "error").parseoutcomes()


def test_initialize_returns_to_the_author_what_the_plugin_returned(repo: Repo) -> None:
    """The return value is the plugin's own, whatever it is."""
    repo.write("test_it.py", FAILING.format(body="return 'yes'", call="assert 'yes' == await plugin.initialize()"))
    assert {"passed": 1} == repo.run("-W", "error").parseoutcomes()


def test_a_second_call_of_initialize_is_the_plugins_own(repo: Repo) -> None:
    """A test may call initialize() again: it runs the plugin's code and mounts nothing twice."""
    _case(
        repo,
        """

    @pytest.fixture
    async def plugin():
        plugin = ShopPlugin()
        await plugin.initialize()
        yield plugin
        await plugin.shutdown()

    async def test_it(plugin, nexus_app):
        before = nexus_app.routes
        assert await plugin.initialize() is True
        assert before == nexus_app.routes
        """,
    )
    assert {"passed": 1} == repo.run("-W", "error").parseoutcomes()
    assert 2 == _lives(repo)[0].count("initialize")


def test_exceptions_of_shutdown_reach_the_author_unchanged(repo: Repo) -> None:
    """The author's own call of shutdown() raises what the plugin raised, and the app is shut down all the same."""
    repo.write(
        "test_it.py",
        """
        import pytest
        from nexus.plugins import BasePlugin


        class FailingPlugin(BasePlugin):
            async def shutdown(self):
                raise LookupError("lost")


        @pytest.fixture
        async def plugin():
            plugin = FailingPlugin()
            await plugin.initialize()
            yield plugin
            with pytest.raises(LookupError, match="lost"):
                await plugin.shutdown()


        async def test_it(plugin, nexus_app):
            assert nexus_app.is_running


        async def test_again(plugin, nexus_app):
            assert ["failing"] == list(nexus_app.plugins)
        """,
    )
    assert {"passed": 2} == repo.run("-W", "error").parseoutcomes()


def test_the_helpers_of_the_test_class(repo: Repo) -> None:
    """A test class publishes, asserts, looks things up and sends requests without asking for a fixture."""
    repo.manifest()
    repo.write("__init__.py")
    repo.write(
        "plugin.py",
        """
        from fastapi import APIRouter
        from nexus.plugins import BasePlugin


        class ShopPlugin(BasePlugin):
            async def initialize(self):
                self.register_service("prices", {"tea": 3})
                await self.subscribe_to_event("tea.ordered", self.pour)
                return True

            async def pour(self, event):
                await self.publish_event("tea.poured", {"cups": event["cups"]})

            def get_api_routes(self):
                router = APIRouter()

                @router.post("/tea")
                async def order():
                    await self.publish_event("tea.ordered", {"cups": 1})

                return [router]
        """,
    )
    repo.write(
        "tests/test_it.py",
        """
        import pytest
        from nexus.testing import App, PluginTestCase
        from nexus_testing.errors import EventAssertionError, LifecycleError


        class TestShop(PluginTestCase):
            async def test_events(self):
                self.assert_not_published("tea.poured")
                await self.emit_event("tea.ordered", {"cups": 2})
                assert {"cups": 2} == self.assert_published("tea.poured", cups=2).data
                self.assert_not_published("tea.poured", cups=3)
                with pytest.raises(EventAssertionError):
                    self.assert_published("tea.poured", {"cups": 3})

            async def test_requests(self):
                assert 200 == (await self.client.post("/api/shop/tea")).status_code
                self.assert_published("tea.poured", cups=1)
                assert self.client is self.client

            def test_lookups(self):
                assert isinstance(self.app, App)
                assert self.is_plugin_loaded("shop")
                assert not self.is_plugin_loaded("till")
                assert {"tea": 3} == self.get_service("prices")
                assert self.get_service("till") is None

            def test_the_same_app_as_the_fixtures(self, nexus_app, event_bus):
                assert nexus_app is self.app
                assert event_bus is self.app.event_bus

            @pytest.fixture
            def price(self):
                return self.get_service("prices")["tea"]

            def test_in_fixtures(self, price):
                assert 3 == price


        class TestSubclass(TestShop):
            async def test_requests(self):
                assert 404 == (await self.client.get("/api/shop/coffee")).status_code


        def test_outside():
            with pytest.raises(LifecycleError, match="only there while pytest runs"):
                TestShop().app
        """,
    )
    assert {"passed": 11} == repo.run("-W", "error").parseoutcomes()


def test_a_class_whose_tests_do_not_ask_for_the_plugin_has_it_loaded(repo: Repo) -> None:
    """The fixture `plugin` runs only where it is asked for; elsewhere the plugin under test is loaded as ever."""
    _case(
        repo,
        """

    class TestShop(PluginTestCase):
        @pytest.fixture
        async def plugin(self):
            plugin = ShopPlugin()
            plugin.by_hand = True
            await plugin.initialize()
            yield plugin
            await plugin.shutdown()

        async def test_with(self, plugin):
            assert plugin is self.app.get_plugin("shop")
            assert plugin.by_hand

        async def test_without(self):
            assert not hasattr(self.app.get_plugin("shop"), "by_hand")
            assert 200 == (await self.client.get("/api/shop/tea")).status_code
        """,
    )
    assert {"passed": 2} == repo.run("-W", "error").parseoutcomes()


def test_a_test_class_without_fixtures_runs_sync_tests(repo: Repo) -> None:
    """A test that is no coroutine has the app, too."""
    _case(
        repo,
        """

    class TestShop(PluginTestCase):
        def test_it(self):
            assert self.is_plugin_loaded("shop")
        """,
    )
    assert {"passed": 1} == repo.run("-W", "error").parseoutcomes()


def test_a_performance_test_never_waits_for_events(repo: Repo) -> None:
    """A load test's client returns while handlers still run; a test class's waits for them."""
    repo.manifest()
    repo.write("__init__.py")
    repo.write(
        "plugin.py",
        """
        import asyncio

        from fastapi import APIRouter
        from nexus.plugins import BasePlugin


        class ShopPlugin(BasePlugin):
            async def initialize(self):
                self.poured = 0
                self.gate = asyncio.Event()
                await self.subscribe_to_event("tea.ordered", self.pour)
                return True

            async def pour(self, event):
                await self.gate.wait()
                self.poured += 1

            def get_api_routes(self):
                router = APIRouter()

                @router.post("/tea")
                async def order():
                    await self.publish_event("tea.ordered", {})

                return [router]
        """,
    )
    repo.write(
        "tests/test_it.py",
        """
        from nexus.testing import PerformanceTest, PluginTestCase


        class TestLoad(PerformanceTest):
            async def test_it(self):
                plugin = self.app.get_plugin("shop")
                assert 200 == (await self.client.post("/api/shop/tea")).status_code
                assert 0 == plugin.poured
                plugin.gate.set()
                await self.app.event_bus.drain()
                assert 1 == plugin.poured


        class TestShop(PluginTestCase):
            async def test_it(self):
                plugin = self.app.get_plugin("shop")
                plugin.gate.set()
                assert 200 == (await self.client.post("/api/shop/tea")).status_code
                assert 1 == plugin.poured
        """,
    )
    assert {"passed": 2} == repo.run("-W", "error").parseoutcomes()


def test_a_client_used_after_the_test_says_so(repo: Repo) -> None:
    """A fixture that sends a request in its teardown, after the client went down, is told where to send it."""
    _plugin(repo)
    file = repo.write(
        "tests/test_it.py",
        """
        import pytest


        @pytest.fixture
        async def late(nexus_app):
            kept = []
            yield kept
            await kept[0].get("/api/shop/tea")


        @pytest.fixture
        async def plugin(late):
            from shop.plugin import ShopPlugin

            return ShopPlugin()


        async def test_it(late, plugin, test_client):
            late.append(test_client)
        """,
    )
    result = repo.run()
    assert {"passed": 1, "errors": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(
        [
            "*LifecycleError: GET /api/shop/tea was sent after the test: its client is closed.",
            f"*where: {file}:8 in late",
            "*fix: *Send it in the test, or before the `yield` of the fixture.",
        ]
    )
