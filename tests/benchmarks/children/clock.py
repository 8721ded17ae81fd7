"""Let virtual time pass, with background tasks and with bare loops in turns, in one process."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import timedelta

from nexus_testing.app import create_test_app
from nexus_testing.clock import VirtualClock
from nexus_testing.nexus.tasks import BackgroundTask, Schedule
from nexus_testing.records import JobRun

ROUNDS = 9
INSTALLS = 300
MONTH = timedelta(days=30)


async def nothing() -> None:
    """Be a job."""


async def _month() -> tuple[float, int]:
    """Return the milliseconds of a month of one task each 15 minutes and one each day, and how many runs that is."""
    with VirtualClock() as clock:
        async with create_test_app() as app:
            app.task_manager.register_task(BackgroundTask("often", nothing, Schedule.every_minutes(15)))
            app.task_manager.register_task(BackgroundTask("daily", nothing, Schedule.daily(hour=2)))
            app.task_manager.activate(None)
            started = time.perf_counter()
            await clock.advance(MONTH)
            return (time.perf_counter() - started) * 1000, len(app.journal.of(JobRun))


async def _bare() -> float:
    """Return the milliseconds of a month of two loops that sleep as long."""

    async def loop(seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await nothing()

    with VirtualClock() as clock:
        tasks = [asyncio.create_task(loop(seconds)) for seconds in (900, 86_400)]
        started = time.perf_counter()
        await clock.advance(MONTH)
        taken = (time.perf_counter() - started) * 1000
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return taken


async def _sleepers() -> float:
    """Return the milliseconds of 1,000 tasks that sleep 10 times each."""

    async def sleeper(number: int) -> None:
        for _ in range(10):
            await asyncio.sleep(1 + number / 1000)

    with VirtualClock():
        started = time.perf_counter()
        await asyncio.gather(*(sleeper(number) for number in range(1000)))
        return (time.perf_counter() - started) * 1000


async def _install() -> list[float]:
    """Return the microseconds of each clock that is put on and taken off."""
    taken = []
    for _ in range(INSTALLS):
        started = time.perf_counter()
        with VirtualClock():
            pass
        taken.append((time.perf_counter() - started) * 1_000_000)
    return taken


async def main() -> None:
    """Print what was found, as JSON."""
    month, bare, sleepers, runs = [], [], [], 0
    for number in range(ROUNDS + 1):
        ours, runs = await _month()
        theirs = await _bare()
        many = await _sleepers()
        if number:
            month.append(ours)
            bare.append(theirs)
            sleepers.append(many)
    print(json.dumps({"month": month, "bare": bare, "sleepers": sleepers, "runs": runs, "install": await _install()}))


asyncio.run(main())
