"""Spans and moments, as whole microseconds: what users say, made exact, or refused by name."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from ..errors import ClockError, did_you_mean
from ..locations import caller

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("FIRST", "LAST", "UNITS", "moment", "moment_of", "seconds_of", "span", "start_of", "zone_of")

UNITS = {
    "microseconds": 1,
    "milliseconds": 1_000,
    "seconds": 1_000_000,
    "minutes": 60_000_000,
    "hours": 3_600_000_000,
    "days": 86_400_000_000,
    "weeks": 604_800_000_000,
}
"""Microseconds in each unit of time that has a length of its own."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE = timedelta(microseconds=1)
# A day less on both ends: a time there has to be one in every zone.
FIRST = (datetime(1, 1, 2, tzinfo=UTC) - _EPOCH) // _ONE
"""The first moment that a wall clock can show, in microseconds since the epoch."""
LAST = (datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH) // _ONE
"""The last one."""


def moment_of(at: int) -> datetime:
    """Return a moment in UTC.

    Args:
        at: Microseconds since the epoch.
    """
    return _EPOCH + timedelta(microseconds=at)


def moment(when: datetime) -> int:
    """Return microseconds since the epoch.

    Args:
        when: A time with its zone.
    """
    return (when - _EPOCH) // _ONE


def seconds_of(at: int) -> float:
    """Return microseconds as seconds, as near as a float comes."""
    return at / 1_000_000


def span(
    method: str, delta: timedelta | Literal[0] | None, units: Mapping[str, float], *, backwards: bool = False
) -> int:
    """Return how long a span is, in microseconds.

    Args:
        method: What was called, for the message.
        delta: The span, or None where it is said in units.
        units: How many of each unit.
        backwards: Whether it may be less than nothing.

    Raises:
        ClockError: If it is no span of time.
    """
    total = 0
    if delta is not None:
        if units:
            raise _wrong(method, f"both {delta!r} and {_said(units)}", "either a timedelta or units")
        if type(delta) is int and delta == 0:
            # It is the same in every unit.
            return 0
        if not isinstance(delta, timedelta):
            fix = f"{method}(seconds={delta!r})" if isinstance(delta, int | float) else ""
            raise _wrong(method, repr(delta), "a timedelta, or units by name", fix)
        total = delta // _ONE
    for unit, value in units.items():
        length = UNITS.get(unit)
        if length is None:
            raise _wrong(method, f"{unit}={value!r}", f"units are {', '.join(UNITS)}", did_you_mean(unit, UNITS))
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _wrong(method, f"{unit}={value!r}", "it must be a number")
        total += round(value * length)
    if total < 0 and not backwards:
        raise _wrong(
            method,
            repr(delta) if delta is not None else _said(units),
            "time only goes forward",
            "To turn the wall clock back: nexus_clock.jump_wall(hours=-1).",
        )
    if abs(total) > LAST - FIRST:
        raise _wrong(method, repr(delta) if delta is not None else _said(units), "there are years 1 to 9999 only")
    return total


def _said(units: Mapping[str, float]) -> str:
    return ", ".join(f"{unit}={value!r}" for unit, value in units.items())


def _wrong(method: str, said: str, why: str, fix: str = "") -> ClockError:
    return ClockError(f"{method}() cannot take {said}.", where=caller(), why=why, fix=fix)


def zone_of(said: object) -> tzinfo:
    """Return the zone that was meant.

    Args:
        said: Its name, the zone itself, or None for UTC.

    Raises:
        ClockError: If there is none of that name.
    """
    if said is None:
        return UTC
    if isinstance(said, tzinfo):
        return said
    cause: Exception | None = None
    if isinstance(said, str):
        try:
            return ZoneInfo(said)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            cause = error
    raise ClockError(
        f"There is no time zone {said!r}.",
        where=caller(),
        why="it must be the name of a zone, such as 'Europe/Berlin'",
        fix=did_you_mean(said, available_timezones()) if isinstance(said, str) else "",
    ) from cause


def start_of(said: object, zone: tzinfo | None) -> datetime:
    """Return the moment that was meant, with its zone.

    Args:
        said: A time, or the text of one, as ISO 8601 has it.
        zone: The zone of a time that has none.

    Raises:
        ClockError: If it is no time, or nothing says in which zone.
    """
    what = said
    if isinstance(said, str):
        try:
            what = datetime.fromisoformat(said)
        except ValueError as error:
            raise ClockError(
                f"{said!r} is no time that a clock can show.",
                where=caller(),
                why=str(error),
                fix="'2030-01-01T00:00:00+00:00'",
            ) from error
    if not isinstance(what, datetime):
        raise ClockError(
            f"{said!r} is no time that a clock can show.",
            where=caller(),
            why="it must be a datetime, or the text of one",
            fix="datetime(2030, 1, 1, tzinfo=UTC)",
        )
    if what.tzinfo is None or what.utcoffset() is None:
        if zone is None:
            raise ClockError(
                f"{said!r} is a time without a zone.",
                where=caller(),
                why="the same digits are another moment in each zone",
                fix=f"{what.replace(tzinfo=None).isoformat()}+00:00, or datetime(…, tzinfo=UTC)",
            )
        what = _settled(what.replace(tzinfo=zone), zone)
    if not FIRST <= moment(what) <= LAST:
        raise ClockError(f"{said!r} is no time that a clock can show.", where=caller(), why="years 1 to 9999")
    return what


def _settled(when: datetime, zone: tzinfo) -> datetime:
    """Refuse digits that the zone's wall clock skips."""
    if when.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != when.replace(tzinfo=None):
        raise ClockError(
            f"There is no {when.replace(tzinfo=None).isoformat()} in {zone}.",
            where=caller(),
            why="the clocks are put forward over it",
            fix="Say it with an offset, such as +00:00.",
        )
    return when
