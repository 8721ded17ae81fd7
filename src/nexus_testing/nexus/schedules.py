"""When a background task runs."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime, timedelta

from ..errors import ScheduleError, did_you_mean
from ..locations import caller
from .context import who

__all__ = ("Schedule",)

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclasses.dataclass(frozen=True, slots=True)
class Schedule:
    """Either an interval, or times of the wall clock in UTC. Made by its class methods.

    Args:
        interval: The time from one run to the next; None for times of the wall clock.
        day: The day of the week, 0 for Monday; None for every day.
        hour: The hour; None for every hour.
        minute: The minute.
    """

    interval: timedelta | None = None
    day: int | None = None
    hour: int | None = None
    minute: int = 0

    @classmethod
    def every_seconds(cls, seconds: float) -> Schedule:
        """Run at an interval.

        Args:
            seconds: The interval.

        Raises:
            ScheduleError: If it is no number greater than 0.
        """
        return cls(_interval("every_seconds", seconds, 1))

    @classmethod
    def every_minutes(cls, minutes: float) -> Schedule:
        """Run at an interval.

        Args:
            minutes: The interval.

        Raises:
            ScheduleError: If it is no number greater than 0.
        """
        return cls(_interval("every_minutes", minutes, 60))

    @classmethod
    def every_hours(cls, hours: float) -> Schedule:
        """Run at an interval.

        Args:
            hours: The interval.

        Raises:
            ScheduleError: If it is no number greater than 0.
        """
        return cls(_interval("every_hours", hours, 3600))

    @classmethod
    def hourly(cls, minute: int = 0) -> Schedule:
        """Run once an hour.

        Args:
            minute: The minute, 0 to 59.

        Raises:
            ScheduleError: If there is no such minute.
        """
        return cls(minute=_whole("hourly", "minute", minute, 59))

    @classmethod
    def daily(cls, hour: int = 0, minute: int = 0) -> Schedule:
        """Run once a day.

        Args:
            hour: The hour in UTC, 0 to 23.
            minute: The minute, 0 to 59.

        Raises:
            ScheduleError: If there is no such time.
        """
        return cls(hour=_whole("daily", "hour", hour, 23), minute=_whole("daily", "minute", minute, 59))

    @classmethod
    def weekly(cls, day: int | str, hour: int = 0, minute: int = 0) -> Schedule:
        """Run once a week.

        Args:
            day: The day of the week: "monday" or 0 to "sunday" or 6.
            hour: The hour in UTC, 0 to 23.
            minute: The minute, 0 to 59.

        Raises:
            ScheduleError: If there is no such time.
        """
        if isinstance(day, str):
            name = day.strip().lower()
            found = [number for number, one in enumerate(_DAYS) if name in (one, one[:3])]
            if not found:
                raise _wrong("weekly", "day", day, f"one of {', '.join(_DAYS)}", did_you_mean(name, _DAYS))
            day = found[0]
        return cls(
            day=_whole("weekly", "day", day, 6),
            hour=_whole("weekly", "hour", hour, 23),
            minute=_whole("weekly", "minute", minute, 59),
        )

    def next_after(self, now: datetime, *, started: datetime) -> datetime:
        """Return the first time of the schedule after a moment.

        Args:
            now: The moment, with its zone.
            started: When the task was started, with its zone: an interval is counted from there.

        Raises:
            ScheduleError: If a moment has no zone.
        """
        for moment in (now, started):
            if moment.tzinfo is None:
                raise ScheduleError(
                    f"A schedule cannot tell what comes after {moment!r}, since that has no zone.",
                    where=caller(),
                    fix="Pass datetime.now(UTC).",
                    plugin=who(),
                )
        now = now.astimezone(UTC)
        started = started.astimezone(UTC)
        if self.interval is not None:
            return started + self.interval * max(1, (now - started) // self.interval + 1)
        due = now.replace(minute=self.minute, second=0, microsecond=0)
        step = timedelta(hours=1)
        if self.hour is not None:
            due = due.replace(hour=self.hour)
            step = timedelta(days=1)
        if self.day is not None:
            due += timedelta(days=self.day - due.weekday())
            step = timedelta(days=7)
        return due if due > now else due + step

    def __str__(self) -> str:
        if self.interval is not None:
            return f"every {self.interval}"
        if self.hour is None:
            return f"hourly at minute {self.minute}"
        day = "daily" if self.day is None else f"every {_DAYS[self.day]}"
        return f"{day} at {self.hour:02}:{self.minute:02} UTC"


def _interval(method: str, value: object, unit: int) -> timedelta:
    valid = "a number greater than 0"
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _wrong(method, method.removeprefix("every_"), value, valid)
    try:
        interval = timedelta(seconds=value * unit)
    except OverflowError:
        interval = timedelta()
    if not interval:
        raise _wrong(method, method.removeprefix("every_"), value, "between a microsecond and a thousand years")
    return interval


def _whole(method: str, name: str, value: object, highest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
        raise _wrong(method, name, value, f"a whole number from 0 to {highest}")
    return value


def _wrong(method: str, name: str, value: object, valid: str, hint: str = "") -> ScheduleError:
    return ScheduleError(
        f"Schedule.{method}() cannot have {name} {value!r}.",
        where=caller(),
        why=f"it must be {valid}",
        fix=hint,
        plugin=who(),
    )
