"""Who waits, and where: what is said of an event loop on which nothing can happen."""

from __future__ import annotations

import asyncio
import gc
import inspect
from typing import TYPE_CHECKING, Any

from ..locations import Location, is_library

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("describe", "main_task", "raise_in", "task_of", "waiting_place")


def waiting_place(task: asyncio.Task[Any]) -> Location | None:
    """Return the line at which a task waits: the innermost of the user's code, else the innermost at all.

    Args:
        task: The task.
    """
    found: Location | None = None
    mine = False
    step: Any = task.get_coro()
    for _ in range(1_000):
        frame = getattr(step, "cr_frame", None) or getattr(step, "gi_frame", None) or getattr(step, "ag_frame", None)
        if frame is not None:
            user = not is_library(frame.f_code.co_filename)
            if user or not mine:
                found = Location(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)
                mine = user
        step = _awaited_by(step)
        if step is None:
            break
    return found


def _awaited_by(step: Any) -> Any:
    for name in ("cr_await", "gi_yieldfrom", "ag_await"):
        if hasattr(step, name):
            return getattr(step, name)
    # What a coroutine's __await__ returns says nothing of the coroutine that it runs.
    inner = [one for one in gc.get_referents(step) if inspect.iscoroutine(one) or inspect.isgenerator(one)]
    return inner[0] if inner else None


def main_task(loop: asyncio.AbstractEventLoop) -> asyncio.Task[Any] | None:
    """Return the task that the loop runs until it is complete: a test, a fixture.

    Args:
        loop: The loop.
    """
    for task in asyncio.all_tasks(loop):
        for callback, _ in getattr(task, "_callbacks", None) or ():
            if getattr(callback, "__name__", "") == "_run_until_complete_cb":
                return task
    return None


def task_of(callback: Any) -> asyncio.Task[Any] | None:
    """Return the task that a callback of the event loop steps or wakes, if it does.

    Args:
        callback: The callback, or a future whose waiter is meant.
    """
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return owner
    if isinstance(owner, asyncio.Timeout):
        return getattr(owner, "_task", None)
    return None


def raise_in(task: asyncio.Task[Any], error: Exception) -> bool:
    """Raise an exception at the `await` at which a task waits; return whether it waits at one.

    Args:
        task: The task.
        error: What to raise.
    """
    waiter: Any = getattr(task, "_fut_waiter", None)
    for wake, context in list(getattr(waiter, "_callbacks", None) or ()):
        if getattr(wake, "__self__", None) is task:
            waiter.remove_done_callback(wake)
            # Nobody asks any more how that one ends.
            waiter.add_done_callback(lambda done: done.cancelled() or done.exception())
            loop = task.get_loop()
            failed = loop.create_future()
            failed.set_exception(error)
            loop.call_soon(wake, failed, context=context)
            return True
    return False


def describe(tasks: Iterable[asyncio.Task[Any]], limit: int = 20) -> list[str]:
    """Return one line for each task: its name, and where it waits.

    Args:
        tasks: The tasks.
        limit: How many lines at most.
    """
    lines = [
        f"task {task.get_name()} waits at {waiting_place(task) or 'an unknown place'}"
        for task in sorted(tasks, key=lambda task: task.get_name())
    ]
    return lines if len(lines) <= limit else [*lines[:limit], f"… and {len(lines) - limit} more"]
