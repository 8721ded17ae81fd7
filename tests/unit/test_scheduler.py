"""Background tasks on a virtual clock: at their exact instants, in order, and the same each time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from nexus_testing import create_test_app
from nexus_testing.app import App
from nexus_testing.clock import VirtualClock
from nexus_testing.errors import ScheduleAssertionError, ScheduleError
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.nexus.tasks import BackgroundTask, Schedule
from nexus_testing.records import JobRun

pytestmark = pytest.mark.asyncio

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2030, 1, 1, tzinfo=UTC)


class Scheduled(BasePlugin):
    """The guide's plugin with background tasks."""

    def __init__(self) -> None:
        self.name = "scheduled"
        self.cleaned: list[datetime] = []
        self.synced: list[datetime] = []

    async def initialize(self) -> bool:
        self.task_manager.register_task(
            BackgroundTask(
                name="cleanup_old_data", handler=self.cleanup_old_data, schedule=Schedule.daily(hour=2, minute=0)
            )
        )
        self.task_manager.register_task(
            BackgroundTask(name="sync_data", handler=self.sync_data, schedule=Schedule.every_minutes(15))
        )
        return True

    async def cleanup_old_data(self) -> None:
        self.cleaned.append(datetime.now())

    async def sync_data(self) -> None:
        self.synced.append(datetime.now())


async def scheduled(clock: VirtualClock, schedule: Schedule, for_: timedelta, **options: Any) -> list[str]:
    """Return the times at which a task ran, in the clock's zone."""
    times: list[str] = []

    async def note() -> None:
        times.append(clock.now().isoformat())

    async with create_test_app() as app:
        app.task_manager.register_task(BackgroundTask("note", note, schedule, **options))
        app.task_manager.activate(None)
        await clock.advance(for_)
    return times


# -- the guide's example -------------------------------------------------------------------------------------------


async def test_thirty_days_of_the_guides_tasks() -> None:
    """2,910 runs, each at its exact instant, each on record."""
    with VirtualClock() as clock:
        async with create_test_app([Scheduled]) as app:
            await clock.advance(days=30)
            plugin = app.get_plugin("scheduled")
            start = START.replace(tzinfo=None)
            assert [start + timedelta(minutes=15 * number) for number in range(1, 2881)] == plugin.synced
            assert [start + timedelta(days=number, hours=2) for number in range(30)] == plugin.cleaned
            runs = app.journal.of(JobRun)
            assert 2910 == len(runs)
            assert sorted(run.at for run in runs) == [run.at for run in runs]
            app.task_manager.assert_ran("sync_data", times=2880)
            app.task_manager.assert_ran("cleanup_old_data", times=30, plugin="scheduled")


# -- schedules -----------------------------------------------------------------------------------------------------


async def test_cron_runs_when_cron_would() -> None:
    """At each quarter of working hours, on working days."""
    with VirtualClock() as clock:
        times = await scheduled(clock, Schedule.cron("*/30 8-9 * * MON-FRI"), timedelta(days=7))
    # The first of January 2030 is a Tuesday.
    days = ("01", "02", "03", "04", "07")
    assert [
        f"2030-01-{day}T{hour}:{minute}:00+00:00" for day in days for hour in ("08", "09") for minute in ("00", "30")
    ] == times


async def test_once_runs_once() -> None:
    """At its moment; at once, if that is over."""
    with VirtualClock() as clock:
        assert ["2030-01-01T00:30:00+00:00"] == await scheduled(
            clock, Schedule.once("2030-01-01T01:30:00+01:00"), timedelta(days=3)
        )
    with VirtualClock() as clock:
        assert ["2030-01-01T00:00:00+00:00"] == await scheduled(
            clock, Schedule.once(datetime(2020, 1, 1, tzinfo=UTC)), timedelta(1)
        )


async def test_a_clock_in_a_zone_makes_its_days() -> None:
    """Summer time moves the run by an hour of UTC, and not on the wall."""
    with VirtualClock(start="2030-03-30T00:00", tz="Europe/Berlin") as clock:
        assert ["2030-03-30T12:00:00+01:00", "2030-03-31T12:00:00+02:00"] == await scheduled(
            clock, Schedule.daily(hour=12), timedelta(days=2)
        )


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2030-03-30T12:00:00+01:00", ["2030-03-31T03:00:00+02:00", "2030-04-01T02:30:00+02:00"]),
        ("2030-10-26T12:00:00+02:00", ["2030-10-27T02:30:00+02:00", "2030-10-28T02:30:00+01:00"]),
    ],
)
async def test_times_that_are_skipped_or_come_twice(start: str, expected: list[str]) -> None:
    """One in the gap comes with the first that there is, one in the fold comes once."""
    with VirtualClock(start=start, tz="Europe/Berlin") as clock:
        assert expected == await scheduled(clock, Schedule.daily(hour=2, minute=30), timedelta(days=2))


