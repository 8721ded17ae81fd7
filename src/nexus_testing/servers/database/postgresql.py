"""PostgreSQL: a schema for each app, which is dropped at the app's end, or by the next app where it was killed."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, ClassVar

import asyncpg
from sqlalchemy import URL, NullPool, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import create_async_engine

from ...errors import ConfigurationError
from ...locations import caller
from ...network import guard
from ..addresses import shown
from .failures import FAILURES
from .server import SqlServer
from .tables import Tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from ...clock import Clock
    from .failures import Symptom

__all__ = ("PostgresServer",)

_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
_START = "Start PostgreSQL there, or correct the address: config={'database': {'url': …}}."

_LOCK = 1853056120
"""What our locks of schemas have in common, among all that others may lock: the letters n, s, x and x."""
_LOCKED = f"SELECT pg_try_advisory_lock({_LOCK}, hashtext($1))"
_UNLOCKED = f"SELECT pg_advisory_unlock({_LOCK}, hashtext($1))"
_OURS = """
SELECT nspname FROM pg_namespace
WHERE nspname ~ '^nexus_testing_[0-9a-f]{16}$' AND nspowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)
"""
_TRIGGER = (
    """
    CREATE FUNCTION {schema}.nexus_written() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE {schema}.nexus_state SET revision = revision + 1;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER nexus_written AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {schema}.nexus_entries
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.nexus_written()
    """,
)


class PostgresServer(SqlServer):
    """A schema of a PostgreSQL database, which is one app's own from `connect` to `close`.

    The app holds a lock of the schema's name as long as its connection lasts: a schema that nobody holds was left
    behind by a process that was killed.

    Args:
        url: The database's, with any of the schemes `postgresql`, `postgres` and `postgresql+asyncpg`.
        clock: The app's clock.

    Raises:
        ConfigurationError: If the URL is none.
    """

    name = "PostgreSQL"
    kind = "postgresql"
    key = "database.url"
    failures = (*FAILURES, asyncpg.PostgresError, asyncpg.InterfaceError)
    _begin = "BEGIN"
    symptoms: ClassVar[Sequence[Symptom]] = (
        (
            "InvalidPassword",
            "refuses its user or password",
            "Correct both in the URL: postgresql://user:password@host/db.",
        ),
        ("InvalidAuthorization", "refuses its user", "Correct the user in the URL, or let it log in."),
        ("InvalidCatalogName", "has no such database", "Make it, with createdb, or correct the URL."),
        ("read-only", "can only be read", "Name the primary server, and a user who may write."),
        ("InsufficientPrivilege", "does not let this user make a schema", "GRANT CREATE ON DATABASE … TO this user."),
        ("TooManyConnections", "has no connection left", "Run fewer workers, or raise max_connections."),
        ("CannotConnectNow", "is starting or stopping", "Wait until pg_isready says so."),
        ("DiskFull", "has no room left", "Make room on its disk."),
        ("Damaged", "holds what is not ours", "Leave the schemas of apps alone."),
        (
            "UndefinedTable",
            "has lost the app's tables",
            "Leave the schemas of apps alone.",
        ),
        ("DoesNotExist", "went away", _START),
        ("InternalClientError", "went away", _START),
        ("closed", "went away", _START),
        ("lost before", "went away", _START),
        ("", "cannot be reached", _START),
    )

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(shown(url))
        self._url = _parsed(url, self.address)
        self._clock = clock
        self._schema = f"nexus_testing_{secrets.token_hex(8)}"
        self._tables = Tables(self._schema)
        self._fd: int | None = None
        self._distrust: Callable[[], None] | None = None

    def _made(self) -> AsyncEngine:
        if "host" not in self._url.query:
            self._distrust = guard.trust(self._url.host or "localhost", self._url.port or 5432)

        async def connect() -> Any:
            # It forgets statements by a timer unless told otherwise, and the clock would have that go off.
            connection: Any = await asyncpg.connect(
                self._url.render_as_string(hide_password=False), max_cached_statement_lifetime=0
            )
            transport = connection._transport
            self._fd = transport.get_extra_info("socket").fileno()
            self._clock.quiet(self._fd, on=True)
            return connection

        return create_async_engine("postgresql+asyncpg://", poolclass=NullPool, async_creator=connect)

    async def _prepare(self, connection: AsyncConnection) -> None:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        for row in await driver.fetch(_OURS):
            if await driver.fetchval(_LOCKED, row["nspname"]):
                await driver.execute(f"DROP SCHEMA IF EXISTS {row['nspname']} CASCADE")
                await driver.execute(_UNLOCKED, row["nspname"])
        await driver.fetchval(_LOCKED, self._schema)
        await connection.exec_driver_sql("BEGIN")
        await connection.exec_driver_sql(f"CREATE SCHEMA {self._schema}")
        await self._make_tables(connection, *(one.format(schema=self._schema) for one in _TRIGGER))
        await connection.exec_driver_sql("COMMIT")

    async def _clean(self, connection: AsyncConnection) -> None:
        await connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {self._schema} CASCADE")

    def _left(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            self._clock.quiet(fd, on=False)
        distrust, self._distrust = self._distrust, None
        if distrust is not None:
            distrust()


def _parsed(url: str, address: str) -> URL:
    try:
        parsed = make_url(url)
    # SQLAlchemy's own text shows the whole URL.
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.drivername not in _SCHEMES:
        raise ConfigurationError(
            f"The database's url {address!r} is none of PostgreSQL.",
            where=caller(),
            fix="postgresql://user:password@host:5432/database",
        )
    return parsed.set(drivername="postgresql")
