"""A real database under what stands in memory: asked before each answer, and told before each answer is given."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from bson.errors import BSONError

from ..errors import DataError
from ..locations import caller
from ..servers.database import Damaged
from .mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from ..servers.database import SqlServer
    from .database import MemoryDatabase

__all__ = ("Backing",)


class Backing:
    """Keeps one app's data on a real database. From `connect` to `close`.

    Whoever asks anything does it in a block of `exchange`. At its start the database is asked whether anybody else
    wrote, and if so, for what; what is written in the block is written there, in one transaction, before it ends.

    Args:
        server: The real database.
        database: What plugins ask.
    """

    def __init__(self, server: SqlServer, database: MemoryDatabase) -> None:
        self.kind = server.kind
        self._server = server
        self._clock = database.clock
        self._mirror = Mirror(database)
        self._lock = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def connect(self) -> None:
        """Connect, and read what is there. The second time does nothing.

        Raises:
            BackendUnavailable: If the database cannot be reached or used.
        """
        if self._loop is not None:
            return
        with self._clock.external():
            self._raise(await _whole(self._server.connect()))
        self._loop = asyncio.get_running_loop()
        async with self.exchange():
            pass

    async def close(self) -> None:
        """Write what was not written yet, and disconnect. The second time does nothing.

        Raises:
            BackendUnavailable: If the database has gone away.
        """
        if self._loop is None:
            return
        try:
            if self._mirror.revision >= 0:
                async with self.exchange(write=True):
                    pass
        finally:
            self._loop = None
            with self._clock.external():
                self._raise(await _whole(self._server.close()))

    @asynccontextmanager
    async def exchange(self, *, write: bool = False) -> AsyncIterator[None]:
        """Return a block in which memory holds what the database holds. Nothing may be awaited in it.

        Args:
            write: Whether anything may be written, so that nobody else may meanwhile.

        Raises:
            BackendUnavailable: If the database has gone away or can no longer be used.
            DataError: If something cannot be kept there, or is asked from another event loop.
        """
        self._check_loop()
        async with self._lock:
            with self._clock.external():
                write = write or self._mirror.pending
                self._raise(await _whole(self._begin(write=write)))
                try:
                    yield
                finally:
                    self._raise(await _whole(self._end(write=write)))

    async def _begin(self, *, write: bool) -> None:
        mirror, server = self._mirror, self._server
        try:
            revision = await (server.begin() if write else server.revision())
            if revision != mirror.revision:
                entries = await server.load()
                try:
                    mirror.take(entries, revision)
                except (BSONError, LookupError, TypeError, ValueError) as error:
                    raise Damaged(str(error)) from error
        except BaseException:
            mirror.revision = -1
            if write:
                await server.rollback()
            raise

    async def _end(self, *, write: bool) -> None:
        mirror, server = self._mirror, self._server
        try:
            changes = mirror.changes() if write or mirror.pending else None
            known = mirror.revision
            if changes and not write:
                # Such as what expired, or what schemas declared: it is written whoever else wrote in between.
                write = True
                if await server.begin() != known:
                    known = -1
            if changes:
                await server.write([held.entry for held in changes.written.values()], changes.gone.values())
                revision = await server.commit()
                mirror.accept(changes, revision if known >= 0 else -1)
            elif write:
                await server.commit()
        except BaseException:
            if write:
                await server.rollback()
            mirror.undo()
            mirror.revision = -1
            raise

    def _raise(self, error: Exception | None) -> None:
        if isinstance(error, self._server.failures):
            raise self._server.refusal(error) from error
        if error is not None:
            raise error

    def _check_loop(self) -> None:
        if self._loop is None:
            raise DataError(
                "The database is closed.",
                where=caller(),
                why="an app connects it when it starts, before plugins are loaded, and closes it at its end",
                fix="Use it while the app is up.",
            )
        if self._loop is not asyncio.get_running_loop():
            raise DataError(
                f"The {self._server.name} database is asked from another event loop than the app's own.",
                where=caller(),
                why="its connection belongs to one loop",
                fix="Ask from the app's loop: with the fixture test_client, not a client in a thread of its own.",
            )


async def _whole(work: Coroutine[Any, Any, object]) -> Exception | None:
    """Do something to its end, whoever cancels it meanwhile: half a conversation would leave the connection useless.

    Returns:
        What it raised. Thrown from here, it would reach its reader past the lines that lead to it.
    """
    task = asyncio.ensure_future(_caught(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _caught(work: Coroutine[Any, Any, object]) -> Exception | None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 - whoever waits raises it
        return error
    return None
