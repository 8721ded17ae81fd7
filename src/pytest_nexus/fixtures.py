"""The fixtures. Each is built when a test asks for it, and imports what it needs then."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

from . import apps, clocks, places, settings, shared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from nexus_testing.app import App
    from nexus_testing.client import Client
    from nexus_testing.clock import VirtualClock
    from nexus_testing.fakes.http import OutboundHttp
    from nexus_testing.faults import Faults
    from nexus_testing.nexus.cache import CacheManager
    from nexus_testing.nexus.database import MemoryDatabase
    from nexus_testing.nexus.events import EventBus
    from nexus_testing.nexus.services import ServiceRegistry
    from nexus_testing.nexus.tasks import TaskManager
    from nexus_testing.records import Journal
    from nexus_testing.runtime.discovery import Project

__all__ = (
    "event_bus",
    "nexus_app",
    "nexus_app_module",
    "nexus_app_session",
    "nexus_cache",
    "nexus_clock",
    "nexus_config",
    "nexus_db",
    "nexus_faults",
    "nexus_http",
    "nexus_journal",
    "nexus_plugin_config",
    "nexus_plugins",
    "nexus_services",
    "nexus_stubs",
    "nexus_tasks",
    "service_registry",
    "test_client",
)

OPTIONS = ("nexus_plugins", "nexus_config", "nexus_plugin_config", "nexus_services", "nexus_stubs")
OURS = frozenset(__all__)
_VALUES = pytest.StashKey[dict[str, Any]]()
_OVERRIDES = pytest.StashKey[dict[str, Any]]()


@pytest.fixture
def nexus_plugins(request: pytest.FixtureRequest) -> Any:
    """The plugins under test: names, paths, classes or instances; None for the one that the test file is about."""
    return _default(request.config, "nexus_plugins")


@pytest.fixture
def nexus_config(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The app's configuration."""
    return dict(_default(request.config, "nexus_config"))


