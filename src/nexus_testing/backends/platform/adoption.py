"""Plugins that an author's fixture makes, initialises and shuts down itself."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from ...calls import Call
from ...errors import PluginLoadError, PluginUnloadError
from ...runtime.loader import Target, site_of_class
from ...runtime.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...runtime.loaded import Loaded
    from ...runtime.owner import Owner
    from .plugins import Plugins

__all__ = ("Adoption",)

_PORTS = ("db_adapter", "event_bus", "service_registry")


class Adoption:
    """Lets an author's own calls of initialize() and shutdown() do what a load and an unload do around them.

    It gives a plugin its ports as soon as it is made, which the framework does only to those that it makes itself.

    Args:
        app: The framework's app.
        plugins: What loads and unloads.
        owner: The task in which that happens.
        mount: Mounts the routes of a plugin.
    """

    def __init__(self, app: Any, plugins: Plugins, owner: Owner, mount: Callable[[Loaded], None]) -> None:
        self._app = app
        self._plugins = plugins
        self._owner = owner
        self._mount = mount
        self._records: dict[int, Loaded] = {}
        self._raised: dict[int, BaseException] = {}
        self._ports: dict[int, dict[str, Any]] = {}
        self._undo: Callable[[], None] | None = None

    def enter(self, base: Any) -> None:
        """Notice every plugin that is made from here on.

        Args:
            base: The framework's BasePlugin.
        """
        original = base.__init__
        adoption = self

        @functools.wraps(original)
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            adoption.made(self)

        base.__init__ = init

        def undo() -> None:
            base.__init__ = original

        self._undo = undo

    def leave(self) -> None:
        """Notice nothing any more."""
        if self._undo is not None:
            self._undo()
            self._undo = None
        self._records.clear()

    def made(self, plugin: Any) -> None:
        """Give a plugin its ports, unless the framework makes it, which does so itself.

        Args:
            plugin: The instance.
        """
        if self._owner.inside:
            self._plugins.newest = plugin
            return
        plugin.db_adapter = self._app.plugin_manager.db_adapter
        plugin.event_bus = self._app.event_bus
        plugin.service_registry = self._app.service_registry
        plugin.initialize = functools.partial(self._call, plugin, "initialize", self._initialize)
        plugin.shutdown = functools.partial(self._call, plugin, "shutdown", self._shutdown)

    def _call(self, plugin: Any, name: str, operation: Any) -> Any:
        """Answer a call of a plugin's hook: the framework's goes to the hook itself, an author's round about."""
        method = getattr(type(plugin), name).__get__(plugin)
        if self._owner.inside:
            return self._noted(plugin, method)
        label = f"{type(plugin).__name__}.{name}"
        return Call(self._owner.run(functools.partial(operation, plugin, method)), label, sys._getframe(1))

    async def _noted(self, plugin: Any, method: Any) -> Any:
        """Run a hook for the framework, which will swallow what it raises."""
        # The framework has given it ports by now; those that the author put in their place come back.
        vars(plugin).update(self._ports.pop(id(plugin), {}))
        try:
            outcome = await method()
        except Exception as error:
            self._raised[id(plugin)] = error
            raise
        record = self._records.get(id(plugin))
        if record is not None:
            record.outcome = outcome
        return outcome

    async def _initialize(self, plugin: Any, method: Any) -> Any:
        """Do what a load does around initialize(), and let the author see what it returns or raises."""
        __tracebackhide__ = True
        known = self._records.get(id(plugin))
        if known is not None and known.state in {State.INITIALIZED, State.ACTIVE}:
            return await method()
        record = self._record(plugin)
        record.by_author = True
        self._ports[id(plugin)] = {name: vars(plugin)[name] for name in _PORTS if name in vars(plugin)}
        try:
            await self._plugins.load_placed(record)
        except PluginLoadError as error:
            raised = self._raised.pop(id(plugin), None)
            if raised is not None:
                raised.add_note(str(error))
                raise raised from None
            if error.stage != "Initialization":
                raise
            record.refusal = error
        return record.outcome

    def _record(self, plugin: Any) -> Loaded:
        record = self._plugins.place(Target(site_of_class(type(plugin)), type(plugin), plugin))
        self._records[id(plugin)] = record
        return record

    async def _shutdown(self, plugin: Any, method: Any) -> Any:
        """Do what an unload does around shutdown(), and let the author see what it raises."""
        __tracebackhide__ = True
        record = self._records.get(id(plugin))
        if record is None or record.name not in self._plugins.loaded:
            return await method()
        try:
            await self._plugins.unload(record.name)
        except PluginUnloadError as error:
            if isinstance(error.__cause__, Exception):
                raise error.__cause__ from None
            raise
        return None

    async def adopt(self, instance: Any) -> None:
        """Take in a plugin that an author's fixture made: mount it if it is initialised, else load it.

        Args:
            instance: The plugin.

        Raises:
            PluginLoadError: If its initialize() returned False, or it cannot be mounted.
        """
        record = self._records.get(id(instance))
        if record is None:
            record = self._record(instance)
            await self._plugins.load_placed(record)
        if record.refusal is not None:
            raise record.refusal
        if record.state is State.INITIALIZED:
            self._mount(record)

    async def release(self, instance: Any) -> None:
        """Give a plugin back to the fixture that made it; one that the fixture does not shut down is unloaded.

        Args:
            instance: The plugin.
        """
        record = self._records.get(id(instance))
        if record is not None and not record.by_author and record.name in self._plugins.loaded:
            await self._plugins.unload(record.name)
