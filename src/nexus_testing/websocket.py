"""A WebSocket conversation with an ASGI app on the test's own loop."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Self

from starlette.websockets import WebSocketDisconnect

from .errors import WebSocketClosed, WebSocketError, WebSocketRejected
from .limits import limit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from starlette.types import ASGIApp, Message

__all__ = ("WebSocketSession", "websocket_scope")


class WebSocketSession:
    """One conversation: connect by ``async with``, then send and receive.

    Args:
        app: The app.
        scope: The connection's ASGI scope.
        timeout: How many seconds a receive waits unless it is told otherwise; None for ever.
        settle: Waits for the events that the conversation led to.
    """

    def __init__(
        self,
        app: ASGIApp,
        scope: dict[str, Any],
        *,
        timeout: float | None,
        settle: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._app = app
        self._scope = scope
        self._timeout = timeout
        self._settle = settle
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._closed: tuple[int, str] | None = None
        self.subprotocol: str | None = None
        self.headers: list[tuple[bytes, bytes]] = []

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            WebSocketRejected: If the app refuses.
        """
        __tracebackhide__ = True
        self._to_app.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"websocket {self._scope['path']}")
        try:
            message = await self._next(self._timeout, "the app to accept the connection")
            if message["type"] == "websocket.accept":
                self.subprotocol = message.get("subprotocol")
                self.headers = list(message.get("headers", []))
                return self
            if message["type"] == "websocket.http.response.start":
                raise await self._denied(message)  # noqa: TRY301 - whatever ends the connection ends the task
            code, reason = message.get("code", 1000), message.get("reason") or ""
            raise WebSocketRejected(  # noqa: TRY301 - as above
                f"The app refused the WebSocket {self._scope['path']!r}: it closed it with {code} {reason}".rstrip()
                + " before it accepted it.",
                status=403,
                body=reason.encode(),
                code=code,
            )
        except BaseException:
            await self._end()
            raise

    async def _denied(self, start: Message) -> WebSocketRejected:
        body = b""
        more = True
        while more:
            message = await self._next(self._timeout, "the rest of the refusal")
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return WebSocketRejected(
            f"The app refused the WebSocket {self._scope['path']!r} with status {start['status']}: "
            f"{body.decode(errors='replace')}",
            status=start["status"],
            body=body,
        )

    async def __aexit__(self, *exc_info: object) -> None:
        """Disconnect, and wait until the app has done what it does then."""
        __tracebackhide__ = True
        await self._end()
        task = self._task
        if task is not None and task.done() and not task.cancelled():
            error = task.exception()
            # A route that only ever receives ends by this when the test leaves.
            if error is not None and exc_info[1] is None and not isinstance(error, WebSocketDisconnect):
                raise error
        if self._settle is not None and exc_info[0] is None:
            await self._settle()

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._to_app.get, self._from_app.put)
        finally:
            self._from_app.put_nowait({"type": "nexus.end"})

    async def _end(self) -> None:
        if self._task is None:
            return
        if not self._task.done():
            if self._closed is None:
                self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1000, "reason": ""})
                self._closed = (1000, "")
            await asyncio.wait([self._task], timeout=1)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _next(self, timeout: float | None, what: str) -> Message:  # noqa: ASYNC109 - with a message of its own
        __tracebackhide__ = True
        try:
            async with limit(timeout):
                message = await self._from_app.get()
        except TimeoutError:
            raise WebSocketError(
                f"The WebSocket {self._scope['path']!r}: nothing came within {timeout} s.",
                why=f"the test waits for {what}",
                fix="Look at what the route waits for, or pass a longer timeout=.",
            ) from None
        if message["type"] == "nexus.end":
            self._from_app.put_nowait(message)
            if self._task is not None:
                await asyncio.wait([self._task])
                if not self._task.cancelled() and (error := self._task.exception()) is not None:
                    raise error
            code, reason = self._closed or (1006, "")
            raise WebSocketClosed(
                f"The WebSocket {self._scope['path']!r} is over: the route returned"
                + (f" after closing with {code} {reason}".rstrip() if self._closed else " without closing it")
                + ".",
                code=code,
                reason=reason,
            )
        return message

    async def receive(self, timeout: float | str | None = "default") -> Message:  # noqa: ASYNC109 - as above
        """Return the app's next ASGI message.

        Args:
            timeout: How many seconds to wait; the session's by default.

        Raises:
            WebSocketClosed: If the app closed the conversation.
            WebSocketError: If nothing comes in time.
        """
        __tracebackhide__ = True
        seconds = self._timeout if isinstance(timeout, str) else timeout
        message = await self._next(seconds, "a message")
        if message["type"] == "websocket.close":
            code, reason = self._closed = (message.get("code", 1000), message.get("reason") or "")
            raise WebSocketClosed(
                f"The app closed the WebSocket {self._scope['path']!r} with {code} {reason}".rstrip() + ".",
                code=code,
                reason=reason,
            )
        return message

    async def receive_text(self, timeout: float | str | None = "default") -> str:  # noqa: ASYNC109 - as above
        """Return the next message as text.

        Args:
            timeout: How many seconds to wait; the session's by default.
        """
        __tracebackhide__ = True
        message = await self.receive(timeout)
        text = message.get("text")
        return text if text is not None else message["bytes"].decode()  # type: ignore[no-any-return]

    async def receive_bytes(self, timeout: float | str | None = "default") -> bytes:  # noqa: ASYNC109 - as above
        """Return the next message as bytes.

        Args:
            timeout: How many seconds to wait; the session's by default.
        """
        __tracebackhide__ = True
        message = await self.receive(timeout)
        data = message.get("bytes")
        return data if data is not None else message["text"].encode()  # type: ignore[no-any-return]

    async def receive_json(self, timeout: float | str | None = "default") -> Any:  # noqa: ASYNC109 - as above
        """Return what the next message says as JSON.

        Args:
            timeout: How many seconds to wait; the session's by default.
        """
        __tracebackhide__ = True
        return json.loads(await self.receive_text(timeout))

    async def __aiter__(self) -> AsyncIterator[str]:
        """Yield messages as text until the app closes."""
        try:
            while True:
                yield await self.receive_text()
        except WebSocketClosed:
            return

    async def send(self, message: Message) -> None:
        """Send an ASGI message.

        Args:
            message: The message.

        Raises:
            WebSocketClosed: If the conversation is over.
        """
        __tracebackhide__ = True
        if self._closed is not None or self._task is None or self._task.done():
            code, reason = self._closed or (1006, "")
            raise WebSocketClosed(
                f"The WebSocket {self._scope['path']!r} is closed ({code} {reason}".rstrip()
                + "); nothing can be sent.",
                code=code,
                reason=reason,
            )
        self._to_app.put_nowait(message)

    async def send_text(self, text: str) -> None:
        """Send text.

        Args:
            text: The text.
        """
        __tracebackhide__ = True
        await self.send({"type": "websocket.receive", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes.

        Args:
            data: The bytes.
        """
        __tracebackhide__ = True
        await self.send({"type": "websocket.receive", "bytes": data})

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON text.

        Args:
            value: The value.
        """
        __tracebackhide__ = True
        await self.send_text(json.dumps(value))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the conversation from the test's side.

        Args:
            code: The close code.
            reason: The close reason.
        """
        if self._closed is None:
            self._to_app.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
            self._closed = (code, reason)


def websocket_scope(
    path: str,
    query: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    host: tuple[str, int | None],
    subprotocols: Sequence[str],
) -> dict[str, Any]:
    """Return the ASGI scope of a WebSocket.

    Args:
        path: The path, decoded.
        query: The query, encoded.
        headers: The headers, names in lower case.
        host: Name and port of the server.
        subprotocols: What the client offers.
    """
    return {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 123),
        "server": host,
        "subprotocols": list(subprotocols),
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
