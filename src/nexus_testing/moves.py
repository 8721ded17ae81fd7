"""The moves of plugins that are loaded into an app."""

from __future__ import annotations

import abc
import functools
from typing import TYPE_CHECKING, Any

from .calls import awaited
from .parts import Parts

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Moves",)


class Moves(Parts, abc.ABC):
    """What an app does with plugins that it has."""

    @abc.abstractmethod
    def _refuse_if_over(self) -> None:
        """Refuse what cannot be done any more."""

    async def _changed(self, change: Callable[[str], Any], name: str) -> bool:
        __tracebackhide__ = True
        self._refuse_if_over()
        await self._backend.owner.run(functools.partial(change, name))
        return True

    @awaited
    async def unload_plugin(self, name: str) -> bool:
        """Shut a plugin down and remove everything of it but its data.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not loaded.
            PluginUnloadError: If it raised; it is removed all the same.
        """
        __tracebackhide__ = True
        return await self._changed(self._backend.unload, name)

    @awaited
    async def reload_plugin(self, name: str) -> bool:
        """Load a plugin's code as it is now; its data stays.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not loaded.
            PluginLoadError: If the new code cannot be loaded.
        """
        __tracebackhide__ = True
        return await self._changed(self._backend.reload, name)

    @awaited
    async def enable_plugin(self, name: str) -> bool:
        """Put a disabled plugin's routes and tasks back.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not loaded.
        """
        __tracebackhide__ = True
        return await self._changed(self._backend.enable, name)

    @awaited
    async def disable_plugin(self, name: str) -> bool:
        """Take a plugin's routes and tasks off; it stays loaded.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not loaded.
        """
        __tracebackhide__ = True
        return await self._changed(self._backend.disable, name)

    @awaited
    async def migrate_plugin(self, name: str, to: int | str | None = None) -> list[str]:
        """Run a plugin's migrations up or down, each of them whole or not at all.

        Args:
            name: The plugin's name.
            to: The last that is to be applied: its number or its file's name without the ending; 0 for none, None for
                all.

        Returns:
            The names of those that were run, in that order.

        Raises:
            LifecycleError: If the plugin is not loaded.
            PluginLoadError: If one of them fails, or there is none of that name.
        """
        __tracebackhide__ = True
        self._refuse_if_over()
        target = None if to is None else str(to)
        names: list[str] = await self._backend.owner.run(functools.partial(self._backend.migrate, name, target))
        return names
