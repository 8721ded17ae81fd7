"""The plugin that an author's fixture makes: when it lives, and who does what to it."""

from __future__ import annotations

import itertools
from textwrap import dedent, indent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

# A plugin that writes down what happens to it, through a service that outlives it.
PLUGIN = """
    import pathlib
    from fastapi import APIRouter
    from nexus.plugins import BasePlugin

    LOG = pathlib.Path(__file__).parent / "log.txt"


    def note(what):
        with LOG.open("a") as log:
            log.write(what + "\\n")


    class ShopPlugin(BasePlugin):
        def __init__(self):
            super().__init__()
            self.name = "shop"
            note("constructor" if self.event_bus is not None else "constructor without an app")

        async def initialize(self):
            note("initialize")
            return True

        async def on_enable(self):
            note("enable")

        async def on_disable(self):
            note("disable")

        async def shutdown(self):
            note("shutdown")

        def get_api_routes(self):
            router = APIRouter()

            @router.get("/open")
            async def is_open():
                note("request")
                return True

            return [router]
"""

FIXTURE = """
    @pytest.fixture
    async def plugin({self}):
        plugin = ShopPlugin()
        assert await plugin.initialize() is True
        yield plugin
        note("teardown")
        await plugin.shutdown()
"""

LIFE = ["constructor", "initialize", "enable", "request", "disable", "teardown", "shutdown"]
HEAD = (
    "import pytest\nfrom nexus.testing import PluginTestCase, create_test_app\n"
    "from shop.plugin import ShopPlugin, note\n"
)


def lived(repo: Repo, tests: str, *args: str) -> list[str]:
    """Run tests that pass, and return what happened to the plugin."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write("tests/test_it.py", HEAD + tests)
    log = repo.folder / "log.txt"
    log.unlink(missing_ok=True)
    result = repo.run("-p", "no:cacheprovider", *args)
    assert "passed" in result.parseoutcomes(), result.stdout.str()
    assert not {"failed", "errors"} & set(result.parseoutcomes()), result.stdout.str()
    return log.read_text(encoding="utf-8").split("\n")[:-1]


def body(arguments: str, indented: str = "") -> str:
    """Return a test that makes one request."""
    test = f"async def test_it({arguments}):\n    response = await test_client.get('/api/shop/open')\n"
    return indent(test + "    assert response.json() is True\n", indented)


@pytest.mark.parametrize("arguments", list(itertools.permutations(["plugin", "test_client", "event_bus"])))
def test_the_order_holds_for_every_order_of_arguments(repo: Repo, arguments: tuple[str, ...]) -> None:
    """App, constructor, initialize, mounted, test, released, the author's teardown: whatever stands first."""
    tests = "\nclass TestShop(PluginTestCase):\n" + indent(dedent(FIXTURE.format(self="self")), "    ")
    tests += body(", ".join(["self", *arguments]), "    ")
    assert LIFE == lived(repo, tests)


def test_a_plain_function_test_is_treated_alike(repo: Repo) -> None:
    """A fixture called `plugin` is taken in without a class of ours."""
    assert LIFE == lived(repo, dedent(FIXTURE.format(self="")) + body("test_client, plugin"))


def test_a_sync_fixture_that_only_makes_the_plugin(repo: Repo) -> None:
    """What was not initialised is loaded whole, and unloaded whole."""
    fixture = "\n@pytest.fixture\ndef plugin():\n    return ShopPlugin()\n\n"
    expected = ["constructor", "initialize", "enable", "request", "disable", "shutdown"]
    assert expected == lived(repo, fixture + body("plugin, test_client"))


def test_nothing_is_loaded_besides(repo: Repo) -> None:
    """With such a fixture the plugin under test is not loaded a second time by the app."""
    tests = dedent(FIXTURE.format(self="")) + (
        "async def test_it(plugin, nexus_app):\n    assert nexus_app.plugins == {'shop': plugin}\n"
    )
    assert [step for step in LIFE if step != "request"] == lived(repo, tests)


def test_a_class_that_does_not_ask_for_the_fixture(repo: Repo) -> None:
    """Its app loads the plugin under test, and the helpers reach it."""
    tests = """
class TestShop(PluginTestCase):
    async def test_it(self):
        assert self.is_plugin_loaded("shop")
        assert (await self.client.get("/api/shop/open")).json() is True
        await self.emit_event("shop.opened", {"by": "me"})
        self.assert_published("shop.opened", by="me")
        self.assert_not_published("shop.closed")
        assert self.get_service("till") is None
        assert self.app.is_running
"""
    assert ["constructor", "initialize", "enable", "request", "disable", "shutdown"] == lived(repo, tests)


