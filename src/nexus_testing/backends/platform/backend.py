"""Plugins on the installed nexus-platform, each test with an app of its own."""

from __future__ import annotations

import asyncio
import os
import weakref
from typing import TYPE_CHECKING, Any

from ...errors import BackendError, NotOnBackend
from ...findings import find
from ...limits import limit
from ...locations import Location, caller
from ...runtime.consistency import refuse_override
from ...runtime.owner import Owner
from ...runtime.requests import Entry
from ...runtime.routes import openapi_of
from ...runtime.stages import LogWatch
from ...runtime.stand_ins import StandIns
from ...runtime.states import State
from . import routes
from .adoption import Adoption
from .bus import make_bus
from .database import make_database
from .gate import framework
from .ledger import Ledger
from .options import options_of, refuse_config
from .plugins import Plugins
from .registry import make_registry
from .staging import Staging

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from fastapi import FastAPI
    from starlette.types import ASGIApp

    from ...findings import Finding, Refuted
    from ...runtime.loaded import Loaded
    from ...runtime.routes import Mounted
    from ...runtime.stages import Logged
    from ...runtime.stand_ins import StandIn
    from ..protocol import Limits

__all__ = ("PlatformBackend",)

_busy: weakref.ref[PlatformBackend] | None = None


class PlatformBackend:
    """An app of the real framework: its own classes, with a record of what they do.

    Args:
        config: The app's configuration: sections "database" and "platform".
        limits: How long things may take.
        stubs: Services in the place of other plugins', by plugin.
        scratch: Returns the folder in which files may be made; None for the system's.

    Raises:
        BackendError: If the framework is not there, not the release that is known, or broken.
        ConfigurationError: If the configuration says something that means nothing here.
    """

    name = "platform"

    def __init__(
        self,
        config: Mapping[str, Any] | None,
        limits: Limits,
        stubs: Mapping[str, Any] | None = None,
        scratch: Callable[[], Path] | None = None,
    ) -> None:
        self.config: dict[str, Any] = dict(config or {})
        self._profile, self._chdir = options_of(self.config)
        self._nexus = nexus = framework()
        self._limits = limits
        self.owner = Owner("nexus app")
        self._ledger = ledger = Ledger()
        self.journal = ledger.journal
        self._staging = Staging(scratch)
        self._app = app = self._made(nexus)
        self.event_bus = app.event_bus = app.plugin_manager.event_bus = make_bus(nexus.core.EventBus, ledger)
        self.service_registry = make_registry(nexus.core.ServiceRegistry, ledger)
        app.service_registry = app.plugin_manager.service_registry = self.service_registry
        self.db = make_database(nexus.database, self.config.get("database", {}), ledger, self._staging.folder)
        app.database = self.db
        app.plugin_manager.set_database(self.db)
        self.fastapi_app: FastAPI = app.app
        self.asgi: ASGIApp = Entry(self.fastapi_app, ledger)  # type: ignore[arg-type]  # it needs what a ledger has
        self.plugin_configs: dict[str, Mapping[str, Any]] = {}
        self._plugins = Plugins(app, ledger, self._staging, limits.hook)
        self._plugins.shipped = self._profile == "as_shipped"
        self._adoption = Adoption(app, self._plugins, self.owner, self._mount)
        self._stand_ins = StandIns(self.service_registry)
        self._stand_ins.provide_all(stubs or {})
        self._lifespan: Any = None
        self._serving = False
        self._auth: Any = None
        self._made_at = caller(4)

    @staticmethod
    def _made(nexus: Any) -> Any:
        # By a dict alone: a file would set up logging, and none at all would mean a PostgreSQL server.
        # The folder only has to be there: what is in it is never looked at.
        config = {
            "database": {"type": "sqlite", "connection": {"path": "never-connected.db"}},
            "plugins": {"directory": os.curdir},
        }
        return nexus.create_nexus_app(title="Nexus", config=config)

    @property
    def plugins(self) -> Mapping[str, Any]:
        """The loaded plugins by name, in the order of loading."""
        return self._plugins.loaded

    @property
    def folders(self) -> Mapping[str, Path | None]:
        """The folders of the plugins that were loaded at any time, by name."""
        return {name: plugin.folder for name, plugin in self._ledger.plugins.items()}

    @property
    def task_manager(self) -> Any:
        """What runs background tasks: nothing."""
        raise self._has_no("background tasks", "it has no task_manager")

    @property
    def cache_manager(self) -> Any:
        """Nothing: there is no cache."""
        raise self._has_no("a cache", "it sets the cache_manager of every plugin to None")

    @property
    def faults(self) -> Any:
        """Nothing: no layer lies over its ports."""
        raise self._has_no("faults", "no layer of ours lies over the published framework's ports")

    @property
    def findings(self) -> list[Finding]:
        """What was found so far."""
        return self._ledger.findings

    @property
    def refuted(self) -> set[Refuted]:
        """What the findings of another app say and this one shows to be otherwise: nothing, here."""
        return self._ledger.refuted

    # -- its life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take the process over, and connect the database unless the profile says as shipped."""
        self._occupy()
        self._auth = self._nexus.auth._auth_manager
        self._staging.enter(chdir=self._chdir)
        self._adoption.enter(self._nexus.plugins.BasePlugin)
        if self._profile == "connected":
            await self.db.connect()

    def _occupy(self) -> None:
        global _busy  # noqa: PLW0603 - the package `plugins` is one a process
        other = _busy() if _busy is not None else None
        if other is not None and other is not self:
            raise BackendError(
                "A second app on nexus-platform was started in this process while one is open.",
                where=self._made_at,
                why=f"the framework imports plugins as `plugins.…`, which can only stand for one app's; the open one "
                f"was made at {other._made_at or 'an unknown place'}",
                fix="Shut the first one down before, or use one app for both: the fixture nexus_app.",
            )
        _busy = weakref.ref(self)

    async def serve(self) -> None:
        """Run the framework's start-up, which mounts the routes of the plugins that are there."""
        with LogWatch() as watch:
            lifespan = self.fastapi_app.router.lifespan_context(self.fastapi_app)
            try:
                await lifespan.__aenter__()
            except Exception as error:
                raise self._startup_failed(error) from error
            self._lifespan = lifespan
        self._serving = True
        if self._app.database is not self._app.plugin_manager.db_adapter:
            raise self._fell_back(watch.seen)
        for one in watch.seen:
            if one.message.startswith("Failed to load manifest from "):
                self._report_manifest(one)
        for name, plugin in self._ledger.plugins.items():
            if name in self._plugins.loaded:
                self._activated(plugin)
        # The framework has made the task that delivers events, which has had no turn yet.
        await asyncio.sleep(0)

    def _startup_failed(self, error: Exception) -> Exception:
        for name, plugin in self._ledger.plugins.items():
            instance = self._plugins.loaded.get(name)
            trace = error.__traceback__
            while instance is not None and trace is not None:
                if any(value is instance for value in trace.tb_frame.f_locals.values()):
                    return routes.failure_of(plugin, error)
                trace = trace.tb_next
        return BackendError(f"nexus-platform did not start: {type(error).__name__}: {error}", why="it is the cause")

    def _fell_back(self, logged: list[Logged]) -> BackendError:
        said = next((one for one in logged if one.message.startswith("Failed to connect to database")), None)
        error = BackendError(
            "nexus-platform could not connect its database, and put another one in its place for itself alone.",
            why=(said.message if said is not None else "") + "\nplugins would go on with the one that is not connected",
            fix="Mend what the message says; in production the app would say that it is healthy.",
        )
        error.__cause__ = said.error if said is not None else None
        return error

    def _report_manifest(self, logged: Logged) -> None:
        place, _, why = logged.message.removeprefix("Failed to load manifest from ").partition(": ")
        known = (name for name, plugin in self._ledger.plugins.items() if str(plugin.folder) == place)
        name = next(known, place)
        text = f"plugin {name!r}: {' '.join(why.split())}, so GET /api/plugins does not list it."
        self._ledger.report(find("NX805", text, plugin=name, where=Location(f"{place}/manifest.json", 1)))

    def _activated(self, plugin: Loaded) -> None:
        plugin.routes = routes.of_plugin(self._app, self._plugins.ids[plugin.name])
        plugin.state = State.ACTIVE

    async def stop(self) -> list[Exception]:
        """Run the framework's shutdown and take back all that it leaves behind; return what went wrong."""
        errors: list[Exception] = []
        with LogWatch() as watch:
            try:
                async with limit(self._limits.hook):
                    if self._lifespan is not None:
                        lifespan, self._lifespan = self._lifespan, None
                        await lifespan.__aexit__(None, None, None)
                    else:
                        await self._app.plugin_manager.shutdown_all()
            except TimeoutError as error:
                errors.append(self._plugins.hung(error))
            except Exception as error:  # noqa: BLE001 - every step gets its turn; the app raises them together
                errors.append(error)
        errors += self._plugins.failures(watch.seen)
        for finding in self.event_bus.misheard():
            self._ledger.report(finding)
        for plugin in self._ledger.plugins.values():
            if plugin.state not in {State.UNLOADED, State.FAILED}:
                self._plugins.report_left(plugin)
        for step in (self.event_bus.halt, self.db.disconnect):
            try:
                await step()
            except Exception as error:  # noqa: BLE001 - as above
                errors.append(error)
        self.fastapi_app.dependency_overrides.clear()
        return errors

    def leave(self) -> None:
        """Give the process back."""
        global _busy  # noqa: PLW0603 - as above
        if _busy is not None and _busy() is self:
            _busy = None
            self._adoption.leave()
            self._nexus.auth._auth_manager = self._auth
        self._staging.leave()

    # -- plugins -------------------------------------------------------------------------------------------------

    def check(
        self,
        targets: Iterable[object],  # noqa: ARG002 - the signature is the protocol's, here and below
        config: Mapping[str, Any],
        everywhere: frozenset[str],  # noqa: ARG002
        where: Location | None,
    ) -> None:
        """Hold what the test says against the plugins that it is about to load."""
        refuse_config(config, where)

    def check_config(
        self,
        target: object,  # noqa: ARG002
        config: Mapping[str, Any],
        everywhere: frozenset[str],  # noqa: ARG002
        where: Location | None,
    ) -> None:
        """Hold what the test configures one plugin with against it."""
        refuse_config(config, where)

    def check_override(self, dependency: object, where: Location | None) -> None:
        """Refuse the override of a dependency that no route has."""
        __tracebackhide__ = True
        if self._plugins.loaded:
            refuse_override(dependency, self.fastapi_app.router.routes, where)

    async def load(self, target: object, config: Mapping[str, Any] | None) -> Any:
        """Load a plugin and return its instance."""
        plugin = await self._plugins.load(target, config)
        if self._serving:
            text = f"{plugin.label} was loaded after the app's start."
            self._ledger.report(find("NX806", text, plugin=plugin.name))
            if self._profile == "connected":
                self._mount(plugin)
        return plugin.instance

    def _mount(self, plugin: Loaded) -> None:
        routes.mount(self._app, self._plugins.ids[plugin.name], plugin)
        self._activated(plugin)

    async def unload(self, name: str) -> None:
        """Unload a plugin."""
        await self._plugins.unload(name)

    async def enable(self, name: str) -> None:
        """Enable a plugin."""
        await self._plugins.change(name, "enable")

    async def disable(self, name: str) -> None:
        """Disable a plugin."""
        await self._plugins.change(name, "disable")

    async def reload(self, name: str) -> Any:
        """Refuse to load a plugin's code anew."""
        raise self._has_no(f"a reload of plugin {name!r}", "it has none; a new process brings the new code")

    def checkpoint(self) -> Any:
        """Refuse to remember how the app is now."""
        raise self._has_no("a way back for a shared app", "its parts keep what tests do to them")

    async def migrate(self, name: str, target: str | None) -> list[str]:  # noqa: ARG002
        """Refuse to run a plugin's migrations."""
        raise self._has_no(f"migrations of plugin {name!r}", "it never asks plugins for their schema")

    def provide(self, name: str, version: str, services: Mapping[str, Any] | Iterable[str]) -> StandIn:
        """Put services in the place of a plugin's."""
        return self._stand_ins.provide(name, version, services)

    def is_plugin(self, value: object) -> bool:
        """Say whether something is a plugin of this framework."""
        return isinstance(value, self._nexus.plugins.BasePlugin)

    async def adopt(self, instance: Any) -> None:
        """Take in a plugin that an author's fixture made."""
        await self._adoption.adopt(instance)

    async def release(self, instance: Any) -> None:
        """Give such a plugin back."""
        await self._adoption.release(instance)

    def start_with(self, start: Callable[[], Awaitable[None]]) -> None:
        """Say what starts the app; nothing needs it, since plugins are only noticed once it is started."""

    def hide_with(self, hide: Callable[[str], None]) -> None:
        """Say what hides the machine's environment variables from a plugin, before its code runs."""
        self._plugins.hide = hide

    # -- driving it ----------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Wait for the events published so far and what they lead to."""
        __tracebackhide__ = True
        if not self.event_bus.idle:
            await self.event_bus.settle(self._limits.drain)

    def login(
        self,
        id: str,  # noqa: A002 - the user's word
        roles: tuple[str, ...],  # noqa: ARG002
        permissions: tuple[str, ...],  # noqa: ARG002
        expires_in: float | None,  # noqa: ARG002
    ) -> dict[str, str]:
        """Refuse to log a user in."""
        raise self._has_no(
            f"a login of {id!r}",
            "its get_current_user takes any ?token=… for one and the same user, and its other dependencies are not set "
            "up by its app",
            "Override the dependency that the route names: app.override(get_current_user, {'id': …}).",
        )

    def login_principal(self, name: str) -> dict[str, str]:
        """Refuse to log a ready principal in; nobody is logged in without it."""
        return {} if name == "anonymous" else self.login(name, (), (), None)

    def mounted(self) -> list[Mounted]:
        """Return the routes of all plugins."""
        return [
            route for name in self._plugins.loaded for route in routes.mounted(self._app, self._plugins.ids[name], name)
        ]

    def url(self, plugin: str, path: str) -> str:
        """Return the path at which a plugin's route is mounted."""
        return routes.mounted_path(self._app, self._plugins.id_of(plugin), path)

    def openapi(self, plugin: str | None) -> dict[str, Any]:
        """Return the OpenAPI document of the app or of one plugin."""
        if plugin is None:
            return self.fastapi_app.openapi()
        return openapi_of(self.fastapi_app, self._plugins.record_of(plugin))

    def ui(self, plugin: str) -> Any:
        """Refuse to show what a plugin shows."""
        raise self._has_no(f"a user interface of plugin {plugin!r}", "it never asks plugins for one")

    def permissions_used(self, plugin: str) -> Any:
        """Refuse to say which permissions a plugin used."""
        raise self._has_no(f"permissions of plugin {plugin!r}", "it never looks at those of the manifest")

    @staticmethod
    def _has_no(what: str, why: str, fix: str = "") -> NotOnBackend:
        return NotOnBackend(
            f"nexus-platform does not have {what}.",
            where=caller(2),
            why=why,
            fix=fix or "Leave it out, or run this test in memory: pytest --nexus-backend embedded.",
        )
