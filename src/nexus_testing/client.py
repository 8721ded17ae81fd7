"""The client that tests drive an app with: httpx on the test's own loop."""

from __future__ import annotations

import asyncio
import functools
import importlib
from typing import TYPE_CHECKING, Any, Protocol

from .errors import ExtraMissing, LifecycleError
from .locations import Location, caller
from .websocket import WebSocketSession, scope_of

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Iterable,
        Mapping,
        Sequence,
    )
    from types import ModuleType

    import httpx
    from starlette.types import Message

__all__ = ("BASE_URL", "Client", "accept_app_argument", "app_arguments", "make_client")

BASE_URL = "http://testserver"
_STREAMED = "nexus_testing.streamed"


class Served(Protocol):
    """What a client needs of an app."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        ...

    async def settle(self) -> None:
        """Wait for the events that a request led to."""
        ...

    def login(self, id: str, roles: Sequence[str], permissions: Sequence[str]) -> dict[str, str]:  # noqa: A002
        """Return the headers of a user's requests."""
        ...


def _scope(request: httpx.Request) -> dict[str, Any]:
    url = request.url
    raw_path, _, query = url.raw_path.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": raw_path,
        "query_string": query,
        "server": (url.host, url.port),
        "client": ("127.0.0.1", 123),
        "root_path": "",
        "state": {},
    }


class _Exchange:
    """One request and its response, the app in a task of its own, so that what it sends arrives as it is sent."""

    def __init__(self, app: Served, request: httpx.Request, *, raise_app_exceptions: bool, drain: bool) -> None:
        self._app = app
        self._scope = _scope(request)
        self._body = request.stream.__aiter__()  # type: ignore[union-attr]  # an async client sends async streams
        self._raise = raise_app_exceptions
        self._drain = drain
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        self._started: asyncio.Future[None] = loop.create_future()
        self._gone = asyncio.Event()
        self._sent = False
        self._over = False
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self._task = loop.create_task(self._run(), name=f"request {self._scope['path']}")

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            if not self._started.done():
                self._started.set_result(None)
            self._chunks.put_nowait(None)

    async def _receive(self) -> Message:
        if not self._sent:
            try:
                chunk = await self._body.__anext__()
            except StopAsyncIteration:
                self._sent = True
                return {"type": "http.request", "body": b"", "more_body": False}
            return {"type": "http.request", "body": chunk, "more_body": True}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", []))
            if not self._started.done():
                self._started.set_result(None)
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            if body and self._scope["method"] != "HEAD":
                self._chunks.put_nowait(body)
            if not message.get("more_body", False):
                self._over = True
                self._gone.set()
                self._chunks.put_nowait(None)

    async def start(self) -> None:
        """Wait until the response starts."""
        __tracebackhide__ = True
        try:
            await asyncio.shield(self._started)
        except asyncio.CancelledError:
            await self.close()
            raise
        if self._task.done():
            self._ended()

    def _ended(self) -> None:
        __tracebackhide__ = True
        if self._raise and not self._task.cancelled() and (error := self._task.exception()) is not None:
            raise error

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it is sent."""
        __tracebackhide__ = True
        while (chunk := await self._chunks.get()) is not None:
            yield chunk
        if not self._over:
            await asyncio.wait([self._task])
            self._ended()

    async def close(self) -> None:
        """Tell the app that the client is gone, unless it had all, and wait for the app's end."""
        __tracebackhide__ = True
        if not self._task.done():
            self._gone.set()
            await asyncio.wait([self._task], timeout=None if self._over else 1)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._over:
            self._ended()
        if not self._task.cancelled():
            self._task.exception()
        if self._drain:
            await self._app.settle()


