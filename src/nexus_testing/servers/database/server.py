"""What all SQL databases do alike: one connection, a revision, and entries that are read and written together."""

from __future__ import annotations

import abc
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import bindparam, delete, insert, select

from ...locations import caller
from .entries import Entry, Key
from .failures import FAILURES, OtherVersion, Symptom, unavailable
from .tables import VERSION, Tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from ...errors import BackendUnavailable

__all__ = ("SqlServer",)


class SqlServer(abc.ABC):
    """A SQL database with the tables of one app, behind one connection.

    Its methods raise what drivers raise; `refusal` makes an error of ours of that.

    Args:
        address: Where it is, without a password.
    """

    name: ClassVar[str]
    """Which kind of database it is, for messages."""
    kind: ClassVar[str]
    """The same, as the configuration says it."""
    key: ClassVar[str]
    """What configures it."""
    failures: ClassVar[tuple[type[Exception], ...]] = FAILURES
    """What says that the database cannot be used."""
    symptoms: ClassVar[Sequence[Symptom]]
    _begin: ClassVar[str]

    def __init__(self, address: str) -> None:
        self.address = address
        self._made_at = caller()
        self._engine: AsyncEngine | None = None
        self._connection: AsyncConnection | None = None
        self._tables = Tables()

    @abc.abstractmethod
    def _made(self) -> AsyncEngine:
        """Return what connects."""

    @abc.abstractmethod
    async def _prepare(self, connection: AsyncConnection) -> None:
        """Make the tables, unless they are there."""

    @abc.abstractmethod
    async def _clean(self, connection: AsyncConnection) -> None:
        """Leave the database as it is to be found."""

    @abc.abstractmethod
    def _left(self) -> None:
        """Do what is to be done once the connection is closed."""

    # -- its life ------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect, and make the tables unless they are there."""
        self._engine = self._made()
        try:
            connection = await self._engine.connect()
            # Transactions are begun and ended in so many words: each driver has ideas of its own of when to begin one.
            self._connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await self._prepare(self._connection)
        except BaseException:
            await self._close()
            raise

    async def close(self) -> None:
        """Leave nothing behind and disconnect. The second time does nothing."""
        try:
            if self._connection is not None and not self._connection.invalidated:
                await self._clean(self._connection)
        finally:
            await self._close()

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        engine, self._engine = self._engine, None
        try:
            if connection is not None:
                with suppress(*self.failures):
                    await connection.close()
        finally:
            if engine is not None:
                await engine.dispose()
            self._left()

    def refusal(self, error: BaseException) -> BackendUnavailable:
        """Return the error to raise for what a driver raised.

        Args:
            error: What it raised.
        """
        return unavailable(error, self.name, self.symptoms, where=self._made_at, address=self.address, key=self.key)

    # -- asking --------------------------------------------------------------------------------------------------

    @property
    def _on(self) -> AsyncConnection:
        # SQLAlchemy would connect again, and whoever connects again is somebody else.
        if self._connection is None or self._connection.invalidated:
            msg = "the connection was lost before"
            raise ConnectionError(msg)
        return self._connection

    async def revision(self) -> int:
        """Return a number that is another one as soon as anybody wrote anything."""
        found: int = (await self._on.execute(select(self._tables.state.c.revision))).scalar_one()
        return found

    async def begin(self) -> int:
        """Begin a transaction in which nobody else writes, and return the revision."""
        await self._on.exec_driver_sql(self._begin)
        found: int = (
            await self._on.execute(select(self._tables.state.c.revision).with_for_update())  # SQLite leaves it out
        ).scalar_one()
        return found

    async def load(self) -> list[Entry]:
        """Return all entries, in the order of their places."""
        rows = await self._on.execute(select(self._tables.entries).order_by(self._tables.entries.c.place))
        return [
            Entry(Key(kind, collection, id_), place, derived, body)
            for kind, collection, id_, place, derived, body in rows
        ]

    async def write(self, entries: Iterable[Entry], gone: Iterable[Key]) -> None:
        """Write entries, and delete others.

        Args:
            entries: What to write, in place of what stands there.
            gone: Where to delete.
        """
        table = self._tables.entries
        removed = [one._asdict() for one in gone]
        written = [
            {**one.key._asdict(), "place": one.place, "derived": one.derived, "body": one.body} for one in entries
        ]
        # What was there is replaced: its place may be another one.
        replaced = removed + [{name: one[name] for name in Key._fields} for one in written]
        if replaced:
            here = [table.c[name] == bindparam(f"the_{name}") for name in Key._fields]
            await self._on.execute(
                delete(table).where(*here),
                [{f"the_{name}": value for name, value in one.items()} for one in replaced],
            )
        if written:
            await self._on.execute(insert(table), written)

    async def commit(self) -> int:
        """End the transaction, with all that was written; return the revision."""
        found = await self.revision()
        await self._on.exec_driver_sql("COMMIT")
        return found

    async def rollback(self) -> None:
        """End the transaction, with nothing that was written."""
        if self._connection is not None and not self._connection.invalidated:
            with suppress(*self.failures):
                await self._connection.exec_driver_sql("ROLLBACK")

    # -- inside --------------------------------------------------------------------------------------------------

    async def _make_tables(self, connection: AsyncConnection, *more: str) -> None:
        await connection.run_sync(self._tables.metadata.create_all, checkfirst=False)
        await connection.execute(insert(self._tables.state), {"version": VERSION, "revision": 0})
        for statement in more:
            await connection.exec_driver_sql(statement)

    async def _check_version(self, connection: AsyncConnection) -> None:
        found: Any = (await connection.execute(select(self._tables.state.c.version))).scalar_one_or_none()
        if found != VERSION:
            msg = f"its tables have the version {found}, and this nexus-testing has tables of the version {VERSION}"
            raise OtherVersion(msg)
