"""SQLite: a file that stays, a file of the app's own, or the memory of this process."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import aiosqlite
from sqlalchemy import NullPool, inspect
from sqlalchemy.ext.asyncio import create_async_engine

from .server import SqlServer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from threading import Thread

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from .failures import Symptom

__all__ = ("SqliteServer",)

_SECONDS = 10
"""How long to wait while another process writes to the file."""

_TRIGGERS = tuple(
    f"CREATE TRIGGER nexus_{event} AFTER {event} ON nexus_entries "  # noqa: S608 - the words below
    "BEGIN UPDATE nexus_state SET revision = revision + 1; END"
    for event in ("INSERT", "UPDATE", "DELETE")
)


class SqliteServer(SqlServer):
    """A SQLite database.

    Args:
        path: Its file, which stays and may be there; `:memory:` for none; None for one that is deleted at the end.
    """

    name = "SQLite"
    kind = "sqlite"
    key = "database.path"
    _begin = "BEGIN IMMEDIATE"
    symptoms: ClassVar[Sequence[Symptom]] = (
        ("unable to open", "cannot be opened", "Make its folder, or name another path."),
        ("readonly", "can only be read", "Let this user write the file and its folder, or name another path."),
        ("not a database", "is no database", "Name another path, or delete the file."),
        ("malformed", "is damaged", "Delete the file: the next app makes it anew."),
        ("OtherVersion", "has tables of another version", "Delete the file: the next app makes it anew."),
        ("Damaged", "holds what is not ours", "Delete the file: the next app makes it anew."),
        ("no such", "has tables that are not ours", "Name a file of the tests' own."),
        ("locked", "is being written by somebody else", "Give each process a file of its own: tmp_path / 'x.db'."),
        ("full", "has no room left", "Make room on the disk."),
        ("", "cannot be used", "Name a file that this process can write."),
    )

    def __init__(self, path: str | Path | None = None) -> None:
        self._path = str(path) if path is not None else None
        self._folder: str | None = None
        self._thread: Thread | None = None
        super().__init__(self._path or "a file of the app's own")

    def _made(self) -> AsyncEngine:
        path = self._path
        if path is None:
            self._folder = tempfile.mkdtemp(prefix="nexus-sqlite-")
            path = self.address = str(Path(self._folder, "app.db"))

        async def connect() -> aiosqlite.Connection:
            connection: Any = aiosqlite.connect(path, timeout=_SECONDS)
            # An attribute since aiosqlite 0.22, and the connection itself before.
            self._thread = getattr(connection, "_thread", connection)
            self._thread.daemon = True
            opened: aiosqlite.Connection = await connection
            return opened

        return create_async_engine("sqlite+aiosqlite://", poolclass=NullPool, async_creator=connect)

    async def _prepare(self, connection: AsyncConnection) -> None:
        # Tests need no file that survives a power failure.
        await connection.exec_driver_sql("PRAGMA synchronous = OFF")
        await connection.exec_driver_sql(self._begin)
        try:
            if await connection.run_sync(lambda sync: inspect(sync).has_table(self._tables.state.name)):
                await self._check_version(connection)
            else:
                await self._make_tables(connection, *_TRIGGERS)
            await connection.exec_driver_sql("COMMIT")
        except BaseException:
            await self.rollback()
            raise

    async def _clean(self, connection: AsyncConnection) -> None:
        """Leave the file as it is: it stays, or goes as a whole."""

    def _left(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            # It has been told to end: whoever looks for threads is not to see it, and its last word needs the loop.
            thread.join(_SECONDS)
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
