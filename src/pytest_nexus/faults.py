"""Faults that a test said, and what becomes of them at its end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexus_testing.errors import FaultAssertionError

__all__ = ("end", "forget", "note", "raise_unhit")


def _ended() -> tuple[list[FaultAssertionError], list[str]]:
    """End all faults; return the errors of those that never happened, and the lines that repeat chance."""
    module = sys.modules.get("nexus_testing.faults.faults")
    errors: list[FaultAssertionError] = []
    chances: list[str] = []
    for one in list(module.at_work) if module is not None else []:
        unhit, chance = one.end()
        errors += unhit
        chances += chance
    return errors, chances


def note(failed: BaseException) -> None:
    """Add to the failure of a test what repeats it, and the faults that never happened.

    Args:
        failed: What it failed with.
    """
    errors, chances = _ended()
    for line in [*chances, *(f"Besides: {error}" for error in errors if error is not failed)]:
        failed.add_note(line)


def end() -> list[FaultAssertionError]:
    """End the faults of a test that passed; return the errors of those that never happened."""
    return _ended()[0]


def raise_unhit(errors: list[FaultAssertionError]) -> None:
    """Raise the errors of faults that never happened.

    Args:
        errors: The errors.

    Raises:
        FaultAssertionError: The error; an ExceptionGroup of all, if there are several.
    """
    __tracebackhide__ = True
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup("several faults never happened", errors)


def forget() -> None:
    """End the faults of a test whose fixtures failed."""
    _ended()
