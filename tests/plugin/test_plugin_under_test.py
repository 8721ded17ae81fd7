"""Which plugin a test file is about, and which others it can load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Repo

PLUGIN = """
    from nexus.plugins import BasePlugin


    class {title}Plugin(BasePlugin):
        pass
"""

LOADED = """
    async def test_it(nexus_app):
        assert {names!r} == list(nexus_app.plugins)
"""


def _plugin(repo: Repo, name: str, at: str = ".", **more: object) -> Path:
    repo.write(f"{at}/plugin.py", PLUGIN.format(title=name.title()))
    return repo.manifest(name, at=at, **more).parent


def test_the_nearest_manifest_at_or_above_the_file_decides(repo: Repo) -> None:
    """In a repo of several plugins, each one's own tests are about it."""
    _plugin(repo, "shop")
    _plugin(repo, "till", "plugins/business/till")
    repo.write("tests/test_shop.py", LOADED.format(names=["shop"]))
    repo.write("plugins/business/till/tests/unit/test_till.py", LOADED.format(names=["till"]))
    repo.write("plugins/business/till/test_beside.py", LOADED.format(names=["till"]))
    assert {"passed": 3} == repo.run().parseoutcomes()


@pytest.mark.parametrize("place", ["src/shop", "shop", "plugins/business/shop"])
def test_else_the_only_candidate_is_it(repo: Repo, place: str) -> None:
    """Tests that stand beside the plugin's folder find it where it is the only one."""
    _plugin(repo, "shop", place)
    repo.write("tests/test_shop.py", LOADED.format(names=["shop"]))
    assert {"passed": 1} == repo.run().parseoutcomes()


def test_the_ini_decides_over_all_else(repo: Repo) -> None:
    """`nexus_plugins` names the plugins under test, by name or by path, one or several."""
    _plugin(repo, "shop")
    _plugin(repo, "till", "plugins/business/till")
    _plugin(repo, "stock", "deep/down/in/stock")
    repo.write("pytest.ini", "[pytest]\nnexus_plugins = till deep/down/in/stock")
    repo.write("tests/test_shop.py", LOADED.format(names=["till", "stock"]))
    assert {"passed": 1} == repo.run().parseoutcomes()


def test_the_ini_may_stand_in_pyproject(repo: Repo) -> None:
    """The line that our messages print is the line that works."""
    _plugin(repo, "shop", "plugins/business/shop")
    _plugin(repo, "till", "plugins/business/till")
    repo.write("pyproject.toml", '[tool.pytest.ini_options]\nnexus_plugins = ["till"]')
    repo.write("tests/test_till.py", LOADED.format(names=["till"]))
    assert {"passed": 1} == repo.run().parseoutcomes()


def test_the_fixture_of_the_same_name_decides_for_its_tests(repo: Repo) -> None:
    """A test file or a class overrides `nexus_plugins`, sync or async, with names, paths, classes or instances."""
    _plugin(repo, "shop")
    _plugin(repo, "till", "till")
    repo.write(
        "tests/test_it.py",
        """
        from pathlib import Path

        import pytest
        from nexus.plugins import BasePlugin
        from till.plugin import TillPlugin


        class LocalPlugin(BasePlugin):
            pass


        class TestNone:
            @pytest.fixture
            def nexus_plugins(self):
                return []

            def test_it(self, nexus_app):
                assert {} == nexus_app.plugins


        class TestSeveral:
            @pytest.fixture
            async def nexus_plugins(self):
                return ["shop", Path(__file__).parents[1] / "till", LocalPlugin]

            async def test_it(self, nexus_app):
                assert ["shop", "till", "local"] == list(nexus_app.plugins)


        class TestInstance:
            @pytest.fixture
            def nexus_plugins(self):
                return [TillPlugin()]

            async def test_it(self, nexus_app, nexus_plugins):
                assert nexus_plugins[0] is nexus_app.get_plugin("till")


        def test_the_default(nexus_app):
            assert ["shop"] == list(nexus_app.plugins)
        """,
    )
    assert {"passed": 4} == repo.run().parseoutcomes()


