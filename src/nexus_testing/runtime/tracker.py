"""What plugins bring to life on an event loop and in the process, with the line that did."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from ..locations import Location, is_library
from ..nexus.context import activity, who

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import AsyncGeneratorType, CodeType, FrameType

    from ..nexus.kernel import Kernel

__all__ = ("Dropped", "Made", "Tracker", "failed", "tracker")

_DEPTH = 14
"""How many frames above a call the author's own is looked for; a task of a library's has none near."""

_PRUNE = 2048
"""At how many tasks those that ended well are forgotten."""


class Made(NamedTuple):
    """Something that was brought to life: the thing itself, the author's code that did, and whose code was running."""

    thing: Any
    code: CodeType | None
    line: int
    plugin: str | None
    kernel: Kernel | None

    @property
    def where(self) -> Location | None:
        """The line that brought it to life, if it is the author's."""
        return Location(self.code.co_filename, self.line, self.code.co_qualname) if self.code is not None else None


class Dropped(NamedTuple):
    """A coroutine that was made and never awaited."""

    name: str
    where: Location
    plugin: str | None


def _ours(file: str) -> bool:
    return "/nexus_testing/" in file and is_library(file)


def _author(frame: FrameType | None) -> tuple[CodeType | None, int] | None:
    """Return the author's code nearest to a frame, nothing if none is near, and None if the harness itself did it."""
    for _ in range(_DEPTH):
        if frame is None:
            break
        file = frame.f_code.co_filename
        if not is_library(file):
            return frame.f_code, frame.f_lineno
        if _ours(file):
            return None
        frame = frame.f_back
    return None, 0


