"""What a cache keeps for one plugin: entries, and the values that are being made."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

__all__ = ("CacheSpace", "Entry", "Flight")


class Entry(NamedTuple):
    """A kept value; `deadline` is None for ever, else in seconds of the clock."""

    value: Any
    deadline: float | None


class Flight:
    """A value that is being made, for which others wait."""

    __slots__ = ("done", "task")

    def __init__(self) -> None:
        self.task = asyncio.current_task()
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class CacheSpace:
    """The entries of one plugin. Lives as long as the app's cache."""

    __slots__ = ("entries", "flights", "hits", "misses")

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.flights: dict[str, Flight] = {}
        self.hits = 0
        self.misses = 0

    def live(self, key: str, now: float) -> Entry | None:
        """Return an entry whose time is not up.

        Args:
            key: The key.
            now: What time it is.
        """
        entry = self.entries.get(key)
        if entry is not None and entry.deadline is not None and now >= entry.deadline:
            del self.entries[key]
            return None
        return entry

    def forget(self, key: str) -> None:
        """Drop an entry, and what is being made for it: that is of the time before.

        Args:
            key: The key.
        """
        self.flights.pop(key, None)
        self.entries.pop(key, None)

    def land(self, key: str, flight: Flight) -> bool:
        """Say whether what was made is still wanted: nobody deleted or set it meanwhile.

        Args:
            key: The key.
            flight: The making of it.
        """
        if self.flights.get(key) is not flight:
            return False
        del self.flights[key]
        return True

    def clear(self) -> None:
        """Drop everything."""
        self.entries.clear()
        self.flights.clear()
