"""Time limits of the harness itself: real time, and off while somebody debugs."""

from __future__ import annotations

import asyncio
import sys

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


def limit(seconds: float | None) -> asyncio.Timeout:
    """Return a block, to be entered by `async with`, that raises TimeoutError if it takes longer.

    Args:
        seconds: The limit in real time; None for no limit.
    """
    return asyncio.timeout(None if debugging() else seconds)
