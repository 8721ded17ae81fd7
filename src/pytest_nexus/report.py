"""What stands in the summary and in the result file."""

from __future__ import annotations

import datetime as dt
import platform
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("KEY", "OUTPUT", "Report")

KEY = pytest.StashKey["Report"]()
OUTPUT = "nexus_testing"

_FIELDS = ("id", "severity", "plugin", "text", "where", "fix", "count")
_Key = tuple[str, str, str | None, str, str | None, str]


class Report:
    """Gathers findings over all tests, each once, and outcomes where a result file is asked for.

    It lives as long as the session.

    Args:
        backend: Which framework runs the plugins.
        result: The file to write the result to, if one is wanted.
    """

    def __init__(self, backend: str, result: Path | None) -> None:
        self.findings: dict[_Key, int] = {}
        self.refuted: set[tuple[str, str | None, str]] = set()
        self.app_arguments: dict[str, None] = {}
        self.allowed: dict[tuple[str, str], int] = {}
        self._backend = backend
        self._result = result
        self._started = dt.datetime.now(dt.UTC)
        self._clock = time.perf_counter()
        self._tests: dict[str, dict[str, Any]] = {}

    def add(self, app: Any) -> None:
        """Count what was found in an app.

        Args:
            app: The app.
        """
        self.refuted.update(tuple(one) for one in app.refuted)
        for one in app.findings:
            self.count(one)

    def count(self, one: Any) -> None:
        """Count a finding.

        Args:
            one: The finding.
        """
        where = str(one.where) if one.where is not None else None
        key: _Key = (one.id, one.severity.value, one.plugin, one.text, where, one.fix)
        self.findings[key] = self.findings.get(key, 0) + 1

    def allow(self, ids: dict[str, str]) -> None:
        """Count what a test allows.

        Args:
            ids: The ids of findings, each with the reason.
        """
        for key in ids.items():
            self.allowed[key] = self.allowed.get(key, 0) + 1

    def note(self, report: pytest.TestReport) -> None:
        """Keep how one phase of a test ended.

        Args:
            report: pytest's report of the phase.
        """
        if self._result is None:
            return
        test = self._tests.setdefault(report.nodeid, {"outcome": "passed", "duration": 0.0, "message": ""})
        test["duration"] += max(report.duration, 0.0)
        if hasattr(report, "wasxfail") and report.when == "call":
            test["outcome"] = "xfailed" if report.skipped else "xpassed"
        elif report.skipped:
            test["outcome"] = "skipped"
        elif report.failed:
            test["outcome"] = "failed" if report.when == "call" else "error"
            test["message"] = report.longreprtext

    def gather(self) -> None:
        """Take in what the client noticed."""
        module = sys.modules.get("nexus_testing.client")
        if module is not None:
            self.app_arguments.update((str(place), None) for place in module.app_arguments)

    def _standing(self) -> list[tuple[_Key, int]]:
        """Return the findings that no app refutes, in the order of the summary."""
        left = [(key, count) for key, count in self.findings.items() if (key[0], key[2], key[3]) not in self.refuted]
        return sorted(left, key=str)

    def as_output(self) -> dict[str, Any]:
        """Return what a worker process sends to the main one."""
        self.gather()
        return {
            "findings": [[*key, count] for key, count in self.findings.items()],
            "refuted": [list(one) for one in self.refuted],
            "app_arguments": list(self.app_arguments),
            "allowed": [[*key, count] for key, count in self.allowed.items()],
        }

    def merge(self, output: dict[str, Any]) -> None:
        """Take in what a worker process sent.

        Args:
            output: What it sent.
        """
        for *parts, count in output.get("findings", ()):
            key: Any = tuple(parts)
            self.findings[key] = self.findings.get(key, 0) + count
        self.refuted.update((id_, plugin, text) for id_, plugin, text in output.get("refuted", ()))
        self.app_arguments.update((place, None) for place in output.get("app_arguments", ()))
        for id_, reason, count in output.get("allowed", ()):
            self.allowed[id_, reason] = self.allowed.get((id_, reason), 0) + count

    def write_result(self, exit_code: int) -> None:
        """Write the result file, if one is wanted.

        Args:
            exit_code: How the session ended.
        """
        if self._result is None:
            return
        from nexus_testing._version import __version__
        from nexus_testing.reports.result import FindingResult, Result, TestResult, write_result

        write_result(
            Result(
                tool=__version__,
                python=platform.python_version(),
                backend=self._backend,
                started=self._started.isoformat(),
                duration=time.perf_counter() - self._clock,
                exit_code=exit_code,
                tests=[TestResult(id=name, **test) for name, test in self._tests.items()],
                findings=[
                    FindingResult.model_validate(
                        dict(zip(_FIELDS, (*key, count), strict=True)),
                    )
                    for key, count in self._standing()
                ],
            ),
            self._result,
        )

    def write(self, reporter: Any) -> None:
        """Write the summary.

        Args:
            reporter: pytest's terminal reporter.
        """
        self.gather()
        standing = self._standing()
        if standing:
            reporter.section("nexus findings", sep="-", yellow=True)
            for (id_, severity, _, text, where, fix), count in standing:
                place = f" ({where})" if where else ""
                reporter.line(f"{id_} {severity}: {text}{place}" + (f" [{count} times]" if count > 1 else ""))
                reporter.line(f"  fix: {fix}")
        for (id_, reason), count in sorted(self.allowed.items()):
            reporter.line(f"nexus: {id_} is allowed in {count} test{'s' if count > 1 else ''}: {reason}")
        for place in sorted(self.app_arguments):
            reporter.line(
                f"nexus: {place}: httpx no longer takes AsyncClient(app=…); write app.client(), "
                "or AsyncClient(transport=httpx.ASGITransport(app=app), base_url=…)."
            )
