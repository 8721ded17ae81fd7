"""Where the framework has mounted a plugin's routes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from starlette.routing import compile_path

from ...errors import PluginLoadError
from ...locations import of_callable, of_exception
from ...runtime.routes import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...runtime.loaded import Loaded
    from ...runtime.routes import Mounted

__all__ = ("failure_of", "mount", "mounted_path", "of_plugin")


def base_of(id_: str) -> str:
    """Return what all mounted paths of a plugin begin with.

    Args:
        id_: What the framework calls it.
    """
    return f"/api/plugins/{id_}"


def of_plugin(app: Any, id_: str) -> list[Any]:
    """Return the routes of a plugin that are mounted.

    Args:
        app: The framework's app.
        id_: What the framework calls the plugin.
    """
    base = base_of(id_)
    return [
        route
        for route in app.app.router.routes
        if (path := getattr(route, "path", "")) == base or path.startswith(f"{base}/")
    ]


def mounted(app: Any, id_: str, name: str) -> Iterator[Mounted]:
    """List the routes of a plugin.

    Args:
        app: The framework's app.
        id_: What the framework calls the plugin.
        name: The plugin's name.
    """
    yield from listed(of_plugin(app, id_), name)


def mounted_path(app: Any, id_: str, path: str) -> str:
    """Return the path at which a plugin's route answers: the framework puts a router's prefix before it twice.

    Args:
        app: The framework's app.
        id_: What the framework calls the plugin.
        path: The route's path as the plugin writes it, with or without the prefix of its router.
    """
    base = base_of(id_)
    path = "/" + path.lstrip("/")
    asked = path.partition("?")[0]
    first = ""
    for route in of_plugin(app, id_):
        rest = route.path.removeprefix(base)
        for end in range(len(rest) // 2 + 1):
            prefix = rest[:end]
            if rest[end : 2 * end] != prefix:
                continue
            first = first or (prefix * 2 if prefix else "")
            for own in (rest[2 * end :], rest[end:]):
                if _fits(own, asked):
                    return f"{base}{rest[: len(rest) - len(own)]}{path}"
    return f"{base}{first}{path}"


def _fits(template: str, path: str) -> bool:
    if template == path or (path == "/" and not template):
        return True
    return template.startswith("/") and compile_path(template)[0].match(path) is not None


def mount(app: Any, id_: str, plugin: Loaded) -> None:
    """Mount the routes of a plugin that was loaded after the start, by the framework's own rule.

    Args:
        app: The framework's app.
        id_: What the framework calls the plugin.
        plugin: The plugin.

    Raises:
        PluginLoadError: If the plugin does not give routers.
    """
    manager = SimpleNamespace(get_loaded_plugins=lambda: {id_: plugin.instance}, _plugins={id_: plugin.instance})
    only = SimpleNamespace(plugin_manager=manager, app=app.app)
    try:
        type(app)._register_plugin_routes(only)
    except Exception as error:
        raise failure_of(plugin, error) from error
    app.app.openapi_schema = None


def failure_of(plugin: Loaded, error: BaseException) -> PluginLoadError:
    """Make the error of a plugin whose routes cannot be mounted.

    Args:
        plugin: The plugin.
        error: What was raised.
    """
    return PluginLoadError(
        f"The routes of {plugin.label} cannot be mounted: {type(error).__name__}: {error}",
        stage="Active",
        where=of_exception(error, plugin.folder) or of_callable(plugin.instance.get_api_routes),
        why="on nexus-platform the whole app does not start then",
        fix="Let get_api_routes() return a list of routers, each with a prefix that does not end in '/'.",
        plugin=plugin.name,
    )
