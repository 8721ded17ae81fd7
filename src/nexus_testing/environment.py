"""Environment variables: those that a test gives, and those of the machine, which plugins do not see."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Environment", "hidden_from", "prefix_of")


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
