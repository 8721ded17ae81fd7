"""Coroutine tests and fixtures that run without a mark, an option or a mode."""

from __future__ import annotations

import inspect
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

__all__ = ("asyncio_mark", "fixtures_of", "loop_scope_of", "on_loop_of_test", "silence_unset_scope")

_RUNNERS = {"asyncio", "anyio", "trio"}
_SCOPES = ("function", "class", "module", "package", "session")
# What pytest-asyncio reads off a fixture function; a test pins both names.
_FLAG = "_force_asyncio_fixture"
_SCOPE = "_loop_scope"


def has_asyncio(config: pytest.Config) -> bool:
    """Say whether pytest-asyncio is at work.

    Args:
        config: pytest's configuration.
    """
    return config.pluginmanager.hasplugin("asyncio")


def _is_auto(config: pytest.Config) -> bool:
    def said(name: str) -> object:
        try:
            return config.getoption(name, None) or config.getini(name)
        except (ValueError, KeyError):
            return None

    return "auto" in {str(said("asyncio_mode")), str(said("anyio_mode"))} or said("trio_mode") is True


def is_coroutine(function: object) -> bool:
    """Say whether a function is a coroutine function or an async generator function."""
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def silence_unset_scope(config: pytest.Config) -> None:
    """Keep pytest-asyncio's advice about an unset option from ending runs in which warnings are errors.

    Args:
        config: pytest's configuration.
    """
    if has_asyncio(config) and not config.getini("asyncio_default_fixture_loop_scope"):
        import warnings

        warnings.filterwarnings(
            "ignore", message=r"(?s).*asyncio_default_fixture_loop_scope", category=pytest.PytestDeprecationWarning
        )


def fixtures_of(collector: pytest.Collector, function: object, cls: object) -> list[str]:
    """Return the names of all fixtures that a test will use, while it is collected.

    Args:
        collector: Where it was found.
        function: The test function.
        cls: The test's class, if it has one.
    """
    manager: Any = collector.session._fixturemanager
    names = list(manager.getfixtureinfo(collector, function, cls).names_closure)
    # The marks of the function itself are no part of that before there is an item.
    marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "usefixtures"]
    more = [name for mark in marks for name in mark.args]
    while more:
        name = more.pop()
        if name not in names:
            names.append(name)
            more += [one for each in manager.getfixturedefs(name, collector) or () for one in each.argnames]
    return names


def asyncio_mark(
    collector: pytest.Module | pytest.Class,
    name: str,
    obj: object,
    in_play: Callable[[], bool],
    scope: Callable[[], str | None],
) -> AbstractContextManager[None]:
    """Mark a coroutine test for pytest-asyncio, while it is collected, if nobody else will run it.

    Args:
        collector: Where it was found.
        name: The test's name.
        obj: The test function.
        in_play: Says whether the test is one of a plugin or uses a fixture of ours.
        scope: Says on whose loop it has to run, if not on one of its own.
    """
    function: Any = getattr(obj, "__func__", obj)
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    if (
        not inspect.iscoroutinefunction(inner)
        or not collector.funcnamefilter(name)
        or not has_asyncio(collector.config)
        or _is_auto(collector.config)
    ):
        return nullcontext()
    own: list[Any] = list(getattr(function, "pytestmark", []))
    marks = {mark.name for mark in own} | {mark.name for mark in collector.iter_markers()}
    if marks & _RUNNERS or not in_play():
        return nullcontext()

    @contextmanager
    def marked() -> Generator[None, None, None]:
        before = function.__dict__.get("pytestmark", None)
        wide = scope()
        mark = pytest.mark.asyncio(loop_scope=wide) if wide is not None else pytest.mark.asyncio
        function.pytestmark = [*own, mark.mark]
        try:
            yield
        finally:
            if before is None:
                del function.pytestmark
            else:
                function.pytestmark = before

    return marked()


def loop_scope_of(item: pytest.Item) -> str:
    """Return the scope of the loop that a test runs on.

    Args:
        item: The test.
    """
    mark = item.get_closest_marker("asyncio")
    said = (mark.kwargs.get("loop_scope") or mark.kwargs.get("scope")) if mark is not None else None
    return str(said or item.config.getini("asyncio_default_test_loop_scope") or "function")


@contextmanager
def on_loop_of_test(fixturedef: Any, request: Any) -> Generator[None]:
    """Let pytest-asyncio, which sets an async fixture up meanwhile, run it on the loop of the test that asks for it.

    Args:
        fixturedef: pytest's definition of the fixture.
        request: The fixture's request.
    """
    function = getattr(fixturedef.func, "__func__", fixturedef.func)
    if getattr(function, _SCOPE, None):
        # Its author said so.
        yield
        return
    scope = fixturedef.scope
    node = request.node
    if isinstance(node, pytest.Item):
        scope = max(scope, loop_scope_of(node), key=_SCOPES.index)
    if not getattr(function, _FLAG, False):
        # It is looked at once more when the test is called. The fixture's own finalizers do not run if it fails.
        setattr(function, _FLAG, True)
        node.addfinalizer(lambda: function.__dict__.pop(_FLAG, None))
    was_there = _SCOPE in function.__dict__
    setattr(function, _SCOPE, scope)
    try:
        yield
    finally:
        if was_there:
            setattr(function, _SCOPE, None)
        else:
            delattr(function, _SCOPE)


def runs_elsewhere(request: Any) -> bool:
    """Say whether another plugin than pytest-asyncio runs the coroutines of a test.

    Args:
        request: A fixture's request.
    """
    if "anyio_backend" in request.fixturenames:
        return True
    # The mark of a module stands on its plain functions too, which nobody runs on a loop.
    test = request._pyfuncitem
    return is_coroutine(test.obj) and any(test.get_closest_marker(name) is not None for name in ("anyio", "trio"))
