"""Coroutines of ours: like any other to those who await them, loud to those who forget."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator

import pytest

from nexus_testing.calls import Call, Unawaited, awaited, collect_unawaited


@awaited
async def double(number: int) -> int:
    """Return twice the number, a turn of the loop later."""
    await asyncio.sleep(0)
    return 2 * number


@pytest.fixture(name="dropped")
def _dropped() -> Iterator[list[Unawaited]]:
    found: list[Unawaited] = []
    before = collect_unawaited(found)
    yield found
    collect_unawaited(before)


@pytest.mark.asyncio
async def test_a_call_is_a_coroutine_to_everybody(dropped: list[Unawaited]) -> None:
    """It may be awaited, gathered, made a task, and is taken for one by those who look first."""
    assert asyncio.iscoroutinefunction(double)
    assert inspect.isawaitable(call := double(1))
    assert 2 == await call
    assert (4, 6) == tuple(await asyncio.gather(double(2), double(3)))
    assert 8 == await asyncio.create_task(double(4))
    assert [] == dropped


def test_a_call_that_nobody_awaits_is_collected_with_its_line(dropped: list[Unawaited]) -> None:
    """Name, file and function of the call are kept."""
    double(1)
    (found,) = dropped
    assert ("double", __file__) == (found.name, found.where.file)
    assert "test_a_call_that_nobody_awaits_is_collected_with_its_line" == found.where.function


def test_without_a_collector_it_is_a_warning() -> None:
    """It stands at the line of the call, and says what to write; Python's own warning does not come besides."""
    before = collect_unawaited(None)
    try:
        with pytest.warns(RuntimeWarning, match=r"double\(\) was never awaited: write `await`") as warned:
            double(1)  # dropped at once, since nothing holds it
    finally:
        collect_unawaited(before)
    assert [__file__] == [one.filename for one in warned]


def test_a_call_that_is_closed_was_dealt_with(dropped: list[Unawaited]) -> None:
    """Who closes it or throws into it has not forgotten it."""
    double(1).close()
    with pytest.raises(ValueError, match="given up"):
        double(1).throw(ValueError("given up"))
    with pytest.raises(ValueError, match="old form"):
        double(1).throw(ValueError, ValueError("old form"))
    with pytest.raises(KeyError):
        double(1).throw(KeyError)
    assert [] == dropped


def test_a_call_can_be_driven_by_hand(dropped: list[Unawaited]) -> None:
    """`send` goes to the coroutine behind it, whose value comes with the end."""

    @awaited
    async def at_once() -> str:
        return "done"

    call = at_once()
    assert isinstance(call, Call)
    with pytest.raises(StopIteration) as ended:
        call.send(None)
    assert "done" == ended.value.value
    assert [] == dropped
