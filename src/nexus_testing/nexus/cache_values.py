"""Values as the cache keeps them: pickled, so that each reader has a copy."""

from __future__ import annotations

import pickle
from typing import Any

from ..errors import DataError
from ..locations import caller
from .context import who

__all__ = ("dumped", "loaded")


def dumped(value: Any, key: str, plugin: str | None = None) -> bytes:
    """Return a value as it is kept.

    Args:
        value: The value.
        key: Its key, for the message.
        plugin: Whose cache it is.

    Raises:
        DataError: If it cannot be pickled.
    """
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        what = f"The cache cannot keep {value!r} under {key!r}, since it cannot be pickled."
        fix = "Cache plain data, and make such an object of it afterwards."
        raise _refusal(what, fix, plugin, error) from error


def loaded(kept: bytes, key: str, plugin: str | None = None) -> Any:
    """Return a new copy of a value that is kept.

    Args:
        kept: What `dumped` returned.
        key: Its key, for the message.
        plugin: Whose cache it is.

    Raises:
        DataError: If it is something else, or of a class that is no more.
    """
    try:
        return pickle.loads(kept)  # noqa: S301 - only the app itself writes under its keys
    except Exception as error:
        what = f"What the cache has under {key!r} cannot be read."
        fix = "Let only cache_manager write keys that cache_manager reads, and keep a class that was cached."
        raise _refusal(what, fix, plugin, error) from error


def _refusal(what: str, fix: str, plugin: str | None, error: Exception) -> DataError:
    why = f"{type(error).__name__}: {error}"
    return DataError(what, where=caller(), why=why, fix=fix, plugin=plugin or who())
