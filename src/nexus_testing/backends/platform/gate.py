"""The way in to the real framework: the one release that is known, and only if it is whole."""

from __future__ import annotations

import functools
import importlib.metadata
import sys
import warnings
from contextlib import suppress
from typing import Any

from ...errors import BackendError
from ...locations import of_exception

__all__ = ("INSTALL", "PLATFORM", "SUPPORTED", "framework", "prefetch")

PLATFORM = "nexus-platform"
SUPPORTED = "0.1.5"
INSTALL = f"python -m pip install 'nexus-testing[platform]' '{PLATFORM}=={SUPPORTED}'"

_USED = {
    "auth": ("_auth_manager",),
    "core": ("EventBus", "EventPriority", "ServiceRegistry", "PluginManager"),
    "database": ("DatabaseConfig", "MemoryAdapter", "MongoDBAdapter", "SQLAlchemyAdapter"),
    "plugins": ("BasePlugin",),
}
"""What is used of each of its modules."""


def framework() -> Any:
    """Return the real framework's package, with the modules that are used of it.

    Raises:
        BackendError: If it is not installed, is another release, or cannot be imported.
    """
    version = _installed(tuple(sys.path))
    if version is None:
        raise BackendError(
            f"The backend 'platform' runs plugins on {PLATFORM}, which is not installed.", fix=f"Install it: {INSTALL}"
        )
    if version != SUPPORTED:
        raise _other(version)
    try:
        # Its modules warn of what they use of SQLAlchemy and pydantic, which is no concern of a plugin's tests.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nexus
            import nexus.auth
            import nexus.core
            import nexus.database
            import nexus.plugins
    except Exception as error:
        raise BackendError(
            f"{PLATFORM} {version} is installed and cannot be imported: {type(error).__name__}: {error}",
            where=of_exception(error),
            why="the error is this one's cause",
            fix=f"Install it and what it needs once more, in an environment of its own: {INSTALL}",
        ) from error
    if nexus.__name__ != "nexus":
        raise BackendError(
            f"`import nexus` stands for the in-memory framework in this process, so nothing can run on {PLATFORM}.",
            why="which of the two plugins import is decided once, for the whole process",
            fix="Run these tests by themselves: pytest --nexus-backend platform.",
        )
    if nexus.__version__ != SUPPORTED:
        raise _other(nexus.__version__)
    for module, names in _USED.items():
        for name in names:
            if not hasattr(getattr(nexus, module), name):
                raise BackendError(
                    f"{PLATFORM} {version} lacks nexus.{module}.{name}.",
                    where=getattr(getattr(nexus, module), "__file__", None),
                    fix=f"Something has changed or hides it; install it once more: {INSTALL}",
                )
    return nexus


@functools.lru_cache(maxsize=4)
def _installed(_path: tuple[str, ...]) -> str | None:
    """Return the version that is installed on a path; to look takes as long as a tenth of an app."""
    try:
        return importlib.metadata.version(PLATFORM)
    except importlib.metadata.PackageNotFoundError:
        return None


def prefetch() -> None:
    """Import the framework, if it can be, before a test file does: its warnings are not the file's."""
    with suppress(BackendError):
        framework()


def _other(version: str) -> BackendError:
    return BackendError(
        f"{PLATFORM} {version} is installed; the backend 'platform' drives {SUPPORTED} and no other.",
        why="what a harness needs of it is private to the framework, and other releases changed it",
        fix=f"Install that one: {INSTALL}\nor run the plugins in memory: pytest --nexus-backend embedded.",
    )
