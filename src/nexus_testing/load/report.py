"""What a run of load came to, as versioned JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from ..performance.result import Distribution, PerformanceResult
from ..performance.verdicts import Verdict
from ..reports.result import read_model

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("FORMAT", "VERSION", "Aborted", "Generator", "LoadResult", "Server", "read_load")

FORMAT = "nexus-testing/load"
VERSION = 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(_Part):
    """What the server used while it was under load: processors, bytes of memory, and how late its event loop was."""

    cpu: float
    cpu_peak: float
    rss_first: int
    rss_last: int
    rss_peak: int
    loop_lag: Distribution | None


class Generator(_Part):
    """What sent the requests: how many workers, how many of them were lost, and how many processors each used."""

    workers: int
    lost: int
    cpu: float
    saturated: bool


class Aborted(_Part):
    """When a run ended before its time, in seconds from its start, and the budget that did not hold."""

    at: float
    budget: str
    text: str


class LoadResult(_Part):
    """What one run came to.

    `verdicts` are those on its budgets, `recovery` those on what its last stage alone has to hold. `uncalled` are the
    routes that no request went to, `unanswered` those of which no answer was a success. `held_rate` is the highest rate
    a second at which all budgets held, where the profile looks for it. `server` is None where it ran elsewhere.
    """

    format: Literal["nexus-testing/load"] = "nexus-testing/load"
    version: Literal[1] = 1
    profile: str
    plugins: list[str]
    performance: PerformanceResult
    verdicts: list[Verdict]
    recovery: list[Verdict]
    aborted: Aborted | None
    held_rate: float | None
    uncalled: list[str]
    unanswered: list[str]
    server: Server | None
    generator: Generator


def read_load(path: Path) -> LoadResult:
    """Read a result that was written as JSON.

    Args:
        path: The file.

    Raises:
        ResultError: If it cannot be read, or is none of this version.
    """
    return read_model(path, LoadResult, FORMAT, VERSION, ("load result", "Run the load again"))
