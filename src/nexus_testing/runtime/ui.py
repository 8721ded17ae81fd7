"""The user interface of a plugin: what its manifest and its code name, its templates and its static files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import HTTPException
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..errors import ExtraMissing, PermissionDenied, PluginLoadError, TemplateError, did_you_mean
from ..locations import Location, of_callable, of_exception

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import Request, Response
    from starlette.routing import BaseRoute

    from ..nexus.kernel import Kernel
    from .loaded import Loaded

__all__ = ("PluginUi", "routes")


class PluginUi:
    """What a plugin shows.

    Args:
        plugin: The plugin.
        prefix: Where it is mounted.

    Attributes:
        components: What the plugin's get_ui_components() returned.
        menu: The menu entry of its manifest, or None.
        widgets: The dashboard's widgets of its manifest, in the order of their positions.
        templates: The names of its templates, below ui/templates, in alphabetical order.
        static: The names of its files below ui/static, in alphabetical order.
    """

    def __init__(self, plugin: Loaded, prefix: str) -> None:
        said = plugin.manifest.ui.shown() if plugin.manifest is not None else {}
        self._plugin = plugin
        self._prefix = prefix
        self.components: Any = _components(plugin)
        self.menu: dict[str, Any] | None = said.get("menu")
        self.widgets: list[dict[str, Any]] = said.get("widgets", [])
        self.templates = _names(plugin, "templates")
        self.static = _names(plugin, "static")

    def render(self, template: str, /, **context: Any) -> str:
        """Return what a template of the plugin's makes of a context, as the app serves it.

        Args:
            template: Its name, such as "dashboard.html".
            **context: Variables for it, besides `plugin`, `menu`, `widgets` and `static(path)`, the URL of a file.

        Raises:
            TemplateError: If there is no such template, or it cannot be rendered.
            ExtraMissing: If Jinja is not installed.
        """
        if template not in self.templates:
            raise TemplateError(
                f"{self._plugin.label.capitalize()} has no template {template!r}.",
                where=_folder(self._plugin, "templates"),
                why=f"there is {', '.join(self.templates) or 'none'}",
                fix=did_you_mean(template, self.templates) or "Write the file.",
                plugin=self._plugin.name,
            )
        return _rendered(self._plugin, self._prefix, template, context)

    def __repr__(self) -> str:
        return f"<PluginUi of {self._plugin.name!r}>"


def _components(plugin: Loaded) -> Any:
    method = plugin.instance.get_ui_components
    try:
        return method()
    except Exception as error:
        error.add_note(f"{plugin.label.capitalize()} failed in get_ui_components(), at {of_exception(error)}.")
        raise


def _folder(plugin: Loaded, name: str) -> Path | None:
    """Return a folder of the plugin's below ui, if its manifest enables a user interface and the folder is there."""
    if plugin.folder is None or plugin.manifest is None or not plugin.manifest.ui.enabled:
        return None
    folder = plugin.folder / "ui" / name
    return folder if folder.is_dir() else None


def _names(plugin: Loaded, name: str) -> tuple[str, ...]:
    folder = _folder(plugin, name)
    if folder is None:
        return ()
    return tuple(sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()))


def routes(plugin: Loaded, kernel: Kernel, prefix: str) -> list[BaseRoute]:
    """Return the routes of a plugin's user interface: templates below ``ui``, files below ``static``.

    Args:
        plugin: The plugin.
        kernel: The app.
        prefix: Where the plugin is mounted.

    Raises:
        PluginLoadError: If the plugin may not have one.
    """
    if plugin.manifest is None or not plugin.manifest.ui.enabled:
        return []
    try:
        kernel.permissions.require("ui.register", plugin.name, of_callable(plugin.instance.get_ui_components))
    except PermissionDenied as error:
        raise PluginLoadError(
            error.what, stage="Active", where=error.where, why=error.why, fix=error.fix, plugin=plugin.name
        ) from error
    found: list[BaseRoute] = []
    if _folder(plugin, "templates") is not None:

        async def page(request: Request) -> Response:
            name = request.path_params["template"]
            if name not in _names(plugin, "templates") or name.rpartition("/")[2].startswith("_"):
                raise HTTPException(404, f"There is no template {name!r}")
            return HTMLResponse(_rendered(plugin, prefix, name, {"request": request}))

        found.append(Route(f"{prefix}/ui/{{template:path}}", page, include_in_schema=False))
    static = _folder(plugin, "static")
    if static is not None:
        found.append(Mount(f"{prefix}/static", StaticFiles(directory=static)))
    return found


def _rendered(plugin: Loaded, prefix: str, name: str, context: dict[str, Any]) -> str:
    try:
        import jinja2
    except ModuleNotFoundError as error:
        raise ExtraMissing(f"Rendering the templates of {plugin.label}", extra="ui") from error
    folder = _folder(plugin, "templates")
    assert folder is not None and plugin.manifest is not None  # noqa: PT018, S101 - the name was found in it
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(folder), autoescape=True)
    shown = plugin.manifest.ui.shown()
    variables = {
        "plugin": plugin.instance,
        "menu": shown.get("menu"),
        "widgets": shown.get("widgets", []),
        "static": lambda path: f"{prefix}/static/{path}",
        **context,
    }
    try:
        return environment.get_template(name).render(variables)
    except jinja2.TemplateSyntaxError as error:
        raise _unrendered(plugin, name, error, Location(error.filename or str(folder / name), error.lineno)) from error
    except Exception as error:
        where = of_exception(error, plugin.folder) or Location(str(folder / name), 1)
        raise _unrendered(plugin, name, error, where) from error


def _unrendered(plugin: Loaded, name: str, error: Exception, where: Location) -> TemplateError:
    return TemplateError(
        f"{plugin.label.capitalize()}: its template {name!r} cannot be rendered: {type(error).__name__}: {error}",
        where=where,
        fix="Mend the line above; what was raised there is the cause of this error.",
        plugin=plugin.name,
    )
