"""New code for a plugin that goes on with its data."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..errors import PluginUnloadError
from . import routes
from .importer import finder
from .loader import import_class

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from types import ModuleType

    from ..nexus.kernel import Kernel
    from .life import Life
    from .loaded import Loaded

__all__ = ("Reload",)


class Reload:
    """Reloads the plugins of one app. Lives as long as the app.

    Args:
        kernel: The app's parts.
        life: What shuts the old code down.
        load: What loads the new.
    """

    def __init__(self, kernel: Kernel, life: Life, load: Callable[..., Awaitable[Any]]) -> None:
        self._kernel = kernel
        self._life = life
        self._load = load
        self._replaced: dict[Path, dict[str, ModuleType]] = {}

    async def __call__(self, plugin: Loaded) -> Any:
        """Shut a plugin down, load it with its code as it is now, and return the new instance.

        Args:
            plugin: The plugin.

        Raises:
            PluginLoadError: If the new code cannot be loaded. If it cannot even be imported, the old goes on.
            PluginUnloadError: If the old code failed in its shutdown; the new is loaded all the same.
        """
        target = self._renewed(plugin)
        done = asyncio.get_running_loop().create_future()
        self._kernel.held = (routes.prefix_of(plugin), done)
        failed: PluginUnloadError | None = None
        try:
            try:
                await self._life.shut_down(plugin)
            except PluginUnloadError as error:
                failed = error
            instance = await self._load(target, plugin.given)
        except BaseException:
            if plugin.folder in self._replaced:
                # It was imported before the load that failed, so that load does not forget it.
                finder.forget_code(plugin.folder)
            raise
        finally:
            self._kernel.held = None
            done.set_result(None)
        if failed is not None:
            raise failed
        return instance

    def _renewed(self, plugin: Loaded) -> object:
        """Import a plugin's code anew, if it has code of its own, and return what to load."""
        site, cls = plugin.site, type(plugin.instance)
        if site is None or finder.folder_of(cls.__module__) is None:
            return cls
        old = finder.forget_code(site.folder)
        try:
            import_class(site)
        except BaseException as error:
            finder.put_back(site.folder, old)
            error.add_note(f"Plugin {plugin.name!r} was not reloaded: its old code goes on running.")
            raise
        self._replaced.setdefault(site.folder, old)
        return site.folder

    def restore(self) -> None:
        """Let imports find the code from before the first reload: what tests have imported is that."""
        for folder, modules in self._replaced.items():
            finder.put_back(folder, modules)
        self._replaced.clear()
