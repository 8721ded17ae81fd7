"""Ways to run a plugin, behind one protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, did_you_mean
from ..locations import caller
from .protocol import Backend, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Backend", "Limits", "make_backend")

_SECTIONS = ("auth", "cache", "database", "health", "plugins")


def make_backend(
    name: str, config: Mapping[str, Any] | None, limits: Limits, stubs: Mapping[str, Any] | None
) -> Backend:
    """Make a backend.

    Args:
        name: Its name.
        config: The app's configuration.
        limits: How long things may take.
        stubs: Plugins that are taken for loaded, by name.

    Raises:
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
    if name != "embedded":
        raise ConfigurationError(
            f"There is no backend {name!r}.",
            where=caller(4),
            why="known is 'embedded'" + (", and nexus-platform is installed here" if name == "platform" else ""),
            fix=did_you_mean(name, ["embedded"]) or "Use the in-memory framework: --nexus-backend embedded.",
        )
    from .embedded import EmbeddedBackend

    return EmbeddedBackend(config, limits, stubs)
