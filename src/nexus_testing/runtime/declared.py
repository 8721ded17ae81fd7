"""What a plugin's manifest declares, held against where it is and what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import LifecycleError
from ..findings import find
from ..locations import Location, of_callable
from ..manifest import manifest_findings
from ..nexus.plugins.base import BasePlugin
from .dependencies import missing_programs
from .routes import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..findings import Finding
    from ..nexus.handles import Handle
    from .loaded import Loaded

__all__ = ("findings_before", "findings_of_features", "findings_of_tasks", "findings_of_ui", "refuse_reload")


def findings_before(plugin: Loaded) -> Iterator[Finding]:
    """Return what stands out about a plugin's manifest by itself.

    Args:
        plugin: The plugin.
    """
    if plugin.manifest is None or plugin.site is None:
        return
    yield from manifest_findings(plugin.site.manifest)
    yield from missing_programs(plugin)


def findings_of_features(plugin: Loaded, registered: Iterable[Handle]) -> Iterator[Finding]:
    """Return where an active plugin and the features that its manifest declares do not agree.

    Args:
        plugin: The plugin, with its routes mounted.
        registered: What it has registered.
    """
    if plugin.manifest is None:
        return
    yield from findings_of_ui(plugin)
    yield from findings_of_tasks(plugin, registered)
    features = plugin.manifest.features
    if features.websocket is False:
        for route in listed(plugin.routes, plugin.name):
            if route.method == "WEBSOCKET":
                yield find(
                    "NX321",
                    f"features.websocket is false, and there is a WebSocket at {route.path}.",
                    plugin=plugin.name,
                    where=of_callable(route.endpoint),
                )
    if features.graphql and not any("graphql" in route.path.lower() for route in listed(plugin.routes, plugin.name)):
        yield find(
            "NX322",
            "features.graphql is true, and no route has 'graphql' in its path.",
            plugin=plugin.name,
            where=_manifest(plugin),
        )


def findings_of_tasks(plugin: Loaded, registered: Iterable[Handle]) -> Iterator[Finding]:
    """Return the background tasks of a plugin whose manifest says that it has none.

    Args:
        plugin: The plugin.
        registered: What it has registered.
    """
    if plugin.manifest is None or plugin.manifest.features.background_tasks is not False:
        return
    for handle in registered:
        if handle.kind == "task":
            yield find(
                "NX321",
                f"features.background_tasks is false, and there is a background task {handle.name!r}.",
                plugin=plugin.name,
                where=handle.where,
            )


def findings_of_ui(plugin: Loaded) -> Iterator[Finding]:
    """Return where a plugin's user interface and what its manifest says of it do not agree.

    Args:
        plugin: The plugin.
    """
    if plugin.manifest is None:
        return
    said = plugin.manifest.ui
    own = type(plugin.instance).get_ui_components is not BasePlugin.get_ui_components
    if said.enabled:
        folder = plugin.folder
        if not (own or said.menu or said.dashboard_widgets or (folder is not None and (folder / "ui").is_dir())):
            yield find(
                "NX322",
                "ui.enabled is true, and there is no menu, no widget, no get_ui_components() and no folder 'ui'.",
                plugin=plugin.name,
                where=_manifest(plugin),
            )
    elif own and "enabled" in said.model_fields_set:
        yield find(
            "NX321",
            "ui.enabled is false, and the plugin writes get_ui_components().",
            plugin=plugin.name,
            where=of_callable(plugin.instance.get_ui_components),
        )
    elif said.menu or said.dashboard_widgets:
        yield find(
            "NX321",
            f"ui.enabled is not true, and ui.{'menu' if said.menu else 'dashboard_widgets'} names something to show.",
            plugin=plugin.name,
            where=_manifest(plugin),
        )


def _manifest(plugin: Loaded) -> Location | None:
    return Location(str(plugin.site.manifest), 1) if plugin.site is not None else None


def refuse_reload(plugin: Loaded) -> None:
    """Refuse to reload a plugin whose manifest says that it cannot be.

    Args:
        plugin: The plugin.

    Raises:
        LifecycleError: If features.hot_reload is false.
    """
    if plugin.manifest is not None and plugin.manifest.features.hot_reload is False:
        raise LifecycleError(
            f"{plugin.label.capitalize()} cannot be reloaded.",
            where=_manifest(plugin),
            why="its manifest says features.hot_reload: false",
            fix="Change the manifest, or unload the plugin and load it again.",
            plugin=plugin.name,
        )
