"""The form of every message: what happened, where, why, and what to do next."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("Telling", "Told", "did_you_mean")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the sentence that guesses the slip, or an empty string.

    Args:
        name: What was asked for.
        known: What there is.
    """
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(repr(one) for one in near)}?" if near else ""


class Telling(TypedDict, total=False):
    """What an error of ours may say besides what happened; as in `Told`."""

    where: object
    why: str
    fix: str
    plugin: str | None


class Told(BaseException):
    """What happened, where, why, and what to do next; the part that all errors of ours share.

    Args:
        what: What happened, as one sentence.
        where: File and line of the user's code, or the file to change.
        why: The reason, where it is known.
        fix: What to do next.
        plugin: The plugin that it happened to.
    """

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        why: str = "",
        fix: str = "",
        plugin: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix
        self.plugin = plugin
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        for label, text in (("where", self.where), ("why", self.why), ("fix", self.fix)):
            if text:
                first, *more = str(text).splitlines()
                lines.append(f"  {label + ':':<6} {first}")
                lines.extend(f"         {line}" for line in more)
        return "\n".join(lines)
