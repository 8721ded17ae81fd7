"""What goes on outside of an event loop and will come back to it: threads, processes, connections."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
import weakref
from asyncio import selector_events
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ("IO_GRACE", "WORK_GRACE", "Outside")

IO_GRACE = 0.05
"""Real seconds in which a connection may answer, after something was written to it."""
WORK_GRACE = 10.0
"""Real seconds for which a thread or a process is waited for while nothing at all is heard of it."""

_FOR_EVER = 3600.0
_monotonic = time.monotonic


class Outside:
    """Who is at work outside of one event loop."""

    def __init__(self) -> None:
        self.io_grace = IO_GRACE
        self.active = False
        """Whether a connection said or heard something since they were all last found quiet."""
        self._external = 0
        self._threads = 0
        self._processes: weakref.WeakSet[Any] = weakref.WeakSet()
        self._since: float | None = None
        self._given_up = False
        self._changed = True
        self._foreign = False
        self._quiet: set[int] = set()

    def install(self, loop: Any, replace: Callable[[Any, str, Any], None]) -> None:
        """Listen for work that the loop gives away.

        Args:
            loop: The event loop.
            replace: Puts a method in another's place, until the loop is given back.
        """
        self._listen_for_threads(loop, replace)
        self._listen_for_processes(loop, replace)
        self._listen_for_connections(loop, replace)

    # -- threads ------------------------------------------------------------------------------------------------------

    def _listen_for_threads(self, loop: Any, replace: Callable[[Any, str, Any], None]) -> None:
        # The threads that FastAPI runs plain functions in are none of the loop's executor's.
        from anyio._backends._asyncio import AsyncIOBackend

        submit = loop.run_in_executor
        in_worker = AsyncIOBackend.run_sync_in_worker_thread

        def run_in_executor(executor: Any, function: Any, *args: Any) -> asyncio.Future[Any]:
            future: asyncio.Future[Any] = submit(executor, function, *args)
            self._begin()
            future.add_done_callback(self._end)
            return future

        async def run_sync_in_worker_thread(_: type, *args: Any, **kwargs: Any) -> Any:
            if asyncio.get_running_loop() is not loop:
                return await in_worker(*args, **kwargs)
            self._begin()
            try:
                return await in_worker(*args, **kwargs)
            finally:
                self._end()

        replace(loop, "run_in_executor", run_in_executor)
        replace(AsyncIOBackend, "run_sync_in_worker_thread", classmethod(run_sync_in_worker_thread))

    def _begin(self) -> None:
        self._threads += 1
        self._since = None
        self._given_up = False

    def _end(self, _: object = None) -> None:
        self._threads -= 1

    @contextmanager
    def external(self) -> Iterator[None]:
        """Hold virtual time, for the length of the block."""
        self._external += 1
        try:
            yield
        finally:
            self._external -= 1

    # -- processes ----------------------------------------------------------------------------------------------------

    def _listen_for_processes(self, loop: Any, replace: Callable[[Any, str, Any], None]) -> None:
        make = loop._make_subprocess_transport

        async def make_subprocess_transport(*args: Any, **kwargs: Any) -> Any:
            self._begin()
            try:
                transport = await make(*args, **kwargs)
            finally:
                self._end()
            self._processes.add(transport)
            return transport

        replace(loop, "_make_subprocess_transport", make_subprocess_transport)

    # -- connections --------------------------------------------------------------------------------------------------

    def _listen_for_connections(self, loop: Any, replace: Callable[[Any, str, Any], None]) -> None:
        # On the classes: connections that are older than the clock count too.
        kinds: Any = selector_events
        stream, datagram = kinds._SelectorSocketTransport, kinds._SelectorDatagramTransport
        for cls, name in ((stream, "write"), (stream, "writelines"), (datagram, "sendto")):
            if name in vars(cls):
                replace(cls, name, self._saying(getattr(cls, name)))
        for name in ("sock_sendall", "sock_connect"):
            replace(loop, name, self._noting(getattr(loop, name)))
        for name in ("register", "unregister"):
            replace(loop._selector, name, self._changing(getattr(loop._selector, name)))

    def _noting(self, function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.active = True
            return function(*args, **kwargs)

        return call

    def _saying(self, function: Any) -> Any:
        def call(transport: Any, *args: Any, **kwargs: Any) -> Any:
            if transport._sock_fd not in self._quiet:
                self.active = True
            return function(transport, *args, **kwargs)

        return call

    def _changing(self, function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.active = self._changed = True
            return function(*args, **kwargs)

        return call

    def quiet(self, fd: int, *, on: bool) -> None:
        """Leave a connection out of account, or take it back into it.

        Args:
            fd: Its file descriptor.
            on: Whether to leave it out.
        """
        if on != (fd in self._quiet):
            self._changed = True
            (self._quiet.add if on else self._quiet.discard)(fd)

    def heard(self, events: Iterable[tuple[Any, int]]) -> None:
        """Take in what came.

        Args:
            events: What a selector returned.
        """
        if not self._quiet or any(key.fd not in self._quiet for key, _ in events):
            self.active = True

    def connected(self, loop: Any) -> bool:
        """Say whether somebody outside is connected to the loop.

        Args:
            loop: The event loop.
        """
        if self._changed:
            self._changed = False
            own = loop._ssock.fileno()
            known = {own} | self._quiet
            self._foreign = _has_foreign([fd for fd in loop._selector.get_map() if fd not in known])
        return self._foreign

    # -- waiting for them ---------------------------------------------------------------------------------------------

    def grace(self, loop: Any) -> float:
        """Return for how many real seconds virtual time has to stand still; 0 if for none.

        Args:
            loop: The event loop.
        """
        if self._external:
            return _FOR_EVER
        if not self._given_up and (self._threads or self._processes_live()):
            return self._left(WORK_GRACE)
        if self.active and self.connected(loop):
            return self._left(self.io_grace)
        return 0.0

    def _processes_live(self) -> bool:
        return bool(self._processes) and any(
            one.get_returncode() is None and not one.is_closing() for one in self._processes
        )

    def _left(self, grace: float) -> float:
        now = _monotonic()
        if self._since is None:
            self._since = now
        return max(self._since + grace - now, 0.000_001)

    def waited(self, events: Sequence[tuple[Any, int]]) -> None:
        """Take in how a wait went.

        Args:
            events: What came.
        """
        if events:
            self.heard(events)
            self._given_up = False
            self._since = None
            return
        since = self._since
        if self._external or since is None:
            return
        passed = _monotonic() - since
        if not self._given_up and (self._threads or self._processes_live()):
            if passed >= WORK_GRACE:
                self._given_up = True
                self._since = None
        elif passed >= self.io_grace:
            self.active = False
            self._since = None


def _has_foreign(fds: list[int]) -> bool:
    """Say whether one of these is a connection whose other end is not among them too."""
    here: set[object] = set()
    there: list[object] = []
    for fd in fds:
        try:
            if not stat.S_ISSOCK(os.fstat(fd).st_mode):
                continue
            with socket.socket(fileno=os.dup(fd)) as copy:
                here.add(copy.getsockname())
                if hasattr(socket, "SO_ACCEPTCONN") and copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    continue
                there.append(_peer(copy))
        except OSError:
            continue
    return any(peer not in here for peer in there)


def _peer(connection: socket.socket) -> object:
    try:
        return connection.getpeername()
    except OSError:
        # Not connected yet, or a datagram socket that is connected to nobody: it may hear of anybody.
        return None
