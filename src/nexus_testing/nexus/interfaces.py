"""Whether a service fits the interface that it is registered with."""

from __future__ import annotations

import inspect
import typing
from abc import ABC
from types import FunctionType
from typing import Any

from ..errors import ServiceError
from ..locations import caller, of_callable
from .context import who

__all__ = ("check_interface",)

_BASES = (object, ABC, typing.Protocol, typing.Generic)
_MISSING = object()


def check_interface(name: str, service: Any, interface: Any) -> None:
    """Check that a service has the members of an interface, and that its methods take as many arguments.

    Args:
        name: The service's name.
        service: The service.
        interface: A Protocol, an abstract class or any other class.

    Raises:
        ServiceError: If it does not fit, or the interface is no class.
    """
    if not isinstance(interface, type):
        raise ServiceError(
            f"{name!r} cannot be registered with the interface {interface!r}, which is no class.",
            where=caller(3),
            fix="Pass a Protocol, an abstract class or the class itself: interface=PaymentService.",
            plugin=who(),
        )
    if type(service) is interface:
        return
    missing, other = _misfits(service, interface)
    if not missing and not other:
        return
    parts = [f"{', '.join(missing)} is missing"] if missing else []
    parts += [f"{', '.join(other)} takes other arguments"] if other else []
    raise ServiceError(
        f"{name!r} does not fit the interface {interface.__qualname__}: {'; '.join(parts)}.",
        where=caller(3),
        why="\n".join([*missing.values(), *other.values()]),
        fix=f"Write it so in {_class_of(service).__qualname__}, or register it without the interface.",
        plugin=who(),
    )


def _misfits(service: Any, interface: type) -> tuple[dict[str, str], dict[str, str]]:
    missing: dict[str, str] = {}
    other: dict[str, str] = {}
    for name, (owner, expected) in _members(interface).items():
        if inspect.getattr_static(service, name, _MISSING) is _MISSING and not hasattr(service, name):
            asked = of_callable(expected) if isinstance(expected, FunctionType) else of_callable(owner)
            written = f"{name}{inspect.signature(expected)}" if isinstance(expected, FunctionType) else name
            missing[name] = f"{written} is asked for at {asked}"
            continue
        actual = inspect.getattr_static(_class_of(service), name, None)
        if isinstance(expected, FunctionType) and isinstance(actual, FunctionType) and not _takes(actual, expected):
            other[name] = (
                f"{name}{inspect.signature(expected)} is asked for at {of_callable(expected)}, "
                f"{name}{inspect.signature(actual)} stands at {of_callable(actual)}"
            )
    return missing, other


def _members(interface: type) -> dict[str, tuple[type, object]]:
    """Return the members that an interface asks for, with the class that does."""
    found: dict[str, tuple[type, object]] = {}
    for owner in reversed(interface.__mro__):
        if owner in _BASES:
            continue
        for name in (*inspect.get_annotations(owner), *vars(owner)):
            value = vars(owner).get(name)
            # Of the names with underscores, only what stands for an operator, such as __call__ and __aenter__.
            if not name.startswith("_") or (isinstance(value, FunctionType) and name not in dir(object)):
                found[name] = (owner, value)
    return {name: member for name, member in found.items() if not name.startswith("_") or name.endswith("__")}


def _takes(actual: FunctionType, expected: FunctionType) -> bool:
    """Say whether one method can be called in the ways that the other can, as far as numbers tell."""
    least = most = 0
    named: dict[str, None] = {}
    for parameter in inspect.signature(expected).parameters.values():
        if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}:
            most += 1
            least += parameter.default is parameter.empty
        elif parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            named[parameter.name] = None
    signature = inspect.signature(actual)
    try:
        for count in {least, most}:
            signature.bind(*[None] * count, **named)
    except TypeError:
        return False
    return True


def _class_of(service: Any) -> type:
    return service if isinstance(service, type) else type(service)
