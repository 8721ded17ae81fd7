"""What everything in a process shares, and what a plugin changed of it."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..environment import ProcessState
from .leaks import Leak, said_in

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("files_in", "files_left", "leaks_of_process")


def leaks_of_process(states: tuple[ProcessState, ...], folders: Mapping[str, Path | None]) -> list[Leak]:
    """Return what is as it never was before a test or an app, and put it back.

    Args:
        states: What it was like then, the latest last.
        folders: The folders of the plugins that were loaded, by name.
    """
    now = ProcessState.now()
    if now in states[-2:]:
        return []
    leaks = []
    plugin = next(iter(folders)) if len(folders) == 1 else None

    def leak(kind: str, text: str, *words: str) -> None:
        where, owner = said_in(folders, words)
        leaks.append(Leak(kind, text, owner or plugin, where))

    for key in sorted({key for state in states for key in _changed(state.environment, now.environment)}, key=repr):
        if all(state.environment.get(key) != now.environment.get(key) for state in states):
            name = os.fsdecode(key)
            leak("environment", f"environment variable {name!r}", f'"{name}"', f"'{name}'", "os.environ")
            _restore(key, states[-1].environment.get(key))
    for entry in now.path:
        if all(entry not in state.path for state in states):
            leak("path", f"entry {entry!r} of sys.path", "sys.path")
            sys.path.remove(entry)
    if all(state.directory != now.directory for state in states):
        leak("directory", f"working directory {now.directory!r}", "chdir")
        os.chdir(states[-1].directory)
    for handler in now.handlers:
        if all(handler not in state.handlers for state in states) and not type(handler).__module__.startswith(
            "_pytest"
        ):
            leak("logging", f"handler {handler!r} of the root logger", "addHandler", "basicConfig")
            logging.getLogger().removeHandler(handler)
    return leaks


def _changed(before: Mapping[Any, Any], now: Mapping[Any, Any]) -> set[Any]:
    return {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)} if before != now else set()


def _restore(key: Any, value: Any) -> None:
    if value is None:
        os.environ.pop(os.fsdecode(key), None)
    else:
        os.environ[os.fsdecode(key)] = os.fsdecode(value)


# -- the plugin's folder -------------------------------------------------------------------------------------------

_MANY = 5000
"""With more files than that a folder is not looked at: it is no plugin's alone."""

_BUILT = frozenset({"__pycache__", "node_modules", "build", "dist", "htmlcov", "venv"})


def files_in(folder: Path) -> dict[str, tuple[int, int]] | None:
    """Return size and time of each file in a folder; hidden ones and what tools build are left out.

    Args:
        folder: The folder.

    Returns:
        Sizes in bytes and times in nanoseconds, by path; None if there are too many files.
    """
    found: dict[str, tuple[int, int]] = {}
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name in _BUILT or entry.name.endswith((".pyc", ".egg-info")):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if not os.path.exists(f"{entry.path}/pyvenv.cfg"):  # noqa: PTH110 - a path object each would cost more
                            waiting.append(entry.path)
                    else:
                        status = entry.stat(follow_symlinks=False)
                        found[entry.path] = (status.st_size, status.st_mtime_ns)
        except OSError:
            continue
        if len(found) > _MANY:
            return None
    return found


def files_left(before: Mapping[str, tuple[int, int]], folder: Path, folders: Mapping[str, Path | None]) -> list[Leak]:
    """Return what was written in a plugin's folder.

    Args:
        before: The files that were there before.
        folder: The folder.
        folders: The folders of the plugins that were loaded, by name.
    """
    leaks = []
    for path, now in sorted((files_in(folder) or {}).items()):
        if before.get(path) != now:
            where, plugin = said_in(folders, (Path(path).name, Path(path).stem, "open(", "write_"))
            text = f"file {path[len(str(folder)) + 1 :]!r}, {'changed' if path in before else 'new'}"
            leaks.append(Leak("files", text, plugin, where))
    return leaks
