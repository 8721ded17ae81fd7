"""Apps that the tests of a module or of a session share: started once, and as new for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

PLUGIN = """
    from fastapi import APIRouter
    from nexus.plugins import BasePlugin

    STARTS = []


    class ShopPlugin(BasePlugin):
        def __init__(self):
            super().__init__()
            self.name = "shop"
            self.asked = 0
            self.greeting = self.config.get("greeting", "Hello")

        async def initialize(self) -> bool:
            STARTS.append(1)
            await self.db.set("started", 1)
            return True

        async def shutdown(self) -> None:
            print("shut down after", len(STARTS))

        def get_api_routes(self):
            router = APIRouter()

            @router.post("/items/{name}")
            async def add(name: str):
                await self.db.collection("items").insert_one({"name": name})
                await self.publish_event("item.added", {"name": name})
                return {"items": await self.db.collection("items").count_documents({})}

            return [router]

        def get_database_schema(self):
            return {"collections": {"items": {"indexes": [{"field": "name", "unique": True}]}}}
"""
ADDS = """
    async def test_{name}(nexus_app_{scope}):
        app = nexus_app_{scope}
        before = len(app.journal)
        response = await app.client().post("/api/shop/items/a")
        assert {{"items": 1}} == response.json()
        app.event_bus.assert_published("item.added", times=1)
        assert ["shop"] == list(app.plugins)
        from shop.plugin import STARTS
        assert [1] == STARTS
