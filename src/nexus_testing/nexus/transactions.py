"""Transactions: writes that become visible together, or not at all."""

from __future__ import annotations

import asyncio
from collections import ChainMap
from typing import TYPE_CHECKING, Any

from ..calls import awaited
from ..errors import TransactionError
from ..locations import caller
from .context import who
from .keyspace import MISSING
from .values import loaded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from ..fakes.documents import Snapshot
    from ..locations import Location
    from .database import MemoryDatabase
    from .keyspace import Keyspace

__all__ = ("TransactionContext",)


class _View:
    """What a transaction wrote, on top of what those around it wrote, what it sees below, and how far it is."""

    __slots__ = ("begun", "begun_at", "ended", "ended_at", "outer", "snapshot", "task", "writes")

    def __init__(self, outer: _View | None) -> None:
        self.outer = outer
        self.writes: ChainMap[str, Any] = outer.writes.new_child() if outer is not None else ChainMap()
        self.snapshot: Snapshot | None = outer.snapshot if outer is not None else None
        self.task: asyncio.Task[Any] | None = None
        self.begun = False
        self.begun_at: Location | None = None
        self.ended = ""
        self.ended_at: Location | None = None

    def check(self) -> None:
        """Refuse to be used before the block, or after the end of this or of one around it."""
        if not self.begun:
            raise TransactionError(
                "A transaction is used before its block is entered.",
                where=caller(),
                fix="async with self.db.transaction() as tx:",
                plugin=who(),
            )
        if self.ended:
            raise TransactionError(
                f"A transaction is used after it was {self.ended}.",
                where=caller(),
                why=f"it was {self.ended} at {self.ended_at}" if self.ended_at else "",
                fix="Do it before, or begin another one: async with self.db.transaction() as tx:",
                plugin=who(),
            )
        if self.task is not asyncio.current_task():
            raise TransactionError(
                "A transaction is used from another task than the one that began it.",
                where=caller(),
                why=f"it was begun at {self.begun_at}" if self.begun_at else "",
                fix="Await what it does in the task of its block, or begin a transaction in each task.",
                plugin=who(),
            )
        if self.outer is not None:
            self.outer.check()

    def begin(self, keyspace: Keyspace) -> None:
        """Remember this moment, which is what is seen from now on."""
        self.begun = True
        self.begun_at = caller()
        self.task = asyncio.current_task()
        if self.outer is None:
            self.snapshot = keyspace.documents.history.snapshot(self.begun_at)

    def end(self, how: str) -> None:
        """Remember how it ended, and where."""
        self.ended = how
        self.ended_at = caller()
        if self.outer is None and self.snapshot is not None:
            self.snapshot.close()