def test_a_wider_scope_is_refused(repo: Repo) -> None:
    """A fixture that outlives its test says so, since each test has an app of its own."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    fixture = dedent(FIXTURE.format(self="")).replace("@pytest.fixture", "@pytest.fixture(scope='module')")
    repo.write("tests/test_it.py", HEAD + fixture + body("plugin, test_client"))
    text = repo.run("-p", "no:cacheprovider").stdout.str()
    assert "The fixture `plugin` has the scope 'module'" in text
    assert "tests/test_it.py:" in text


def test_what_initialize_raises_reaches_the_author(repo: Repo) -> None:
    """The author's own call sees the very exception, not one of ours."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN.replace('note("initialize")', 'raise ConnectionError("down")'))
    repo.write(
        "tests/test_it.py",
        HEAD + "\nasync def test_it(nexus_app):\n    pass\n\n"
        "async def test_raises():\n"
        "    app = create_test_app()\n"
        "    with pytest.raises(ConnectionError, match='down'):\n"
        "        await ShopPlugin().initialize()\n"
        "    assert app.plugins == {}\n",
    )
    assert {"passed": 1, "errors": 1} == repo.run("-p", "no:cacheprovider").parseoutcomes()


def test_false_is_refused_when_the_fixture_hands_it_over(repo: Repo) -> None:
    """A fixture that does not look at what initialize() returned fails with the reason."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN.replace("return True\n", "return False\n", 1))
    fixture = dedent(FIXTURE.format(self="")).replace(
        "assert await plugin.initialize() is True", "await plugin.initialize()"
    )
    repo.write("tests/test_it.py", HEAD + fixture + body("plugin, test_client"))
    text = repo.run("-p", "no:cacheprovider").stdout.str()
    assert "initialize() returned False" in text
    assert "shop-plugin/plugin.py:" in text


TASK_GROUP = """
    import anyio
    from nexus.plugins import BasePlugin


    class ShopPlugin(BasePlugin):
        async def initialize(self):
            self.group = await anyio.create_task_group().__aenter__()
            self.group.start_soon(anyio.sleep_forever)
            return True

        async def shutdown(self):
            self.group.cancel_scope.cancel()
            await self.group.__aexit__(None, None, None)
"""


@pytest.mark.parametrize(
    "test",
    [
        pytest.param(
            "async def test_it():\n    async with create_test_app(['shop']) as app:\n        assert app.plugins\n",
            id="before start",
        ),
        pytest.param(
            "async def test_it():\n    app = create_test_app()\n    await app.startup()\n"
            "    await app.load_plugin('shop')\n    await app.unload_plugin('shop')\n",
            id="after start",
        ),
        pytest.param(
            "@pytest.fixture\nasync def app():\n    app = create_test_app()\n    await app.load_plugin('shop')\n"
            "    return app\n\nasync def test_it(app):\n    assert app.plugins\n",
            id="left open by a fixture",
        ),
        pytest.param(
            "@pytest.fixture\nasync def plugin():\n    plugin = ShopPlugin()\n    await plugin.initialize()\n"
            "    yield plugin\n    await plugin.shutdown()\n\nasync def test_it(plugin, test_client):\n    pass\n",
            id="made by a fixture",
        ),
    ],
)
def test_a_task_group_may_be_held_for_a_life(repo: Repo, test: str) -> None:
    """What initialize() opens shutdown() may close, since one task runs both."""
    repo.manifest()
    repo.write("plugin.py", TASK_GROUP)
    repo.write("tests/test_it.py", HEAD.replace(", note", "") + "\n" + test)
    result = repo.run("-p", "no:cacheprovider")
    assert {"passed": 1} == result.parseoutcomes(), result.stdout.str()


def test_an_app_that_a_fixture_leaves_open_is_shut_down_after_its_teardown(repo: Repo) -> None:
    """The author's own teardown still finds the app up; the plugin is shut down, also after a failed test."""
    fixture = """
@pytest.fixture
async def app():
    app = create_test_app()
    await app.load_plugin("shop")
    yield app
    assert app.is_running
    note("teardown")

async def test_it(app):
    assert app.plugins

@pytest.mark.xfail(strict=True)
async def test_fails(app):
    raise ValueError
"""
    life = ["constructor", "initialize", "enable", "teardown", "disable", "shutdown"]
    assert [*life, *life] == lived(repo, fixture)
