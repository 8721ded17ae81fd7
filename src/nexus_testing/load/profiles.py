"""Profiles: how load rises and falls over time, as data."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ("PROFILES", "Profile", "Stage", "read_profiles")

_MINUTE = 60.0

_LEAST = 3.0
"""Seconds that it takes at least to ask every route."""


class Stage(NamedTuple):
    """A stretch of a profile, in which the load goes in a straight line to a multiple of the declared average."""

    seconds: float
    target: float


class Profile(NamedTuple):
    """One shape of load.

    `model` is "closed", where each user sends its next request some time after the answer to the last, or "open",
    where requests are due whatever becomes of them. `start` is the level that the first stage begins at. `fixed` says
    that levels are users, whatever the average. `budgets` are its own, `recovery` those of its last stage alone;
    `every_route` says that a route that was not asked is a failure, `searches` that it ends where a budget breaks, and
    that it is the rate before that which was looked for.
    """

    name: str
    model: Literal["closed", "open"]
    stages: tuple[Stage, ...]
    about: str
    budgets: tuple[str, ...] = ()
    start: float = 0.0
    fixed: bool = False
    searches: bool = False
    every_route: bool = False
    recovery: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return sum(stage.seconds for stage in self.stages)

    def scaled(self, scale: float) -> Profile:
        """Return the same shape in another time.

        Args:
            scale: Such as 1/60, which makes seconds of minutes.
        """
        least = _LEAST if self.every_route else 0.0
        return self._replace(stages=tuple(Stage(max(seconds * scale, least), to) for seconds, to in self.stages))

    def level(self, at: float) -> float | None:
        """Return the level at a time, as a multiple of the average; None once the profile is over.

        Args:
            at: Seconds from the start.
        """
        begun, before = 0.0, self.start
        for seconds, target in self.stages:
            if at < begun + seconds:
                return before + (target - before) * (at - begun) / seconds
            begun, before = begun + seconds, target
        return None

    def ramps(self, average: float) -> list[tuple[float, float, float]]:
        """Return length, first and last level of each stage.

        Args:
            average: What a level of 1 stands for: users, or requests a second.
        """
        found, before = [], self.start
        for seconds, target in self.stages:
            found.append((seconds, before * average, target * average))
            before = target
        return found


def _profile(
    name: str,
    model: Literal["closed", "open"],
    stages: list[tuple[float, float]],
    about: str,
    *budgets: str,
    **more: Any,
) -> Profile:
    return Profile(
        name, model, tuple(Stage(minutes * _MINUTE, target) for minutes, target in stages), about, budgets, **more
    )


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        _profile(
            "smoke",
            "closed",
            [(1, 3)],
            "three users for a minute: does every route answer",
            "http_req_failed rate == 0%",
            start=3.0,
            fixed=True,
            every_route=True,
        ),
        _profile(
            "average",
            "open",
            [(5, 1), (30, 1), (5, 0)],
            "an ordinary day",
            "http_req_failed rate < 1%",
            "http_req_duration p(95) < 500ms",
            "dropped_arrivals count == 0",
        ),
        _profile(
            "stress",
            "open",
            [(10, 2), (30, 2), (5, 0)],
            "twice the average, for long",
            "http_req_failed rate < 1%",
            "http_req_duration p(95) < 1000ms",
        ),
        _profile(
            "spike",
            "open",
            [(2, 20), (1, 0), (2, 1)],
            "twenty times the average, and what is left of it afterwards",
            recovery=("http_req_failed rate == 0%", "loop_lag max < 50ms, no_data=skip"),
        ),
        _profile(
            "soak",
            "closed",
            [(5, 1), (480, 1), (5, 0)],
            "the average for eight hours: what grows",
            "http_req_failed rate < 1%",
            "tasks_leaked value < 0.01",
        ),
        _profile(
            "breakpoint",
            "open",
            [(120, 200)],
            "more and more, until a rule breaks: the highest rate that held",
            "http_req_failed rate < 1%",
            "http_req_duration p(95) < 500ms",
            "dropped_arrivals count == 0",
            searches=True,
        ),
    )
}
"""The shapes that there are for everybody."""

_KEYS = {"model", "stages", "about", "budgets", "start", "fixed"}


def read_profiles(folder: Path) -> dict[str, Profile]:
    """Return the profiles of everybody, and a repo's own under `[tool.nexus-testing.load.profiles]`.

    Args:
        folder: The folder of its pyproject.toml.

    Raises:
        ConfigurationError: If one of them cannot be.
    """
    file = folder / "pyproject.toml"
    if not file.is_file():
        return dict(PROFILES)
    try:
        said: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"pyproject.toml cannot be read: {error}", where=file) from error
    for key in ("tool", "nexus-testing", "load", "profiles"):
        said = said.get(key, {}) if isinstance(said, dict) else {}
    if not isinstance(said, dict):
        raise _refused(file, "profiles", said, "it is a table of tables")
    return {**PROFILES, **{name: _own(file, name, one) for name, one in said.items()}}


def _own(file: Path, name: str, said: Any) -> Profile:
    """Return a profile as an author wrote it."""
    if not isinstance(said, dict):
        raise _refused(file, name, said, "a profile is a table")
    for key in said:
        if key not in _KEYS:
            raise _refused(file, f"{name}.{key}", said[key], "there is no such key", did_you_mean(key, _KEYS))
    model = said.get("model", "closed")
    if model not in {"closed", "open"}:
        raise _refused(file, f"{name}.model", model, "it is 'closed' or 'open'")
    stages = said.get("stages")
    if not isinstance(stages, list) or not stages:
        raise _refused(
            file, f"{name}.stages", stages, "it is a list of stages", "Write stages = [[5, 1.0], [30, 1.0]]."
        )
    budgets = said.get("budgets", [])
    if not isinstance(budgets, list) or not all(isinstance(rule, str) for rule in budgets):
        raise _refused(file, f"{name}.budgets", budgets, "it is a list of rules")
    return Profile(
        name,
        model,
        tuple(_stage(file, name, number, stage) for number, stage in enumerate(stages)),
        str(said.get("about", "")),
        tuple(budgets),
        _number(file, f"{name}.start", said.get("start", 0.0)),
        bool(said.get("fixed", False)),
    )


def _stage(file: Path, name: str, number: int, said: Any) -> Stage:
    where = f"{name}.stages[{number}]"
    if not isinstance(said, list) or len(said) != 2:  # noqa: PLR2004 - minutes and target
        raise _refused(file, where, said, "a stage is how many minutes, and to which multiple of the average")
    minutes, target = (_number(file, where, one) for one in said)
    if minutes == 0:
        raise _refused(file, where, said, "a stage takes some time")
    return Stage(minutes * _MINUTE, target)


def _number(file: Path, where: str, said: Any) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said < float("inf"):
        raise _refused(file, where, said, "it is a number from 0 up")
    return float(said)


def _refused(file: Path, key: str, said: object, why: str, fix: str = "") -> ConfigurationError:
    return ConfigurationError(
        f"The load profile {key} = {said!r} cannot be.",
        where=file,
        why=why,
        fix=fix or "See the page of load profiles.",
    )


def profile_called(name: str, known: Mapping[str, Profile]) -> Profile:
    """Return a profile by its name.

    Args:
        name: The name.
        known: The profiles that there are.

    Raises:
        ConfigurationError: If there is none of that name.
    """
    if name not in known:
        raise ConfigurationError(
            f"There is no load profile {name!r}.",
            why=f"there are {', '.join(known)}",
            fix=did_you_mean(name, known) or "Name one of those, or write it in pyproject.toml.",
        )
    return known[name]
