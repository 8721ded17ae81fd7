"""The tracker notes what comes to life with the author's line, and leaves loop and process as they were."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
import warnings
from typing import Any

import pytest

from nexus_testing.runtime.tracker import Tracker, failed

pytestmark = pytest.mark.asyncio


async def nothing() -> None:
    """End at once."""


def state(loop: asyncio.AbstractEventLoop) -> list[Any]:
    """Return all that a tracker replaces."""
    return [
        loop.get_task_factory(),
        vars(loop).get("call_at"),
        vars(threading.Thread)["start"],
        vars(socket.socket)["__init__"],
        warnings._warn_unawaited_coroutine,  # type: ignore[attr-defined]
    ]


async def test_it_leaves_everything_as_it_was() -> None:
    """Also where two hold it, on one loop or on two, and let go in any order."""
    loop = asyncio.get_running_loop()
    other = asyncio.new_event_loop()
    before, before_other = state(loop), state(other)
    tracker = Tracker()
    tracker.hold(loop)
    tracker.hold(other)
    tracker.hold(loop)
    assert all(one is not then for one, then in zip(state(loop), before, strict=True))
    tracker.let_go(loop)
    tracker.let_go(loop)
    assert before[:2] == state(loop)[:2]
    assert before[2:] != state(loop)[2:]
    tracker.let_go(other)
    assert before == state(loop)
    assert before_other == state(other)
    other.close()


async def test_a_task_factory_of_the_authors_makes_the_tasks() -> None:
    """What it makes is noted, and it is there again afterwards."""
    loop = asyncio.get_running_loop()
    made: list[asyncio.Task[Any]] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(asyncio.Task(coroutine, loop=loop, **options))
        return made[-1]

    loop.set_task_factory(factory)
    tracker = Tracker()
    tracker.hold(loop)
    await asyncio.create_task(nothing(), name="mine")
    tracker.let_go(loop)
    assert made == [one.thing for one in tracker.tasks]
    assert factory is loop.get_task_factory()
    loop.set_task_factory(None)


async def test_each_thing_has_the_line_that_made_it() -> None:
    """Whether it was made at once or by a library on the author's behalf."""
    loop = asyncio.get_running_loop()
    tracker = Tracker()
    tracker.hold(loop)
    first = sys._getframe().f_lineno + 1
    task = asyncio.create_task(nothing())
    handle = loop.call_later(60, print)
    thread = threading.Thread(target=print)
    thread.start()
    sock = socket.socket()
    await asyncio.gather(nothing())
    await asyncio.to_thread(print)
    await asyncio.sleep(0.001)
    nothing()  # type: ignore[unused-coroutine]  # it is what is shown
    tracker.let_go(loop)
    handle.cancel()
    thread.join()
    with sock:
        noted = [*tracker.tasks[:1], *tracker.timers, tracker.threads[0], *tracker.sockets(), tracker.tasks[1]]
        assert [first, first + 1, first + 3, first + 4, first + 5] == [one.line for one in noted]
        assert {__file__} == {one.where.file for one in noted if one.where}
        assert [first + 8] == [one.where.line for one in tracker.dropped]
    await task
    assert [] == tracker.sockets()


async def test_what_the_harness_makes_is_its_own() -> None:
    """Neither the owner's task nor that of the bus is anybody's leak."""
    from nexus_testing import create_test_app

    loop = asyncio.get_running_loop()
    tracker = Tracker()
    tracker.hold(loop)
    async with create_test_app() as app:
        app.event_bus.subscribe("asked", print)
        await app.event_bus.publish("asked")
        async with app.client() as client:
            await client.get("/health")
    tracker.let_go(loop)
    assert [] == tracker.tasks
    assert [] == tracker.timers


async def test_tasks_that_ended_well_are_forgotten() -> None:
    """A long test does not keep them all; those that failed stay until they are looked at."""
    loop = asyncio.get_running_loop()
    tracker = Tracker()
    tracker.hold(loop)

    async def fails() -> None:
        raise ValueError

    broken = asyncio.create_task(fails())
    for _ in range(5000):
        await asyncio.create_task(nothing())
    tracker.let_go(loop)
    assert 2048 >= len(tracker.tasks)
    assert failed(broken)
    assert broken in [one.thing for one in tracker.tasks]
    assert isinstance(broken.exception(), ValueError)
    assert not failed(broken)
    tracker.clear()
    assert [] == tracker.tasks


async def test_generators_of_before_are_nobodys() -> None:
    """One that was begun before is not judged, one that ended is none."""

    async def numbers() -> Any:
        yield 1
        yield 2

    loop = asyncio.get_running_loop()
    gc.collect()
    early = numbers()
    await anext(early)
    tracker = Tracker()
    tracker.hold(loop)
    late, ended = numbers(), numbers()
    await anext(late)
    async for _ in ended:
        pass
    assert [late] == tracker.generators(loop)
    await late.aclose()
    assert [] == tracker.generators(loop)
    tracker.let_go(loop)
    await early.aclose()