def test_several_candidates_are_an_error_of_that_test_only(repo: Repo) -> None:
    """The message lists the candidates and the ini line; tests that need no plugin under test pass."""
    shop = _plugin(repo, "shop", "plugins/business/shop")
    till = _plugin(repo, "till", "plugins/business/till")
    file = repo.write(
        "tests/test_it.py",
        """
        from nexus.testing import create_test_app

        def test_it(nexus_app):
            pass

        def test_plain():
            pass

        async def test_by_name():
            async with create_test_app() as app:
                assert await app.load_plugin("till")
        """,
    )
    result = repo.run()
    assert {"errors": 1, "passed": 2} == result.parseoutcomes()
    result.stdout.fnmatch_lines(
        [
            "*PluginUnderTestError: There are 2 plugins that this file could be about.",
            f"*where: {file}",
            "*candidates:",
            f"*shop in {shop}",
            f"*till in {till}",
            "*fix: *Say which, in pytest's configuration (pyproject.toml, [[]tool.pytest.ini_options[]]):",
            '*nexus_plugins = [[]"shop"[]]',
        ]
    )


def test_a_browser_extension_is_no_plugin(repo: Repo) -> None:
    """A manifest counts only with a name, a version and a `plugin.py` beside it, or an entry point."""
    repo.write("extension/manifest.json", '{"manifest_version": 3, "name": "Popup", "version": "1.0"}')
    repo.write("webapp/manifest.json", '{"short_name": "app", "start_url": "/"}')
    repo.write("webapp/plugin.py", "raise AssertionError('imported')")
    repo.write("list/manifest.json", "[1, 2]")
    repo.write("list/plugin.py", "raise AssertionError('imported')")
    _plugin(repo, "shop", "shop")
    repo.write("extension/test_extension.py", LOADED.format(names=["shop"]))
    repo.write("tests/test_it.py", LOADED.format(names=["shop"]))
    assert {"passed": 2} == repo.run().parseoutcomes()


def test_folders_of_tools_are_passed_over(repo: Repo) -> None:
    """What lies in node_modules, in an environment or in a hidden folder is no candidate."""
    _plugin(repo, "shop", "shop")
    for folder in ("node_modules", "venv", ".tox", "build"):
        _plugin(repo, f"other_{folder.strip('.')}", folder)
    repo.write("tests/test_it.py", LOADED.format(names=["shop"]))
    assert {"passed": 1} == repo.run().parseoutcomes()


def test_a_repository_ends_at_its_git_folder(repo: Repo) -> None:
    """A plugin that contains another repository is not what that one's tests are about."""
    _plugin(repo, "shop")
    repo.write("vendor/.git/HEAD")
    repo.folder /= "vendor"
    _plugin(repo, "till", "plugins/business/till")
    repo.write("tests/test_it.py", LOADED.format(names=["till"]))
    assert {"passed": 1} == repo.run(f"--rootdir={repo.folder}").parseoutcomes()


def test_siblings_are_loadable_by_name(repo: Repo) -> None:
    """Beside the plugin under test, others of the repo load by manifest name or by folder name, and as dependencies."""
    _plugin(repo, "shop", "plugins/business/shop-plugin", dependencies={"plugins": ["stock>=1.0"]})
    _plugin(repo, "till", "plugins/business/till-plugin")
    _plugin(repo, "stock", "plugins/business/stock-plugin")
    repo.write(
        "plugins/business/shop-plugin/tests/test_it.py",
        """
        async def test_it(nexus_app):
            assert ["stock", "shop"] == list(nexus_app.plugins)
            await nexus_app.load_plugin("till")
            assert ["stock", "shop", "till"] == list(nexus_app.plugins)

        async def test_folder(nexus_app):
            await nexus_app.load_plugin("till-plugin")
            await nexus_app.unload_plugin("till")
            await nexus_app.load_plugin("till_plugin")
        """,
    )
    assert {"passed": 2} == repo.run().parseoutcomes()
    repo.folder = repo.folder / "plugins" / "business" / "shop-plugin"
    assert {"passed": 2} == repo.run().parseoutcomes()


