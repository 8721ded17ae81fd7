"""What plugins await: clients, databases, collections and cursors with the methods of Motor's."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from mongomock_motor import (
    AsyncCursor,
    AsyncLatentCommandCursor,
    AsyncMongoMockClient,
    AsyncMongoMockCollection,
    AsyncMongoMockDatabase,
)

from .sessions import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from .mongo import Client

__all__ = ("OPERATIONS", "MotorClient")

OPERATIONS = (
    "bulk_write",
    "count_documents",
    "create_index",
    "create_indexes",
    "delete_many",
    "delete_one",
    "distinct",
    "drop",
    "drop_index",
    "drop_indexes",
    "estimated_document_count",
    "find_one",
    "find_one_and_delete",
    "find_one_and_replace",
    "find_one_and_update",
    "index_information",
    "insert_many",
    "insert_one",
    "options",
    "rename",
    "replace_one",
    "update_many",
    "update_one",
)


_READING = frozenset(
    {
        "count_documents",
        "distinct",
        "estimated_document_count",
        "find",
        "find_one",
        "index_information",
        "options",
    }
)


class MotorClient(AsyncMongoMockClient):
    """A client of one server.

    Args:
        client: The client that does the work.
        check: Raises if the database does not answer.
        note: Takes what was asked: the operation, the collection, whether anything was found, and the seconds.
        exchange: Returns the block in which an operation is done, given whether it may write; None for none.
    """

    def __init__(
        self,
        client: Client,
        check: Callable[[], None],
        note: Callable[[str, str, bool, float], None],
        exchange: Callable[[bool], AbstractAsyncContextManager[None]] | None = None,
    ) -> None:
        super().__init__(mock_mongo_client=client)
        self._client = client
        self._check = check
        self.note = note
        self._exchange = exchange
        self._databases: dict[str, _Database] = {}

    def get_database(self, name: str = "nexus", **_: Any) -> _Database:
        """Return a database.

        Args:
            name: Its name.
        """
        found = self._databases.get(name)
        if found is None:
            found = self._databases[name] = _Database(self, self._client[name])
        return found

    async def start_session(self, **_: Any) -> Session:
        """Return a session, whose transactions span all collections."""
        self._check()
        return Session(self, self._client.server)

    def run(self, session: Session | None, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Do what mongomock does, as a part of a session's transaction if it has one.

        Args:
            session: The session, if one was given.
            call: What to do.
            args: With what.
            kwargs: With what.
        """
        self._check()
        if session is None:
            return call(*args, **kwargs)
        server = self._client.server
        transaction = session.bound(server)
        before, server.transaction = server.transaction, transaction
        try:
            return call(*args, **kwargs)
        finally:
            server.transaction = before

    async def reached(
        self, operation: str, session: Session | None, call: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Let others run first, since a real server is never so quick, and then do it.

        Args:
            operation: The operation's name.
            session: The session, if one was given.
            call: What to do.
            args: With what.
            kwargs: With what.
        """
        self._check()
        await asyncio.sleep(0)
        if self._exchange is None:
            return self.run(session, call, *args, **kwargs)
        async with self._exchange(operation not in _READING):
            return self.run(session, call, *args, **kwargs)

    async def asked(
        self, operation: str, name: str, session: Session | None, call: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Do the same, and note it.

        Args:
            operation: The operation's name.
            name: The collection's name.
            session: The session, if one was given.
            call: What to do.
            args: With what.
            kwargs: With what.
        """
        started = time.perf_counter()
        found: Any = None
        try:
            found = await self.reached(operation, session, call, *args, **kwargs)
        finally:
            self.note(operation, name, found is not None, time.perf_counter() - started)
        return found


class _Database(AsyncMongoMockDatabase):
    def __init__(self, client: MotorClient, database: Any) -> None:
        super().__init__(client, database)
        self._database = database
        self._collections: dict[str, _Collection] = {}

    def get_collection(self, name: str, **options: Any) -> _Collection:
        """Return a collection."""
        if options:
            return _Collection(self, self._database.get_collection(name, **options))
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = _Collection(self, self._database.get_collection(name))
        return found


class _Collection(AsyncMongoMockCollection):
    def __init__(self, database: _Database, collection: Any) -> None:
        super().__init__(database, collection)
        self._sync = collection
        self._asked = database.client.asked

    def find(self, *args: Any, session: Session | None = None, **kwargs: Any) -> _Cursor:
        """Return a cursor."""
        return _Cursor(self._sync.find(*args, **kwargs), self.database.client, session, self._sync.name)

    def aggregate(self, pipeline: Any, session: Session | None = None, **kwargs: Any) -> _Pipeline:
        """Return a cursor over what a pipeline makes."""
        client = self.database.client
        return _Pipeline(lambda: self._sync.aggregate(pipeline, **kwargs), client, session, self._sync.name)

    def with_options(self, **options: Any) -> _Collection:
        """Return the collection with other options."""
        return _Collection(self.database, self._sync.with_options(**options))


def _awaited(name: str) -> Any:
    async def operation(self: _Collection, *args: Any, session: Session | None = None, **kwargs: Any) -> Any:
        sync = self._sync
        return await self._asked(name, sync.name, session, getattr(sync, name), *args, **kwargs)

    operation.__name__ = name
    operation.__qualname__ = f"Collection.{name}"
    return operation


for _name in OPERATIONS:
    setattr(_Collection, _name, _awaited(_name))


class _Cursor(AsyncCursor):
    def __init__(self, cursor: Any, client: MotorClient, session: Session | None, name: str) -> None:
        super().__init__(cursor)
        self._name = name
        self._sync = cursor
        self._client = client
        self._session = session
        self._begun = False

    async def next(self) -> Any:
        """Return the next document."""
        if self._begun:
            found = self._client.run(self._session, _next, self._sync)
        else:
            self._begun = True
            found = await self._client.asked("find", self._name, self._session, _next, self._sync)
        if found is None:
            raise StopAsyncIteration
        return found

    __anext__ = next

    def clone(self) -> _Cursor:
        """Return the same cursor, at its start."""
        return _Cursor(self._sync.clone(), self._client, self._session, self._name)

    async def to_list(self, length: int | None = None) -> list[Any]:
        """Return the documents that are left, at most *length* of them."""
        if self._begun:
            found = await self._client.reached("find", self._session, _some, self._sync, length)
        else:
            self._begun = True
            found = await self._client.asked("find", self._name, self._session, _some, self._sync, length)
        return found


class _Pipeline(AsyncLatentCommandCursor):
    """Runs its pipeline when the first result is asked for."""

    def __init__(self, make: Callable[[], Any], client: MotorClient, session: Session | None, name: str) -> None:
        super().__init__(None)
        self._name = name
        self._make = make
        self._sync: Any = None
        self._client = client
        self._session = session

    async def _made(self) -> Any:
        if self._sync is None:
            self._sync = iter(await self._client.asked("aggregate", self._name, self._session, self._make))
        return self._sync

    async def next(self) -> Any:
        """Return the next result."""
        made = await self._made()
        try:
            return next(made)
        except StopIteration:
            raise StopAsyncIteration from None

    __anext__ = next

    def batch_size(self, _: int) -> _Pipeline:
        """Make no difference."""
        return self

    async def close(self) -> None:
        """Forget what is left."""
        self._sync = iter(())

    async def to_list(self, length: int | None = None) -> list[Any]:
        """Return the results that are left, at most *length* of them."""
        return _some(await self._made(), length)


def _next(cursor: Any) -> Any:
    return next(cursor, None)


def _some(cursor: Any, length: int | None) -> list[Any]:
    if length is None:
        return list(cursor)
    found = []
    for one in cursor:
        found.append(one)
        if len(found) >= length:
            break
    return found
