"""The real database adapters, on what needs no server: memory, a SQLite file, a MongoDB in memory."""

from __future__ import annotations

import functools
import importlib.util
import time
from typing import TYPE_CHECKING, Any

from ...errors import ConfigurationError, did_you_mean
from ...locations import caller
from ...nexus.context import who
from ...nexus.database import MemoryDatabase
from ...records import Query
from .ledger import not_there

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .ledger import Ledger

__all__ = ("KINDS", "Database", "make_database")

KINDS = ("memory", "sqlite", "mongodb")
_REAL = {"memory": "MemoryAdapter", "sqlite": "SQLAlchemyAdapter", "mongodb": "MongoDBAdapter"}


class Database:
    """Stands before a real adapter in the order of methods: does what that does, and writes it down.

    Args:
        config: The adapter's configuration.
        ledger: Where it is written.
        module: The framework's module of databases.
        folder: Returns a folder for a database that is a file.
    """

    connected: bool
    config: Any

    def __init__(self, config: Any, ledger: Ledger, module: Any, folder: Callable[[], Path]) -> None:
        super().__init__(config)  # type: ignore[call-arg]  # the real class comes next
        self._folder = folder
        self._ledger = ledger
        self._module = module

    async def connect(self) -> None:
        """Connect, if that has not been done: the framework does it at its start, whoever did it before."""
        if self.connected:
            return
        if self.config.type == "sqlite":
            self.config.path = str(self._folder() / "nexus.db")
        if self.config.type != "mongodb":
            await super().connect()  # type: ignore[misc]  # as above
            return
        from mongomock_motor import AsyncMongoMockClient

        # The adapter takes its client's class from its module, which is the only place to give it another.
        real, self._module.AsyncIOMotorClient = self._module.AsyncIOMotorClient, AsyncMongoMockClient
        try:
            await super().connect()  # type: ignore[misc]  # as above
        finally:
            self._module.AsyncIOMotorClient = real

    async def get(self, key: str, default: Any = None) -> Any:
        """Return a value, as the adapter does."""
        missing = object()
        value = await self._asked("get", key, super().get(key, missing), missing)  # type: ignore[misc]  # as above
        return default if value is missing else value

    async def set(self, key: str, value: Any) -> None:
        """Write a value, as the adapter does."""
        await self._asked("set", key, super().set(key, value))  # type: ignore[misc]  # as above

    async def delete(self, key: str) -> None:
        """Delete a value, as the adapter does."""
        await self._asked("delete", key, super().delete(key))  # type: ignore[misc]  # as above

    async def exists(self, key: str) -> bool:
        """Say whether there is a value, as the adapter does."""
        return bool(await self._asked("exists", key, super().exists(key), nothing=False))  # type: ignore[misc]  # as above

    async def _asked(self, operation: str, key: str, answer: Any, nothing: Any = None) -> Any:
        plugin = who()
        at = self._ledger.clock.time()
        started = time.perf_counter()
        found = False
        try:
            value = await answer
            found = nothing is None or value is not nothing
            return value
        finally:
            journal = self._ledger.journal
            journal.append(Query(journal.next_seq(), at, operation, key, found, plugin, time.perf_counter() - started))

    def __getattr__(self, name: str) -> Any:
        real = type(self).__mro__[2]
        raise not_there(real.__name__, name, MemoryDatabase, real)


@functools.cache
def _class(real: type) -> type:
    return type("Recording" + real.__name__, (Database, real), {})


def make_database(module: Any, said: Mapping[str, Any], ledger: Ledger, folder: Callable[[], Path]) -> Any:
    """Make the database of an app, not yet connected.

    Args:
        module: The framework's module of databases.
        said: The section "database" of the app's configuration.
        ledger: Where it records.
        folder: Returns a folder for a database that is a file.

    Raises:
        ConfigurationError: If the section says something that there is not.
    """
    kind = said.get("type", "memory")
    wrong = [key for key in said if key != "type"]
    if wrong or kind not in KINDS:
        raise ConfigurationError(
            f"The app cannot have the database {dict(said)!r} on nexus-platform."
            if not wrong
            else f'The section "database" has a key {wrong[0]!r} that means nothing on nexus-platform.',
            where=caller(),
            why="tests run on what needs no server: " + ", ".join(KINDS),
            fix=did_you_mean(str(kind), KINDS) or "Write config={'database': {'type': 'sqlite'}}.",
        )
    config = module.DatabaseConfig(type=kind)
    # Asked for by name, where the framework would put another database in its place.
    if kind == "sqlite" and importlib.util.find_spec("aiosqlite") is None:
        raise ConfigurationError(
            "The database 'sqlite' needs aiosqlite, which is not installed.",
            where=caller(),
            fix="python -m pip install 'nexus-platform[sqlite]==0.1.5'",
        )
    return _class(getattr(module, _REAL[kind]))(config, ledger, module, folder)
