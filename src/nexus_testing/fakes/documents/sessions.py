"""Sessions and their transactions, with the methods of Motor's."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from pymongo.errors import InvalidOperation, PyMongoError

from ...locations import caller
from .history import ABSENT
from .view import View, write_conflict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

    from ...locations import Location
    from .mongo import Server
    from .shelf import Shelf

__all__ = ("Session", "Transaction")

_RETRIES = 10


class Transaction:
    """What one transaction sees and wrote. Nobody else sees its writes before they are committed.

    Args:
        server: Whose documents they are.
        where: The line that begins it.
    """

    def __init__(self, server: Server, where: Location | None = None) -> None:
        self._server = server
        self._snapshot = server.history.snapshot(where)
        self._views: dict[int, View] = {}

    def view(self, shelf: Shelf) -> View:
        """Return a collection's documents as the transaction sees them.

        Args:
            shelf: Where they stand.
        """
        view = self._views.get(id(shelf))
        if view is None:
            view = self._views[id(shelf)] = View(shelf, self._snapshot)
        return view

    def close(self) -> None:
        """Forget what was written."""
        self._snapshot.close()
        self._views.clear()

    def commit(self) -> None:
        """Write everything at once, or nothing.

        Raises:
            OperationFailure: If somebody else wrote one of the documents since the transaction began, or a document
                that a unique index tells apart from one of them no more.
        """
        try:
            undo: list[tuple[Shelf, Any, Any]] = []
            for view in self._views.values():
                key = view.conflict()
                if key is not ABSENT:
                    raise write_conflict(view.name, key)
            for view in self._views.values():
                shelf = view.shelf
                for key, document in view.writes.items():
                    before = shelf._documents.get(key, ABSENT)
                    undo.append((shelf, key, before))
                    _place(shelf, key, document)
            for view in self._views.values():
                for key, document in view.writes.items():
                    if document is not ABSENT and view.shelf.twin(key, document) is not None:
                        for one in reversed(undo):
                            _place(*one)
                        raise write_conflict(view.name, key)
        finally:
            self.close()


def _place(shelf: Shelf, key: Any, document: Any) -> None:
    if document is not ABSENT:
        shelf[key] = document
    elif key in shelf._documents:
        del shelf[key]


class Session:
    """A session. Pass it to the methods of collections as `session=`.

    Args:
        client: Whose session it is.
        server: The server of that client.
    """

    def __init__(self, client: Any, server: Server) -> None:
        self.client = client
        self.session_id = {"id": uuid.uuid4()}
        self.has_ended = False
        self._server = server
        self._transaction: Transaction | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.end_session()

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction was begun and has not ended."""
        return self._transaction is not None

    def bound(self, server: Server) -> Transaction | None:
        """Return the transaction that an operation is a part of, if it is one's.

        Args:
            server: Where the operation takes place.

        Raises:
            InvalidOperation: If the session has ended or is another server's.
        """
        if self.has_ended:
            raise InvalidOperation("Cannot use ended session")
        if server is not self._server:
            raise InvalidOperation("Can only use session with the client that started it")
        return self._transaction

    def start_transaction(self, **_: Any) -> _Block:
        """Begin a transaction, which the block that is entered with it ends.

        Raises:
            InvalidOperation: If one has begun already, or the session has ended.
        """
        if self.bound(self._server) is not None:
            raise InvalidOperation("Transaction already in progress")
        self._transaction = Transaction(self._server, caller())
        return _Block(self)

    def _taken(self) -> Transaction:
        if self.bound(self._server) is None or self._transaction is None:
            raise InvalidOperation("No transaction started")
        taken, self._transaction = self._transaction, None
        return taken

    async def commit_transaction(self) -> None:
        """Make the transaction's writes visible, all of them at once.

        Raises:
            InvalidOperation: If none has begun.
            OperationFailure: If somebody else wrote what it wrote.
        """
        transaction = self._taken()
        await self.client.reached("commit", None, transaction.commit)

    async def abort_transaction(self) -> None:
        """Forget the transaction's writes.

        Raises:
            InvalidOperation: If none has begun.
        """
        self._taken().close()

    async def end_session(self) -> None:
        """End the session, and abort its transaction if there is one. The second time does nothing."""
        if self._transaction is not None:
            await self.abort_transaction()
        self.has_ended = True

    async def with_transaction(self, callback: Callable[[Session], Awaitable[Any]], **_: Any) -> Any:
        """Run something in a transaction, again from its start where somebody else wrote in between.

        Args:
            callback: What to run, with this session.

        Returns:
            What it returned.
        """
        for attempt in range(1, _RETRIES + 1):
            try:
                async with self.start_transaction():
                    return await callback(self)
            except PyMongoError as error:
                if attempt == _RETRIES or not error.has_error_label("TransientTransactionError"):
                    raise
        return None


class _Block:
    """Commits at its end, or aborts if an exception leaves it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._session.in_transaction:
            return
        if error is None:
            await self._session.commit_transaction()
        else:
            await self._session.abort_transaction()
