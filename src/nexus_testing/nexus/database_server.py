"""Which real database an app's data is kept on: what the app's configuration says of it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, ExtraMissing, did_you_mean
from ..locations import caller

if TYPE_CHECKING:
    from ..clock import Clock
    from ..servers.database import SqlServer

__all__ = ("server_of",)

TYPES = ("memory", "sqlite", "postgresql")
_KEYS = {"memory": (), "sqlite": ("path",), "postgresql": ("url",)}
_MODULES = {"sqlite": ("sqlalchemy", "greenlet", "aiosqlite"), "postgresql": ("sqlalchemy", "greenlet", "asyncpg")}
_SHAPE = "config={'database': {'type': 'sqlite', 'path': 'shop.db'}}"


def server_of(config: object, clock: Clock) -> SqlServer | None:
    """Return the database that the app's section `database` names, or None for memory; it is not connected yet.

    Args:
        config: The section.
        clock: The app's clock.

    Raises:
        ConfigurationError: If the section says something impossible.
        ExtraMissing: If what the database needs is not installed.
    """
    if config is None:
        return None
    if not isinstance(config, Mapping):
        raise ConfigurationError(f"The app's section 'database' is {config!r}.", where=caller(), fix=_SHAPE)
    kind = _kind(config)
    for key in config:
        known = ("type", "strict", *_KEYS[kind])
        if key not in known:
            raise ConfigurationError(
                f"A database of the type {kind!r} takes no {key!r}.",
                where=caller(),
                why=f"it takes {', '.join(known)}",
                fix=did_you_mean(str(key), known) or _SHAPE,
            )
    if kind == "memory":
        return None
    if config.get("strict", True) is not True:
        raise ConfigurationError(
            f"A database of the type {kind!r} cannot be strict: {config['strict']!r}.",
            where=caller(),
            why="it keeps values as BSON, and nothing else",
            fix="Leave 'strict' out, or use a database in memory.",
        )
    if any(importlib.util.find_spec(name) is None for name in _MODULES[kind]):
        raise ExtraMissing(f"A database of the type {kind!r}", extra="sql")
    return _sqlite(config) if kind == "sqlite" else _postgresql(config, clock)


def _kind(config: Mapping[Any, Any]) -> str:
    kind = config.get("type", "memory")
    if kind in {"mysql", "mariadb"}:
        raise ConfigurationError(
            f"There is no database of the type {kind!r} yet.",
            where=caller(),
            why="what holds of a database is proven on SQLite and PostgreSQL only",
            fix="Use one of these: a plugin sees no difference between them.",
        )
    if kind not in TYPES:
        raise ConfigurationError(
            f"There is no database of the type {kind!r}.",
            where=caller(),
            why=f"there are {', '.join(TYPES)}",
            fix=did_you_mean(str(kind), TYPES) or _SHAPE,
        )
    return str(kind)


def _sqlite(config: Mapping[Any, Any]) -> SqlServer:
    path = config.get("path")
    if path is not None and (not isinstance(path, str | os.PathLike) or not str(path)):
        raise ConfigurationError(f"{path!r} is no path of a SQLite file.", where=caller(), fix=_SHAPE)
    from ..servers.database import SqliteServer

    return SqliteServer(os.fspath(path) if path is not None else None)


def _postgresql(config: Mapping[Any, Any], clock: Clock) -> SqlServer:
    url = config.get("url")
    if not isinstance(url, str) or not url:
        raise ConfigurationError(
            f"A database on PostgreSQL needs a url, and has {url!r}.",
            where=caller(),
            fix="config={'database': {'type': 'postgresql', 'url': 'postgresql://user:password@host:5432/database'}}",
        )
    from ..servers.database.postgresql import PostgresServer

    return PostgresServer(url, clock)
