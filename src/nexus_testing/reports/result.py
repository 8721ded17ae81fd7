"""The result of a run as versioned JSON: what every report and gate is made from."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ResultError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("FORMAT", "VERSION", "FindingResult", "Result", "TestResult", "read_model", "read_result", "write_result")

FORMAT = "nexus-testing/result"
VERSION = 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TestResult(_Part):
    """One test: its node id, how it ended, and how long it took in seconds, set-up and teardown included."""

    __test__ = False

    id: str
    outcome: Literal["passed", "failed", "skipped", "error", "xfailed", "xpassed"]
    duration: float = Field(ge=0)
    message: str = ""


class FindingResult(_Part):
    """One finding, with the number of apps that it was found in."""

    id: str
    severity: Literal["info", "warning", "error"]
    plugin: str | None = None
    text: str
    where: str | None = None
    fix: str
    count: int = Field(default=1, ge=1)


class Result(_Part):
    """A run of tests."""

    format: Literal["nexus-testing/result"] = "nexus-testing/result"
    version: Literal[1] = 1
    tool: str
    python: str
    backend: str
    started: str
    duration: float = Field(ge=0)
    exit_code: int
    tests: list[TestResult] = Field(default_factory=list)
    findings: list[FindingResult] = Field(default_factory=list)


def write_result(result: Result, path: Path) -> None:
    """Write a result, whole or not at all.

    Args:
        result: The result.
        path: The file.

    Raises:
        ResultError: If it cannot be written.
    """
    scratch = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise ResultError(
            "The result cannot be written.", where=path, why=str(error), fix="Name a file in a folder that is writable."
        ) from error


def read_result(path: Path) -> Result:
    """Read a result.

    Args:
        path: The file.

    Raises:
        ResultError: If it cannot be read, or is none of this version.
    """
    return read_model(path, Result, FORMAT, VERSION, ("result", "Run the tests again"))


Model = TypeVar("Model", bound=BaseModel)


def read_model(path: Path, model: type[Model], format_: str, version: int, words: tuple[str, str]) -> Model:
    """Read a file that says its format and version.

    Args:
        path: The file.
        model: What it is.
        format_: The format that it has to say.
        version: The version.
        words: What it is called in messages, and how another one is made.

    Raises:
        ResultError: If it cannot be read, or is none of this version.
    """
    what, again = words
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(f"The {what} cannot be read.", where=path, why=str(error), fix=f"{again}.") from error
    except json.JSONDecodeError as error:
        raise ResultError(
            f"The {what} is no JSON.",
            where=f"{path}:{error.lineno}:{error.colno}",
            why=error.msg,
            fix=f"{again}; the file was cut off or is another one.",
        ) from error
    said = value.get("version") if isinstance(value, dict) and value.get("format") == format_ else None
    if said != version:
        raise ResultError(
            f"The file is no {what} of version {version}.",
            where=path,
            why=f"it says version {said!r}" if said is not None else f"it does not say that it is a {format_!r}",
            fix=f"{again} with this version of nexus-testing.",
        )
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
        raise ResultError(
            f"The {what} does not hold together.", where=path, why="\n".join(problems), fix=f"{again}."
        ) from error
