"""What an app asks of the framework that runs its plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..limits import HOOK_LIMIT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from fastapi import FastAPI
    from starlette.types import ASGIApp

    from ..faults import Faults
    from ..findings import Finding, Refuted
    from ..locations import Location
    from ..nexus.permissions import PermissionUse
    from ..records import Journal
    from ..runtime.checkpoint import AppCheckpoint
    from ..runtime.owner import Owner
    from ..runtime.routes import Mounted
    from ..runtime.stand_ins import StandIn
    from ..runtime.ui import PluginUi

__all__ = ("Backend", "Limits")


class Limits(NamedTuple):
    """How long things may take, in seconds of real time; None for no limit."""

    hook: float | None = HOOK_LIMIT
    drain: float | None = 5.0


class Backend(Protocol):
    """One app's worth of a framework. Its coroutines run in the app's owner task."""

    name: str
    owner: Owner
    journal: Journal
    fastapi_app: FastAPI
    asgi: ASGIApp
    event_bus: Any
    service_registry: Any
    db: Any
    config: dict[str, Any]
    plugin_configs: dict[str, Mapping[str, Any]]

    @property
    def task_manager(self) -> Any:
        """What runs background tasks."""
        ...

    @property
    def cache_manager(self) -> Any:
        """The cache that the plugins share."""
        ...

    @property
    def faults(self) -> Faults:
        """What a test has go wrong at the ports."""
        ...

    @property
    def plugins(self) -> Mapping[str, Any]:
        """The loaded plugins by name, in the order of loading."""
        ...

    @property
    def findings(self) -> list[Finding]:
        """What was found so far."""
        ...

    @property
    def refuted(self) -> Collection[Refuted]:
        """What the findings of another app say and this one shows to be otherwise."""
        ...

    @property
    def folders(self) -> Mapping[str, Path | None]:
        """The folders of the plugins that were loaded at any time, by name."""
        ...

    async def start(self) -> None:
        """Bring the app up as far as plugins need it to be loaded."""
        ...

    async def serve(self) -> None:
        """Do what comes after the load of the plugins that the app was made with."""
        ...

    async def stop(self) -> list[Exception]:
        """Unload all plugins and bring the app down; return what went wrong."""
        ...

    def check(
        self,
        targets: Iterable[object],
        config: Mapping[str, Any],
        everywhere: frozenset[str],
        where: Location | None,
    ) -> None:
        """Hold what the test says against the plugins that it is about to load."""
        ...

    def check_config(
        self, target: object, config: Mapping[str, Any], everywhere: frozenset[str], where: Location | None
    ) -> None:
        """Hold what the test configures one plugin with against it."""
        ...

    def check_override(self, dependency: object, where: Location | None) -> None:
        """Refuse the override of a dependency that no route has."""
        ...

    async def load(self, target: object, config: Mapping[str, Any] | None) -> Any:
        """Load a plugin and return its instance."""
        ...

    async def unload(self, name: str) -> None:
        """Unload a plugin."""
        ...

    async def enable(self, name: str) -> None:
        """Enable a plugin."""
        ...

    async def disable(self, name: str) -> None:
        """Disable a plugin."""
        ...

    async def reload(self, name: str) -> Any:
        """Load a plugin's code anew."""
        ...

    def checkpoint(self) -> AppCheckpoint:
        """Return the app as it is now, to go back to."""
        ...

    async def migrate(self, name: str, target: str | None) -> list[str]:
        """Run a plugin's migrations up or down to one of them; return the names of those that were run."""
        ...

    def provide(self, name: str, version: str, services: Mapping[str, Any] | Iterable[str]) -> StandIn:
        """Take a plugin for loaded, with services in its place."""
        ...

    def is_plugin(self, value: object) -> bool:
        """Say whether something is a plugin of this framework."""
        ...

    async def adopt(self, instance: Any) -> None:
        """Take in a plugin that an author's fixture made."""
        ...

    async def release(self, instance: Any) -> None:
        """Give such a plugin back."""
        ...

    async def settle(self) -> None:
        """Wait for the events published so far and what they lead to."""
        ...

    def login(
        self,
        id: str,  # noqa: A002 - the user's word
        roles: tuple[str, ...],
        permissions: tuple[str, ...],
        expires_in: float | None,
    ) -> dict[str, str]:
        """Return the headers of a user's requests."""
        ...

    def login_principal(self, name: str) -> dict[str, str]:
        """Return the headers of a ready principal's requests."""
        ...

    def mounted(self) -> list[Mounted]:
        """Return the routes of all plugins."""
        ...

    def url(self, plugin: str, path: str) -> str:
        """Return the path at which a plugin's route is mounted."""
        ...

    def openapi(self, plugin: str | None) -> dict[str, Any]:
        """Return the OpenAPI document of the app or of one plugin."""
        ...

    def ui(self, plugin: str) -> PluginUi:
        """Return what a plugin shows."""
        ...

    def permissions_used(self, plugin: str) -> PermissionUse:
        """Return what a plugin's manifest asks for, against what the plugin did."""
        ...

    def start_with(self, start: Callable[[], Awaitable[None]]) -> None:
        """Say what starts the app when an author's fixture initialises a plugin before anything else did."""
        ...

    def hide_with(self, hide: Callable[[str], None]) -> None:
        """Say what hides the machine's environment variables from a plugin of that name, before its code runs."""
        ...

    def leave(self) -> None:
        """Stop being the current app."""
        ...
