"""A plugin's code is imported once, under its own name, however the repo is laid out and pytest is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

PLUGIN = """
    from nexus.plugins import BasePlugin

    from .prices import PRICES


    class ShopPlugin(BasePlugin):
        prices = PRICES
"""

TEST = """
    import importlib
    import sys

    import shop
    from shop.plugin import ShopPlugin

    FOLDER = {folder!r}


    async def test_it_is_loaded(nexus_app):
        assert type(nexus_app.get_plugin("shop")) is ShopPlugin


    def test_the_name_of_the_folder_is_an_alias():
        assert importlib.import_module(FOLDER) is shop
        assert importlib.import_module(FOLDER + ".plugin") is sys.modules["shop.plugin"]


    def test_each_file_is_one_module():
        files = [getattr(module, "__file__", None) or "" for module in set(sys.modules.values())]
        assert 1 == sum(file.endswith("prices.py") for file in files)
        assert 1 == sum(file.endswith("plugin.py") and "shop" in file for file in files)
"""

SEVEN = {"passed": 7}


def _repo(repo: Repo, folder: str, *, root_init: bool, tests_init: bool) -> None:
    repo.folder = repo.folder.with_name(folder)
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write("prices.py", "PRICES = {'tea': 3}")
    # A conftest beside a package's __init__.py is a module of that package to pytest.
    repo.write("conftest.py", "import pytest\n\n\n@pytest.fixture\ndef tea():\n    return 3")
    repo.write("tests/test_shop.py", TEST.format(folder=folder))
    repo.write("tests/unit/test_more_of_the_shop.py", TEST.format(folder=folder))
    repo.write("tests/test_tea.py", "def test_tea(tea):\n    assert 3 == tea")
    if root_init:
        repo.write("__init__.py", "from .plugin import ShopPlugin")
    if tests_init:
        repo.write("tests/__init__.py")
        repo.write("tests/unit/__init__.py")


@pytest.mark.parametrize("runner", ["pytest", "python -m pytest"])
@pytest.mark.parametrize("mode", ["prepend", "importlib"])
@pytest.mark.parametrize("tests_init", [False, True], ids=["plain tests", "tests as a package"])
@pytest.mark.parametrize("root_init", [False, True], ids=["plain root", "root as a package"])
@pytest.mark.parametrize("folder", ["shop-plugin", "shop_plugin", "shop"])
def test_every_shape_of_a_repo_works_in_every_import_mode(  # noqa: PLR0917 - the axes of a matrix
    repo: Repo,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    root_init: bool,  # noqa: FBT001 - given by parametrize
    tests_init: bool,  # noqa: FBT001 - as above
    mode: str,
    runner: str,
) -> None:
    """Neither the folder's name, nor packages, nor the import mode, nor the working directory on the path matters."""
    _repo(repo, folder, root_init=root_init, tests_init=tests_init)
    if runner == "python -m pytest":
        # All that it does besides.
        monkeypatch.syspath_prepend(repo.folder)
    assert SEVEN == repo.run(f"--import-mode={mode}").parseoutcomes()


@pytest.mark.parametrize("flags", [(), ("-P",)], ids=["python -m pytest", "pytest"])
@pytest.mark.parametrize("folder", ["shop-plugin", "shop_plugin", "shop"])
def test_the_shapes_work_in_a_process_of_their_own(repo: Repo, folder: str, flags: tuple[str, ...]) -> None:
    """What holds within this process holds where nothing was imported before."""
    _repo(repo, folder, root_init=True, tests_init=True)
    assert SEVEN == repo.python(*flags, "-m", "pytest").parseoutcomes()


@pytest.mark.parametrize("mode", ["prepend", "importlib"])
@pytest.mark.parametrize("place", ["src/shop", "shop", "shop-plugin", "plugins/business/shop"])
def test_the_plugin_may_stand_in_a_folder_of_the_repo(repo: Repo, place: str, mode: str) -> None:
    """The usual places below the repo's root are found without a word of configuration."""
    repo.folder = repo.folder.with_name("repo")
    repo.manifest(at=place)
    repo.write(f"{place}/__init__.py", "from .plugin import ShopPlugin")
    repo.write(f"{place}/plugin.py", PLUGIN)
    repo.write(f"{place}/prices.py", "PRICES = {}")
    repo.write("tests/test_shop.py", TEST.format(folder=place.rpartition("/")[2]))
    repo.write(f"{place}/tests/test_shop_within.py", TEST.format(folder=place.rpartition("/")[2]))
    assert {"passed": 6} == repo.run(f"--import-mode={mode}").parseoutcomes()


def test_tests_of_two_plugins_share_their_file_names(repo: Repo) -> None:
    """Two plugins of one repo may each have a `tests/test_shop.py`, as packages of their own."""
    for name in ("shop", "till"):
        place = f"plugins/business/{name}"
        repo.manifest(name, at=place)
        repo.write(f"{place}/__init__.py")
        repo.write(f"{place}/plugin.py", PLUGIN.replace("Shop", name.title()))
        repo.write(f"{place}/prices.py", "PRICES = {}")
        repo.write(f"{place}/tests/__init__.py")
        repo.write(
            f"{place}/tests/test_it.py",
            f"""
            from {name}.plugin import {name.title()}Plugin

            def test_it(nexus_app):
                assert [{name!r}] == list(nexus_app.plugins)
                assert {name.title()}Plugin is type(nexus_app.get_plugin({name!r}))
            """,
        )
    assert {"passed": 2} == repo.run("--import-mode=prepend").parseoutcomes()
    assert {"passed": 2} == repo.run("--import-mode=importlib").parseoutcomes()


def test_a_file_imported_under_two_names_is_refused(repo: Repo) -> None:
    """A test that reaches the plugin past its package is told which name to use."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write("prices.py", "PRICES = {}")
    test = repo.write(
        "tests/test_shop.py",
        """
        import sys
        from pathlib import Path

        sys.path.insert(0, str(Path(__file__).parents[1]))
        import prices

        def test_it(nexus_app):
            pass
        """,
    )
    result = repo.run()
    assert {"errors": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(
        [
            "E*PluginImportError: A file of plugin 'shop' was imported as two modules*",
            f"*where: {test.parents[1] / 'prices.py'}",
            "*why:   it is both 'prices' and 'shop.prices'",
            "*fix:   Import it as 'shop.prices' everywhere*",
        ]
    )


def test_a_test_folder_that_is_no_plugin_is_collected_as_ever(repo: Repo) -> None:
    """A folder with a manifest of something else is still a package to pytest."""
    repo.write("extension/__init__.py", "IMPORTED = True")
    repo.write("extension/manifest.json", '{"manifest_version": 3, "name": "Popup", "version": "1"}')
    repo.write(
        "extension/test_it.py",
        """
        import extension

        def test_it():
            assert "extension" == __package__
            assert extension.IMPORTED
        """,
    )
    assert {"passed": 1} == repo.run().parseoutcomes()
