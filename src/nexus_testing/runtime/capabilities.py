"""What a plugin says in on_discover() that it offers and needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import PluginLoadError, did_you_mean
from ..locations import of_callable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .loaded import Loaded

__all__ = ("check_described",)

_PORTS = frozenset({"api", "auth", "cache", "config", "database", "events", "services", "tasks", "ui", "websocket"})
_SHAPE = 'return {"capabilities": ["api", "events"], "requirements": ["database", "cache"]}'


def check_described(plugin: Loaded, described: Any, is_there: Callable[[str], bool]) -> None:
    """Check what on_discover() returned, and whether what the plugin requires is there.

    Args:
        plugin: The plugin.
        described: What the hook returned.
        is_there: Says whether there is a plugin or a service of a name.

    Raises:
        PluginLoadError: If it is not such as can be used, or something is missing.
    """
    if not described:
        return
    wrong = ""
    if not isinstance(described, dict):
        wrong = f"it is {described!r}, not a dict"
    else:
        for key in ("capabilities", "requirements"):
            said = described.get(key, [])
            if not isinstance(said, list | tuple) or not all(isinstance(one, str) for one in said):
                wrong = f"its {key!r} is {said!r}, not a list of names"
    if wrong:
        raise _error(plugin, "on_discover() returned what cannot be used", wrong, _SHAPE)
    missing = [name for name in described.get("requirements", []) if name not in _PORTS and not is_there(name)]
    if missing:
        hint = " ".join(filter(None, (did_you_mean(name, _PORTS) for name in missing)))
        raise _error(
            plugin,
            f"it requires {', '.join(map(repr, missing))}, which is not here",
            f"here are {', '.join(sorted(_PORTS))}, and what is loaded or registered",
            hint or "Take it out of what on_discover() returns, or provide it: nexus_services, nexus_stubs.",
        )


def _error(plugin: Loaded, what: str, why: str, fix: str) -> PluginLoadError:
    return PluginLoadError(
        f"{plugin.label.capitalize()}: {what}.",
        stage="Validation",
        where=of_callable(plugin.instance.on_discover),
        why=why,
        fix=fix,
        plugin=plugin.name,
    )
