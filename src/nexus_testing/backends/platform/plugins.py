"""The plugins of one app, loaded and unloaded by the framework's own manager."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ...errors import LifecycleError, PluginLoadError, PluginNotFound, PluginUnloadError, did_you_mean
from ...findings import find
from ...limits import limit
from ...locations import Location, of_callable, of_exception
from ...nexus.plugins.base import name_of_class
from ...records import Query
from ...runtime.identity import refuse_second
from ...runtime.loaded import Loaded
from ...runtime.loader import resolve
from ...runtime.stages import LogWatch, Stages
from ...runtime.states import State
from .dialect import explain
from .options import refuse_config
from .staging import category_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ...runtime.loader import Target
    from ...runtime.stages import Logged
    from .ledger import Ledger
    from .staging import Staging

__all__ = ("Plugins",)


class Plugins:
    """Loads and unloads. Its coroutines run in the app's owner task.

    Args:
        app: The framework's app.
        ledger: What is known of the app.
        staging: Where the framework finds plugins.
        hook_limit: Seconds that a load or an unload may take.
    """

    def __init__(self, app: Any, ledger: Ledger, staging: Staging, hook_limit: float | None) -> None:
        manager = self._manager = app.plugin_manager
        # Both would look for plugins in the working directory, and write there.
        manager._setup_plugins_path = lambda: None
        manager._find_plugin_module_path = lambda _name: None
        discover = manager.discover_plugins
        manager.discover_plugins = lambda _path: discover(staging.shelf())
        self._ledger = ledger
        self._staging = staging
        self._limit = hook_limit
        self.stages = Stages(ledger, hook_limit)  # type: ignore[arg-type]  # it needs the journal and the clock alone
        self.ids: dict[str, str] = {}
        """What the framework calls each plugin, by name."""
        self.newest: Any = None
        """The plugin that was made last."""
        self.hide: Callable[[str], None] = _hide_nothing
        self.shipped = False

    # -- what there is -------------------------------------------------------------------------------------------

    @property
    def loaded(self) -> dict[str, Any]:
        """The instances of the loaded plugins by name, in the order of loading."""
        names = {id_: name for name, id_ in self.ids.items()}
        return {names.get(id_, id_): plugin for id_, plugin in self._manager.get_loaded_plugins().items()}

    def id_of(self, name: str) -> str:
        """Return what the framework calls a loaded plugin.

        Args:
            name: The plugin's name, or that itself.

        Raises:
            LifecycleError: If it is not loaded.
        """
        loaded = self.loaded
        id_ = self.ids.get(name, name)
        if id_ not in self._manager.get_loaded_plugins():
            raise LifecycleError(
                f"There is no plugin {name!r} in the app.",
                why=f"loaded are {', '.join(loaded) or 'none'}",
                fix=did_you_mean(name, loaded) or f"Load it first: await app.load_plugin({name!r}).",
                plugin=name,
            )
        return id_

    def record_of(self, name: str) -> Loaded:
        """Return what is known of a loaded plugin.

        Args:
            name: The plugin's name, or what the framework calls it.
        """
        id_ = self.id_of(name)
        return next(plugin for known, plugin in self._ledger.plugins.items() if self.ids[known] == id_)

    # -- loading -------------------------------------------------------------------------------------------------

    async def load(self, target: object, config: Mapping[str, Any] | None) -> Loaded:
        """Load a plugin, as far as the framework's manager does.

        Args:
            target: A name, a path, a class or an instance.
            config: Configuration for it: there is none.

        Raises:
            PluginLoadError: If it cannot be loaded; the exception that the framework swallowed is the cause.
        """
        refuse_config(config)
        plugin = self.place(_resolved(target))
        return await self.load_placed(plugin)

    async def load_placed(self, plugin: Loaded) -> Loaded:
        """Load a plugin that is in its place.

        Args:
            plugin: The plugin.

        Raises:
            PluginLoadError: If it cannot be loaded.
        """
        id_ = self.ids[plugin.name]
        since = self._ledger.journal.next_seq()
        with self.stages.stage(plugin, "Loading"):
            self.hide(plugin.name)
            self.newest = plugin.instance
            watch = LogWatch()
            try:
                with _no_bytecode(), watch, self.stages.acting(plugin):
                    async with limit(self._limit):
                        ok = await self._manager.load_plugin(id_)
            except TimeoutError as error:
                raise PluginLoadError(
                    f"{plugin.label.capitalize()} was not loaded within {self._limit} s.",
                    stage="Initialization",
                    where=of_exception(error, plugin.folder),
                    why="it was waiting at the line above",
                    fix="Let initialize() end, or raise the limit: nexus_hook_timeout in pytest's configuration.",
                    plugin=plugin.name,
                ) from error
            finally:
                plugin.instance = self._manager._plugins.get(id_, self.newest)
                self.newest = None
            if not ok:
                plugin.state = State.FAILED
                self.report_left(plugin)
                raise self._failed(plugin, id_, watch.seen, since)
        plugin.state = State.INITIALIZED
        self._report(plugin, since)
        return plugin

    def place(self, found: Target) -> Loaded:
        """Put a plugin where the framework finds it.

        Args:
            found: What is to be loaded.

        Raises:
            PluginLoadError: If one of that name is loaded.
        """
        site = found.site
        plugin = Loaded(site, None)
        plugin.cls = found.cls
        plugin.instance = found.instance
        manifest = _raw(site.manifest) if site is not None else {}
        name = site.name if site is not None else _name_of(found)
        plugin._name = name
        other = self._ledger.plugins.get(name)
        if other is not None and name in self.loaded:
            raise refuse_second(plugin, other)
        if found.instance is not None:
            category = category_of(site, manifest) if site is not None else "custom"
            if site is not None:
                self._staging.place(site, category)
            id_ = self._staging.place_class(_maker(found.instance), name, category, "TakenInPlugin")
        elif site is not None:
            id_ = self._staging.place(site, category_of(site, manifest))
        else:
            id_ = self._staging.place_class(found.cls, name)
        self.ids[name] = id_
        self._ledger.plugins.pop(name, None)
        self._ledger.plugins[name] = plugin
        return plugin

    def _failed(self, plugin: Loaded, id_: str, logged: list[Logged], since: int) -> PluginLoadError:
        """Make the error of a load that the framework said no more of than False."""
        said = next((one for one in reversed(logged) if one.message.startswith("Failed to load plugin ")), None)
        if said is None or said.error is None:
            plugin.outcome = None
            own = [one for one in logged if one.message != f"Failed to initialize plugin: {id_}"]
            error = self.stages.refused(plugin, "Initialization", "initialize", own, since)
            error.what = f"{plugin.label.capitalize()} refused to start: initialize() returned None or False."
            error.args = (error.what,)
            cause: BaseException | None = error.__cause__
        else:
            cause = said.error
            error = PluginLoadError(
                f"{plugin.label.capitalize()} cannot be loaded: {type(cause).__name__}: {cause}",
                stage="Loading",
                where=of_exception(cause, plugin.folder) or (plugin.folder / "plugin.py" if plugin.folder else None),
                fix="Mend the line above; what it raised is the cause of this error.",
                plugin=plugin.name,
            )
            error.__cause__ = cause
        self._explain(plugin, error, cause)
        return error

    def _explain(self, plugin: Loaded, error: PluginLoadError, cause: BaseException | None) -> None:
        text = explain(cause)
        if text:
            where = error.where if isinstance(error.where, Location) else None
            self._ledger.report(find("NX801", f"{plugin.label}: {text}.", plugin=plugin.name, where=where))
            error.why = f"{error.why}\n{text}".strip()
        elif isinstance(cause, RuntimeError) and "Database not connected" in str(cause) and self.shipped:
            error.why = (
                f"{error.why}\nnexus-platform as shipped connects the database after plugins are loaded; the profile "
                "'connected' does it before"
            ).strip()

    def _report(self, plugin: Loaded, since: int) -> None:
        """Report what stands out about a plugin that was loaded."""
        meant = plugin.cls
        taken = type(plugin.instance)
        own = sys.modules.get(taken.__module__)
        file = getattr(own, "__file__", None) or ""
        if plugin.site is not None and plugin.site.entry_point is None and not file.startswith(f"{plugin.folder}/"):
            text = (
                f"{plugin.label}: the class taken is {taken.__module__}.{taken.__qualname__}, an import of plugin.py."
            )
            self._ledger.report(find("NX802", text, plugin=plugin.name, where=of_callable(taken)))
        elif meant is not None and taken is not meant and taken.__qualname__ != meant.__qualname__:
            text = f"{plugin.label}: the class taken is {taken.__qualname__}, not {meant.__qualname__}."
            self._ledger.report(find("NX802", text, plugin=plugin.name, where=of_callable(taken)))
        asked = next(
            (one for one in self._ledger.journal.since(since) if isinstance(one, Query) and one.plugin == plugin.name),
            None,
        )
        if asked is not None and not self.shipped:
            text = f"{plugin.label} asked the database for {asked.key!r} while it was initialised."
            self._ledger.report(find("NX804", text, plugin=plugin.name, where=of_callable(taken.initialize)))

    # -- unloading -----------------------------------------------------------------------------------------------

    async def unload(self, name: str) -> None:
        """Unload a plugin, as the framework does: what it registered stays.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not loaded.
            PluginUnloadError: If its shutdown() raises or hangs; the framework keeps it loaded.
        """
        plugin = self.record_of(name)
        with self.stages.stage(plugin, "Shutdown"):
            with LogWatch() as watch, self.stages.acting(plugin):
                try:
                    async with limit(self._limit):
                        ok = await self._manager.unload_plugin(self.ids[plugin.name])
                except TimeoutError as error:
                    raise PluginUnloadError(
                        f"{plugin.label.capitalize()} did not come back from shutdown() within {self._limit} s.",
                        where=of_exception(error, plugin.folder),
                        fix="Let it end, or raise the limit: nexus_hook_timeout in pytest's configuration.",
                        plugin=plugin.name,
                    ) from error
            if not ok:
                raise next(self.failures(watch.seen))
        plugin.state = State.UNLOADED
        self.report_left(plugin)

    def failures(self, logged: list[Logged]) -> Iterator[PluginUnloadError]:
        """Yield the errors of the shutdowns that the framework logged and went on from.

        Args:
            logged: What was logged.
        """
        for one in logged:
            if not one.message.startswith("Failed to unload plugin "):
                continue
            id_ = one.message.removeprefix("Failed to unload plugin ").partition(":")[0]
            name = next((name for name, known in self.ids.items() if known == id_), id_)
            plugin = self._ledger.plugins.get(name)
            cause = one.error
            error = PluginUnloadError(
                f"Plugin {name!r} failed in shutdown(): {type(cause).__name__}: {cause}",
                where=of_exception(cause, plugin.folder if plugin else None) if cause is not None else one.where,
                why="nexus-platform logs it, keeps the plugin loaded and goes on",
                fix="Mend the line above; what it raised is the cause of this error.",
                plugin=name,
            )
            error.__cause__ = cause
            yield error

    def hung(self, error: TimeoutError) -> PluginUnloadError:
        """Make the error of a shutdown of all plugins that took too long.

        Args:
            error: The limit's own error.
        """
        failed = PluginUnloadError(
            f"The plugins did not come back from shutdown() within {self._limit} s.",
            where=of_exception(error),
            why="nexus-platform shuts them down one after the other; those behind the one that hung had no turn",
            fix="Let it end, or raise the limit: nexus_hook_timeout in pytest's configuration.",
        )
        failed.__cause__ = error
        return failed

    def report_left(self, plugin: Loaded) -> None:
        """Report what a plugin registered and did not release.

        Args:
            plugin: The plugin.
        """
        for handle in self._ledger.left_by(plugin.name):
            text = f"{plugin.label} did not release its {handle.kind} {handle.name!r}."
            self._ledger.report(find("NX106", text, plugin=plugin.name, where=handle.where))

    async def change(self, name: str, how: str) -> None:
        """Enable or disable a plugin, as the framework does.

        Args:
            name: The plugin's name.
            how: "enable" or "disable".

        Raises:
            LifecycleError: If it is not loaded.
        """
        plugin = self.record_of(name)
        with self.stages.stage(plugin, "Active" if how == "enable" else "Disabled"):
            with LogWatch() as watch, self.stages.acting(plugin):
                async with limit(self._limit):
                    await getattr(self._manager, f"{how}_plugin")(self.ids[plugin.name])
            for error in self.failures(watch.seen):
                raise error
        plugin.state = State.ACTIVE if how == "enable" else State.DISABLED


def _resolved(target: object) -> Target:
    """Return what a test means; a plugin may be named as the framework names it, too, with its category."""
    if isinstance(target, str) and target.count(".") == 1 and os.sep not in target:
        with suppress(PluginNotFound):
            return resolve(target.partition(".")[2])
    return resolve(target)


def _name_of(found: Target) -> str:
    said = getattr(found.instance, "name", "") if found.instance is not None else ""
    return str(said) or name_of_class(found.cls or type(found.instance))


def _maker(instance: Any) -> type:
    """Return a class whose one instance is there already: the framework makes its plugins itself, from classes."""
    return type("TakenInPlugin", (), {"__new__": lambda _cls: instance})


def _raw(manifest: Any) -> dict[str, Any]:
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _hide_nothing(_plugin: str) -> None:
    """Stand for what hides environment variables until there is something."""


@contextmanager
def _no_bytecode() -> Iterator[None]:
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