@pytest.fixture
def nexus_plugin_config(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The configuration of the plugin under test."""
    return dict(_default(request.config, "nexus_plugin_config"))


@pytest.fixture
def nexus_services(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Services to register before the plugin is loaded, by name."""
    return dict(_default(request.config, "nexus_services"))


@pytest.fixture
def nexus_stubs(request: pytest.FixtureRequest) -> dict[str, str]:
    """Plugins to be taken for loaded, with their versions, by name."""
    return dict(_default(request.config, "nexus_stubs"))


def _default(config: pytest.Config, name: str) -> Any:
    said = config.stash[settings.KEY]
    if name == "nexus_plugins":
        return list(said.plugins) or None
    if name == "nexus_services":
        return {key: _object(key, value) for key, value in said.services.items()}
    return getattr(said, name.removeprefix("nexus_"))


def _object(name: str, place: str) -> Any:
    module, _, path = place.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise pytest.UsageError(
            f"nexus_services in pytest's configuration: {name} = {place} cannot be found: {error}."
        ) from error
    return found


def options_of(request: Any) -> dict[str, Any]:
    """Return the values of the fixtures that configure an app, before any event loop runs.

    Args:
        request: The request of `nexus_app`.
    """
    # Five more fixtures would cost each test a fifth of a millisecond, and hardly one overrides them.
    overrides = _overrides(request)
    for name, definition in overrides.items():
        _refuse_narrow(request, name, definition)
    values = {
        name: request.getfixturevalue(name) if name in overrides else _default(request.config, name) for name in OPTIONS
    }
    request.node.stash[_VALUES] = values
    return values


def _overrides(request: Any) -> dict[str, Any]:
    """Return the innermost definitions of those that are overridden, which all tests of a class or module share."""
    node: Any = request.node.parent if isinstance(request.node, pytest.Item) else request.node
    found: dict[str, Any] | None = node.stash.get(_OVERRIDES, None)
    if found is None:
        definitions = request.session._fixturemanager
        each = {name: list(definitions.getfixturedefs(name, node) or []) for name in OPTIONS}
        found = node.stash[_OVERRIDES] = {name: those[-1] for name, those in each.items() if len(those) > 1}
    return found


@pytest.fixture
async def nexus_clock(request: pytest.FixtureRequest) -> AsyncIterator[VirtualClock]:
    """Virtual time for everything in the test, from before its app starts; configured by the mark `nexus_clock`."""
    __tracebackhide__ = True
    with clocks.made_for(request) as clock:
        yield clock


@pytest.fixture
async def nexus_app(request: pytest.FixtureRequest) -> AsyncIterator[App]:
    """The app, up, with the plugin under test loaded, or about to be given by the fixture `plugin`."""
    __tracebackhide__ = True
    project = request.config.stash[places.KEY].project(request.path)
    own = apps.has_plugin_fixture(request)
    app = _made(request, project, plugins=not own)
    case = request.instance
    binds = hasattr(case, "bind") and hasattr(case, "_nexus_app")
    async with app:
        site = project.nearest() if own else None
        if site is not None:
            app.check(site.folder)
            app.backend.plugin_configs[site.name] = request.node.stash[_VALUES]["nexus_plugin_config"]
        if binds:
            case.bind(app)
        yield app
        if binds:
            case.bind(None)
        app.close_clients()


def _made(request: pytest.FixtureRequest, project: Project, *, plugins: bool) -> App:
    """Return a new app as the fixtures say, with the plugins that it is to load."""
    from nexus_testing.app import create_test_app

    values = request.node.stash[_VALUES]
    targets = _targets(values["nexus_plugins"], project) if plugins else []
    app = create_test_app(config=values["nexus_config"], services=values["nexus_services"], stubs=values["nexus_stubs"])
    said = request.config.stash[settings.KEY]
    config = values["nexus_plugin_config"]
    own_keys = [key for key in config if key not in said.plugin_config]
    app.will_load(targets, config, own_keys, {*said.stubs, *said.config.get("plugins", {})})
    if request.scope == "function" and "nexus_faults" in request.fixturenames:
        # Who looks a service up while it is loaded has it for good.
        app.faults.watch("services.*")
    return app


@pytest.fixture(scope="module")
async def nexus_app_module(request: pytest.FixtureRequest) -> AsyncIterator[App]:
    """The app as nexus_app, started once for the tests of a module; what each of them does is taken back."""
    __tracebackhide__ = True
    async for app in _shared(request):
        yield app


@pytest.fixture(scope="session")
async def nexus_app_session(request: pytest.FixtureRequest) -> AsyncIterator[App]:
    """The app as nexus_app, started once for all tests; what each of them does is taken back."""
    __tracebackhide__ = True
    async for app in _shared(request):
        yield app


async def _shared(request: pytest.FixtureRequest) -> AsyncIterator[App]:
    # A fixture of the whole session has no path: the test that asked first says which plugin it is about.
    test: Any = request._pyfuncitem
    app = _made(request, request.config.stash[places.KEY].project(test.path), plugins=True)
    async with app:
        shared.keep(request, app, await app.checkpoint())
        yield app
        app.close_clients()


@pytest.fixture
def nexus_between_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    """Take back what a test does to an app that others share. Such an app brings it along."""
    shared.check_loop(request)
    shared.check_time(request)
    yield
    shared.take_back(request)


def _refuse_narrow(request: Any, name: str, definition: Any) -> None:
    """Refuse a fixture that is made anew for each test, where an app is not."""
    narrow = {"module": {"function", "class"}, "session": {"function", "class", "module", "package"}}
    if definition.scope in narrow.get(request.scope, ()):
        raise pytest.UsageError(
            f"The fixture {name!r} has the scope {definition.scope!r}, and {request.fixturename} needs it for longer.\n"
            f"fix: @pytest.fixture(scope={request.scope!r}), in a conftest.py if the scope is the session."
        )


def _targets(said: Any, project: Project) -> list[Any]:
    if said is None:
        return [site.folder if site.entry_point is None else site.name for site in project.under_test()]
    return list(said) if isinstance(said, list | tuple | set) else [said]


@pytest.fixture
def test_client(nexus_app: App) -> Client:
    """A client of the app: httpx's AsyncClient, with users, WebSockets and streams."""
    return nexus_app.client()


# pytest would take the fixture for a test where somebody imports it.
test_client.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture
def event_bus(nexus_app: App) -> EventBus:
    """The app's event bus, with assertions."""
    return nexus_app.event_bus


@pytest.fixture
def service_registry(nexus_app: App) -> ServiceRegistry:
    """The app's service registry."""
    return nexus_app.service_registry


@pytest.fixture
def nexus_db(nexus_app: App) -> MemoryDatabase:
    """The app's database."""
    return nexus_app.db


@pytest.fixture
def nexus_cache(nexus_app: App) -> CacheManager:
    """The app's cache."""
    return nexus_app.cache_manager


@pytest.fixture
def nexus_tasks(nexus_app: App) -> TaskManager:
    """What runs the plugins' background tasks, with assertions on their runs."""
    return nexus_app.task_manager


@pytest.fixture
def nexus_journal(nexus_app: App) -> Journal:
    """Everything that happened in the app, in order."""
    return nexus_app.journal


@pytest.fixture
def nexus_faults(nexus_app: App) -> Faults:
    """What goes wrong at the ports of the app: its database, cache, events, services, tasks, and the plugin's hooks."""
    return nexus_app.faults


@pytest.fixture
def nexus_http() -> Iterator[OutboundHttp]:
    """What other machines answer to what the plugin asks of them by httpx or httpx2; switched on by its first route."""
    from nexus_testing.fakes.http import OutboundHttp
    from nexus_testing.nexus.context import current_kernel
    from nexus_testing.records import Outbound

    def record(exchange: Any) -> None:
        kernel = current_kernel()
        if kernel is not None:
            kernel.journal.append(Outbound(kernel.journal.next_seq(), kernel.clock.time(), *exchange))

    http = OutboundHttp(record)
    yield http
    http.stop()


@pytest.fixture
def respx_mock(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Respx's router, started; configured by the mark `respx`."""
    import respx

    mark = request.node.get_closest_marker("respx")
    with respx.mock(**mark.kwargs) if mark is not None else respx.mock as router:
        yield router
