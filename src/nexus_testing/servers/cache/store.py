"""The real Redis that an app's cache is kept on: for the framework's own use, and for the clients of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis import connection as sync_connections
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio import connection as connections
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ...clock import RealClock
from ...errors import ConfigurationError, DataError
from ...locations import caller
from ...network import guard
from ..addresses import shown
from .channels import Channels
from .connection import connection_class
from .expiry import PURGE, Expiry
from .failures import FAILURES, unavailable
from .lease import Lease

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ...clock import Clock

__all__ = ("RedisServer",)


class RedisServer:
    """A database of a real Redis, which is one app's own from `connect` to `close`.

    Args:
        url: The server's: redis://, rediss:// or unix://. The databases after the one that it names are used.
        clock: The app's clock, by which keys expire.

    Raises:
        ConfigurationError: If the URL is none.
    """

    opened = True

    def __init__(self, url: str, clock: Clock) -> None:
        self.address = shown(url)
        try:
            options: dict[str, Any] = dict(sync_connections.parse_url(url))  # type: ignore[no-untyped-call]
            self._options: dict[str, Any] = dict(connections.parse_url(url))
            int(options.get("db", 0))
        except ValueError as error:
            raise ConfigurationError(
                f"The cache's url {self.address!r} is none of Redis.",
                where=caller(),
                why=str(error),
                fix="redis://user:password@host:6379, rediss://… or unix:///path/to/redis.sock",
            ) from error
        self.clock = clock
        self._lease = Lease(options, options.pop("connection_class", sync_connections.Connection), self.address)
        # Real time goes by on the server as it does here.
        self._expiry = None if type(clock) is RealClock else Expiry(clock.time)
        self.channels = Channels(0)
        self._own: Any = None
        self._clients: list[Redis] = []
        self._distrust: Callable[[], None] = _do_nothing
        self._closed = False

    # -- its life ------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Take a database. The app does it before plugins are loaded.

        Raises:
            BackendUnavailable: If the server cannot be reached or used.
        """
        self._distrust = self._trusted()
        self._lease.take()
        self.channels = Channels(self._lease.number)
        base = self._options.pop("connection_class", connections.Connection)
        self._options |= {"db": self._lease.number, "connection_class": connection_class(base, self)}
        self._own = self._made(single_connection_client=True, retry=Retry(NoBackoff(), 0))

    async def close(self) -> None:
        """Close every client, empty the database and answer no more. The second time does nothing."""
        self._closed = True
        clients, self._clients = self._clients, []
        if self._own is not None:
            clients.append(self._own)
            self._own = None
        try:
            await _close(clients)
        finally:
            self._lease.leave()
            distrust, self._distrust = self._distrust, _do_nothing
            distrust()

    # -- asking --------------------------------------------------------------------------------------------------

    async def ask(self, *words: Any) -> Any:
        """Run a command and return the server's answer.

        Args:
            words: The command and its arguments.

        Raises:
            BackendUnavailable: If the server has gone away or can no longer be used.
            DataError: If the app is over, or not yet up.
        """
        client = self._opened()
        try:
            return await client.execute_command(*words)
        except FAILURES as error:
            raise unavailable(error, self.address) from error

    def command(self, *words: bytes) -> Any:
        """Run a command at once and return the server's answer.

        Args:
            words: The command and its arguments; none that is about time.

        Raises:
            BackendUnavailable: If the server has gone away.
            DataError: If the app is over, or not yet up.
        """
        self._opened()
        self.purge()
        return self._lease.command(*words)

    def client(self, **options: Any) -> Redis:
        """Return a new client of redis.asyncio in the app's database, closed with it.

        Args:
            options: What the client takes, such as `decode_responses`; no address.

        Raises:
            DataError: If the app is over or not yet up, or an option names another database.
        """
        self._opened()
        if options.pop("db", 0):
            raise DataError(
                "A client of the app's cache takes no 'db' on a real Redis.",
                where=caller(),
                why="the app has one database there, and the others are other apps'",
                fix="Use keys with a prefix instead.",
            )
        client = self._made(**options)
        self._clients.append(client)
        return client

    def checkpoint(self) -> Callable[[], Awaitable[None]]:
        """Return what puts every key back that is there now, and closes the clients that came since."""
        if self._own is None:
            return _nothing
        kept = self._lease.keep()
        clients = list(self._clients)

        async def go_back() -> None:
            late = [one for one in self._clients if one not in clients]
            self._clients = list(clients)
            await _close(late)
            self._lease.put_back(kept)
            if self._expiry is not None:
                for at in map(int, kept[2::3]):
                    if at >= 0:
                        self._expiry.expect(at)

        return go_back

    # -- what connections ask ------------------------------------------------------------------------------------

    def words(self, name: str, words: Sequence[Any]) -> Sequence[Any]:
        """Return a command as it is sent.

        Args:
            name: The command's name in capitals.
            words: The command and its arguments.
        """
        words = self.channels.words(name, words)
        return words if self._expiry is None else self._expiry.words(name, words)

    def purge(self) -> None:
        """Delete the keys whose time is up by the app's clock."""
        due = self._expiry.due() if self._expiry is not None else None
        if due is not None:
            self._lease.script(PURGE, due)

    # -- inside --------------------------------------------------------------------------------------------------

    def _made(self, *, single_connection_client: bool = False, **options: Any) -> Redis:
        pool = ConnectionPool(**{**self._options, **options})
        client = Redis(connection_pool=pool, single_connection_client=single_connection_client)
        if self._expiry is not None:
            for name, made in self._expiry.answers.items():
                client.set_response_callback(name, made)
                # Whoever says a command's name in bytes gets the same.
                client.response_callbacks[name.encode()] = made
        return client

    def _trusted(self) -> Callable[[], None]:
        if "path" in self._options:
            return _do_nothing
        return guard.trust(
            str(self._options.get("host", "localhost")).strip("[]"), int(self._options.get("port", 6379))
        )

    def _opened(self) -> Any:
        if self._closed or self._own is None:
            raise DataError(
                "The cache is closed." if self._closed else "The cache is not connected.",
                where=caller(),
                why="an app connects it when it starts, before plugins are loaded, and closes it at its end",
                fix="Use it while the app is up.",
            )
        return self._own


def _do_nothing() -> None:
    pass


async def _nothing() -> None:
    pass


async def _close(clients: list[Redis]) -> None:
    for client in clients:
        await client.aclose()
        await client.connection_pool.disconnect()
