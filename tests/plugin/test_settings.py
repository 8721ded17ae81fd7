"""Ini options and command-line options: what holds, and what is not valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

PLUGIN = """
    from nexus.plugins import BasePlugin

    MAILER = object()


    class ShopPlugin(BasePlugin):
        async def initialize(self):
            return True
"""


@pytest.fixture(name="shop")
def _shop(repo: Repo) -> Repo:
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    return repo


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("nexus_drain_timeout=nan", "nexus_drain_timeout = 'nan' in pytest's configuration is not valid"),
        ("nexus_drain_timeout=inf", "a number of seconds, 0 for no limit"),
        ("nexus_hook_timeout=", "nexus_hook_timeout = '' in pytest's configuration is not valid"),
        ("nexus_plugin_config=7", 'a JSON object, such as {"database": {}}'),
        ("nexus_plugin_config={'a': 1}", "a JSON object (this is none: Expecting property name"),
        ("nexus_stubs=auth=", "lines of the form name = version"),
        ("nexus_stubs==1.0", "lines of the form name = version"),
        ("nexus_services=mailer=:thing", "lines of the form name = module:object"),
    ],
)
def test_a_value_that_is_not_valid(shop: Repo, option: str, message: str) -> None:
    """The run stops before it starts, with the option, its value and what would be valid."""
    result = shop.run("-o", option, apart=True)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    assert message in result.stderr.str()


def test_a_backend_on_the_command_line_that_there_is_not(shop: Repo) -> None:
    """The command line is held to the same list."""
    result = shop.run("--nexus-backend", "docker", apart=True)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    assert "invalid choice: 'docker'" in result.stderr.str()


@pytest.mark.parametrize(
    ("place", "reason"),
    [("no_such_module:thing", "No module named 'no_such_module'"), ("json:nothing", "has no attribute 'nothing'")],
)
def test_a_service_that_cannot_be_found(shop: Repo, place: str, reason: str) -> None:
    """It is an error of the tests that ask for an app, with the line of the configuration; others pass."""
    shop.write("tests/test_it.py", "def test_it(nexus_app):\n    pass\n\n\ndef test_other():\n    pass\n")
    result = shop.run("-p", "no:cacheprovider", "-o", f"nexus_services=mailer={place}")
    assert {"passed": 1, "errors": 1} == result.parseoutcomes()
    text = result.stdout.str()
    assert f"nexus_services in pytest's configuration: mailer = {place} cannot be found: " in text
    assert reason in text


def test_values_that_are_valid(shop: Repo) -> None:
    """Limits of 0 are none, and services come from where their line says, however deep."""
    shop.write(
        "pytest.ini",
        """
        [pytest]
        nexus_drain_timeout = 0
        nexus_hook_timeout = 0
        nexus_services =
            join = os:path.join
            mailer = shop.plugin:MAILER
        nexus_stubs = auth = 2.0
        """,
    )
    shop.write(
        "tests/test_it.py",
        """
        import os

        from nexus_testing.defaults import current
        from shop.plugin import MAILER

        async def test_it(nexus_app, service_registry):
            assert (None, None) == (current().limits.drain, current().limits.hook)
            assert service_registry.get("join") is os.path.join
            assert service_registry.get("mailer") is MAILER
        """,
    )
    assert {"passed": 1} == shop.run("-p", "no:cacheprovider").parseoutcomes()
