"""Plugins that an author's fixture makes, initialises and shuts down itself."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Protocol

from ..calls import Call
from ..errors import NexusTestingError, PluginLoadError, PluginUnloadError
from .loaded import own_method
from .stages import LogWatch
from .states import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .life import Life
    from .loaded import Loaded
    from .owner import Owner

__all__ = ("Adoption",)


class Adopter(Protocol):
    """What adoption needs of the host."""

    def known(self, instance: Any) -> Loaded | None:
        """Return what is known of an instance."""
        ...

    ensure_up: Callable[[], Awaitable[None]]

    async def require(self, plugin: Loaded) -> None:
        """Check and load what a plugin depends on."""
        ...

    def introduce(self, plugin: Loaded) -> None:
        """Fix a plugin's name and report what stands out."""
        ...

    async def load(self, target: object) -> Any:
        """Load a plugin."""
        ...

    async def unload(self, name: str) -> None:
        """Unload a plugin."""
        ...


class Adoption:
    """Lets an author's own calls of initialize() and shutdown() do what a load and an unload do around them.

    Args:
        host: Who knows the plugins.
        life: The steps.
        owner: The task in which they run.
    """

    def __init__(self, host: Adopter, life: Life, owner: Owner) -> None:
        self._host = host
        self._life = life
        self._owner = owner

    def initialize(self, plugin: Loaded) -> Call[Any]:
        """Do what an author means by ``await plugin.initialize()``.

        Args:
            plugin: The plugin.
        """
        name = f"{type(plugin.instance).__name__}.initialize"
        return Call(self._owner.run(functools.partial(self._initialize, plugin)), name, sys._getframe(1))

    async def _initialize(self, plugin: Loaded) -> Any:
        """Do what a load does up to initialize(), and let the author see what it returns or raises."""
        __tracebackhide__ = True
        life, method = self._life, own_method(plugin, "initialize")
        if plugin.state is not State.NEW:
            return await method()
        plugin.by_author = True
        await self._host.ensure_up()
        watch = LogWatch()
        try:
            with life.stages.stage(plugin, "Discovery"):
                await self._host.require(plugin)
                self._host.introduce(plugin)
            await life.prepare(plugin)
            with life.stages.stage(plugin, "Initialization"):
                since = life.seq()
                with watch:
                    await life.stages.hook(plugin, "Initialization", "on_initialize")
                    plugin.outcome = await life.stages.call(plugin, "Initialization", "initialize", method)
        except PluginLoadError as error:
            await life.undo(plugin, error)
            cause = error.__cause__
            if isinstance(cause, Exception) and not isinstance(cause, TimeoutError | NexusTestingError):
                cause.add_note(str(error))
                raise cause from None
            raise
        try:
            life.judge(plugin, "initialize", plugin.outcome, watch, since)
            plugin.state = State.INITIALIZED
        except PluginLoadError as error:
            plugin.refusal = error
        return plugin.outcome

    def shutdown(self, plugin: Loaded) -> Call[Any]:
        """Do what an author means by ``await plugin.shutdown()``.

        Args:
            plugin: The plugin.
        """
        name = f"{type(plugin.instance).__name__}.shutdown"
        return Call(self._owner.run(functools.partial(self._shutdown, plugin)), name, sys._getframe(1))

    async def _shutdown(self, plugin: Loaded) -> Any:
        """Do what an unload does around shutdown(), and let the author see what it raises."""
        __tracebackhide__ = True
        if plugin.refusal is not None and plugin.state is State.PREPARED:
            await self._life.undo(plugin, plugin.refusal)
        if plugin.state not in {State.INITIALIZED, State.ACTIVE, State.DISABLED}:
            return await own_method(plugin, "shutdown")()
        try:
            await self._life.shut_down(plugin)
        except PluginUnloadError as error:
            if isinstance(error.__cause__, Exception):
                raise error.__cause__ from None
            raise

    async def adopt(self, instance: Any) -> None:
        """Take in a plugin that an author's fixture made: mount it if it is initialised, else load it.

        Args:
            instance: The plugin.

        Raises:
            PluginLoadError: If its initialize() returned False, or it cannot be mounted.
        """
        plugin = self._host.known(instance)
        if plugin is None or plugin.state is State.NEW:
            await self._host.load(instance)
            return
        if plugin.refusal is not None:
            await self._life.undo(plugin, plugin.refusal)
            raise plugin.refusal
        if plugin.state is State.INITIALIZED:
            async with self._life.undone_on_failure(plugin):
                await self._life.activate(plugin)

    async def release(self, instance: Any) -> None:
        """Give a plugin back to the fixture that made it: off its routes if the fixture shuts it down, else unloaded.

        Args:
            instance: The plugin.
        """
        plugin = self._host.known(instance)
        if plugin is None or plugin.state is not State.ACTIVE:
            return
        if plugin.by_author:
            await self._life.disable(plugin)
            plugin.state = State.INITIALIZED
        else:
            await self._host.unload(plugin.name)
