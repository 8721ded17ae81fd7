"""Where in the user's code something stands."""

from __future__ import annotations

import functools
import inspect
import sys
import sysconfig
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

__all__ = ("Location", "caller", "is_library", "of_callable", "of_exception", "within")

_PACKAGE = str(Path(__file__).resolve().parent) + "/"
_LIBRARIES = tuple(
    {
        str(Path(folder).resolve()) + "/"
        for key in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
        if (folder := sysconfig.get_paths().get(key))
    }
)


class Location(NamedTuple):
    """A line of a file."""

    file: str
    line: int
    function: str = ""
    column: int = 0

    def __str__(self) -> str:
        column = f":{self.column}" if self.column else ""
        return f"{self.file}:{self.line}{column}" + (f" in {self.function}" if self.function else "")


@functools.lru_cache(maxsize=4096)
def is_library(file: str) -> bool:
    """Say whether *file* belongs to the standard library, to an installed package or to the harness."""
    if file.startswith(("<", _PACKAGE)):
        return True
    if "/pytest_nexus/" in file or "/site-packages/" in file:
        return True
    return file.startswith(_LIBRARIES)


def within(file: str, root: Path | None) -> bool:
    """Say whether *file* is code of the folder *root*."""
    return root is not None and (file.startswith(f"{root}/") and "/site-packages/" not in file[len(str(root)) :])


def _of_code(code: CodeType, line: int) -> Location:
    return Location(code.co_filename, line, code.co_qualname if code.co_name != "<module>" else "")


def caller(depth: int = 1) -> Location | None:
    """Return the nearest line of user code above the function that asks.

    Args:
        depth: How many frames to leave out at least.
    """
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            return _of_code(frame.f_code, frame.f_lineno)
        frame = frame.f_back
    return None


def of_callable(function: object) -> Location | None:
    """Return where a function, method, class or callable object was written."""
    target = inspect.unwrap(function) if callable(function) else function
    while isinstance(target, functools.partial):
        target = target.func
    target = getattr(target, "__func__", target)
    code = getattr(target, "__code__", None)
    if code is None and not inspect.isclass(target):
        code = getattr(type(target).__dict__.get("__call__"), "__code__", None)
    # Not by isinstance: the code of an AsyncMock is a mock that passes for one.
    if type(code) is CodeType:
        return Location(code.co_filename, code.co_firstlineno, code.co_qualname)
    return _of_class(target if inspect.isclass(target) else type(target))


def _of_class(cls: type) -> Location | None:
    # Reading the source for the exact line costs milliseconds; the first method is near enough.
    lines = [
        value.__code__.co_firstlineno
        for value in vars(cls).values()
        if inspect.isfunction(value) and value.__module__ == cls.__module__
    ]
    try:
        file = inspect.getfile(cls)
    except (TypeError, OSError):
        return None
    first = getattr(cls, "__firstlineno__", None)
    if first is None:
        first = min(lines) if lines else 1
    return Location(file, first, cls.__qualname__)


def _frames(trace: TracebackType | None) -> Iterator[tuple[CodeType, int]]:
    while trace is not None:
        yield trace.tb_frame.f_code, trace.tb_lineno
        trace = trace.tb_next


def of_exception(error: BaseException, root: Path | None = None) -> Location | None:
    """Return the innermost line of *root*, else of user code, that *error* passed through.

    A time limit shows up as a TimeoutError whose cause is the cancellation that it
    sent: the line that hung is in the cause, so both are looked at.
    """
    chain = [error, *(one for one in (error.__cause__, error.__context__) if one is not None)]
    found: Location | None = None
    for one in chain:
        for code, line in _frames(one.__traceback__):
            if within(code.co_filename, root):
                found = _of_code(code, line)
        if found is not None:
            return found
    for one in chain:
        for code, line in _frames(one.__traceback__):
            if not is_library(code.co_filename):
                found = _of_code(code, line)
        if found is not None:
            return found
    return None
