"""Figure 3: a test with the fixtures of the harness, and the same test with fixtures written by hand."""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .measuring import Row, environment, python_command, rotated, row, timed
from .sample import write_by_hand, write_with_harness

if TYPE_CHECKING:
    from .environments import Environments

__all__ = ("measure",)

_TESTS = 200
_ROUNDS = 9
_HARNESS = ("-p", "nexus_testing.entry")


def measure(environments: Environments) -> list[Row]:
    """Run both suites in turns and compare what their tests take at the median.

    Args:
        environments: Not needed here.
    """
    with tempfile.TemporaryDirectory(prefix="nexus-benchmark-") as name:
        top = Path(name)
        harness, by_hand, times = top / "harness", top / "by_hand", top / "times.json"
        write_with_harness(harness, _TESTS)
        write_by_hand(by_hand, _TESTS)
        # Only the plugins that are compared: others would add the same to both sides.
        env = environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", BENCHMARK_TIMES=str(times))
        suites = {"harness": (harness, _HARNESS), "by hand": (by_hand, ()), "beside": (by_hand, _HARNESS)}

        def run(suite: str) -> tuple[float, float]:
            """Run a suite and return its median milliseconds a test, by the clock and of the processor."""
            folder, plugins = suites[suite]
            timed(python_command("-m", "pytest", "-q", "-p", "asyncio", *plugins), env, folder)
            said = json.loads(times.read_text(encoding="utf-8"))
            if len(said["times"]) != _TESTS:
                msg = f"{len(said['times'])} tests ran, not {_TESTS}"
                raise RuntimeError(msg)
            return float(statistics.median(said["times"])), float(statistics.median(said["cpu"]))

        found: dict[str, list[tuple[float, float]]] = {suite: [] for suite in suites}
        for suite in suites:
            run(suite)
        for order in rotated(list(suites), _ROUNDS):
            for suite in order:
                found[suite].append(run(suite))

    def ratio(suite: str, which: int = 0) -> list[float]:
        """Return a suite's times over those of the suite by hand, round by round."""
        return [one[which] / other[which] for one, other in zip(found[suite], found["by hand"], strict=True)]

    medians = {suite: statistics.median(wall for wall, _ in values) for suite, values in found.items()}
    return [
        row(
            "a test with nexus_app, test_client and one GET ÷ the same written by hand",
            "≤ 1.35×",
            "×",
            ratio("harness"),
            "suites",
            f"{medians['harness']:.2f} ms and {medians['by hand']:.2f} ms here",
        ),
        row("… the same in processor time, which other work disturbs less", "", "×", ratio("harness", 1), "suites"),
        row("… the test written by hand, with the harness loaded ÷ without", "", "×", ratio("beside", 1), "suites"),
    ]
