"""Which tests run in virtual time, and how their clock is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import settings

if TYPE_CHECKING:
    import pytest

    from nexus_testing.clock import VirtualClock

__all__ = ("MARK", "is_marked", "made_for", "put_first")

NAME = "nexus_clock"
MARK = f"{NAME}(start, tz, autojump, io_grace): virtual time in this test, and how it begins."
_ARGUMENTS = ("start", "tz", "autojump", "io_grace")


def is_marked(collector: pytest.Collector, function: object) -> bool:
    """Say whether a test that is being collected asks for virtual time by a mark.

    Args:
        collector: Where it was found.
        function: The test function.
    """
    own = getattr(getattr(function, "__func__", function), "pytestmark", ())
    return any(mark.name == NAME for mark in own) or any(True for _ in collector.iter_markers(NAME))


def put_first(item: Any) -> None:
    """Have a test's clock made before all that lives as long as the test.

    Args:
        item: The test.
    """
    names = getattr(item, "fixturenames", None)
    if names is None or (NAME not in names and item.get_closest_marker(NAME) is None):
        return
    definitions = item.session._fixturemanager

    def lives_longer(name: str) -> bool:
        found = definitions.getfixturedefs(name, item)
        return bool(found) and found[-1].scope != "function"

    rest = [name for name in names if name != NAME]
    longer = [name for name in rest if lives_longer(name)]
    item.fixturenames = [*longer, NAME, *(name for name in rest if name not in longer)]


def made_for(request: pytest.FixtureRequest) -> VirtualClock:
    """Return the clock of a test, as the test's mark says; not yet on.

    Args:
        request: The request of the fixture.

    Raises:
        ClockError: If the mark says something impossible, or the test is one of performance.
    """
    __tracebackhide__ = True
    from nexus_testing.clock import VirtualClock
    from nexus_testing.errors import ClockError, did_you_mean
    from nexus_testing.locations import of_callable
    from nexus_testing.performance_case import PerformanceTest

    where = of_callable(getattr(request.node, "obj", None))
    if isinstance(request.instance, PerformanceTest):
        raise ClockError(
            f"{type(request.instance).__name__} measures how long things take, which virtual time makes nothing of.",
            where=where,
            why="a PerformanceTest runs in real time",
            fix="Leave nexus_clock out, or move the test to a PluginTestCase.",
        )
    mark = request.node.get_closest_marker(NAME)
    said: dict[str, Any] = dict(mark.kwargs) if mark is not None else {}
    wrong = next((name for name in said if name not in _ARGUMENTS), None)
    if wrong is not None or (mark is not None and mark.args):
        raise ClockError(
            f"The mark {NAME} cannot have {wrong or 'arguments without a name'}.",
            where=where,
            why=f"it may have {', '.join(_ARGUMENTS)}",
            fix=did_you_mean(wrong, _ARGUMENTS) if wrong else f"@pytest.mark.{NAME}(start=…)",
        )
    return VirtualClock(**said, wall=request.config.stash[settings.KEY].wall_clock)
