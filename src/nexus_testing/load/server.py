"""Plugins on a real server, for a browser or for load."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.util
import json
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..app import create_test_app
from ..errors import ExtraMissing, NexusTestingError, ServeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping

    from ..app import App

__all__ = ("Serving", "serve")

_KEPT = 1_000
"""Records of the journal that are kept: a server runs for longer than a test."""

_BEAT = 0.05
"""Seconds between two looks at how late the loop is."""

_LINE = 0.25
"""Seconds that a line of the file is about."""


class Serving(NamedTuple):
    """A server that takes requests."""

    host: str
    port: int
    app: App

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


async def serve(
    plugins: Iterable[object],
    ready: Callable[[Serving], None],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    config: Mapping[str, Any] | None = None,
    backend: str | None = None,
    reload: bool = False,
    beats: Path | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serve plugins until the process is told to end; then answer what is asked, and shut them down.

    Args:
        plugins: Names, paths or classes.
        ready: Called once requests are taken.
        host: The address to listen on.
        port: The port; 0 for a free one.
        config: The app's configuration.
        backend: Which framework runs the plugins.
        reload: Whether plugins whose files change are loaded anew.
        beats: A file to write four times a second, as a line of JSON, how late the loop was and how many blocks of
            memory and tasks there are; None for no such file.
        say: Called with a line of news.

    Raises:
        ServeError: If the address cannot be listened on.
        ExtraMissing: If there is no uvicorn.
        NexusTestingError: If a plugin cannot be loaded.
    """
    if importlib.util.find_spec("uvicorn") is None:
        raise ExtraMissing("A server", extra="load")
    with _listening(host, port) as listener:
        app = create_test_app(plugins, config=config, backend=backend)
        server = _made(app, lambda: ready(Serving(host, listener.getsockname()[1], app)))
        async with app, _beating(beats), _reloading(app, say if reload else None):
            with app.journal.ring(_KEPT), _told_to_end(server):
                await server.serve(sockets=[listener])


def _made(app: App, ready: Callable[[], None]) -> Any:
    """Return a server that says when it takes requests, and leaves signals alone.

    uvicorn's own raises them again when it has ended, which would be before the plugins are shut down.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """Take requests from here on."""
            await super().startup(sockets)
            ready()

        def install_signal_handlers(self) -> None:
            """Install none: so older releases ask."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Capture none: so newer releases ask."""
            yield

    # With its lifespan, what a plugin raises would be a line of its log and an exit code.
    return Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))


@contextlib.contextmanager
def _told_to_end(server: Any) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM end the server in good order, and the second at once."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.force_exit, server.should_exit = server.should_exit, True

    signals = (signal.SIGINT, signal.SIGTERM)
    for one in signals:
        loop.add_signal_handler(one, end)
    try:
        yield
    finally:
        for one in signals:
            loop.remove_signal_handler(one)


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By the protocol's name, since asyncio turns Nagle's delay off for such sockets alone: 40 ms a request, else.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(2048)
        except (OSError, OverflowError) as error:
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            raise ServeError(
                f"Nothing can listen at {host}:{port}: {'the port is taken' if taken else error}.",
                fix="Name another one: --port 0 takes any that is free."
                if taken
                else "Name an address of this machine, such as --host 127.0.0.1, and a port up to 65535.",
            ) from error
        yield listener


@contextlib.asynccontextmanager
async def _beating(file: Path | None) -> AsyncIterator[None]:
    """Write how late the loop was, at most, four times a second."""
    if file is None:
        yield
        return

    async def beat() -> None:
        with file.open("a", encoding="utf-8", buffering=1) as out:
            until, late, before = time.monotonic() + _LINE, 0.0, time.monotonic()
            while True:
                await asyncio.sleep(_BEAT)
                now = time.monotonic()
                late, before = max(late, now - before - _BEAT), now
                if now >= until:
                    left = {"blocks": sys.getallocatedblocks(), "tasks": len(asyncio.all_tasks())}
                    out.write(json.dumps({"at": time.time(), "lag": round(late, 6), **left}) + "\n")
                    until, late = now + _LINE, 0.0

    async with _task(beat()):
        yield


@contextlib.asynccontextmanager
async def _reloading(app: App, say: Callable[[str], None] | None) -> AsyncIterator[None]:
    """Load plugins anew whose files change."""
    if say is None:
        yield
        return
    try:
        from watchfiles import PythonFilter, awatch
    except ImportError:
        raise ExtraMissing("--reload", extra="load") from None
    folders = {name: folder for name, folder in app._backend.folders.items() if folder is not None}

    async def reload() -> None:
        async for changes in awatch(*folders.values(), watch_filter=PythonFilter(extra_extensions=(".json", ".html"))):
            changed = [Path(file) for _, file in changes]
            for name in [name for name, at in folders.items() if any(file.is_relative_to(at) for file in changed)]:
                await renew(name)

    async def renew(name: str) -> None:
        try:
            await app.reload_plugin(name)
        except NexusTestingError as error:
            say(f"{error}\nThe code from before goes on.")
        else:
            say(f"{name} was loaded anew.")

    async with _task(reload()):
        yield


@contextlib.asynccontextmanager
async def _task(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
