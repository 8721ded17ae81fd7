"""Virtual time that goes on by itself while a test waits, and what is said when it cannot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nexus_testing.clock import VirtualClock
from nexus_testing.clock import loop as limits
from nexus_testing.errors import Stalled

pytestmark = pytest.mark.asyncio
START = datetime(2030, 1, 1, tzinfo=UTC)


async def test_a_test_that_waits_gets_there_at_once() -> None:
    """A week is slept in no time, and what is due within it happens in order."""
    seen: list[str] = []
    with VirtualClock() as clock:
        loop = asyncio.get_running_loop()
        loop.call_later(3600, lambda: seen.append(clock.now().isoformat()))
        started = time.perf_counter()
        await asyncio.sleep(7 * 86_400)
        assert time.perf_counter() - started < 5
        assert START + timedelta(days=7) == datetime.now(UTC)
    assert ["2030-01-01T01:00:00+00:00"] == seen


async def test_time_goes_no_further_than_the_test_waits() -> None:
    """What is due later stays pending."""
    with VirtualClock() as clock:
        late = asyncio.get_running_loop().call_later(10, lambda: None)
        await asyncio.sleep(5)
        assert START + timedelta(seconds=5) == clock.now()
        assert 1 == len(clock.timers())
        late.cancel()


async def test_without_autojump_a_test_that_waits_for_a_timer_is_told_at_once() -> None:
    """The error stands at the `await` of the test, and lists timers and tasks with their lines."""
    with VirtualClock(autojump=False) as clock:

        async def heartbeat() -> None:
            while True:
                await asyncio.sleep(30)

        task = asyncio.create_task(heartbeat(), name="heartbeat")
        with pytest.raises(Stalled, match="autojump is off") as caught:
            await asyncio.sleep(5)
        said = str(caught.value)
        assert f"where: {__file__}:" in said
        assert "test_without_autojump" in said
        assert "timer in 5 s, made at" in said
        assert "timer in 30 s, made at" in said
        assert "task heartbeat waits at" in said
        assert "await nexus_clock.advance" in said
        assert START == clock.now()
        await clock.advance(seconds=30)
        task.cancel()


async def test_a_test_that_waits_for_what_timers_do_not_bring_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many jumps in which it did not get on."""
    monkeypatch.setattr(limits, "JUMPS", 1_000)
    with VirtualClock() as clock:

        async def heartbeat() -> None:
            while True:
                await asyncio.sleep(1)

        task = asyncio.create_task(heartbeat())
        with pytest.raises(Stalled, match="1,000 timers did not bring about"):
            await asyncio.Event().wait()
        assert START + timedelta(seconds=1000) == clock.now()
        task.cancel()


async def test_a_test_that_asks_again_and_again_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that polls gets on each time, and comes to its end all the same."""
    monkeypatch.setattr(limits, "ALL_JUMPS", 1_000)
    with VirtualClock(), pytest.raises(Stalled, match="1,000 timers fired since the test last called"):
        while True:
            await asyncio.sleep(0.1)


async def test_a_test_that_waits_for_a_hundred_years_is_told() -> None:
    """Before its heart has beaten as often as it may."""
    with VirtualClock() as clock:

        async def heartbeat() -> None:
            while True:
                await asyncio.sleep(86_400)

        task = asyncio.create_task(heartbeat())
        with pytest.raises(Stalled, match="a hundred years"):
            await asyncio.Event().wait()
        assert 2129 == clock.now().year
        task.cancel()
        await asyncio.sleep(200 * 365 * 86_400)
        assert 2329 == clock.now().year


@pytest.mark.parametrize("way", ["future", "gather", "task", "queue"])
async def test_a_test_for_which_nothing_can_happen_is_told(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it waits; after a while of real time, in which somebody might have come from outside."""
    monkeypatch.setattr(limits, "QUIET", 0.05)

    async def for_ever() -> None:
        await asyncio.Event().wait()

    with VirtualClock():
        ways: dict[str, Callable[[], Awaitable[Any]]] = {
            "future": for_ever,
            "gather": lambda: asyncio.gather(for_ever(), for_ever()),
            "task": lambda: asyncio.create_task(for_ever()),
            "queue": lambda: asyncio.Queue[int]().get(),
        }
        with pytest.raises(Stalled, match="nothing is left that could happen"):
            await ways[way]()


async def test_a_thread_that_was_not_announced_may_still_answer() -> None:
    """With no timer there is nothing to jump to, and the answer comes in its own time."""
    import threading

    with VirtualClock() as clock:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        timer = threading.Timer(0.05, lambda: loop.call_soon_threadsafe(done.set))
        timer.start()
        await done.wait()
        timer.join()
        assert START == clock.now()
