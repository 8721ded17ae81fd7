"""The cache server of one app: for the framework's own use, and for the clients of plugins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ...errors import DataError
from ...locations import caller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

    from .server import Server, Session

__all__ = ("CacheServer",)


class CacheServer:
    """A server of its own, which nobody else reaches. Lives as long as its app; made at the first command.

    Args:
        now: Returns the seconds since the epoch, by which keys expire.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._server: Server | None = None
        self._session: Session | None = None
        self._clients: list[Redis] = []
        self._closed = False

    @property
    def opened(self) -> bool:
        """Whether anything was asked of it yet."""
        return self._server is not None

    async def connect(self) -> None:
        """Do nothing: it is made at the first command."""

    async def ask(self, *words: bytes) -> Any:
        """Run a command of Redis and return its answer.

        Args:
            words: The command and its arguments.

        Raises:
            DataError: If the server is closed.
            ResponseError: If the server refuses the command.
        """
        return self.command(*words)

    def command(self, *words: bytes) -> Any:
        """Run a command of Redis at once and return its answer.

        Args:
            words: The command and its arguments.

        Raises:
            DataError: If the server is closed.
            ResponseError: If the server refuses the command.
        """
        session = self._session
        if session is None or self._closed:
            session = self._session = self._opened().session()
        return session.command(words)

    def client(self, **options: Any) -> Redis:
        """Return a new client of redis.asyncio, closed with the server.

        Args:
            options: What the client takes, such as `decode_responses`; no address.

        Raises:
            DataError: If the server is closed.
        """
        client = self._opened().client(**options)
        self._clients.append(client)
        return client

    def checkpoint(self) -> Callable[[], Awaitable[None]]:
        """Return what puts every key back that is there now, and closes the clients that came since."""
        keys = self._server.keys() if self._server is not None else {}
        clients = list(self._clients)

        async def go_back() -> None:
            late = [one for one in self._clients if one not in clients]
            self._clients = list(clients)
            await _close(late)
            if self._server is not None:
                self._server.become(keys)

        return go_back

    async def close(self) -> None:
        """Close every client and answer no more. The second time does nothing."""
        self._closed = True
        clients, self._clients = self._clients, []
        await _close(clients)
        if self._server is not None:
            self._server.close()

    def _opened(self) -> Server:
        if self._closed:
            raise DataError(
                "The cache is closed.",
                where=caller(),
                why="an app closes it at its end",
                fix="Use it while the app is up.",
            )
        if self._server is None:
            self._server = _server_class()(self._now)
        return self._server


async def _close(clients: list[Redis]) -> None:
    for client in clients:
        await client.connection_pool.disconnect()
        await client.aclose()


def _server_class() -> type[Server]:
    try:
        from .server import Server
    except (ImportError, AttributeError) as error:
        import fakeredis

        raise DataError(
            f"The cache does not know fakeredis {fakeredis.__version__}, which plays Redis for it.",
            why=f"{type(error).__name__}: {error}",
            fix="pip install 'fakeredis>=2.40,<2.42', and tell us of a newer one.",
        ) from error
    return Server
