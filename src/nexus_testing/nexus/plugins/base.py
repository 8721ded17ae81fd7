"""The class that every plugin derives from."""

from __future__ import annotations

import copy
import logging
import re
from typing import TYPE_CHECKING, Any

from ...calls import awaited
from ..event import Event, described_event
from .info import HealthStatus, PluginInfo
from .metaclass import PluginType
from .steps import LifecycleSteps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import APIRouter

    from ..cache import PluginCache
    from ..database import MemoryDatabase
    from ..events import EventBus
    from ..handles import Handle
    from ..services import ServiceRegistry
    from ..subscriptions import Handler
    from ..tasks import TaskManager

__all__ = ("BasePlugin", "name_of_class")

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def name_of_class(cls: type) -> str:
    """Return the name that a class gives a plugin: snake case, without a trailing ``Plugin``.

    Args:
        cls: The plugin's class.
    """
    return "_".join(_WORDS.split(cls.__name__.removesuffix("Plugin") or cls.__name__)).lower()


class BasePlugin(LifecycleSteps, metaclass=PluginType):
    """A plugin: everything that it does not override has a harmless default.

    Its ports (`db`, `event_bus`, `service_registry`, `cache_manager`, `task_manager`, `config`) are
    given by the app; a plugin that is made where no app is current has None in their places.
    """

    _nexus_category: str = ""
    _nexus_findings: tuple[Any, ...] = ()
    _nexus_identity: Mapping[str, Any] = {}
    _nexus_ui: Mapping[str, Any] = {}

    db: MemoryDatabase = None  # type: ignore[assignment]  # given by the app
    db_adapter: MemoryDatabase = None  # type: ignore[assignment]  # given by the app; the same object as db
    event_bus: EventBus = None  # type: ignore[assignment]  # given by the app
    service_registry: ServiceRegistry = None  # type: ignore[assignment]  # given by the app
    cache_manager: PluginCache = None  # type: ignore[assignment]  # given by the app
    task_manager: TaskManager = None  # type: ignore[assignment]  # given by the app
    config: dict[str, Any] = {}  # noqa: RUF012 - given by the app, a dict of its own for each instance
    enabled: bool = True
    initialized: bool = False
    info: PluginInfo | None = None

    def __init__(self) -> None:
        """Nothing has to be done here; plugins call it all the same."""

    # -- who it is: `info`, the single attributes and the manifest say one thing in several ways -----------------

    def _said(self, what: str, default: str = "") -> str:
        own = self.__dict__.get(f"_nexus_{what}")
        if own:
            return str(own)
        said = getattr(self.info, what, None)
        if said:
            return str(said)
        return str(self._nexus_identity.get(what) or default)

    @property
    def name(self) -> str:
        """The plugin's name: what it says itself, else its manifest, else its class."""
        return self._said("name", name_of_class(type(self)))

    @name.setter
    def name(self, value: str) -> None:
        self.__dict__["_nexus_name"] = value

    @property
    def version(self) -> str:
        """The plugin's version."""
        return self._said("version", "1.0.0")

    @version.setter
    def version(self, value: str) -> None:
        self.__dict__["_nexus_version"] = value

    @property
    def category(self) -> str:
        """What kind of plugin it is, such as "business"."""
        return self._said("category", self._nexus_category)

    @category.setter
    def category(self, value: str) -> None:
        self.__dict__["_nexus_category"] = value

    @property
    def description(self) -> str:
        """What it does."""
        return self._said("description")

    @description.setter
    def description(self, value: str) -> None:
        self.__dict__["_nexus_description"] = value

    @property
    def author(self) -> str:
        """Who wrote it."""
        return self._said("author")

    @author.setter
    def author(self, value: str) -> None:
        self.__dict__["_nexus_author"] = value

    @property
    def logger(self) -> logging.Logger:
        """A logger named after the plugin."""
        own: logging.Logger | None = self.__dict__.get("_nexus_logger")
        return own if own is not None else logging.getLogger(f"nexus.plugins.{self.name}")

    @logger.setter
    def logger(self, value: logging.Logger) -> None:
        self.__dict__["_nexus_logger"] = value

    # -- what a plugin overrides ---------------------------------------------------------------------------------

    async def initialize(self) -> bool:
        """Set the plugin up; False says that it could not be."""
        return True

    async def shutdown(self) -> None:
        """Release what the plugin holds."""

    def get_api_routes(self) -> list[APIRouter]:
        """Return the plugin's routers."""
        return []

    def get_middleware(self) -> list[Any]:
        """Return what stands before the plugin's own routes, the outermost first.

        Each is an ASGI middleware class, such a class and a dict of options, or starlette's `Middleware`.
        """
        return []

    def get_database_schema(self) -> dict[str, Any]:
        """Return the plugin's collections, their indexes and initial data."""
        return {}

    def get_ui_components(self) -> Any:
        """Return the plugin's UI components: the menu and the widgets that its manifest names, if its UI is enabled."""
        return copy.deepcopy(dict(self._nexus_ui))

    def get_menu_items(self) -> list[dict[str, Any]]:
        """Return the plugin's menu items: the one that its manifest names, if its UI is enabled."""
        menu = self._nexus_ui.get("menu")
        return [dict(menu)] if menu else []

    def validate_config(self, config: dict[str, Any]) -> bool:  # noqa: ARG002 - for those who override it
        """Say whether a configuration is one that the plugin takes.

        Args:
            config: The configuration.
        """
        return True

    async def health_check(self) -> HealthStatus:
        """Return how the plugin is."""
        healthy = self.initialized
        return HealthStatus(
            healthy=healthy,
            message="Plugin is running" if healthy else "Plugin not initialized",
            components={"database": {"status": "connected" if self.db is not None else "disconnected"}},
        )

    def get_info(self) -> dict[str, Any]:
        """Return what the plugin says of itself, and whether it runs."""
        return {
            "name": self.name,
            "category": self.category,
            "version": self.version,
            "description": self.description,
            "author": self.author,
            "enabled": self.enabled,
            "status": "running" if self.initialized else "stopped",
        }

    def get_metrics(self) -> dict[str, float]:
        """Return the plugin's numbers."""
        return {}

    # -- what a plugin calls -------------------------------------------------------------------------------------

    @awaited
    async def publish_event(self, event: object, data: Mapping[str, Any] | None = None) -> None:
        """Publish an event in the plugin's name.

        Args:
            event: An `Event`, a name, a dataclass or pydantic object, or an object with `event_name` or `name`.
            data: The data that goes with a name.

        Raises:
            EventError: If it cannot be told what the event is called.
        """
        if self.event_bus is not None:
            name, fields = described_event(event, data)
            own = event if isinstance(event, Event) else Event(name)
            source = f"{self.category}.{self.name}" if self.category else self.name
            self.event_bus.publish_now(name, fields, own.priority, source, correlation_id=own.correlation_id)

    @awaited
    async def subscribe_to_event(self, event_name: str, handler: Handler) -> Handle | None:
        """Subscribe to an event.

        Args:
            event_name: The event's name.
            handler: What is called with it.
        """
        return self.event_bus.subscribe(event_name, handler) if self.event_bus is not None else None

    @awaited
    async def unsubscribe_from_event(self, event_name: str, handler: Handler) -> None:
        """End a subscription.

        Args:
            event_name: The event's name.
            handler: What was subscribed.
        """
        if self.event_bus is not None:
            self.event_bus.unsubscribe(event_name, handler)

    def register_service(self, name: str, service: Any) -> Handle | None:
        """Offer a service to other plugins.

        Args:
            name: The service's name.
            service: The object.
        """
        return self.service_registry.register(name, service) if self.service_registry is not None else None

    def get_service(self, name: str) -> Any:
        """Return a service, or None.

        Args:
            name: The service's name.
        """
        return self.service_registry.get(name) if self.service_registry is not None else None

    async def get_config(self, key: str, default: Any = None) -> Any:
        """Return a configuration value: one that was stored by `set_config`, else one of `config`.

        Args:
            key: The value's key.
            default: What to return where there is none.
        """
        if self.db is not None:
            stored = await self.db.get(self._config_key(key))
            if stored is not None:
                return stored
        return self.config.get(key, default)

    async def set_config(self, key: str, value: Any) -> None:
        """Change a configuration value, and store it.

        Args:
            key: The value's key.
            value: The value.
        """
        self.config[key] = value
        if self.db is not None:
            await self.db.set(self._config_key(key), value)

    def _config_key(self, key: str) -> str:
        return f"plugin:{self.name}:config:{key}"

    async def get_data(self, key: str, default: Any = None) -> Any:
        """Return a value of the plugin's own.

        Args:
            key: The value's key.
            default: What to return where there is none.
        """
        return await self.db.get(f"plugin:{self.name}:{key}", default) if self.db is not None else default

    async def set_data(self, key: str, value: Any) -> None:
        """Store a value of the plugin's own.

        Args:
            key: The value's key.
            value: The value.
        """
        if self.db is not None:
            await self.db.set(f"plugin:{self.name}:{key}", value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.version}>"
