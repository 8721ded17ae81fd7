"""The author's fixture `plugin` on the real framework, as the guide writes it."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

FIXTURE = """
    import pytest
    from nexus.testing import PluginTestCase
    from shop.plugin import ShopPlugin


    class TestShop(PluginTestCase):
        @pytest.fixture
        async def plugin(self):
            plugin = ShopPlugin()
{body}
"""


def write_test(repo: Repo, body: str, test: str) -> None:
    """Write a test class with a fixture `plugin` of that body, and a test."""
    repo.write("tests/test_shop.py", FIXTURE.format(body=indent(body, " " * 12) + "\n" + indent(test, " " * 8)))


GUIDE = "assert await plugin.initialize()\nyield plugin\nawait plugin.shutdown()"
GET = (
    "async def test_it(self, plugin, test_client, event_bus):\n"
    "    response = await test_client.get(self.app.url('shop', '/hello/Jo'))\n"
    "    assert response.json() == {'hello': 'Jo'}\n"
    "    event_bus.assert_published('shop.greeted', name='Jo')\n"
    "    assert self.app.get_plugin('shop') is plugin"
)


@pytest.mark.parametrize("body", [GUIDE, "return plugin", "yield plugin"])
def test_the_fixture_is_taken_in(repo: Repo, write_shop: Any, body: str) -> None:
    """It has its ports before initialize(), is loaded by the framework, and its routes are mounted."""
    write_shop("self.event_bus.subscribe('till.opened', print)", "self.event_bus.unsubscribe('till.opened', print)")
    write_test(repo, body, GET)
    result = repo.run(apart=True)
    result.assert_outcomes(passed=1)
    assert "NX106" not in result.stdout.str()


def test_an_error_is_the_plugins_own(repo: Repo, write_shop: Any) -> None:
    """What initialize() raises comes out of the fixture's own call."""
    write_shop("raise ValueError('no tills')")
    write_test(repo, GUIDE, GET)
    result = repo.run(apart=True)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*plugin.py:*: ValueError"])


def test_a_refusal_is_returned_and_refused(repo: Repo, write_shop: Any) -> None:
    """A fixture that does not look at the result has a test that fails all the same."""
    write_shop("return False")
    write_test(repo, "await plugin.initialize()\nyield plugin", GET)
    result = repo.run(apart=True)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*refused to start: initialize() returned None or False."])


def test_a_failing_shutdown_fails_the_test(repo: Repo, write_shop: Any) -> None:
    """What shutdown() raises comes out of the fixture's own call."""
    write_shop(shutdown="raise ValueError('stuck')")
    write_test(repo, GUIDE, GET)
    result = repo.run(apart=True)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*ValueError: stuck*"])


def test_a_port_that_the_fixture_replaces_stays_replaced(repo: Repo, write_shop: Any) -> None:
    """The framework gives a plugin its ports at the load; an author's mock is put back before initialize()."""
    write_shop("self.event_bus.subscribe('till.opened', print)")
    body = "from unittest.mock import Mock\nplugin.event_bus = Mock()\nassert await plugin.initialize()\nreturn plugin"
    test = (
        "async def test_it(self, plugin):\n"
        "    plugin.event_bus.subscribe.assert_called_once_with('till.opened', print)\n"
        "    assert plugin.service_registry is self.app.service_registry"
    )
    write_test(repo, body, test)
    repo.run(apart=True).assert_outcomes(passed=1)
