"""What is one plugin's in the cache: the names of its keys, and the values that are being made."""

from __future__ import annotations

import asyncio

__all__ = ("CacheSpace", "Flight")


class Flight:
    """A value that is being made, for which others wait; None if it was not made after all."""

    __slots__ = ("done", "task")

    def __init__(self) -> None:
        self.task = asyncio.current_task()
        self.done: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()


class CacheSpace:
    """One plugin's part of the server. Lives as long as the app's cache.

    Args:
        plugin: The plugin's name; None for the test's own part.
    """

    __slots__ = ("_prefix", "flights", "hits", "misses", "pattern")

    def __init__(self, plugin: str | None) -> None:
        self._prefix = f"nexus:{plugin or ''}:".encode()
        self.pattern = b"".join(b"\\%c" % one if one in b"*?[]^\\" else b"%c" % one for one in self._prefix) + b"*"
        self.flights: dict[str, Flight] = {}
        self.hits = 0
        self.misses = 0

    def name(self, key: str) -> bytes:
        """Return the name that a key has on the server.

        Args:
            key: The key.
        """
        return self._prefix + key.encode("utf-8", "surrogatepass")

    def key(self, name: bytes) -> str:
        """Return the key that has a name on the server.

        Args:
            name: The name.
        """
        return name[len(self._prefix) :].decode("utf-8", "surrogatepass")

    def forget(self, key: str) -> None:
        """Drop what is being made for a key: that is of the time before.

        Args:
            key: The key.
        """
        self.flights.pop(key, None)

    def wants(self, key: str, flight: Flight) -> bool:
        """Say whether what was made is still wanted: nobody deleted or set it meanwhile.

        Args:
            key: The key.
            flight: The making of it.
        """
        return self.flights.get(key) is flight

    def land(self, key: str, flight: Flight) -> None:
        """Let nobody wait for what was made any more.

        Args:
            key: The key.
            flight: The making of it.
        """
        if self.flights.get(key) is flight:
            del self.flights[key]
