"""Virtual time that is moved by hand: what happens, when, and in which order."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import random
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from nexus_testing.clock import RealClock, VirtualClock, current
from nexus_testing.errors import ClockError, Stalled

pytestmark = pytest.mark.asyncio
START = datetime(2030, 1, 1, tzinfo=UTC)


async def test_a_month_passes_for_everything_that_knows_time() -> None:
    """The wall clock, monotonic time and the loop move by the same, and a sleeper wakes on the way."""
    with VirtualClock() as clock:
        started, loop = time.monotonic(), asyncio.get_running_loop()
        at_loop, real = loop.time(), time.perf_counter()
        ticks: list[datetime] = []

        async def quarter_hourly() -> None:
            while True:
                await asyncio.sleep(900)
                ticks.append(datetime.now(UTC))

        task = asyncio.create_task(quarter_hourly())
        await clock.advance(days=30)
        assert [START + timedelta(minutes=15) * n for n in range(1, 2881)] == ticks
        assert START + timedelta(days=30) == datetime.now(UTC) == clock.now() == clock.utcnow()
        assert clock.time() == time.time() == (START + timedelta(days=30)).timestamp()
        assert 30 * 86_400 == time.monotonic() - started == loop.time() - at_loop
        assert clock.monotonic() == time.monotonic() == time.monotonic_ns() / 1e9
        assert "2030-01-31 00:00:00" == str(dt.datetime.now())
        assert time.perf_counter() - real < 20
        task.cancel()


async def test_each_timer_fires_at_its_own_time_also_one_that_was_made_on_the_way() -> None:
    """What becomes due before the end of a step fires within it, at its own instant."""
    seen: list[tuple[str, float]] = []
    with VirtualClock() as clock:
        zero = clock.time()

        async def chain() -> None:
            for name, delay in (("a", 1.5), ("b", 0.25), ("c", 10)):
                await asyncio.sleep(delay)
                seen.append((name, clock.time() - zero))

        task = asyncio.create_task(chain())
        await clock.advance(seconds=2)
        assert [("a", 1.5), ("b", 1.75)] == seen
        assert 2 == clock.time() - zero
        await task
        assert ("c", 11.75) == seen[-1]


async def test_equal_deadlines_fire_in_the_order_of_their_making() -> None:
    """However many there are, and in whatever order the rest comes."""
    order: list[int] = []
    with VirtualClock() as clock:
        loop = asyncio.get_running_loop()
        for number in range(100):
            loop.call_later(5, order.append, number)
            loop.call_later(random.uniform(6, 9), lambda: None)  # noqa: S311 - nothing secret
        await clock.advance(seconds=5)
    assert list(range(100)) == order


async def test_all_that_follows_from_one_instant_is_over_before_the_next() -> None:
    """A chain of hand-overs that takes no time is through before time moves by a microsecond."""
    seen: list[tuple[str, int]] = []
    with VirtualClock() as clock:
        queue: asyncio.Queue[int] = asyncio.Queue()
        zero = clock.ticks

        async def consumer() -> None:
            while True:
                number = await queue.get()
                for _ in range(5):
                    await asyncio.sleep(0)
                seen.append((f"consumed {number}", clock.ticks - zero))

        loop = asyncio.get_running_loop()
        task = asyncio.create_task(consumer())
        loop.call_later(0.000_001, queue.put_nowait, 1)
        loop.call_later(0.000_002, queue.put_nowait, 2)
        await clock.advance(microseconds=2)
        task.cancel()
    assert [("consumed 1", 1), ("consumed 2", 2)] == seen


async def test_to_settle_is_to_advance_by_nothing() -> None:
    """Everything that is ready happens, to the end of its consequences, and time stands still."""
    with VirtualClock() as clock:
        for settle in (
            clock.settle,
            lambda: clock.advance(0),
            lambda: clock.advance(0 * timedelta()),
            lambda: clock.advance(seconds=0),
        ):
            seen: list[int] = []

            async def work(seen: list[int] = seen) -> None:
                for number in range(20):
                    await asyncio.sleep(0)
                    seen.append(number)

            task = asyncio.create_task(work())
            await settle()
            assert list(range(20)) == seen
            assert task.done()
        assert START == clock.now()


async def test_a_timer_that_is_due_fires_while_the_loop_is_busy() -> None:
    """A loop that spins until a timer without delay has fired gets on, as in real time."""
    with VirtualClock() as clock:
        done: list[int] = []
        asyncio.get_running_loop().call_later(0, done.append, 1)
        while not done:
            await asyncio.sleep(0)
        assert START == clock.now()


async def test_several_may_move_the_clock_at_once() -> None:
    """Each is back when time has come to where it wanted, and not later."""
    with VirtualClock() as clock:
        back: list[tuple[int, float]] = []
        zero = clock.time()

        async def move(seconds: int) -> None:
            await clock.advance(seconds=seconds)
            back.append((seconds, clock.time() - zero))

        await asyncio.gather(move(30), move(10), move(20), move(10))
        assert [(10, 10), (10, 10), (20, 20), (30, 30)] == back


async def test_one_who_gives_up_moving_the_clock_moves_it_no_further() -> None:
    """A cancelled advance is no deadline any more."""
    with VirtualClock(autojump=False) as clock:
        task = asyncio.create_task(clock.advance(hours=1))
        await asyncio.sleep(0)
        task.cancel()
        await clock.advance(seconds=1)
        assert START + timedelta(seconds=1) == clock.now()


async def test_travel_to_a_time() -> None:
    """The wall clock shows it, and all before it has happened."""
    with VirtualClock() as clock:
        seen: list[datetime] = []
        asyncio.get_running_loop().call_later(3600, lambda: seen.append(clock.now()))
        await clock.travel_to(datetime(2030, 3, 1, 12, tzinfo=UTC))
        assert datetime(2030, 3, 1, 12, tzinfo=UTC) == datetime.now(UTC)
        assert [START + timedelta(hours=1)] == seen
        await clock.travel_to("2030-03-01T14:00:00+01:00")
        assert datetime(2030, 3, 1, 13, tzinfo=UTC) == clock.now()


async def test_the_wall_clock_alone_jumps() -> None:
    """As when the machine's clock is corrected: no timer comes sooner or later by it."""
    with VirtualClock() as clock:
        before = time.monotonic()
        clock.jump_wall(hours=-2)
        assert datetime(2029, 12, 31, 22, tzinfo=UTC) == clock.now() == datetime.now(UTC)
        assert before == time.monotonic()
        clock.jump_wall(timedelta(hours=2))
        await clock.advance(minutes=1)
        assert START + timedelta(minutes=1) == datetime.now(UTC)
        assert 60 == time.monotonic() - before


