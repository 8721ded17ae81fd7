"""Connections of clients to a real Redis: in one database, and on the app's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import DataError
from ...locations import caller

if TYPE_CHECKING:
    from .store import RedisServer

__all__ = ("Exchanging", "connection_class")

_ELSEWHERE = frozenset({"FLUSHALL", "MOVE", "SWAPDB"})
_WAITING = frozenset(
    {"BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "WAIT", "WAITAOF"}
)
_READING = frozenset({"XREAD", "XREADGROUP"})
_LISTENING = frozenset({"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR"})


class Exchanging:
    """What our connections do besides, on top of one of redis.asyncio's classes."""

    server: ClassVar[RedisServer]
    db: int
    _writer: Any
    _waits = False
    _listens = False
    _fd: int | None = None

    def pack_command(self, *words: Any) -> Any:
        """Return what is sent for a command.

        Raises:
            DataError: If it would reach what is no app's own, or cannot be told to a real server.
        """
        first = words[0].decode() if isinstance(words[0], bytes) else words[0]
        name = first.partition(" ")[0].upper()
        if name in _ELSEWHERE or (name == "SELECT" and int(words[1]) != self.db):
            raise DataError(
                f"A client of the app's cache cannot {name}.",
                where=caller(),
                why="the server has databases of other apps too, and one of them is this app's",
                fix="Empty the app's own with FLUSHDB, and use keys instead of databases.",
            )
        if name in _LISTENING:
            self._listens = True
        elif name in _WAITING or (name in _READING and any(_is_block(word) for word in words[1:])):
            self._waits = True
        self._speak(quietly=not (self._listens or self._waits))
        return super().pack_command(*self.server.words(name, words))  # type: ignore[misc]  # the other parent's

    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        """Send commands, once the keys are gone whose time is up."""
        self.server.purge()
        await super().send_packed_command(*args, **options)  # type: ignore[misc]

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Read an answer. Virtual time stands still meanwhile, unless the answer may be long in coming."""
        if self._listens:
            return self.server.channels.heard(await super().read_response(*args, **options))  # type: ignore[misc]
        if not self._waits:
            with self.server.clock.external():
                return await super().read_response(*args, **options)  # type: ignore[misc]
        try:
            return await super().read_response(*args, **options)  # type: ignore[misc]
        finally:
            self._waits = False
            self._speak(quietly=True)

    async def _connect(self) -> None:
        await super()._connect()  # type: ignore[misc]
        self._fd = self._writer.get_extra_info("socket").fileno()
        self._speak(quietly=True)

    async def disconnect(self, *args: Any, **options: Any) -> None:
        """Close the connection."""
        self._speak(quietly=False)
        self._fd = None
        self._waits = self._listens = False
        await super().disconnect(*args, **options)  # type: ignore[misc]

    def _speak(self, *, quietly: bool) -> None:
        """Say whether the clock need not watch the connection, since whoever awaits an answer stops it."""
        if self._fd is not None:
            self.server.clock.quiet(self._fd, on=quietly)


def _is_block(word: object) -> bool:
    text = word.decode("utf-8", "replace") if isinstance(word, bytes) else word
    return isinstance(text, str) and text.upper() == "BLOCK"


def connection_class(base: type[Any], server: RedisServer) -> type[Any]:
    """Return a class of connections to a server.

    Args:
        base: One of redis.asyncio's classes, which says how to connect.
        server: The server.
    """
    return type("Connection", (Exchanging, base), {"server": server})
