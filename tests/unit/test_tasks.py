"""Background tasks and their schedules."""

from __future__ import annotations

import asyncio
import functools
import logging
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock

import pytest
import pytest_asyncio

from nexus_testing.errors import ScheduleError
from nexus_testing.nexus.context import Activity, activity, who
from nexus_testing.nexus.tasks import BackgroundTask, Schedule, TaskManager
from nexus_testing.records import JobRun, Journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from nexus_testing.nexus.handles import Handle

START = datetime(2030, 1, 1, tzinfo=UTC)
"""A Tuesday, at midnight."""


class FakeClock:
    """A clock that moves when the test says so, and wakes the sleepers in order."""

    zone = UTC

    def __init__(self) -> None:
        self._now = START
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def time(self) -> float:
        return self._now.timestamp()

    def monotonic(self) -> float:
        return self.time()

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + timedelta(seconds=seconds), future))
        await future

    async def advance(self, **delta: float) -> None:
        target = self._now + timedelta(**delta)
        await settled()
        while due := [one for one in self._sleepers if one[0] <= target and not one[1].done()]:
            first = min(due, key=lambda one: one[0])
            self._sleepers.remove(first)
            self._now = max(self._now, first[0])
            first[1].set_result(None)
            await settled()
        self._now = target


class FakeKernel:
    """What the task manager asks of an app."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal = Journal()
        self.handles: list[Handle] = []
        self.owner: str | None = None

    def own(self, handle: Handle) -> None:
        self.handles.append(handle)

    def disown(self, handle: Handle) -> None:
        if handle in self.handles:
            self.handles.remove(handle)

    def owner_of(self, _function: object) -> str | None:
        return self.owner


class App:
    """A task manager with its kernel, and a handler that notes when it ran."""

    def __init__(self) -> None:
        self.kernel = FakeKernel()
        self.clock = self.kernel.clock
        self.tasks = TaskManager(self.kernel)  # type: ignore[arg-type]
        self.runs: list[datetime] = []
        self.error: BaseException | None = None

    async def handler(self) -> str:
        self.runs.append(self.clock.now())
        if self.error is not None:
            raise self.error
        return "done"

    def register(self, name: str = "job", schedule: Schedule | None = None, handler: Any = None) -> Handle:
        return self.tasks.register_task(
            BackgroundTask(name, handler or self.handler, schedule or Schedule.every_minutes(15))
        )

    @property
    def minutes(self) -> list[float]:
        return [(one - START) / timedelta(minutes=1) for one in self.runs]


async def settled() -> None:
    """Let every task run as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


@contextmanager
def acting_as(plugin: str | None) -> Iterator[None]:
    """Let the block's code count as the plugin's."""
    token = activity.set(Activity("hook", None, plugin))
    try:
        yield
    finally:
        activity.reset(token)


@pytest_asyncio.fixture(name="app")
async def _app() -> AsyncIterator[App]:
    app = App()
    yield app
    await app.tasks.shutdown()


# -- schedules ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "now", "expected"),
    [
        (Schedule.every_seconds(0.5), "2030-01-01T00:00:00.2", "2030-01-01T00:00:00.5"),
        (Schedule.every_minutes(15), "2030-01-01T00:00:00", "2030-01-01T00:15:00"),
        (Schedule.every_minutes(15), "2030-01-01T00:15:00", "2030-01-01T00:30:00"),
        (Schedule.every_minutes(15), "2030-01-01T00:44:59", "2030-01-01T00:45:00"),
        (Schedule.every_minutes(15), "2029-12-31T23:00:00", "2030-01-01T00:15:00"),
        (Schedule.every_hours(5), "2030-01-01T23:00:00", "2030-01-02T01:00:00"),
        (Schedule.hourly(), "2030-01-01T00:00:00", "2030-01-01T01:00:00"),
        (Schedule.hourly(minute=30), "2030-01-01T23:30:00", "2030-01-02T00:30:00"),
        (Schedule.daily(hour=2, minute=0), "2030-01-01T01:59:59", "2030-01-01T02:00:00"),
        (Schedule.daily(hour=2, minute=0), "2030-01-01T02:00:00", "2030-01-02T02:00:00"),
        (Schedule.daily(), "2030-12-31T12:00:00", "2031-01-01T00:00:00"),
        (Schedule.weekly("tuesday", 12, 30), "2030-01-01T12:29:00", "2030-01-01T12:30:00"),
        (Schedule.weekly("tue", 12, 30), "2030-01-01T12:30:00", "2030-01-08T12:30:00"),
        (Schedule.weekly(0, 12), "2030-01-01T00:00:00", "2030-01-07T12:00:00"),
        (Schedule.weekly("Sunday"), "2030-01-06T00:00:01", "2030-01-13T00:00:00"),
    ],
)
def test_a_schedule_knows_what_comes_next(schedule: Schedule, now: str, expected: str) -> None:
    """Intervals are counted from the start on a fixed grid; the others go by the wall clock."""
    found = schedule.next_after(datetime.fromisoformat(now).replace(tzinfo=UTC), started=START)

    assert datetime.fromisoformat(expected).replace(tzinfo=UTC) == found


