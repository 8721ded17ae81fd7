"""What a new plugin is given: its ports, its configuration, and what stands before its own initialize and shutdown."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from ..manifest import read_manifest
from ..nexus.config import PluginConfig, plugin_config
from .loaded import RECORD, Loaded
from .loader import site_of_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..nexus.kernel import Kernel
    from .adoption import Adoption

__all__ = ("Equipment",)


class Keeper(Protocol):
    """Who the plugins belong to."""

    hide_from: Callable[[str], None]


class Equipment:
    """Equips the plugins of one app. Lives as long as the app.

    Args:
        kernel: The app's parts.
        keeper: Who the plugins belong to.
        adoption: What an author's own calls of initialize() and shutdown() go through.
        configs: Configuration for plugins, by name.
    """

    def __init__(
        self, kernel: Kernel, keeper: Keeper, adoption: Adoption, configs: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._kernel = kernel
        self._keeper = keeper
        self._adoption = adoption
        self._given: Mapping[str, Any] = {}
        self.configs: dict[str, Mapping[str, Any]] = dict(configs)

    @contextmanager
    def giving(self, config: Mapping[str, Any]) -> Iterator[None]:
        """Give the plugin that is made in a block some configuration besides.

        Args:
            config: The configuration.
        """
        self._given = config
        try:
            yield
        finally:
            self._given = {}

    def equip(self, plugin: Any) -> None:
        """Give a new plugin its ports, before the body of its `__init__` runs.

        Args:
            plugin: The instance.

        Raises:
            PluginLoadError: If its manifest or configuration cannot be used.
        """
        site = site_of_class(type(plugin))
        manifest = read_manifest(site.manifest) if site is not None and site.manifest.is_file() else None
        loaded = Loaded(site, manifest)
        loaded.instance = plugin
        name = manifest.name if manifest is not None else loaded.name
        self._keeper.hide_from(name)
        kernel = self._kernel
        if manifest is not None:
            plugin._nexus_identity = manifest.identity()
            plugin._nexus_ui = manifest.ui.shown()
            kernel.permissions.declare(name, manifest.permissions, site.manifest if site is not None else None)
        given = plugin.__dict__
        given["db"] = given["db_adapter"] = kernel.db
        given["event_bus"] = kernel.event_bus
        given["service_registry"] = kernel.service_registry
        given["cache_manager"] = kernel.cache_manager.for_plugin(name)
        given["task_manager"] = kernel.task_manager
        given["config"] = PluginConfig(
            plugin_config(
                name,
                loaded.folder,
                manifest.configuration.model_dump(by_alias=True) if manifest is not None else {},
                kernel.config.get("plugins", {}).get(name, {}),
                self.configs.get(name, {}),
                self._given,
            ),
            name,
        )
        # An author's fixture calls these itself; they must run where everything else of the plugin runs.
        given["initialize"] = functools.partial(self._adoption.initialize, loaded)
        given["shutdown"] = functools.partial(self._adoption.shutdown, loaded)
        loaded.host = self._keeper
        given[RECORD] = loaded
