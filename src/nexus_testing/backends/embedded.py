"""Plugins on the in-memory Nexus."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from asgi_lifespan import LifespanManager
from fastapi import FastAPI, HTTPException
from starlette.responses import JSONResponse

from .. import nexus as nexus_package
from ..nexus.context import enter_kernel, leave_kernel
from ..nexus.kernel import Kernel
from ..nexus.manager import PluginManager
from ..nexus.plugins import BasePlugin
from ..nexus.users import principal
from ..runtime.host import Host
from ..runtime.owner import Owner
from ..runtime.requests import Entry
from ..runtime.routes import forget_endpoints, openapi_of
from .protocol import Limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from fastapi import WebSocket
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from ..faults import Faults
    from ..findings import Finding, Refuted
    from ..locations import Location
    from ..nexus.permissions import PermissionUse
    from ..runtime.checkpoint import AppCheckpoint
    from ..runtime.routes import Mounted
    from ..runtime.stand_ins import StandIn
    from ..runtime.ui import PluginUi

__all__ = ("EmbeddedBackend",)

TITLE = "Nexus"


async def _http_error(connection: Request | WebSocket, error: Exception) -> Response | None:
    """Answer an HTTPException as production does, but with its headers, and without a body where none may be."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    if connection.scope["type"] == "websocket":
        await _refuse_websocket(connection, error)  # type: ignore[arg-type]  # the scope says that it is one
        return None
    if error.status_code in {204, 304}:
        return JSONResponse(None, error.status_code, headers=error.headers)
    return _error_body(error.status_code, error.detail, connection.url.path, error.headers)