async def test_real_time_moves_nothing() -> None:
    """While the processor works, virtual time stands still."""
    with VirtualClock() as clock:
        until = time.perf_counter() + 0.02
        while time.perf_counter() < until:
            pass
        await clock.settle()
        assert START == clock.now() == datetime.now(UTC)


async def test_other_ways_to_wait_are_virtual_too() -> None:
    """Time limits of asyncio and anyio, waits, and the loop's own timers."""
    with VirtualClock() as clock:
        zero = clock.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 60)
        with pytest.raises(TimeoutError), anyio.fail_after(60):
            await anyio.sleep(3600)
        await anyio.sleep(60)
        await asyncio.wait([asyncio.create_task(asyncio.sleep(500))], timeout=60)
        await clock.sleep(60)
        assert 360 == clock.time() - zero


async def test_a_cancelled_timer_is_no_deadline() -> None:
    """Nor does it stay: a thousand time limits that were kept leave next to nothing behind."""
    with VirtualClock() as clock:
        handle = asyncio.get_running_loop().call_later(5, lambda: None)
        assert START + timedelta(seconds=5) == clock.next_deadline()
        handle.cancel()
        assert clock.next_deadline() is None
        for _ in range(1_000):
            async with asyncio.timeout(30):
                await asyncio.sleep(0)
        assert clock._loop is not None
        assert len(clock._loop.virtual) < 250
        assert [] == clock.timers()


async def test_what_is_pending_is_told() -> None:
    """Each timer with its time, its task and the line that made it; one that never fires has no time."""
    with VirtualClock() as clock:

        async def heartbeat() -> None:
            await asyncio.sleep(30)

        task = asyncio.create_task(heartbeat(), name="heartbeat")
        asyncio.get_running_loop().call_later(float("inf"), lambda: None)
        await clock.settle()
        first, never = clock.timers()
        assert (START + timedelta(seconds=30), "heartbeat", False) == (first.due, first.task, first.real)
        assert first.where is not None
        assert __file__ == first.where.file
        assert first.where.function.endswith("heartbeat")
        assert never.due is None
        assert START + timedelta(seconds=30) == clock.next_deadline()
        task.cancel()


