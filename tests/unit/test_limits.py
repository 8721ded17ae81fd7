"""The harness's own time limits."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType, SimpleNamespace

import pytest

from nexus_testing.limits import debugging, limit


@pytest.mark.asyncio
async def test_a_block_that_takes_too_long_is_ended() -> None:
    """It is cancelled, and TimeoutError is what its surroundings see."""
    with pytest.raises(TimeoutError):
        async with limit(0.001):
            await asyncio.Event().wait()


@pytest.mark.asyncio
async def test_a_block_may_have_no_limit() -> None:
    """None is for ever."""
    async with limit(None):
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_what_the_block_raises_comes_through() -> None:
    """A limit changes nothing about an error."""
    with pytest.raises(ValueError, match="own"):
        async with limit(5):
            raise ValueError("own")


@pytest.mark.asyncio
async def test_a_debugger_switches_limits_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is attached, a stop at a breakpoint is not taken for a hang."""
    debugpy = ModuleType("debugpy")
    debugpy.is_client_connected = lambda: True  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "debugpy", debugpy)
    assert debugging()
    async with limit(0):
        await asyncio.sleep(0.001)


def test_a_debugger_that_waits_for_a_client_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is merely installed."""
    monkeypatch.setitem(sys.modules, "debugpy", SimpleNamespace(is_client_connected=lambda: False))
    assert not debugging()


@pytest.mark.parametrize(("module", "expected"), [("bdb", True), ("pydevd.tracing", True), ("coverage", False)])
def test_a_tracer_may_be_a_debugger(
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    expected: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    """Those of pdb and PyCharm are, that of coverage is not."""

    def trace() -> None:
        """Stand for a debugger's function."""

    trace.__module__ = module
    monkeypatch.setattr(sys, "gettrace", lambda: trace)
    assert expected is debugging()
