"""The one task in which everything that an app does to its plugins happens."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from nexus_testing.errors import LifecycleError, LoopError
from nexus_testing.runtime.owner import Owner

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")


@pytest_asyncio.fixture(name="owner")
async def _owner() -> AsyncIterator[Owner]:
    owner = Owner("owner under test")
    yield owner
    await owner.close()


@pytest.mark.asyncio
async def test_every_operation_runs_in_one_task(owner: Owner) -> None:
    """Whoever asks, and also where an operation asks for another, which runs at once."""
    tasks: list[object] = []

    async def operation() -> str:
        tasks.append(asyncio.current_task())
        return "done"

    async def nested() -> str:
        assert owner.inside
        return await owner.run(operation)

    results = [
        await owner.run(operation),
        await asyncio.create_task(owner.run(operation)),
        await owner.run(nested),
    ]
    assert ["done"] * 3 == results
    assert 1 == len(set(tasks))
    assert asyncio.current_task() not in tasks
    assert not owner.inside


@pytest.mark.asyncio
async def test_operations_run_one_after_the_other(owner: Owner) -> None:
    """In the order in which they were asked for, the next when the last has ended."""
    steps: list[str] = []

    async def operation(name: str) -> None:
        steps.append(f"{name} begins")
        await asyncio.sleep(0)
        steps.append(f"{name} ends")

    await asyncio.gather(owner.run(lambda: operation("a")), owner.run(lambda: operation("b")))
    assert ["a begins", "a ends", "b begins", "b ends"] == steps


@pytest.mark.asyncio
async def test_an_operation_sees_its_callers_context(owner: Owner) -> None:
    """Each has the values of the code that asked for it, not those of the one before."""

    async def read() -> str:
        return variable.get()

    async def asking(value: str) -> str:
        variable.set(value)
        return await owner.run(read)

    assert ("a", "b") == (await asyncio.create_task(asking("a")), await asyncio.create_task(asking("b")))


@pytest.mark.asyncio
async def test_what_an_operation_raises_is_its_callers(owner: Owner) -> None:
    """The next one runs all the same."""

    async def fails() -> None:
        raise ValueError("broken")

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def works() -> str:
        return "works"

    with pytest.raises(ValueError, match="broken"):
        await owner.run(fails)
    with pytest.raises(asyncio.CancelledError):
        await owner.run(cancelled)
    assert "works" == await owner.run(works)


@pytest.mark.asyncio
async def test_a_caller_that_is_cancelled_takes_its_operation_along(owner: Owner) -> None:
    """One that runs has stopped when the caller goes on; one that waits never begins; the task lives on."""
    steps: list[str] = []
    running = asyncio.Event()

    async def long() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("stopped")

    async def short() -> None:
        steps.append("ran")

    first = asyncio.create_task(owner.run(long))
    await running.wait()
    second = asyncio.create_task(owner.run(short))
    await asyncio.sleep(0)
    for task in (second, first):
        task.cancel()
        await asyncio.wait([task])
    assert ["stopped"] == steps
    await owner.run(short)
    assert ["stopped", "ran"] == steps


@pytest.mark.asyncio
async def test_a_shelter_holds_against_stray_cancellations(owner: Owner) -> None:
    """What is waited for in it is done, whoever cancels the task but the caller of the operation."""
    done: list[str] = []

    async def work() -> str:
        task = asyncio.current_task()
        assert task is not None
        for _ in range(3):
            await asyncio.sleep(0)
        done.append("done")
        return "result"

    async def operation() -> str:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        try:
            return await owner.shelter(work())
        finally:
            task.uncancel()

    assert ("result", ["done"]) == (await owner.run(operation), done)


@pytest.mark.asyncio
async def test_a_shelter_ends_with_the_callers_cancellation(owner: Owner) -> None:
    """The caller of the operation can cut it short, and what was waited for is cancelled with it."""
    running, ended = asyncio.Event(), list[str]()

    async def work() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    caller = asyncio.create_task(owner.run(lambda: owner.shelter(work())))
    await running.wait()
    caller.cancel()
    await asyncio.wait([caller])
    await asyncio.sleep(0)
    assert (True, ["cancelled"]) == (caller.cancelled(), ended)


@pytest.mark.asyncio
async def test_an_owner_that_is_closed_runs_nothing() -> None:
    """It may be closed twice, or before it ever ran."""
    owner = Owner("closed")
    await owner.close()
    await owner.close()

    async def operation() -> None:
        pytest.fail("nothing runs any more")

    with pytest.raises(LifecycleError, match="The app is shut down"):
        await owner.run(operation)


def test_an_owner_belongs_to_one_loop() -> None:
    """On a second loop it refuses, and says how to have one; outside of any, nothing runs in it."""
    owner = Owner("bound")

    async def operation() -> None:
        """Do nothing."""

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(owner.run(operation))
        assert not owner.inside
        runner.run(owner.close())
    with (
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
        pytest.raises(LoopError, match="used on a second event loop") as refused,
    ):
        runner.run(owner.run(operation))
    assert "loop_scope='module'" in refused.value.fix
