"""Findings: messages that have an id, a severity, a place and a fix, and that stop no test by themselves."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .locations import Location

__all__ = ("KINDS", "Finding", "Kind", "Severity", "find")


class Severity(enum.Enum):
    """How much a finding matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Kind(NamedTuple):
    """What all findings of one id have in common."""

    id: str
    severity: Severity
    title: str
    fix: str


class Finding(NamedTuple):
    """One thing that was found."""

    id: str
    severity: Severity
    plugin: str | None
    text: str
    where: Location | None
    fix: str

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.id} {self.severity.value}: {self.text}{place}\n  fix: {self.fix}"


_W = Severity.WARNING
_I = Severity.INFO

KINDS: dict[str, Kind] = {
    kind.id: kind
    for kind in (
        Kind("NX101", _W, "initialize() returned None", "End initialize() with `return True`."),
        Kind(
            "NX102",
            _W,
            "a base class that another base already derives from",
            "Write the category alone; the published framework refuses this order with a TypeError.",
        ),
        Kind("NX103", _W, "the plugin has no name of its own", "Set self.name in __init__, or add a manifest.json."),
        Kind(
            "NX104",
            _W,
            "the plugin says one thing of itself and its manifest another",
            "Make the two agree; production goes by the manifest.",
        ),
        Kind(
            "NX105",
            _W,
            "a method that the published framework demands is missing",
            "Write it, if only to return an empty result: there the class cannot be instantiated without it.",
        ),
        Kind(
            "NX106",
            _W,
            "something that the plugin registered was still there after its shutdown",
            "Release it in shutdown(); the published framework keeps it alive.",
        ),
        Kind(
            "NX201",
            _W,
            "the plugin's name hides a module of the standard library or of an installed package",
            "Rename the plugin.",
        ),
        Kind(
            "NX202",
            _I,
            "a copy of the plugin is installed besides this one",
            "Nothing, if you meant to test the folder; else uninstall the folder's twin.",
        ),
        Kind(
            "NX501",
            _W,
            "an event that nobody subscribed to, and a subscription alike that nobody published for",
            "Spell the name alike in both places.",
        ),
        Kind(
            "NX502",
            _I,
            "a subscription to a pattern",
            "Subscribe to each name; the published framework takes the pattern itself for a name.",
        ),
        Kind(
            "NX503",
            _W,
            "a plugin replaced a service of another plugin",
            "Give one of them another name; which of them others get depends on the order of loading.",
        ),
    )
}
"""Every id that there is."""


def find(
    id: str,  # noqa: A002 - the word that users see
    text: str,
    *,
    plugin: str | None = None,
    where: Location | None = None,
    fix: str | None = None,
) -> Finding:
    """Make a finding of a registered id.

    Args:
        id: The id, such as "NX101".
        text: What was found, as one sentence.
        plugin: The plugin that it is about.
        where: The line that it is about.
        fix: What to do, if it is not the usual.

    Raises:
        KeyError: If the id is not registered.
    """
    kind = KINDS[id]
    return Finding(kind.id, kind.severity, plugin, text, where, fix or kind.fix)
