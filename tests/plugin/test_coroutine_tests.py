"""Coroutine tests and fixtures run as they are, and nobody else's are touched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

PLUGIN = """
    from fastapi import APIRouter
    from nexus.plugins import BasePlugin


    class ShopPlugin(BasePlugin):
        def get_api_routes(self):
            router = APIRouter()

            @router.get("/tea")
            async def tea():
                return {"price": 3}

            return [router]
"""

PLAIN_TESTS = """
    import asyncio

    import pytest
    from nexus.testing import PluginTestCase
    from shop.plugin import ShopPlugin


    @pytest.fixture
    async def price(test_client):
        yield (await test_client.get("/api/shop/tea")).json()["price"]


    @pytest.fixture
    async def loop():
        return asyncio.get_running_loop()


    async def test_client(test_client):
        assert 200 == (await test_client.get("/api/shop/tea")).status_code


    async def test_fixtures_of_the_author(price, loop, nexus_app):
        assert 3 == price
        assert asyncio.get_running_loop() is loop is nexus_app.loop


    def test_no_coroutine_at_all(nexus_app, price):
        assert ["shop"] == list(nexus_app.plugins)
        assert 3 == price


    class TestShop(PluginTestCase):
        @pytest.fixture
        async def plugin(self):
            plugin = ShopPlugin()
            await plugin.initialize()
            yield plugin
            await plugin.shutdown()

        async def test_tea(self, plugin, loop):
            assert 200 == (await self.client.get("/api/shop/tea")).status_code
            assert asyncio.get_running_loop() is loop

        async def test_tea_again(self, test_client, plugin):
            assert 200 == (await test_client.get("/api/shop/tea")).status_code
"""

ANYIO_TESTS = """
    import anyio
    import pytest

    pytestmark = pytest.mark.anyio


    @pytest.fixture
    def anyio_backend():
        return "asyncio"


    @pytest.fixture
    async def price(test_client):
        yield (await test_client.get("/api/shop/tea")).json()["price"]


    async def test_client(test_client):
        async with anyio.create_task_group():
            assert 200 == (await test_client.get("/api/shop/tea")).status_code


    async def test_fixture_of_the_author(price):
        assert 3 == price
"""

LOOPS_UNDER_ANYIO = """
    import asyncio

    import pytest

    pytestmark = pytest.mark.anyio


    @pytest.fixture
    def anyio_backend():
        return "asyncio"


    @pytest.fixture
    async def loop():
        return asyncio.get_running_loop()


    async def test_it(loop):
        assert asyncio.get_running_loop() is loop
"""

SHOW_MARKS = """
    import json
    from pathlib import Path


    def pytest_collection_modifyitems(items):
        marks = {item.name: sorted(mark.name for mark in item.iter_markers()) for item in items}
        Path("marks.json").write_text(json.dumps(marks))
