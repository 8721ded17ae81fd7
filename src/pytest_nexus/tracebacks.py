"""Tracebacks without the frames that are none of the author's."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("shortened",)

_OURS = ("nexus_testing", "pytest_nexus")


def shortened(info: pytest.ExceptionInfo[BaseException]) -> pytest.ExceptionInfo[BaseException]:
    """Hide the harness's frames; of an error of the harness itself keep only the frames of user code.

    Args:
        info: What pytest caught.
    """
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _OURS:
            # pytest looks for it among the globals of each frame.
            vars(module)["__tracebackhide__"] = True
    errors = sys.modules.get("nexus_testing.errors")
    locations = sys.modules.get("nexus_testing.locations")
    if errors is None or locations is None or not isinstance(info.value, errors.Told):
        return info
    for error in _chain(info.value):
        if isinstance(error, errors.Told):
            error.__traceback__ = _kept(error.__traceback__, locations)
    if info.value.__traceback__ is None:
        return info
    return pytest.ExceptionInfo.from_exception(info.value)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _kept(trace: TracebackType | None, locations: Any) -> TracebackType | None:
    frames = []
    last = None
    while trace is not None:
        last = trace
        if not locations.is_library(trace.tb_frame.f_code.co_filename):
            frames.append(trace)
        trace = trace.tb_next
    kept: TracebackType | None = None
    for one in reversed(frames or ([last] if last is not None else [])):
        kept = TracebackType(kept, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return kept
