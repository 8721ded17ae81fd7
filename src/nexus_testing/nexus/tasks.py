"""Background tasks: what plugins have run at times, on the app's clock."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import time
from datetime import UTC
from typing import TYPE_CHECKING, Any, TypeAlias

from ..calls import awaited
from ..errors import OutboundRefused, ScheduleError, did_you_mean
from ..limits import debugging
from ..locations import caller, of_callable
from ..records import JobRun
from .background import BackgroundTask
from .context import Activity, activity, who
from .handles import Handle
from .jobs import JobAssertions
from .schedules import Schedule

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .kernel import Kernel
    from .permissions import Permissions

__all__ = ("BackgroundTask", "Schedule", "TaskManager")

logger = logging.getLogger("nexus.tasks")

Names: TypeAlias = list[str]

_END = 5.0
"""Seconds that a run may take to end after it was cancelled."""

_HALF = 0.000_000_5
"""Half a microsecond, in seconds: a quotient of two floats may be a little less than it should be."""


class _Entry:
    """One registered task."""

    __slots__ = ("caused_by", "correlation_id", "ended", "handle", "lock", "loop", "paused", "runner", "task")

    def __init__(self, task: BackgroundTask, handle: Handle) -> None:
        self.task = task
        self.handle = handle
        self.lock = asyncio.Lock()
        self.paused = False
        self.loop: asyncio.Task[None] | None = None
        self.ended: asyncio.Task[None] | None = None
        self.runner: asyncio.Task[Any] | None = None
        doing = activity.get()
        self.correlation_id = doing.correlation_id if doing is not None else None
        self.caused_by = doing.number if doing is not None else None


class TaskManager(JobAssertions):
    """Runs the background tasks of the plugins that are active. Lives as long as its app.

    Args:
        kernel: The app that it belongs to.
    """

    guard: Permissions | None = None
    """Who says what plugins may do, once there is one that may not do everything."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._journal = kernel.journal
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

    def pause(self, name: str, *, plugin: str | None = None) -> None:
        """Let a task's times go by until it is resumed; a run that is on goes on.

        Args:
            name: The task's name.
            plugin: Whose task, where several plugins have one of that name.

        Raises:
            ScheduleError: If there is none.
        """
        self._entry(name, plugin).paused = True

    def resume(self, name: str, *, plugin: str | None = None) -> None:
        """Have a paused task run at its times again, the next one first.

        Args:
            name: The task's name.
            plugin: Whose task, where several plugins have one of that name.

        Raises:
            ScheduleError: If there is none.
        """
        self._entry(name, plugin).paused = False

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
        entry.ended = loop
        # One that ends itself from within a run is left to finish that run.
        if loop is not None and not loop.done() and loop is not _current_task():
            loop.cancel()
            self._ending.add(loop)
            loop.add_done_callback(self._ending.discard)

    async def _settle(self) -> None:
        while ending := [loop for loop in self._ending if loop is not asyncio.current_task()]:
            _, left = await asyncio.wait(ending, timeout=_END)
            if left and not debugging():
                # Nobody waits for them a second time; what they do from now on is their own affair.
                self._ending -= left
                names = " and ".join(sorted(repr(one.get_name()) for one in left))
                stubborn = [entry.task.handler for entry in self._entries if entry.ended in left]
                raise ScheduleError(
                    f"{names} did not end within {_END:g} s of being cancelled.",
                    where=of_callable(stubborn[0]) if stubborn else None,
                    why="it caught the CancelledError and went on",
                    fix="Let CancelledError through: catch Exception, or raise it again after cleaning up.",
                )

    async def _repeat(self, entry: _Entry) -> None:
        me = asyncio.current_task()
        async for _ in self._times(entry.task.schedule):
            if not entry.paused:
                await self._try(entry, me)
            if entry.loop is not me:
                return

    async def _times(self, schedule: Schedule) -> AsyncIterator[None]:
        """Yield at each time of a schedule; those that go by meanwhile are left out."""
        clock = self._kernel.clock
        if schedule.interval is not None:
            # On the time that only ever grows: whoever sets the wall clock does not change how long an hour is.
            interval, begun, number = schedule.interval.total_seconds(), clock.monotonic(), 0
            while True:
                passed = math.floor((clock.monotonic() - begun + _HALF) / interval)
                number = max(number, passed) + 1
                due = begun + number * interval + schedule.lateness(number).total_seconds()
                while (wait := due - clock.monotonic()) > _HALF:
                    await clock.sleep(wait)
                yield
        # Differences in UTC: between two times of one zone Python takes what the wall shows, summer time or not.
        started = due_at = clock.now().astimezone(UTC)
        while True:
            now = max(clock.now().astimezone(UTC), due_at).astimezone(clock.zone)
            found = schedule.next_after(now, started=started)
            if found is None:
                return
            due_at = found.astimezone(UTC)
            late = due_at + schedule.lateness(due_at.timestamp())
            while (wait := (late - clock.now().astimezone(UTC)).total_seconds()) > 0:
                await clock.sleep(wait)
            yield
            if schedule.at is not None:
                return

    async def _try(self, entry: _Entry, me: asyncio.Task[Any] | None) -> None:
        """Run a task at one of its times, and again if it fails and may."""
        for attempt in range(1, entry.task.retries + 2):
            try:
                await self._run(entry, attempt)
            except (Exception, asyncio.CancelledError, OutboundRefused):
                if me is not None and me.cancelling():
                    raise
                # Recorded already; the next run comes.
                logger.exception("Error in background task %s", entry.task.name)
            else:
                return
            if attempt <= entry.task.retries:
                await self._kernel.clock.sleep(entry.task.backoff * 2 ** (attempt - 1))
            if entry.loop is not me:
                return

    async def _run(self, entry: _Entry, attempt: int = 1) -> Any:
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
                if entry.task.timeout is None:
                    return await self.handle(entry.task)
                async with asyncio.timeout(entry.task.timeout):
                    return await self.handle(entry.task)
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
                        attempt,
                    )
                )

    def handle(self, task: BackgroundTask) -> Awaitable[Any]:
        """Call what a task is to run. Only `run_now` and the task's times do it.

        Args:
            task: The task.
        """
        return task.handler()

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
