"""The parts of an app, as a test reaches them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .errors import LifecycleError, did_you_mean
from .locations import caller

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Sequence

    from fastapi import FastAPI
    from starlette.types import ASGIApp

    from .backends import Backend
    from .faults import Faults
    from .findings import Finding, Refuted
    from .nexus.cache import CacheManager
    from .nexus.database import MemoryDatabase
    from .nexus.events import EventBus
    from .nexus.permissions import PermissionUse
    from .nexus.services import ServiceRegistry
    from .nexus.tasks import TaskManager
    from .records import Journal, Record
    from .runtime.routes import Mounted
    from .runtime.ui import PluginUi

__all__ = ("Parts",)


class Parts:
    """What an app consists of, before its start-up and after.

    Args:
        backend: The framework that runs the plugins.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._loaded = False

    @property
    def backend(self) -> Backend:
        """The framework that runs the plugins."""
        return self._backend

    @property
    def event_bus(self) -> EventBus:
        """The bus that the plugins share."""
        return self._backend.event_bus  # type: ignore[no-any-return]

    @property
    def service_registry(self) -> ServiceRegistry:
        """The registry that the plugins share."""
        return self._backend.service_registry  # type: ignore[no-any-return]

    @property
    def db(self) -> MemoryDatabase:
        """The database that the plugins share."""
        return self._backend.db  # type: ignore[no-any-return]

    @property
    def task_manager(self) -> TaskManager:
        """What runs the plugins' background tasks, with assertions on their runs."""
        return self._backend.task_manager  # type: ignore[no-any-return]

    @property
    def cache_manager(self) -> CacheManager:
        """The cache that the plugins share, as a test sees it."""
        return self._backend.cache_manager  # type: ignore[no-any-return]

    @property
    def faults(self) -> Faults:
        """What the test has go wrong at the ports, such as a call of the database."""
        return self._backend.faults

    @property
    def journal(self) -> Journal:
        """Everything that happened, in order."""
        return self._backend.journal

    @property
    def config(self) -> dict[str, Any]:
        """The app's configuration."""
        return self._backend.config

    @property
    def fastapi_app(self) -> FastAPI:
        """The FastAPI app that the plugins' routes are mounted in."""
        return self._backend.fastapi_app

    @property
    def plugins(self) -> dict[str, Any]:
        """The loaded plugins by name, in the order of loading."""
        return dict(self._backend.plugins)

    @property
    def findings(self) -> list[Finding]:
        """What stood out, without stopping anything."""
        return list(self._backend.findings)

    @property
    def refuted(self) -> frozenset[Refuted]:
        """What this app shows to be none of the findings that other apps may have: a permission that was used here."""
        return frozenset(self._backend.refuted)

    @property
    def routes(self) -> list[Mounted]:
        """The plugins' routes: method, path, endpoint and plugin of each."""
        return self._backend.mounted()

    def get_plugin(self, name: str) -> Any:
        """Return a loaded plugin.

        Args:
            name: The plugin's name.

        Raises:
            LifecycleError: If it is not loaded.
        """
        plugins = self._backend.plugins
        if name not in plugins:
            raise LifecycleError(
                f"There is no plugin {name!r} in the app.",
                where=caller(2),
                why=f"loaded are {', '.join(map(repr, plugins)) or 'none'}",
                fix=did_you_mean(name, plugins) or f"Load it first: await app.load_plugin({name!r}).",
                plugin=name,
            )
        return plugins[name]

    def url(self, plugin: str, path: str = "/") -> str:
        """Return the path at which a plugin's route is mounted.

        Args:
            plugin: The plugin's name.
            path: The route's path, as the plugin writes it.

        Raises:
            LifecycleError: If the plugin is not loaded.
        """
        return self._backend.url(plugin, path)

    def openapi(self, plugin: str | None = None) -> dict[str, Any]:
        """Return the OpenAPI document of the whole app or of one plugin.

        Args:
            plugin: The plugin's name: only its paths, and the schemas that they use.

        Raises:
            LifecycleError: If the plugin is not loaded.
        """
        return self._backend.openapi(plugin)

    def ui(self, plugin: str) -> PluginUi:
        """Return what a plugin shows: its components, its menu entry, its widgets, its templates and static files.

        Args:
            plugin: The plugin's name.

        Raises:
            LifecycleError: If the plugin is not loaded.
        """
        return self._backend.ui(plugin)

    def permissions_used(self, plugin: str) -> PermissionUse:
        """Return which permissions a plugin's manifest declares, and which the plugin used, did not use and was denied.

        Args:
            plugin: The plugin's name; it may be unloaded.
        """
        return self._backend.permissions_used(plugin)

    @contextmanager
    def override(self, dependency: Callable[..., Any], value: Any) -> Iterator[None]:
        """Let a dependency of any route give something else, for the length of a ``with`` block.

        Args:
            dependency: What routes depend on.
            value: A function to call instead, or the value itself.

        Raises:
            ConsistencyError: If plugins are loaded, and no route of theirs depends on it.
        """
        self._backend.check_override(dependency, caller(3))
        overrides = self.fastapi_app.dependency_overrides
        missing = object()
        before: Any = overrides.get(dependency, missing)
        overrides[dependency] = value if callable(value) else lambda: value
        try:
            yield
        finally:
            if before is missing:
                overrides.pop(dependency, None)
            else:
                overrides[dependency] = before

    async def settle(self) -> None:
        """Wait for the events published so far, and for what their handlers publish in turn."""
        __tracebackhide__ = True
        if not self._loaded:
            await self._backend.settle()

    @contextmanager
    def _under_load(
        self, meter: Callable[[ASGIApp], ASGIApp], keep: int, observe: Callable[[Record], None]
    ) -> Iterator[Counter[str]]:
        """Put a meter before the app for the length of a block; events are not waited for, and few records kept."""
        asgi = self._backend.asgi
        self._loaded, self._backend.asgi = True, meter(asgi)
        try:
            with self.journal.ring(keep, observe) as counts:
                yield counts
        finally:
            self._loaded, self._backend.asgi = False, asgi

    def login(
        self,
        id: str,  # noqa: A002 - the user's word
        roles: Sequence[str] = (),
        permissions: Sequence[str] = (),
        *,
        expires_in: float | None = None,
    ) -> dict[str, str]:
        """Log a user in and return the headers of the user's requests.

        Args:
            id: The user's id.
            roles: The user's roles.
            permissions: What the user may do.
            expires_in: For how many seconds of the app's clock; None for the app's `token_lifetime`, else for ever.

        Raises:
            AuthError: If that is no number of seconds.
        """
        return self._backend.login(id, tuple(roles), tuple(permissions), expires_in)

    def login_principal(self, name: str) -> dict[str, str]:
        """Log a ready principal in and return the headers of the principal's requests.

        Args:
            name: "user", "admin", "service", "anonymous", "expired", "forbidden", or one that the app's config names.

        Raises:
            AuthError: If there is no such principal.
        """
        return self._backend.login_principal(name)
