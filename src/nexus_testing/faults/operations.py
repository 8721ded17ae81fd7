"""The names of what plugins ask of their ports, as faults name it."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from ..errors import FaultError, did_you_mean
from ..fakes.documents.motor import OPERATIONS as COLLECTION

if TYPE_CHECKING:
    from ..locations import Location

__all__ = ("HOOKS", "NOW", "OPERATIONS", "PORTS", "fits", "named", "port_of")

HOOKS = (
    "__init__",
    "on_discover",
    "on_validate",
    "on_load",
    "get_database_schema",
    "on_initialize",
    "initialize",
    "on_enable",
    "on_disable",
    "on_shutdown",
    "shutdown",
    "on_unload",
    "on_error",
)
"""The hooks of a plugin's life."""

_BY_PORT: dict[str, tuple[str, ...]] = {
    "db": (
        "get",
        "set",
        "update",
        "delete",
        "exists",
        "list_keys",
        "clear",
        "health_check",
        *(f"transaction.{name}" for name in ("begin", "get", "set", "update", "delete", "exists", "commit")),
        "transaction.rollback",
        *(f"collection.{name}" for name in sorted([*COLLECTION, "aggregate", "find"])),
    ),
    "cache": ("get", "set", "delete", "exists", "get_or_set", "clear", "keys", "ttl"),
    "events": ("publish", "publish_now", "subscribe", "once", "unsubscribe"),
    "services": ("get", "register"),
    "tasks": ("register_task", "run"),
    "lifecycle": HOOKS,
}

PORTS = tuple(_BY_PORT)
"""The names of the ports."""

OPERATIONS = tuple(f"{port}.{name}" for port, names in _BY_PORT.items() for name in names)
"""The names of all operations but the methods of services, which are `services.{service}.{method}`."""

NOW = frozenset({
    "events.publish_now",
    "events.subscribe",
    "events.once",
    "events.unsubscribe",
    "services.get",
    "services.register",
    "tasks.register_task",
})  # fmt: skip
"""Those that answer at once, without an `await`."""


def port_of(operation: str) -> str:
    """Return the name of the port that an operation, or a pattern of operations, begins with.

    Args:
        operation: The operation.
    """
    return operation.partition(".")[0]


def fits(name: str, pattern: str) -> bool:
    """Say whether a name fits a pattern.

    Args:
        name: The name.
        pattern: `*` stands for any characters, dots among them, and `?` for one.
    """
    return name == pattern or fnmatch.fnmatchcase(name, pattern)


def named(operation: object, where: Location | None, *, waiting: str = "") -> str:
    """Return the full name of an operation, or a pattern that some fit.

    Args:
        operation: What the test says; a hook's name may stand alone.
        where: The line that says it.
        waiting: What is to happen, if it can only happen to what is awaited.

    Raises:
        FaultError: If there is no such operation.
    """
    if isinstance(operation, str) and operation in HOOKS:
        return f"lifecycle.{operation}"
    if not isinstance(operation, str) or not _known(operation):
        raise _unknown(operation, where)
    if waiting and operation in NOW:
        raise FaultError(
            f"{operation!r} answers at once, so it cannot be {waiting}.",
            where=where,
            fix=f'Let it fail: fail("{operation}", OSError), or name an operation that is awaited.',
        )
    return operation


def _known(operation: str) -> bool:
    port, _, rest = operation.partition(".")
    if port == "services" and rest.count(".") == 1 and all(rest.split(".")):
        # Which services there are is known when they are called.
        return True
    return any(fits(one, operation) for one in OPERATIONS)


def _unknown(operation: object, where: Location | None) -> FaultError:
    said = str(operation)
    if said.startswith("http"):
        fix = 'What other machines answer is said by nexus_http: nexus_http.fail("timeout").'
    else:
        known = [*OPERATIONS, *HOOKS, *(f"{port}.*" for port in PORTS)]
        port = port_of(said)
        fix = did_you_mean(said, known) or (
            f"There is {', '.join(one for one in OPERATIONS if port_of(one) == port)}."
            if port in PORTS
            else f'Write "port.operation", such as "db.set"; the ports are {", ".join(PORTS)}.'
        )
    return FaultError(f"There is no operation {operation!r} that a fault could be about.", where=where, fix=fix)
