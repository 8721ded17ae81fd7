"""A plugin's middleware: built once a load, around the plugin's own routes and nobody else's."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from starlette.middleware import Middleware

from ..errors import PluginLoadError
from ..locations import of_callable, of_exception
from ..nexus.context import activity
from .rate_limit import RateLimit, rate_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ..nexus.kernel import Kernel
    from .loaded import Loaded

__all__ = ("stack_of", "wrap")

_HANDLE = "nexus_testing.handle"


def stack_of(plugin: Loaded, kernel: Kernel) -> ASGIApp | None:
    """Return what stands before a plugin's routes: its rate limit, then its middleware; None for nothing.

    Args:
        plugin: The plugin.
        kernel: The app.

    Raises:
        PluginLoadError: If the plugin does not give middleware, or its constructor raises.
    """
    rate = rate_of(plugin)
    wanted = _wanted(plugin)
    if rate is None and not wanted:
        return None
    stack: ASGIApp = _innermost
    for cls, args, options in reversed(wanted):
        stack = _built(plugin, stack, cls, args, options)
    if rate is not None:
        stack = RateLimit(stack, rate, kernel)
    return stack


def wrap(route: Any, stack: ASGIApp, plugin: str) -> None:
    """Have an entry of the app's routes reached through a stack.

    Args:
        route: The entry; it was made for the app, and is nobody else's.
        stack: What `stack_of` returned.
        plugin: Whose it is.
    """
    route.handle = functools.partial(_through, stack, route.handle, plugin)


async def _through(  # noqa: PLR0917 - an ASGI application's three, after what stands before them
    stack: ASGIApp, handle: ASGIApp, plugin: str, scope: Scope, receive: Receive, send: Send
) -> None:
    __tracebackhide__ = True
    doing = activity.get()
    if doing is not None and doing.scope is not None:
        # The endpoint is not known yet, and what runs before it is the plugin's code all the same.
        doing.plugin = plugin
    scope[_HANDLE] = handle
    await stack(scope, receive, send)


async def _innermost(scope: Scope, receive: Receive, send: Send) -> None:
    __tracebackhide__ = True
    await scope[_HANDLE](scope, receive, send)


def _wanted(plugin: Loaded) -> list[tuple[Any, tuple[Any, ...], dict[str, Any]]]:
    method = plugin.instance.get_middleware
    try:
        given = method()
    except Exception as error:
        raise _failed(plugin, "get_middleware()", error, method) from error
    if given is None:
        return []
    if isinstance(given, list | tuple):
        found = [_parts(one) for one in given]
        if None not in found:
            return [one for one in found if one is not None]
        wrong: object = given[found.index(None)]
    else:
        wrong = given
    if inspect.iscoroutine(wrong):
        wrong.close()
    raise PluginLoadError(
        f"{plugin.label.capitalize()}: get_middleware() returned "
        + (f"{wrong!r}, which is no list." if wrong is given else f"a list with {wrong!r}, which is no middleware."),
        stage="Active",
        where=of_callable(method),
        fix="Return a list of ASGI middleware classes, (class, {option: value}) or starlette's Middleware(class, …);\n"
        "a function goes in as Middleware(BaseHTTPMiddleware, dispatch=function).",
        plugin=plugin.name,
    )


def _parts(one: object) -> tuple[Any, tuple[Any, ...], dict[str, Any]] | None:
    if isinstance(one, Middleware):
        return one.cls, tuple(one.args), dict(one.kwargs)
    if inspect.isclass(one):
        return one, (), {}
    if isinstance(one, tuple) and len(one) == 2 and inspect.isclass(one[0]) and isinstance(one[1], dict):  # noqa: PLR2004 - class and options
        return one[0], (), one[1]
    return None


def _built(plugin: Loaded, inner: ASGIApp, cls: Any, args: tuple[Any, ...], options: dict[str, Any]) -> ASGIApp:
    try:
        made = cls(inner, *args, **options)
    except Exception as error:
        raise _failed(plugin, f"middleware {cls.__name__}", error, cls) from error
    if callable(made):
        return made  # type: ignore[no-any-return]  # a class of the plugin's
    raise PluginLoadError(
        f"{plugin.label.capitalize()}: middleware {cls.__name__} cannot be called.",
        stage="Active",
        where=of_callable(cls),
        fix="Write `async def __call__(self, scope, receive, send)`, or derive it from starlette's BaseHTTPMiddleware.",
        plugin=plugin.name,
    )


def _failed(plugin: Loaded, what: str, error: Exception, source: object) -> PluginLoadError:
    return PluginLoadError(
        f"{plugin.label.capitalize()} failed in {what}: {type(error).__name__}: {error}",
        stage="Active",
        where=of_exception(error, plugin.folder) or of_callable(source),
        fix="Mend the line above; what it raised is the cause of this error.",
        plugin=plugin.name,
    )
