"""What the database was asked, counted."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING, Self

from ..errors import ConfigurationError, QueryAssertionError
from ..locations import caller
from ..records import Query

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..locations import Location

__all__ = ("Queries", "QueryLimit")

_NO_QUESTIONS = frozenset({"collection", "commit", "rollback"})
_SHOWN = 5


class Queries(tuple[Query, ...]):
    """Questions to the database, in order: each call of a key-value operation, and each of a collection's."""

    __slots__ = ()

    @classmethod
    def among(cls, queries: list[Query]) -> Self:
        """Return those of the journal's records that reach a database.

        Args:
            queries: The records.
        """
        return cls(one for one in queries if one.operation not in _NO_QUESTIONS)

    @property
    def counts(self) -> Counter[str]:
        """How often each was asked: "find_one items" of a collection, "get items.*" of its documents by key."""
        return Counter(f"{one.operation} {_place(one.key)}".strip() for one in self)

    def by(self, plugin: str | None) -> Queries:
        """Return those that one plugin asked.

        Args:
            plugin: The plugin's name; None for those of the test.
        """
        return Queries(one for one in self if one.plugin == plugin)


def _place(key: str) -> str:
    name, dot, _ = key.partition(".")
    return f"{name}.*" if dot else key


class QueryLimit:
    """A `with` block in which the database may be asked so often at most.

    Args:
        most: How often.
        asked: Returns all queries so far.
    """

    def __init__(self, most: int, asked: Callable[[], Queries]) -> None:
        if isinstance(most, bool) or not isinstance(most, int) or most < 0:
            raise ConfigurationError(
                f"The database cannot be asked {most!r} times at most.",
                where=caller(),
                fix="with nexus_db.assert_max_queries(3):",
            )
        self._most = most
        self._asked = asked
        self._since: int | None = None
        self._until: int | None = None
        self._made_at: Location | None = caller()

    def __enter__(self) -> Self:
        self._since = len(self._asked())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        self._until = len(self._asked())
        if error is None:
            self._check()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        self.__exit__(kind, error, trace)

    @property
    def queries(self) -> Queries:
        """Those of the block."""
        return Queries(self._asked()[self._since or 0 : self._until])

    def _check(self) -> None:
        __tracebackhide__ = True
        queries = self.queries
        if len(queries) <= self._most:
            return
        lines = [f"{times} × {name}" for name, times in queries.counts.most_common(_SHOWN)]
        raise QueryAssertionError(
            f"The block asked the database {len(queries)} times, where {self._most} are allowed.",
            where=self._made_at,
            why="\n".join(lines),
            fix="Ask for many documents at once: find({'_id': {'$in': [...]}}).",
        )

    def __del__(self) -> None:
        if getattr(self, "_since", 0) is None and self._made_at is not None:
            warnings.warn_explicit(
                "assert_max_queries() was never entered, so it checked nothing: write `with` in front of it.",
                RuntimeWarning,
                self._made_at.file,
                self._made_at.line,
            )
