"""How plugin classes are made, and how their instances come by their ports."""

from __future__ import annotations

from abc import ABCMeta
from typing import Any, TypeVar

from ...findings import find
from ...locations import caller
from ..context import current_kernel

__all__ = ("PluginType",)

T = TypeVar("T")


class PluginType(ABCMeta):
    """Makes plugin classes whose bases may stand in any order, and gives new instances their ports."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **kwargs: Any) -> PluginType:
        """Make the class, without a base that another one brings anyway."""
        kept = tuple(
            base
            for index, base in enumerate(bases)
            if not any(other is not base and issubclass(other, base) for other in bases[index + 1 :])
        )
        cls = super().__new__(mcls, name, kept, namespace, **kwargs)
        if len(kept) != len(bases):
            dropped = [base.__name__ for base in bases if base not in kept]
            cls._nexus_findings = (  # type: ignore[attr-defined]
                find(
                    "NX102",
                    f"class {name} names {', '.join(dropped)} before a base that derives from it already.",
                    where=caller(2),
                ),
            )
        return cls

    def __call__(cls: type[T], *args: Any, **kwargs: Any) -> T:
        """Make an instance; where an app is current, it has its ports before the body of `__init__` runs."""
        kernel = current_kernel()
        if kernel is None or kernel.lifecycle is None:
            return type.__call__(cls, *args, **kwargs)  # type: ignore[no-any-return]
        instance = cls.__new__(cls, *args, **kwargs)
        if isinstance(instance, cls):
            kernel.lifecycle.equip(instance)
            instance.__init__(*args, **kwargs)  # type: ignore[misc]  # as type.__call__ does
        return instance
