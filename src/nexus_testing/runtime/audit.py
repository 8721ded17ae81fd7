"""What a plugin left alive: on the loop once its app is down, in the process once its test is over."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..environment import ProcessState
from ..locations import Location, is_library
from .leaks import Leak, is_code_of
from .tracker import Dropped, Made, failed, tracker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from ..records import Journal

__all__ = ("Audit", "Judge", "Verdict", "set_modules_aside", "verdicts")

_WORKERS = ("asyncio_", "AnyIO worker", "pymongo", "pytest")
"""What the names of threads begin with that stay for whoever needs one next."""

_GRACE = 0.1
"""Seconds that a thread may take to end after it was told to."""


class Watched(Protocol):
    """What the audit has to know of an app."""

    journal: Journal

    @property
    def folders(self) -> Mapping[str, Path | None]:
        """The folders of the plugins that were loaded at any time, by name."""
        ...


class Judge:
    """Judges what the plugins of one app left on its loop.

    Args:
        journal: The app's journal, by which it is told from others on the same loop.
        folders: The folders of the plugins that were loaded, by name.
    """

    def __init__(self, journal: Journal, folders: Mapping[str, Path | None]) -> None:
        self._journal = journal
        self.folders = folders

    def owner(self, file: str) -> str | None:
        """Return the plugin that a file belongs to, if it is one's and no test.

        Args:
            file: The file.
        """
        return next((name for name, folder in self.folders.items() if is_code_of(file, folder)), None)

    def _plugin(self, made: Made) -> str | None:
        if made.kernel is not None and made.kernel.journal is not self._journal:
            return None
        if made.plugin is not None:
            return made.plugin
        return self.owner(made.code.co_filename) if made.code is not None else None

    def _mine(self, noted: Iterable[Made]) -> Iterator[tuple[Made, str]]:
        for made in noted:
            plugin = self._plugin(made)
            if plugin is not None:
                yield made, plugin

    async def loop(self, loop: asyncio.AbstractEventLoop) -> list[Leak]:
        """Return what is left on a loop, and end it.

        Args:
            loop: The loop, on which this runs.
        """
        tasks = [(made, plugin) for made, plugin in self._mine(tracker.tasks) if not made.thing.done()]
        for _ in range(10):
            # One that was cancelled and not awaited ends by itself.
            if not any(made.thing.cancelling() and not made.thing.done() for made, _plugin in tasks):
                break
            await asyncio.sleep(0)
        leaks = []
        for made, plugin in tasks:
            if not made.thing.done():
                waits = _waits_at(made.thing)
                text = f"task {made.thing.get_name()!r}" + (f", which is at {waits}" if waits else "")
                leaks.append(Leak("tasks", text, plugin, made.where))
        now = loop.time()
        timers = [(made, plugin) for made, plugin in self._mine(tracker.timers) if not made.thing.cancelled()]
        for made, plugin in timers:
            if made.thing.when() > now:
                left = made.thing.when() - now
                leaks.append(Leak("timers", f"timer that would go off in {left:.3g} s", plugin, made.where))
                made.thing.cancel()
        leaks += await self._generators(loop)
        for made, _plugin in tasks:
            made.thing.cancel()
        if tasks:
            await asyncio.wait([made.thing for made, _plugin in tasks], timeout=1)
        return leaks

    async def _generators(self, loop: asyncio.AbstractEventLoop) -> list[Leak]:
        leaks = []
        candidates = [one for one in tracker.generators(loop) if self.owner(one.ag_code.co_filename) is not None]
        if not candidates:
            return []
        # One that nobody has any more but a circle of others is as good as closed.
        del candidates
        _collect()
        await asyncio.sleep(0)
        for one in tracker.generators(loop):
            plugin = self.owner(one.ag_code.co_filename)
            if plugin is not None and one.ag_frame is not None:
                where = Location(one.ag_code.co_filename, one.ag_frame.f_lineno, one.ag_code.co_qualname)
                leaks.append(Leak("generators", f"asynchronous generator {one.__qualname__}()", plugin, where))
                await one.aclose()
        return leaks

    def owner_of(self, dropped: Dropped) -> str | None:
        """Return the plugin that dropped a coroutine, if one did.

        Args:
            dropped: The coroutine.
        """
        return dropped.plugin or self.owner(dropped.where.file)

    def process(self) -> list[Leak]:
        """Return threads, sockets and coroutines that are left, and close what can be closed."""
        leaks = [
            Leak("coroutines", f"{one.name}(), which was never awaited", self.owner_of(one), one.where)
            for one in tracker.dropped
            if self.owner_of(one) is not None
        ]
        for made, plugin in self._mine(tracker.threads):
            if made.thing.is_alive() and not made.thing.name.startswith(_WORKERS):
                made.thing.join(_GRACE)
                if made.thing.is_alive():
                    leaks.append(Leak("threads", f"thread {made.thing.name!r}", plugin, made.where))
        if any(True for _ in self._mine(tracker.sockets())):
            _collect()
        for made, plugin in self._mine(tracker.sockets()):
            leaks.append(Leak("sockets", f"socket {_shown(made.thing)}", plugin, made.where))
            made.thing.close()
        return leaks

    def swallowed(self) -> list[BaseException]:
        """Return the exceptions of tasks that nobody awaited."""
        errors: list[BaseException] = []
        for made, plugin in self._mine(tracker.tasks):
            if made.thing.done() and failed(made.thing):
                error = made.thing.exception()
                error.add_note(
                    f"Task {made.thing.get_name()!r} of plugin {plugin!r}, made at {made.where}, was not awaited."
                )
                errors.append(error)
        return errors


class Verdict(NamedTuple):
    """What was found when an app was down."""

    judge: Judge
    state: ProcessState
    leaks: list[Leak]
    errors: list[BaseException]


verdicts: list[Verdict] = []
"""Those on the apps that were shut down, until somebody takes them."""


class Audit:
    """Watches one app from its start to its end, and then judges."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._state: ProcessState | None = None

    def begin(self) -> None:
        """Note what comes to life on the running loop from now on."""
        self._state = ProcessState.now()
        self._loop = asyncio.get_running_loop()
        tracker.hold(self._loop)

    async def judge(self, app: Watched) -> None:
        """Judge what is left, once the app is down.

        Args:
            app: The app.
        """
        if self._loop is None or self._state is None:
            return
        judge = Judge(app.journal, app.folders)
        try:
            leaks = await judge.loop(self._loop)
            verdicts.append(Verdict(judge, self._state, leaks, judge.swallowed()))
        finally:
            self.give_up()
            _Heap.apps = True

    def give_up(self) -> None:
        """Note nothing any more."""
        if self._loop is not None:
            tracker.let_go(self._loop)
            self._loop = None


class _Heap:
    """What the collector has to look through."""

    modules = 0
    """How many modules there were when all of theirs was set aside."""
    apps = False
    """Whether an app has come and gone."""


def _collect() -> None:
    """Collect what nobody has any more; all that modules made is set aside, once, so that it need not be looked at."""
    gc.collect()
    if len(sys.modules) != _Heap.modules:
        _Heap.modules = len(sys.modules)
        gc.freeze()


def set_modules_aside() -> None:
    """Keep the collector from what modules made, once an app has come and gone and whenever there are more of them.

    It would look through some hundred thousand objects of libraries each time that a hundred apps have come and gone,
    which takes longer than all that the audit does in those tests.
    """
    if _Heap.apps and len(sys.modules) != _Heap.modules:
        _collect()


def _waits_at(task: asyncio.Task[Any]) -> Location | None:
    """Return the innermost line of the author's that a task is at."""
    found = None
    coroutine: Any = task.get_coro()
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None and not is_library(frame.f_code.co_filename):
            found = Location(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return found


def _shown(sock: Any) -> str:
    try:
        return f"to {sock.getpeername()!r}"
    except OSError:
        try:
            return f"at {sock.getsockname()!r}"
        except OSError:
            return f"{sock.fileno()}"
