"""Apps that tests and fixtures made and left open, and the plugin that an author's fixture makes."""

from __future__ import annotations

import functools
import inspect
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from nexus_testing.app import App

__all__ = ("adopting", "close", "closing_what_it_makes", "open_apps", "run_on_loop_of")

_open: list[Any] = []


def open_apps() -> list[Any]:
    """Return the list of apps that are open; it is empty while nothing of the library is imported."""
    defaults = sys.modules.get("nexus_testing.defaults")
    if defaults is not None:
        defaults.track_into(_open)
    return _open


def run_on_loop_of(app: App, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on an app's loop, from code that pytest runs between two uses of it.

    Args:
        app: The app.
        coroutine: What to run.
    """
    __tracebackhide__ = True
    loop = app.loop
    assert loop is not None  # noqa: S101 - the app is running
    return loop.run_until_complete(coroutine)


def close(apps: list[Any]) -> None:
    """Shut apps down, the newest first.

    Args:
        apps: The apps.

    Raises:
        Exception: What went wrong; an ExceptionGroup if several things did.
    """
    __tracebackhide__ = True
    errors: list[Exception] = []
    for app in reversed(apps):
        loop = app.loop
        try:
            if loop is not None and loop.is_running():
                continue
            if loop is None or loop.is_closed():
                app.abandon()
            else:
                loop.run_until_complete(app.shutdown())
        except Exception as error:  # noqa: BLE001 - each app gets its turn; all are raised below
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup("apps that the tests left open could not be shut down", errors)


@contextmanager
def closing_what_it_makes(function: object, request: Any) -> Generator[None, None, None]:
    """Have the apps that a fixture makes shut down after its own teardown.

    Args:
        function: The fixture's function.
        request: The fixture's request.
    """
    made: list[Any] = []
    before = {id(app) for app in open_apps()}
    has_teardown = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    # What is registered last runs first. A fixture without a teardown is done with at once, and its loop may be
    # closed by whoever ran it before anything that was registered earlier gets its turn.
    if has_teardown:
        request.addfinalizer(functools.partial(close, made))
    try:
        yield
    finally:
        made += [app for app in open_apps() if id(app) not in before]
        if made and not has_teardown:
            request.addfinalizer(functools.partial(close, made))


def adopting(fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
    """Set up an author's fixture `plugin`: the app first, then the fixture, then take in what it made.

    Args:
        fixturedef: pytest's definition of the fixture.
        request: The fixture's request.
    """
    __tracebackhide__ = True
    from nexus_testing.errors import LifecycleError
    from nexus_testing.locations import of_callable

    if fixturedef.scope != "function":
        raise LifecycleError(
            f"The fixture `plugin` has the scope {fixturedef.scope!r}; each test has an app of its own.",
            where=of_callable(fixturedef.func),
            fix="Leave the scope out: @pytest.fixture.",
        )
    app = request.getfixturevalue("nexus_app")
    value = yield
    if not app.backend.is_plugin(value):
        return value
    run_on_loop_of(app, app.adopt(value))

    def give_back() -> None:
        app.close_clients()
        if app.is_running:
            run_on_loop_of(app, app.release(value))

    request.addfinalizer(give_back)
    return value


def is_authors(fixturedef: Any) -> bool:
    """Say whether a fixture was written by the author of the tests, and not by an installed pytest plugin.

    Args:
        fixturedef: pytest's definition of the fixture.
    """
    file = getattr(sys.modules.get(fixturedef.func.__module__), "__file__", "") or ""
    return "site-packages" not in file


def has_plugin_fixture(request: Any) -> bool:
    """Say whether the test uses an author's fixture `plugin`.

    Args:
        request: A fixture's request.
    """
    if "plugin" not in request.fixturenames:
        return False
    definitions = request.session._fixturemanager.getfixturedefs("plugin", request.node)
    return bool(definitions) and is_authors(definitions[-1])
