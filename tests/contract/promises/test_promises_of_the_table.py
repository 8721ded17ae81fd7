"""The table of differences and the tests of the promises know the same rows."""

from __future__ import annotations

import re
from pathlib import Path

from nexus_testing.production.differences import DIFFERENCES


def test_each_row_is_shown() -> None:
    """A test asks for each row of the table, with what is so on either side; none asks for another."""
    tests = "".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py"))
    shown = re.findall(r"""either\(\s*"([\w-]+)",\s*here=""", tests)
    assert set(DIFFERENCES) == set(shown)


def test_each_row_says_why() -> None:
    """What either does, and the reason, as sentences."""
    for row in DIFFERENCES.values():
        assert all(text.endswith(".") for text in (row.production, row.here, row.why)), row.id
        assert row.production != row.here, row.id
