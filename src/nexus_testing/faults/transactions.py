"""A transaction behind the gate."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Self

from .covers import covered
from .gate import alone

if TYPE_CHECKING:
    from types import TracebackType

    from .gate import Gate

__all__ = ("Transaction",)

_WRITES = frozenset({"set", "update", "delete"})
_ENDS = frozenset({"commit", "rollback"})
_ASKED = frozenset({*_WRITES, *_ENDS, "get", "exists"})


class Transaction:
    """A database's transaction, each call of which passes the gate. It is an instance of what it stands for.

    Args:
        gate: The gate.
        database: The database.
        transaction: Its own transaction.
        outer: The transaction that it is a part of, if it is one.
    """

    def __init__(self, gate: Gate, database: Any, transaction: Any, outer: Transaction | None = None) -> None:
        self._gate = gate
        self._database = database
        self._own = transaction
        self._outer = outer
        self._writes: list[tuple[str, tuple[Any, ...]]] = []
        self._over = False

    @property  # type: ignore[misc]  # isinstance() is to answer as for its own
    def __class__(self) -> type:
        return type(self._own)

    async def __aenter__(self) -> Self:
        __tracebackhide__ = True
        call = self._gate.call("db.transaction.begin", "")
        await self._gate.passed(call, self._own.__aenter__, self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        __tracebackhide__ = True
        own = self._own
        if self._over or error is not None:
            return await alone(functools.partial(own.__aexit__, kind, error, trace))
        begun = False

        def commit() -> Any:
            nonlocal begun
            begun = True
            return own.__aexit__(None, None, None)

        try:
            await self._gate.passed(self._gate.call("db.transaction.commit", ""), commit, self)
        except BaseException as failed:
            if not begun and not self._over:
                await alone(functools.partial(own.__aexit__, type(failed), failed, failed.__traceback__))
            raise
        self._hand_up()
        return None

    def _hand_up(self) -> None:
        if self._outer is not None:
            self._outer._writes += self._writes

    def transaction(self) -> Transaction:
        """Return a part of it that can be rolled back by itself."""
        return Transaction(self._gate, self._database, self._own.transaction(), self)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._own, name)
        if name not in _ASKED:
            return found

        @functools.wraps(found)
        async def asked(*args: Any, **kwargs: Any) -> Any:
            result = await found(*args, **kwargs)
            if name in _WRITES:
                self._writes.append((name, (*args, *kwargs.values())))
            elif name in _ENDS:
                self._over = True
                if name == "commit":
                    self._hand_up()
            return result

        return covered(self._gate, f"db.transaction.{name}", asked, subject=self)

    async def commit_some(self) -> None:
        """Make the first half of the writes, but one at least, and forget the others."""
        if self._outer is not None:
            return
        self._over = True
        lost = RuntimeError("a part of the transaction is committed")
        await alone(functools.partial(self._own.__aexit__, RuntimeError, lost, None))
        for name, args in self._writes[: max(1, len(self._writes) // 2)]:
            await alone(functools.partial(getattr(self._database, name), *args))
