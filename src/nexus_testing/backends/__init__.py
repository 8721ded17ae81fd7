"""Ways to run a plugin, behind one protocol."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..errors import BackendError, ConfigurationError, did_you_mean
from ..locations import caller
from .protocol import Backend, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ("BACKENDS", "Backend", "Limits", "make_backend")

BACKENDS = ("embedded", "platform")
_SECTIONS = ("auth", "cache", "database", "health", "platform", "plugins")


def make_backend(
    name: str,
    config: Mapping[str, Any] | None,
    limits: Limits,
    stubs: Mapping[str, Any] | None,
    scratch: Callable[[], Path] | None = None,
) -> Backend:
    """Make a backend.

    Args:
        name: Its name.
        config: The app's configuration.
        limits: How long things may take.
        stubs: Plugins that are taken for loaded, by name.
        scratch: Returns the folder in which files may be made; None for the system's.

    Raises:
        BackendError: If the framework cannot run plugins here.
        ConfigurationError: If there is no such backend, or the configuration has an unknown section.
    """
    for key in config or {}:
        if key not in _SECTIONS:
            raise ConfigurationError(
                f"The app's configuration has an unknown section {key!r}.",
                where=caller(4),
                why=f"known are {', '.join(_SECTIONS)}",
                fix=did_you_mean(str(key), _SECTIONS)
                or f"A plugin's own configuration goes into config={{'plugins': {{'my_plugin': {{{key!r}: …}}}}}}.",
            )
    if name not in BACKENDS:
        raise ConfigurationError(
            f"There is no backend {name!r}.",
            where=caller(4),
            why=f"there are {' and '.join(BACKENDS)}",
            fix=did_you_mean(name, BACKENDS) or "Use the in-memory framework: --nexus-backend embedded.",
        )
    real = getattr(sys.modules.get("nexus"), "__name__", "") == "nexus" and name == "embedded"
    if real and hasattr(sys.modules["nexus"], "NexusApp"):
        raise BackendError(
            "`import nexus` stands for nexus-platform in this process, so no plugin can run in memory.",
            where=caller(4),
            why="which of the two plugins import is decided once, for the whole process",
            fix="Run these tests by themselves: pytest --nexus-backend embedded.",
        )
    if name == "platform":
        from .platform import PlatformBackend

        return PlatformBackend(config, limits, stubs, scratch)
    from .embedded import EmbeddedBackend

    return EmbeddedBackend(config, limits, stubs)
