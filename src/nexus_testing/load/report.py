"""What a run of load came to, as versioned JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from ..performance.result import Distribution, PerformanceResult
from ..reports.result import read_model

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("FORMAT", "VERSION", "Generator", "LoadResult", "Server", "read_load")

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
    """What sent the requests: how many workers, and how many processors each of them used on average."""

    workers: int
    cpu: float
    saturated: bool


class LoadResult(_Part):
    """What one run came to.

    `uncalled` are the routes that no request went to, `unanswered` those of which no answer was a success. `server` is
    None where it ran elsewhere.
    """

    format: Literal["nexus-testing/load"] = "nexus-testing/load"
    version: Literal[1] = 1
    profile: str
    plugins: list[str]
    performance: PerformanceResult
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
