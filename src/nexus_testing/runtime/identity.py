"""Who a plugin says it is, held against its manifest and against what production demands of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import PluginLoadError
from ..findings import find
from ..locations import of_callable
from ..nexus.plugins.base import BasePlugin, name_of_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from .loaded import Loaded

__all__ = ("findings_of", "refuse_second")

_DEMANDED = ("initialize", "shutdown", "get_api_routes", "get_database_schema")


def findings_of(plugin: Loaded) -> Iterator[Finding]:
    """Return what stands out about a plugin's class and identity.

    Args:
        plugin: The plugin, with its instance.
    """
    cls = type(plugin.instance)
    for finding in getattr(cls, "_nexus_findings", ()):
        yield finding._replace(plugin=plugin.name)
    said = plugin.instance.__dict__.get("_nexus_name") or getattr(plugin.instance.info, "name", "")
    if not said and plugin.manifest is None:
        yield find(
            "NX103",
            f"class {cls.__name__} says no name; it is called {name_of_class(cls)!r} after its class.",
            plugin=plugin.name,
            where=of_callable(cls),
        )
    if plugin.manifest is not None:
        for what, expected in plugin.manifest.identity().items():
            if what in {"name", "version", "category"} and expected:
                own = plugin.instance.__dict__.get(f"_nexus_{what}") or getattr(plugin.instance.info, what, "")
                if own and own != expected:
                    yield find(
                        "NX104",
                        f"the class says {what} {own!r}, the manifest {expected!r}.",
                        plugin=plugin.name,
                        where=of_callable(cls),
                    )
    missing = [name for name in _DEMANDED if getattr(cls, name, None) is getattr(BasePlugin, name)]
    if missing:
        yield find(
            "NX105",
            f"class {cls.__name__} does not write {', '.join(f'{name}()' for name in missing)}.",
            plugin=plugin.name,
            where=of_callable(cls),
        )


def refuse_second(plugin: Loaded, other: Loaded) -> PluginLoadError:
    """Make the error of a second plugin of one name.

    Args:
        plugin: The second.
        other: The first.
    """
    same = plugin.folder == other.folder and plugin.folder is not None
    return PluginLoadError(
        f"A plugin called {plugin.name!r} is loaded already.",
        stage="Discovery",
        where=of_callable(type(plugin.instance)) if plugin.instance is not None else plugin.folder,
        why=f"the first is {type(other.instance).__name__} at {of_callable(type(other.instance))}",
        fix=(
            "Unload it first, or use the one that is there: app.get_plugin(name)."
            if same
            else "Give one of them another name: self.name in __init__, or name in its manifest."
        ),
        plugin=plugin.name,
    )
