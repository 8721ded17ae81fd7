"""What is wrong with a manifest: types and ranges, as the model sees them, and keys that it does not know."""

from __future__ import annotations

import re
import reprlib
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ValidationError

from ..errors import did_you_mean
from .model import Manifest, Section
from .positions import dotted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .positions import Path

__all__ = ("Problem", "judge", "shown", "unknown_keys")

_MISSING = "missing"
_WRONG_TYPE = re.compile(r".*_type|two_shapes|string_unicode|int_from_float|.*_parsing.*")
_PLACEHOLDERS = {"name": "unnamed", "version": "0", "title": "?", "id": "?", "url": "?", "requests": 1, "period": 1}


class Problem(NamedTuple):
    """One thing that is wrong: the id of its finding, where, what, and what to do if not the usual."""

    id: str
    path: Path
    text: str
    fix: str = ""
    at_key: bool = False


def shown(value: object) -> str:
    """Return a value as messages show it, cut where it is long or deep.

    Args:
        value: Anything out of a JSON file.
    """
    return "null" if value is None else reprlib.repr(value)


def judge(document: dict[str, Any]) -> tuple[Manifest | None, list[Problem]]:
    """Return what a document says, as far as it can be made out, and what is wrong with it.

    Where values are wrong, the model is that of the rest, so that the rest can be looked at too.

    Args:
        document: The object that the manifest's file holds.
    """
    try:
        return Manifest.model_validate(document), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    problems: dict[Path, Problem] = {}
    rest = document
    for detail in details:
        path = _path_in(document, detail["loc"], missing=detail["type"] == _MISSING)
        problems.setdefault(path, _problem(document, path, detail["type"], detail["msg"]))
        rest = _without(rest, path)
    try:
        return Manifest.model_validate(rest), list(problems.values())
    except ValidationError:
        return None, list(problems.values())


def _path_in(document: object, loc: tuple[str | int, ...], *, missing: bool) -> Path:
    """Return the path of an error in the document: its location without the names of shapes that it went through."""
    path: list[str | int] = []
    value = document
    for number, part in enumerate(loc, 1):
        inside = value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list) else {}
        if part in inside:
            value = inside[part]
        elif not (missing and number == len(loc)):
            continue
        path.append(part)
    return tuple(path)


def _problem(document: object, path: Path, kind: str, message: str) -> Problem:
    wanted = _described(path)
    fix = f"{dotted(path)} is {wanted}." if wanted else ""
    if kind == _MISSING:
        return Problem("NX301", path, "the key is missing", fix)
    value: Any = document
    for part in path:
        value = value[part]
    wrong = message[:1].lower() + message[1:]
    if kind == "string_pattern_mismatch":
        wrong = "it has the wrong form"
    id_ = "NX302" if _WRONG_TYPE.fullmatch(kind) else "NX303"
    return Problem(id_, path, f"{shown(value)}: {wrong.removeprefix('input ')}", fix)


def _without(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a document without the key or item of a path; what may not be missing gets something in its place."""
    if not path:
        return {"name": "unnamed", "version": "0"}
    value: Any = document
    depth = len(path)
    for number, part in enumerate(path):
        if isinstance(value, list):
            # An item that went would move those behind it, so the whole list goes.
            depth = number
            break
        value = value.get(part) if isinstance(value, dict) else None
    return _changed(document, path[:depth])


def _changed(value: dict[str, Any], path: Path) -> dict[str, Any]:
    key, *rest = path
    result = dict(value)
    if rest and isinstance(result.get(str(key)), dict):
        result[str(key)] = _changed(result[str(key)], tuple(rest))
    elif key in _PLACEHOLDERS:
        result[str(key)] = _PLACEHOLDERS[str(key)]
    else:
        result.pop(str(key), None)
    return result


def _described(path: Path) -> str:
    """Return what the model says of the key that a path leads to."""
    section: Any = Manifest
    text = ""
    for part in path:
        if isinstance(part, int) or section is None:
            continue
        field = next((one for key, one in _fields(section).items() if key == part), None)
        if field is None:
            return ""
        text = field.description or ""
        section = next(iter(_sections(field.annotation)), None)
    return text


def _fields(section: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in section.model_fields.items()}


def _sections(annotation: Any) -> Iterator[type[Section]]:
    """Return the sections that an annotation names, through unions, lists and Annotated."""
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        if issubclass(annotation, Section):
            yield annotation
        return
    for one in getattr(annotation, "__args__", ()):
        yield from _sections(one)


def unknown_keys(section: BaseModel, path: Path = ()) -> Iterator[Problem]:
    """Return the keys that the model does not know, in all sections.

    Args:
        section: The manifest, or one of its sections.
        path: What leads to it.
    """
    known = _fields(type(section))
    for key in section.model_extra or ():
        guess = did_you_mean(key, known)
        fix = f"{guess} Else take it out." if guess else ""
        yield Problem("NX311", (*path, key), f"nothing reads {key!r}", fix, at_key=True)
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        here = (*path, field.alias or name)
        if isinstance(value, Section):
            yield from unknown_keys(value, here)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, Section):
                    yield from unknown_keys(item, (*here, index))
