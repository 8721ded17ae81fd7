"""What Locust is told to do: one file of JSON that its process, and each of its workers, reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from ..performance.traffic import Operation

__all__ = ("VARIABLE", "LoadPlan", "Sample", "read_plan", "write_plan")

VARIABLE = "NEXUS_LOAD_PLAN"
"""The environment variable that says where the plan is."""

Sample = tuple[str, float, float, float, "int | None", "str | None"]
"""A request: name; when it ended, in seconds from the start; how long from when it was due and from when it was sent;
its status; why it failed, or None."""


class LoadPlan(NamedTuple):
    """One run of load.

    `ramps` are length, first and last level of each stage: users, or requests a second. `due` is when each request of
    the open model is due; a worker takes its share of them. `abort` says to end once one of the `budgets` has not held
    for three seconds.
    """

    model: Literal["closed", "open"]
    ramps: list[tuple[float, float, float]]
    wait: float
    seed: int
    workers: int
    max_in_flight: int
    due: list[float]
    operations: list[dict[str, Any]]
    headers: dict[str, dict[str, str]]
    budgets: list[str]
    abort: bool
    results: str

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return sum(length for length, _, _ in self.ramps)

    def level(self, at: float) -> float | None:
        """Return the level at a time; None once it is over.

        Args:
            at: Seconds from the start.
        """
        begun = 0.0
        for length, first, last in self.ramps:
            if at < begun + length:
                return first + (last - first) * (at - begun) / length
            begun += length
        return None


def write_plan(plan: LoadPlan, file: Path) -> None:
    """Write a plan.

    Args:
        plan: The plan.
        file: Where to.
    """
    file.write_text(json.dumps(plan._asdict()), encoding="utf-8")


def read_plan(file: Path) -> LoadPlan:
    """Return a plan that was written.

    Args:
        file: Where it is.
    """
    said = json.loads(file.read_text(encoding="utf-8"))
    said["ramps"] = [tuple(one) for one in said["ramps"]]
    return LoadPlan(**said)


def told(operation: Operation) -> dict[str, Any]:
    """Return an operation as the plan holds it.

    Args:
        operation: The operation.
    """
    return {**operation._asdict(), "cases": [case._asdict() for case in operation.cases]}
