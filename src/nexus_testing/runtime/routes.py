"""A plugin's routes in the app: mounting, listing and removing them, on old and new FastAPI alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import fastapi.dependencies.models
import fastapi.routing
from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi

from ..errors import PermissionDenied, PluginLoadError
from ..findings import find
from ..locations import of_callable, of_exception
from ..nexus.requirements import UNCHECKED
from .middleware import stack_of, wrap
from .paths import clashes, pattern_of
from .placing import include

# Newer versions of FastAPI remember each endpoint that they saw, and with it the plugin and all that its app held.
_remembering = [one for one in vars(fastapi.dependencies.models).values() if hasattr(one, "cache_clear")]

# Newer versions of FastAPI keep what is included as one entry, and list its routes by this function.
_iter_route_contexts = getattr(fastapi.routing, "iter_route_contexts", None)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fastapi import FastAPI

    from ..findings import Finding
    from ..nexus.kernel import Kernel
    from .loaded import Loaded

__all__ = (
    "Mounted",
    "changed",
    "contexts",
    "drop",
    "findings_of",
    "forget_endpoints",
    "listed",
    "mount",
    "openapi_of",
    "prefix_of",
    "unmount",
)


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
    """Include a plugin's routers in the app, under its prefix, behind its rate limit and its middleware.

    The routers themselves stay as they are.

    Args:
        app: The app.
        plugin: The plugin.
        others: The plugins whose routes are there already.

    Raises:
        PluginLoadError: If the plugin does not give routers or middleware, or one of its paths is taken.
    """
    kernel: Kernel = app.state.nexus
    kernel.permissions.activated(plugin.name)
    routers = _routers_of(plugin)
    if not routers:
        return
    _ask(plugin, kernel)
    prefix = prefix_of(plugin)
    prefixes = ["" if _carries(router, plugin, prefix) else prefix for router in routers]
    mounted = [
        route
        for router, before in zip(routers, prefixes, strict=True)
        for route in listed(router.routes, plugin.name, before)
    ]
    _refuse_taken(plugin, mounted, others)
    if plugin.stack is None:
        plugin.stack = stack_of(plugin, kernel)
    plugin.routes = _included(app, plugin, routers, prefixes)
    plugin.mounted = mounted
    if plugin.stack is not None:
        for route in plugin.routes:
            wrap(route, plugin.stack, plugin.name)
    app.openapi_schema = None
    for finding in findings_of(plugin, routers, prefix):
        kernel.report(finding)


def _ask(plugin: Loaded, kernel: Kernel) -> None:
    try:
        kernel.permissions.require("api.register", plugin.name, of_callable(plugin.instance.get_api_routes))
    except PermissionDenied as error:
        raise PluginLoadError(
            error.what, stage="Active", where=error.where, why=error.why, fix=error.fix, plugin=plugin.name
        ) from error


def _carries(router: APIRouter, plugin: Loaded, prefix: str) -> bool:
    """Say whether a router's own prefix is the whole of where its plugin is mounted, or more."""
    own = router.prefix + "/"
    return bool(prefix) and own.startswith((f"{prefix}/", f"/api/{plugin.name}/"))


def _included(app: FastAPI, plugin: Loaded, routers: list[APIRouter], prefixes: list[str]) -> list[Any]:
    router = app.router
    before = len(router.routes)
    # What a router starts with its app would stay with the app for ever, and an app that is up starts nothing.
    lifespan, started, ended = router.lifespan_context, list(router.on_startup), list(router.on_shutdown)
    try:
        for one, prefix in zip(routers, prefixes, strict=True):
            include(app, one, prefix)
    except Exception as error:
        drop(app, router.routes[before:])
        raise PluginLoadError(
            f"{plugin.label.capitalize()}: its routes cannot be mounted at {prefix_of(plugin)!r}: {error}",
            stage="Active",
            where=of_callable(plugin.instance.get_api_routes),
            fix="Give each route a path that starts with '/', and the manifest an api.prefix that starts with '/'.",
            plugin=plugin.name,
        ) from error
    finally:
        router.lifespan_context, router.on_startup[:], router.on_shutdown[:] = lifespan, started, ended
    return list(router.routes[before:])


def _refuse_taken(plugin: Loaded, mounted: list[Mounted], others: list[Loaded]) -> None:
    own = {(route.method, pattern_of(route.path)): route for route in mounted}
    for other in others:
        for taken in other.mounted:
            route = own.get((taken.method, pattern_of(taken.path)))
            if route is not None:
                raise PluginLoadError(
                    f"{plugin.label.capitalize()} and plugin {other.name!r} both have {route.method} {route.path}.",
                    stage="Active",
                    where=f"{of_callable(route.endpoint)}\n{of_callable(taken.endpoint)}",
                    fix="Change one of the paths, or one manifest's api.prefix.",
                    plugin=plugin.name,
                )


