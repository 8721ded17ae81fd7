"""What a manifest's values mean: versions that are versions, files that are there, names that exist."""

from __future__ import annotations

import keyword
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import did_you_mean
from .model import Author, Repository
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .model import Manifest

__all__ = ("PERMISSIONS", "PLATFORMS", "SYSTEM", "misread")

PERMISSIONS = (
    "database.read",
    "database.write",
    "events.publish",
    "events.subscribe",
    "services.register",
    "cache",
    "tasks",
    "api.register",
    "ui.register",
)
"""Every permission that there is."""

PLATFORMS = ("aix", "android", "cygwin", "darwin", "emscripten", "freebsd", "ios", "linux", "sunos", "wasi", "win32")
"""What `sys.platform` may begin with."""

SYSTEM = re.compile(r"\s*(?P<name>[A-Za-z0-9][\w.+-]*?)\s*(?P<range>[<>=!~].*)?")
"""A program and the range of its version."""

_NAMED_OTHERWISE = {"windows": "win32", "macos": "darwin", "osx": "darwin", "mac": "darwin"}
_PLAIN_VERSION = re.compile(r"\d+(\.\d+)*")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+|git@\S+:\S+", re.IGNORECASE)


def misread(manifest: Manifest, folder: Path) -> Iterator[Problem]:
    """Return what is wrong with values that are of the right type.

    Args:
        manifest: What the manifest says.
        folder: The folder that its paths start from.
    """
    for check in (_name, _versions, _dependencies, _permissions, _numbers, _lists, _addresses):
        yield from check(manifest)
    yield from _files(manifest, folder)
    if not manifest.enabled:
        yield Problem("NX316", ("enabled",), "the manifest says enabled: false; the plugin is loaded all the same")


def _name(manifest: Manifest) -> Iterator[Problem]:
    if keyword.iskeyword(manifest.name):
        yield Problem(
            "NX303", ("name",), f"{manifest.name!r} is a word of Python's own, so it cannot be imported", "Rename it."
        )


def _versions(manifest: Manifest) -> Iterator[Problem]:
    compatibility = manifest.compatibility
    oldest, newest = compatibility.min_nexus_version, compatibility.max_nexus_version
    wrong = False
    for path, text in (
        (("version",), manifest.version),
        (("compatibility", "min_nexus_version"), oldest),
        (("compatibility", "max_nexus_version"), newest),
    ):
        if text is None or _PLAIN_VERSION.fullmatch(text):
            continue
        from packaging.version import InvalidVersion, Version

        try:
            Version(text)
        except InvalidVersion:
            wrong = True
            yield Problem("NX305", path, f"{text!r} is no version (PEP 440)")
    if oldest is not None and newest is not None and not wrong:
        from packaging.version import Version

        if Version(oldest) > Version(newest):
            path = ("compatibility", "max_nexus_version")
            yield Problem("NX304", path, f"{newest!r} is older than min_nexus_version {oldest!r}")


def _dependencies(manifest: Manifest) -> Iterator[Problem]:
    wanted = manifest.dependencies
    for key, text in (("nexus", wanted.nexus), ("python", wanted.python)):
        if text:
            why = _refused_by(_range, text)
            if why:
                yield Problem("NX305", ("dependencies", key), f"{text!r} is no range of versions: {why}")
    for key, texts in (("packages", wanted.packages), ("plugins", wanted.plugins)):
        for index, text in enumerate(texts):
            why = _refused_by(_requirement, text)
            if why:
                yield Problem("NX305", ("dependencies", key, index), f"{text!r} is no requirement: {why}")
    for index, text in enumerate(wanted.system):
        found = SYSTEM.fullmatch(text)
        why = "it does not begin with a name" if found is None else _refused_by(_range, found["range"] or "")
        if why:
            yield Problem("NX305", ("dependencies", "system", index), f"{text!r} names no program: {why}")


def _range(text: str) -> object:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(text)


