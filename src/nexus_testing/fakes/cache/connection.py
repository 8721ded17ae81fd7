"""The connections of clients, with what fakeredis does wrong done right."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

from fakeredis import _msgs as msgs
from fakeredis._command_args_parsing import Timeout
from fakeredis._commands import Signature
from fakeredis._core import CommandItem
from fakeredis._helpers import SimpleError, SimpleString, casematch
from fakeredis.aioredis import AsyncFakeSocket, FakeAsyncRedisConnection, FakeReader, FakeWriter

from .upstream import BLMOVE, XREADGROUP

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Connection",)

_MOVE: Any = Signature("blmove", "move_when_filled", (bytes, bytes, SimpleString, SimpleString, Timeout))  # type: ignore[arg-type]  # any number of them


class Socket(AsyncFakeSocket):
    """One connection's end at the server."""

    _server: Any  # our own, which fakeredis knows as its
    _waiting: asyncio.Task[Any] | None = None
    _hung_up = False

    # -- time ----------------------------------------------------------------------------------------------------

    def time(self) -> list[bytes]:
        """Return the clock's time."""
        seconds, microseconds = divmod(round(self._server.now() * 1_000_000), 1_000_000)
        return [b"%d" % seconds, b"%d" % microseconds]

    def _subscribe(self, *args: Any) -> Any:
        answer = super()._subscribe(*args)
        self._server.look_later()
        return answer

    # -- commands that wait --------------------------------------------------------------------------------------

    def _blocking(self, timeout: float | None, func: Callable[[bool], Any], shape: Any = None) -> Any:
        if XREADGROUP in self._server.bugs and getattr(func, "func", None) == self._xreadgroup:
            # What it finds the first time is dropped, and nothing at all is taken for an answer.
            read = func

            def func(_first: bool) -> Any:  # noqa: FBT001 - the signature is fakeredis'
                return read(False) or None  # noqa: FBT003

        return super()._blocking(timeout, func, shape)

    async def _async_blocking(self, limit: float | None, func: Any, event: Any, callback: Any, *rest: Any) -> None:
        self._waiting = asyncio.current_task()
        try:
            await super()._async_blocking(limit, func, event, callback, *rest)
        finally:
            self._waiting = None
            if self._hung_up:
                self.close()

    def hang_up(self) -> None:
        """End the connection, and what still waits for it."""
        self._hung_up = True
        if self._waiting is not None:
            self._waiting.cancel()
        elif not self._blocked:
            self.close()

    def _name_to_func(self, cmd_name: str) -> Any:
        if cmd_name == "blmove" and BLMOVE in self._server.bugs:
            return self.move_when_filled, _MOVE
        return super()._name_to_func(cmd_name)

    def move_when_filled(self, source: bytes, target: bytes, end: bytes, other_end: bytes, timeout: float) -> Any:
        """Move an element from one list to another as soon as there is one: BLMOVE."""
        for one in (end, other_end):
            if not casematch(one, b"left") and not casematch(one, b"right"):
                raise SimpleError(msgs.SYNTAX_ERROR_MSG)
        return self._blocking(timeout, functools.partial(self._move, source, target, end, other_end))

    def _move(self, source: bytes, target: bytes, end: bytes, other_end: bytes, first: bool) -> Any:  # noqa: FBT001
        taken = CommandItem(source, self._db, item=self._db.get(source))
        given = taken if source == target else CommandItem(target, self._db, item=self._db.get(target))
        for item in (taken, given):
            if item.value is not None and not isinstance(item.value, list):
                if item is taken and not first:
                    return None
                raise SimpleError(msgs.WRONGTYPE_MSG)
        if not taken.value:
            return None
        element = taken.value.pop(0 if casematch(end, b"left") else -1)
        elements = given.value or []
        elements.insert(0 if casematch(other_end, b"left") else len(elements), element)
        given.update(elements)
        taken.updated()
        for item in {id(item): item for item in (taken, given)}.values():
            item.writeback()
        return element


class Connection(FakeAsyncRedisConnection):
    """A connection of a client."""

    _sock: Any

    async def _connect(self) -> None:
        server: Any = self._server
        if not server.connected:
            raise self._connection_error_class(msgs.CONNECTION_ERROR_MSG)
        self._sock = Socket(
            server,
            self.db,
            client_class=self._client_class,
            lua_modules=self._lua_modules,
            client_info=self._client_info,
        )
        self._reader = FakeReader(self._sock)
        self._writer = FakeWriter(self._sock)

    async def disconnect(self, *args: Any, **options: Any) -> None:
        """Close the connection, and what waits at the server for it.

        Args:
            args: As redis.asyncio's.
            options: As redis.asyncio's.
        """
        socket = self._sock
        await super().disconnect(*args, **options)
        if socket is not None:
            socket.hang_up()
