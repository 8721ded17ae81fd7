"""The cache that plugins get as `self.cache_manager`, and the decorator that fills it."""

from __future__ import annotations

import asyncio
import copy
import enum
import functools
import inspect
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from ..calls import awaited
from ..clock import RealClock
from ..errors import DataError
from ..locations import caller, of_callable
from ..records import CacheCall, Journal
from .cache_keys import CacheKeys, check_key, check_ttl
from .cache_space import CacheSpace, Entry, Flight
from .context import current_kernel, who
from .values import copied, key_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ..clock import Clock
    from .permissions import Permissions

__all__ = ("CacheManager", "CacheStatistics", "CacheTTL", "PluginCache", "cache")

P = ParamSpec("P")
T = TypeVar("T")

_MISSING: Any = object()


class CacheTTL(enum.IntEnum):
    """How many seconds something stays in the cache."""

    SHORT = 60
    MEDIUM = 300
    LONG = 3600
    DAY = 86400


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
        clock: What time it is.
        journal: Where calls are recorded.
    """

    guard: Permissions | None = None
    """Who says what plugins may do, once there is one that may not do everything."""

    def __init__(self, *, clock: Clock | None = None, journal: Journal | None = None) -> None:
        self.journal = journal if journal is not None else Journal()
        self._clock: Clock = clock or RealClock()
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
            view = PluginCache(name, self._root, clock=self._clock, spaces=self._spaces, views=self._views)
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
        entry = space.live(key, self._clock.time())
        self._count(space, "get", key, hit=entry is not None)
        return copied(entry.value) if entry is not None else default

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
        entry = self._made(key, value, ttl)
        space.forget(key)
        space.entries[key] = entry
        self._record("set", key)

    @awaited
    async def delete(self, key: str) -> bool:
        """Forget what is kept under a key and say whether anything was.

        Args:
            key: The key.
        """
        check_key(key, self._plugin)
        space = self._space()
        found = space.live(key, self._clock.time()) is not None
        space.forget(key)
        self._record("delete", key)
        return found

    @awaited
    async def exists(self, key: str) -> bool:
        """Say whether anything is kept under a key.

        Args:
            key: The key.
        """
        check_key(key, self._plugin)
        found = self._space().live(key, self._clock.time()) is not None
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
        while True:
            entry = space.live(key, self._clock.time())
            if entry is not None:
                self._count(space, "get_or_set", key, hit=True)
                return copied(entry.value)  # type: ignore[no-any-return]
            flight = space.flights.get(key)
            if flight is None:
                self._count(space, "get_or_set", key, hit=False)
                return await self._make(space, key, factory, ttl)
            if flight.task is asyncio.current_task():
                # It would wait for itself.
                return await factory()
            value = await asyncio.shield(flight.done)
            if value is not _MISSING:
                self._count(space, "get_or_set", key, hit=True)
                return copied(value)  # type: ignore[no-any-return]

    async def _make(
        self, space: CacheSpace, key: str, factory: Callable[[], Coroutine[Any, Any, T]], ttl: float | None
    ) -> T:
        flight = space.flights[key] = Flight()
        try:
            value = await factory()
            entry = self._made(key, value, ttl)
        except Exception as error:
            space.land(key, flight)
            flight.done.set_exception(error)
            # Read at once, so that nobody is told of an exception that nobody else waited for.
            flight.done.exception()
            raise
        except BaseException:
            # A cancellation is nobody else's: the next one in the queue makes the value.
            space.land(key, flight)
            flight.done.set_result(_MISSING)
            raise
        if space.land(key, flight):
            space.entries[key] = entry
        flight.done.set_result(entry.value)
        return value

    @awaited
    async def clear(self) -> None:
        """Forget everything of the plugin; of all plugins, if the test itself asks the app's cache."""
        for space in self._seen():
            space.clear()
        self._record("clear", "")

    @awaited
    async def keys(self, pattern: str = "*") -> list[str]:
        """Return the keys under which something is kept and that fit a pattern.

        Args:
            pattern: `*` stands for any characters, `?` for one.
        """
        fits = key_filter(pattern)
        space = self._space()
        found = [key for key in list(space.entries) if fits(key) and space.live(key, self._clock.time()) is not None]
        self._record("keys", pattern)
        return found

    @awaited
    async def ttl(self, key: str) -> float | None:
        """Return for how many more seconds something is kept; None for ever, or if nothing is.

        Args:
            key: The key.
        """
        check_key(key, self._plugin)
        entry = self._space().live(key, self._clock.time())
        self._record("ttl", key)
        return entry.deadline - self._clock.time() if entry is not None and entry.deadline is not None else None

    @property
    def stats(self) -> CacheStatistics:
        """Hits and misses so far and the number of entries: of the plugin, or of all if the test itself asks."""
        spaces = self._seen()
        size = sum(space.live(key, self._clock.time()) is not None for space in spaces for key in list(space.entries))
        return CacheStatistics(sum(space.hits for space in spaces), sum(space.misses for space in spaces), size)

    # -- inside --------------------------------------------------------------------------------------------------

    def _space(self) -> CacheSpace:
        if self._root.guard is not None:
            self._root.guard.check("cache")
        plugin = self._plugin or who()
        space = self._spaces.get(plugin)
        if space is None:
            space = self._spaces[plugin] = CacheSpace()
        return space

    def _seen(self) -> list[CacheSpace]:
        plugin = self._plugin or who()
        return list(self._spaces.values()) if plugin is None else [self._space()]

    def _made(self, key: str, value: Any, ttl: float | None) -> Entry:
        try:
            kept = copied(value)
        except (TypeError, copy.Error, RecursionError) as error:
            raise DataError(
                f"The cache cannot keep {value!r} under {key!r}, since it cannot be copied.",
                where=caller(),
                why=f"{type(error).__name__}: {error}",
                fix="Cache plain data, and make such an object of it afterwards.",
                plugin=self._plugin or who(),
            ) from error
        return Entry(kept, self._clock.time() + ttl if ttl is not None else None)

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
        clock: What time it is.
        spaces: The entries of all plugins.
        views: What all plugins see.
    """

    def __init__(
        self,
        plugin: str,
        root: CacheManager,
        *,
        clock: Clock,
        spaces: dict[str | None, CacheSpace],
        views: dict[str, PluginCache],
    ) -> None:
        super().__init__(clock=clock, journal=root.journal)
        self._root = root
        self._spaces = spaces
        self._views = views
        self._plugin = plugin


def cache(
    ttl: float | None = CacheTTL.MEDIUM, key: Callable[..., str] | None = None
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Keep what a coroutine function or method returns, by its arguments.

    The key is the function's name and its arguments in the order of the signature, with a colon between them:
    ``get_user:7``. So ``self.cache_manager.delete("get_user:7")`` forgets one result. Where no app is current and
    the object has no cache, the function simply runs.

    Args:
        ttl: For how many seconds; None for ever.
        key: Returns the whole key; called with the function's arguments, without self or cls. Needed where an
            argument is no string, integer, boolean or None.

    Raises:
        DataError: If the time cannot be, or what is decorated is no coroutine function; when called, if an
            argument makes no key.
    """
    if callable(ttl):
        raise DataError(
            "@cache needs parentheses.", where=of_callable(ttl) or caller(), fix="@cache() or @cache(ttl=CacheTTL.LONG)"
        )
    check_ttl(ttl)

    def decorate(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        if not inspect.iscoroutinefunction(function):
            raise DataError(
                f"@cache is for coroutine functions, and {getattr(function, '__qualname__', function)!r} is none.",
                where=of_callable(function) or caller(),
                fix="Write `async def`, and put @cache below @staticmethod, @classmethod or @property.",
            )
        keys = CacheKeys(function, key)

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            manager = getattr(keys.owner(args), "cache_manager", None)
            if not isinstance(manager, CacheManager):
                manager = _current(function)
            if manager is None:
                return await function(*args, **kwargs)
            return await manager.get_or_set(keys.of(args, kwargs), lambda: function(*args, **kwargs), ttl)

        return call

    return decorate


def _current(function: Callable[..., Any]) -> CacheManager | None:
    """Return the cache of the app that is current, as the plugin sees it whose code the function is."""
    kernel = current_kernel()
    if kernel is None:
        return None
    plugin = kernel.owner_of(function) or who()
    return kernel.cache_manager.for_plugin(plugin) if plugin is not None else kernel.cache_manager
