"""The entry of an app: every request is an activity while it lasts, and a record when it is over."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ..nexus.context import Activity, activity, who
from ..records import Request

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ..nexus.kernel import Kernel

__all__ = ("Entry",)


class Entry:
    """An ASGI application around another that keeps the journal of its requests.

    Args:
        app: The application.
        kernel: The app's parts.
    """

    def __init__(self, app: ASGIApp, kernel: Kernel) -> None:
        self._app = app
        self._kernel = kernel
        self._count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or WebSocket."""
        __tracebackhide__ = True
        kernel = self._kernel
        held = kernel.held
        if held is not None and scope["path"].startswith(held[0]) and activity.get() is None:
            await asyncio.shield(held[1])
        self._count += 1
        journal = kernel.journal
        begun = journal.next_seq()
        # Under load, where only the last records are kept, nobody follows a single request through the journal.
        correlation_id = f"request-{self._count}" if journal.counts is None else None
        doing = Activity("request", kernel, correlation_id=correlation_id, scope=scope, number=begun)
        at = kernel.clock.time()
        started = ended = time.perf_counter()
        status: int | None = None
        error: BaseException | None = None

        async def sending(message: Message) -> None:
            nonlocal status, ended
            kind = message["type"]
            if kind == "http.response.start":
                status = message["status"]
            elif kind == "websocket.accept":
                status = 101
            ended = time.perf_counter()
            await send(message)

        token = activity.set(doing)
        try:
            await self._app(scope, receive, sending)
        except BaseException as raised:
            error = raised
            ended = time.perf_counter()
            raise
        finally:
            plugin = who()
            activity.reset(token)
            journal.append(
                Request(
                    journal.next_seq(),
                    at,
                    scope.get("method", "WEBSOCKET"),
                    scope["path"],
                    status,
                    plugin,
                    ended - started,
                    correlation_id,
                    error,
                    begun,
                )
            )
