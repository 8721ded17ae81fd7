"""The app that a test loads plugins into."""

from __future__ import annotations

import asyncio
import functools
import warnings
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from . import defaults
from .backends import make_backend
from .calls import awaited
from .client import accept_app_argument, make_client
from .environment import Environment
from .errors import LifecycleError, LoopError, PluginLoadError
from .locations import caller
from .moves import Moves
from .network import guard
from .nexus.context import who
from .runtime.audit import Audit

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Generator,
        Iterable,
        Mapping,
    )

    from .client import Client
    from .runtime.stand_ins import StandIn

__all__ = ("App", "create_test_app")


class App(Moves):
    """A whole Nexus app in memory: an ASGI application that plugins are loaded into.

    It lives from its start-up, which the first `load_plugin` brings about, to its shutdown. It is also an
    async context manager and can be awaited; either starts it.
    """

    def __init__(
        self,
        plugins: Iterable[object] = (),
        *,
        config: Mapping[str, Any] | None = None,
        services: Mapping[str, Any] | None = None,
        stubs: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        backend: str | None = None,
    ) -> None:
        holds = defaults.current()
        self._made_at = caller(2)
        self._plugin_config: Mapping[str, Any] | None = None
        self._own_config: Mapping[str, Any] = {}
        self._everywhere: frozenset[str] = frozenset()
        self._plugins = [plugins] if isinstance(plugins, str | Path | type) else list(plugins)
        self._environment = Environment(env or {}, holds.machine)
        self._client_library = holds.client
        super().__init__(
            make_backend(backend or holds.backend, holds.configured(config), holds.limits, stubs, holds.scratch)
        )
        self._backend.start_with(self._start)
        self._backend.hide_with(self._environment.hide)
        self._state = "new"
        self._guarded = False
        self._audit = Audit()
        self._clients: list[Any] = []
        for name, service in (services or {}).items():
            self._backend.service_registry.register(name, service)
        defaults.track(self)

    @property
    def is_running(self) -> bool:
        """Whether the app was started and not shut down."""
        return self._state == "running"

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop that the app was started on."""
        return self._backend.owner.loop

    # -- its life ------------------------------------------------------------------------------------------------

    @awaited
    async def startup(self) -> None:
        """Start the app and load the plugins that it was made with; the second time does nothing."""
        __tracebackhide__ = True
        self._refuse_if_over()
        await self._backend.owner.run(self._start)

    async def _start(self, first: Callable[[], Awaitable[None]] | None = None) -> None:
        """Start the app, if that has not been done.

        Args:
            first: Loads a plugin that it was not made with, before it serves; its failure leaves the app running.
        """
        if self._state == "running":
            if first is not None:
                await first()
            return
        self._state = "running"
        if defaults.current().audited:
            self._audit.begin()
        self._environment.enter()
        try:
            if defaults.current().guarded:
                guard.hold()
                self._guarded = True
            await self._backend.start()
            if self._plugins:
                self._backend.check(self._plugins, self._own_config, self._everywhere, self._made_at)
            for plugin in self._plugins:
                await self._backend.load(plugin, self._plugin_config)
            failure = await _failure_of(first)
            await self._backend.serve()
        except BaseException:
            await self._stop()
            await self._backend.owner.close()
            raise
        if failure is not None:
            raise failure

    def _refuse_if_over(self) -> None:
        __tracebackhide__ = True
        if self._state == "over":
            raise LifecycleError(
                "The app is shut down; nothing can be loaded into it or asked of it.",
                where=caller(2),
                why=f"it was made at {self._made_at}" if self._made_at else "",
                fix="Make a new one: create_test_app().",
            )

    @awaited
    async def shutdown(self) -> None:
        """Shut every plugin down, then the app; the second time does nothing.

        Raises:
            Exception: What a plugin's shutdown raised; an ExceptionGroup of all, if several did.
        """
        __tracebackhide__ = True
        if self._state == "over":
            return
        owner = self._backend.owner
        if owner.loop is None:
            self.abandon()
            return
        errors = await owner.run(self._stop)
        if not owner.inside:
            await owner.close()
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup("several things went wrong while the app was shut down", errors)

    async def _stop(self) -> list[Exception]:
        try:
            for client in self._clients:
                await client.aclose()
            return await self._backend.stop() if self._state == "running" else []
        finally:
            self.abandon(down=True)
            await self._audit.judge(self._backend)

    def abandon(self, *, down: bool = False) -> None:
        """Let go of an app whose loop is closed, or that never had one, without shutting anything down.

        Args:
            down: Whether it was shut down.
        """
        self._state = "over"
        if not down:
            self._audit.give_up()
        self._backend.leave()
        self._environment.leave()
        if self._guarded:
            guard.let_go()
            self._guarded = False
        defaults.untrack(self)

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[Self]:
        """Enter a block at whose end data, cache, bus, services, overrides and journal are what they were before.

        For the examples of a property test, which share one app: `async with nexus_app.fresh():`.

        Raises:
            LifecycleError: If plugins were unloaded, disabled or reloaded in the block.
        """
        __tracebackhide__ = True
        go_back = await self.checkpoint()
        try:
            yield self
        finally:
            await go_back(last=True)

    async def checkpoint(self) -> Callable[..., Awaitable[None]]:
        """Start the app if need be, and return what makes it again what it is now. The pytest plugin calls it.

        Returns:
            It may be called again and again; its argument says who did what it takes back, for the messages. With
            `last=True` it is the last time, and nothing is remembered any more.
        """
        await self.startup()
        await self._backend.settle()
        made = self._backend.checkpoint()
        clients = list(self._clients)

        async def go_back(by: str = "", *, last: bool = False) -> None:
            for client in self._clients[len(clients) :]:
                client.shut()
            self._clients[:] = clients
            try:
                await self._backend.owner.run(functools.partial(made.go_back, by))
            finally:
                if last:
                    made.close()

        return go_back

    def close_clients(self) -> None:
        """Let no client of the app send anything any more."""
        for client in self._clients:
            client.shut()
        self._clients.clear()

    def __await__(self) -> Generator[Any, None, App]:
        yield from self.startup().__await__()
        return self

    async def __aenter__(self) -> Self:
        __tracebackhide__ = True
        await self.startup()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        __tracebackhide__ = True
        await self.shutdown()

    def __del__(self) -> None:
        if getattr(self, "_state", "over") == "running":
            warnings.warn(
                f"An app made at {self._made_at} was dropped without being shut down: "
                "use `async with create_test_app() as app`, or await app.shutdown().",
                ResourceWarning,
                stacklevel=2,
            )

    # -- plugins -------------------------------------------------------------------------------------------------

    @awaited
    async def load_plugin(self, plugin: object, config: Mapping[str, Any] | None = None, *, check: bool = True) -> bool:
        """Load a plugin, starting the app if need be.

        Args:
            plugin: Its name, the path of its folder, its class or an instance.
            config: Configuration for it.
            check: Whether a failure raises; without it False is returned, as in production.

        Returns:
            True, once the plugin is active.

        Raises:
            PluginLoadError: If it cannot be loaded. The plugin's own exception is the cause.
        """
        __tracebackhide__ = True
        self._refuse_if_over()
        where = caller()

        async def load() -> None:
            self._backend.check_config(plugin, config or {}, self._everywhere, where)
            await self._backend.load(plugin, config)

        try:
            await self._backend.owner.run(functools.partial(self._start, load))
        except PluginLoadError:
            if check:
                raise
            return False
        return True

    def provide_plugin(
        self, name: str, version: str = "1.0.0", *, services: Mapping[str, Any] | Iterable[str] = ()
    ) -> StandIn:
        """Take a plugin for loaded that is not there.

        Args:
            name: Its name.
            version: Its version.
            services: What it offers: objects by name, or names alone, for which mocks stand that record their calls.

        Returns:
            Its name, version and services.

        Raises:
            ConfigurationError: If name, version or services cannot be used.
            LifecycleError: If the plugin itself is loaded.
        """
        __tracebackhide__ = True
        return self._backend.provide(name, version, services)

    def will_load(
        self,
        plugins: Iterable[object],
        config: Mapping[str, Any],
        own: Iterable[str] = (),
        everywhere: Iterable[str] = (),
    ) -> None:
        """Say what to load at the start. The pytest plugin calls it.

        Args:
            plugins: Names, paths, classes or instances.
            config: Configuration for each of them.
            own: The keys of it that are not there for all tests, whatever each is about.
            everywhere: Names of the plugins that are stubbed or configured for all tests.
        """
        self._plugins = list(plugins)
        self._plugin_config = config
        self._own_config = {key: config[key] for key in own}
        self._everywhere = frozenset(everywhere)

    def check(self, plugin: object) -> None:
        """Hold what the test says against a plugin that a fixture is about to make. The pytest plugin calls it.

        Args:
            plugin: Its name or the path of its folder.
        """
        self._backend.check([plugin], self._own_config, self._everywhere, self._made_at)

    async def adopt(self, instance: Any) -> None:
        """Take in a plugin that an author's fixture made, and maybe initialised.

        Args:
            instance: The plugin.
        """
        __tracebackhide__ = True

        async def adopt() -> None:
            await self._start()
            await self._backend.adopt(instance)

        await self._backend.owner.run(adopt)

    async def release(self, instance: Any) -> None:
        """Give such a plugin back to its fixture.

        Args:
            instance: The plugin.
        """
        __tracebackhide__ = True
        await self._backend.owner.run(functools.partial(self._backend.release, instance))

    # -- driving it ----------------------------------------------------------------------------------------------

    def client(self, **options: Any) -> Client:
        """Return a client of the app.

        Args:
            **options: What httpx's AsyncClient takes; also `raise_app_exceptions` (True) and `drain` (True).
        """
        client: Client = make_client(self, self._client_library, **options)
        self._clients.append(client)
        return client

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, as any ASGI application does."""
        __tracebackhide__ = True
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
            return
        if self._state != "running":
            self._refuse_if_over()
            _refuse_test_client(scope)
            await self._backend.owner.run(self._start)
        elif self._backend.owner.loop is not asyncio.get_running_loop():
            _refuse_test_client(scope)
            self._backend.owner.bind()
        await self._backend.asgi(scope, receive, send)

    async def _serve_lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        try:
            await self.startup()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        try:
            await self.shutdown()
        except Exception as error:
            await send({"type": "lifespan.shutdown.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    def __repr__(self) -> str:
        return f"<App {self._state}, plugins {list(self._backend.plugins)!r}>"


def _refuse_test_client(scope: Mapping[str, Any]) -> None:
    __tracebackhide__ = True
    # Older ones give no address, newer ones let the author choose one.
    client = scope.get("client")
    if (client and client[0] == "testclient") or (b"user-agent", b"testclient") in scope["headers"]:
        raise LoopError(
            "Starlette's TestClient cannot drive this app: it runs requests on a loop of its own, in a thread.",
            where=caller(2),
            why="plugins, events and the test would live on different loops",
            fix="Use the fixture test_client, or `async with app.client() as client`, and `await client.get(…)`.",
        )


guard.who = who


async def _failure_of(load: Callable[[], Awaitable[None]] | None) -> Exception | None:
    try:
        if load is not None:
            await load()
    except Exception as error:  # noqa: BLE001 - raised once the app is up
        return error
    return None


_accept: list[Callable[[], None]] = []


def create_test_app(
    plugins: Iterable[object] = (),
    *,
    config: Mapping[str, Any] | None = None,
    services: Mapping[str, Any] | None = None,
    stubs: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    backend: str | None = None,
) -> App:
    """Return a new app, not yet started.

    Args:
        plugins: Names, paths, classes or instances to load when it starts.
        config: Its configuration: sections "database", "cache", "auth", "health", "platform" and "plugins" (by plugin
            name).
        services: Services to register before any plugin is loaded, by name.
        stubs: Plugins to be taken for loaded, by name: a version, or {"version": …, "services": …}.
        env: Environment variables, for as long as it runs.
        backend: Which framework runs the plugins.

    Raises:
        BackendError: If the backend cannot run plugins here.
        ConfigurationError: If the configuration has an unknown section, or there is no such backend.
    """
    if not _accept:
        _accept.append(accept_app_argument(lambda app: isinstance(app, App), defaults.current().client))
    return App(plugins, config=config, services=services, stubs=stubs, env=env, backend=backend)
