"""A background task: what is to be run, and when."""

from __future__ import annotations

import dataclasses
import inspect
import math
from typing import TYPE_CHECKING, Any

from ..errors import ScheduleError
from ..locations import caller
from .context import who
from .schedules import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ("BackgroundTask",)


@dataclasses.dataclass(frozen=True, slots=True)
class BackgroundTask:
    """What is to be run, and when.

    Args:
        name: The task's name, unique in its plugin.
        handler: A coroutine function or method that needs no arguments.
        schedule: When.
        retries: How often a run that fails is tried again before the next one is due.
        backoff: Seconds before the first new try; each further one waits twice as long as the one before.
        timeout: Seconds that one try may take, on the app's clock; None for no limit.

    Raises:
        ScheduleError: If one of them is something else.
    """

    name: str
    handler: Callable[[], Coroutine[Any, Any, Any]]
    schedule: Schedule
    retries: int = 0
    backoff: float = 1.0
    timeout: float | None = None

    def __post_init__(self) -> None:
        what = fix = ""
        if not isinstance(self.name, str) or not self.name:
            what, fix = f"A background task cannot be called {self.name!r}.", "name='cleanup_old_data'"
        elif not isinstance(self.schedule, Schedule):
            what = f"The background task {self.name!r} cannot run at {self.schedule!r}, which is no Schedule."
            fix = "schedule=Schedule.every_minutes(15)"
        elif not _is_coroutine_function(self.handler):
            what = f"The background task {self.name!r} cannot run {self.handler!r}, which is no coroutine function."
            fix = (
                "Write `async def`, and pass the function itself, without calling it: "
                f"handler=self.{getattr(self.handler, '__name__', self.name)}"
            )
            if inspect.iscoroutine(self.handler):
                self.handler.close()
        elif wrong := self._wrong_number():
            what = f"The background task {self.name!r} cannot have {wrong}."
            fix = "retries=3, backoff=1.0, timeout=30.0"
        else:
            try:
                inspect.signature(self.handler).bind()
            except TypeError as error:
                what = f"The background task {self.name!r} cannot run its handler without arguments: {error}."
                fix = "Take them from self, or pass functools.partial(...)."
            except ValueError:
                return
        if what:
            raise ScheduleError(what, where=caller(), fix=fix, plugin=who())

    def _wrong_number(self) -> str:
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or self.retries < 0:
            return f"retries={self.retries!r}, which is no whole number from 0"
        for name in ("backoff", "timeout"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
            if not number and not (name == "timeout" and value is None):
                return f"{name}={value!r}, which is no number of seconds greater than 0"
        return ""


def _is_coroutine_function(handler: object) -> bool:
    if inspect.iscoroutinefunction(handler):
        return True
    return callable(handler) and not inspect.isclass(handler) and inspect.iscoroutinefunction(type(handler).__call__)
