"""What a server says, or does not say, when it cannot be used."""

from __future__ import annotations

from typing import Any

from redis import exceptions

from ...errors import BackendUnavailable
from ...locations import caller

__all__ = ("FAILURES", "unavailable")

FAILURES = (
    OSError,
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.BusyLoadingError,
    exceptions.ConnectionError,
    exceptions.InvalidResponse,
    exceptions.MasterDownError,
    exceptions.NoPermissionError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.TimeoutError,
)
"""What says that a server cannot be used, whatever it was asked."""

_START = "Start Redis there, or correct the address: --nexus-cache, nexus_cache or config={'cache': {'url': …}}."
_KINDS: tuple[tuple[Any, str, str], ...] = (
    (
        (exceptions.AuthenticationError, exceptions.NoPermissionError, exceptions.AuthorizationError),
        "refuses its user or password",
        "Correct both in the URL, redis://user:password@host:port, and let the user run every command.",
    ),
    (exceptions.ReadOnlyError, "is a replica that can only be read", "Name the primary server."),
    (exceptions.BusyLoadingError, "is still loading its data", "Wait until redis-cli ping answers PONG."),
    (exceptions.OutOfMemoryError, "has no memory left", "Give it more, or empty it."),
    (exceptions.InvalidResponse, "does not answer as a Redis does", "Name a Redis server."),
    (exceptions.TimeoutError, "does not answer in time", _START),
)


def unavailable(error: BaseException, address: str, where: object = None) -> BackendUnavailable:
    """Return the error to raise for what a client of Redis raised.

    Args:
        error: What it raised.
        address: The server's address, without a password.
        where: What to name if nobody's code is to be seen from here: the line that made the app.
    """
    how, fix = next(
        ((how, fix) for kinds, how, fix in _KINDS if isinstance(error, kinds)), ("cannot be reached", _START)
    )
    return BackendUnavailable(
        f"The Redis at {address} {how}.",
        address=address,
        key="cache.url",
        where=caller() or where,
        why=f"{type(error).__name__}: {error}",
        fix=fix,
    )
