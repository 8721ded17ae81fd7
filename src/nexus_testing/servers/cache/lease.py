"""One database of a Redis server, for one app alone.

The database that the URL names keeps the register: which of those after it is whose. A database is its owner's as long
as the connection lasts that has the owner's name; what a process left behind that was killed is emptied by whoever
comes next. A database that holds anything and stands in no register is somebody else's, and is not touched.
"""

from __future__ import annotations

import os
import secrets
import socket
from typing import TYPE_CHECKING, Any

from ...errors import BackendUnavailable
from ...locations import caller
from .failures import FAILURES, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ("Lease",)

REGISTER = "nexus-testing:databases"

_TAKE = """
local first, me, dead = tonumber(ARGV[1]), ARGV[2], {}
for place = 3, #ARGV do dead[ARGV[place]] = true end
local owners, left = {}, 0
local listed = redis.call('hgetall', KEYS[1])
for place = 1, #listed, 2 do owners[tonumber(listed[place])] = listed[place + 1] left = left + 1 end
local taken, number = nil, first + 1
while left > 0 or not taken do
  local selected = redis.pcall('select', number)
  if type(selected) == 'table' and selected.err then break end
  local owner = owners[number]
  if owner then left = left - 1 end
  if owner and dead[owner] then
    redis.call('flushdb')
    redis.call('select', first)
    redis.call('hdel', KEYS[1], number)
    redis.call('select', number)
    owner = nil
  end
  if not owner and not taken and redis.call('dbsize') == 0 then taken = number end
  number = number + 1
end
redis.call('select', first)
if not taken then return {-1, number - first - 1} end
redis.call('hset', KEYS[1], taken, me)
return {taken, number - first - 1}
"""
_LEAVE = """
if redis.call('hget', KEYS[1], ARGV[2]) ~= ARGV[3] then return 0 end
redis.call('select', ARGV[2])
redis.call('flushdb')
redis.call('select', ARGV[1])
return redis.call('hdel', KEYS[1], ARGV[2])
"""
_KEEP = """
local kept = {}
for _, key in ipairs(redis.call('keys', '*')) do
  local at = redis.call('pexpiretime', key)
  kept[#kept + 1] = key
  kept[#kept + 1] = redis.call('dump', key)
  kept[#kept + 1] = string.format('%.0f', at)
end
return kept
"""
_PUT_BACK = """
redis.call('flushdb')
for place = 1, #ARGV, 3 do
  local at = ARGV[place + 2]
  if at == '-1' then redis.call('restore', ARGV[place], 0, ARGV[place + 1])
  else redis.call('restore', ARGV[place], at, ARGV[place + 1], 'absttl') end
end
"""


class Lease:
    """A database of one's own, from `take` to `leave`. Asks the server at once, without an event loop.

    Args:
        options: What a connection of redis takes: host, port, password and so on.
        cls: The class of connections.
        address: The server's address, for messages.
    """

    def __init__(self, options: Mapping[str, Any], cls: type[Any], address: str) -> None:
        self._address = address
        self._first = int(options.get("db", 0))
        self._me = f"nexus-testing:{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}"
        self._made_at = caller()
        self._connection: Any = None
        self._cls = cls
        self._options = {**options, "db": self._first, "client_name": self._me.replace(" ", "-")}
        self.number = -1
        """The number of the database; -1 before it is taken."""

    def take(self) -> None:
        """Connect, empty what dead processes left behind, and take a database.

        Raises:
            BackendUnavailable: If the server cannot be reached or used, or has no database that is free.
        """
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        try:
            self._connection = self._cls(retry=Retry(NoBackoff(), 0), **self._options)
            self._connection.connect()
        except FAILURES as error:
            self._connection = None
            raise unavailable(error, self._address, self._made_at) from error
        owners = set(self.command("HVALS", REGISTER))
        # In this order: an owner is connected before it is registered, so who is registered and not connected is dead.
        dead = owners - self._connected() if owners else set()
        number, there = self._script(_TAKE, self._first, self._me, *dead, keys=[REGISTER])
        if number < 0:
            self._disconnect()
            raise BackendUnavailable(
                f"The Redis at {self._address} has no database free for this app.",
                address=self._address,
                key="cache.url",
                where=caller() or self._made_at,
                why=f"after number {self._first} it has {there}, and each is another app's or holds other data",
                fix="Start it with more (redis-server --databases 64), run fewer workers, or name a lower number "
                "in the URL.",
            )
        self.number = number
        self.command("SELECT", number)

    def _connected(self) -> set[bytes]:
        listed: bytes = self.command("CLIENT", "LIST")
        return {word[5:] for word in listed.split() if word.startswith(b"name=nexus-testing:")}

    def command(self, *words: Any) -> Any:
        """Run a command in the database and return the server's answer.

        Args:
            words: The command and its arguments.

        Raises:
            BackendUnavailable: If the server has gone away.
        """
        connection = self._connection
        if connection is None:
            raise unavailable(ConnectionError("the connection was lost before"), self._address, self._made_at)
        try:
            connection.send_command(*words, check_health=False)
            return connection.read_response(disable_decoding=True)
        except FAILURES as error:
            # Never again: another one would be in another database, and this one may be somebody else's by now.
            self._disconnect()
            raise unavailable(error, self._address, self._made_at) from error

    def script(self, text: str, *values: Any) -> Any:
        """Run a script in the database and return the server's answer.

        Args:
            text: The script.
            values: Its arguments.

        Raises:
            BackendUnavailable: If the server has gone away.
        """
        return self._script(text, *values)

    def _script(self, text: str, *values: Any, keys: Iterable[str] = ()) -> Any:
        keys = list(keys)
        return self.command("EVAL", text, len(keys), *keys, *values)

    def keep(self) -> list[bytes]:
        """Return everything that is in the database: key, value and deadline by turns."""
        kept: list[bytes] = self.script(_KEEP)
        return kept

    def put_back(self, kept: list[bytes]) -> None:
        """Have the database hold that and nothing else.

        Args:
            kept: What `keep` returned.
        """
        self.script(_PUT_BACK, *kept)

    def leave(self) -> None:
        """Empty the database, let others take it, and disconnect. The second time does nothing.

        Raises:
            BackendUnavailable: If the server has gone away.
        """
        if self._connection is None:
            return
        try:
            self.command("SELECT", self._first)
            self._script(_LEAVE, self._first, self.number, self._me, keys=[REGISTER])
        finally:
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
