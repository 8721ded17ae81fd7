"""Reading a manifest's file, once for as long as it does not change."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ..errors import ManifestError
from ..findings import Severity, find
from ..locations import Location
from .meaning import misread
from .positions import Positions, dotted
from .problems import Problem, judge, unknown_keys

if TYPE_CHECKING:
    from pathlib import Path

    from ..findings import Finding
    from .model import Manifest

__all__ = ("manifest_findings", "read_json", "read_manifest")

LARGEST = 1_000_000
"""How many bytes a manifest may have."""

DEEPEST = 50
"""How many brackets may stand inside each other."""


class _Text(NamedTuple):
    """What a manifest's file holds."""

    text: str
    value: dict[str, Any]
    repeats: bool


class _Reading(NamedTuple):
    """What a manifest says, and what was found that does not stop a load."""

    manifest: Manifest
    findings: tuple[Finding, ...]


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a manifest file holds.

    Args:
        path: The file.

    Raises:
        ManifestError: If it cannot be read, is no JSON or no object.
    """
    return _load(path).value


def read_manifest(path: Path) -> Manifest:
    """Return what a manifest file says.

    Args:
        path: The file.

    Raises:
        ManifestError: If it cannot be read, or says something impossible; all of it at once.
    """
    return _reading(path).manifest


def manifest_findings(path: Path) -> tuple[Finding, ...]:
    """Return what stands out about a manifest file and does not stop a load.

    Args:
        path: The file.

    Raises:
        ManifestError: If it cannot be read, or says something impossible; all of it at once.
    """
    return _reading(path).findings


def _reading(path: Path) -> _Reading:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return _read(path, 0, 0)
    return _read(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=256)
def _read(path: Path, _changed: int, _size: int) -> _Reading:
    text, value, repeats = _load(path)
    manifest, problems = judge(value)
    if manifest is not None:
        problems += unknown_keys(manifest)
        problems += misread(manifest, path.parent)
    findings: list[Finding] = []
    if problems or repeats:
        name = value.get("name")
        findings = _placed(path, Positions(text), problems, name if isinstance(name, str) else None)
    wrong = tuple(finding for finding in findings if finding.severity is Severity.ERROR)
    if wrong or manifest is None:
        raise _refusal(path, wrong)
    return _Reading(manifest, tuple(findings))


def _placed(path: Path, positions: Positions, problems: list[Problem], plugin: str | None) -> list[Finding]:
    found = [
        (positions.key(one.path) if one.at_key else positions.value(one.path), one.id, one.path, one.text, one.fix)
        for one in problems
    ] + [
        (again, "NX312", keys, f"the key stands in line {first.line} too", "")
        for keys, first, again in positions.duplicates
    ]
    found.sort(key=lambda one: one[0])
    return [
        find(
            id_,
            f"{dotted(keys)}: {text}",
            plugin=plugin,
            where=Location(str(path), place.line, column=place.column),
            fix=fix or None,
        )
        for place, id_, keys, text, fix in found
    ]


def _refusal(path: Path, wrong: tuple[Finding, ...]) -> ManifestError:
    error = ManifestError(
        f"The manifest has {len(wrong)} problem{'s' if len(wrong) != 1 else ''}.",
        where=wrong[0].where if wrong else f"{path}:1",
        why="\n".join(f"{one.id} {one.where}\n  {one.text}\n  fix: {one.fix}" for one in wrong),
        fix="Mend what is listed; the reference page of the manifest has a row for each key.",
        plugin=wrong[0].plugin if wrong else None,
    )
    error.problems = wrong
    return error


def _load(path: Path) -> _Text:
    text = _decoded(path)
    repeats: list[bool] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            repeats.append(True)
        return result

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no JSON")

    try:
        value = json.loads(text, object_pairs_hook=collect, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ManifestError(
            "The manifest is no JSON.",
            where=f"{path}:{error.lineno}:{error.colno}",
            why=error.msg,
            fix="Mend the file; JSON wants double quotes, no comments and no comma before a closing bracket.",
        ) from error
    except (ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        raise ManifestError(
            "The manifest is nested too deeply." if deep else "The manifest is no JSON.",
            where=path,
            why="" if deep else str(error),
            fix="Mend the file.",
        ) from error
    if not isinstance(value, dict):
        raise ManifestError(
            f"The manifest is a JSON {type(value).__name__}, not an object.",
            where=f"{path}:1",
            fix='Write {"name": "my_plugin", "version": "0.1.0"}.',
        )
    if _depth(text) > DEEPEST:
        raise ManifestError(
            "The manifest is nested too deeply.",
            where=path,
            why=f"more than {DEEPEST} brackets stand inside each other",
            fix="Move what is not the manifest's into a file of its own.",
        )
    return _Text(text, value, bool(repeats))


def _depth(text: str) -> int:
    if text.count("[") + text.count("{") <= DEEPEST:
        return 0
    depth = deepest = 0
    for bracket in re.findall(r"[\[{\]}]", re.sub(r'"(?:[^"\\]|\\.)*"', "", text, flags=re.DOTALL)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _decoded(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError("The manifest cannot be read.", where=path, why=str(error), fix="Mend the file.") from error
    why = fix = ""
    if len(data) > LARGEST:
        why, fix = f"it has {len(data):,} bytes, and {LARGEST:,} is the most", "Move what is not the manifest's out."
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:4]:
        why, fix = "it is UTF-16 or UTF-32", "Save the file as UTF-8."
    elif data.startswith(b"\xef\xbb\xbf"):
        why, fix = "it begins with a byte order mark, which JSON does not have", "Save the file as UTF-8 without BOM."
    if why:
        raise ManifestError("The manifest cannot be read.", where=f"{path}:1", why=why, fix=fix)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            "The manifest cannot be read.",
            where=f"{path}:{line}",
            why=f"it is no UTF-8: {error.reason} {data[error.start : error.start + 1]!r}",
            fix="Save the file as UTF-8.",
        ) from error
