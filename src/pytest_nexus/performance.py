"""Budgets of loads: which hold in a test, and what became of each, as a report of its own."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from . import settings

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ("Verdicts", "attach", "begin", "end", "refuse_unreadable")

_LOADS = pytest.StashKey[list[Any]]()
_BUDGETS = pytest.StashKey[list[Any]]()
INTERRUPTED = pytest.StashKey[list[str]]()
"""Lines on loads that were interrupted."""


def refuse_unreadable(config: pytest.Config) -> None:
    """End the run if a budget of the configuration cannot be read.

    Args:
        config: pytest's configuration.

    Raises:
        pytest.UsageError: If so.
    """
    budgets = config.stash[settings.KEY].budgets
    if not budgets:
        return
    from nexus_testing.errors import NexusTestingError
    from nexus_testing.performance.grammar import parse

    for text in budgets:
        try:
            parse(text, "nexus_budgets in pytest's configuration")
        except NexusTestingError as error:
            raise pytest.UsageError(str(error)) from error


def _is_load(instance: object) -> bool:
    module = sys.modules.get("nexus_testing.performance_case")
    return module is not None and isinstance(instance, module.PerformanceTest)


def begin(item: pytest.Item) -> None:
    """Tell a test what its loads are held to.

    Args:
        item: The test.
    """
    instance: Any = getattr(item, "instance", None)
    if not _is_load(instance):
        return
    from nexus_testing.performance.budgets import Said, budgets_of

    marked = budgets_of(getattr(item, "function", None), type(instance))
    configured = item.config.stash[settings.KEY].budgets
    item.stash[_BUDGETS] = marked
    instance.hold_to([*marked, *(Said(text, "pytest's configuration", "ini") for text in configured)])


def end(item: pytest.Item) -> None:
    """Keep what the loads of a test came to.

    Args:
        item: The test.
    """
    instance: Any = getattr(item, "instance", None)
    if not _is_load(instance):
        return
    item.stash[_LOADS] = list(instance.results)
    for load in instance.results:
        if load.interrupted:
            # Nobody makes a report of a test that is interrupted.
            line = f"interrupted after {load.total.count} requests in {load.elapsed:.3g} s"
            item.config.stash.setdefault(INTERRUPTED, []).append(f"{item.nodeid}: {load.what}: {line}")


def attach(item: pytest.Item, report: Any) -> None:
    """Put the verdicts of a test on its report, in plain values, with which it travels from a worker of xdist.

    Args:
        item: The test.
        report: pytest's report of the test's call.
    """
    loads = item.stash.get(_LOADS, None)
    if report.when != "call" or loads is None:
        return
    verdicts = [
        {**verdict.model_dump(), "load": load.what, "number": number if len(loads) > 1 else 0}
        for number, load in enumerate(loads, 1)
        for verdict in load.verdicts
    ]
    if not loads and report.passed:
        verdicts = [_unjudged(said.text) for said in item.stash.get(_BUDGETS, [])]
    strict = item.config.stash[settings.KEY].inconclusive == "fail"
    for verdict in verdicts:
        if strict and verdict["status"] == "INCONCLUSIVE":
            verdict["outcome"] = "failed"
    report.nexus_verdicts = verdicts


def _unjudged(text: str) -> dict[str, Any]:
    return {
        "rule": text,
        "status": "NO_DATA",
        "outcome": "failed",
        "text": "no value",
        "reason": "the test put no load on the app: it never called self.run(…)",
        "load": "none",
        "number": 0,
    }


def told(verdict: dict[str, Any]) -> str:
    """Return a verdict as one line.

    Args:
        verdict: The verdict, in plain values.
    """
    reason = f" ({verdict['reason']})" if verdict["reason"] else ""
    return f"{verdict['status']} {verdict['rule']}: {verdict['text']}{reason}"


class _Failure:
    """What pytest shows of a budget that does not hold."""

    def __init__(self, verdict: dict[str, Any], location: tuple[str, int | None, str]) -> None:
        self._lines = [told(verdict), f"load: {verdict['load']}"]
        path, line, _ = location
        self.reprcrash = SimpleNamespace(message=told(verdict), path=path, lineno=(line or 0) + 1)

    def __str__(self) -> str:
        return "\n".join(self._lines)

    def toterminal(self, out: Any) -> None:
        """Write it."""
        for line in self._lines:
            out.line(line, red=True)


class Verdicts:
    """Reports each verdict of a test as if it were a test: in the terminal, in JUnit's file, in the exit code.

    It lives in the process that reports, which is the main one under xdist.

    Args:
        config: pytest's configuration.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._lines: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Let reports of verdicts follow that of their test."""
        yield
        for verdict in getattr(report, "nexus_verdicts", ()):
            self._log(report, verdict)

    def _log(self, test: pytest.TestReport, verdict: dict[str, Any]) -> None:
        label = f"{verdict['rule']} (load {verdict['number']})" if verdict["number"] else verdict["rule"]
        path, line, domain = test.location
        location = (path, line, f"{domain}: {label}")
        longrepr: Any = None
        if verdict["outcome"] == "failed":
            longrepr = _Failure(verdict, location)
        elif verdict["outcome"] == "skipped":
            longrepr = (path, (line or 0) + 1, f"Skipped: {told(verdict)}")
        self._lines.append(f"{test.nodeid}: {told(verdict)}")
        session: Any = self._config.pluginmanager.getplugin("session")
        if session is not None:
            # What is counted against it, to say how far the run is.
            session.testscollected += 1
        properties = [(f"nexus_{name}", str(verdict[name])) for name in ("status", "text", "reason", "load")]
        for when in ("call", "teardown"):
            report: Any = pytest.TestReport(
                nodeid=f"{test.nodeid}::{label}",
                location=location,
                keywords={},
                outcome=verdict["outcome"] if when == "call" else "passed",
                longrepr=longrepr if when == "call" else None,
                when=when,
                user_properties=properties,
            )
            if hasattr(test, "node"):
                report.node = test.node  # by it xdist says which worker it was
            self._config.hook.pytest_runtest_logreport(report=report)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Write all of them with their values, those that hold as well."""
        for title, lines in (("budgets", self._lines), ("loads", self._config.stash.get(INTERRUPTED, []))):
            if lines:
                terminalreporter.section(f"nexus {title}", sep="-")
                for line in lines:
                    terminalreporter.line(line)
