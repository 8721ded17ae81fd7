"""What a run of load is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .profiles import Profile

__all__ = ("Settings",)


class Settings(NamedTuple):
    """What a run is told.

    `average` is what a level of 1 stands for: users of the closed model, requests a second of the open one.
    """

    plugins: list[str]
    profile: Profile
    average: float
    folder: Path
    host: str | None = None
    locustfile: Path | None = None
    processes: int = 1
    wait: float = 1.0
    seed: int = 0
    poisson: bool = False
    max_in_flight: int = 200
    weights: Mapping[str, float] = {}
    allow_remote: bool = False
    start_limit: float = 30.0
    html: Path | None = None
    server_options: Sequence[str] = ()
    budgets: Sequence[str] = ()
    abort: bool = False
