"""What plugin code may ask about the other plugins of its app."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Protocol

from ..calls import awaited

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("PluginHost", "PluginManager", "PluginStatus")


class PluginStatus(enum.Enum):
    """Where a plugin stands."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    LOADED = "loaded"
    ENABLED = "enabled"
    DISABLED = "disabled"
    ERROR = "error"


class PluginHost(Protocol):
    """Who loads and unloads for a manager."""

    @property
    def plugins(self) -> Mapping[str, Any]:
        """The loaded plugins by name."""
        ...

    def status_of(self, name: str) -> PluginStatus:
        """Return where a plugin stands."""
        ...

    async def load(self, name: str) -> Any:
        """Load a plugin, or raise."""
        ...

    async def unload(self, name: str) -> None:
        """Unload a plugin, or raise."""
        ...


class PluginManager:
    """The plugins of one app. Lives as long as the app.

    Args:
        host: Who does the work.
    """

    def __init__(self, host: PluginHost) -> None:
        self._host = host

    def list_plugins(self) -> list[str]:
        """Return the names of the loaded plugins, in the order of loading."""
        return list(self._host.plugins)

    def get_plugin(self, name: str) -> Any:
        """Return a loaded plugin, or None.

        Args:
            name: The plugin's name.
        """
        return self._host.plugins.get(name)

    def is_loaded(self, name: str) -> bool:
        """Say whether a plugin is loaded.

        Args:
            name: The plugin's name.
        """
        return name in self._host.plugins

    def get_plugin_status(self, name: str) -> PluginStatus:
        """Return where a plugin stands.

        Args:
            name: The plugin's name.
        """
        return self._host.status_of(name)

    @awaited
    async def load_plugin(self, name: str) -> bool:
        """Load a plugin; failure raises.

        Args:
            name: The plugin's name.
        """
        await self._host.load(name)
        return True

    @awaited
    async def unload_plugin(self, name: str) -> bool:
        """Unload a plugin; failure raises.

        Args:
            name: The plugin's name.
        """
        await self._host.unload(name)
        return True
