"""What stands in the header and in the summary."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("Report",)

KEY = pytest.StashKey["Report"]()
_OUTPUT = "nexus_testing"


class Report:
    """Gathers findings over all tests, each once. Lives as long as the session."""

    def __init__(self) -> None:
        self.findings: dict[str, int] = {}
        self.app_arguments: dict[str, None] = {}

    def add(self, findings: Iterable[Any]) -> None:
        """Count findings.

        Args:
            findings: What was found in one app.
        """
        for finding in findings:
            text = str(finding)
            self.findings[text] = self.findings.get(text, 0) + 1

    def gather(self) -> None:
        """Take in what the client noticed."""
        module = sys.modules.get("nexus_testing.client")
        if module is not None:
            self.app_arguments.update((str(place), None) for place in module.app_arguments)

    def as_output(self) -> dict[str, Any]:
        """Return what a worker process sends to the main one."""
        self.gather()
        return {"findings": self.findings, "app_arguments": list(self.app_arguments)}

    def merge(self, output: dict[str, Any]) -> None:
        """Take in what a worker process sent.

        Args:
            output: What it sent.
        """
        for text, count in output.get("findings", {}).items():
            self.findings[text] = self.findings.get(text, 0) + count
        self.app_arguments.update((place, None) for place in output.get("app_arguments", ()))

    def write(self, reporter: Any) -> None:
        """Write the summary.

        Args:
            reporter: pytest's terminal reporter.
        """
        self.gather()
        if self.findings:
            reporter.section("nexus findings", sep="-", yellow=True)
            for text, count in sorted(self.findings.items()):
                first, *more = text.splitlines()
                reporter.line(first + (f" [{count} times]" if count > 1 else ""))
                for line in more:
                    reporter.line(line)
        for place in sorted(self.app_arguments):
            reporter.line(
                f"nexus: {place}: httpx no longer takes AsyncClient(app=…); write app.client(), "
                "or AsyncClient(transport=httpx.ASGITransport(app=app), base_url=…)."
            )
