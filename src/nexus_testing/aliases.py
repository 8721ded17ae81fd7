"""One module under a second name."""

from __future__ import annotations

import importlib
import importlib.util
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ("alias_spec",)


class _Alias(Loader):
    """Answers with the module that another name already stands for."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._own: tuple[ModuleSpec | None, object] = (None, None)

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002 - the import system's signature
        module = importlib.import_module(self._target)
        self._own = (module.__spec__, module.__loader__)
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just overwritten them with the alias's.
        module.__spec__, module.__loader__ = self._own  # type: ignore[assignment]


def alias_spec(name: str, target: str) -> ModuleSpec | None:
    """Return a spec under which the import system makes *name* the very module that *target* is.

    Args:
        name: The second name.
        target: The module's own name.
    """
    try:
        real = importlib.util.find_spec(target)
    except (ImportError, ValueError):
        return None
    if real is None:
        return None
    package = real.submodule_search_locations is not None
    spec = ModuleSpec(name, _Alias(target), origin=real.origin, is_package=package)
    if package:
        spec.submodule_search_locations = list(real.submodule_search_locations or ())
    return spec