"""


def _plugin(repo: Repo) -> None:
    repo.manifest()
    repo.write("__init__.py")
    repo.write("plugin.py", PLUGIN)


def _marks(repo: Repo) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((repo.folder / "marks.json").read_text(encoding="utf-8"))
    return found


def _options(mode: str, test_scope: str, fixture_scope: str) -> list[str]:
    options = {
        "asyncio_mode": mode,
        "asyncio_default_test_loop_scope": test_scope,
        "asyncio_default_fixture_loop_scope": fixture_scope,
    }
    return [word for name, value in options.items() if value != "unset" for word in ("-o", f"{name}={value}")]


@pytest.mark.parametrize("strictness", ["default", "error"])
@pytest.mark.parametrize("fixture_scope", ["unset", "function", "session"])
@pytest.mark.parametrize("test_scope", ["unset", "function", "class", "module", "session"])
@pytest.mark.parametrize("mode", ["unset", "strict", "auto"])
def test_every_configuration_of_pytest_asyncio_runs_the_same_tests(
    repo: Repo, mode: str, test_scope: str, fixture_scope: str, strictness: str
) -> None:
    """Modes, loop scopes and warnings as errors make no difference, to tests marked anyio neither."""
    _plugin(repo)
    repo.write("tests/test_plain.py", PLAIN_TESTS)
    if mode != "auto":
        repo.write("tests/test_anyio.py", ANYIO_TESTS)
    expected = {"passed": 5 if mode == "auto" else 7}
    assert expected == repo.run("-W", strictness, *_options(mode, test_scope, fixture_scope)).parseoutcomes()


def test_auto_mode_and_anyio_are_at_odds_with_each_other(repo: Repo) -> None:
    """In auto mode pytest-asyncio runs tests marked anyio, whose fixtures anyio runs: with and without the harness."""
    _plugin(repo)
    repo.write("tests/test_anyio.py", ANYIO_TESTS)
    result = repo.run("-o", "asyncio_mode=auto", "tests")
    assert {"failed": 1, "passed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["*LoopError: The app is used on a second event loop*"])
    repo.folder = repo.folder.with_name("elsewhere")
    repo.write("test_it.py", LOOPS_UNDER_ANYIO)
    args = ("-p", "no:nexus_testing", *_options("auto", "unset", "function"))
    assert {"failed": 1} == repo.run(*args, load=False).parseoutcomes()


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_warnings_as_errors_from_the_first_line_on(repo: Repo, mode: str) -> None:
    """In a process of its own, where also warnings about the configuration end the run, the same tests pass."""
    _plugin(repo)
    repo.write("tests/test_plain.py", PLAIN_TESTS)
    assert {"passed": 5} == repo.run("-W", "error", *_options(mode, "unset", "unset"), apart=True).parseoutcomes()


def test_coroutine_tests_elsewhere_are_left_alone(repo: Repo) -> None:
    """Where there is neither a plugin nor a fixture of ours, a coroutine test ends as it does without the harness."""
    repo.write("conftest.py", SHOW_MARKS)
    repo.write("test_it.py", "async def test_it():\n    pass")
    outcomes = repo.run().parseoutcomes()
    assert {"test_it": []} == _marks(repo)
    without = ("-p", "no:nexus_testing", *_options("unset", "unset", "function"))
    assert outcomes == repo.run(*without, load=False).parseoutcomes()
    assert "passed" not in outcomes


def test_a_fixture_of_ours_is_enough(repo: Repo) -> None:
    """Without any plugin in the repo, a coroutine test that asks for one of our fixtures is run."""
    repo.write(
        "test_it.py",
        """
        import pytest

        @pytest.fixture
        def nexus_plugins():
            return []

        async def test_it(test_client):
            assert 200 == (await test_client.get("/health")).status_code
        """,
    )
    assert {"passed": 1} == repo.run().parseoutcomes()


@pytest.mark.parametrize("mark", ["asyncio", "anyio", "trio"])
def test_a_test_that_is_marked_keeps_its_mark_and_gets_no_other(repo: Repo, mark: str) -> None:
    """Only a test that nobody else would run is marked; a mark on the module or on the class counts."""
    _plugin(repo)
    repo.write(
        "conftest.py",
        SHOW_MARKS
        + "\n\n    def pytest_configure(config):\n"
        + ("        config.addinivalue_line('markers', 'trio')\n"),
    )
    repo.write("test_module.py", f"import pytest\npytestmark = pytest.mark.{mark}\nasync def test_module(): pass")
    repo.write(
        "test_function.py",
        f"""
        import pytest

        @pytest.mark.{mark}
        async def test_function():
            pass

        @pytest.mark.{mark}
        class TestIt:
            async def test_class(self):
                pass

        async def test_bare():
            pass

        def test_sync():
            pass
        """,
    )
    repo.run("--collect-only")
    marks = {name.partition("[")[0]: one for name, one in _marks(repo).items()}
    usual = {"anyio": ["anyio", "usefixtures"]}.get(mark, [mark])
    assert {
        "test_module": usual,
        "test_function": usual,
        "test_class": usual,
        "test_bare": ["asyncio"],
        "test_sync": [],
    } == {name: sorted(set(one) - {"parametrize"}) for name, one in marks.items()}


def test_marking_leaves_no_trace_on_the_functions(repo: Repo) -> None:
    """The mark is on the test that pytest runs, not on the author's function."""
    _plugin(repo)
    repo.write(
        "test_it.py",
        """
        async def test_it():
            assert not hasattr(test_it, "pytestmark")
        """,
    )
    assert {"passed": 1} == repo.run().parseoutcomes()


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
def test_a_marked_test_keeps_its_loop_scope(repo: Repo, scope: str) -> None:
    """Our fixtures, and the author's, run on the loop that the mark asks for."""
    _plugin(repo)
    repo.write("tests/__init__.py")
    repo.write(
        "tests/test_it.py",
        f"""
        import asyncio

        import pytest


        @pytest.fixture
        async def loop():
            return asyncio.get_running_loop()


        @pytest.mark.asyncio(loop_scope={scope!r})
        class TestLoop:
            loops = []

            async def test_first(self, nexus_app, loop):
                assert asyncio.get_running_loop() is loop is nexus_app.loop
                self.loops.append(loop)

            async def test_second(self, nexus_app, test_client, loop):
                assert asyncio.get_running_loop() is loop is nexus_app.loop
                assert [loop] == self.loops
                assert 200 == (await test_client.get("/api/shop/tea")).status_code
        """,
    )
    assert {"passed": 2} == repo.run("-W", "error").parseoutcomes()


