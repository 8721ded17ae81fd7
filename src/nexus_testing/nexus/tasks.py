"""Background tasks: what plugins have run at times, on the app's clock."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import inspect
import logging
import time
from typing import TYPE_CHECKING, Any, TypeAlias

from ..calls import awaited
from ..errors import ScheduleError, did_you_mean
from ..locations import caller
from ..records import JobRun
from .context import Activity, activity, who
from .handles import Handle
from .schedules import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .kernel import Kernel
    from .permissions import Permissions

__all__ = ("BackgroundTask", "Schedule", "TaskManager")

logger = logging.getLogger("nexus.tasks")

Names: TypeAlias = list[str]


@dataclasses.dataclass(frozen=True, slots=True)
class BackgroundTask:
    """What is to be run, and when.

    Args:
        name: The task's name, unique in its plugin.
        handler: A coroutine function or method that needs no arguments.
        schedule: When.

    Raises:
        ScheduleError: If one of them is something else.
    """

    name: str
    handler: Callable[[], Coroutine[Any, Any, Any]]
    schedule: Schedule

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


def _is_coroutine_function(handler: object) -> bool:
    if inspect.iscoroutinefunction(handler):
        return True
    return callable(handler) and not inspect.isclass(handler) and inspect.iscoroutinefunction(type(handler).__call__)


class _Entry:
    """One registered task."""

    __slots__ = ("caused_by", "correlation_id", "handle", "lock", "loop", "runner", "task")

    def __init__(self, task: BackgroundTask, handle: Handle) -> None:
        self.task = task
        self.handle = handle
        self.lock = asyncio.Lock()
        self.loop: asyncio.Task[None] | None = None
        self.runner: asyncio.Task[Any] | None = None
        doing = activity.get()
        self.correlation_id = doing.correlation_id if doing is not None else None
        self.caused_by = doing.number if doing is not None else None


class TaskManager:
    """Runs the background tasks of the plugins that are active. Lives as long as its app.

    Args:
        kernel: The app that it belongs to.
    """

    guard: Permissions | None = None
    """Who says what plugins may do, once there is one that may not do everything."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._entries: list[_Entry] = []
        self._active: set[str | None] = set()
        self._ending: set[asyncio.Task[None]] = set()

    # -- registering ---------------------------------------------------------------------------------------------

    def register_task(self, task: BackgroundTask) -> Handle:
        """Have a task run at its times, from when its plugin is active.

        Args:
            task: What to run, and when.

        Returns:
            A handle that undoes it.

        Raises:
            ScheduleError: If it is no task, or the plugin has one of that name already.
            PermissionDenied: If the plugin whose code asks may not.
        """
        if self.guard is not None:
            self.guard.check("tasks")
        if not isinstance(task, BackgroundTask):
            raise ScheduleError(
                f"{task!r} is no background task.",
                where=caller(),
                fix="BackgroundTask(name='sync_data', handler=self.sync_data, schedule=Schedule.every_minutes(15))",
                plugin=who(),
            )
        plugin = who() or self._kernel.owner_of(task.handler)
        for entry in self._entries:
            if entry.handle.plugin == plugin and entry.task.name == task.name:
                raise ScheduleError(
                    f"{plugin or 'The test'} has a background task {task.name!r} already.",
                    where=caller(),
                    why=f"it was registered at {entry.handle.where}",
                    fix="Give the second another name, or unregister the first.",
                    plugin=plugin,
                )
        entry = _Entry(task, Handle("task", task.name, plugin, caller(), self._drop))
        self._entries.append(entry)
        self._kernel.own(entry.handle)
        if plugin in self._active:
            self._start(entry)
        return entry.handle

    def run_for(self, plugin: str, task: BackgroundTask) -> Handle:
        """Have a task of the runtime's own run while a plugin is active; the plugin has not registered it.

        Args:
            plugin: The plugin's name.
            task: What to run, and when.

        Returns:
            A handle that undoes it.
        """
        entry = _Entry(task, Handle("check", task.name, plugin, None, self._drop))
        self._entries.append(entry)
        if plugin in self._active:
            self._start(entry)
        return entry.handle

    def unregister_task(self, name: str) -> Handle:
        """Have a task run no more; nothing happens if there is none of that name.

        Args:
            name: The task's name.

        Raises:
            ScheduleError: If several plugins have one of that name, and none of them asks.
        """
        if not any(entry.task.name == name for entry in self._entries):
            return Handle("task", name, None, None, lambda _handle: None)
        entry = self._entry(name, None)
        entry.handle()
        return entry.handle

    def _drop(self, handle: Handle) -> None:
        for entry in [one for one in self._entries if one.handle is handle]:
            self._entries.remove(entry)
            self._end(entry)
        self._kernel.disown(handle)

    def _entry(self, name: str, plugin: str | None) -> _Entry:
        found = [entry for entry in self._entries if entry.task.name == name]
        wanted = plugin or who()
        own = [entry for entry in found if entry.handle.plugin == wanted]
        if own or (len(found) == 1 and plugin is None):
            return (own or found)[0]
        if not found or plugin is not None:
            raise ScheduleError(
                f"There is no background task {name!r}" + (f" of {plugin!r}." if plugin is not None else "."),
                where=caller(),
                why=f"there is {self.list()!r}",
                fix=did_you_mean(name, self.list()),
                plugin=who(),
            )
        raise ScheduleError(
            f"Several plugins have a background task {name!r}.",
            where=caller(),
            why=f"it is one of {', '.join(str(entry.handle.plugin or 'the test') for entry in found)}",
            fix=f"Say which: plugin={found[0].handle.plugin!r}",
            plugin=who(),
        )

    # -- running -------------------------------------------------------------------------------------------------

    @awaited
    async def run_now(self, name: str, *, plugin: str | None = None) -> Any:
        """Run a task once, whatever its times are, and return what it returns. A run of it that is on comes first.

        Args:
            name: The task's name.
            plugin: Whose task, where several plugins have one of that name.

        Raises:
            ScheduleError: If there is none, or it is the task itself that asks.
        """
        entry = self._entry(name, plugin)
        if entry.runner is not None and entry.runner is asyncio.current_task():
            raise ScheduleError(
                f"The background task {name!r} cannot run itself while it runs.",
                where=caller(),
                fix="Call the function itself.",
                plugin=entry.handle.plugin,
            )
        return await self._run(entry)

    def activate(self, plugin: str | None) -> None:
        """Start the tasks of a plugin, and from now on those that it registers.

        Args:
            plugin: The plugin's name; None for what the test itself registers.
        """
        self._active.add(plugin)
        for entry in self._entries:
            if entry.handle.plugin == plugin and entry.loop is None:
                self._start(entry)

    async def stop(self, plugin: str | None) -> None:
        """Stop the tasks of a plugin; they stay registered, to be activated again.

        Args:
            plugin: The plugin's name; None for what the test itself registered.
        """
        self._active.discard(plugin)
        for entry in self._entries:
            if entry.handle.plugin == plugin:
                self._end(entry)
        await self._settle()

    async def shutdown(self) -> None:
        """Stop everything."""
        self._active.clear()
        for entry in self._entries:
            self._end(entry)
        await self._settle()

    def checkpoint(self) -> Callable[[], None]:
        """Return what has those tasks run that are registered now, and no others."""
        entries, active = list(self._entries), set(self._active)

        def go_back() -> None:
            for entry in [one for one in self._entries if one not in entries]:
                self._end(entry)
            self._entries, self._active = list(entries), set(active)
            for entry in entries:
                if entry.loop is None and entry.handle.plugin in active:
                    self._start(entry)

        return go_back

    def _start(self, entry: _Entry) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ScheduleError(
                f"The background task {entry.task.name!r} cannot be started, since no event loop is running.",
                where=caller(),
                fix="Do it in a coroutine.",
                plugin=entry.handle.plugin,
            ) from None
        # A context of its own, so that a job does not seem to be a part of what registered it.
        entry.loop = loop.create_task(
            self._repeat(entry), name=f"nexus task {entry.task.name}", context=contextvars.Context()
        )

    def _end(self, entry: _Entry) -> None:
        loop, entry.loop = entry.loop, None
        # One that ends itself from within a run is left to finish that run.
        if loop is not None and not loop.done() and loop is not _current_task():
            loop.cancel()
            self._ending.add(loop)
            loop.add_done_callback(self._ending.discard)

    async def _settle(self) -> None:
        while ending := [loop for loop in self._ending if loop is not asyncio.current_task()]:
            await asyncio.wait(ending)

    async def _repeat(self, entry: _Entry) -> None:
        clock = self._kernel.clock
        me = asyncio.current_task()
        started = clock.now()
        due = started
        while True:
            due = entry.task.schedule.next_after(max(clock.now(), due), started=started)
            while (wait := (due - clock.now()).total_seconds()) > 0:
                await clock.sleep(wait)
            try:
                await self._run(entry)
            except (Exception, asyncio.CancelledError):
                if me is not None and me.cancelling():
                    raise
                # Recorded already; the next run comes.
                logger.exception("Error in background task %s", entry.task.name)
            if entry.loop is not me:
                return

    async def _run(self, entry: _Entry) -> Any:
        async with entry.lock:
            journal = self._kernel.journal
            at = self._kernel.clock.time()
            begun = journal.next_seq()
            asked = activity.get()
            correlation_id = (asked or entry).correlation_id
            caused_by = asked.number if asked is not None else entry.caused_by
            cause = asked.cause if asked is not None else None
            doing = Activity("job", self._kernel, entry.handle.plugin, correlation_id, cause, None, begun)
            token = activity.set(doing)
            entry.runner = asyncio.current_task()
            error: BaseException | None = None
            started = time.perf_counter()
            try:
                return await entry.task.handler()
            except BaseException as raised:
                error = raised
                raise
            finally:
                entry.runner = None
                activity.reset(token)
                journal.append(
                    JobRun(
                        journal.next_seq(),
                        at,
                        entry.task.name,
                        entry.handle.plugin,
                        time.perf_counter() - started,
                        error,
                        correlation_id,
                        begun,
                        caused_by,
                    )
                )

    def list(self) -> Names:
        """Return the names of all registered tasks, in the order of registration."""
        return [entry.task.name for entry in self._entries]

    def __repr__(self) -> str:
        return f"<TaskManager {self.list()!r}>"


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
