"""What holds for every app of a process unless it is told otherwise, and which apps are open."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from .backends import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ("Defaults", "current", "set_defaults", "track", "track_into", "untrack")


class Defaults(NamedTuple):
    """What holds for every app unless it is told otherwise."""

    limits: Limits = Limits()
    client: str = "httpx"
    backend: str = "embedded"
    machine: Mapping[str, str] = MappingProxyType({})
    """The environment variables that are the machine's, and no test's."""
    audited: bool = False
    """Whether what plugins leave alive is looked for when an app is down."""
    guarded: bool = False
    """Whether nothing may leave this machine while an app is up."""
    sections: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    """What holds for sections of an app's configuration that do not say their own `type`."""
    scratch: Callable[[], Path] | None = None
    """Returns the folder in which files may be made; None for the system's."""

    def configured(self, config: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return an app's configuration with what holds for its sections.

        Args:
            config: What the app was given.
        """
        made = dict(config or {})
        for name, section in self.sections.items():
            own = made.get(name, {})
            if isinstance(own, Mapping) and "type" not in own and "url" not in own:
                made[name] = {**section, **own}
        return made


_current = Defaults()
_tracked: list[Any] | None = None


def current() -> Defaults:
    """Return what holds."""
    return _current


def set_defaults(defaults: Defaults) -> Defaults:
    """Say what holds for every app made from now on; return what held before.

    Args:
        defaults: What holds.
    """
    global _current
    before, _current = _current, defaults
    return before


def track_into(apps: list[Any] | None) -> list[Any] | None:
    """Keep every app that is open in a list, for somebody who shuts them down; return the list from before.

    Args:
        apps: The list, or None.
    """
    global _tracked
    before, _tracked = _tracked, apps
    return before


def track(app: object) -> None:
    """Put a new app into the list, if there is one.

    Args:
        app: The app.
    """
    if _tracked is not None:
        _tracked.append(app)


def untrack(app: object) -> None:
    """Take an app out of the list.

    Args:
        app: The app.
    """
    if _tracked is not None and app in _tracked:
        _tracked.remove(app)