def _error_body(status: int, message: Any, path: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": {"code": status, "message": message, "path": path}}, status, headers=headers)


async def _refuse_websocket(socket: WebSocket, error: HTTPException) -> None:
    if "websocket.http.response" not in socket.scope.get("extensions", {}):
        await socket.close(1008, str(error.detail))
        return
    response = _error_body(error.status_code, error.detail, socket.url.path, error.headers)
    # Past the socket's own checks: Starlette has known these messages since 0.37 only.
    start = {"status": response.status_code, "headers": response.raw_headers}
    await socket._send({"type": "websocket.http.response.start", **start})
    await socket._send({"type": "websocket.http.response.body", "body": response.body})


async def _unhandled(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the signature is Starlette's
    return _error_body(500, "Internal server error", request.url.path)


def _headers(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token is not None else {}


class EmbeddedBackend:
    """The in-memory Nexus, complete: bus, registry, database, cache, tasks, users and routes.

    Args:
        config: The app's configuration.
        limits: How long things may take.
        stubs: Plugins that are taken for loaded, by name.
    """

    name = "embedded"

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        stubs: Mapping[str, Any] | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self.owner = Owner("nexus app")
        self._kernel = kernel = Kernel(config)
        self.journal = kernel.journal
        self.event_bus = kernel.event_bus
        self.service_registry = kernel.service_registry
        self.db = kernel.db
        self.cache_manager = kernel.cache_manager
        self.task_manager = kernel.task_manager
        self.config = kernel.config
        self.fastapi_app = FastAPI(title=TITLE, version=nexus_package.__version__)
        self.fastapi_app.state.nexus = kernel
        self.fastapi_app.add_exception_handler(HTTPException, _http_error)  # type: ignore[arg-type]  # both kinds
        self.fastapi_app.add_exception_handler(Exception, _unhandled)
        self.fastapi_app.router.add_route("/health", self._health, include_in_schema=False)
        self.asgi: ASGIApp = Entry(self.fastapi_app, kernel)
        self.host = Host(
            kernel,
            self.fastapi_app,
            self.owner,
            hook_limit=self._limits.hook,
            drain_limit=self._limits.drain,
            stubs=stubs,
        )
        self.plugin_configs = self.host.plugin_configs
        self.plugin_manager = PluginManager(self.host)
        self._lifespan: LifespanManager | None = None
        enter_kernel(kernel)

    async def _health(self, request: Request) -> Response:  # noqa: ARG002 - the signature is Starlette's
        return JSONResponse(
            {"status": "healthy", "app": TITLE, "version": nexus_package.__version__, "plugins": len(self.host.plugins)}
        )

    @cached_property
    def faults(self) -> Faults:
        """What a test has go wrong at the ports."""
        from ..faults import Faults

        return Faults(self._kernel, self.host)

    @property
    def plugins(self) -> Mapping[str, Any]:
        """The loaded plugins by name, in the order of loading."""
        return self.host.plugins

    @property
    def folders(self) -> Mapping[str, Path | None]:
        """The folders of the plugins that were loaded at any time, by name."""
        return self.host.folders

    @property
    def findings(self) -> list[Finding]:
        """What was found so far."""
        return self._kernel.findings

    @property
    def refuted(self) -> set[Refuted]:
        """What the findings of another app say and this one shows to be otherwise."""
        return self._kernel.refuted

    async def start(self) -> None:
        """Bring the app up: database, cache, lifespan."""
        await self.db.connect()
        await self.cache_manager.connect()
        # Its own limits would cut a slow start; a failed test must not cancel the shutdown.
        self._lifespan = LifespanManager(self.fastapi_app, startup_timeout=None, shutdown_timeout=None)
        await self._lifespan.__aenter__()

    async def serve(self) -> None:
        """Tell that the app is up, now that the plugins that it starts with can hear it; more may come at any time."""
        self.event_bus.publish_now("app.started", {"app": TITLE, "version": nexus_package.__version__})

    async def stop(self) -> list[Exception]:
        """Unload all plugins and bring the app down; return what went wrong."""
        errors: list[Exception] = []
        self.event_bus.publish_now("app.stopping", {"app": TITLE})
        errors += await self.host.stop()

        async def attempt(step: Any) -> None:
            try:
                await step
            except Exception as error:  # noqa: BLE001 - every step gets its turn; the app raises them together
                errors.append(error)

        if not self.event_bus.idle:
            await attempt(self.owner.shelter(self.event_bus.drain(self._limits.drain)))
        for finding in self.event_bus.misheard():
            self._kernel.report(finding)
        await attempt(self._kernel.task_manager.shutdown())
        await attempt(self.event_bus.shutdown())
        if self._lifespan is not None:
            lifespan, self._lifespan = self._lifespan, None
            await attempt(lifespan.__aexit__(None, None, None))
        self.db.report_unended()
        await attempt(self._kernel.cache_manager.close())
        await attempt(self.db.close())
        self.fastapi_app.dependency_overrides.clear()
        return errors

    def check(
        self,
        targets: Iterable[object],
        config: Mapping[str, Any],
        everywhere: frozenset[str],
        where: Location | None,
    ) -> None:
        """Hold what the test says against the plugins that it is about to load."""
        self.host.consistency.check(targets, config, everywhere, where)

    def check_config(
        self, target: object, config: Mapping[str, Any], everywhere: frozenset[str], where: Location | None
    ) -> None:
        """Hold what the test configures one plugin with against it."""
        self.host.consistency.check_config(target, config, everywhere, where)

    def check_override(self, dependency: object, where: Location | None) -> None:
        """Refuse the override of a dependency that no route has."""
        self.host.consistency.check_override(dependency, where)

    async def load(self, target: object, config: Mapping[str, Any] | None) -> Any:
        """Load a plugin and return its instance."""
        return await self.host.load(target, config)

    async def unload(self, name: str) -> None:
        """Unload a plugin."""
        await self.host.unload(name)

    async def enable(self, name: str) -> None:
        """Enable a plugin."""
        await self.host.enable(name)

    async def disable(self, name: str) -> None:
        """Disable a plugin."""
        await self.host.disable(name)

    async def reload(self, name: str) -> Any:
        """Load a plugin's code anew."""
        return await self.host.reload(name)

    def checkpoint(self) -> AppCheckpoint:
        """Return the app as it is now, to go back to."""
        return self.host.checkpoint()

    async def migrate(self, name: str, target: str | None) -> list[str]:
        """Run a plugin's migrations up or down to one of them; return the names of those that were run."""
        return await self.host.migrate(name, target)

    def provide(self, name: str, version: str, services: Mapping[str, Any] | Iterable[str]) -> StandIn:
        """Take a plugin for loaded, with services in its place."""
        return self.host.provide(name, version, services)

    def is_plugin(self, value: object) -> bool:
        """Say whether something is a plugin of this framework."""
        return isinstance(value, BasePlugin)

    async def adopt(self, instance: Any) -> None:
        """Take in a plugin that an author's fixture made."""
        await self.host.adoption.adopt(instance)

    async def release(self, instance: Any) -> None:
        """Give such a plugin back."""
        await self.host.adoption.release(instance)

    async def settle(self) -> None:
        """Wait for the events published so far and what they lead to."""
        __tracebackhide__ = True
        if not self.event_bus.idle:
            await self.event_bus.settle(self._limits.drain)

    def login(
        self,
        id: str,  # noqa: A002 - the user's word
        roles: tuple[str, ...],
        permissions: tuple[str, ...],
        expires_in: float | None,
    ) -> dict[str, str]:
        """Return the headers of a user's requests."""
        return _headers(self._kernel.auth.login(principal(id, roles, permissions), expires_in))

    def login_principal(self, name: str) -> dict[str, str]:
        """Return the headers of a ready principal's requests."""
        return _headers(self._kernel.auth.login_principal(name))

    def mounted(self) -> list[Mounted]:
        """Return the routes of all plugins."""
        return self.host.mounted()

    def url(self, plugin: str, path: str) -> str:
        """Return the path at which a plugin's route is mounted."""
        return self.host.prefix_of(plugin) + "/" + path.lstrip("/")

    def openapi(self, plugin: str | None) -> dict[str, Any]:
        """Return the OpenAPI document of the app or of one plugin."""
        if plugin is None:
            return self.fastapi_app.openapi()
        return openapi_of(self.fastapi_app, self.host.record_of(plugin))

    def ui(self, plugin: str) -> PluginUi:
        """Return what a plugin shows."""
        return self.host.ui(plugin)

    def permissions_used(self, plugin: str) -> PermissionUse:
        """Return what a plugin's manifest asks for, against what the plugin did."""
        return self._kernel.permissions.use_of(plugin)

    def start_with(self, start: Callable[[], Awaitable[None]]) -> None:
        """Say what starts the app when an author's fixture initialises a plugin before anything else did."""
        self.host.ensure_up = start

    def hide_with(self, hide: Callable[[str], None]) -> None:
        """Say what hides the machine's environment variables from a plugin, before its code runs."""
        self.host.hide_from = hide

    def leave(self) -> None:
        """Stop being the current app."""
        leave_kernel(self._kernel)
        forget_endpoints()