def test_load_plugin_takes_name_path_class_and_instance(repo: Repo) -> None:
    """Each of them names the same plugin."""
    _plugin(repo, "shop")
    repo.write(
        "tests/test_it.py",
        """
        from pathlib import Path

        import pytest
        from nexus.testing import create_test_app
        from shop.plugin import ShopPlugin

        FOLDER = Path(__file__).parents[1]


        @pytest.mark.parametrize("target", ["shop", "shop-plugin", ".", str(FOLDER), FOLDER, ShopPlugin, ShopPlugin()])
        async def test_it(target):
            async with create_test_app() as app:
                assert await app.load_plugin(target) is True
                assert type(app.get_plugin("shop")) is ShopPlugin


        async def test_when_it_is_made():
            async with create_test_app(["shop"]) as app:
                assert ["shop"] == list(app.plugins)
            async with create_test_app(ShopPlugin) as app:
                assert ["shop"] == list(app.plugins)
        """,
    )
    assert {"passed": 8} == repo.run().parseoutcomes()


@pytest.mark.parametrize("tests", ["tests/test_it.py", "test_it.py"])
def test_a_class_in_a_test_file_is_nobodys(repo: Repo, tests: str) -> None:
    """A plugin written in a test has no manifest, not even that of the repo around it."""
    _plugin(repo, "shop")
    repo.write(
        tests,
        """
        from nexus.plugins import BasePlugin
        from nexus.testing import create_test_app


        class StandInPlugin(BasePlugin):
            pass


        async def test_it(nexus_app):
            await nexus_app.load_plugin(StandInPlugin)
            assert ["shop", "stand_in"] == list(nexus_app.plugins)
        """,
    )
    assert {"passed": 1} == repo.run().parseoutcomes()


INSTALLED_PLUGIN = """
    from fastapi import APIRouter
    from nexus.plugins import BasePlugin


    class TillPlugin(BasePlugin):
        def get_api_routes(self):
            router = APIRouter()

            @router.get("/sum")
            async def sum():
                return 0

            return [router]
"""


def test_an_installed_plugin_is_loaded_by_its_entry_point(repo: Repo) -> None:
    """A plugin without a folder in the repo comes from the entry-point group `nexus.plugins`, with its own manifest."""
    site = repo.distribution("till", entry_points="[nexus.plugins]\ntill = tills.main:TillPlugin")
    repo.write(f"{site}/tills/__init__.py")
    repo.write(f"{site}/tills/main.py", INSTALLED_PLUGIN)
    repo.manifest("till", at=f"{site}/tills", api={"prefix": "/money"})
    _plugin(repo, "shop", api={"prefix": "/goods"})
    repo.write(
        "tests/test_it.py",
        """
        from nexus_testing.records import Request
        from tills.main import TillPlugin


        async def test_it(nexus_app, test_client, nexus_journal):
            await nexus_app.load_plugin("till")
            assert type(nexus_app.get_plugin("till")) is TillPlugin
            assert "/money/sum" == nexus_app.url("till", "sum")
            assert 0 == (await test_client.get("/money/sum")).json()
            assert ["till"] == [request.plugin for request in nexus_journal.of(Request)]
        """,
    )
    assert {"passed": 1} == repo.run(apart=True).parseoutcomes()


def test_an_installed_plugin_may_be_the_only_one(repo: Repo) -> None:
    """In a repo without any plugin's folder, the one that is installed is under test."""
    site = repo.distribution("till", entry_points="[nexus.plugins]\ntill = tills")
    repo.write(f"{site}/tills.py", INSTALLED_PLUGIN)
    repo.write("tests/test_it.py", LOADED.format(names=["till"]))
    assert {"passed": 1} == repo.run(apart=True).parseoutcomes()


@pytest.mark.parametrize("value", ["shop.code", "shop.code:ShopPlugin"])
def test_a_plugin_may_have_an_entry_point_in_place_of_plugin_py(repo: Repo, value: str) -> None:
    """A manifest without a neighbour `plugin.py` counts if an installed distribution names the plugin."""
    repo.distribution("shop-plugin", entry_points=f"[nexus.plugins]\nshop = {value}")
    repo.path(repo.folder / "src")
    repo.manifest("shop", at="src/shop", api={"prefix": "/shop"})
    repo.write("src/shop/__init__.py")
    repo.write("src/shop/code.py", PLUGIN.format(title="Shop"))
    repo.write(
        "tests/test_it.py",
        """
        from shop.code import ShopPlugin


        async def test_it(nexus_app):
            assert type(nexus_app.get_plugin("shop")) is ShopPlugin
            assert "/shop/x" == nexus_app.url("shop", "x")
        """,
    )
    assert {"passed": 1} == repo.run(apart=True).parseoutcomes()


