"""What a test may ask about background tasks, read from the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ..errors import ScheduleAssertionError, did_you_mean
from ..locations import caller
from ..records import JobRun

if TYPE_CHECKING:
    from ..records import Journal

__all__ = ("JobAssertions",)

# The method `list` hides the type of that name.
_Names: TypeAlias = list[str]
_Runs: TypeAlias = list[JobRun]
_Errors: TypeAlias = list[BaseException]
_SHOWN = 8


class JobAssertions:
    """Assertions on the runs of background tasks."""

    _journal: Journal

    def list(self) -> _Names:
        """Return the names of all registered tasks."""
        raise NotImplementedError

    def runs(self, name: str, *, plugin: str | None = None) -> _Runs:
        """Return the runs of a task that are over, in order.

        Args:
            name: The task's name.
            plugin: Whose task, where several plugins have one of that name.
        """
        return [
            run for run in self._journal.of(JobRun) if run.name == name and (plugin is None or run.plugin == plugin)
        ]

    @property
    def errors(self) -> _Errors:
        """What runs of tasks raised, in order."""
        return [run.error for run in self._journal.of(JobRun) if run.error is not None]

    def assert_ran(self, name: str, *, times: int | None = None, plugin: str | None = None) -> _Runs:
        """Check that a task ran, and return its runs.

        Args:
            name: The task's name.
            times: How often; at least once by default.
            plugin: Whose task, where several plugins have one of that name.

        Raises:
            ScheduleAssertionError: If it did not, or not so often.
        """
        __tracebackhide__ = True
        runs = self.runs(name, plugin=plugin)
        if len(runs) == times or (times is None and runs):
            return runs
        known = dict.fromkeys([*self.list(), *(run.name for run in self._journal.of(JobRun))])
        shown = [f"at {run.at:.6f}" + (f", failed with {run.error!r}" if run.error else "") for run in runs[-_SHOWN:]]
        if len(runs) > len(shown):
            shown.insert(0, f"… {len(runs) - len(shown)} before")
        wanted = "at all" if times is None else f"{times} times"
        raise ScheduleAssertionError(
            f"The background task {name!r} ran {len(runs)} times, not {wanted}.",
            where=caller(),
            why="\n".join(shown) if shown else f"there is {', '.join(map(repr, known)) or 'no task'}",
            fix=did_you_mean(name, known) if name not in known else "",
            plugin=plugin,
        )

    def assert_not_ran(self, name: str, *, plugin: str | None = None) -> None:
        """Check that a task did not run.

        Args:
            name: The task's name.
            plugin: Whose task, where several plugins have one of that name.

        Raises:
            ScheduleAssertionError: If it did.
        """
        __tracebackhide__ = True
        self.assert_ran(name, times=0, plugin=plugin)
