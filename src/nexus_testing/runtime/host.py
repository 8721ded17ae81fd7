"""The plugins of one app, driven through their lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import LifecycleError, did_you_mean
from ..locations import caller
from ..manifest import read_manifest
from ..nexus.context import running_kernel
from ..nexus.manager import PluginStatus
from . import declared, identity, routes
from .adoption import Adoption
from .attribution import owner_among
from .checkpoint import AppCheckpoint
from .companions import Companions
from .consistency import Consistency
from .equipment import Equipment
from .importer import finder
from .life import Life
from .loaded import RECORD, Loaded
from .loader import Target, import_class, resolve
from .reload import Reload
from .stages import Stages
from .stand_ins import StandIn, StandIns
from .states import State, refuse_move
from .ui import PluginUi

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from fastapi import FastAPI

    from ..nexus.kernel import Kernel
    from .discovery import Site
    from .owner import Owner

__all__ = ("Host",)

_STATUS = {
    State.NEW: PluginStatus.LOADING,
    State.PREPARED: PluginStatus.LOADING,
    State.INITIALIZED: PluginStatus.LOADED,
    State.ACTIVE: PluginStatus.ENABLED,
    State.DISABLED: PluginStatus.DISABLED,
    State.UNLOADED: PluginStatus.UNLOADED,
    State.FAILED: PluginStatus.ERROR,
}


class Host:
    """Loads, mounts and unloads the plugins of one app. Its coroutines run in the app's owner task.

    Args:
        kernel: The app's parts.
        fastapi_app: Where routes are mounted.
        owner: The task in which plugins live.
        hook_limit: Seconds that one hook may take.
        drain_limit: Seconds that events may take to come to rest.
        plugin_configs: Configuration for plugins, by name.
        stubs: Plugins that are taken for loaded, by name.
    """

    def __init__(
        self,
        kernel: Kernel,
        fastapi_app: FastAPI,
        owner: Owner,
        *,
        hook_limit: float | None,
        drain_limit: float | None,
        plugin_configs: Mapping[str, Mapping[str, Any]] | None = None,
        stubs: Mapping[str, Any] | None = None,
    ) -> None:
        self._kernel = kernel
        self._fastapi = fastapi_app
        self._life = Life(kernel, fastapi_app, owner, Stages(kernel, hook_limit), drain_limit)
        self.adoption = Adoption(self, self._life, owner)
        self.stand_ins = StandIns(kernel.service_registry)
        self.stand_ins.provide_all(stubs or {})
        self.consistency = Consistency(kernel.config, self._life.loaded, self.stand_ins)
        self._companions = Companions(self, self._life.loaded, self.stand_ins)
        self.folders: dict[str, Path | None] = {}
        """The folders of the plugins that were loaded at any time, by name."""
        self._owners: dict[int, tuple[object, str | None]] = {}
        self._owners_among: tuple[Loaded, ...] = ()
        self._reload = Reload(kernel, self._life, self.load)
        self._equipment = Equipment(kernel, self, self.adoption, plugin_configs or {})
        self.plugin_configs = self._equipment.configs
        self.ensure_up: Callable[[], Awaitable[None]] = _nothing
        self.hide_from: Callable[[str], None] = _hide_nothing
        kernel.lifecycle = self

    # -- what there is -------------------------------------------------------------------------------------------

    @property
    def plugins(self) -> dict[str, Any]:
        """The loaded plugins by name, in the order of loading."""
        return {name: plugin.instance for name, plugin in self._life.loaded.items()}

    def status_of(self, name: str) -> PluginStatus:
        """Return where a plugin stands.

        Args:
            name: The plugin's name.
        """
        plugin = self._life.loaded.get(name)
        return _STATUS[plugin.state if plugin is not None else self._life.failed.get(name, State.UNLOADED)]

    def record_of(self, name: str) -> Loaded:
        """Return what is known of a loaded plugin.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not loaded.
        """
        plugin = self._life.loaded.get(name)
        if plugin is None:
            raise LifecycleError(
                f"There is no plugin {name!r} in the app.",
                why=f"loaded are {', '.join(self._life.loaded) or 'none'}",
                fix=did_you_mean(name, self._life.loaded) or f"Load it first: await app.load_plugin({name!r}).",
                plugin=name,
            )
        return plugin

    def mounted(self) -> list[routes.Mounted]:
        """Return the routes of all plugins."""
        return [route for plugin in self._life.loaded.values() for route in routes.listed(plugin.routes, plugin.name)]

    def known(self, instance: Any) -> Loaded | None:
        """Return what is known of an instance, if this app gave it its ports.

        Args:
            instance: The plugin.
        """
        plugin: Loaded | None = getattr(instance, RECORD, None)
        return plugin if plugin is not None and plugin.host is self else None

    def prefix_of(self, name: str) -> str:
        """Return where a plugin's routes are mounted.

        Args:
            name: The plugin's name.
        """
        return routes.prefix_of(self.record_of(name))

    def ui(self, name: str) -> PluginUi:
        """Return what a plugin shows.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not loaded.
        """
        plugin = self.record_of(name)
        with self._life.stages.acting(plugin):
            return PluginUi(plugin, routes.prefix_of(plugin))

    def owner_of(self, function: object) -> str | None:
        """Return the name of the plugin whose code a function is, if it is one's.

        Args:
            function: A function, method or object.
        """
        # Every request asks whose its endpoint is.
        loaded = tuple(self._life.loaded.values())
        if loaded != self._owners_among:
            self._owners_among = loaded
            self._owners.clear()
        key = id(function)
        found = self._owners.get(key)
        if found is None or found[0] is not function:
            found = self._owners[key] = (function, owner_among(loaded, function))
        return found[1]

    def version_of(self, name: str) -> str | None:
        """Return the version of a plugin that is loaded or stood in for, or None.

        Args:
            name: The plugin's name.
        """
        return self._companions.version_of(name)

    def provide(self, name: str, version: str, services: Mapping[str, Any] | Iterable[str]) -> StandIn:
        """Take a plugin for loaded.

        Args:
            name: The plugin's name.
            version: Its version.
            services: What it offers: objects by name, or names alone for mocks.

        Raises:
            ConfigurationError: If name, version or services are something else.
            LifecycleError: If the plugin itself is there.
        """
        if name in self._life.loaded:
            raise LifecycleError(
                f"Plugin {name!r} is loaded, so nothing can stand in for it.",
                where=caller(),
                fix=f"Provide it before, or unload it: await app.unload_plugin({name!r}).",
                plugin=name,
            )
        return self.stand_ins.provide(name, version, services)

    # -- giving a new plugin its ports ---------------------------------------------------------------------------

    def equip(self, plugin: Any) -> None:
        """Give a new plugin its ports, before the body of its `__init__` runs.

        Args:
            plugin: The instance.

        Raises:
            PluginLoadError: If its manifest or configuration cannot be used.
        """
        self._equipment.equip(plugin)

    # -- loading -------------------------------------------------------------------------------------------------

    async def load(self, target: object, config: Mapping[str, Any] | None = None) -> Any:
        """Load a plugin and return its instance.

        Args:
            target: A name, a path, a class or an instance.
            config: Configuration for it.

        Raises:
            PluginLoadError: If it cannot be loaded; nothing of it is left.
        """
        found = resolve(target)
        plugin = await self._discover(found, config or {})
        async with self._life.undone_on_failure(plugin):
            await self._life.prepare(plugin)
            await self._life.initialize(plugin)
            await self._life.activate(plugin)
        return plugin.instance

    async def _discover(self, found: Target, config: Mapping[str, Any]) -> Loaded:
        site = found.site
        manifest = read_manifest(site.manifest) if site is not None and site.manifest.is_file() else None
        plugin = Loaded(site, manifest)
        plugin.cls = found.cls
        if found.instance is not None:
            plugin = self.known(found.instance) or plugin
            plugin.instance = found.instance
        if plugin.state is not State.NEW:
            raise identity.refuse_second(plugin, self._life.loaded.get(plugin.name, plugin))
        try:
            with self._life.stages.stage(plugin, "Discovery"):
                await self.require(plugin)
                self.hide_from(plugin.name)
                if plugin.instance is None:
                    cls = found.cls or import_class(_sure(site))
                    plugin = await self._construct(plugin, cls, config)
                elif self.known(plugin.instance) is None:
                    with self._equipment.giving(config):
                        self.equip(plugin.instance)
                    plugin = self._record(plugin.instance).continuing(plugin)
                elif config:
                    plugin.instance.config.update(config)
                plugin.given = config
                self.introduce(plugin)
        except BaseException as error:
            await self._life.undo(plugin, error, tell=False)
            raise
        return plugin

    def _record(self, instance: Any) -> Loaded:
        plugin = self.known(instance)
        assert plugin is not None  # noqa: S101 - it was given its ports a line ago
        return plugin

    async def _construct(self, plugin: Loaded, cls: type, config: Mapping[str, Any]) -> Loaded:
        async def construct() -> Any:
            return cls()

        before = set(map(id, self._kernel.handles))
        token = running_kernel.set(self._kernel)
        try:
            with self._equipment.giving(config):
                plugin.instance = await self._life.stages.call(plugin, "Discovery", "__init__", construct)
        finally:
            running_kernel.reset(token)
            plugin.early = [handle for handle in self._kernel.handles if id(handle) not in before]
        if self.known(plugin.instance) is None:
            self.equip(plugin.instance)
        return self._record(plugin.instance).continuing(plugin)

    def introduce(self, plugin: Loaded) -> None:
        """Fix the plugin's name, refuse a second of it, and report what stands out."""
        other = self._life.loaded.get(plugin.name)
        if other is not None and other is not plugin:
            raise identity.refuse_second(plugin, other)
        plugin.fix_name()
        if plugin.manifest is not None and plugin.manifest.name != plugin.name:
            permissions = plugin.manifest.permissions
            self._kernel.permissions.declare(plugin.name, permissions, plugin.site and plugin.site.manifest)
        self._life.loaded[plugin.name] = plugin
        self.folders[plugin.name] = plugin.folder
        for finding in (*(finder.findings(plugin.folder) if plugin.folder else ()), *identity.findings_of(plugin)):
            self._kernel.report(finding)
        for finding in declared.findings_before(plugin):
            self._kernel.report(finding)
        self._life.announce("plugin.discovered", plugin)

    async def require(self, plugin: Loaded) -> None:
        """Check what a plugin depends on, and load the plugins among it.

        Args:
            plugin: The plugin.

        Raises:
            PluginLoadError: If something is missing.
        """
        await self._companions.require(plugin)

    # -- unloading -----------------------------------------------------------------------------------------------

    async def unload(self, name: str) -> None:
        """Shut a plugin down and remove all of it but its data.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not loaded.
            PluginUnloadError: If it raised or hung; it is removed all the same.
        """
        plugin = self.record_of(name)
        refuse_move("unload", name, plugin.state)
        await self._life.shut_down(plugin)

    async def stop(self) -> list[Exception]:
        """Unload every plugin, those that depend on others first; return what went wrong."""
        errors: list[Exception] = []
        while self._life.loaded:
            needed = {name for plugin in self._life.loaded.values() for name in plugin.requires}
            names = [name for name in self._life.loaded if name not in needed] or list(self._life.loaded)
            plugin = self._life.loaded[names[-1]]
            try:
                await self._life.shut_down(plugin)
            except Exception as error:  # noqa: BLE001 - every plugin gets its turn; the app raises them together
                errors.append(error)
            finally:
                if self._life.loaded.get(names[-1]) is plugin:
                    del self._life.loaded[names[-1]]
        self._reload.restore()
        return errors

    async def migrate(self, name: str, target: str | None) -> list[str]:
        """Run a plugin's migrations up or down to one of them; return the names of those that were run.

        Args:
            name: The plugin's name.
            target: The last that is to be applied; "0" for none, None for all.

        Raises:
            LifecycleError: If the plugin is not loaded.
            PluginLoadError: If one of them fails, which changes nothing then, or there is none of that name.
        """
        plugin = self.record_of(name)
        with self._life.stages.stage(plugin, "Migration"):
            return await self._life.migrations.move(plugin, target)

    def checkpoint(self) -> AppCheckpoint:
        """Return the app as it is now, to go back to."""
        return AppCheckpoint(self._kernel, self._life, self._fastapi)

    # -- enabling, disabling, reloading --------------------------------------------------------------------------

    async def enable(self, name: str) -> None:
        """Put a disabled plugin's routes and tasks back.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not disabled.
            PluginLoadError: If it cannot be enabled.
        """
        plugin = self.record_of(name)
        refuse_move("enable", name, plugin.state)
        async with self._life.undone_on_failure(plugin):
            await self._life.activate(plugin)
        self._life.announce("plugin.enabled", plugin)

    async def disable(self, name: str) -> None:
        """Take a plugin's routes and tasks off; it stays initialised.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not active.
            PluginLoadError: If its on_disable() fails; it is disabled all the same.
        """
        plugin = self.record_of(name)
        refuse_move("disable", name, plugin.state)
        with self._life.stages.stage(plugin, "Disabled"):
            try:
                await self._life.disable(plugin)
            finally:
                plugin.state = State.DISABLED
            await self._life.drain()
        self._life.announce("plugin.disabled", plugin)

    async def reload(self, name: str) -> Any:
        """Unload a plugin and load it again, with its code as it is now and its data as it was.

        Requests that come meanwhile wait for the new code; those that were there before finish on the old. Code that
        cannot be imported leaves the old running.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not active.
            PluginLoadError: If the new code cannot be loaded.
            PluginUnloadError: If the old code failed in its shutdown; the new is loaded all the same.
        """
        plugin = self.record_of(name)
        refuse_move("reload", name, plugin.state)
        declared.refuse_reload(plugin)
        return await self._reload(plugin)


async def _nothing() -> None:
    """Stand for the start of an app until there is one."""


def _hide_nothing(_plugin: str) -> None:
    """Stand for what hides environment variables until there is something."""


def _sure(site: Site | None) -> Site:
    assert site is not None  # noqa: S101 - a target has a site, a class or an instance
    return site
