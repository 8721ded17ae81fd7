"""The fixture and the mark `nexus_clock`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

PLUGIN = """
    from datetime import datetime
    from nexus.plugins import BasePlugin

    class ShopPlugin(BasePlugin):
        async def initialize(self):
            self.started = datetime.now()
            return True
    """


@pytest.fixture(name="shop")
def _shop(repo: Repo) -> Repo:
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    return repo


@pytest.mark.parametrize("arguments", ["nexus_app, nexus_clock", "nexus_clock, nexus_app", "thing, nexus_clock"])
def test_the_app_starts_after_the_clock(shop: Repo, arguments: str) -> None:
    """Whatever the order of the arguments, and whoever asks for the app."""
    shop.write(
        "tests/test_it.py",
        f"""
        from datetime import datetime
        import pytest

        @pytest.fixture(autouse=True)
        def early(request):
            assert datetime.now().year == 2030

        @pytest.fixture
        def thing(nexus_app):
            return nexus_app

        async def test_it({arguments}, nexus_journal, request):
            app = request.getfixturevalue("nexus_app")
            assert app.get_plugin("shop").started == datetime(2030, 1, 1)
            assert {{record.at for record in nexus_journal}} == {{datetime(2030, 1, 1).timestamp()}}
            await nexus_clock.advance(days=1)
            await app.event_bus.publish("closing", {{}})
            assert app.event_bus.assert_published("closing").at == datetime(2030, 1, 2).timestamp()
        """,
    )
    shop.run().assert_outcomes(passed=1)


def test_the_mark_says_how_the_clock_begins(shop: Repo) -> None:
    """It stands for the fixture where nobody asks for that; the nearest one holds."""
    shop.write(
        "tests/test_it.py",
        """
        import asyncio
        from datetime import datetime, UTC
        import pytest

        pytestmark = pytest.mark.nexus_clock(start="2031-02-03T04:05:06+00:00")

        async def test_the_files(test_client):
            assert datetime.now() == datetime(2031, 2, 3, 4, 5, 6)

        @pytest.mark.nexus_clock(start=datetime(2032, 7, 1, tzinfo=UTC), tz="Europe/Berlin", autojump=False)
        async def test_its_own(nexus_clock):
            assert datetime.now() == datetime(2032, 7, 1, 2)
            task = asyncio.create_task(asyncio.sleep(60))
            await nexus_clock.advance(minutes=1)
            assert task.done()

        def test_a_plain_function(nexus_clock):
            assert datetime.now() == datetime(2031, 2, 3, 4, 5, 6) == nexus_clock.now().replace(tzinfo=None)
        """,
    )
    shop.run().assert_outcomes(passed=3)


def test_a_marked_coroutine_needs_nothing_else(repo: Repo) -> None:
    """No plugin, no fixture, no mark of pytest-asyncio's."""
    repo.write(
        "test_it.py",
        """
        import asyncio, datetime, pytest

        @pytest.mark.nexus_clock
        async def test_it():
            await asyncio.sleep(86_400)
            assert datetime.datetime.now() == datetime.datetime(2030, 1, 2)
        """,
    )
    repo.run().assert_outcomes(passed=1)


def test_other_tests_are_in_real_time(shop: Repo) -> None:
    """Before and after one in virtual time, on a loop that they share."""
    shop.write(
        "tests/test_it.py",
        """
        import asyncio, datetime, time
        import pytest

        pytestmark = pytest.mark.asyncio(loop_scope="module")
        this_year = datetime.datetime.now().year

        async def test_before():
            assert datetime.datetime.now().year == this_year

        async def test_virtual(nexus_clock):
            await nexus_clock.advance(days=400)
            assert datetime.datetime.now().year == 2031

        async def test_after(nexus_app):
            started = time.perf_counter()
            await asyncio.sleep(0.01)
            assert time.perf_counter() - started > 0.009
            assert datetime.datetime.now().year == this_year
            assert nexus_app.get_plugin("shop").started.year == this_year
        """,
    )
    shop.run().assert_outcomes(passed=3)


def test_fixtures_that_live_longer_are_in_real_time(shop: Repo) -> None:
    """A fixture of the module is made before the clock of its first test."""
    shop.write(
        "tests/test_it.py",
        """
        import datetime
        import pytest

        @pytest.fixture(scope="module")
        def made():
            return datetime.datetime.now()

        async def test_it(nexus_clock, made):
            assert made < datetime.datetime(2030, 1, 1) == datetime.datetime.now()
        """,
    )
    shop.run().assert_outcomes(passed=1)


def test_a_test_that_waits_for_ever_fails_at_its_line(shop: Repo) -> None:
    """The error stands in the test, and the app is shut down after it."""
    shop.write(
        "tests/test_it.py",
        """
        import asyncio
        import pytest

        @pytest.mark.nexus_clock(autojump=False)
        async def test_it(nexus_app):
            await asyncio.sleep(5)

        async def test_next(nexus_app):
            assert nexus_app.is_running
        """,
    )
    result = shop.run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Stalled: The test waits*", "*where: *test_it.py:6 in test_it*"])


def test_a_performance_test_refuses_it(shop: Repo) -> None:
    """What it measures is real time."""
    shop.write(
        "tests/test_it.py",
        """
        from nexus_testing import PerformanceTest

        class TestSpeed(PerformanceTest):
            async def test_it(self, nexus_clock):
                pass
        """,
    )
    result = shop.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ClockError: TestSpeed measures how long things take*", "*where: *test_it.py:4*"])


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("begin='2030-01-01T00:00:00Z'", "cannot have begin"),
        ("starts='2030-01-01T00:00:00Z'", "Did you mean 'start'"),
        ("'2030-01-01T00:00:00Z'", "cannot have arguments without a name"),
        ("start='2030-01-01'", "a time without a zone"),
        ("tz='Mars'", "no time zone 'Mars'"),
    ],
)
def test_a_wrong_mark_is_refused(shop: Repo, mark: str, message: str) -> None:
    """At the test that has it."""
    shop.write(
        "tests/test_it.py",
        f"""
        import pytest

        @pytest.mark.nexus_clock({mark})
        async def test_it(nexus_app):
            pass
        """,
    )
    result = shop.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{message}*"])


def test_the_engine_is_an_option(shop: Repo) -> None:
    """Freezegun moves the wall clock where the configuration says so; another name ends the run."""
    shop.write(
        "tests/test_it.py",
        """
        import datetime

        async def test_it(nexus_clock, nexus_app):
            assert datetime.datetime.__name__ == "FakeDatetime"
            await nexus_clock.advance(days=1)
            assert datetime.datetime.now() == datetime.datetime(2030, 1, 2)
        """,
    )
    shop.run("-o", "nexus_wall_clock=freezegun").assert_outcomes(passed=1)
    result = shop.run("-o", "nexus_wall_clock=sundial")
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["*nexus_wall_clock = 'sundial'*Valid: time-machine, freezegun*"])


def test_anyio_runs_it_too(shop: Repo) -> None:
    """Its pytest plugin runs test and fixtures on one loop; trio has none that the clock could take over."""
    shop.write(
        "tests/test_it.py",
        """
        import anyio, datetime, pytest

        @pytest.mark.anyio
        async def test_it(nexus_clock):
            await anyio.sleep(3600)
            await nexus_clock.advance(hours=1)
            assert datetime.datetime.now() == datetime.datetime(2030, 1, 1, 2)

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
        """,
    )
    shop.run().assert_outcomes(passed=1)
