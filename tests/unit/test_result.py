"""The result file: written whole, read with care."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nexus_testing.errors import ResultError
from nexus_testing.reports.result import FindingResult, Result, TestResult, read_result, write_result

RESULT = Result(
    tool="1.0",
    python="3.11.7",
    backend="embedded",
    started="2030-01-01T00:00:00+00:00",
    duration=1.5,
    exit_code=1,
    tests=[TestResult(id="tests/test_it.py::test_it", outcome="failed", duration=0.25, message="boom")],
    findings=[FindingResult(id="NX101", severity="warning", plugin="shop", text="None", where=None, fix="True")],
)


def test_a_result_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Folders are made on the way, and nothing but the file is left."""
    file = tmp_path / "reports" / "result.json"
    write_result(RESULT, file)
    assert RESULT == read_result(file)
    assert [file] == list(file.parent.iterdir())


def test_a_result_replaces_the_one_before(tmp_path: Path) -> None:
    """The file always holds one whole result."""
    file = tmp_path / "result.json"
    file.write_text("from the last run", encoding="utf-8")
    write_result(RESULT, file)
    assert RESULT == read_result(file)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A folder where the file should be is an error of ours, and leaves nothing beside it."""
    folder = tmp_path / "result.json"
    folder.mkdir()
    with pytest.raises(ResultError, match="cannot be written") as refused:
        write_result(RESULT, folder)
    assert folder == refused.value.where
    assert [folder] == list(tmp_path.iterdir())


def _changed(**changes: Any) -> str:
    return json.dumps({**RESULT.model_dump(mode="json"), **changes})


@pytest.mark.parametrize(
    ("text", "what", "why"),
    [
        (None, "cannot be read", "No such file"),
        ("{\n  'no'", "is no JSON", "Expecting property name"),
        ("[]", "no result of version 1", "does not say that it is a 'nexus-testing/result'"),
        (_changed(format="other"), "no result of version 1", "does not say"),
        (_changed(version=2), "no result of version 1", "it says version 2"),
        (_changed(tests=[{"id": "x"}], more=1), "does not hold together", "tests.0.outcome: Field required"),
        (_changed(duration=-1), "does not hold together", "duration: Input should be greater than or equal to 0"),
    ],
    ids=["missing", "no JSON", "no object", "another format", "another version", "fields", "values"],
)
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, text: str | None, what: str, why: str) -> None:
    """Whatever is in it, the error is ours and names the file."""
    file = tmp_path / "result.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(ResultError, match=what) as refused:
        read_result(file)
    assert why in refused.value.why
    assert str(file) in str(refused.value.where)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A file in another encoding is an error of ours too."""
    file = tmp_path / "result.json"
    file.write_bytes(b"\xff\xfe{}")
    with pytest.raises(ResultError, match="cannot be read"):
        read_result(file)
