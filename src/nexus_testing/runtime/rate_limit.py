"""The rate limit of a manifest, kept."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import HTTPException, status

from ..errors import ManifestError
from ..nexus.users import bearer_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ..nexus.kernel import Kernel
    from .loaded import Loaded

__all__ = ("Rate", "RateLimit", "rate_of")


class Rate(NamedTuple):
    """So many requests in so many seconds."""

    requests: int
    period: float


def rate_of(plugin: Loaded) -> Rate | None:
    """Return the rate limit of a plugin's manifest, if it has one.

    Args:
        plugin: The plugin.

    Raises:
        ManifestError: If it is no number of requests in a number of seconds.
    """
    said: Any = plugin.manifest.api.rate_limit if plugin.manifest is not None else None
    if said is None:
        return None
    of = said.get if isinstance(said, dict) else functools.partial(getattr, said)
    requests: Any = of("requests", None)
    period: Any = of("period", None)
    if type(requests) is int and requests > 0 and type(period) in {int, float} and 0 < period < math.inf:
        return Rate(requests, float(period))
    raise ManifestError(
        f"The rate limit of {plugin.label} is {said!r}.",
        where=plugin.site.manifest if plugin.site is not None else None,
        why="api.rate_limit takes requests, a whole number above 0, and period, seconds above 0",
        fix='"rate_limit": {"requests": 100, "period": 60}',
        plugin=plugin.name,
    )


class RateLimit:
    """Lets each client ask so often within a period; the period begins with the client's first request.

    A client is who is logged in, else the address. Past the limit the answer is 429 with the seconds, rounded up, until
    the period is over.

    Args:
        app: What is asked.
        rate: How often.
        kernel: The app, whose clock counts.
    """

    def __init__(self, app: ASGIApp, rate: Rate, kernel: Kernel) -> None:
        self._app = app
        self._rate = rate
        self._kernel = kernel
        self._counts: dict[str, tuple[float, int]] = {}
        kernel.counters.append(self._counts.clear)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request or WebSocket, and hand it on or refuse it."""
        __tracebackhide__ = True
        client = self._client(scope)
        now = self._kernel.clock.monotonic()
        end, count = self._counts.get(client, (now, 0))
        if now >= end:
            end, count = now + self._rate.period, 0
        if count >= self._rate.requests:
            raise HTTPException(
                status.HTTP_429_TOO_MANY_REQUESTS,
                "Rate limit exceeded",
                headers={"Retry-After": str(math.ceil(end - now))},
            )
        self._counts[client] = end, count + 1
        await self._app(scope, receive, send)

    def _client(self, scope: Scope) -> str:
        token = bearer_of(scope)
        user = self._kernel.auth.user_of(token) if token else None
        if user is not None:
            return f"user {user.id}"
        address = scope.get("client")
        return f"address {address[0]}" if address else "address unknown"
