"""What the hooks of a life call, each with a default that works: a plugin overrides those that it cares about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import PluginConfigurationError
from ..context import current_kernel

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

__all__ = ("LifecycleSteps",)


def _marked(cls: type) -> Iterator[tuple[str, str]]:
    """Yield names and version ranges of the plugins that the methods of a class are marked to need."""
    methods = {name: method for base in reversed(cls.__mro__) for name, method in vars(base).items()}
    for method in methods.values():
        needed = getattr(method, "_required_dependency", None)
        if isinstance(needed, str):
            yield needed, str(getattr(method, "_dependency_version", ""))


class LifecycleSteps:
    """The steps that the hooks of a life are made of."""

    name: Any
    logger: Any
    config: Any
    db: Any
    task_manager: Any
    validate_config: Callable[[dict[str, Any]], bool]

    async def check_dependencies(self) -> bool:
        """Say whether the plugins are there that methods are marked to need, by `requires_dependency`."""
        kernel = current_kernel()
        if kernel is None or kernel.lifecycle is None:
            return True
        from packaging.specifiers import SpecifierSet

        for name, range_ in _marked(type(self)):
            version = kernel.lifecycle.version_of(name)
            if version is None or not SpecifierSet(range_).contains(version, prereleases=True):
                here = "is not here" if version is None else f"is here as {version}"
                self._logger().error("Plugin %r %s needs, which %s", name, range_, here)
                return False
        return True

    async def load_configuration(self) -> dict[str, Any]:
        """Return the configuration, which is there already, after `validate_config` has agreed to it.

        Raises:
            PluginConfigurationError: If it has not.
        """
        config: dict[str, Any] = self.config
        validate = getattr(self, "validate_config", None)
        if validate is not None and validate(config) is False:
            raise PluginConfigurationError(f"validate_config() refuses {config!r}")
        return config

    async def connect_database(self) -> None:
        """Connect the app's database, unless it is."""
        if self.db is not None and not self.db.connected:
            await self.db.connect()

    async def disconnect_database(self) -> None:
        """Leave the app's database connected: the other plugins use it too."""

    async def register_services(self) -> None:
        """Offer nothing: a plugin that has services overrides this."""

    async def unregister_services(self) -> None:
        """Withdraw every service that the plugin has registered."""
        kernel = current_kernel()
        if kernel is not None:
            for handle in kernel.owned_by(self.name):
                if handle.kind == "service":
                    handle()

    async def start_background_tasks(self) -> None:
        """Start the background tasks that the plugin has registered, unless they run."""
        if self.task_manager is not None:
            self.task_manager.activate(self.name)

    async def stop_background_tasks(self) -> None:
        """Stop the plugin's background tasks; they stay registered."""
        if self.task_manager is not None:
            await self.task_manager.stop(self.name)

    async def cleanup_resources(self) -> None:
        """Release nothing: what the plugin registered is gone by then."""

    async def log_error(self, error: Exception) -> None:
        """Log an error with its traceback.

        Args:
            error: The error.
        """
        self._logger().error("%s failed: %s", self.name, error, exc_info=error)

    async def notify_admin(self, error: Exception) -> None:
        """Log an error as one for whoever runs the app.

        Args:
            error: The error.
        """
        self._logger().critical("An admin should look at %s: %s", self.name, error)

    def _logger(self) -> logging.Logger:
        logger: logging.Logger = self.logger
        return logger