def test_a_schedule_is_in_the_zone_of_the_clock() -> None:
    """Unless it has a zone of its own."""
    there = datetime(2030, 1, 1, 3, 30, tzinfo=timezone(timedelta(hours=2)))
    assert datetime(2030, 1, 2, 0, tzinfo=UTC) == Schedule.daily(hour=2).next_after(there, started=START)
    assert datetime(2030, 1, 1, 2, tzinfo=UTC) == Schedule.daily(hour=2, tz=UTC).next_after(there, started=START)


def test_a_moment_needs_a_zone() -> None:
    """A moment without a zone is refused."""
    with pytest.raises(ScheduleError, match="has no zone"):
        Schedule.daily().next_after(datetime(2030, 1, 1), started=START)


@pytest.mark.parametrize(
    ("method", "arguments", "name", "valid"),
    [
        ("every_seconds", (0,), "seconds 0", "greater than 0"),
        ("every_seconds", (1e-9,), "seconds 1e-09", "microsecond"),
        ("every_minutes", (-1,), "minutes -1", "greater than 0"),
        ("every_minutes", ("15",), "minutes '15'", "greater than 0"),
        ("every_minutes", (float("nan"),), "minutes nan", "greater than 0"),
        ("every_hours", (True,), "hours True", "greater than 0"),
        ("every_hours", (1e300,), "hours 1e+300", "thousand years"),
        ("hourly", (60,), "minute 60", "from 0 to 59"),
        ("daily", (24,), "hour 24", "from 0 to 23"),
        ("daily", (2, -1), "minute -1", "from 0 to 59"),
        ("daily", (2.0,), "hour 2.0", "whole number"),
        ("weekly", (7,), "day 7", "from 0 to 6"),
        ("weekly", ("moonday",), "day 'moonday'", "monday"),
        ("weekly", ("monday", "2"), "hour '2'", "from 0 to 23"),
        ("weekly", (None,), "day None", "from 0 to 6"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(method: str, arguments: Any, name: str, valid: str) -> None:
    """The error names the value and what it may be, at the line of the mistake."""
    with pytest.raises(ScheduleError) as caught:
        getattr(Schedule, method)(*arguments)

    assert f"Schedule.{method}() cannot have {name}." == caught.value.what
    assert valid in caught.value.why
    assert __file__ in str(caught.value.where)


def test_a_schedule_says_what_it_is() -> None:
    """A schedule reads as a sentence."""
    assert [
        str(one)
        for one in (
            Schedule.every_minutes(15),
            Schedule.hourly(5),
            Schedule.daily(2),
            Schedule.weekly("friday", 17, 30),
        )
    ] == ["every 0:15:00", "hourly at minute 5", "daily at 02:00", "every friday at 17:30"]


# -- what is a task ----------------------------------------------------------------------------------------------


async def coroutine_function() -> None:
    """Do nothing."""


class Callable:
    """An object that is called like a coroutine function."""

    async def __call__(self) -> None:
        """Do nothing."""


async def with_argument(name: str) -> None:
    """Need an argument."""


@pytest.mark.parametrize(
    "handler",
    [coroutine_function, Callable(), functools.partial(with_argument, "a"), AsyncMock()],
    ids=["function", "object", "partial", "mock"],
)
@pytest.mark.asyncio
async def test_what_can_be_awaited_can_be_a_handler(app: App, handler: Any) -> None:
    """Coroutine functions in any form run."""
    app.register(handler=handler)

    await app.tasks.run_now("job")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("", coroutine_function, Schedule.hourly()), "cannot be called ''"),
        ((7, coroutine_function, Schedule.hourly()), "cannot be called 7"),
        (("job", print, Schedule.hourly()), "no coroutine function"),
        (("job", Callable, Schedule.hourly()), "no coroutine function"),
        (("job", with_argument, Schedule.hourly()), "without arguments: missing a required argument: 'name'"),
        (("job", coroutine_function, 15), "cannot run at 15"),
    ],
)
def test_a_task_that_cannot_be_is_refused(arguments: Any, what: str) -> None:
    """The error says which part is wrong, at the line of the mistake."""
    with pytest.raises(ScheduleError) as caught:
        BackgroundTask(*arguments)

    assert what in caught.value.what
    assert caught.value.fix
    assert __file__ in str(caught.value.where)