def _requirement(text: str) -> object:
    from packaging.requirements import Requirement

    return Requirement(text)


def _refused_by(read: Callable[[str], object], text: str) -> str:
    """Return the first line of why a reader of ours refuses a text; empty if it does not."""
    try:
        read(text)
    except ValueError as error:
        return (str(error).splitlines() or [""])[0].rstrip(".") or "it cannot be read"
    return ""


def _permissions(manifest: Manifest) -> Iterator[Problem]:
    for index, name in enumerate(manifest.permissions or ()):
        if name not in PERMISSIONS:
            guess = did_you_mean(name, PERMISSIONS)
            yield Problem(
                "NX307",
                ("permissions", index),
                f"there is no permission {name!r}",
                f"{guess} There are {', '.join(PERMISSIONS)}.".strip(),
            )


def _numbers(manifest: Manifest) -> Iterator[Problem]:
    health = manifest.health_check
    if health.timeout >= health.interval:
        key = "timeout" if "timeout" in health.model_fields_set else "interval"
        yield Problem(
            "NX304",
            ("health_check", key),
            f"a check that may take {health.timeout:g} s cannot be made every {health.interval:g} s",
            "Make health_check.timeout (5 unless it is said) less than health_check.interval (30 unless it is said).",
        )


def _lists(manifest: Manifest) -> Iterator[Problem]:
    for index, name in enumerate(manifest.compatibility.platforms):
        if not name.startswith(PLATFORMS):
            known = _NAMED_OTHERWISE.get(name.lower())
            guess = f"Did you mean {known!r}?" if known else did_you_mean(name, PLATFORMS)
            fix = f"{guess} There are {', '.join(PLATFORMS)}.".strip()
            yield Problem("NX303", ("compatibility", "platforms", index), f"no platform is called {name!r}", fix)
    said = manifest.configuration
    for index, key in enumerate(said.optional):
        if key in said.required:
            yield Problem("NX304", ("configuration", "optional", index), f"{key!r} is required too")
    seen: set[str] = set()
    for index, widget in enumerate(manifest.ui.dashboard_widgets):
        if widget.id in seen:
            path = ("ui", "dashboard_widgets", index, "id")
            yield Problem("NX304", path, f"another widget has the id {widget.id!r} too")
        seen.add(widget.id)


def _addresses(manifest: Manifest) -> Iterator[Problem]:
    author, repository = manifest.author, manifest.repository
    said: list[tuple[tuple[str, ...], str | None]] = [
        (("homepage",), manifest.homepage),
        (("documentation",), manifest.documentation),
    ]
    if isinstance(author, Author):
        said.append((("author", "url"), author.url))
        if author.email and not re.fullmatch(r"[^@\s]+@[^@\s]+", author.email):
            yield Problem("NX314", ("author", "email"), f"{author.email!r} is no address", "Write me@example.com.")
    if isinstance(repository, Repository):
        said.append((("repository", "url"), repository.url))
    else:
        said.append((("repository",), repository))
    for path, text in said:
        if text and not _ADDRESS.fullmatch(text):
            yield Problem("NX314", path, f"{text!r} is no address")


def _files(manifest: Manifest, folder: Path) -> Iterator[Problem]:
    said = manifest.configuration
    for path, text, kind in (
        (("configuration", "schema"), said.schema_file, "NX306"),
        (("configuration", "defaults"), said.defaults, "NX306"),
        (("icon",), manifest.icon, "NX313"),
        *((("screenshots", index), text, "NX313") for index, text in enumerate(manifest.screenshots)),
    ):
        if text is None or (kind == "NX313" and "://" in text):
            continue
        file = folder / text
        if not _is_file(file):
            yield Problem(kind, path, f"there is no file {str(file)!r}")
        elif Path(os.path.relpath(file.resolve(), folder.resolve())).parts[:1] == ("..",):
            yield Problem("NX315", path, f"{text!r} is outside of {str(folder)!r}")


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):
        # A name that is too long for the system, or that no file can have.
        return False
