"""The plugins of one app, driven through their lives."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from .. import nexus as nexus_package
from ..errors import LifecycleError, PluginLoadError
from ..manifest import read_manifest
from ..nexus.config import PluginConfig, plugin_config
from ..nexus.context import running_kernel
from ..nexus.manager import PluginStatus
from . import declared, dependencies, identity, routes
from .adoption import Adoption
from .discovery import current_project
from .importer import finder
from .life import Life
from .loaded import RECORD, Loaded, State
from .loader import Target, import_class, is_test_module, resolve, site_of_class
from .stages import Stages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

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
        stubs: Versions of plugins that are taken for loaded, by name.
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
        stubs: Mapping[str, str] | None = None,
    ) -> None:
        self._kernel = kernel
        self._life = Life(kernel, fastapi_app, owner, Stages(kernel, hook_limit), drain_limit)
        self.adoption = Adoption(self, self._life, owner)
        self._under_way: list[str] = []
        self._pending_config: Mapping[str, Any] = {}
        self.plugin_configs: dict[str, Mapping[str, Any]] = dict(plugin_configs or {})
        self.stubs: dict[str, str] = dict(stubs or {})
        self.ensure_up: Callable[[], Awaitable[None]] = _nothing
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
                fix=f"Load it first: await app.load_plugin({name!r}).",
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

    def owner_of(self, function: object) -> str | None:
        """Return the name of the plugin whose code a function is, if it is one's.

        Args:
            function: A function, method or object.
        """
        target = function
        while isinstance(target, functools.partial):
            target = target.func
        holder = getattr(target, "__self__", None)
        for plugin in self._life.loaded.values():
            if holder is plugin.instance and holder is not None:
                return plugin.name
        module = getattr(target, "__module__", None) or ""
        folder = finder.folder_of(module)
        for plugin in self._life.loaded.values():
            if folder is not None and plugin.folder == folder and not is_test_module(module):
                return plugin.name
            # A plugin in no folder is as large as its module, in a test file as its class, an installed one as its
            # package.
            own = type(plugin.instance).__module__
            if plugin.site is None and module == own and (not is_test_module(module) or _in_class(target, plugin)):
                return plugin.name
            if plugin.site is not None and plugin.site.entry_point is not None and _top(own) == _top(module):
                return plugin.name
        return None

    # -- giving a new plugin its ports ---------------------------------------------------------------------------

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
        kernel = self._kernel
        if manifest is not None:
            plugin._nexus_identity = manifest.identity()
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
                self.plugin_configs.get(name, {}),
                self._pending_config,
            ),
            name,
        )
        # An author's fixture calls these itself; they must run where everything else of the plugin runs.
        given["initialize"] = functools.partial(self.adoption.initialize, loaded)
        given["shutdown"] = functools.partial(self.adoption.shutdown, loaded)
        loaded.host = self
        given[RECORD] = loaded

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
            async with self._life.stages.stage(plugin, "Discovery"):
                await self.require(plugin)
                if plugin.instance is None:
                    cls = found.cls or import_class(_sure(site))
                    plugin = await self._construct(plugin, cls, config)
                elif self.known(plugin.instance) is None:
                    self._pending_config = config
                    try:
                        self.equip(plugin.instance)
                    finally:
                        self._pending_config = {}
                    plugin = self._record(plugin.instance)
                elif config:
                    plugin.instance.config.update(config)
                self.introduce(plugin)
        except PluginLoadError as error:
            for handle in plugin.early:
                handle()
            self._life.failed[plugin.name] = State.FAILED
            self._life.announce("plugin.error", plugin, error=error)
            raise
        return plugin

    def _record(self, instance: Any) -> Loaded:
        plugin = self.known(instance)
        assert plugin is not None  # noqa: S101 - it was given its ports a line ago
        return plugin

    async def _construct(self, plugin: Loaded, cls: type, config: Mapping[str, Any]) -> Loaded:
        async def construct() -> Any:
            return cls()

        self._pending_config = config
        before = set(map(id, self._kernel.handles))
        token = running_kernel.set(self._kernel)
        try:
            plugin.instance = await self._life.stages.call(plugin, "Discovery", "__init__", construct)
        finally:
            running_kernel.reset(token)
            self._pending_config = {}
            plugin.early = [handle for handle in self._kernel.handles if id(handle) not in before]
        if self.known(plugin.instance) is None:
            self.equip(plugin.instance)
        made = self._record(plugin.instance)
        made.site, made.manifest = plugin.site or made.site, plugin.manifest or made.manifest
        made.requires, made.early = plugin.requires, plugin.early
        return made

    def introduce(self, plugin: Loaded) -> None:
        """Fix the plugin's name, refuse a second of it, and report what stands out."""
        other = self._life.loaded.get(plugin.name)
        if other is not None and other is not plugin:
            raise identity.refuse_second(plugin, other)
        plugin.fix_name()
        self._life.loaded[plugin.name] = plugin
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
        dependencies.check_environment(plugin, nexus_package.__version__)
        versions = {**{name: str(one.instance.version) for name, one in self._life.loaded.items()}, **self.stubs}
        for name, range_ in dependencies.required_plugins(plugin):
            if name not in versions:
                sites = {site.name: site for site in current_project().visible()}
                if name not in sites:
                    raise dependencies.missing_plugin(plugin, name, range_, [*sites, *self._life.loaded])
                if name in self._under_way or name == plugin.name:
                    raise dependencies.cycle(plugin, [*self._under_way, plugin.name, name])
                self._under_way.append(plugin.name)
                try:
                    instance = await self.load(sites[name].folder)
                finally:
                    self._under_way.pop()
                versions[name] = str(instance.version)
            if not dependencies.satisfies(plugin, versions[name], range_, name):
                raise dependencies.wrong_version(plugin, name, range_, versions)
            plugin.requires.append(name)

    # -- unloading -----------------------------------------------------------------------------------------------

    async def unload(self, name: str) -> None:
        """Shut a plugin down and remove all of it but its data.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not loaded.
            PluginUnloadError: If it raised or hung; it is removed all the same.
        """
        await self._life.shut_down(self.record_of(name))

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
        return errors

    # -- enabling, disabling, reloading --------------------------------------------------------------------------

    async def enable(self, name: str) -> None:
        """Put a disabled plugin's routes and tasks back.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not loaded.
            PluginLoadError: If it cannot be enabled.
        """
        plugin = self.record_of(name)
        if plugin.state is State.DISABLED:
            async with self._life.undone_on_failure(plugin):
                await self._life.activate(plugin)
            self._life.announce("plugin.enabled", plugin)

    async def disable(self, name: str) -> None:
        """Take a plugin's routes and tasks off; it stays initialised.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not loaded.
        """
        plugin = self.record_of(name)
        if plugin.state is State.ACTIVE:
            async with self._life.stages.stage(plugin, "Disabled"):
                try:
                    await self._life.disable(plugin)
                finally:
                    plugin.state = State.DISABLED
                await self._life.drain()
            self._life.announce("plugin.disabled", plugin)

    async def reload(self, name: str) -> Any:
        """Unload a plugin and load it again, with its code as it is now and its data as it was.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not loaded.
            PluginLoadError: If the new code cannot be loaded.
        """
        plugin = self.record_of(name)
        declared.refuse_reload(plugin)
        site, cls, config = plugin.site, type(plugin.instance), dict(plugin.instance.config)
        await self._life.shut_down(plugin)
        if site is None or finder.folder_of(cls.__module__) is None:
            return await self.load(cls, config)
        finder.forget_code(site.folder)
        return await self.load(site.folder, config)


def _in_class(function: object, plugin: Loaded) -> bool:
    name = getattr(function, "__qualname__", "")
    return any(name.startswith(f"{cls.__qualname__}.") for cls in type(plugin.instance).__mro__)


def _top(module: str) -> str:
    return module.partition(".")[0]


def _sure(site: Site | None) -> Site:
    assert site is not None  # noqa: S101 - a target has a site, a class or an instance
    return site


async def _nothing() -> None:
    """Stand for the start of an app until there is one."""