async def test_the_clock_in_a_zone() -> None:
    """Times without a zone are those of the clock's, before and after a change to summer time."""
    with VirtualClock("2030-03-31T00:30:00+00:00", tz="Europe/Berlin") as clock:
        assert datetime(2030, 3, 31, 1, 30) == datetime.now()
        assert "2030-03-31T01:30:00+01:00" == clock.now().isoformat()
        await clock.advance(hours=1)
        assert datetime(2030, 3, 31, 3, 30) == datetime.now()
        assert "2030-03-31T03:30:00+02:00" == clock.now().isoformat()
        assert "Europe/Berlin" == str(clock.zone)
    with VirtualClock(datetime(2030, 7, 1, 12), tz="Europe/Berlin") as clock:
        assert datetime(2030, 7, 1, 10, tzinfo=UTC) == clock.utcnow()
        assert UTC is clock.utcnow().tzinfo


async def test_a_start_of_ones_own() -> None:
    """To the microsecond, and in the zone of the time that was given."""
    with VirtualClock("2031-05-06T07:08:09.123457+02:00") as clock:
        assert datetime(2031, 5, 6, 5, 8, 9, 123457, tzinfo=UTC) == datetime.now(UTC)
        assert timedelta(hours=2) == clock.now().utcoffset()
        await clock.advance(microseconds=1)
        assert 123458 == datetime.now(UTC).microsecond


async def test_real_time_within_virtual_time() -> None:
    """The machine's own time can be read, and a timer that is made meanwhile runs in it."""
    machine = time.time()
    with VirtualClock() as clock:
        with clock.real() as real:
            assert abs(real.time() - machine) < 60
            assert abs((real.now() - datetime.fromtimestamp(machine, UTC)).total_seconds()) < 60
            before, started = real.monotonic(), time.perf_counter()
            await asyncio.sleep(0.02)
            assert real.monotonic() - before >= 0.019
            assert time.perf_counter() - started >= 0.019
        assert START == clock.now()
        with clock.real():
            handle = asyncio.get_running_loop().call_later(100, lambda: None)
        pending = clock.timers()
        assert [(None, True)] == [(one.due, one.real) for one in pending]
        assert clock.next_deadline() is None
        handle.cancel()


async def test_the_loop_is_given_back_as_it_was() -> None:
    """Not one attribute of the loop, its selector or the time module differs, and time is the machine's."""
    loop = asyncio.get_running_loop()
    selector = loop._selector  # type: ignore[attr-defined]  # every selector loop has one
    before = dict(vars(loop)), dict(vars(selector)), dict(vars(time))
    assert isinstance(current(), RealClock)
    with VirtualClock() as clock:
        assert current() is clock
        await clock.advance(seconds=1)
    after = dict(vars(loop)), dict(vars(selector)), dict(vars(time))
    for one, other in zip(before, after, strict=True):
        assert set(one) == set(other)
        assert [] == [name for name in one if callable(one[name]) and one[name] is not other[name]]
    assert isinstance(current(), RealClock)
    assert abs(time.time() - datetime.now(UTC).timestamp()) < 5
    assert datetime.now(UTC) < START


async def test_what_is_left_does_not_fire_days_late() -> None:
    """A timer with ten milliseconds to go after thirty days fires ten real milliseconds after the clock is off."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    with VirtualClock() as clock:
        await clock.advance(days=30)
        loop.call_later(0.01, done.set)
        far = loop.call_later(1000, lambda: None)
        never = loop.call_later(float("inf"), lambda: None)
    started = time.perf_counter()
    async with asyncio.timeout(5):
        await done.wait()
    assert 0.008 <= time.perf_counter() - started < 4
    assert 990 < far.when() - loop.time() < 1001
    far.cancel()
    never.cancel()


async def test_timers_that_are_older_than_the_clock_stay_in_real_time() -> None:
    """One that was to come in ten milliseconds comes then, and a month of virtual time does not bring it."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    old, cancelled = loop.call_later(0.02, done.set), loop.call_later(0.01, lambda: None)
    cancelled.cancel()
    late = loop.call_later(50, lambda: None)
    with VirtualClock() as clock:
        await clock.advance(days=30)
        assert [(None, True)] * 2 == [(one.due, one.real) for one in clock.timers()]
        await done.wait()
        assert START + timedelta(days=30) == clock.now()
    assert 0 < late.when() - loop.time() < 50
    late.cancel()
    assert not old.cancelled()


