"""Which server the cache is kept on: what the app's configuration says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import ConfigurationError, DataError, did_you_mean
from ..fakes.cache import CacheServer
from ..locations import caller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

    from ..clock import Clock

__all__ = ("Server", "refuse_address", "server_of")

TYPES = ("memory", "redis")
_KEYS = ("type", "url")
_ADDRESS = frozenset({"host", "port", "unix_socket_path", "server", "connection_pool"})


class Server(Protocol):
    """What the cache asks of a server."""

    @property
    def opened(self) -> bool:
        """Whether there can be anything on it."""
        ...

    async def connect(self) -> None:
        """Begin to answer."""
        ...

    async def close(self) -> None:
        """Close the clients of plugins and answer no more."""
        ...

    async def ask(self, *words: bytes) -> Any:
        """Run a command of Redis and return its answer."""
        ...

    def command(self, *words: bytes) -> Any:
        """Run a command of Redis at once and return its answer."""
        ...

    def client(self, **options: Any) -> Redis:
        """Return a new client of redis.asyncio."""
        ...

    def checkpoint(self) -> Callable[[], Awaitable[None]]:
        """Return what puts every key back that is there now."""
        ...


def server_of(config: object, clock: Clock) -> Server:
    """Return the server that the app's section `cache` names; it is not connected yet.

    Args:
        config: The section; None for a server in memory.
        clock: The app's clock, by which keys expire.

    Raises:
        ConfigurationError: If the section says something impossible.
    """
    if config is None:
        return CacheServer(clock.time)
    if not isinstance(config, Mapping):
        raise ConfigurationError(f"The app's section 'cache' is {config!r}.", where=caller(), fix=_SHAPE)
    for key in config:
        if key not in _KEYS:
            raise ConfigurationError(
                f"The app's section 'cache' has an unknown key {key!r}.",
                where=caller(),
                why=f"known are {' and '.join(_KEYS)}",
                fix=did_you_mean(str(key), _KEYS) or _SHAPE,
            )
    kind, url = config.get("type", "redis" if "url" in config else "memory"), config.get("url")
    if kind not in TYPES:
        raise ConfigurationError(
            f"There is no cache of the type {kind!r}.",
            where=caller(),
            why=f"there are {' and '.join(TYPES)}",
            fix=did_you_mean(str(kind), TYPES) or _SHAPE,
        )
    if kind == "memory":
        if url is not None:
            raise ConfigurationError("A cache in memory has no url.", where=caller(), fix=_SHAPE)
        return CacheServer(clock.time)
    if not isinstance(url, str) or not url:
        raise ConfigurationError(f"A cache on Redis needs a url, and has {url!r}.", where=caller(), fix=_SHAPE)
    from ..servers.cache import RedisServer

    return RedisServer(url, clock)


_SHAPE = "config={'cache': {'type': 'redis', 'url': 'redis://127.0.0.1:6379'}}"


def refuse_address(options: Mapping[str, Any]) -> None:
    """Refuse a client that would be of another server.

    Args:
        options: The client's options.

    Raises:
        DataError: If one of them is an address.
    """
    address = sorted(options.keys() & _ADDRESS)
    if address:
        raise DataError(
            f"A client of the app's cache takes no {address[0]!r}.",
            where=caller(),
            why="there is one server, and the app's configuration says which",
            fix="Leave the address out.",
        )