def test_an_installed_copy_is_reported_and_not_used(repo: Repo) -> None:
    """The code in the repo is what is tested; the twin in the environment is a finding."""
    site = repo.folder.with_name("site-packages")
    twin = site / "shop"
    twin.mkdir(parents=True)
    (twin / "__init__.py").touch()
    (twin / "plugin.py").write_text("raise AssertionError('the twin')", encoding="utf-8")
    (twin / "manifest.json").write_text('{"name": "shop", "version": "0.9"}', encoding="utf-8")
    repo.path(site)
    folder = _plugin(repo, "shop")
    repo.write("tests/test_it.py", "from shop.plugin import ShopPlugin\n\n\ndef test_it(nexus_app):\n    pass")
    result = repo.run()
    assert {"passed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(
        [f"NX202 info: plugin 'shop' is also installed in {twin}; the one in {folder} is used."]
    )


def test_a_name_that_hides_an_installed_module_is_a_finding(repo: Repo) -> None:
    """Whoever imports that module gets the plugin, as in production."""
    site = repo.folder.with_name("site-packages")
    site.mkdir()
    (site / "shop.py").touch()
    repo.path(site)
    _plugin(repo, "shop")
    repo.write("tests/test_it.py", "def test_it(nexus_app):\n    pass")
    result = repo.run()
    assert {"passed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines([f"NX201 warning: 'shop' hides the installed module {site / 'shop.py'}."])


def test_a_name_of_the_standard_library_is_a_finding(repo: Repo) -> None:
    """A plugin called `calendar` is loaded under another module name, and Python's own stays what it is."""
    _plugin(repo, "calendar", "calendar-plugin")
    repo.write(
        "tests/test_it.py",
        """
        import calendar
        import sys


        def test_it(nexus_app):
            assert ["calendar"] == list(nexus_app.plugins)
            assert calendar.TextCalendar
            assert "calendar" != type(nexus_app.get_plugin("calendar")).__module__.split(".")[0]
        """,
    )
    result = repo.run()
    assert {"passed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["NX201 warning: 'calendar' is a module of the standard library."])


def test_configuration_comes_from_ini_or_fixture(repo: Repo) -> None:
    """`nexus_config`, `nexus_plugin_config`, `nexus_services` and `nexus_stubs` work as ini lines and as fixtures."""
    _plugin(repo, "shop", dependencies={"plugins": ["till>=2"]})
    repo.write("things.py", "class Shelf:\n    size = 7\n\n\nshelf = Shelf()")
    repo.write(
        "pytest.ini",
        """
        [pytest]
        pythonpath = .
        nexus_config = {"plugins": {"shop": {"colour": "red", "size": 1}}}
        nexus_plugin_config = {"size": 2}
        nexus_services =
            shelf = things:shelf
            size = things:Shelf.size
        nexus_stubs =
            till = 2.1.0
        """,
    )
    repo.write(
        "tests/test_it.py",
        """
        import pytest
        import things


        def test_ini(nexus_app, service_registry):
            assert {"colour": "red", "size": 2} == nexus_app.get_plugin("shop").config
            assert things.shelf is service_registry.get("shelf")
            assert 7 == service_registry.get("size")


        class TestFixtures:
            @pytest.fixture
            def nexus_config(self, nexus_config):
                nexus_config["plugins"] = {"shop": {"colour": "blue"}}
                return nexus_config

            @pytest.fixture
            async def nexus_plugin_config(self):
                yield {"size": 3}

            @pytest.fixture
            def nexus_services(self):
                return {"shelf": 1}

            @pytest.fixture
            async def nexus_stubs(self, nexus_stubs):
                return {**nexus_stubs, "stock": "1.0"}

            @pytest.mark.nexus_allow("NX403", reason="it is about the fixture")
            async def test_it(self, nexus_app, service_registry):
                assert {"colour": "blue", "size": 3} == nexus_app.get_plugin("shop").config
                assert 1 == service_registry.get("shelf")
                assert service_registry.get("size") is None


        def test_the_ini_again(nexus_app):
            assert {"colour": "red", "size": 2} == nexus_app.get_plugin("shop").config
        """,
    )
    assert {"passed": 3} == repo.run("-W", "error").parseoutcomes()
