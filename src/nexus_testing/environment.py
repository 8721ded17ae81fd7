"""What everything in a process shares: environment variables, those of a test and the machine's, and the like."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Environment", "ProcessState", "hidden_from", "prefix_of")


@functools.lru_cache(maxsize=256)
def prefix_of(plugin: str) -> str:
    """Return what the names of a plugin's environment variables start with: ``MY_PLUGIN_`` for ``my-plugin``.

    Args:
        plugin: The plugin's name.
    """
    return re.sub(r"\W", "_", plugin).upper() + "_"


def hidden_from(plugin: str, machine: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that a plugin does not see.

    Args:
        plugin: The plugin's name.
        machine: What the process was started with.
    """
    prefix = prefix_of(plugin)
    return [name for name in machine if name.startswith(prefix)]


class Environment:
    """What an app changes of the process's environment, from its start to its end.

    Args:
        given: The variables that the test gives.
        machine: What the process was started with; what has changed since is the test's own.
    """

    def __init__(self, given: Mapping[str, str], machine: Mapping[str, str]) -> None:
        self._given = dict(given)
        self._machine = machine
        self._before: dict[str, str | None] = {}

    def enter(self) -> None:
        """Set what the test gives."""
        for name, value in self._given.items():
            self._before[name] = os.environ.get(name)
            os.environ[name] = value

    def hide(self, plugin: str) -> None:
        """Remove what the machine, and not the test, says to a plugin.

        Args:
            plugin: The plugin's name.
        """
        for name in hidden_from(plugin, self._machine):
            if name not in self._before and os.environ.get(name) == self._machine[name]:
                self._before[name] = os.environ.pop(name)

    def leave(self) -> None:
        """Put everything back; the second time does nothing."""
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before.clear()


_PYTESTS = ("PYTEST_CURRENT_TEST", b"PYTEST_CURRENT_TEST")
"""What pytest itself changes all the time."""


class ProcessState(NamedTuple):
    """What everything in a process shares, as it is at one moment."""

    environment: dict[Any, Any]
    path: tuple[str, ...]
    directory: str
    handlers: tuple[logging.Handler, ...]

    @classmethod
    def now(cls) -> ProcessState:
        """Return what it is now."""
        # Not the mapping itself, which decodes each name and value.
        data = getattr(os.environ, "_data", None)
        environment = dict(os.environ if data is None else data)
        for name in _PYTESTS:
            environment.pop(name, None)
        return cls(
            environment,
            tuple(sys.path),
            _directory(),
            tuple(logging.getLogger().handlers),
        )


def _directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - one is asked for before and after each test
    except FileNotFoundError:
        return ""