class TransactionContext:
    """Reads and writes of one `async with` block. Nobody else sees its writes before they are committed.

    Leaving the block commits; an exception that leaves it rolls back. After an explicit `commit` or `rollback`,
    leaving it does nothing.

    Args:
        database: What is read and written.
        outer: What the transaction around this one sees, if it is a part of one.
    """

    def __init__(self, database: MemoryDatabase, outer: _View | None = None) -> None:
        self._database = database
        self._keyspace = database.keyspace
        self._view = _View(outer)

    async def __aenter__(self) -> Self:
        if self._view.begun:
            raise TransactionError(
                "A transaction cannot be begun a second time.",
                where=caller(),
                fix="Make another one: async with self.db.transaction() as tx:",
                plugin=who(),
            )
        self._database.check()
        if self._view.outer is not None:
            self._view.outer.check()
        async with self._database.exchange():
            self._view.begin(self._keyspace)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._view.ended:
            return
        if error is not None:
            self._view.end("rolled back")
            return
        try:
            await self._commit()
        except BaseException:
            self._view.end("rolled back")
            raise

    # -- reading and writing -------------------------------------------------------------------------------------

    @awaited
    async def get(self, key: str, default: Any = None) -> Any:
        """Return what this transaction sees under a key, as a copy, or *default*.

        Args:
            key: The key.
            default: What to return if there is nothing.

        Raises:
            TransactionError: If the transaction is over.
        """
        value = await self._seen("get", key)
        return loaded(value) if value is not MISSING else default

    @awaited
    async def exists(self, key: str) -> bool:
        """Say whether this transaction sees anything under a key.

        Args:
            key: The key.

        Raises:
            TransactionError: If the transaction is over.
        """
        return await self._seen("exists", key) is not MISSING

    @awaited
    async def set(self, key: str, value: Any) -> None:
        """Write a value, whole.

        Args:
            key: The key.
            value: The value; copied.

        Raises:
            DataError: If it cannot be stored.
            TransactionError: If the transaction is over.
        """
        self._view.check()
        async with self._database.asked("set", key, write=False):
            self._view.check()
            self._view.writes[key] = self._keyspace.taken(key, value)

    @awaited
    async def update(self, key: str, fields: Mapping[str, Any]) -> None:
        """Write some fields of what this transaction sees under a key; the others stay.

        Args:
            key: The key.
            fields: The fields; a whole document is as good.

        Raises:
            DataError: If there is no document under the key, or a field cannot be stored.
            TransactionError: If the transaction is over.
        """
        self._view.check()
        async with self._database.asked("update", key, write=False):
            self._view.check()
            self._view.writes[key] = self._keyspace.merged(key, self._look(key), fields)

    @awaited
    async def delete(self, key: str) -> None:
        """Delete what is under a key; nothing happens if nothing is.

        Args:
            key: The key.

        Raises:
            TransactionError: If the transaction is over.
        """
        self._view.check()
        async with self._database.asked("delete", key, write=False) as question:
            self._view.check()
            question.found = self._look(key) is not MISSING
            self._view.writes[key] = MISSING

    def transaction(self) -> TransactionContext:
        """Return a part of this transaction that can be rolled back by itself: a savepoint.

        Raises:
            TransactionError: If the transaction is over.
        """
        self._view.check()
        return TransactionContext(self._database, self._view)

    # -- ending --------------------------------------------------------------------------------------------------

    @awaited
    async def commit(self) -> None:
        """Make all writes visible at once.

        Raises:
            DataError: If one of them cannot be made; then none is.
            TransactionError: If the transaction is over, or somebody else wrote what it writes.
        """
        await self._commit()

    @awaited
    async def rollback(self) -> None:
        """Forget all writes.

        Raises:
            TransactionError: If the transaction is over.
        """
        self._view.check()
        async with self._database.asked("rollback", ""):
            self._view.end("rolled back")

    async def _commit(self) -> None:
        self._view.check()
        async with self._database.asked("commit", "", write=self._view.outer is None):
            self._view.check()
            if self._view.outer is not None:
                self._view.outer.writes.update(self._view.writes.maps[0])
            else:
                self._check_conflicts()
                self._keyspace.write_together(self._view.writes.maps[0])
        self._view.end("committed")

    # -- inside --------------------------------------------------------------------------------------------------

    async def _seen(self, operation: str, key: str) -> Any:
        self._view.check()
        async with self._database.asked(operation, key) as question:
            self._view.check()
            value = self._look(key)
            question.found = value is not MISSING
            return value

    def _look(self, key: str) -> Any:
        view = self._view
        if key in view.writes:
            return view.writes[key]
        return self._keyspace.read(key, view.snapshot)

    def _check_conflicts(self) -> None:
        for key in self._view.writes:
            if self._keyspace.read(key) != self._keyspace.read(key, self._view.snapshot):
                raise TransactionError(
                    f"The transaction cannot be committed: somebody else wrote {key!r} since it began.",
                    where=caller(),
                    why="one of the two writes would be lost",
                    fix="Run the transaction again from its start.",
                    plugin=who(),
                )
