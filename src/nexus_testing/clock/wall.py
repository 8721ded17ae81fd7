"""The wall clock that the whole process reads, moved by one of two libraries."""

from __future__ import annotations

import sys
from datetime import UTC, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import ClockError, did_you_mean
from ..locations import caller
from .spans import moment_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("ENGINES", "Freezegun", "TimeMachine", "Wall", "wall_of")


class Wall(Protocol):
    """What `datetime.now()` and `time.time()` say, everywhere in the process."""

    def start(self, at: int, zone: tzinfo) -> None:
        """Take over.

        Args:
            at: What it shows first, in microseconds since the epoch.
            zone: The zone of times without one.
        """
        ...

    def move(self, by: int) -> None:
        """Move it.

        Args:
            by: How far, in microseconds; less than nothing is back.
        """
        ...

    def stop(self) -> None:
        """Give the machine's own clock back."""
        ...

    def foreign(self) -> str:
        """Return the name of another wall clock that covers this one, or nothing."""
        ...


def _freezegun_is_on() -> bool:
    return "freezegun" in sys.modules and sys.modules["datetime"].datetime.__name__ == "FakeDatetime"


class TimeMachine:
    """A wall clock at the level of C: whatever asks, by whatever name, is answered."""

    def __init__(self) -> None:
        self._travel: Any = None
        self._traveller: Any = None

    def start(self, at: int, zone: tzinfo) -> None:
        """Take over, and set the zone of the process."""
        import time_machine

        if _freezegun_is_on():
            raise ClockError(
                "The virtual clock cannot start under freezegun's freeze_time.",
                where=caller(),
                why="one of them would show the other's time as the machine's",
                fix="Use nexus_clock alone: @pytest.mark.nexus_clock(start='…').",
            )
        self._travel = time_machine.travel(moment_of(at).astimezone(zone), tick=False)
        self._traveller = self._travel.start()

    def move(self, by: int) -> None:
        """Move it."""
        self._traveller.shift(timedelta(microseconds=by))

    def stop(self) -> None:
        """Give the machine's own clock and zone back."""
        self._travel.stop()

    def foreign(self) -> str:
        """Return the name of another wall clock that covers this one, or nothing."""
        if _freezegun_is_on():
            return "freezegun's freeze_time"
        stack = sys.modules["time_machine"].traveller_stack
        return "time_machine's travel" if not stack or stack[-1] is not self._traveller else ""


class Freezegun:
    """A wall clock out of replaced names in every module that is loaded. Knows no zone but UTC."""

    def __init__(self) -> None:
        self._freezer: Any = None
        self._factory: Any = None

    def start(self, at: int, zone: tzinfo) -> None:
        """Take over."""
        import freezegun

        if zone is not UTC and str(zone) != "UTC":
            raise ClockError(
                f"The wall clock of freezegun has no time zone {str(zone)!r}.",
                where=caller(),
                why="freezegun knows one fixed offset, and no summer time",
                fix="nexus_wall_clock = time-machine",
            )
        # Without real_asyncio, every other event loop of the process would stand still. Nothing is ignored: whatever
        # had a module so named among its nearest five callers, as every coroutine has asyncio, would see real time.
        self._freezer = freezegun.freeze_time(moment_of(at), real_asyncio=True)
        self._factory = self._freezer.start()

    def move(self, by: int) -> None:
        """Move it."""
        self._factory.tick(timedelta(microseconds=by))

    def stop(self) -> None:
        """Give the machine's own clock back."""
        self._freezer.stop()

    def foreign(self) -> str:
        """Return the name of another wall clock that covers this one, or nothing."""
        factories = sys.modules["freezegun.api"].freeze_factories
        if not factories or factories[-1] is not self._factory:
            return "freezegun's freeze_time"
        return ""


ENGINES: dict[str, Callable[[], Wall]] = {"time-machine": TimeMachine, "freezegun": Freezegun}
"""By the name that the configuration has for them."""


def wall_of(name: str) -> Wall:
    """Return a wall clock.

    Args:
        name: "time-machine" or "freezegun".

    Raises:
        ClockError: If there is none of that name.
    """
    if name not in ENGINES:
        raise ClockError(
            f"There is no wall clock {name!r}.",
            where=caller(),
            why=f"there are {', '.join(ENGINES)}",
            fix=did_you_mean(name, ENGINES),
        )
    return ENGINES[name]()
