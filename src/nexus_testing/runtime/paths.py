"""Paths of routes, compared: which are the same, and which never get a request because another comes first."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from starlette.routing import compile_path

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("Clash", "clashes", "pattern_of")

_PARAMETER = re.compile(r"{[a-zA-Z_]\w*(:[a-zA-Z_]\w*)?}")
_SAMPLES = {
    "int": "7",
    "float": "7.5",
    "path": "nexus~sample/nexus~sample",
    "uuid": "6f1c9f0e-9d4b-4c1e-8a57-0d4f0c6b7a11",
}
"""A value for each converter that fits no narrower one."""


class Clash(NamedTuple):
    """Two routes of which the later gets no request: by their places in the list."""

    first: int
    second: int
    same: bool


@functools.lru_cache(maxsize=4096)
def pattern_of(path: str) -> str:
    """Return a path without the names of its parameters, which make no difference to what it answers.

    Args:
        path: The path.
    """
    return _PARAMETER.sub(lambda found: f"{{{found[1] or ''}}}", path) if "{" in path else path


def _sample_of(path: str) -> str:
    return _PARAMETER.sub(lambda found: _SAMPLES.get((found[1] or "")[1:], "nexus~sample"), path)


@functools.lru_cache(maxsize=512)
def clashes(routes: tuple[tuple[str, str], ...]) -> tuple[Clash, ...]:
    """Return the routes that never get a request, each with the first that takes it from them.

    Args:
        routes: Method and path of each, in the order in which they are asked.
    """
    return tuple(_clashes(routes))


def _clashes(routes: tuple[tuple[str, str], ...]) -> Iterator[Clash]:
    known: dict[tuple[str, str], int] = {}
    wide: list[tuple[int, str, re.Pattern[str]]] = []
    for place, (method, path) in enumerate(routes):
        first = known.setdefault((method, pattern_of(path)), place)
        if first != place:
            yield Clash(first, place, same=True)
            continue
        sample = _sample_of(path)
        for earlier, its_method, regex in wide:
            if its_method == method and regex.match(sample):
                yield Clash(earlier, place, same=False)
                break
        if "{" in path:
            wide.append((place, method, compile_path(path)[0]))