def test_tests_of_different_loop_scopes_share_a_fixture(repo: Repo) -> None:
    """One async fixture runs on the function's loop for one test and on the module's for the next."""
    _plugin(repo)
    repo.write(
        "test_it.py",
        """
        import asyncio

        import pytest


        @pytest.fixture
        async def loop():
            yield asyncio.get_running_loop()


        async def test_one(loop):
            assert asyncio.get_running_loop() is loop


        @pytest.mark.asyncio(loop_scope="module")
        async def test_two(loop):
            assert asyncio.get_running_loop() is loop


        async def test_three(loop):
            assert asyncio.get_running_loop() is loop
        """,
    )
    assert {"passed": 3} == repo.run("-W", "error").parseoutcomes()


def test_a_fixture_that_says_its_loop_scope_keeps_it(repo: Repo) -> None:
    """What an author wrote with pytest_asyncio.fixture is left as it is."""
    _plugin(repo)
    repo.write(
        "test_it.py",
        """
        import asyncio

        import pytest
        import pytest_asyncio


        @pytest_asyncio.fixture(loop_scope="module")
        async def loop():
            return asyncio.get_running_loop()


        @pytest_asyncio.fixture(scope="module", loop_scope="module")
        async def of_module():
            return asyncio.get_running_loop()


        async def test_one(loop, of_module):
            assert asyncio.get_running_loop() is not loop
            assert of_module is loop


        @pytest.mark.asyncio(loop_scope="module")
        async def test_two(loop, of_module):
            assert asyncio.get_running_loop() is loop is of_module
        """,
    )
    assert {"passed": 2} == repo.run("-W", "error").parseoutcomes()


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
def test_a_fixture_of_wider_scope_runs_on_a_loop_of_that_scope(repo: Repo, scope: str) -> None:
    """An author's async fixture may live longer than a test."""
    _plugin(repo)
    repo.write("tests/__init__.py")
    repo.write(
        "tests/test_it.py",
        f"""
        import pytest

        ENDS = []


        @pytest.fixture(scope={scope!r})
        async def shelf():
            yield ["tea"]
            ENDS.append("shelf")


        class TestShelf:
            async def test_one(self, shelf, test_client):
                shelf.append("coffee")

            def test_two(self, shelf):
                assert ["tea", "coffee"] == shelf
                assert [] == ENDS

            async def test_three(self, shelf):
                assert ["tea", "coffee"] == shelf
        """,
    )
    assert {"passed": 3} == repo.run("-W", "error").parseoutcomes()


def test_parametrised_coroutine_tests_and_fixtures_run(repo: Repo) -> None:
    """Each set of parameters is a test, each with an app of its own."""
    _plugin(repo)
    repo.write(
        "test_it.py",
        """
        import pytest

        APPS = set()


        @pytest.fixture(params=["a", "b"])
        async def letter(request):
            yield request.param


        @pytest.mark.parametrize("number", [1, 2])
        async def test_it(number, letter, nexus_app):
            APPS.add(id(nexus_app))
            assert letter in "ab"


        def test_each_had_its_own():
            assert 1 <= len(APPS) <= 4
        """,
    )
    assert {"passed": 5} == repo.run().parseoutcomes()


def test_hypothesis_tests_run(repo: Repo) -> None:
    """A coroutine test under @given is run for every example."""
    pytest.importorskip("hypothesis")
    _plugin(repo)
    repo.write(
        "test_it.py",
        """
        from hypothesis import given, settings, strategies

        EXAMPLES = []


        @settings(max_examples=5, database=None)
        @given(strategies.integers())
        async def test_it(number):
            EXAMPLES.append(number)


        def test_it_ran():
            assert EXAMPLES
        """,
    )
    assert {"passed": 2} == repo.run(apart=True).parseoutcomes()


