"""What is served for a plugin besides its own routes: how it is, its templates, its static files.

None of it stands behind the plugin's middleware or its rate limit, in its OpenAPI document or in the list of routes.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ..nexus.context import activity
from . import health, routes, ui

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ..nexus.kernel import Kernel
    from .loaded import Loaded

__all__ = ("serve", "withdraw")


def serve(app: FastAPI, plugin: Loaded) -> None:
    """Serve a plugin's health and, where its manifest enables a user interface, that; check its health at intervals.

    Its own routes come first, except that a health endpoint which the manifest names comes before those that would
    take its requests.

    Args:
        app: The app, with the plugin's routes.
        plugin: The plugin.

    Raises:
        PluginLoadError: If it may not have a user interface, or the app's configuration of health checks is wrong.
    """
    kernel: Kernel = app.state.nexus
    prefix = routes.prefix_of(plugin)
    plugin.check = health.checks(plugin, kernel)
    first = health.route(plugin, prefix)
    shown = ui.routes(plugin, kernel, prefix)
    own = app.router.routes
    at = len(own)
    if first is not None and plugin.routes and plugin.manifest is not None and plugin.manifest.health_check.is_said:
        at = next(place for place, one in enumerate(own) if one is plugin.routes[0])
    plugin.served = [*([first] if first is not None else ()), *shown]
    for one in plugin.served:
        _attribute(one, plugin.name)
    own[at:at] = plugin.served[:1] if first is not None else []
    own.extend(shown)
    routes.changed(app)


def _attribute(route: Any, plugin: str) -> None:
    route.handle = functools.partial(_as_plugin, route.handle, plugin)


async def _as_plugin(handle: ASGIApp, plugin: str, scope: Scope, receive: Receive, send: Send) -> None:
    __tracebackhide__ = True
    doing = activity.get()
    if doing is not None and doing.scope is not None:
        doing.plugin = plugin
    await handle(scope, receive, send)


def withdraw(app: FastAPI, plugin: Loaded) -> None:
    """Serve nothing for a plugin any more.

    Args:
        app: The app.
        plugin: The plugin.
    """
    if plugin.check is not None:
        plugin.check()
        plugin.check = None
    if plugin.served:
        served: list[BaseRoute] = plugin.served
        plugin.served = []
        routes.drop(app, served)
