"""The hooks of a plugin's life, and the marks that a plugin may put on its methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .steps import LifecycleSteps

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("PluginLifecycle", "plugin_hook", "requires_dependency", "requires_permission")

F = TypeVar("F", bound="Callable[..., Any]")


class PluginLifecycle(LifecycleSteps):
    """Every hook of a plugin's life, made of steps that work as they are.

    A plugin that mixes this class in overrides the hooks and the steps that it cares about; one that does not may
    define single hooks all the same.
    """

    async def on_discover(self) -> dict[str, Any]:
        """Say what the plugin offers and needs: ``{"capabilities": […], "requirements": […]}``."""
        return {}

    async def on_validate(self) -> bool:
        """Say whether what the plugin needs is there; False refuses the load."""
        return await self.check_dependencies()

    async def on_load(self) -> None:
        """Prepare what the plugin needs in memory."""
        await self.load_configuration()

    async def on_initialize(self) -> bool:
        """Set up resources; False fails the load."""
        await self.connect_database()
        await self.register_services()
        return True

    async def on_enable(self) -> None:
        """Start what runs while the plugin is enabled."""
        await self.start_background_tasks()

    async def on_disable(self) -> None:
        """Stop what runs while the plugin is enabled."""
        await self.stop_background_tasks()

    async def on_shutdown(self) -> None:
        """Release resources."""
        await self.disconnect_database()
        await self.unregister_services()

    async def on_unload(self) -> None:
        """Forget what is left in memory."""
        await self.cleanup_resources()

    async def on_error(self, error: Exception) -> None:
        """Handle an error of another hook.

        Args:
            error: What the hook raised.
        """
        await self.log_error(error)
        await self.notify_admin(error)


def plugin_hook(name: str, priority: int = 0) -> Callable[[F], F]:
    """Mark a method as a hook of a name of the plugin's own.

    Args:
        name: The hook's name.
        priority: Where it stands among others of that name.
    """

    def mark(function: F) -> F:
        function._nexus_hook = name  # type: ignore[attr-defined]
        function._nexus_priority = priority  # type: ignore[attr-defined]
        return function

    return mark


def requires_permission(permission: str) -> Callable[[F], F]:
    """Mark a method with the permission that it needs.

    Args:
        permission: The permission's name.
    """

    def mark(function: F) -> F:
        function._required_permission = permission  # type: ignore[attr-defined]
        return function

    return mark


def requires_dependency(dependency: str, version: str | None = None) -> Callable[[F], F]:
    """Mark a method with the plugin that it needs.

    Args:
        dependency: The plugin's name.
        version: The range of its version.
    """

    def mark(function: F) -> F:
        function._required_dependency = dependency  # type: ignore[attr-defined]
        if version:
            function._dependency_version = version  # type: ignore[attr-defined]
        return function

    return mark
