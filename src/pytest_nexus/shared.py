"""Apps that several tests share, and what is taken back between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from . import apps, clocks, coroutines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nexus_testing.app import App

__all__ = ("SCOPES", "check_loop", "check_time", "keep", "remembered", "scope_of", "take_back", "take_back_after")

SCOPES = {"nexus_app_module": "module", "nexus_app_session": "session"}
"""The scopes of the fixtures that are such an app."""

BETWEEN = "nexus_between_tests"
_SCOPES = pytest.StashKey[dict[tuple[Any, ...], str | None]]()
_KEPT = pytest.StashKey[dict[str, Any]]()


def scope_of(fixturenames: Iterable[str]) -> str | None:
    """Return the scope of the widest shared app among fixtures, or None.

    Args:
        fixturenames: The names of the fixtures that a test uses.
    """
    found = [scope for name, scope in SCOPES.items() if name in fixturenames]
    return found[-1] if found else None


def remembered(collector: pytest.Collector, function: Any, found: Callable[[], str | None]) -> str | None:
    """Return the scope of a test's shared app; found once for tests of one place that take the same arguments.

    Args:
        collector: Where the test is collected.
        function: The test function.
        found: Finds it, which takes as long as a small test.
    """
    code = getattr(function, "__code__", None)
    if code is None or not {"__wrapped__", "__signature__", "hypothesis"}.isdisjoint(function.__dict__):
        return found()
    uses = [mark.args for mark in getattr(function, "pytestmark", ()) if mark.name == "usefixtures"]
    key = (collector.nodeid, code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], *uses)
    scopes = collector.config.stash.setdefault(_SCOPES, {})
    if key not in scopes:
        scopes[key] = found()
    return scopes[key]


def take_back_after(item: pytest.Item) -> None:
    """Have what a test does to a shared app taken back, after all other fixtures of the test are torn down.

    Args:
        item: The test.
    """
    names = getattr(item, "fixturenames", [])
    places = [names.index(name) for name in SCOPES if name in names]
    if places and BETWEEN not in names:
        names.insert(max(places) + 1, BETWEEN)


def keep(request: pytest.FixtureRequest, app: App, go_back: Any) -> None:
    """Remember the app of a scope, for as long as that lasts.

    Args:
        request: The request of the app's fixture.
        app: The app.
        go_back: What `App.checkpoint` returned.
    """
    kept = request.config.stash.setdefault(_KEPT, {})
    kept[request.scope] = (app, go_back)
    request.addfinalizer(lambda: kept.pop(request.scope, None))


def check_loop(request: pytest.FixtureRequest) -> None:
    """Refuse a coroutine test that runs on another loop than the app that it shares.

    Args:
        request: The request of a fixture of the test.

    Raises:
        LoopError: If it does.
    """
    __tracebackhide__ = True
    item = request.node
    function = getattr(item, "obj", None)
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    if not coroutines.is_coroutine(inner):
        return
    runs_on = coroutines.loop_scope_of(item)
    for name, scope in SCOPES.items():
        if name in request.fixturenames and runs_on != scope:
            from nexus_testing.errors import LoopError
            from nexus_testing.locations import of_callable

            raise LoopError(
                f"{item.name} runs on the loop of its {runs_on}, and {name} on that of its {scope}.",
                where=of_callable(inner),
                why="what an app waits for can only be awaited on its own loop",
                fix=f'Mark the test, or the whole module: @pytest.mark.asyncio(loop_scope="{scope}")',
            )


def check_time(request: pytest.FixtureRequest) -> None:
    """Refuse virtual time in a test that shares an app, which was started before it.

    Args:
        request: The request of a fixture of the test.

    Raises:
        ClockError: If the test asks for it.
    """
    __tracebackhide__ = True
    if clocks.NAME not in request.fixturenames:
        return
    from nexus_testing.errors import ClockError
    from nexus_testing.locations import of_callable

    name = next(one for one in SCOPES if one in request.fixturenames)
    raise ClockError(
        f"{request.node.name} asks for virtual time, and {name} was started in real time.",
        where=of_callable(getattr(request.node, "obj", None)),
        why="what it waits for since, such as the next run of a background task, comes in real time",
        fix="Use the fixture nexus_app there, which starts after the clock.",
    )


def take_back(request: pytest.FixtureRequest) -> None:
    """Make the apps that a test shares again what they were before it.

    Args:
        request: The request of a fixture of the test.

    Raises:
        LifecycleError: If the test unloaded, disabled or reloaded plugins.
    """
    __tracebackhide__ = True
    kept = request.config.stash.get(_KEPT, {})
    for name, scope in SCOPES.items():
        if name in request.fixturenames and scope in kept:
            app, go_back = kept[scope]
            if app.is_running:
                apps.run_on_loop_of(app, go_back(f"the test {request.node.name}"))
