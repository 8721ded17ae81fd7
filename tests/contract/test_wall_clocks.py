"""One class for every engine that moves the wall clock, and a row for each thing in which they differ."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, date, datetime, timedelta
from datetime import datetime as bound_before
from time import monotonic as monotonic_bound_before
from time import time as time_bound_before

import freezegun
import pytest
import time_machine

from nexus_testing.clock import VirtualClock
from nexus_testing.clock.wall import ENGINES
from nexus_testing.errors import ClockError

pytestmark = pytest.mark.asyncio
START = datetime(2030, 1, 1, tzinfo=UTC)

DIFFERENCES = {
    "a name bound before to time.monotonic": {"time-machine": "real", "freezegun": "virtual"},
    "time.perf_counter": {"time-machine": "real", "freezegun": "virtual"},
    "time.time in a thread": {"time-machine": "virtual", "freezegun": "real"},
    "a zone with summer time": {"time-machine": "virtual", "freezegun": "refused"},
}


@pytest.fixture(name="wall", params=list(ENGINES))
def _wall(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestWallClocks:
    """What holds for each."""

    async def test_everything_shows_the_time(self, wall: str) -> None:
        """By whatever name it is asked, and by names bound before."""
        with VirtualClock(wall=wall) as clock:
            for _ in range(2):
                assert clock.now() == datetime.now(UTC) == bound_before.now(UTC)
                assert clock.time() == time.time() == time_bound_before() == time.time_ns() / 1e9
                assert clock.now().date() == date.today()
                assert clock.now().timetuple()[:6] == time.gmtime()[:6] == time.localtime()[:6]
                assert clock.now().replace(tzinfo=None) == datetime.now()
                await clock.advance(days=40, microseconds=1)

    async def test_each_jump_is_exact(self, wall: str) -> None:
        """To the microsecond, a thousand times."""
        with VirtualClock("2030-01-01T00:00:00.000001Z", wall=wall):
            for number in range(1, 1_001):
                await asyncio.sleep(0.000_003)
                assert START + timedelta(microseconds=1 + 3 * number) == datetime.now(UTC)

    async def test_the_machines_clock_is_given_back(self, wall: str) -> None:
        """And monotonic time, and the zone."""
        before = time.time(), time.monotonic(), time.tzname, time.time
        with VirtualClock(wall=wall):
            pass
        assert 0 <= time.time() - before[0] < 60
        assert 0 <= time.monotonic() - before[1] < 60
        assert (before[2], before[3]) == (time.tzname, time.time)

    async def test_ids_made_of_time_are_made_of_virtual_time(self, wall: str) -> None:
        """`uuid.uuid1()` tells when it was made."""
        with VirtualClock(wall=wall):
            at = (uuid.uuid1().time - 0x01B21DD213814000) / 1e7
            assert abs(at - START.timestamp()) < 1

    async def test_another_loop_goes_on(self, wall: str) -> None:
        """One in a thread sleeps in real time."""
        with VirtualClock(wall=wall):
            await asyncio.wait_for(asyncio.to_thread(asyncio.run, asyncio.sleep(0.01)), 60)

    async def test_a_foreign_freeze_time_changes_what_code_reads_and_nothing_else(self, wall: str) -> None:
        """Timers, the clock's own time, and what is after it are as without; monotonic time is virtual again."""
        with VirtualClock(wall=wall) as clock:
            with freezegun.freeze_time("2001-02-03"):
                assert datetime(2001, 2, 3) == datetime.now()
                await asyncio.sleep(60)
                assert START + timedelta(seconds=60) == clock.now()
                assert datetime(2001, 2, 3) == datetime.now()
                with pytest.raises(ClockError, match=r"under freezegun's freeze_time(?s:.*)travel_to\('2001-02-03"):
                    await clock.advance(seconds=1)
                with pytest.raises(ClockError, match="cannot be set under freezegun"):
                    clock.jump_wall(seconds=1)
            assert START + timedelta(seconds=60) == datetime.now(UTC)
            await clock.advance(seconds=1)
            assert START + timedelta(seconds=61) == datetime.now(UTC)
            assert clock.monotonic() == time.monotonic()

    async def test_the_differences(self, wall: str) -> None:
        """Each row of the table holds."""

        def moved(before: float, after: float) -> str:
            return "virtual" if after - before > 86_000 else "real"

        found: dict[str, str] = {}
        with VirtualClock(wall=wall) as clock:
            monotonic, counter = monotonic_bound_before(), time.perf_counter()
            await clock.advance(days=1)
            found["a name bound before to time.monotonic"] = moved(monotonic, monotonic_bound_before())
            found["time.perf_counter"] = moved(counter, time.perf_counter())
            there = await asyncio.to_thread(lambda: time.time())  # noqa: PLW0108 - its name is looked up there
            found["time.time in a thread"] = "virtual" if clock.time() == there else "real"
        try:
            with VirtualClock(tz="Europe/Berlin", wall=wall):
                found["a zone with summer time"] = "virtual"
        except ClockError as error:
            assert "no time zone 'Europe/Berlin'" in str(error)  # noqa: PT017 - one of the engines raises
            found["a zone with summer time"] = "refused"
        assert {row: column[wall] for row, column in DIFFERENCES.items()} == found


async def test_a_foreign_travel_changes_what_code_reads_and_nothing_else() -> None:
    """As freeze_time, under the default engine."""
    with VirtualClock() as clock:
        with time_machine.travel(datetime(2001, 2, 3, tzinfo=UTC), tick=False):
            assert datetime(2001, 2, 3, tzinfo=UTC) == datetime.now(UTC)
            await asyncio.sleep(60)
            assert START + timedelta(seconds=60) == clock.now()
            with pytest.raises(ClockError, match=r"under time_machine's travel(?s:.*)2001-02-03"):
                await clock.settle()
        await clock.advance(seconds=1)
        assert START + timedelta(seconds=61) == datetime.now(UTC)


async def test_the_clock_does_not_start_under_freeze_time() -> None:
    """The error says how to choose the start instead, and nothing is left of the attempt."""
    with freezegun.freeze_time("2001-02-03"), pytest.raises(ClockError, match="under freezegun's freeze_time"):
        VirtualClock().__enter__()
    with VirtualClock():
        pass


async def test_without_a_virtual_clock_they_work_as_always() -> None:
    """A name of freezegun's, and one of time-machine's."""
    with freezegun.freeze_time("2001-02-03"):
        assert datetime(2001, 2, 3) == datetime.now()
    with time_machine.travel(datetime(2001, 2, 3, tzinfo=UTC), tick=False):
        assert datetime(2001, 2, 3, tzinfo=UTC) == datetime.now(UTC)