async def test_a_name_bound_meanwhile_stays_good() -> None:
    """`from time import monotonic` in a test gives what tells the machine's time once the clock is off."""
    with VirtualClock():
        from time import monotonic, monotonic_ns

        assert monotonic() == time.monotonic()
    assert abs(monotonic() - time.monotonic()) < 5
    assert abs(monotonic_ns() - time.monotonic_ns()) < 5e9


async def test_a_task_that_never_rests_is_named() -> None:
    """Moving the clock ends with an error that says which task spins, and where."""
    with VirtualClock() as clock:

        async def spin() -> None:
            while True:
                await asyncio.sleep(0)

        task = asyncio.create_task(spin(), name="busy bee")
        with pytest.raises(Stalled, match=r"did not rest for 2 s(?s:.*)busy bee waits at .*test_virtual_clock.py:\d+"):
            await clock.advance(seconds=1)
        task.cancel()


def _journal(seed: int) -> list[tuple[int, float]]:
    """Return what ten interleaved timers did, and when."""
    seen: list[tuple[int, float]] = []

    async def tick(number: int, clock: VirtualClock) -> None:
        for _ in range(20):
            await asyncio.sleep(0.1 * (number + 1))
            seen.append((number, clock.time()))

    async def run() -> None:
        with VirtualClock() as clock:
            tasks = [asyncio.create_task(tick(number, clock)) for number in range(10)]
            await clock.advance(seconds=30)
            assert all(task.done() for task in tasks)

    asyncio.run(run())
    return seen


async def _times(runs: int) -> set[tuple[tuple[int, float], ...]]:
    return {tuple(await asyncio.to_thread(_journal, seed)) for seed in range(runs)}


async def test_fifty_runs_of_ten_interleaved_timers_are_one() -> None:
    """The order and the instants are the same in each, whatever the machine's clock shows."""
    assert 1 == len(await _times(50))


async def test_nothing_of_the_clock_stays_in_memory() -> None:
    """A clock that is off is collected with its timers."""
    import weakref

    with VirtualClock() as clock:
        asyncio.get_running_loop().call_later(5, lambda: None).cancel()
        await clock.advance(seconds=1)
    gone = weakref.ref(clock)
    del clock
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("move", "message"),
    [
        (lambda clock: clock.advance(seconds=-1), "time only goes forward"),
        (lambda clock: clock.advance(timedelta(seconds=-1)), "time only goes forward"),
        (lambda clock: clock.advance(seconds=float("nan")), "seconds=nan"),
        (lambda clock: clock.advance(seconds=float("inf")), "must be a number"),
        (lambda clock: clock.advance(seconds="5"), "seconds='5'"),
        (lambda clock: clock.advance(seconds=True), "seconds=True"),
        (lambda clock: clock.advance("5"), "a timedelta, or units by name"),
        (lambda clock: clock.advance(5), r"advance\(seconds=5\)"),
        (lambda clock: clock.advance(hour=1), "Did you mean 'hours'"),
        (lambda clock: clock.advance(timedelta(1), days=1), "either a timedelta or units"),
        (lambda clock: clock.advance(seconds=1e18), "years 1 to 9999"),
        (lambda clock: clock.advance(days=365 * 9000), "cannot go beyond 9999"),
        (lambda clock: clock.travel_to(datetime(2029, 1, 1, tzinfo=UTC)), "it is 2030-01-01 00:00:00.* already"),
        (lambda clock: clock.travel_to(datetime(2031, 1, 1)), "a time without a zone"),
        (lambda clock: clock.travel_to("tomorrow"), "no time that a clock can show"),
        (lambda clock: clock.travel_to(5), "must be a datetime"),
    ],
)
async def test_what_the_clock_cannot_do_is_refused(
    move: Callable[[VirtualClock], Coroutine[None, None, None]], message: str
) -> None:
    """Each refusal says what was wrong and at which line, and time has not moved."""
    with VirtualClock() as clock:
        with pytest.raises(ClockError, match=message) as caught:
            await move(clock)
        assert START == clock.now()
    assert __file__ in str(caught.value.where)
    assert isinstance(caught.value, ValueError)