@functools.lru_cache(maxsize=4)
def _classes(name: str) -> tuple[type[Any], type[Any]]:
    """Return client and transport, as children of httpx's or httpx2's own."""
    try:
        library: ModuleType = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ExtraMissing(f"The client {name!r}", extra=name) from error

    class Stream(library.AsyncByteStream):  # type: ignore[name-defined,misc]
        def __init__(self, exchange: _Exchange) -> None:
            self._exchange = exchange

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self._exchange.chunks()

        async def aclose(self) -> None:
            __tracebackhide__ = True
            await self._exchange.close()

    class Body(library.AsyncByteStream):  # type: ignore[name-defined,misc]
        def __init__(self, parts: list[bytes]) -> None:
            self._parts = parts

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"".join(self._parts)

    class Transport(library.AsyncBaseTransport):  # type: ignore[name-defined,misc]
        """Hands requests to an app of ours."""

        def __init__(self, app: Served, *, raise_app_exceptions: bool = True, drain: bool = True) -> None:
            self._app = app
            self._raise = raise_app_exceptions
            self._drain = drain

        async def handle_async_request(self, request: httpx.Request) -> Any:
            __tracebackhide__ = True
            if request.extensions.get(_STREAMED) is False:
                return await self._whole(request)
            exchange = _Exchange(self._app, request, raise_app_exceptions=self._raise, drain=self._drain)
            await exchange.start()
            return library.Response(exchange.status, headers=exchange.headers, stream=Stream(exchange))

        async def _whole(self, request: httpx.Request) -> Any:
            """Let the app answer in the caller's own task, and return when it has finished."""
            __tracebackhide__ = True
            body = request.stream.__aiter__()  # type: ignore[union-attr]  # an async client sends async streams
            status = 500
            headers: list[tuple[bytes, bytes]] = []
            parts: list[bytes] = []
            sent = over = False
            gone: asyncio.Future[None] | None = None

            async def receive() -> Message:
                nonlocal sent, gone
                if not sent:
                    try:
                        chunk = await body.__anext__()
                    except StopAsyncIteration:
                        sent = True
                        return {"type": "http.request", "body": b"", "more_body": False}
                    return {"type": "http.request", "body": chunk, "more_body": True}
                if not over:
                    if gone is None:
                        gone = asyncio.get_running_loop().create_future()
                    await asyncio.shield(gone)
                return {"type": "http.disconnect"}

            async def send(message: Message) -> None:
                nonlocal status, headers, over
                if message["type"] == "http.response.start":
                    status = message["status"]
                    headers = list(message.get("headers", []))
                elif message["type"] == "http.response.body":
                    chunk = message.get("body", b"")
                    if chunk and request.method != "HEAD":
                        parts.append(chunk)
                    if not message.get("more_body", False):
                        over = True
                        if gone is not None and not gone.done():
                            gone.set_result(None)

            try:
                await self._app(_scope(request), receive, send)
            except Exception:
                if self._raise:
                    raise
            if self._drain:
                await self._app.settle()
            return library.Response(status, headers=headers, stream=Body(parts))

    class NexusClient(library.AsyncClient):  # type: ignore[name-defined,misc]
        """httpx's AsyncClient for one app, with users, WebSockets and streams that arrive as they are sent."""

        def __init__(
            self,
            app: Served,
            *,
            raise_app_exceptions: bool = True,
            drain: bool = True,
            base_url: str = BASE_URL,
            **options: Any,
        ) -> None:
            self.app = app
            self._nexus_options = {"raise_app_exceptions": raise_app_exceptions, "drain": drain}
            self._nexus_shut = False
            super().__init__(transport=Transport(app, **self._nexus_options), base_url=base_url, **options)

        def shut(self) -> None:
            """Refuse to send anything more."""
            self._nexus_shut = True

        async def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> Any:
            __tracebackhide__ = True
            if self._nexus_shut:
                raise LifecycleError(
                    f"{request.method} {request.url.path} was sent after the test: its client is closed.",
                    where=caller(),
                    fix="Send it in the test, or before the `yield` of the fixture.",
                )
            request.extensions[_STREAMED] = stream
            return await super().send(request, stream=stream, **options)

        def as_user(
            self,
            id: str,  # noqa: A002 - the user's word
            *,
            roles: Iterable[str] = (),
            permissions: Iterable[str] = (),
        ) -> Any:
            """Return a client of the same app in which a user is logged in.

            Args:
                id: The user's id.
                roles: The user's roles.
                permissions: What the user may do.
            """
            return self._twin({**self.headers, **self.app.login(id, tuple(roles), tuple(permissions))})

        def anonymous(self) -> Any:
            """Return a client of the same app in which nobody is logged in."""
            return self._twin({key: value for key, value in self.headers.items() if key != "authorization"})

        def _twin(self, headers: Mapping[str, str]) -> Any:
            return NexusClient(self.app, headers=headers, base_url=str(self.base_url), **self._nexus_options)

        def websocket(
            self,
            path: str,
            *,
            timeout: float | None = 5.0,
            headers: Mapping[str, str] | None = None,
            subprotocols: Sequence[str] = (),
        ) -> WebSocketSession:
            """Return a WebSocket conversation: connect it by ``async with``.

            Args:
                path: The route's path.
                timeout: How many seconds a receive waits; None for ever.
                headers: Headers besides the client's own.
                subprotocols: What to offer.
            """
            request = self.build_request("GET", path, headers=headers)
            url = request.url
            scope = scope_of(
                url.path,
                url.query,
                [(name.lower(), value) for name, value in request.headers.raw],
                (url.host, url.port),
                subprotocols,
            )
            settle: Callable[[], Awaitable[None]] | None = self.app.settle if self._nexus_options["drain"] else None
            return WebSocketSession(self.app, scope, timeout=timeout, settle=settle)

    NexusClient.__qualname__ = NexusClient.__name__
    return NexusClient, Transport


