"""What a run on the installed nexus-platform needs: its own warnings are not the author's, and its errors explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from nexus_testing.findings import Finding

__all__ = ("explain", "filter_warnings", "prefetch")

_FILTERS = (
    # From Python 3.12 on, of each event that it makes and each row that it writes.
    r"ignore:datetime\.datetime\.utcnow:DeprecationWarning:(nexus\.|pydantic\.|sqlalchemy\.)",
    r"ignore:The default datetime adapter is deprecated:DeprecationWarning",
)


def filter_warnings(config: pytest.Config) -> None:
    """Let warnings that only the framework can mend be none, also where warnings are errors.

    Args:
        config: pytest's configuration.
    """
    for line in _FILTERS:
        config.addinivalue_line("filterwarnings", line)


def prefetch() -> None:
    """Import the framework before a test file does: what it warns of then is not the file's."""
    from nexus_testing.backends.platform import prefetch as fetch

    fetch()


def explain(info: pytest.ExceptionInfo[Any] | None) -> Finding | None:
    """Return a finding of a test file that cannot be imported, if the framework lacks what it imports.

    Args:
        info: What was raised.
    """
    from nexus_testing.backends.platform import explain_import

    return explain_import(info.value) if info is not None else None
