"""What is known of one app that the real framework runs: journal, findings, and which plugin a piece of code is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...clock import current
from ...errors import NotOnBackend, did_you_mean
from ...findings import allowed
from ...records import FindingMade, Journal
from ...runtime.attribution import owner_among

if TYPE_CHECKING:
    from ...findings import Finding, Refuted
    from ...nexus.handles import Handle
    from ...runtime.loaded import Loaded

__all__ = ("Ledger", "not_there")


class Ledger:
    """Stands where the in-memory framework has its kernel, for those who record. Lives as long as the app."""

    held = None

    def __init__(self) -> None:
        self.clock = current()
        self.journal = Journal()
        self.findings: list[Finding] = []
        self.refuted: set[Refuted] = set()
        self.plugins: dict[str, Loaded] = {}
        """What was loaded, by name, whether it is still there or not."""
        self.handles: list[Handle] = []

    def owner_of(self, function: object) -> str | None:
        """Return the name of the plugin whose code a function is, if it is one's.

        Args:
            function: A function, method or object.
        """
        return owner_among(self.plugins.values(), function)

    def report(self, finding: Finding) -> None:
        """Record a finding, once.

        Args:
            finding: What was found.
        """
        if finding in self.findings or finding.id in allowed():
            return
        self.findings.append(finding)
        self.journal.append(FindingMade(self.journal.next_seq(), self.clock.time(), finding))

    def left_by(self, plugin: str) -> list[Handle]:
        """Return what a plugin registered and did not release.

        Args:
            plugin: The plugin's name.
        """
        return [handle for handle in self.handles if handle.plugin == plugin and handle.active]


def not_there(what: str, name: str, ours: type, real: type) -> Exception:
    """Make the error of an attribute that the in-memory framework has and the real one has not.

    Args:
        what: The class's name there.
        name: The attribute's name.
        ours: The in-memory framework's class.
        real: The real framework's.
    """
    text = f"{what!r} object has no attribute {name!r}"
    if name.startswith("_") or not hasattr(ours, name):
        return AttributeError(text)
    known: list[Any] = [one for one in dir(real) if not one.startswith("_")]
    return NotOnBackend(
        f"{text} on nexus-platform.",
        why=f"only the in-memory framework has it; there is {', '.join(known)}",
        fix=did_you_mean(name, known) or "Do without it, or run this test in memory: pytest --nexus-backend embedded.",
    )
