"""How a load rises and falls over its time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import PerformanceError, did_you_mean
from .arrivals import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("PROFILES", "Leg", "level_of", "stages_of")


class Leg(NamedTuple):
    """A part of a load's time, in which its level goes from one value to another in a straight line.

    Levels are shares of the users or of the rate that the load was given.
    """

    part: float
    start: float
    end: float


PROFILES = {
    "smoke": (Leg(1, 1, 1),),
    "average": (Leg(5, 0, 1), Leg(30, 1, 1), Leg(5, 1, 0)),
    "stress": (Leg(10, 0, 2), Leg(30, 2, 2), Leg(5, 2, 0)),
    "spike": (Leg(2, 0, 20), Leg(1, 20, 0), Leg(2, 1, 1)),
    "soak": (Leg(5, 0, 1), Leg(480, 1, 1), Leg(5, 1, 0)),
    "breakpoint": (Leg(1, 0, 200),),
}
"""The shapes that loads can have, besides one level for all of their time."""


def _legs(name: str, where: object) -> tuple[Leg, ...]:
    if name not in PROFILES:
        raise PerformanceError(
            f"profile={name!r} cannot be.",
            where=where,
            why=f"there are {', '.join(PROFILES)}",
            fix=did_you_mean(str(name), PROFILES),
        )
    return PROFILES[name]


def stages_of(name: str, length: float, rate: float, where: object) -> list[Stage]:
    """Return the rate over the time of a load.

    Args:
        name: The profile's name.
        length: How many seconds the load takes.
        rate: Its rate at the level of 1.
        where: Who asked for it.

    Raises:
        PerformanceError: If there is no such profile.
    """
    legs = _legs(name, where)
    whole = sum(leg.part for leg in legs)
    return [Stage(leg.part / whole * length, leg.start * rate, leg.end * rate) for leg in legs]


def level_of(name: str, length: float, users: int, where: object) -> tuple[int, Callable[[float], float]]:
    """Return how many users there are at most, and what says how many there are after so many seconds.

    Args:
        name: The profile's name.
        length: How many seconds the load takes.
        users: How many there are at the level of 1.
        where: Who asked for it.

    Raises:
        PerformanceError: If there is no such profile.
    """
    stages = stages_of(name, length, users, where)

    def level(at: float) -> float:
        for stage in stages:
            if at < stage.length:
                return stage.start + (stage.end - stage.start) * at / stage.length
            at -= stage.length
        return 0.0

    return round(max(max(stage.start, stage.end) for stage in stages)), level