class Tracker:
    """Notes tasks, timers, threads, sockets and dropped coroutines while somebody holds it. There is one a process."""

    def __init__(self) -> None:
        self.tasks: list[Made] = []
        self.timers: list[Made] = []
        self.threads: list[Made] = []
        self.dropped: list[Dropped] = []
        self._sockets: list[tuple[weakref.ref[socket.socket], Made]] = []
        self._loops: dict[asyncio.AbstractEventLoop, _Watched] = {}
        self._undo: list[Callable[[], None]] = []
        self._limit = _PRUNE

    # -- when it is on -------------------------------------------------------------------------------------------

    def hold(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note what happens on a loop and in the process, until as many have let go as hold it.

        Args:
            loop: The loop.
        """
        watched = self._loops.get(loop)
        if watched is None:
            if not self._loops:
                self._watch_process()
            watched = self._loops[loop] = _Watched(self, loop)
        watched.holders += 1

    def let_go(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note nothing any more, if nobody else holds it.

        Args:
            loop: The loop.
        """
        watched = self._loops[loop]
        watched.holders -= 1
        if not watched.holders:
            del self._loops[loop]
            watched.undo()
            if not self._loops:
                while self._undo:
                    self._undo.pop()()

    def clear(self) -> None:
        """Forget all that was noted."""
        for noted in (self.tasks, self.timers, self.threads, self.dropped, self._sockets):
            noted.clear()

    def _watch_process(self) -> None:
        self._undo += [
            _replaced(threading.Thread, "start", self._thread_start(threading.Thread.start)),
            _replaced(socket.socket, "__init__", self._socket_init(socket.socket.__init__)),
            self._watch_coroutines(),
        ]

    # -- what it notes -------------------------------------------------------------------------------------------

    def task(self, made: asyncio.Future[Any]) -> None:
        """Note a task that was made by the caller's caller.

        Args:
            made: The task.
        """
        found = _author(sys._getframe(2))
        if found is not None and (found[0] is not None or activity.get() is not None):
            self.tasks.append(_made(made, *found))
            if len(self.tasks) > self._limit:
                self.tasks[:] = [one for one in self.tasks if not one.thing.done() or failed(one.thing)]
                self._limit = max(_PRUNE, 2 * len(self.tasks))

    def _thread_start(self, original: Any) -> Any:
        def start(thread: threading.Thread) -> None:
            found = _author(sys._getframe(1))
            if found is not None:
                self.threads.append(_made(thread, *found))
            original(thread)

        return start

    def _socket_init(self, original: Any) -> Any:
        def init(sock: socket.socket, *args: Any, **options: Any) -> None:
            original(sock, *args, **options)
            found = _author(sys._getframe(1))
            if found is not None:
                made = _made(None, *found)
                if made.code is not None or made.plugin is not None:
                    self._sockets.append((weakref.ref(sock), made))

        return init

    def _watch_coroutines(self) -> Callable[[], None]:
        original: Any = warnings._warn_unawaited_coroutine  # type: ignore[attr-defined]

        def warn(coroutine: Any) -> None:
            code = coroutine.cr_code
            if is_library(code.co_filename):
                original(coroutine)
                return
            # To have each coroutine note who made it would cost every test more than all else here. One that is made
            # and not kept is dropped by the very line that made it; for another, the line that defines it has to do.
            origin = getattr(coroutine, "cr_origin", None)
            found = _author(sys._getframe(1))
            if origin:
                where = Location(*origin[0])
            elif found is not None and found[0] is not None:
                where = Location(found[0].co_filename, found[1], found[0].co_qualname)
            else:
                where = Location(code.co_filename, code.co_firstlineno, code.co_qualname)
            self.dropped.append(Dropped(coroutine.__qualname__, where, who()))

        def undo() -> None:
            warnings._warn_unawaited_coroutine = original  # type: ignore[attr-defined]

        warnings._warn_unawaited_coroutine = warn  # type: ignore[attr-defined]
        return undo

    # -- what is left --------------------------------------------------------------------------------------------

    def sockets(self) -> list[Made]:
        """Return the sockets that are open."""
        found = [(reference(), made) for reference, made in self._sockets]
        return [made._replace(thing=sock) for sock, made in found if sock is not None and sock.fileno() >= 0]

    def generators(self, loop: asyncio.AbstractEventLoop) -> list[AsyncGeneratorType[Any, Any]]:
        """Return the asynchronous generators that were begun on a loop and neither ended nor closed.

        Args:
            loop: The loop.
        """
        before = self._loops[loop].generators if loop in self._loops else frozenset()
        return [
            one
            for one in list(getattr(loop, "_asyncgens", ()))
            if id(one) not in before and one.ag_frame is not None and not one.ag_running
        ]


class _Watched:
    """One loop whose tasks and timers are noted."""

    def __init__(self, tracker: Tracker, loop: asyncio.AbstractEventLoop) -> None:
        self.holders = 0
        self.generators = frozenset(map(id, getattr(loop, "_asyncgens", ())))
        self._loop = loop
        self._before = loop.get_task_factory()
        self._factory = _noting_tasks(tracker, self._before)
        loop.set_task_factory(self._factory)
        # A virtual clock has a call_later of its own, asyncio's goes through call_at.
        undo = [
            _replaced(loop, name, _noting_timers(tracker, getattr(loop, name))) for name in ("call_later", "call_at")
        ]
        self._undo = undo

    def undo(self) -> None:
        """Leave the loop as it was."""
        for undo in self._undo:
            undo()
        if self._loop.get_task_factory() is self._factory:
            self._loop.set_task_factory(self._before)


def _noting_tasks(tracker: Tracker, before: Any) -> Any:
    def make(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any) -> Any:
        made = asyncio.Task(coroutine, loop=loop, **options) if before is None else before(loop, coroutine, **options)
        tracker.task(made)
        return made

    return make


def _noting_timers(tracker: Tracker, original: Any) -> Any:
    def call(when: float, callback: Any, *args: Any, **options: Any) -> Any:
        handle = original(when, callback, *args, **options)
        frame = sys._getframe(1)
        # What a library waits for by itself belongs to a task or a connection, which is noted as such.
        if not is_library(frame.f_code.co_filename):
            tracker.timers.append(_made(handle, frame.f_code, frame.f_lineno))
        return handle

    return call


def _replaced(owner: Any, name: str, function: Any) -> Callable[[], None]:
    """Put a function in place of another, and return what undoes it."""
    own = vars(owner)
    before = own.get(name)
    setattr(owner, name, function)

    def undo() -> None:
        if before is not None:
            setattr(owner, name, before)
        elif vars(owner).get(name) is function:
            delattr(owner, name)

    return undo


def _made(thing: Any, code: CodeType | None, line: int) -> Made:
    doing = activity.get()
    return Made(thing, code, line, who(), doing.kernel if doing is not None else None)


def failed(task: asyncio.Task[Any]) -> bool:
    """Say whether a task ended with an exception that nobody asked it for.

    Args:
        task: The task.
    """
    return bool(getattr(task, "_log_traceback", False))


tracker = Tracker()
"""The tracker of this process."""