def test_without_pytest_asyncio_a_fixture_of_ours_says_what_to_change(repo: Repo) -> None:
    """With `-p no:asyncio` a test that uses our fixtures names the option; other tests go on."""
    _plugin(repo)
    repo.write("test_it.py", "def test_it(nexus_app):\n    pass\n\n\ndef test_other():\n    pass")
    result = repo.run("-p", "no:asyncio")
    assert {"errors": 1, "passed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(
        [
            "*The fixture 'nexus_app' needs pytest-asyncio, which is switched off.",
            "*fix: take `-p no:asyncio` out of the command line or of addopts.",
        ]
    )


def test_anyio_runs_our_fixtures_without_pytest_asyncio(repo: Repo) -> None:
    """A test that is marked anyio needs no pytest-asyncio."""
    _plugin(repo)
    repo.write("tests/test_anyio.py", ANYIO_TESTS)
    assert {"passed": 2} == repo.run("-p", "no:asyncio", "-W", "error").parseoutcomes()


def test_without_anyios_plugin_all_is_as_ever(repo: Repo) -> None:
    """With `-p no:anyio` plain tests pass."""
    _plugin(repo)
    repo.write("tests/test_plain.py", PLAIN_TESTS)
    assert {"passed": 5} == repo.run("-p", "no:anyio", "-W", "error").parseoutcomes()


def test_switched_off_nothing_of_ours_is_imported(repo: Repo) -> None:
    """With `-p no:nexus_testing` a run knows neither our modules nor `nexus`."""
    repo.installed()
    repo.write(
        "test_it.py",
        """
        import importlib.util
        import sys

        def test_it(pytestconfig):
            assert not {"nexus", "nexus_testing", "pytest_nexus"} & {name.split(".")[0] for name in sys.modules}
            assert importlib.util.find_spec("nexus") is None
            assert not pytestconfig.pluginmanager.is_blocked("respx")
        """,
    )
    assert {"passed": 1} == repo.run("-p", "no:nexus_testing", apart=True, load=False).parseoutcomes()


def test_installed_the_entry_point_is_all_that_it_takes(repo: Repo) -> None:
    """Where the distribution is installed, pytest finds the harness by itself."""
    repo.installed()
    _plugin(repo)
    repo.write("tests/test_plain.py", PLAIN_TESTS)
    assert {"passed": 5} == repo.run(apart=True, load=False).parseoutcomes()


def test_what_pytest_asyncio_reads_off_a_fixture_is_what_we_write(repo: Repo) -> None:
    """Two private names of pytest-asyncio decide that a fixture is its own, and on which loop it runs."""
    repo.write(
        "conftest.py",
        """
        import pytest

        FLAGS = {}


        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_fixture_setup(fixturedef):
            FLAGS[fixturedef.argname] = {
                name: value for name, value in vars(fixturedef.func).items() if name.startswith("_")
            }
            return (yield)
        """,
    )
    repo.write(
        "test_it.py",
        """
        import asyncio

        import pytest
        import pytest_asyncio
        from conftest import FLAGS


        @pytest_asyncio.fixture(loop_scope="module")
        async def theirs():
            return asyncio.get_running_loop()


        async def written():
            return asyncio.get_running_loop()


        written._force_asyncio_fixture = True
        written._loop_scope = "module"
        ours = pytest.fixture(name="ours")(written)


        @pytest.mark.asyncio(loop_scope="module")
        async def test_it(theirs, ours):
            assert {"_force_asyncio_fixture": True, "_loop_scope": "module"} == FLAGS["theirs"] == FLAGS["ours"]
            assert theirs is ours is asyncio.get_running_loop()
        """,
    )
    args = ("-p", "no:nexus_testing", "-W", "error", *_options("unset", "unset", "function"))
    assert {"passed": 1} == repo.run(*args, load=False).parseoutcomes()


def test_the_flags_are_taken_off_again(repo: Repo) -> None:
    """An author's fixture function carries them only while it is in use."""
    _plugin(repo)
    repo.write(
        "test_it.py",
        """
        import pytest


        async def written():
            return 1


        mine = pytest.fixture(name="mine")(written)


        async def test_it(mine):
            assert 1 == mine
            assert vars(written)


        def test_afterwards():
            assert {} == vars(written)
        """,
    )
    assert {"passed": 2} == repo.run().parseoutcomes()
