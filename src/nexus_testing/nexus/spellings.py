"""Names of events that differ by their spelling alone, so that a handler waits for what never comes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..findings import find
from ..records import Delivered, Published
from .subscriptions import is_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..findings import Finding
    from ..records import Journal
    from .handles import Handle

__all__ = ("misheard",)

_BETWEEN = re.compile(r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])")
"""What stands between the words of a name, in one spelling or another."""

_SHORTEST = 6
"""Letters of a name below which one letter is too much of a difference."""


def misheard(heard: Mapping[str, Handle], journal: Journal) -> Iterator[Finding]:
    """Yield a finding for each name that was subscribed to and never published, where one alike was never heard.

    Args:
        heard: The first handle of what was subscribed to, by name.
        journal: What was published and delivered.
    """
    if not heard:
        return
    published = {event.name: event for event in reversed(journal.of(Published))}
    silent = [name for name in heard if name not in published and not is_pattern(name)]
    if not silent:
        return
    delivered = {run.name for run in journal.of(Delivered)}
    unheard = [name for name in published if name not in delivered]
    for name in silent:
        for other in unheard:
            if _alike(name, other):
                handle, event = heard[name], published[other]
                yield find(
                    "NX501",
                    f"{_owner(handle.plugin)} subscribed to {name!r}, which nobody published; {other!r}, published by "
                    f"{_owner(event.plugin)}, was heard by nobody.",
                    plugin=handle.plugin or event.plugin,
                    where=handle.where,
                    fix=f"Did you mean {other!r}? Spell the name alike in both places.",
                )


def _owner(plugin: str | None) -> str:
    return f"plugin {plugin!r}" if plugin is not None else "the test"


def _alike(name: str, other: str) -> bool:
    """Say whether two names are one name in two spellings, or one of them with a slip."""
    first, second = (_words(one) for one in (name, other))
    if sorted(first) == sorted(second):
        return True
    first_letters, second_letters = "".join(first), "".join(second)
    if first_letters == second_letters:
        return True
    if min(len(first_letters), len(second_letters)) < _SHORTEST:
        return False
    start = _shared(first_letters, second_letters)
    one, two = first_letters[start:], second_letters[start:]
    end = _shared(one[::-1], two[::-1])
    one, two = one[: len(one) - end], two[: len(two) - end]
    swapped = len(one) == 2 and one == two[::-1]  # noqa: PLR2004 - two letters that changed places
    # Numbers tell things apart: item.1 and item.2 are two names.
    return (swapped or (len(one) <= 1 and len(two) <= 1)) and not any(map(str.isdigit, one + two))


def _shared(one: str, two: str) -> int:
    """Return how many letters two texts begin with alike."""
    pairs = enumerate(zip(one, two, strict=False))
    return next((index for index, (first, second) in pairs if first != second), min(len(one), len(two)))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _BETWEEN.split(name) if word]
