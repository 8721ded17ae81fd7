"""Requests handed to an ASGI app on the test's own loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import httpx
    from starlette.types import Message

__all__ = ("Exchange", "Served", "answered", "scope_of")


class Served(Protocol):
    """What a client needs of an app."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        ...

    async def settle(self) -> None:
        """Wait for the events that a request led to."""
        ...

    def login(
        self,
        id: str,  # noqa: A002 - the user's word
        roles: Sequence[str],
        permissions: Sequence[str],
        *,
        expires_in: float | None,
    ) -> dict[str, str]:
        """Return the headers of a user's requests."""
        ...

    def login_principal(self, name: str) -> dict[str, str]:
        """Return the headers of a ready principal's requests."""
        ...


def scope_of(request: httpx.Request) -> dict[str, Any]:
    """Return the ASGI scope of a request.

    Args:
        request: The request.
    """
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


class Exchange:
    """One request and its response, the app in a task of its own, so that what it sends arrives as it is sent."""

    def __init__(self, app: Served, request: httpx.Request, *, raise_app_exceptions: bool, drain: bool) -> None:
        self._app = app
        self._scope = scope_of(request)
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


async def answered(
    app: Served, request: httpx.Request, *, raise_app_exceptions: bool
) -> tuple[int, list[tuple[bytes, bytes]], list[bytes]]:
    """Let an app answer in the caller's own task, and return status, headers and body when it has finished.

    Args:
        app: The app.
        request: The request.
        raise_app_exceptions: Whether what the app raises reaches the caller.
    """
    __tracebackhide__ = True
    exchange = _Whole(request)
    try:
        await app(scope_of(request), exchange.receive, exchange.send)
    except Exception:
        if raise_app_exceptions:
            raise
    return exchange.status, exchange.headers, exchange.parts


class _Whole:
    """One request and its response, which is looked at when the app has finished."""

    __slots__ = ("_body", "_gone", "_head", "_over", "_sent", "headers", "parts", "status")

    def __init__(self, request: httpx.Request) -> None:
        self._body = request.stream.__aiter__()  # type: ignore[union-attr]  # an async client sends async streams
        self._head = request.method == "HEAD"
        self._sent = self._over = False
        self._gone: asyncio.Future[None] | None = None
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []

    async def receive(self) -> Message:
        """Give the app the body, then wait for the end as a connected client would."""
        if not self._sent:
            try:
                chunk = await self._body.__anext__()
            except StopAsyncIteration:
                self._sent = True
                return {"type": "http.request", "body": b"", "more_body": False}
            return {"type": "http.request", "body": chunk, "more_body": True}
        if not self._over:
            if self._gone is None:
                self._gone = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._gone)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Keep what the app answers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            chunk = message.get("body", b"")
            if chunk and not self._head:
                self.parts.append(chunk)
            if not message.get("more_body", False):
                self._over = True
                if self._gone is not None and not self._gone.done():
                    self._gone.set_result(None)
