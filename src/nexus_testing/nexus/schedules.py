"""When a background task runs."""

from __future__ import annotations

import dataclasses
import math
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ..errors import ScheduleError, did_you_mean
from ..locations import caller
from .context import who

if TYPE_CHECKING:
    from datetime import tzinfo

__all__ = ("Schedule",)

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclasses.dataclass(frozen=True, slots=True)
class Schedule:
    """An interval, times of the wall clock, or one moment. Made by its class methods.

    Times of the wall clock are in a zone of their own or in that of the app's clock, which is UTC unless a test says
    otherwise. Where summer time begins, a time that is skipped comes with the first that there is; where it ends, a
    time that comes twice counts once.

    Args:
        interval: The time from one run to the next.
        cron_fields: Times of the wall clock, as five fields of cron.
        at: The moment of the only run.
        zone: The zone of the wall clock; that of the app's clock by default.
        jitter: By how much a run may be late.
        seed: What the lateness of each run follows from.
        text: How people call it.
    """

    interval: timedelta | None = None
    cron_fields: str | None = None
    at: datetime | None = None
    zone: tzinfo | None = None
    jitter: timedelta = timedelta()
    seed: int | str = 0
    text: str = ""

    # -- intervals -----------------------------------------------------------------------------------------------

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

    # -- times of the wall clock ---------------------------------------------------------------------------------

    @classmethod
    def hourly(cls, minute: int = 0) -> Schedule:
        """Run once an hour.

        Args:
            minute: The minute, 0 to 59.

        Raises:
            ScheduleError: If there is no such minute.
        """
        minute = _whole("hourly", "minute", minute, 59)
        return cls(cron_fields=f"{minute} * * * *", text=f"hourly at minute {minute}")

    @classmethod
    def daily(cls, hour: int = 0, minute: int = 0, tz: str | tzinfo | None = None) -> Schedule:
        """Run once a day.

        Args:
            hour: The hour, 0 to 23.
            minute: The minute, 0 to 59.
            tz: The zone, or its name.

        Raises:
            ScheduleError: If there is no such time or zone.
        """
        hour, minute = _whole("daily", "hour", hour, 23), _whole("daily", "minute", minute, 59)
        text = f"daily at {hour:02}:{minute:02}"
        return cls(cron_fields=f"{minute} {hour} * * *", zone=_zone("daily", tz), text=text)

    @classmethod
    def weekly(cls, day: int | str, hour: int = 0, minute: int = 0, tz: str | tzinfo | None = None) -> Schedule:
        """Run once a week.

        Args:
            day: The day of the week: "monday" or 0 to "sunday" or 6.
            hour: The hour, 0 to 23.
            minute: The minute, 0 to 59.
            tz: The zone, or its name.

        Raises:
            ScheduleError: If there is no such time or zone.
        """
        if isinstance(day, str):
            name = day.strip().lower()
            found = [number for number, one in enumerate(_DAYS) if name in (one, one[:3])]
            if not found:
                raise _wrong("weekly", "day", day, f"one of {', '.join(_DAYS)}", did_you_mean(name, _DAYS))
            day = found[0]
        day = _whole("weekly", "day", day, 6)
        hour, minute = _whole("weekly", "hour", hour, 23), _whole("weekly", "minute", minute, 59)
        text = f"every {_DAYS[day]} at {hour:02}:{minute:02}"
        return cls(cron_fields=f"{minute} {hour} * * {day + 1}", zone=_zone("weekly", tz), text=text)

    @classmethod
    def cron(cls, fields: str, tz: str | tzinfo | None = None) -> Schedule:
        """Run when cron would.

        Args:
            fields: Minute, hour, day of the month, month and day of the week, as cron has them.
            tz: The zone, or its name.

        Raises:
            ScheduleError: If they are none, or there is never such a time, or no such zone.
        """
        from cronsim import CronSim, CronSimError

        if not isinstance(fields, str):
            raise _wrong("cron", "fields", fields, 'five fields, such as "*/15 8-17 * * MON-FRI"')
        try:
            next(CronSim(fields, datetime(2030, 1, 1, tzinfo=UTC)))
        except CronSimError as error:
            if _comes_in_another_month(fields):
                raise _wrong("cron", "fields", fields, "a time that there is: this one never comes") from error
            raise _wrong(
                "cron", "fields", fields, 'five fields, such as "*/15 8-17 * * MON-FRI"', f"{error}: mend that field."
            ) from error
        except StopIteration:
            raise _wrong("cron", "fields", fields, "a time that there is: this one never comes") from None
        return cls(cron_fields=fields, zone=_zone("cron", tz), text=f"at {fields!r}")

    # -- one moment, and lateness --------------------------------------------------------------------------------

    @classmethod
    def once(cls, at: datetime | str) -> Schedule:
        """Run once; at once, if the moment is over when the task starts.

        Args:
            at: The moment, with its zone: a datetime, or the text of one as ISO 8601 has it.

        Raises:
            ScheduleError: If it is none, or has no zone.
        """
        moment = at
        if isinstance(at, str):
            try:
                moment = datetime.fromisoformat(at)
            except ValueError:
                raise _wrong("once", "at", at, "a time such as 2030-01-01T12:00:00Z") from None
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise _wrong("once", "at", at, "a datetime with a zone: datetime(2030, 1, 1, tzinfo=UTC)")
        return cls(at=moment, text=f"once at {moment.isoformat()}")

    def jittered(self, seconds: float, *, seed: int | str = 0) -> Schedule:
        """Return the same schedule with each run a little late, differently for each run and the same on each day.

        Args:
            seconds: How late a run may be.
            seed: What the lateness of each run follows from.

        Raises:
            ScheduleError: If it is no number greater than 0.
        """
        return dataclasses.replace(self, jitter=_interval("jittered", seconds, 1), seed=seed)

    def lateness(self, number: object) -> timedelta:
        """Return by how much a run is late.

        Args:
            number: What tells the run from others.
        """
        if not self.jitter:
            return self.jitter
        return self.jitter * random.Random(f"{self.seed} {number}").random()  # noqa: S311 - it is no secret

    # -- what comes next -----------------------------------------------------------------------------------------

    def next_after(self, now: datetime, *, started: datetime) -> datetime | None:
        """Return the first time of the schedule after a moment, without its lateness; None if there is none.

        Args:
            now: The moment, in the zone of times that have none of their own.
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
        if self.interval is not None:
            now, started = now.astimezone(UTC), started.astimezone(UTC)
            return started + self.interval * max(1, (now - started) // self.interval + 1)
        if self.at is not None:
            return self.at if self.at > now or now <= started else None
        from cronsim import CronSim

        assert self.cron_fields is not None  # noqa: S101 - one of the three is there
        return next(CronSim(self.cron_fields, now.astimezone(self.zone) if self.zone is not None else now), None)

    def __str__(self) -> str:
        text = self.text or f"every {self.interval}"
        if self.cron_fields is not None and self.zone is not None:
            text += f" {self.zone}"
        return text + (f", up to {self.jitter.total_seconds():g} s late" if self.jitter else "")


def _comes_in_another_month(fields: str) -> bool:
    """Say whether it is only together that a day and a month are none, as the 31st of February."""
    from cronsim import CronSim, CronSimError

    parts = fields.split()
    try:
        CronSim(" ".join([*parts[:3], "*", *parts[4:]]), datetime(2030, 1, 1, tzinfo=UTC))
    except CronSimError:
        return False
    return len(parts) > 3 and _month_is_one(parts[3])  # noqa: PLR2004 - the fourth field is the month


def _month_is_one(field: str) -> bool:
    from cronsim import CronSim, CronSimError

    try:
        CronSim(f"0 0 1 {field} *", datetime(2030, 1, 1, tzinfo=UTC))
    except CronSimError:
        return False
    return True


def _zone(method: str, tz: object) -> tzinfo | None:
    if tz is None or not isinstance(tz, str):
        if tz is not None and not hasattr(tz, "utcoffset"):
            raise _wrong(method, "tz", tz, 'a zone or its name, such as "Europe/Berlin"')
        return tz  # type: ignore[return-value]  # anything with such a method is one
    try:
        return ZoneInfo(tz)
    except (ValueError, OSError, KeyError):
        raise _wrong(method, "tz", tz, 'the name of a zone, such as "Europe/Berlin"') from None


def _interval(method: str, value: object, unit: int) -> timedelta:
    valid = "a number greater than 0"
    name = "seconds" if method == "jittered" else method.removeprefix("every_")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _wrong(method, name, value, valid)
    try:
        interval = timedelta(seconds=value * unit)
    except OverflowError:
        interval = timedelta()
    if not interval:
        raise _wrong(method, name, value, "between a microsecond and a thousand years")
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
