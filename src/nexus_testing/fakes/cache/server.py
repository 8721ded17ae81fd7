"""The server that fakeredis plays, on the app's clock."""

from __future__ import annotations

import asyncio
import copy
import heapq
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from fakeredis._core import FakeServer
from fakeredis._core._database import Database
from fakeredis._helpers import compile_pattern
from fakeredis._socket._fakesocket import FakeSocket
from fakeredis.aioredis import FakeRedis
from redis.asyncio import Redis

from .connection import Connection
from .upstream import bugs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


__all__ = ("Server", "Session")

VERSION = (7,)
_SOONEST = 0.001
"""Seconds until a second look at a key that was not due at the first."""


class Server(FakeServer):
    """The keys of one app.

    Args:
        now: Returns the seconds since the epoch.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(version=VERSION)
        self.now = now
        self.bugs = bugs()
        self.dbs: defaultdict[int, Database] = _Databases(self)
        self._timer: asyncio.TimerHandle | None = None

    def session(self) -> Session:
        """Return what runs commands at once."""
        return Session(self)

    def client(self, **options: Any) -> Redis:
        """Return a client.

        Args:
            options: What redis.asyncio's takes.
        """
        client: Redis = FakeRedis(server=self, version=VERSION, connection_class=Connection, **options)
        return client

    @property
    def watched(self) -> bool:
        """Whether anybody listens to channels."""
        return bool(self.subscribers or self.psubscribers)

    def announce(self, number: int, key: bytes) -> None:
        """Tell those who listen that a key expired.

        Args:
            number: The number of its database.
            key: The key.
        """
        if self.watched:
            self._publish(b"__keyspace@%d__:%s" % (number, key), b"expired")
            self._publish(b"__keyevent@%d__:expired" % number, key)

    def _publish(self, channel: bytes, message: bytes) -> None:
        for socket in list(self.subscribers.get(channel, ())):
            socket.put_response([b"message", channel, message])
        for pattern, sockets in list(self.psubscribers.items()):
            if compile_pattern(pattern).match(channel):
                for socket in list(sockets):
                    socket.put_response([b"pmessage", pattern, channel, message])

    def look_later(self, soonest: float = 0.0) -> None:
        """Look for keys that expire when the next one is due, if anybody would hear of it.

        Args:
            soonest: Seconds to wait at least.
        """
        if not self.watched:
            return
        deadlines = [db._expiry_heap[0][0] for db in self.dbs.values() if db._expiry_heap]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadlines:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(soonest, min(deadlines) - self.now()), self._look)

    def _look(self) -> None:
        self._timer = None
        for db in list(self.dbs.values()):
            db._remove_expired()
        self.look_later(_SOONEST)

    def keys(self) -> dict[int, dict[bytes, Any]]:
        """Return a copy of what stands under every key, by the number of its database."""
        return {number: copy.deepcopy(db._dict) for number, db in self.dbs.items() if db._dict}

    def become(self, keys: Mapping[int, Mapping[bytes, Any]]) -> None:
        """Hold these keys and no others.

        Args:
            keys: What `keys` returned.
        """
        with self.lock:
            for number, db in self.dbs.items():
                if db._dict:
                    db.clear()
                for key, item in keys.get(number, {}).items():
                    db[key] = copy.deepcopy(item)

    def close(self) -> None:
        """Look no more and refuse whoever still asks."""
        self.connected = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Databases(defaultdict[int, Database]):
    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server

    def __missing__(self, number: int) -> Database:
        made = self[number] = _Database(self._server, number)
        return made


class _Database(Database):
    """The keys of one number. A key is gone at its deadline, since a clock that is set stops exactly there."""

    def __init__(self, server: Server, number: int) -> None:
        self._server = server
        self._number = number
        super().__init__(server.lock)

    @property
    def time(self) -> float:
        """The clock's time."""
        return self._server.now()

    @time.setter
    def time(self, _: float) -> None:
        pass

    def expired(self, item: Any) -> bool:
        """Say whether a key's time is up.

        Args:
            item: What is under it.
        """
        return item.expireat is not None and item.expireat <= self.time

    def schedule_expiry(self, key: bytes, expireat: float | None) -> None:
        """Remember when a key expires.

        Args:
            key: The key.
            expireat: When, in seconds since the epoch.
        """
        super().schedule_expiry(key, expireat)
        if expireat is not None:
            self._server.look_later()

    def _remove_expired(self) -> None:
        heap = self._expiry_heap
        now = self.time
        while heap and heap[0][0] <= now:
            key = heapq.heappop(heap)[1]
            item = self._dict.get(key)
            if item is not None and self.expired(item):
                self._expire(key)

    def _expire(self, key: bytes) -> None:
        del self._dict[key]
        self._server.announce(self._number, key)

    def __getitem__(self, key: bytes) -> Any:
        item = self._dict[key]
        if self.expired(item):
            self._expire(key)
            raise KeyError(key)
        return item


class Session:
    """Runs commands on a server at once, without a client.

    Args:
        server: The server.
    """

    def __init__(self, server: Server) -> None:
        self._socket = FakeSocket(server, 0, client_class=Redis)

    def command(self, words: Iterable[bytes]) -> Any:
        """Run a command and return its answer.

        Args:
            words: The command and its arguments.

        Raises:
            ResponseError: If the server refuses it.
        """
        self._socket._process_command(list(words))
        responses = self._socket.responses
        assert responses is not None  # noqa: S101 - the socket is never closed
        answer = responses.get_nowait()
        if isinstance(answer, Exception):
            raise answer
        return answer