def findings_of(plugin: Loaded, routers: list[APIRouter], prefix: str) -> Iterator[Finding]:
    """Return what stands out about a plugin's routes.

    Args:
        plugin: The plugin, with its routes.
        routers: What it gave.
        prefix: Where it is mounted.
    """
    routes = plugin.mounted
    for clash in clashes(tuple((route.method, route.path) for route in routes)):
        first, second = routes[clash.first], routes[clash.second]
        yield find(
            "NX601" if clash.same else "NX602",
            f"{plugin.label}: {second.method} {second.path} gets no request, since {first.path} at "
            f"{of_callable(first.endpoint)} comes first.",
            plugin=plugin.name,
            where=of_callable(second.endpoint),
        )
    for router in routers:
        if _carries(router, plugin, prefix):
            yield find(
                "NX603",
                f"{plugin.label}: the prefix {router.prefix!r} of a router is all of where the plugin is mounted; it "
                "was put there once.",
                plugin=plugin.name,
                where=of_callable(plugin.instance.get_api_routes),
            )
        for one in listed(router.routes, plugin.name):
            own = one.path.removeprefix(router.prefix)
            if own and not own.startswith("/"):
                before = router.prefix or prefix
                yield find(
                    "NX605",
                    f"{plugin.label}: the path {own!r} of {one.method} runs into what stands before it, and is "
                    f"{before + own!r}.",
                    plugin=plugin.name,
                    where=of_callable(one.endpoint),
                )
    for route in routes:
        if prefix and f"{route.path}/".startswith(f"{prefix}{prefix}/"):
            yield find(
                "NX603",
                f"{plugin.label}: {route.method} {route.path} has the plugin's prefix twice.",
                plugin=plugin.name,
                where=of_callable(route.endpoint),
            )
        unchecked = getattr(route.endpoint, UNCHECKED, None)
        if unchecked is not None:
            yield find(
                "NX604",
                f"{plugin.label}: {route.method} {route.path} lets everybody in, though {unchecked}() stands over it.",
                plugin=plugin.name,
                where=of_callable(route.endpoint),
            )


def unmount(app: FastAPI, plugin: Loaded) -> None:
    """Remove a plugin's routes from the app.

    Args:
        app: The app.
        plugin: The plugin.
    """
    if plugin.routes:
        drop(app, plugin.routes)
        plugin.routes, plugin.mounted = [], []
        app.openapi_schema = None


def openapi_of(app: FastAPI, plugin: Loaded) -> dict[str, Any]:
    """Return the OpenAPI document of one plugin: its paths, the schemas that they use, what its manifest tells people.

    Args:
        app: The app.
        plugin: The plugin.
    """
    told = plugin.manifest.told() if plugin.manifest is not None else {}
    document = get_openapi(
        title=told.pop("display_name", None) or plugin.name,
        version=str(plugin.instance.version),
        description=plugin.instance.description or None,
        routes=plugin.routes,
        separate_input_output_schemas=app.separate_input_output_schemas,
    )
    # Past FastAPI's own argument for it, which refuses an address that is none.
    if "author" in told:
        document["info"]["contact"] = told.pop("author")
    if "license" in told:
        document["info"]["license"] = {"name": told.pop("license")}
    if "documentation" in told:
        document["externalDocs"] = {"url": told.pop("documentation")}
    if told:
        document["info"]["x-plugin"] = told
    return document


def drop(app: FastAPI, routes: Iterable[Any]) -> None:
    """Remove entries of an app's routes.

    Args:
        app: The app.
        routes: The entries.
    """
    gone = {id(route) for route in routes}
    app.router.routes[:] = [route for route in app.router.routes if id(route) not in gone]
    changed(app)


def changed(app: FastAPI) -> None:
    """Tell an app that its routes are others, where it wants to know.

    Args:
        app: The app.
    """
    mark = getattr(app.router, "_mark_routes_changed", None)
    if mark is not None:
        mark()


def contexts(routes: Iterable[Any]) -> Iterable[Any]:
    """Return the single routes of what an app has mounted.

    Args:
        routes: Entries of a router's `routes`.
    """
    return _iter_route_contexts(routes) if _iter_route_contexts is not None else routes


def listed(routes: list[Any], plugin: str | None, prefix: str = "") -> Iterator[Mounted]:
    """List what an app, a plugin or a router has, one entry a method.

    Args:
        routes: Entries of a router's `routes`.
        plugin: The name of the plugin that they belong to.
        prefix: What stands before their paths.
    """
    for route in contexts(routes):
        path = getattr(route, "path", None)
        if path is None:
            continue
        methods = getattr(route, "methods", None)
        endpoint = getattr(route, "endpoint", None)
        if methods:
            for method in sorted(methods):
                yield Mounted(method, prefix + path, endpoint, plugin)
        elif endpoint is not None:
            yield Mounted("WEBSOCKET", prefix + path, endpoint, plugin)


def forget_endpoints() -> None:
    """Let FastAPI forget the endpoints of apps that are gone; it looks at those of others once more."""
    for remembering in _remembering:
        remembering.cache_clear()
