"""The cache that plugins get as `self.cache_manager`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..calls import awaited
from ..clock import RealClock
from ..records import CacheCall, Journal
from .cache_keys import check_key, check_ttl
from .cache_server import refuse_address, server_of
from .cache_space import CacheSpace, Flight
from .cache_values import dumped, loaded
from .context import who
from .values import key_filter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from redis.asyncio import Redis

    from ..clock import Clock
    from .permissions import Permissions

__all__ = ("CacheManager", "CacheStatistics", "PluginCache")

T = TypeVar("T")


class CacheStatistics(NamedTuple):
    """How often the cache had what it was asked for, and how much it holds."""

    hits: int
    misses: int
    size: int


class CacheManager:
    """Keeps values for a time, each plugin's apart from the others'. Lives as long as its app.

    The plugin whose code is running sees its own entries. A test's own code has entries of its own too, but clears
    those of all plugins, and reads the statistics of all; `for_plugin` shows it what one plugin sees.

    Args:
        config: The app's section `cache`: in memory, or {"type": "redis", "url": …}.
        clock: What time it is.
        journal: Where calls are recorded.

    Raises:
        ConfigurationError: If the section says something impossible.
    """

    guard: Permissions | None = None
    """Who says what plugins may do, once there is one that may not do everything."""

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        *,
        clock: Clock | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.journal = journal if journal is not None else Journal()
        self._clock: Clock = clock or RealClock()
        self._server = server_of(config, self._clock)
        self._spaces: dict[str | None, CacheSpace] = {}
        self._views: dict[str, PluginCache] = {}
        self._plugin: str | None = None
        self._root: CacheManager = self

    def for_plugin(self, name: str) -> PluginCache:
        """Return the cache as one plugin sees it, whoever asks.

        Args:
            name: The plugin's name.
        """
        view = self._views.get(name)
        if view is None:
            view = PluginCache(name, self._root)
            self._views[name] = view
        return view

    # -- entries -------------------------------------------------------------------------------------------------

    @awaited
    async def get(self, key: str, default: Any = None) -> Any:
        """Return a copy of what is kept under a key, or *default*.

        Args:
            key: The key.
            default: What to return if there is nothing.
        """
        check_key(key, self._plugin)
        space = self._space()
        await asyncio.sleep(0)
        kept = await self._read(space, key)
        self._count(space, "get", key, hit=kept is not None)
        return loaded(kept, key, self._plugin) if kept is not None else default

    @awaited
    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Keep a copy of a value.

        Args:
            key: The key.
            value: The value.
            ttl: For how many seconds; None for ever.

        Raises:
            DataError: If the key, the time or the value is not such as can be used.
        """
        check_key(key, self._plugin)
        check_ttl(ttl, self._plugin)
        space = self._space()
        kept = dumped(value, key, self._plugin)
        await asyncio.sleep(0)
        space.forget(key)
        await self._write(space, key, kept, ttl)
        self._record("set", key)

    @awaited
    async def delete(self, key: str) -> bool:
        """Forget what is kept under a key and say whether anything was.

        Args:
            key: The key.
        """
        check_key(key, self._plugin)
        space = self._space()
        await asyncio.sleep(0)
        space.forget(key)
        found: bool = await self._server.ask(b"DEL", space.name(key)) > 0
        self._record("delete", key)
        return found

    @awaited
    async def exists(self, key: str) -> bool:
        """Say whether anything is kept under a key.

        Args:
            key: The key.
        """
        check_key(key, self._plugin)
        space = self._space()
        await asyncio.sleep(0)
        found: bool = await self._server.ask(b"EXISTS", space.name(key)) > 0
        self._record("exists", key, hit=found)
        return found

    @awaited
    async def get_or_set(self, key: str, factory: Callable[[], Coroutine[Any, Any, T]], ttl: float | None = None) -> T:
        """Return a copy of what is kept under a key, after having it made if nothing is.

        Whoever asks while it is being made waits for it; what it raises is raised in all of them and not kept.

        Args:
            key: The key.
            factory: What makes the value: a coroutine function without arguments.
            ttl: For how many seconds to keep it; None for ever.

        Raises:
            DataError: If the key, the time or the value is not such as can be used.
        """
        check_key(key, self._plugin)
        check_ttl(ttl, self._plugin)
        space = self._space()
        await asyncio.sleep(0)
        while True:
            flight = space.flights.get(key)
            if flight is None:
                return await self._kept_or_made(space, key, factory, ttl)
            if flight.task is asyncio.current_task():
                # It would wait for itself.
                return await factory()
            kept = await asyncio.shield(flight.done)
            if kept is not None:
                self._count(space, "get_or_set", key, hit=True)
                return loaded(kept, key, self._plugin)  # type: ignore[no-any-return]

    async def _kept_or_made(
        self, space: CacheSpace, key: str, factory: Callable[[], Coroutine[Any, Any, T]], ttl: float | None
    ) -> T:
        flight = space.flights[key] = Flight()
        try:
            kept = await self._read(space, key)
            self._count(space, "get_or_set", key, hit=kept is not None)
            if kept is not None:
                value = loaded(kept, key, self._plugin)
            else:
                value = await factory()
                kept = dumped(value, key, self._plugin)
                if space.wants(key, flight):
                    await self._write(space, key, kept, ttl)
        except Exception as error:
            space.land(key, flight)
            flight.done.set_exception(error)
            # Read at once, so that nobody is told of an exception that nobody else waited for.
            flight.done.exception()
            raise
        except BaseException:
            # A cancellation is nobody else's: the next one in the queue makes the value.
            space.land(key, flight)
            flight.done.set_result(None)
            raise
        space.land(key, flight)
        flight.done.set_result(kept)
        return value  # type: ignore[no-any-return]

    @awaited
    async def clear(self) -> None:
        """Forget everything of the plugin; of all plugins, if the test itself asks the app's cache."""
        seen = self._seen()
        await asyncio.sleep(0)
        for space in seen:
            space.flights.clear()
            names = await self._names(space)
            if names:
                await self._server.ask(b"DEL", *names)
        self._record("clear", "")

    @awaited
    async def keys(self, pattern: str = "*") -> list[str]:
        """Return the keys under which something is kept and that fit a pattern.

        Args:
            pattern: `*` stands for any characters, `?` for one.
        """
        fits = key_filter(pattern)
        space = self._space()
        await asyncio.sleep(0)
        found = [key for key in map(space.key, await self._names(space)) if fits(key)]
        self._record("keys", pattern)
        return found

    @awaited
    async def ttl(self, key: str) -> float | None:
        """Return for how many more seconds something is kept; None for ever, or if nothing is.

        Args:
            key: The key.
        """
        check_key(key, self._plugin)
        space = self._space()
        await asyncio.sleep(0)
        left = await self._server.ask(b"PTTL", space.name(key))
        self._record("ttl", key)
        return left / 1000 if left >= 0 else None

    @property
    def stats(self) -> CacheStatistics:
        """Hits and misses so far and the number of entries: of the plugin, or of all if the test itself asks."""
        spaces = self._seen()
        size = sum(len(self._server.command(b"KEYS", space.pattern)) for space in spaces) if self._server.opened else 0
        return CacheStatistics(sum(space.hits for space in spaces), sum(space.misses for space in spaces), size)

    # -- the server ----------------------------------------------------------------------------------------------

    def redis(self, **options: Any) -> Redis:
        """Return a new client of redis.asyncio to the server that everything is kept on, the keys of others included.

        Args:
            options: What the client takes, such as `decode_responses`; no address.

        Raises:
            DataError: If the app is over, or an option is an address.
            PermissionDenied: If the plugin whose code asks may not use the cache.
        """
        self._allowed()
        refuse_address(options)
        return self._server.client(**options)

    async def connect(self) -> None:
        """Begin to answer. The app does it before plugins are loaded.

        Raises:
            BackendUnavailable: If the server cannot be reached or used.
        """
        await self._server.connect()

    def checkpoint(self) -> Callable[[], Awaitable[None]]:
        """Return what puts everything back that is kept now."""
        counts = {plugin: (space.hits, space.misses) for plugin, space in self._spaces.items()}
        server = self._server.checkpoint()

        async def go_back() -> None:
            for plugin, space in self._spaces.items():
                space.flights.clear()
                space.hits, space.misses = counts.get(plugin, (0, 0))
            await server()

        return go_back

    async def close(self) -> None:
        """Close the clients of plugins and answer no more. The app does it at its end."""
        await self._server.close()

    # -- inside --------------------------------------------------------------------------------------------------

    def _allowed(self) -> None:
        if self._root.guard is not None:
            self._root.guard.check("cache")

    def _space(self) -> CacheSpace:
        self._allowed()
        plugin = self._plugin or who()
        space = self._spaces.get(plugin)
        if space is None:
            space = self._spaces[plugin] = CacheSpace(plugin)
        return space

    def _seen(self) -> list[CacheSpace]:
        plugin = self._plugin or who()
        return list(self._spaces.values()) if plugin is None else [self._space()]

    async def _names(self, space: CacheSpace) -> list[bytes]:
        """Return the names of a plugin's keys on the server."""
        if not self._server.opened:
            return []
        return await self._server.ask(b"KEYS", space.pattern)  # type: ignore[no-any-return]

    async def _read(self, space: CacheSpace, key: str) -> bytes | None:
        return await self._server.ask(b"GET", space.name(key))  # type: ignore[no-any-return]

    async def _write(self, space: CacheSpace, key: str, kept: bytes, ttl: float | None) -> None:
        expiry = () if ttl is None else (b"PX", b"%d" % max(1, round(ttl * 1000)))
        await self._server.ask(b"SET", space.name(key), kept, *expiry)

    def _count(self, space: CacheSpace, operation: str, key: str, *, hit: bool) -> None:
        if hit:
            space.hits += 1
        else:
            space.misses += 1
        self._record(operation, key, hit=hit)

    def _record(self, operation: str, key: str, *, hit: bool | None = None) -> None:
        journal = self.journal
        journal.append(CacheCall(journal.next_seq(), self._clock.time(), operation, key, hit, self._plugin or who()))

    def __repr__(self) -> str:
        return f"<CacheManager of {self._plugin or 'the app'}, {self.stats}>"


class PluginCache(CacheManager):
    """The cache as one plugin sees it, whoever asks: what the plugin has as `self.cache_manager`.

    Made by the app's cache, and a part of it.

    Args:
        plugin: The plugin's name.
        root: The app's cache.
    """

    def __init__(self, plugin: str, root: CacheManager) -> None:
        super().__init__(clock=root._clock, journal=root.journal)
        self._root = root
        self._server = root._server
        self._spaces = root._spaces
        self._views = root._views
        self._plugin = plugin
