"""From what a test names to the plugin's class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nexus_testing.errors import PluginImportError, PluginLoadError, PluginNotFound
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.runtime.discovery import Site, current_project
from nexus_testing.runtime.loader import import_class, is_test_module, resolve, site_of_class

if TYPE_CHECKING:
    from tests.conftest import Repo

BASE = "from nexus_testing.nexus.plugins import BasePlugin\n"


class InTest(BasePlugin):
    """A plugin that is written in a test."""


def site(repo: Repo, source: str, name: str = "shop") -> Site:
    """Write a plugin and return where it is."""
    repo.write(f"{name}/plugin.py", source)
    return Site(name, repo.manifest(name, at=name).parent)


# -- what may be named -------------------------------------------------------------------------------------------


def test_what_is_loaded_may_be_named_in_four_ways(project: Repo) -> None:
    """By name, path, class or instance."""
    here = site(project, BASE + "class Shop(BasePlugin): pass\n")
    cls = import_class(here)
    instance = cls()
    assert [here, here, here, here] == [resolve(one).site for one in ("shop", here.folder, cls, instance)]
    assert (cls, instance) == resolve(instance)[1:]


def test_a_class_in_a_test_has_no_folder(project: Repo) -> None:
    """It is not the plugin of the repo around it; nor is one whose module has no file."""
    source = BASE + "class Shop(BasePlugin): pass\n"
    here = site(project, source)
    for path in ("shop/tests/sub/pieces.py", "shop/test_it.py", "shop/conftest.py", "shop/it_test.py"):
        project.write(path, source)
    import_class(here)
    import importlib

    for module in ("shop.tests.sub.pieces", "shop.test_it", "shop.conftest", "shop.it_test"):
        assert site_of_class(importlib.import_module(module).Shop) is None
    assert site_of_class(InTest) is None
    assert site_of_class(type("Nowhere", (BasePlugin,), {"__module__": "no.such.module"})) is None


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("conftest", True),
        ("test_shop", True),
        ("shop_test", True),
        ("shop.tests.pieces", True),
        ("shop.test.pieces", True),
        ("shop.plugin", False),
        ("tests", False),
        ("contest", False),
    ],
)
def test_which_modules_are_tests(module: str, expected: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """Their own name, or that of a package above them, says so."""
    assert expected is is_test_module(module)


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    """A folder without a plugin, and an object that is none, are told what to pass instead."""
    with pytest.raises(PluginNotFound, match="There is no plugin in") as missing:
        resolve(tmp_path)
    assert tmp_path == missing.value.where
    with pytest.raises(PluginImportError, match=r"load_plugin\(\) cannot load 7") as wrong:
        resolve(7)
    assert "its class or an instance" in wrong.value.fix


# -- the class in the code ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class Shop(BasePlugin): pass", "Shop"),
        ("class Base(BasePlugin): pass\nclass Shop(Base): pass", "Shop"),
        ("from nexus_testing.nexus.plugins.categories import BusinessPlugin\nclass Shop(BusinessPlugin): pass", "Shop"),
        ("from .code import Shop", "Shop"),
        ("from .code import Shop\nclass Own(BasePlugin): pass", "Own"),
        (
            (
                "from abc import abstractmethod\n"
                "class Draft(BasePlugin):\n    @abstractmethod\n    def draw(self): ...\n"
                "class Shop(BasePlugin): pass"
            ),
            "Shop",
        ),
    ],
    ids=["one", "the most derived", "of a category", "imported from the plugin", "its own first", "the concrete one"],
)
def test_the_plugins_class_is_found(project: Repo, source: str, expected: str) -> None:
    """The module's own, most derived, concrete class is meant."""
    project.write("shop/code.py", BASE + "class Shop(BasePlugin): pass\n")
    assert expected == import_class(site(project, f"{BASE}{source}\n")).__name__


def test_several_classes_are_listed(project: Repo) -> None:
    """Each with its place, and the way to load one of them."""
    here = site(project, BASE + "class One(BasePlugin): pass\nclass Two(BasePlugin): pass\n")
    with pytest.raises(PluginImportError, match="has 2 plugin classes: One, Two") as several:
        import_class(here)
    places = str(several.value.where).splitlines()
    assert ["One", "Two"] == [place.partition(" in ")[2] for place in places]
    assert all(place.startswith(f"{here.folder}/plugin.py:") for place in places)
    assert "load_plugin(One)" in several.value.fix


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("VALUE = 1", "the module defines no class at all"),
        ("class ShopPlugin: pass", "it defines ShopPlugin, none of which derives from BasePlugin."),
        ("class Plugins: pass", "Did you mean 'Plugins'?"),
    ],
)
def test_no_class_is_explained(project: Repo, source: str, why: str) -> None:
    """What the module has instead is said."""
    here = site(project, source + "\n")
    with pytest.raises(PluginImportError, match="has no plugin class") as none:
        import_class(here)
    assert why in none.value.why
    assert f"{here.folder}/plugin.py:1" == none.value.where


@pytest.mark.parametrize(
    ("source", "line", "why"),
    [
        ("VALUE = 1\n1 // 0", 2, ""),
        ("import shop.gone", 1, "the plugin has no module 'shop.gone'"),
        ("import nexus.gone", 1, "the framework has no module 'nexus.gone'"),
        ("import no_such_package.part", 1, "no module 'no_such_package' is installed here"),
    ],
)
def test_code_that_cannot_be_imported(project: Repo, source: str, line: int, why: str) -> None:
    """The line of the plugin is named, Python's error is the cause, and what is missing is explained."""
    here = site(project, source + "\n")
    with pytest.raises(PluginLoadError, match="Plugin 'shop' cannot be imported") as failed:
        import_class(here)
    assert str(failed.value.where).startswith(f"{here.folder}/plugin.py:{line}")
    assert why in failed.value.why
    assert isinstance(failed.value.__cause__, ZeroDivisionError | ModuleNotFoundError)


def test_code_that_does_not_parse(project: Repo) -> None:
    """There is no line that ran, so the file is named."""
    here = site(project, "class Shop(:\n")
    with pytest.raises(PluginLoadError, match="SyntaxError") as failed:
        import_class(here)
    assert str(here.folder / "plugin.py") in str(failed.value.where)


# -- installed plugins -------------------------------------------------------------------------------------------


@pytest.fixture(name="installed")
def _installed(project: Repo) -> Repo:
    site = project.distribution(
        "shops",
        entry_points="""
            [nexus.plugins]
            class = shops_code:Shop
            module = shops_code
            value = shops_code:VALUE
            broken = shops_code:Gone
        """,
    )
    (site / "shops_code.py").write_text(BASE + "class Shop(BasePlugin): pass\nVALUE = 7\n", encoding="utf-8")
    return project


@pytest.mark.parametrize("name", ["class", "module"])
def test_an_entry_point_names_a_class_or_a_module(installed: Repo, name: str) -> None:
    """Of a module, the plugin's class is found as in a folder."""
    assert "Shop" == import_class(current_project().find(name)).__name__


def test_an_entry_point_that_names_something_else(installed: Repo) -> None:
    """The message has what it names, and the line to write."""
    with pytest.raises(PluginImportError, match="names 7, which is no class") as wrong:
        import_class(current_project().find("value"))
    assert "shops_code:VALUE" == wrong.value.where


def test_an_entry_point_that_cannot_be_imported(installed: Repo) -> None:
    """The message has Python's reason."""
    with pytest.raises(PluginLoadError, match="entry point of plugin 'broken' cannot be imported") as failed:
        import_class(current_project().find("broken"))
    assert isinstance(failed.value.__cause__, AttributeError)
