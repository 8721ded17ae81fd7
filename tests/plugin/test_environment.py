"""Environment variables: a plugin sees of its own only what the test gives."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from nexus_testing.environment import Environment, prefix_of

if TYPE_CHECKING:
    from tests.conftest import Repo

PLUGIN = """
    import os
    from nexus.plugins import BasePlugin

    AT_IMPORT = os.environ.get("SHOP_REGION")

    class ShopPlugin(BasePlugin):
        async def initialize(self) -> bool:
            self.seen = {name: value for name, value in os.environ.items() if name.startswith("SHOP")}
            return True
"""

TESTS = """
    import os
    from nexus.testing import create_test_app

    async def test_what_the_machine_says_is_hidden(nexus_app):
        assert {"SHOPPING": "a lot"} == nexus_app.get_plugin("shop").seen
        assert "SHOP_REGION" not in os.environ

    def test_it_is_back_afterwards():
        assert "cy" == os.environ["SHOP_REGION"]

    async def test_the_code_of_the_plugin_does_not_see_it_either(nexus_app):
        assert __import__("shop.plugin").plugin.AT_IMPORT is None

    async def test_an_app_may_be_given_some():
        async with create_test_app(["shop"], env={"SHOP_REGION": "en", "SHOP_KEY": "1"}) as app:
            assert {"SHOPPING": "a lot", "SHOP_REGION": "en", "SHOP_KEY": "1"} == app.get_plugin("shop").seen
        assert "cy" == os.environ["SHOP_REGION"]
        assert "SHOP_KEY" not in os.environ

    class TestMonkeypatch:
        def test_what_the_test_sets_counts(self, monkeypatch, request):
            monkeypatch.setenv("SHOP_REGION", "fr")
            assert "fr" == request.getfixturevalue("nexus_app").get_plugin("shop").seen["SHOP_REGION"]
"""


@pytest.fixture(autouse=True)
def _shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_REGION", "cy")
    monkeypatch.setenv("SHOPPING", "a lot")


def test_the_machines_variables_are_hidden_and_listed(repo: Repo) -> None:
    """What pytest was started with is none of the plugin's, what a test sets is; the header says what is hidden."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write("tests/test_it.py", TESTS)
    result = repo.run("-W", "error")
    assert {"passed": 5} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["nexus-testing: hidden from the plugins: SHOP_REGION; give them by *env=*"])
    assert "cy" == os.environ["SHOP_REGION"]


def test_nothing_is_said_where_nothing_is_hidden(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without such a variable the header has no such line."""
    monkeypatch.delenv("SHOP_REGION")
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write(
        "tests/test_it.py",
        "def test_it(nexus_app):\n    assert {'SHOPPING'} == set(nexus_app.get_plugin('shop').seen)\n",
    )
    result = repo.run()
    assert {"passed": 1} == result.parseoutcomes()
    result.stdout.no_fnmatch_line("*hidden from*")


def test_a_prefix_is_a_name_of_variables() -> None:
    """What cannot stand in a variable's name is an underscore."""
    assert "MY_FIRST_PLUGIN_" == prefix_of("my-first.plugin")


def test_leaving_twice_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody sets after the app's end stays."""
    environment = Environment({"SHOP_KEY": "1"}, {"SHOP_REGION": "cy"})
    environment.enter()
    environment.hide("shop")
    assert ("1", None) == (os.environ["SHOP_KEY"], os.environ.get("SHOP_REGION"))
    environment.leave()
    assert (None, "cy") == (os.environ.get("SHOP_KEY"), os.environ["SHOP_REGION"])
    monkeypatch.setenv("SHOP_KEY", "2")
    environment.leave()
    assert "2" == os.environ["SHOP_KEY"]
