"""What slows a measurement down from outside of what is measured."""

from __future__ import annotations

import os
import sys
import tracemalloc
from typing import Any

from ..limits import debugging

__all__ = ("FOREIGN_LIMIT", "GENERATOR_LIMIT", "active")

FOREIGN_LIMIT = 0.3
"""How many processors others may use before budgets of time are not judged by what was measured meanwhile."""

GENERATOR_LIMIT = 0.9
"""Which part of this process' time may go into sending before the sender is what is measured."""


def active() -> list[str]:
    """Return what in this process, or beside it on purpose, makes everything slower than it is."""
    found = []
    if tracemalloc.is_tracing():
        found.append("tracemalloc is active")
    coverage: Any = sys.modules.get("coverage")
    if coverage is not None and coverage.Coverage.current() is not None:
        found.append("coverage is measured")
    elif debugging():
        found.append("a debugger is attached")
    elif sys.gettrace() is not None or _monitored():
        found.append("something traces every line")
    # One worker alone has no siblings.
    if os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1") != "1":
        found.append("other workers of xdist are at work")
    return found


def _monitored() -> bool:
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is None:
        return False
    return any(monitoring.get_tool(tool) for tool in (monitoring.DEBUGGER_ID, monitoring.COVERAGE_ID))
