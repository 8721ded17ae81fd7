"""How data differs from what a test expects of it, with the path to each difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .locations import of_callable

__all__ = ("differences",)

_MISSING = object()


def differences(actual: Mapping[str, Any], match: Mapping[str, Any]) -> list[str]:
    """Return how data differs from what is expected of it, one line each; none if it fits.

    Only the fields that *match* names count, in nested dicts too. A list must have as many items. What is expected
    may be a value, a type, a function that says whether a value will do, or anything that compares as it likes,
    such as `unittest.mock.ANY`.

    Args:
        actual: The data.
        match: What is expected.
    """
    lines: list[str] = []
    for key, expected in match.items():
        path = key if isinstance(key, str) and key.isidentifier() else f"[{key!r}]"
        _compare(path, actual.get(key, _MISSING), expected, lines)
    return lines


def _compare(path: str, actual: Any, expected: Any, lines: list[str]) -> None:
    if actual is _MISSING:
        lines.append(f"{path}: expected {_described(expected)}, not there")
    elif isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for key, value in expected.items():
            step = f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]"
            _compare(path + step, actual.get(key, _MISSING), value, lines)
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(actual) != len(expected):
            lines.append(f"{path}: expected {len(expected)} items, got {len(actual)}: {actual!r}")
        for index, (one, other) in enumerate(zip(actual, expected, strict=False)):
            _compare(f"{path}[{index}]", one, other, lines)
    else:
        why = _unlike(actual, expected)
        if why is not None:
            lines.append(f"{path}: expected {_described(expected)}, got {actual!r}{why}")


def _unlike(actual: Any, expected: Any) -> str | None:
    """Return None if a value will do, else what there is to say of it besides."""
    try:
        # The expected one decides, as an ANY does.
        if expected == actual:
            return None
        if isinstance(expected, type):
            return None if isinstance(actual, expected) else ""
        return None if callable(expected) and expected(actual) else ""
    except Exception as error:  # noqa: BLE001 - of a test's function, or of a comparison that a type does not have
        return f", which raised {error!r}"


def _described(expected: Any) -> str:
    if isinstance(expected, type):
        return f"a {expected.__qualname__}"
    name = getattr(expected, "__qualname__", None)
    if callable(expected) and name is not None:
        return f"what {name} at {of_callable(expected)} takes"
    return repr(expected)
