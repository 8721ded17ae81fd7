"""A plugin's routes in the app: mounting, listing and removing them, on old and new FastAPI alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import fastapi.routing
from fastapi import APIRouter

from ..errors import PluginLoadError
from ..locations import of_callable, of_exception
from .placing import include

# Newer versions of FastAPI keep what is included as one entry, and list its routes by this function.
_iter_route_contexts = getattr(fastapi.routing, "iter_route_contexts", None)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fastapi import FastAPI

    from .loaded import Loaded

__all__ = ("Mounted", "contexts", "listed", "mount", "prefix_of", "unmount")


class Mounted(NamedTuple):
    """One route of the app."""

    method: str
    path: str
    endpoint: Any
    plugin: str | None


def prefix_of(plugin: Loaded) -> str:
    """Return where a plugin's routes are mounted: its manifest's `api.prefix`, else ``/api/{name}``.

    Args:
        plugin: The plugin.
    """
    prefix = plugin.manifest.api.prefix if plugin.manifest is not None else None
    return (prefix if prefix is not None else f"/api/{plugin.name}").rstrip("/")


def _routers_of(plugin: Loaded) -> list[APIRouter]:
    method = plugin.instance.get_api_routes
    try:
        routers = method()
    except Exception as error:
        raise PluginLoadError(
            f"{plugin.label.capitalize()} failed in get_api_routes(): {type(error).__name__}: {error}",
            stage="Active",
            where=of_exception(error, plugin.folder) or of_callable(method),
            fix="Mend the line above; what it raised is the cause of this error.",
            plugin=plugin.name,
        ) from error
    if routers is None:
        return []
    wrong: object = None
    if not isinstance(routers, list | tuple):
        wrong = routers
    else:
        wrong = next((router for router in routers if not isinstance(router, APIRouter)), None)
        if wrong is None and all(isinstance(router, APIRouter) for router in routers):
            return list(routers)
    bare = isinstance(wrong, APIRouter)
    if hasattr(wrong, "close") and hasattr(wrong, "send"):
        wrong.close()
    raise PluginLoadError(
        f"{plugin.label.capitalize()}: get_api_routes() returned "
        + ("a bare APIRouter" if bare else f"{wrong!r}")
        + ", not a list of routers.",
        stage="Active",
        where=of_callable(method),
        fix="Write `return [router]`." if bare else "Return a list of fastapi.APIRouter objects; [] for none.",
        plugin=plugin.name,
    )


def mount(app: FastAPI, plugin: Loaded, others: list[Loaded]) -> None:
    """Include a plugin's routers in the app, under its prefix.

    Args:
        app: The app.
        plugin: The plugin.
        others: The plugins whose routes are there already.

    Raises:
        PluginLoadError: If the plugin does not give routers, or one of its paths is taken.
    """
    routers = _routers_of(plugin)
    if not routers:
        return
    prefix = prefix_of(plugin)
    before = len(app.router.routes)
    try:
        for router in routers:
            include(app, router, prefix)
    except Exception as error:
        _drop(app, app.router.routes[before:])
        raise PluginLoadError(
            f"{plugin.label.capitalize()}: its routes cannot be mounted at {prefix!r}: {error}",
            stage="Active",
            where=of_callable(plugin.instance.get_api_routes),
            fix="Give each route a path that starts with '/', and the manifest an api.prefix that starts with '/'.",
            plugin=plugin.name,
        ) from error
    plugin.routes = list(app.router.routes[before:])
    _refuse_taken(app, plugin, others)
    app.openapi_schema = None


def _refuse_taken(app: FastAPI, plugin: Loaded, others: list[Loaded]) -> None:
    if not others:
        return
    taken = {
        (route.method, route.path): (other.name, route.endpoint)
        for other in others
        for route in listed(other.routes, other.name)
    }
    for route in listed(plugin.routes, plugin.name):
        found = taken.get((route.method, route.path))
        if found is not None:
            unmount(app, plugin)
            raise PluginLoadError(
                f"{plugin.label.capitalize()} and plugin {found[0]!r} both have {route.method} {route.path}.",
                stage="Active",
                where=f"{of_callable(route.endpoint)}\n{of_callable(found[1])}",
                fix="Change one of the paths, or one manifest's api.prefix.",
                plugin=plugin.name,
            )


def unmount(app: FastAPI, plugin: Loaded) -> None:
    """Remove a plugin's routes from the app.

    Args:
        app: The app.
        plugin: The plugin.
    """
    if plugin.routes:
        _drop(app, plugin.routes)
        plugin.routes = []
        app.openapi_schema = None


def _drop(app: FastAPI, routes: list[Any]) -> None:
    gone = {id(route) for route in routes}
    app.router.routes[:] = [route for route in app.router.routes if id(route) not in gone]
    changed = getattr(app.router, "_mark_routes_changed", None)
    if changed is not None:
        changed()


def contexts(routes: Iterable[Any]) -> Iterable[Any]:
    """Return the single routes of what an app has mounted.

    Args:
        routes: Entries of a router's `routes`.
    """
    return _iter_route_contexts(routes) if _iter_route_contexts is not None else routes


def listed(routes: list[Any], plugin: str | None) -> Iterator[Mounted]:
    """List what an app or a plugin has mounted, one entry a method.

    Args:
        routes: Entries of a router's `routes`.
        plugin: The name of the plugin that they belong to.
    """
    for route in contexts(routes):
        path = getattr(route, "path", None)
        if path is None:
            continue
        methods = getattr(route, "methods", None)
        endpoint = getattr(route, "endpoint", None)
        if methods:
            for method in sorted(methods):
                yield Mounted(method, path, endpoint, plugin)
        elif endpoint is not None:
            yield Mounted("WEBSOCKET", path, endpoint, plugin)