async def test_a_zone_of_its_own_counts_more() -> None:
    """A task in Berlin runs by the clock of Berlin, wherever the app is."""
    with VirtualClock(start="2030-07-01T00:00:00Z") as clock:
        assert ["2030-07-01T07:00:00+00:00"] == await scheduled(
            clock, Schedule.daily(hour=9, tz="Europe/Berlin"), timedelta(days=1)
        )
    assert "daily at 09:00 Europe/Berlin" == str(Schedule.daily(hour=9, tz=BERLIN))


async def test_lateness_follows_from_its_seed() -> None:
    """The same on each day, differently for each run, never more than was said, and the grid stays."""
    runs = []
    for seed in (1, 1, 2):
        with VirtualClock() as clock:
            runs.append(
                await scheduled(clock, Schedule.every_hours(1).jittered(600, seed=seed), timedelta(hours=5, minutes=30))
            )
    assert runs[0] == runs[1] != runs[2]
    late = [datetime.fromisoformat(one) - START - timedelta(hours=number) for number, one in enumerate(runs[0], 1)]
    assert 5 == len(late) == len(set(late))
    assert all(timedelta() < one < timedelta(minutes=10) for one in late)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Schedule.cron("0 0 31 2 *"), "this one never comes"),
        (lambda: Schedule.cron("61 * * * *"), "Bad minute"),
        (lambda: Schedule.cron("* * *"), "five fields"),
        (lambda: Schedule.cron(5), "five fields"),  # type: ignore[arg-type]
        (lambda: Schedule.daily(hour=25), "a whole number from 0 to 23"),
        (lambda: Schedule.every_seconds(0), "a number greater than 0"),
        (lambda: Schedule.daily(tz="Europe/Berln"), "the name of a zone"),
        (lambda: Schedule.daily(tz=7), "a zone or its name"),  # type: ignore[arg-type]
        (lambda: Schedule.once("tomorrow"), "a time such as"),
        (lambda: Schedule.once(datetime(2030, 1, 1)), "with a zone"),
        (lambda: Schedule.every_hours(1).jittered(-1), "a number greater than 0"),
    ],
)
async def test_schedules_that_cannot_be(make: Callable[[], Schedule], said: str) -> None:
    """Each says what it may be."""
    with pytest.raises(ScheduleError, match=r"cannot have") as raised:
        make()
    assert said in str(raised.value)


async def test_setting_the_wall_clock_changes_no_interval() -> None:
    """An hour stays an hour; a day begins when the wall clock says so."""
    times: list[float] = []
    with VirtualClock() as clock:
        begun = clock.monotonic()

        async def note() -> None:
            times.append(clock.monotonic() - begun)

        async with create_test_app() as app:
            app.task_manager.register_task(BackgroundTask("note", note, Schedule.every_hours(1)))
            app.task_manager.activate(None)
            await clock.advance(minutes=90)
            clock.jump_wall(hours=-5)
            await clock.advance(hours=1)
            clock.jump_wall(days=3)
            await clock.advance(hours=1)
    assert [3600, 7200, 10800] == times


# -- runs ----------------------------------------------------------------------------------------------------------


def failing(times: int) -> tuple[list[int], Callable[[], Awaitable[None]]]:
    """Return a handler that fails some times, and what counts its calls."""
    calls: list[int] = []

    async def handler() -> None:
        calls.append(len(calls) + 1)
        if len(calls) <= times:
            raise ValueError(f"try {len(calls)}")

    return calls, handler


async def test_a_run_that_fails_is_tried_again() -> None:
    """After one second, then two, then four; then the next run comes at its time."""
    with VirtualClock() as clock:
        async with create_test_app() as app:
            _, handler = failing(5)
            app.task_manager.register_task(
                BackgroundTask("sync", handler, Schedule.every_minutes(1), retries=3)  # type: ignore[arg-type]
            )
            app.task_manager.activate(None)
            await clock.advance(minutes=2, seconds=30)
            runs = app.task_manager.runs("sync")
            start = START.timestamp()
            assert [(60, 1), (61, 2), (63, 3), (67, 4), (120, 1), (121, 2)] == [
                (run.at - start, run.attempt) for run in runs
            ]
            assert [f"try {number}" for number in range(1, 6)] == [str(error) for error in app.task_manager.errors]


async def test_a_run_has_a_limit() -> None:
    """On the virtual clock; the task is cancelled where it waits."""
    with VirtualClock() as clock:
        async with create_test_app() as app:

            async def hang() -> None:
                await asyncio.sleep(3600)

            app.task_manager.register_task(BackgroundTask("sync", hang, Schedule.every_minutes(1), timeout=10))
            app.task_manager.activate(None)
            await clock.advance(seconds=71)
            assert [TimeoutError] == [type(error) for error in app.task_manager.errors]
            assert START.timestamp() + 60 == app.task_manager.runs("sync")[0].at


async def test_a_task_that_takes_long_does_not_overlap() -> None:
    """The times that go by meanwhile are left out."""
    with VirtualClock() as clock:
        async with create_test_app() as app:
            begun: list[float] = []

            async def slow() -> None:
                begun.append(clock.time() - START.timestamp())
                await asyncio.sleep(150)

            app.task_manager.register_task(BackgroundTask("sync", slow, Schedule.every_minutes(1)))
            app.task_manager.activate(None)
            await clock.advance(minutes=8)
    assert [60, 240, 420] == begun


