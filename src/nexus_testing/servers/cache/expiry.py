"""Keys of a real Redis that expire by the app's clock, which a test may stop and move.

The server's own clock goes on as it likes. So each key's deadline is written as a moment in the server's far future,
and the keys whose deadline the app's clock has passed are deleted before the next command.
"""

from __future__ import annotations

import heapq
import re
from typing import TYPE_CHECKING, Any

from ...errors import DataError
from ...locations import caller

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ("PURGE", "Expiry")

SHIFT = 10**15
"""Milliseconds between a deadline and what is told to the server: more than the clock can show."""

PURGE = """
local now = tonumber(ARGV[1])
for _, key in ipairs(redis.call('keys', '*')) do
  local at = redis.call('pexpiretime', key)
  if at >= 0 and at <= now then redis.call('del', key) end
end
"""

# The unit in milliseconds, and whether it is counted from now.
_UNITS = {"EX": (1000, True), "PX": (1, True), "EXAT": (1000, False), "PXAT": (1, False)}
_OPTIONS = {"SET": 3, "GETEX": 2}
_SETTING = {"SETEX": "EX", "PSETEX": "PX"}
_EXPIRING = {"EXPIRE": "EX", "PEXPIRE": "PX", "EXPIREAT": "EXAT", "PEXPIREAT": "PXAT"}
_ASKING = frozenset({"TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"})
_REFUSED = frozenset(
    {
        "HEXPIRE",
        "HEXPIREAT",
        "HEXPIRETIME",
        "HGETEX",
        "HPEXPIRE",
        "HPEXPIREAT",
        "HPEXPIRETIME",
        "HPTTL",
        "HSETEX",
        "HTTL",
        "RESTORE",
    }
)
_SCRIPTS = frozenset({"EVAL", "EVAL_RO", "SCRIPT", "FUNCTION"})
_TIMED = re.compile(
    r"""['"](?:h?p?expire(?:at|time)?|h?p?ttl|p?setex|h?getex|hsetex|restore|time|ex|px|exat|pxat)['"]""", re.IGNORECASE
)


class Expiry:
    """Says to a server when keys expire, and hears it from there.

    Args:
        now: Returns the seconds since the epoch, by which keys expire.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._deadlines: list[int] = []
        self.answers: dict[str, Callable[..., Any]] = {
            "TTL": lambda at, **_: at if at < 0 else (self._left(at) + 500) // 1000,
            "PTTL": lambda at, **_: at if at < 0 else self._left(at),
            "EXPIRETIME": lambda at, **_: at if at < 0 else (at - SHIFT + 500) // 1000,
            "PEXPIRETIME": lambda at, **_: at if at < 0 else at - SHIFT,
            "TIME": lambda _, **__: divmod(round(self._now() * 1_000_000), 1_000_000),
        }
        """What clients make of the answers to these commands."""

    def _left(self, at: int) -> int:
        return max(0, at - SHIFT - self._ticks())

    def _ticks(self) -> int:
        return round(self._now() * 1000)

    def words(self, name: str, words: Sequence[Any]) -> Sequence[Any]:
        """Return a command as it is sent.

        Args:
            name: The command's name in capitals.
            words: The command and its arguments.

        Raises:
            DataError: If it is about time in a way that cannot be told to the server.
        """
        if name in _OPTIONS:
            return self._with_options(words, _OPTIONS[name])
        if name in _EXPIRING and len(words) > 2:  # noqa: PLR2004 - command, key, time
            at = self._deadline(_EXPIRING[name], words[2], below=True)
            return words if at is None else ("PEXPIREAT", words[1], at, *words[3:])
        if name in _SETTING and len(words) == 4:  # noqa: PLR2004 - command, key, time, value
            at = self._deadline(_SETTING[name], words[2])
            return words if at is None else ("SET", words[1], words[3], "PXAT", at)
        if name in _ASKING:
            return ("PEXPIRETIME", *words[1:])
        if name in _REFUSED or (name in _SCRIPTS and any(_TIMED.search(_text(word)) for word in words[1:])):
            raise DataError(
                f"{name} cannot be told to a real Redis under a clock that the test moves.",
                where=caller(),
                why="what it says of time is meant by the clock, and the server goes by its own",
                fix="Run this test without nexus_clock, or on the cache in memory.",
            )
        return words

    def _with_options(self, words: Sequence[Any], start: int) -> Sequence[Any]:
        for place in range(start, len(words) - 1):
            unit = _text(words[place]).upper()
            if unit in _UNITS:
                at = self._deadline(unit, words[place + 1])
                return words if at is None else (*words[:place], "PXAT", at, *words[place + 2 :])
        return words

    def _deadline(self, unit: str, said: Any, *, below: bool = False) -> int | None:
        """Return what the server is told, or None if it has to refuse what was said."""
        try:
            number = int(_text(said))
        except ValueError:
            return None
        if number <= 0 and not below:
            return None
        factor, from_now = _UNITS[unit]
        now = self._ticks()
        at = number * factor + (now if from_now else 0)
        if at <= now:
            return 1
        heapq.heappush(self._deadlines, at)
        return at + SHIFT

    def due(self) -> int | None:
        """Return what `PURGE` needs if the clock has passed a deadline since the last time; else None."""
        now = int(self._now() * 1000)
        if not self._deadlines or self._deadlines[0] > now:
            return None
        while self._deadlines and self._deadlines[0] <= now:
            heapq.heappop(self._deadlines)
        return now + SHIFT

    def expect(self, shifted: int) -> None:
        """Take in a deadline that was told to the server before.

        Args:
            shifted: What was told.
        """
        heapq.heappush(self._deadlines, shifted - SHIFT)


def _text(word: Any) -> str:
    if isinstance(word, bytes):
        return word.decode("utf-8", "replace")
    return str(word)