"""


@pytest.fixture(name="shop")
def _shop(repo: Repo) -> Repo:
    repo.manifest("shop")
    repo.write("plugin.py", PLUGIN)
    return repo


@pytest.mark.parametrize("scope", ["module", "session"])
def test_it_is_started_once_and_each_test_finds_it_as_new(shop: Repo, scope: str) -> None:
    """Two tests make the same document, and one plugin was initialised once."""
    shop.write("tests/test_a.py", "".join(ADDS.format(name=name, scope=scope) for name in "abc"))
    result = shop.run("-s", "-k", "a.py")
    assert {"passed": 3} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["*shut down after 1"])


def test_a_session_has_one_and_each_module_its_own(shop: Repo) -> None:
    """The app of the session is the same in two modules; those of modules are two."""
    for name in "ab":
        shop.write(
            f"tests/test_{name}.py",
            """
            SEEN = []

            async def test_session(nexus_app_session):
                SEEN.append(nexus_app_session)
                await nexus_app_session.db.set("a", 1)

            async def test_again(nexus_app_session):
                assert SEEN == [nexus_app_session]
                assert not await nexus_app_session.db.exists("a")
                import shop.plugin
                assert [nexus_app_session] == shop.plugin.__dict__.setdefault("APPS", [nexus_app_session])
            """,
        )
    assert {"passed": 4} == shop.run().parseoutcomes()


@pytest.mark.parametrize(
    ("mark", "runs_on"),
    [("@pytest.mark.asyncio", "function"), ('@pytest.mark.asyncio(loop_scope="session")', "session")],
)
def test_a_test_on_another_loop_is_told_what_to_write(shop: Repo, mark: str, runs_on: str) -> None:
    """A mark of the test's own that names another loop is an error with the mark to write."""
    shop.write("tests/test_a.py", f"import pytest\n\n\n{mark}\nasync def test_a(nexus_app_module):\n    pass\n")
    result = shop.run()
    assert {"errors": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(
        [
            f"*test_a runs on the loop of its {runs_on}, and nexus_app_module on that of its module.",
            '*fix: * @pytest.mark.asyncio(loop_scope="module")',
        ]
    )


@pytest.mark.parametrize("asks", ["a fixture", "a mark"])
def test_virtual_time_is_refused(shop: Repo, asks: str) -> None:
    """A test in virtual time is told to use an app of its own, since the shared one was started before."""
    mark, fixture = ("", ", nexus_clock") if asks == "a fixture" else ("@pytest.mark.nexus_clock\n", "")
    shop.write("tests/test_a.py", f"import pytest\n\n\n{mark}async def test_a(nexus_app_module{fixture}):\n    pass\n")
    result = shop.run()
    assert {"errors": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["*test_a asks for virtual time, and nexus_app_module was started in real time."])


def test_what_it_prints_works(shop: Repo) -> None:
    """The mark that the error prints is right."""
    mark = 'import pytest\n\npytestmark = pytest.mark.asyncio(loop_scope="module")\n'
    shop.write("tests/test_a.py", mark)
    file = shop.folder / "tests" / "test_a.py"
    file.write_text(mark + _plain(ADDS.format(name="a", scope="module")), encoding="utf-8")
    assert {"passed": 1} == shop.run().parseoutcomes()


def _plain(text: str) -> str:
    from textwrap import dedent

    return dedent(text)


def test_fixtures_see_it_too(shop: Repo) -> None:
    """What an async fixture of a test writes is there in the test, and gone in the next; a module's stays."""
    shop.write(
        "tests/test_a.py",
        """
        import pytest


        @pytest.fixture
        async def item(nexus_app_module):
            await nexus_app_module.db.set("item", 1)
            yield
            assert 1 == await nexus_app_module.db.get("item")


        async def test_a(item, nexus_app_module):
            assert 1 == await nexus_app_module.db.get("item")


        async def test_b(nexus_app_module):
            assert not await nexus_app_module.db.exists("item")
            assert 1 == await nexus_app_module.db.get("started")


        def test_c(nexus_app_module):
            assert nexus_app_module.is_running
        """,
    )
    assert {"passed": 3} == shop.run().parseoutcomes()


@pytest.mark.parametrize("way", ["fixture", "mark", "marked fixture", "class", "option"])
def test_it_is_found_however_it_is_asked_for(shop: Repo, way: str) -> None:
    """A test that asks for it by a fixture, a mark, its class's mark or an option runs on its loop too."""
    uses = '@pytest.mark.usefixtures("nexus_app_module")'
    text = {
        "fixture": "@pytest.fixture\ndef app(nexus_app_module):\n    pass\n\n\nasync def test_it(app):\n    pass\n",
        "marked fixture": "@pytest.fixture\ndef app(nexus_app_module):\n    pass\n\n\n"
        '@pytest.mark.usefixtures("app")\nasync def test_it():\n    pass\n',
        "mark": f"{uses}\nasync def test_it():\n    pass\n",
        "class": f"{uses}\nclass TestIt:\n    async def test_it(self):\n        pass\n",
        "option": "async def test_it():\n    pass\n",
    }[way]
    shop.write("tests/test_a.py", "import pytest\n\n\n" + text)
    options = ("-o", "usefixtures=nexus_app_module") if way == "option" else ()
    assert {"passed": 1} == shop.run(*options).parseoutcomes()


def test_state_of_its_own_is_found(shop: Repo) -> None:
    """The run's summary names the attribute and the test that changed it."""
    shop.write(
        "tests/test_a.py",
        """
        async def test_asking(nexus_app_module):
            nexus_app_module.get_plugin("shop").asked += 1
        """,
    )
    result = shop.run()
    assert {"passed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(
        ["NX107*plugin 'shop' keeps state of its own, which the test test_asking changed: self.asked.*"]
    )


def test_a_plugin_that_a_test_unloads_is_an_error(shop: Repo) -> None:
    """The test that unloads the plugin is told, and to use an app of its own."""
    shop.write(
        "tests/test_a.py",
        """
        async def test_it(nexus_app_module):
            await nexus_app_module.unload_plugin("shop")
        """,
    )
    result = shop.run()
    assert {"passed": 1, "errors": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["*The test test_it left plugin 'shop' unloaded*", "*fix:*nexus_app*"])


def test_it_is_configured_by_fixtures_of_its_scope(shop: Repo) -> None:
    """Configuration for it comes from a fixture that lasts as long; a shorter one is refused with the line to write."""
    test = """
        import pytest


        @pytest.fixture(scope="{scope}")
        def nexus_plugin_config():
            return {{"greeting": "Shwmae"}}


        async def test_it(nexus_app_module):
            assert "Shwmae" == nexus_app_module.get_plugin("shop").greeting
        """
    shop.write("tests/test_a.py", test.format(scope="module"))
    assert {"passed": 1} == shop.run().parseoutcomes()
    shop.write("tests/test_a.py", test.format(scope="function"))
    result = shop.run()
    assert {"errors": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(
        ["*'nexus_plugin_config' has the scope 'function'*", "*fix: @pytest.fixture(scope='module')*"]
    )


def test_examples_of_a_property_test_are_fresh(shop: Repo) -> None:
    """Each example of a hypothesis test in a block of its own finds the app as new."""
    shop.write(
        "tests/test_a.py",
        """
        from hypothesis import HealthCheck, given, settings, strategies as st


        @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(names=st.lists(st.sampled_from("abc"), unique=True))
        async def test_names(nexus_app, names):
            async with nexus_app.fresh():
                for number, name in enumerate(names, 1):
                    response = await nexus_app.client().post(f"/api/shop/items/{name}")
                    assert {"items": number} == response.json()
        """,
    )
    assert {"passed": 1} == shop.run().parseoutcomes()