async def test_a_paused_task_lets_its_times_go_by() -> None:
    """And stays on its grid."""
    with VirtualClock() as clock:
        async with create_test_app([Scheduled]) as app:
            await clock.advance(minutes=20)
            app.task_manager.pause("sync_data")
            await clock.advance(minutes=60)
            app.task_manager.assert_ran("sync_data", times=1)
            await app.task_manager.run_now("sync_data")
            app.task_manager.resume("sync_data")
            await clock.advance(minutes=10)
            app.task_manager.assert_ran("sync_data", times=3)
            with pytest.raises(ScheduleError, match="Did you mean 'sync_data'"):
                app.task_manager.pause("sync_dta")


async def test_tasks_stop_with_their_plugin() -> None:
    """A run that is on is cancelled, and none comes later."""
    with VirtualClock() as clock:
        async with create_test_app([Scheduled]) as app:
            plugin = app.get_plugin("scheduled")
            await clock.advance(minutes=20)
            await app.disable_plugin("scheduled")
            await clock.advance(days=1)
            assert 1 == len(plugin.synced)
            await app.enable_plugin("scheduled")
            await clock.advance(minutes=20)
            assert 2 == len(plugin.synced)
            await app.unload_plugin("scheduled")
            await clock.advance(days=1)
            assert 2 == len(plugin.synced)


async def test_a_job_that_outlives_its_plugin_is_named() -> None:
    """One that catches its cancellation does not keep the app from ending."""
    with VirtualClock() as clock:
        app = create_test_app()

        async def stubborn() -> None:
            for _ in range(3):
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    continue

        async with app:
            app.task_manager.register_task(BackgroundTask("sync", stubborn, Schedule.every_minutes(1)))
            app.task_manager.activate(None)
            await clock.advance(minutes=2)
            with pytest.raises(
                ScheduleError, match=r"'nexus task sync' did not end within 5 s of being cancelled"
            ) as raised:
                await app.task_manager.stop(None)
        assert "stubborn" in str(raised.value.where)
        await clock.advance(days=1)


@pytest.mark.parametrize(
    "options",
    [{"retries": -1}, {"retries": 1.5}, {"backoff": 0}, {"timeout": float("nan")}, {"timeout": "5"}, {"backoff": True}],
)
async def test_numbers_of_a_task_that_cannot_be(options: dict[str, Any]) -> None:
    """Each is named."""

    async def handler() -> None:
        """Do nothing."""

    with pytest.raises(ScheduleError, match=f"cannot have {next(iter(options))}="):
        BackgroundTask("sync", handler, Schedule.hourly(), **options)


# -- assertions ----------------------------------------------------------------------------------------------------


async def test_assertions_say_what_ran() -> None:
    """How often, when, and what was meant by a name that nearly fits."""
    with VirtualClock() as clock:
        async with create_test_app([Scheduled]) as app:
            tasks = app.task_manager
            tasks.assert_not_ran("sync_data")
            await clock.advance(hours=3)
            assert 12 == len(tasks.assert_ran("sync_data"))
            with pytest.raises(ScheduleAssertionError, match=r"ran 12 times, not 13 times\.(?s:.*)… 4 before"):
                tasks.assert_ran("sync_data", times=13)
            with pytest.raises(ScheduleAssertionError, match=r"ran 0 times, not at all(?s:.*)Did you mean 'sync_data'"):
                tasks.assert_ran("sync_dat")
            with pytest.raises(ScheduleAssertionError, match="ran 1 times, not 0 times"):
                tasks.assert_not_ran("cleanup_old_data")
            with pytest.raises(AssertionError):
                tasks.assert_ran("sync_data", plugin="other")


# -- the same each time --------------------------------------------------------------------------------------------


async def _interleaved() -> list[tuple[float, str]]:
    with VirtualClock() as clock:
        async with create_test_app() as app:
            await _register_ten(app)
            await clock.advance(minutes=3)
            return [(run.at, run.name) for run in app.journal.of(JobRun)]


async def _register_ten(app: App) -> None:
    async def work() -> None:
        await asyncio.sleep(0.25)

    for number in range(10):
        schedule = Schedule.every_seconds(1 + number / 10)
        app.task_manager.register_task(BackgroundTask(f"task {number}", work, schedule.jittered(0.5, seed=number)))
    app.task_manager.activate(None)


async def test_ten_timers_run_the_same_each_time() -> None:
    """One journal, however often; NEXUS_REPETITIONS says how often, 50 by default."""
    first = await _interleaved()
    assert 1000 < len(first)
    for _ in range(int(os.environ.get("NEXUS_REPETITIONS", "50")) - 1):
        again = await _interleaved()
        assert [] == [pair for pair in zip(first, again, strict=False) if pair[0] != pair[1]][:3]
        assert len(first) == len(again)