def test_a_handler_that_was_called_is_refused() -> None:
    """The usual slip, to call the handler, is told, without a second warning about the coroutine."""
    with pytest.raises(ScheduleError, match="no coroutine function") as caught:
        BackgroundTask("job", coroutine_function(), Schedule.hourly())  # type: ignore[arg-type]

    assert "without calling it" in caught.value.fix


# -- registering -------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_registration_has_an_owner_and_a_place(app: App) -> None:
    """The handle says what was registered, by whom and where; it may be awaited."""
    with acting_as("shop"):
        handle = app.register("sync")

    assert await handle is handle
    assert (handle.kind, handle.name, handle.plugin) == ("task", "sync", "shop")
    assert __file__ in str(handle.where)
    assert app.kernel.handles == [handle]
    assert app.tasks.list() == ["sync"]


@pytest.mark.asyncio
async def test_a_task_that_a_test_registers_belongs_to_the_handlers_plugin(app: App) -> None:
    """Outside of a plugin's code the owner is the plugin whose handler it is."""
    app.kernel.owner = "shop"

    assert app.register().plugin == "shop"


@pytest.mark.asyncio
async def test_a_name_is_unique_in_a_plugin(app: App) -> None:
    """A second task of one name is refused, naming the place of the first; another plugin may have one."""
    with acting_as("shop"):
        app.register("sync")
        with pytest.raises(ScheduleError, match="shop has a background task 'sync' already") as caught:
            app.register("sync")
    assert __file__ in caught.value.why
    with acting_as("other"):
        app.register("sync")

    assert app.tasks.list() == ["sync", "sync"]


@pytest.mark.asyncio
async def test_only_a_task_can_be_registered(app: App) -> None:
    """A bare function is refused with the shape to write."""
    with pytest.raises(ScheduleError, match="is no background task") as caught:
        app.tasks.register_task(app.handler)  # type: ignore[arg-type]

    assert "BackgroundTask(" in caught.value.fix


@pytest.mark.asyncio
async def test_an_undone_task_runs_no_more(app: App) -> None:
    """The handle and `unregister_task` both stop a task; what is not there is no matter."""
    app.tasks.activate(None)
    first = app.register("a")
    app.register("b")
    await app.clock.advance(minutes=15)
    first()
    first()
    await app.tasks.unregister_task("b")
    await app.tasks.unregister_task("b")
    await app.clock.advance(hours=1)

    assert app.minutes == [15, 15]
    assert app.tasks.list() == []
    assert app.kernel.handles == []


# -- running -----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_task_runs_from_when_its_plugin_is_active(app: App) -> None:
    """The interval is counted from the activation, not from the registration."""
    with acting_as("shop"):
        app.register()
    await app.clock.advance(minutes=20)
    assert app.runs == []
    app.tasks.activate("shop")
    app.tasks.activate("shop")
    await app.clock.advance(minutes=31)

    assert app.minutes == [35, 50]


@pytest.mark.asyncio
async def test_a_task_of_an_active_plugin_starts_at_once(app: App) -> None:
    """What a plugin registers later needs no second activation; others are not started by it."""
    app.tasks.activate("shop")
    with acting_as("shop"):
        app.register("late")
    with acting_as("other"):
        app.register("never")
    await app.clock.advance(minutes=15)

    assert [(one.name, one.plugin) for one in app.kernel.journal.of(JobRun)] == [("late", "shop")]


