"""Methods that pass the gate before they do what they do."""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any

from ..calls import Call, counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from .gate import Gate

__all__ = ("covered", "covered_now")


def covered(
    gate: Gate, operation: str, method: Callable[..., Any], *, key: str | None = None, subject: Any = None
) -> Callable[..., Any]:
    """Return what has the signature of a coroutine method, and passes the gate.

    Args:
        gate: The gate.
        operation: The operation's name.
        method: The method, bound.
        key: What it is about; its first argument by default.
        subject: The transaction that it belongs to, if it belongs to one.
    """
    keyed = _keyed(method, key)
    name = getattr(method, "__qualname__", operation)

    @functools.wraps(method, updated=())
    def call(*args: Any, **kwargs: Any) -> Call[Any]:
        asked = gate.call(operation, keyed(args, kwargs))
        passing = gate.passed(asked, functools.partial(method, *args, **kwargs), subject)
        return Call(passing, name, sys._getframe(1))

    return counted(call)


def covered_now(
    gate: Gate, operation: str, method: Callable[..., Any], *, key: str | None = None
) -> Callable[..., Any]:
    """Return the same of a method that answers at once.

    Args:
        gate: The gate.
        operation: The operation's name.
        method: The method, bound.
        key: What it is about; its first argument by default.
    """
    keyed = _keyed(method, key)

    @functools.wraps(method, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        return gate.passed_now(gate.call(operation, keyed(args, kwargs)), functools.partial(method, *args, **kwargs))

    return call


def _keyed(method: Callable[..., Any], key: str | None) -> Callable[[tuple[Any, ...], dict[str, Any]], object]:
    """Return what finds the key among arguments, and refuses those that do not fit, as the method would at once."""
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):
        # What is written in C may not tell its parameters.
        return lambda args, kwargs: key if key is not None else next(iter((*args, *kwargs.values())), "")

    def keyed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        given = signature.bind(*args, **kwargs).arguments
        if key is not None:
            return key
        first = next(iter(given.values()), "")
        return first if isinstance(first, str) else getattr(first, "name", "")

    return keyed
