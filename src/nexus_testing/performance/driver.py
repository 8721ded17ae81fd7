"""The measuring path: requests handed to an ASGI app, timed at its entry, at the first byte and at the last."""

from __future__ import annotations

import asyncio
import time
from array import array
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .samples import Track

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ..runtime.routes import Mounted
    from .targets import Shot

__all__ = ("Iteration", "Meter", "iteration")

_FAILED = 400
"""The first status that counts as a failure."""

NO_ROUTE = "no route"


class Iteration:
    """One run of a scenario: when its first request was due, and how long the app had of its time."""

    __slots__ = ("due", "in_app")

    def __init__(self, due: float | None) -> None:
        self.due = due
        self.in_app = 0.0


iteration: ContextVar[Iteration | None] = ContextVar("nexus_testing.iteration", default=None)
"""The run of a scenario that the running code belongs to."""


class _Answer:
    """What an app is given for one request, and what it answers."""

    __slots__ = ("_body", "_gone", "_sent", "first", "last", "over", "status")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._sent = self.over = False
        self._gone: asyncio.Future[None] | None = None
        self.status: int | None = None
        self.first = self.last = 0.0

    async def receive(self) -> Message:
        """Give the app the body, then wait for the end as a connected client would."""
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        if not self.over:
            if self._gone is None:
                self._gone = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._gone)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take the times of what the app answers."""
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            self.first = time.perf_counter()
        elif kind == "http.response.body" and not message.get("more_body", False):
            self.last = time.perf_counter()
            self.over = True
            if self._gone is not None and not self._gone.done():
                self._gone.set_result(None)


class Meter:
    """Times the requests of one load, and counts those that are in the app at once.

    Args:
        asgi: The app.
        rng: Where random values come from.
        routes: The plugins' routes, under whose names the requests of scenarios count.
    """

    def __init__(self, asgi: ASGIApp, rng: random.Random, routes: Iterable[Mounted] = ()) -> None:
        self._asgi = asgi
        self.rng = rng
        self.spans: array[float] = array("d")
        """How long runs of scenarios took, calls, and events to the last of their handlers."""
        self.client_spans: array[float] = array("d")
        """What scenarios and their clients took of that themselves."""
        self._paths: dict[tuple[str, Any], str | None] = {}
        for one in routes:
            key = (one.method, one.endpoint)
            # An endpoint of several paths says nothing about which of them was asked for.
            self._paths[key] = one.path if key not in self._paths else None
        self.tracks: dict[str, Track] = {}
        self.began = time.perf_counter()
        self.in_flight = 0
        self.in_flight_peak = 0
        self.cutting = False
        """Whether the load is over, and requests that were not answered are cancelled."""

    def begin(self) -> None:
        """Forget all that was measured, and begin."""
        self.tracks = {}
        for spans in (self.spans, self.client_spans):
            del spans[:]
        self.in_flight_peak = 0
        self.began = time.perf_counter()

    def enter(self) -> float:
        """Count what begins; return when that is. Whoever calls it takes `in_flight` back."""
        self.in_flight += 1
        self.in_flight_peak = max(self.in_flight_peak, self.in_flight)
        return time.perf_counter()

    def note(  # noqa: PLR0917 - one call for every request
        self,
        name: str,
        due: float,
        entered: float,
        first: float,
        last: float,
        status: int | None,
        reason: str | None,
    ) -> None:
        """Keep what was measured of a request.

        Args:
            name: Method and path of its route.
            due: When it was due.
            entered: When the app was given it.
            first: When its first byte came.
            last: When its last byte came.
            status: What it answered, if it did.
            reason: Why it counts as failed, where the status does not say it.
        """
        track = self.tracks.get(name)
        if track is None:
            track = self.tracks[name] = Track()
        if reason is None and status is not None and status >= _FAILED:
            reason = str(status)
        track.add(last - self.began, last - due, last - entered, first - entered, status, reason)

    async def shoot(self, name: str, shot: Shot, due: float | None) -> None:
        """Send a request and wait until the app is through with it.

        Args:
            name: Method and path of its route.
            shot: The request.
            due: When it was due; now by default.
        """
        answer = _Answer(shot.body)
        scope = shot.scope()
        entered = self.enter()
        reason: str | None = None
        try:
            await self._asgi(scope, answer.receive, answer.send)
        except asyncio.CancelledError:
            if not self.cutting:
                raise
            reason = "unanswered"
        except Exception as error:  # noqa: BLE001 - what a plugin raises is a failed request
            reason = type(error).__name__
        finally:
            self.in_flight -= 1
        now = time.perf_counter()
        if not answer.over:
            reason = reason or "unanswered"
            answer.last = now
        self.note(
            name,
            entered if due is None else due,
            entered,
            answer.first or answer.last,
            answer.last,
            answer.status,
            reason,
        )

    def around(self, asgi: ASGIApp) -> ASGIApp:
        """Return the app with the requests of scenarios timed.

        Args:
            asgi: The app.
        """

        async def metered(scope: Scope, receive: Receive, send: Send) -> None:
            __tracebackhide__ = True
            doing = iteration.get()
            if doing is None or scope["type"] != "http":
                await asgi(scope, receive, send)
                return
            due, doing.due = doing.due, None
            first = last = 0.0
            status: int | None = None

            async def sending(message: Message) -> None:
                nonlocal first, last, status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    first = time.perf_counter()
                elif not message.get("more_body", False):
                    last = time.perf_counter()
                await send(message)

            entered = self.enter()
            reason: str | None = None
            counts = True
            try:
                await asgi(scope, receive, sending)
            except asyncio.CancelledError:
                counts = self.cutting
                raise
            except Exception as error:
                reason = type(error).__name__
                raise
            finally:
                self.in_flight -= 1
                now = time.perf_counter()
                doing.in_app += now - entered
                if not last:
                    reason, last = reason or "unanswered", now
                if counts:
                    begun = entered if due is None else due
                    self.note(self._name(scope, status), begun, entered, first or last, last, status, reason)

        return metered

    def _name(self, scope: Scope, status: int | None) -> str:
        """Return method and path of the route that answered, placeholders and all."""
        method = scope["method"]
        path = self._paths.get((method, scope.get("endpoint")))
        if path is None:
            path = getattr(scope.get("route"), "path", None)
        if path is None:
            path = scope["path"] if "endpoint" in scope or status != 404 else NO_ROUTE  # noqa: PLR2004 - not found
        return f"{method} {path}"
