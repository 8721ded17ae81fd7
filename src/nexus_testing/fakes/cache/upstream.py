"""What fakeredis does wrong, as far as the installed one still does."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import fakeredis
import redis
from fakeredis._core import FakeServer
from fakeredis._socket._fakesocket import FakeSocket

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("BLMOVE", "XREADGROUP", "bugs", "probed")

XREADGROUP = "XREADGROUP with BLOCK drops the entries that are there, and does not wait where none is"
BLMOVE = "BLMOVE does not wait"

KNOWN = (2, 40)
"""The last version that was looked at by hand and has both; 2.41 has mended the first."""


@functools.cache
def bugs() -> frozenset[str]:
    """Return what the installed fakeredis does wrong."""
    version = tuple(int(part) for part in str(fakeredis.__version__).split(".")[:2])
    return frozenset({XREADGROUP, BLMOVE}) if version <= KNOWN else probed()


def probed() -> frozenset[str]:
    """Return the same, by trying each."""
    probes: dict[str, Callable[[], bool]] = {XREADGROUP: _reads_nothing, BLMOVE: _does_not_wait}
    return frozenset(bug for bug, is_there in probes.items() if is_there())


class _Probe(FakeSocket):
    """Says whether a command would wait, instead of waiting."""

    def __init__(self) -> None:
        super().__init__(FakeServer(version=(7,)), 0, client_class=redis.Redis)
        self.waits = False

    def _blocking(self, timeout: float | None, func: Callable[[bool], Any], shape: Any = None) -> Any:  # noqa: ARG002
        found = func(True)  # noqa: FBT003 - the signature is fakeredis'
        self.waits = found is None
        return found if shape is None else shape(found)

    def ask(self, command: str) -> None:
        """Run a command."""
        self._process_command([word.encode() for word in command.split()])


def _reads_nothing() -> bool:
    probe = _Probe()
    probe.ask("XADD jobs 1-1 a 1")
    probe.ask("XGROUP CREATE jobs workers 0")
    probe.ask("XREADGROUP GROUP workers me BLOCK 1 STREAMS jobs >")
    return probe.waits


def _does_not_wait() -> bool:
    probe = _Probe()
    probe.ask("BLMOVE a b LEFT RIGHT 1")
    return not probe.waits
