"""Base classes for an author's test classes."""

from __future__ import annotations

import unittest
from typing import TYPE_CHECKING, Any

from .calls import awaited
from .errors import LifecycleError, LoopError
from .locations import of_callable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .app import App
    from .client import Client
    from .records import Published

__all__ = ("Case", "PluginTestCase")


class Case:
    """A test class that knows the app of the test that runs."""

    __test__ = False
    _nexus_app: App | None = None
    _nexus_client: Client | None = None
    _nexus_drain = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__test__" not in cls.__dict__:
            cls.__test__ = True
        if issubclass(cls, unittest.TestCase):
            raise LoopError(
                f"{cls.__name__} derives from unittest's TestCase, to which pytest gives no fixtures.",
                where=of_callable(cls),
                why="IsolatedAsyncioTestCase runs each test on a loop of its own, where the app is not",
                fix=f"Leave unittest's class out: class {cls.__name__}(PluginTestCase). Coroutines run all the same.",
            )

    @property
    def app(self) -> App:
        """The app of the test that runs."""
        if self._nexus_app is None:
            raise LifecycleError(
                f"{type(self).__name__}.app is only there while pytest runs one of its tests.",
                where=of_callable(type(self)),
                fix="Use it in a test, or in a fixture that depends on nexus_app.",
            )
        return self._nexus_app

    @property
    def client(self) -> Client:
        """A client of the app."""
        if self._nexus_client is None:
            self._nexus_client = self.app.client(drain=self._nexus_drain)
        return self._nexus_client

    def bind(self, app: App | None) -> None:
        """Say which app the test that runs uses. The pytest plugin calls it.

        Args:
            app: The app, or None after the test.
        """
        self._nexus_app = app
        self._nexus_client = None


class PluginTestCase(Case):
    """A test class for one plugin: the app is up before its fixture `plugin` runs, and takes in what it returns."""

    __test__ = False

    @awaited
    async def emit_event(self, name: str, data: Mapping[str, Any] | None = None) -> None:
        """Publish an event and wait until all handlers are through with it.

        Args:
            name: The event's name.
            data: What it says.
        """
        __tracebackhide__ = True
        await self.app.event_bus.publish(name, data)
        await self.app.event_bus.drain()

    def is_plugin_loaded(self, name: str) -> bool:
        """Say whether a plugin is loaded.

        Args:
            name: The plugin's name.
        """
        return name in self.app.plugins

    def assert_published(self, name: str, match: Mapping[str, Any] | None = None, /, **fields: Any) -> Published:
        """Return the first event of that name whose data has these fields, or fail.

        Args:
            name: The event's name.
            match: Fields of the data, for those that are no Python names.
            **fields: Fields of the data.
        """
        __tracebackhide__ = True
        return self.app.event_bus.assert_published(name, match, **fields)

    def assert_not_published(self, name: str, match: Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        """Fail if an event of that name has these fields in its data.

        Args:
            name: The event's name.
            match: Fields of the data, for those that are no Python names.
            **fields: Fields of the data.
        """
        __tracebackhide__ = True
        self.app.event_bus.assert_not_published(name, match, **fields)

    def get_service(self, name: str) -> Any:
        """Return a service, or None.

        Args:
            name: The service's name.
        """
        return self.app.service_registry.get(name)
