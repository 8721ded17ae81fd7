"""The other plugins that a plugin depends on: loaded before it, or stood in for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .. import nexus as nexus_package
from . import dependencies
from .discovery import current_project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .loaded import Loaded
    from .stand_ins import StandIns

__all__ = ("Companions",)


class Loader(Protocol):
    """What loads a companion."""

    async def load(self, target: object) -> Any:
        """Load a plugin and return its instance."""
        ...


class Companions:
    """Knows which plugins are there for others to depend on. Lives as long as the app.

    Args:
        loader: What loads those that are not.
        loaded: Those that are loaded, by name.
        stand_ins: Those that are stood in for, by name.
    """

    def __init__(self, loader: Loader, loaded: Mapping[str, Loaded], stand_ins: StandIns) -> None:
        self._loader = loader
        self._loaded = loaded
        self._stand_ins = stand_ins
        self._under_way: list[str] = []

    def version_of(self, name: str) -> str | None:
        """Return the version of a plugin that is there, or None.

        Args:
            name: The plugin's name.
        """
        if name in self._stand_ins:
            return self._stand_ins[name].version
        plugin = self._loaded.get(name)
        return str(plugin.instance.version) if plugin is not None else None

    async def require(self, plugin: Loaded) -> None:
        """Check what a plugin depends on, and load the plugins among it.

        Args:
            plugin: The plugin.

        Raises:
            PluginLoadError: If something is missing.
        """
        dependencies.check_environment(plugin, nexus_package.__version__)
        required = dependencies.required_plugins(plugin)
        absent = {name: range_ for name, range_ in required if self.version_of(name) is None}
        sites = {site.name: site.folder for site in current_project().visible()} if absent else {}
        if missing := {name: range_ for name, range_ in absent.items() if name not in sites}:
            raise dependencies.missing_plugins(plugin, missing, [*sites, *self._loaded])
        for name, range_ in required:
            version = self.version_of(name) or await self._bring(plugin, name, sites[name])
            if not dependencies.satisfies(plugin, version, range_, name):
                raise dependencies.wrong_version(plugin, name, range_, {name: version})
            plugin.requires.append(name)

    async def _bring(self, plugin: Loaded, name: str, folder: Path) -> str:
        if name in self._under_way or name == plugin.name:
            raise dependencies.cycle(plugin, [*self._under_way, plugin.name, name])
        self._under_way.append(plugin.name)
        try:
            instance = await self._loader.load(folder)
        finally:
            self._under_way.pop()
        plugin.brought.append(name)
        return str(instance.version)
