"""The client that tests drive an app with: httpx on the test's own loop."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any

from .errors import ExtraMissing, LifecycleError
from .exchange import Exchange, Served, answered
from .locations import Location, caller
from .websocket import WebSocketSession, websocket_scope

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Callable,
        Iterable,
        Mapping,
        Sequence,
    )

    import httpx

__all__ = ("BASE_URL", "Client", "accept_app_argument", "app_arguments", "make_client")

BASE_URL = "http://testserver"
_STREAMED = "nexus_testing.streamed"


class ClientParts:
    """What our client has besides httpx's."""

    app: Served
    headers: Any
    base_url: Any
    build_request: Any
    _nexus_options: dict[str, bool]
    _nexus_shut = False

    def shut(self) -> None:
        """Refuse to send anything more."""
        self._nexus_shut = True

    async def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> Any:
        """Send a request, as httpx does; the transport has to know whether the response will be streamed."""
        __tracebackhide__ = True
        if self._nexus_shut:
            raise LifecycleError(
                f"{request.method} {request.url.path} was sent after the test: its client is closed.",
                where=caller(),
                fix="Send it in the test, or before the `yield` of the fixture.",
            )
        request.extensions[_STREAMED] = stream
        return await super().send(request, stream=stream, **options)  # type: ignore[misc]  # httpx's client comes next

    def as_user(
        self,
        id: str,  # noqa: A002 - the user's word
        *,
        roles: Iterable[str] = (),
        permissions: Iterable[str] = (),
        expires_in: float | None = None,
    ) -> Any:
        """Return a client of the same app in which a user is logged in.

        Args:
            id: The user's id.
            roles: The user's roles.
            permissions: What the user may do.
            expires_in: For how many seconds of the app's clock; None for the app's `token_lifetime`, else for ever.
        """
        return self._as(self.app.login(id, tuple(roles), tuple(permissions), expires_in=expires_in))

    def as_principal(self, name: str) -> Any:
        """Return a client of the same app in which a ready principal is logged in.

        Args:
            name: "user", "admin", "service", "anonymous", "expired", "forbidden", or one that the app's config names.

        Raises:
            AuthError: If there is no such principal.
        """
        return self._as(self.app.login_principal(name))

    def anonymous(self) -> Any:
        """Return a client of the same app in which nobody is logged in."""
        return self._as({})

    def _as(self, login: Mapping[str, str]) -> Any:
        headers = {key: value for key, value in self.headers.items() if key != "authorization"} | dict(login)
        make: Any = type(self)
        return make(self.app, headers=headers, base_url=str(self.base_url), **self._nexus_options)

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
        scope = websocket_scope(
            url.path,
            url.query,
            [(name.lower(), value) for name, value in request.headers.raw],
            (url.host, url.port),
            subprotocols,
        )
        settle = self.app.settle if self._nexus_options["drain"] else None
        return WebSocketSession(self.app, scope, timeout=timeout, settle=settle)


@functools.lru_cache(maxsize=4)
def _classes(name: str) -> tuple[type[Any], type[Any]]:  # noqa: C901 - four small classes, not one long way
    """Return client and transport, as children of httpx's or httpx2's own."""
    try:
        library: Any = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ExtraMissing(f"The client {name!r}", extra=name) from error

    class Streamed(library.AsyncByteStream):  # type: ignore[misc]  # the base is known at run time
        """A body that arrives as it is sent."""

        def __init__(self, exchange: Exchange) -> None:
            self._exchange = exchange

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self._exchange.chunks()

        async def aclose(self) -> None:
            """Tell the app that the client is gone, and wait for its end."""
            __tracebackhide__ = True
            await self._exchange.close()

    class Body(library.AsyncByteStream):  # type: ignore[misc]  # as above
        """A body that is all there."""

        def __init__(self, parts: list[bytes]) -> None:
            self._parts = parts

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"".join(self._parts)

    class Transport(library.AsyncBaseTransport):  # type: ignore[misc]  # as above
        """Hands requests to an app of ours."""

        def __init__(self, app: Served, *, raise_app_exceptions: bool = True, drain: bool = True) -> None:
            self._app = app
            self._raise = raise_app_exceptions
            self._drain = drain

        async def handle_async_request(self, request: httpx.Request) -> Any:
            """Answer one request."""
            __tracebackhide__ = True
            if request.extensions.get(_STREAMED) is False:
                status, headers, parts = await answered(self._app, request, raise_app_exceptions=self._raise)
                if self._drain:
                    await self._app.settle()
                return library.Response(status, headers=headers, stream=Body(parts))
            exchange = Exchange(self._app, request, raise_app_exceptions=self._raise, drain=self._drain)
            await exchange.start()
            return library.Response(exchange.status, headers=exchange.headers, stream=Streamed(exchange))

    class NexusClient(ClientParts, library.AsyncClient):  # type: ignore[misc]  # as above
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
            super().__init__(transport=Transport(app, **self._nexus_options), base_url=base_url, **options)

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

        def as_user(
            self,
            id: str,  # noqa: A002 - the user's word
            *,
            roles: Iterable[str] = (),
            permissions: Iterable[str] = (),
            expires_in: float | None = None,
        ) -> Client:
            """Return a client of the same app in which a user is logged in."""

        def as_principal(self, name: str) -> Client:
            """Return a client of the same app in which a ready principal is logged in."""

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
