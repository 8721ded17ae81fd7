"""What a plugin may ask of a database, whichever it is."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .transactions import TransactionContext

__all__ = ("DatabaseAdapter", "DatabaseHealth")


class DatabaseHealth(dict[str, Any]):
    """What `health_check` returns: a dict, as in the published framework, that is true only if all is well."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return bool(self["status"] == "healthy")


class DatabaseAdapter(abc.ABC):
    """What a plugin may ask of a database, whichever it is."""

    @abc.abstractmethod
    async def connect(self) -> None:
        """Begin to answer."""

    @abc.abstractmethod
    async def disconnect(self) -> None:
        """Stop answering."""

    @abc.abstractmethod
    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value under a key, or *default*.

        Args:
            key: The key.
            default: What to return if there is nothing.
        """

    @abc.abstractmethod
    async def set(self, key: str, value: Any) -> None:
        """Write a value, whole.

        Args:
            key: The key.
            value: The value.
        """

    @abc.abstractmethod
    async def update(self, key: str, fields: Mapping[str, Any]) -> None:
        """Write some fields of a document; the others stay.

        Args:
            key: The key.
            fields: The fields.
        """

    @abc.abstractmethod
    async def delete(self, key: str) -> None:
        """Delete what is under a key; nothing happens if nothing is.

        Args:
            key: The key.
        """

    @abc.abstractmethod
    async def exists(self, key: str) -> bool:
        """Say whether anything is under a key.

        Args:
            key: The key.
        """

    @abc.abstractmethod
    async def list_keys(self, pattern: str = "*") -> list[str]:
        """Return the keys that fit a pattern.

        Args:
            pattern: `*` stands for any characters, `?` for one.
        """

    @abc.abstractmethod
    async def clear(self) -> None:
        """Delete everything."""

    @abc.abstractmethod
    async def health_check(self) -> DatabaseHealth:
        """Say whether the database answers: "status" is "healthy" or "disconnected"."""

    @abc.abstractmethod
    def collection(self, name: str) -> Any:
        """Return a collection with the methods of Motor's.

        Args:
            name: The collection's name.
        """

    @abc.abstractmethod
    def transaction(self) -> TransactionContext:
        """Return a transaction, to be entered by `async with`."""
