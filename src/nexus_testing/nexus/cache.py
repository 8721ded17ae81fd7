"""What plugins import of the cache: the decorator that fills it, and the names of times."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ..errors import DataError
from ..locations import caller, of_callable
from .cache_keys import CacheKeys, CacheTTL, check_ttl
from .cache_manager import CacheManager, CacheStatistics, PluginCache
from .context import current_kernel, who

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ("CacheManager", "CacheStatistics", "CacheTTL", "PluginCache", "cache")

P = ParamSpec("P")
T = TypeVar("T")


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