async def test_the_wall_clock_does_not_jump_out_of_the_years() -> None:
    """Nor by what is no span."""
    with VirtualClock() as clock:
        with pytest.raises(ClockError, match="years 1 to 9999"):
            clock.jump_wall(days=-365 * 2100)
        with pytest.raises(ClockError, match="must be a number"):
            clock.jump_wall(hours=float("nan"))
        with pytest.raises(ClockError, match="NaN"):
            asyncio.get_running_loop().call_later(float("nan"), lambda: None)
        for call in (asyncio.get_running_loop().call_later, asyncio.get_running_loop().call_at):
            with pytest.raises(TypeError):
                call(None, lambda: None)  # type: ignore[arg-type]  # the wrong use is the test


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"start": datetime(2030, 1, 1)}, "a time without a zone"),
        ({"start": "2030-01-01T00:00:00"}, "a time without a zone"),
        ({"start": "soon"}, "no time that a clock can show"),
        ({"start": 5}, "must be a datetime"),
        ({"start": datetime(1, 1, 1, tzinfo=UTC)}, "years 1 to 9999"),
        ({"tz": "Europe/Berlim"}, "Did you mean 'Europe/Berlin'"),
        ({"tz": 5}, "no time zone 5"),
        ({"tz": ""}, "no time zone ''"),
        ({"start": datetime(2030, 3, 31, 2, 30), "tz": "Europe/Berlin"}, "put forward over it"),
        ({"autojump": "yes"}, "neither True nor False"),
        ({"wall": "timemachine"}, "Did you mean 'time-machine'"),
    ],
)
async def test_a_clock_that_cannot_be_is_refused(said: dict[str, object], message: str) -> None:
    """Before anything is touched, and with the line that asked for it."""
    with pytest.raises(ClockError, match=message) as caught:
        VirtualClock(**said)  # type: ignore[arg-type]  # the wrong use is the test
    assert __file__ in str(caught.value.where)


async def test_there_is_one_clock_for_everything() -> None:
    """A second one is refused with the line that made the first, which goes on."""
    with VirtualClock() as clock:
        second = VirtualClock()
        with pytest.raises(ClockError, match="is on already") as caught, second:
            pass
        assert f"{__file__}:" in caught.value.why
        await clock.advance(seconds=1)
        assert START + timedelta(seconds=1) == datetime.now(UTC)


async def test_a_clock_that_is_off_does_nothing() -> None:
    """Before and after its block, moving it is an error that says when it is on."""
    clock = VirtualClock()
    with pytest.raises(ClockError, match="is off"):
        await clock.advance(seconds=1)
    with clock:
        pass
    with pytest.raises(ClockError, match="is off"):
        await clock.settle()


async def test_a_loop_of_another_kind_is_refused() -> None:
    """One that keeps time itself, or whose timers cannot be reached: the error names its class."""

    class Own(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return 5.0

    class Other(asyncio.AbstractEventLoop):
        """As uvloop's: none of asyncio's own."""

    from nexus_testing.clock.loop import refuse_foreign

    own = Own()
    with pytest.raises(ClockError, match=r"not .*Own\.(?s:.*)its own time"):
        refuse_foreign(own)
    own.close()
    with pytest.raises(ClockError, match=r"not .*Other\.(?s:.*)cannot be reached"):
        refuse_foreign(Other())  # type: ignore[abstract]  # nothing of it is called


async def test_another_loop_cannot_move_the_clock() -> None:
    """Its timers are in real time: a loop in a thread goes on as always, and is told so if it tries."""
    with VirtualClock() as clock:

        def elsewhere() -> float:
            async def sleep() -> float:
                started = time.perf_counter()
                await asyncio.sleep(0.01)
                with pytest.raises(ClockError, match="another event loop"):
                    await clock.advance(seconds=1)
                return time.perf_counter() - started

            return asyncio.run(sleep())

        assert 0.008 < await asyncio.to_thread(elsewhere) < 5
        assert START == clock.now()


@pytest.mark.filterwarnings("ignore:.*is marked with")
def test_without_a_loop_there_is_no_clock() -> None:
    """The error says to start it in a coroutine."""
    with pytest.raises(ClockError, match="on a running event loop"), VirtualClock():
        pass
