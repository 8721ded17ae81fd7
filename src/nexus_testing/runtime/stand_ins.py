"""Plugins that are not there and that a test has taken for loaded: names, versions, and services in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigurationError
from ..locations import caller

if TYPE_CHECKING:
    from ..nexus.services import ServiceRegistry

__all__ = ("StandIn", "StandIns")

_FIX = "stubs={'auth_plugin': '1.2.0'}, or {'auth_plugin': {'version': '1.2.0', 'services': ['auth_service']}}"


class StandIn(NamedTuple):
    """What stands in for a plugin. Its services are those given, else mocks that record how they are called."""

    name: str
    version: str
    services: dict[str, Any]


class StandIns(dict[str, StandIn]):
    """The stand-ins of one app, by name.

    Args:
        registry: Where their services are offered.
    """

    def __init__(self, registry: ServiceRegistry) -> None:
        super().__init__()
        self._registry = registry

    def provide_all(self, stubs: Mapping[str, Any]) -> None:
        """Take plugins for loaded.

        Args:
            stubs: By name the version, or a mapping of "version" and "services".

        Raises:
            ConfigurationError: If one of them is something else.
        """
        for name, said in stubs.items():
            if isinstance(said, Mapping):
                if not set(said) <= {"version", "services"}:
                    raise _wrong(name, said)
                self.provide(name, said.get("version", "1.0.0"), said.get("services", ()))
            else:
                self.provide(name, said)

    def provide(self, name: str, version: str = "1.0.0", services: Mapping[str, Any] | Iterable[str] = ()) -> StandIn:
        """Take a plugin for loaded.

        Args:
            name: The plugin's name.
            version: Its version.
            services: What it offers: objects by name, or names alone for mocks.

        Raises:
            ConfigurationError: If name, version or services are something else.
        """
        _check(name, version, services)
        if not isinstance(services, Mapping):
            services = {service: _recording(service) for service in services}
        for service, stand_in in services.items():
            self._registry.register(service, stand_in)
        made = self[name] = StandIn(name, version, dict(services))
        return made


def _recording(service: str) -> Any:
    from unittest.mock import AsyncMock

    return AsyncMock(name=service)


def _check(name: object, version: object, services: object) -> None:
    from packaging.version import InvalidVersion, Version

    if not isinstance(name, str) or not name or not isinstance(version, str):
        raise _wrong(name, version)
    try:
        Version(version)
    except InvalidVersion as error:
        raise ConfigurationError(
            f"The stand-in for plugin {name!r} cannot have the version {version!r}.",
            where=caller(),
            why=str(error),
            fix=_FIX,
            plugin=name,
        ) from error
    names = services if isinstance(services, Iterable) and not isinstance(services, str) else [None]
    if not all(isinstance(service, str) and service for service in names):
        raise ConfigurationError(
            f"The stand-in for plugin {name!r} cannot offer {services!r}.",
            where=caller(),
            why="services are objects by name, or a list of names",
            fix=f"app.provide_plugin({name!r}, {version!r}, services={{'auth_service': object}})",
            plugin=name,
        )


def _wrong(name: object, said: object) -> ConfigurationError:
    return ConfigurationError(
        f"{name!r} cannot be taken for a loaded plugin with {said!r}.",
        where=caller(),
        why="a stand-in has a name, a version and services",
        fix=_FIX,
    )
