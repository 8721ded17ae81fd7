"""What can be left alive, and how it is said."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import LeakError
from ..locations import Location, within
from .loader import is_test_module

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("KINDS", "Leak", "error_of", "is_code_of", "said_in")

KINDS: dict[str, str] = {
    "tasks": "Cancel it in shutdown(), and await it.",
    "timers": "Keep what call_later() returns, and cancel() it in shutdown().",
    "generators": "Close it in shutdown(): await it.aclose(), or use contextlib.aclosing().",
    "coroutines": "Write `await` in front of it.",
    "threads": "Tell it to end in shutdown(), and join() it.",
    "sockets": "Close it in shutdown(), or the client that it belongs to.",
    "environment": "Put it back in shutdown(); a test gives variables by create_test_app(env=…).",
    "path": "Take it off again; modules beside the plugin are imported relative to it.",
    "directory": "Do not change it; paths are best written from Path(__file__).parent.",
    "logging": "Take it off in shutdown(): logger.removeHandler(handler).",
    "files": "Write below a folder that the test gives, such as tmp_path.",
}
"""The kinds of what can be left behind, each with the call that would have released it."""


class Leak(NamedTuple):
    """One thing that was left alive."""

    kind: str
    text: str
    plugin: str | None
    where: Location | None


def is_code_of(file: str, folder: Path | None) -> bool:
    """Say whether a file is a plugin's, and none of its tests."""
    if folder is None or not within(file, folder):
        return False
    return not is_test_module(file[len(str(folder)) + 1 :].removesuffix(".py").replace("/", "."))


def said_in(folders: Mapping[str, Path | None], words: tuple[str, ...]) -> tuple[Location | None, str | None]:
    """Return the line of a plugin that has one of some words in it: nobody has noted who did it."""
    files = [
        (name, file)
        for name, folder in folders.items()
        if folder is not None
        for module in list(sys.modules.values())
        if is_code_of(file := getattr(module, "__file__", None) or "", folder)
    ]
    for word in words:
        for name, file in files:
            try:
                lines = Path(file).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError):
                continue
            for number, line in enumerate(lines, 1):
                if word in line:
                    return Location(file, number), name
    return None, None


def error_of(leaks: list[Leak]) -> LeakError:
    """Make the error of what was left behind, grouped by plugin.

    Args:
        leaks: What was left.
    """
    plugins = list(dict.fromkeys(leak.plugin for leak in leaks))
    lines = []
    for plugin in plugins:
        own = [leak for leak in leaks if leak.plugin == plugin]
        if len(plugins) > 1:
            lines.append(f"plugin {plugin!r}:" if plugin else "nobody knows whose:")
        for leak in own:
            lines.append(f"{leak.text}" + (f", made at {leak.where}" if leak.where else ""))
            lines.append(f"    {KINDS[leak.kind]}")
    who = (
        f"Plugin {plugins[0]!r}"
        if len(plugins) == 1 and plugins[0]
        else "Something"
        if len(plugins) == 1
        else "Plugins"
    )
    things = "one thing" if len(leaks) == 1 else f"{len(leaks)} things"
    kinds = '", "'.join(dict.fromkeys(leak.kind for leak in leaks))
    return LeakError(
        f"{who} left {things} behind.",
        leaks=tuple(leaks),
        where=leaks[0].where,
        why="\n".join(lines),
        fix=f'Release it as said above, or say why it may stay: @pytest.mark.nexus_allow_leaks("{kinds}", reason="…").',
        plugin=plugins[0] if len(plugins) == 1 else None,
    )