def make_client(app: Served, library: str = "httpx", **options: Any) -> Any:
    """Return a client for an app.

    Args:
        app: The app.
        library: "httpx" or "httpx2".
        **options: What the library's AsyncClient takes, and `raise_app_exceptions` and `drain`.
    """
    return _classes(library)[0](app, **options)


if TYPE_CHECKING:

    class Client(httpx.AsyncClient):
        """What `test_client` is: httpx's AsyncClient, with users, WebSockets and streams."""

        app: Any

        def as_user(self, id: str, *, roles: Iterable[str] = (), permissions: Iterable[str] = ()) -> Client:  # noqa: A002
            """Return a client of the same app in which a user is logged in."""

        def anonymous(self) -> Client:
            """Return a client of the same app in which nobody is logged in."""

        def websocket(
            self,
            path: str,
            *,
            timeout: float | None = 5.0,
            headers: Mapping[str, str] | None = None,
            subprotocols: Sequence[str] = (),
        ) -> WebSocketSession:
            """Return a WebSocket conversation."""

else:
    Client = Any


app_arguments: list[Location] = []
"""Where `AsyncClient(app=…)` was used with an app of ours; httpx itself takes it no more."""


def accept_app_argument(is_ours: Callable[[object], bool], library: str = "httpx") -> Callable[[], None]:
    """Let the library's AsyncClient take ``app=`` for apps of ours, as it once did for all; return the undo.

    Args:
        is_ours: Says whether an app is ours; for any other the library decides.
        library: "httpx" or "httpx2".
    """
    client = importlib.import_module(library).AsyncClient
    original = client.__init__

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        app = kwargs.get("app")
        if app is not None and is_ours(app):
            del kwargs["app"]
            place = caller(2)
            if place is not None and place not in app_arguments:
                app_arguments.append(place)
            kwargs["transport"] = _classes(library)[1](app)
        original(self, *args, **kwargs)

    client.__init__ = init

    def undo() -> None:
        if client.__init__ is init:
            client.__init__ = original

    return undo
