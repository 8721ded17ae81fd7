"""The one release that is known, whole; anything else is named with the line that installs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nexus_testing.app import create_test_app
from nexus_testing.errors import BackendError, ConfigurationError, NotOnBackend

if TYPE_CHECKING:
    from tests.conftest import Repo


def other_release(repo: Repo, version: str) -> None:
    """Make another release count as installed."""
    folder = repo.distribution("nexus-platform")
    (folder / "nexus_platform-1.0.dist-info/METADATA").write_text(f"Name: nexus-platform\nVersion: {version}\n")


def test_another_release_is_refused(repo: Repo) -> None:
    """The error names both and the line that installs the one; nothing of the framework is imported."""
    other_release(repo, "0.1.6")
    with pytest.raises(BackendError, match=r"nexus-platform 0\.1\.6 is installed(.|\n)*nexus-platform==0\.1\.5"):
        create_test_app(backend="platform")


def test_another_release_fails_tests_and_not_the_run(repo: Repo) -> None:
    """A test that makes no app passes."""
    other_release(repo, "0.1.6")
    repo.manifest()
    repo.write("plugin.py")
    repo.write("tests/test_shop.py", "def test_a():\n    pass\n\nasync def test_b(nexus_app):\n    pass\n")
    result = repo.run(apart=True)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*BackendError: nexus-platform 0.1.6 is installed*drives 0.1.5 and no other.", "*fix:*"]
    )


@pytest.mark.parametrize(
    ("init", "text"),
    [
        ("raise OSError('half a wheel')", "cannot be imported: OSError: half a wheel"),
        ("__version__ = '0.1.4'\nfrom . import auth, core, database, plugins", "nexus-platform 0.1.4 is installed"),
        ("__version__ = '0.1.5'\nfrom . import auth, core, database, plugins", r"lacks nexus\.auth\._auth_manager"),
    ],
)
def test_a_broken_framework_is_named(repo: Repo, init: str, text: str) -> None:
    """It can be importable and yet not what its distribution says: the error is the cause, or names what is missing."""
    site = repo.distribution("nexus-platform")
    (site / "nexus_platform-1.0.dist-info/METADATA").write_text("Name: nexus-platform\nVersion: 0.1.5\n")
    (site / "nexus").mkdir()
    (site / "nexus/__init__.py").write_text(init)
    for module in ("auth", "core", "database", "plugins"):
        (site / f"nexus/{module}.py").touch()
    repo.write(
        "make.py",
        "from nexus_testing.app import create_test_app\n\ntry:\n    create_test_app(backend='platform')\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n",
    )
    repo.python("make.py").stdout.re_match_lines([f"BackendError .*{text}"])


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"platform": {"profil": "connected"}}, "'profil'(.|\n)*Did you mean 'profile'"),
        ({"platform": {"profile": "shipped"}}, "'shipped'(.|\n)*Did you mean 'as_shipped'"),
        ({"platform": {"chdir": "yes"}}, "chdir = 'yes'"),
        ({"database": {"type": "postgresql"}}, "memory, sqlite, mongodb"),
        ({"database": {"url": "postgresql://"}}, "'url' that means nothing"),
    ],
)
def test_configuration_that_means_nothing_is_refused(config: dict[str, Any], text: str) -> None:
    """Each is an error of ours that names the value and what there is."""
    with pytest.raises(ConfigurationError, match=text):
        create_test_app(config=config, backend="platform")


def test_the_other_framework_is_refused_in_this_process() -> None:
    """Which of the two plugins import is decided once."""
    with pytest.raises(BackendError, match="stands for nexus-platform in this process"):
        create_test_app(backend="embedded")


@pytest.mark.parametrize("config", [{"auth": {"token_lifetime": 1}}, {"plugins": {"shop": {"a": 1}}}])
def test_what_only_the_other_framework_has_is_said_by_name(config: dict[str, Any]) -> None:
    """Nothing is dropped without a word."""
    with pytest.raises(NotOnBackend, match="nexus-platform"):
        create_test_app(config=config, backend="platform")


def test_a_test_file_that_cannot_import_the_plugin(repo: Repo) -> None:
    """Collection ends with Python's own error, and the summary has the finding."""
    repo.manifest()
    repo.write("plugin.py", "from nexus.plugins.categories import BusinessPlugin\n")
    repo.write("tests/test_shop.py", "from shop.plugin import BusinessPlugin\n")
    result = repo.run(apart=True)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*ModuleNotFoundError: No module named 'nexus.plugins.categories'*", "NX801 warning: *"]
    )


def test_virtual_time_is_the_frameworks_too(repo: Repo) -> None:
    """What a handler waits for comes when the test says so; records are in virtual time."""
    repo.manifest()
    repo.write("plugin.py")
    repo.write(
        "tests/test_shop.py",
        """
        import asyncio

        import pytest


        @pytest.fixture
        def nexus_plugins():
            return []


        async def test_an_hour_passes(nexus_clock, nexus_app, event_bus):
            async def close(event):
                await asyncio.sleep(3600)
                await event_bus.publish("shop.closed", {})

            event_bus.subscribe("shop.opened", close)
            await event_bus.publish("shop.opened", {})
            await nexus_clock.advance(hours=1)
            await event_bus.drain()
            opened, closed = event_bus.assert_sequence("shop.opened", "shop.closed")
            assert closed.at - opened.at == 3600
        """,
    )
    repo.run(apart=True).assert_outcomes(passed=1)


def test_shared_apps_are_refused_by_name(repo: Repo) -> None:
    """There is no way back for the parts of the framework."""
    repo.manifest()
    repo.write("plugin.py")
    repo.write(
        "tests/test_shop.py",
        """
        import pytest


        @pytest.fixture(scope="session")
        def nexus_plugins():
            return []


        async def test_it(nexus_app_module):
            pass
        """,
    )
    result = repo.run(apart=True)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*nexus-platform does not have a way back for a shared app.*"])
