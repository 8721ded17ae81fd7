"""The database that plugins get as `self.db`: keys and values, documents, transactions, in memory or kept elsewhere."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection  # noqa: TC002 - FastAPI reads annotations

from ..calls import awaited
from ..clock import RealClock
from ..errors import BackendUnavailable, ConfigurationError, DataError
from ..fakes.documents import DocumentStore
from ..findings import find
from ..locations import caller
from ..records import Journal, Query
from .adapter import DatabaseAdapter, DatabaseHealth
from .context import who
from .database_server import server_of
from .guarded import GuardedCollection
from .keyspace import MISSING, Keyspace
from .queries import Queries, QueryLimit
from .transactions import TransactionContext
from .values import loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType
    from typing import Self

    from ..clock import Clock
    from .backing import Backing
    from .changes import Changes
    from .kernel import Kernel
    from .permissions import Permissions

__all__ = ("MemoryDatabase", "Question", "get_db")


_WRITING = frozenset({"clear", "commit", "delete", "set", "update"})


class Question:
    """One thing that the database is asked: lets others run first, and is recorded when it is answered."""

    __slots__ = ("_at", "_block", "_database", "_key", "_operation", "_started", "found")

    def __init__(
        self, database: MemoryDatabase, operation: str, key: str, block: AbstractAsyncContextManager[None] | None
    ) -> None:
        self._database = database
        self._operation = operation
        self._key = key
        self._block = block
        self.found = True

    async def __aenter__(self) -> Self:
        self._database.check(self._key)
        # A real database is never so quick that nobody else runs meanwhile: races between tasks must show.
        await asyncio.sleep(0)
        self._database.check(self._key)
        self._at = self._database.clock.time()
        self._started = time.perf_counter()
        if self._block is not None:
            try:
                await self._block.__aenter__()
            except BaseException as error:
                self._record(error)
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._block is not None:
                await self._block.__aexit__(kind, error, trace)
        except BaseException as failure:
            error = failure
            raise
        finally:
            self._record(error)

    def _record(self, error: BaseException | None) -> None:
        journal = self._database.journal
        journal.append(
            Query(
                journal.next_seq(),
                self._at,
                self._operation,
                self._key,
                self.found and error is None,
                who(),
                time.perf_counter() - self._started,
            )
        )


class MemoryDatabase(DatabaseAdapter):
    """A database in memory, or over a real one. Lives as long as its app; a disconnection loses nothing.

    Args:
        config: The app's section `database`: which real one, if any; `strict: False` takes values that BSON does not
            know.
        clock: What time stamps come from.
        journal: Where queries are recorded.
        kernel: The app that it belongs to, if any.

    Raises:
        ConfigurationError: If the section says something impossible.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        *,
        clock: Clock | None = None,
        journal: Journal | None = None,
        kernel: Kernel | None = None,
    ) -> None:
        self.clock: Clock = clock or RealClock()
        server = server_of(config, self.clock)
        strict = (config or {}).get("strict", True)
        if not isinstance(strict, bool):
            raise ConfigurationError(
                f"The database cannot be strict {strict!r}.", fix="config={'database': {'strict': False}}"
            )
        self.connected = False
        self.journal = journal if journal is not None else Journal()
        self.kernel = kernel
        self.migrations: dict[str, list[str]] = {}
        """The names of the migrations that were applied, in that order, by plugin."""
        self._scans: set[tuple[str, tuple[str, ...]]] = set()
        exchange = self.exchange if server is not None else None
        documents = DocumentStore(self.clock.time, self.check, self._note, self._report_scan, exchange)
        self.keyspace = Keyspace(strict=strict, documents=documents)
        self._backing: Backing | None = None
        if server is not None:
            from .backing import Backing

            self._backing = Backing(server, self)

    guard: Permissions | None = None
    """Who says what plugins may do, once there is one that may not do everything."""

    # -- connection ----------------------------------------------------------------------------------------------

    @awaited
    async def connect(self) -> None:
        """Begin to answer. The app does it before plugins are loaded.

        Raises:
            BackendUnavailable: If it is a real database that cannot be reached or used.
        """
        if self._backing is not None:
            await self._backing.connect()
        self.connected = True

    @awaited
    async def disconnect(self) -> None:
        """Stop answering. What is stored stays."""
        self.connected = False

    async def close(self) -> None:
        """Stop answering, for good. The app does it at its end; the second time does nothing."""
        self.connected = False
        if self._backing is not None:
            await self._backing.close()

    def exchange(self, write: bool = False) -> AbstractAsyncContextManager[None]:  # noqa: FBT001, FBT002 - one word
        """Return the block in which data is read, or written too. Nothing may be awaited in it.

        Args:
            write: Whether anything may be written.
        """
        return self._backing.exchange(write=write) if self._backing is not None else nullcontext()

    async def settle(self) -> None:
        """Have everything stand on the database that was written in memory."""
        if self._backing is not None and self.connected:
            async with self.exchange(write=True):
                pass

    @awaited
    async def health_check(self) -> DatabaseHealth:
        """Say whether the database answers: "status", "type", "connected", "total_keys"; true if it does."""
        kind = self._backing.kind if self._backing is not None else "memory"
        if not self.connected:
            return DatabaseHealth(status="disconnected", type=kind, connected=False, total_keys=0)
        try:
            async with self.exchange():
                total = len(self.keyspace.keys())
        except BackendUnavailable as error:
            return DatabaseHealth(status="unhealthy", type=kind, connected=False, total_keys=0, error=error.what)
        return DatabaseHealth(status="healthy", type=kind, connected=True, total_keys=total)

    def check(self, key: object = "") -> None:
        """Refuse what cannot be asked.

        Args:
            key: The key that it is about.

        Raises:
            DataError: If the database is not connected or the key is no string.
        """
        if not self.connected:
            raise DataError(
                "The database is not connected.",
                where=caller(),
                why="an app connects it when it starts, before plugins are loaded, and disconnects it at its end",
                fix="Start the app first, or without an app: await db.connect()",
                plugin=who(),
            )
        if not isinstance(key, str):
            raise DataError(
                f"{key!r} ({type(key).__name__}) is no key.",
                where=caller(),
                fix="Use a string, such as 'settings' or 'accounts.a'.",
                plugin=who(),
            )

    def asked(self, operation: str, key: str, *, write: bool | None = None) -> Question:
        """Return a question, to be entered around what answers it.

        Args:
            operation: What is asked.
            key: The key that it is about.
            write: Whether it writes at once; None for what its name says.

        Raises:
            PermissionDenied: If the plugin whose code asks may not.
        """
        if self.guard is not None:
            self.guard.check_query(operation)
        if self._backing is None:
            return Question(self, operation, key, None)
        writes = operation in _WRITING if write is None else write
        return Question(self, operation, key, self._backing.exchange(write=writes))

    # -- keys ----------------------------------------------------------------------------------------------------

    @awaited
    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value under a key as a copy, or *default*. The fields of documents are attributes too.

        Args:
            key: The key.
            default: What to return if there is nothing.
        """
        async with self.asked("get", key) as question:
            value = self.keyspace.read(key)
            question.found = value is not MISSING
            return loaded(value) if question.found else default

    @awaited
    async def set(self, key: str, value: Any) -> None:
        """Write a value, whole.

        Args:
            key: The key.
            value: The value; copied.

        Raises:
            DataError: If it cannot be stored under that key.
        """
        async with self.asked("set", key):
            self.keyspace.write(key, self.keyspace.taken(key, value))

    @awaited
    async def update(self, key: str, fields: Mapping[str, Any]) -> None:
        """Write some fields of what is under a key; the others stay.

        Args:
            key: The key.
            fields: The fields; a whole document is as good.

        Raises:
            DataError: If there is no document under the key, or a field cannot be stored.
        """
        async with self.asked("update", key):
            self.keyspace.write(key, self.keyspace.merged(key, self.keyspace.read(key), fields))

    @awaited
    async def delete(self, key: str) -> None:
        """Delete what is under a key; nothing happens if nothing is.

        Args:
            key: The key.
        """
        async with self.asked("delete", key) as question:
            question.found = self.keyspace.remove(key)

    @awaited
    async def exists(self, key: str) -> bool:
        """Say whether anything is under a key.

        Args:
            key: The key.
        """
        async with self.asked("exists", key) as question:
            question.found = self.keyspace.read(key) is not MISSING
            return question.found

    @awaited
    async def list_keys(self, pattern: str = "*") -> list[str]:
        """Return the keys that fit a pattern: plain ones first, then those of the documents of each collection.

        Args:
            pattern: `*` stands for any characters, `?` for one, nothing else is special; upper case matters.
        """
        async with self.asked("list_keys", pattern) as question:
            keys = self.keyspace.keys(pattern)
            question.found = bool(keys)
            return keys

    @awaited
    async def clear(self) -> None:
        """Delete every value and every document. Collections and indexes that schemas declared stay."""
        async with self.asked("clear", ""):
            self.keyspace.clear()

    # -- documents -----------------------------------------------------------------------------------------------

    def collection(self, name: str) -> Any:
        """Return a collection with the methods of Motor's, over the documents that keys reach too.

        Args:
            name: The collection's name.

        Raises:
            DataError: If the database is not connected or that is no name.
        """
        self.check()
        at = self.clock.time()
        started = time.perf_counter()
        collection = self.keyspace.collection(name)
        journal = self.journal
        journal.append(
            Query(
                journal.next_seq(),
                at,
                "collection",
                name,
                found=True,
                plugin=who(),
                duration=time.perf_counter() - started,
            )
        )
        return collection if self.guard is None else GuardedCollection(collection, self.guard)

    def _note(self, operation: str, name: str, found: bool, duration: float) -> None:  # noqa: FBT001 - the store's call
        journal = self.journal
        at = self.clock.time()
        journal.append(Query(journal.next_seq(), at, operation, name, found, who(), duration))

    def _report_scan(self, name: str, fields: tuple[str, ...]) -> None:
        if self.kernel is None or (name, fields) in self._scans:
            return
        where = caller()
        if where is not None and Path(where.file).name.startswith(("test_", "conftest")):
            # What a test asks for its own sake need not be quick.
            return
        self._scans.add((name, fields))
        shown = " and ".join(map(repr, fields))
        text = f"the collection {name!r} is searched by {shown}, and no index begins with that."
        self.kernel.report(find("NX701", text, plugin=who(), where=where))

    def report_unended(self) -> None:
        """Report the transactions that nobody ended."""
        if self.kernel is None:
            return
        for where in self.keyspace.documents.history.unended():
            text = "a transaction was begun and never ended, so what it wrote is nowhere."
            self.kernel.report(find("NX702", text, where=where))

    # -- queries -------------------------------------------------------------------------------------------------

    @property
    def queries(self) -> Queries:
        """What was asked so far, by whom and how long it took; its `counts` say how often each."""
        return Queries.among(self.journal.of(Query))

    def assert_max_queries(self, most: int) -> QueryLimit:
        """Return a block, to be entered by `with`, in which the database may be asked so often at most.

        Args:
            most: How often.

        Raises:
            ConfigurationError: If that is no number of times.
            QueryAssertionError: At the block's end, if it was asked more often; it lists what.
        """
        return QueryLimit(most, lambda: self.queries)

    def transaction(self) -> TransactionContext:
        """Return a transaction, to be entered by `async with`: its writes become visible together, or not at all."""
        return TransactionContext(self)

    def watch(self, plugin: str) -> Changes:
        """Watch what a plugin writes from now on.

        Args:
            plugin: The plugin's name.

        Returns:
            What takes it back: awaiting a call of it undoes everything; its method `keep` lets everything stand.
        """
        return self.keyspace.watch(plugin)

    async def apply_schema(self, plugin: str, schema: Mapping[str, Any], changes: Changes | None = None) -> Changes:
        """Declare the collections, indexes and initial documents of a plugin's schema.

        Args:
            plugin: Whose schema it is.
            schema: What its `get_database_schema` returned.
            changes: What `watch` returned, if the plugin is watched already.

        Returns:
            What takes it back, as that of `watch`; *changes* itself, if that is given.

        Raises:
            DataError: If the schema cannot be used; it names the part.
        """
        self.check()
        async with self.exchange(write=True):
            return self.keyspace.apply_schema(plugin, schema, changes)

    def checkpoint(self) -> tuple[Callable[[], None], Callable[[], None]]:
        """Return what puts everything back that is stored now, and what ends the remembering of what is replaced."""
        connected = self.connected
        migrations = {plugin: list(names) for plugin, names in self.migrations.items()}
        keyspace, close = self.keyspace.checkpoint()

        def go_back() -> None:
            self.connected = connected
            self.migrations = {plugin: list(names) for plugin, names in migrations.items()}
            keyspace()

        return go_back, close

    def __repr__(self) -> str:
        state = "connected" if self.connected else "not connected"
        return f"<{type(self).__name__}, {state}, {len(self.keyspace.plain)} plain keys>"


async def get_db(connection: HTTPConnection) -> MemoryDatabase:
    """Return the app's database, for routes that depend on it: the same object as a plugin's `self.db`.

    Args:
        connection: The request or WebSocket.
    """
    kernel: Kernel = connection.app.state.nexus
    return kernel.db