@pytest.mark.asyncio
async def test_thirty_days_have_thirty_nights(app: App) -> None:
    """A daily and a frequent task run as often as they should, each at its exact time."""
    app.tasks.activate(None)
    nights: list[datetime] = []

    async def clean() -> None:
        nights.append(app.clock.now())

    app.register("cleanup_old_data", Schedule.daily(hour=2, minute=0), clean)
    app.register("sync_data", Schedule.every_minutes(15))
    await app.clock.advance(days=30)

    assert [START + timedelta(days=day, hours=2) for day in range(30)] == nights
    assert [15.0 * (number + 1) for number in range(30 * 96)] == app.minutes


@pytest.mark.asyncio
async def test_a_slow_run_does_not_overlap_with_the_next(app: App) -> None:
    """What falls due during a run is left out, and the grid stays."""
    app.tasks.activate(None)
    running = 0

    async def slow() -> None:
        nonlocal running
        running += 1
        assert running == 1
        await app.handler()
        await app.clock.sleep(20 * 60)
        running -= 1

    app.register(handler=slow)
    await app.clock.advance(minutes=80)

    assert app.minutes == [15, 45, 75]


@pytest.mark.asyncio
async def test_a_failing_run_is_recorded_and_the_next_comes(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """An exception is in the journal and in the log, and does not end the task."""
    app.tasks.activate(None)
    app.error = ValueError("down")
    app.register()
    with caplog.at_level(logging.ERROR, "nexus.tasks"):
        await app.clock.advance(minutes=15)
    app.error = None
    await app.clock.advance(minutes=15)

    assert [(one.name, type(one.error)) for one in app.kernel.journal.of(JobRun)] == [
        ("job", ValueError),
        ("job", type(None)),
    ]
    assert caplog.record_tuples == [("nexus.tasks", logging.ERROR, "Error in background task job")]
    assert "ValueError: down" in caplog.text


@pytest.mark.asyncio
async def test_a_cancellation_from_within_does_not_end_the_task(app: App) -> None:
    """A handler that something of its own was cancelled under has failed once, no more."""
    app.tasks.activate(None)
    app.error = asyncio.CancelledError()
    app.register()
    await app.clock.advance(minutes=15)
    app.error = None
    await app.clock.advance(minutes=15)

    assert app.minutes == [15, 30]


@pytest.mark.asyncio
async def test_a_job_counts_as_its_plugins_code(app: App) -> None:
    """While a job runs the activity says so, and the registration's own context is not inherited."""
    seen: list[Any] = []

    async def look() -> None:
        doing = activity.get()
        assert doing is not None
        seen.append((doing.kind, doing.kernel, who()))

    with acting_as("shop"):
        app.tasks.activate("shop")
        app.register(handler=look)
        await app.clock.advance(minutes=15)
        with acting_as("other"):
            await app.tasks.run_now("job")
            assert who() == "other"

    assert [("job", app.kernel, "shop")] * 2 == seen


@pytest.mark.asyncio
async def test_a_job_inherits_nothing_from_its_registration(app: App) -> None:
    """A context variable that was set where the task was started is not set in its runs."""
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    seen: list[str] = []

    async def look() -> None:
        seen.append(variable.get())

    variable.set("of the registration")
    app.tasks.activate(None)
    app.register(handler=look)
    await app.clock.advance(minutes=15)

    assert seen == ["unset"]


@pytest.mark.asyncio
async def test_stopping_cancels_and_waits(app: App) -> None:
    """After a stop nothing of the plugin runs any more; its tasks stay registered and can start again."""
    ended = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    with acting_as("shop"):
        app.register("endless", handler=endless)
        app.register("job")
    app.tasks.activate("shop")
    await app.clock.advance(minutes=15)
    await app.tasks.stop("shop")
    assert ended == [True]
    await app.clock.advance(hours=1)
    assert app.minutes == [15]
    assert app.tasks.list() == ["endless", "job"]
    app.tasks.activate("shop")
    await app.clock.advance(minutes=15)

    assert app.minutes == [15, 90]
    assert isinstance(app.kernel.journal.of(JobRun)[1].error, asyncio.CancelledError)


@pytest.mark.asyncio
async def test_stopping_one_plugin_leaves_the_others(app: App) -> None:
    """Only the tasks of that plugin stop."""
    for plugin in ("a", "b"):
        with acting_as(plugin):
            app.register(plugin)
        app.tasks.activate(plugin)
    await app.tasks.stop("a")
    await app.clock.advance(minutes=15)

    assert [one.name for one in app.kernel.journal.of(JobRun)] == ["b"]


@pytest.mark.asyncio
async def test_a_shutdown_leaves_no_task_running(app: App) -> None:
    """After a shutdown the loop has no task of ours, undone ones included."""
    before = asyncio.all_tasks()
    app.tasks.activate(None)
    app.register("a")
    app.register("b")()
    await app.tasks.shutdown()

    assert asyncio.all_tasks() == before


@pytest.mark.asyncio
async def test_a_job_may_end_itself(app: App) -> None:
    """A job that undoes its own registration finishes its run, which is the last."""
    app.tasks.activate(None)
    finished: list[datetime] = []

    async def once() -> None:
        handle()
        await asyncio.sleep(0)
        finished.append(app.clock.now())

    handle = app.register(handler=once)
    await app.clock.advance(hours=1)

    assert [START + timedelta(minutes=15)] == finished


@pytest.mark.asyncio
async def test_a_task_cannot_start_without_a_loop(app: App) -> None:
    """A registration from a thread without a loop says what is missing."""
    app.tasks.activate(None)

    with pytest.raises(ScheduleError, match="no event loop is running"):
        await asyncio.to_thread(app.register)


# -- at once -----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_test_runs_a_task_now(app: App) -> None:
    """`run_now` runs a task once, active or not, and gives what it returns or raises."""
    app.register()

    assert await app.tasks.run_now("job") == "done"
    app.error = ValueError("down")
    with pytest.raises(ValueError, match="down"):
        await app.tasks.run_now("job")
    assert app.minutes == [0, 0]
    assert [type(None), ValueError] == [type(one.error) for one in app.kernel.journal.of(JobRun)]


@pytest.mark.asyncio
async def test_a_run_now_waits_for_the_run_that_is_on(app: App) -> None:
    """A task does not overlap with itself, however it was started."""
    app.tasks.activate(None)
    steps: list[str] = []

    async def slow() -> None:
        steps.append("begin")
        await app.clock.sleep(60)
        steps.append("end")

    app.register(handler=slow)
    await app.clock.advance(minutes=15)
    now = asyncio.create_task(app.tasks.run_now("job"))
    await app.clock.advance(minutes=5)
    await now

    assert steps == ["begin", "end", "begin", "end"]


@pytest.mark.asyncio
async def test_a_job_cannot_run_itself(app: App) -> None:
    """A job that asks for its own run would wait for ever, so it is refused."""

    async def again() -> None:
        await app.tasks.run_now("job")

    app.register(handler=again)

    with pytest.raises(ScheduleError, match="cannot run itself"):
        await app.tasks.run_now("job")


@pytest.mark.asyncio
async def test_an_unknown_task_is_refused_with_a_guess(app: App) -> None:
    """The error lists the tasks that there are and guesses the slip."""
    with acting_as("shop"):
        app.register("sync_data")

    with pytest.raises(ScheduleError, match="no background task 'sync_dat'") as caught:
        await app.tasks.run_now("sync_dat")
    assert "'sync_data'" in caught.value.why
    assert "Did you mean 'sync_data'?" in caught.value.fix
    with pytest.raises(ScheduleError, match="'sync_data' of 'other'"):
        await app.tasks.run_now("sync_data", plugin="other")


@pytest.mark.asyncio
async def test_a_name_that_several_plugins_have_needs_the_plugin(app: App) -> None:
    """A plugin means its own task; a test has to say whose."""
    for plugin in ("a", "b"):
        with acting_as(plugin):
            app.register("sync")

    with pytest.raises(ScheduleError, match="Several plugins") as caught:
        await app.tasks.run_now("sync")
    assert "plugin='a'" in caught.value.fix
    with pytest.raises(ScheduleError, match="Several plugins"):
        app.tasks.unregister_task("sync")
    await app.tasks.run_now("sync", plugin="b")
    with acting_as("a"):
        await app.tasks.run_now("sync")
        app.tasks.unregister_task("sync")

    assert [one.plugin for one in app.kernel.journal.of(JobRun)] == ["b", "a"]
    assert app.kernel.handles[0].plugin == "b"
