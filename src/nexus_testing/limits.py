"""Time limits of the harness itself: real time, and off while somebody debugs."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("HOOK_LIMIT", "debugging", "limit")

HOOK_LIMIT = 30.0
"""Seconds that one hook of a plugin may take, unless said otherwise."""


def debugging() -> bool:
    """Say whether a debugger is attached, so that a stop at a breakpoint is not taken for a hang."""
    debugpy = sys.modules.get("debugpy")
    if debugpy is not None and debugpy.is_client_connected():
        return True
    trace = sys.gettrace()
    if trace is None:
        return False
    module = getattr(trace, "__module__", "") or type(trace).__module__
    return module.split(".", 1)[0] in {"bdb", "pdb", "pydevd", "_pydevd_bundle"}


class limit:  # noqa: N801 - it reads as the function that asyncio has for it
    """A block, to be entered by `async with`, that raises TimeoutError if it takes longer.

    Args:
        seconds: The limit in real time; None for no limit.
    """

    __slots__ = ("_seconds", "_timeout")

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds

    # The virtual clock knows by these frames that a timer is the harness's own.

    async def __aenter__(self) -> None:
        self._timeout = asyncio.timeout(None if self._seconds is None or debugging() else self._seconds)
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._timeout.__aexit__(kind, error, trace)
