"""``nexus-testing doctor``: what is here, and what stands in the way."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import namespace
from .._version import __version__
from ..errors import NexusTestingError
from ..runtime.discovery import Project

if TYPE_CHECKING:
    import argparse

    from .commands import Commands

__all__ = ("add_doctor", "diagnosis")

_PACKAGES = ("pytest", "pytest-asyncio", "fastapi", "starlette", "httpx", "pydantic", "nexus-platform")


def add_doctor(commands: Commands) -> None:
    """Add the command.

    Args:
        commands: The commands that there are.
    """
    doctor = commands.add_parser("doctor", help="say what is here, and what stands in the way")
    doctor.add_argument("folder", nargs="?", type=Path, default=Path(), help="the plugin's repo (default: here)")
    doctor.add_argument("--json", action="store_true", help="as JSON")
    doctor.set_defaults(run=_doctor)


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"python": platform.python_version(), "nexus-testing": __version__}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def diagnosis(folder: Path) -> dict[str, Any]:
    """Return what `doctor` says of a plugin repo.

    Args:
        folder: The repo.
    """
    problems: list[dict[str, str]] = []

    def problem(error: NexusTestingError) -> None:
        problems.append({"what": error.what, "where": str(error.where or ""), "why": error.why, "fix": error.fix})

    project = Project(folder.resolve())
    under_test: list[str] = []
    try:
        under_test = [str(site) for site in project.under_test()]
    except NexusTestingError as error:
        # Several are no problem of the repo: each test file has one of its own, or says so.
        if not project.candidates():
            problem(error)
    for site in project.candidates():
        if site.manifest.is_file():
            from ..manifest import read_manifest

            try:
                read_manifest(site.manifest)
            except NexusTestingError as error:
                problem(error)
    if not namespace.platform_installed():
        try:
            namespace.refuse_other([project.root])
        except NexusTestingError as error:
            problem(error)
    other = namespace.namesake()
    if other is not None:
        problems.append(
            {
                "what": "The unrelated distribution 'pytest-nexus' brings a module of the same name.",
                "where": other,
                "why": "both install pytest_nexus",
                "fix": "pip uninstall pytest-nexus, then reinstall nexus-testing",
            }
        )
    return {
        "folder": str(project.root),
        "versions": _versions(),
        "backend": "platform" if namespace.platform_installed() else "embedded",
        "plugins": [str(site) for site in project.candidates()],
        "under_test": under_test,
        "problems": problems,
    }


def _doctor(options: argparse.Namespace) -> int:
    found = diagnosis(options.folder)
    if options.json:
        print(json.dumps(found, indent=2))
        return 1 if found["problems"] else 0
    lines = [f"nexus-testing doctor: {found['folder']}", "", "versions"]
    lines += [f"  {name:<16} {version or 'not installed'}" for name, version in found["versions"].items()]
    lines += ["", f"backend            {found['backend']}"]
    for title, key in (("plugins found", "plugins"), ("plugin under test", "under_test")):
        lines += [f"{title:<18} {', '.join(found[key]) or 'none'}"]
    for one in found["problems"]:
        lines += ["", f"problem: {one['what']}"]
        for label in ("where", "why", "fix"):
            text = one[label].replace("\n", "\n         ")
            if text:
                lines.append(f"  {label + ':':<6} {text}")
    lines += ["", _counted(len(found["problems"]))]
    print("\n".join(lines))
    return 1 if found["problems"] else 0


def _counted(problems: int) -> str:
    return "no problems" if not problems else "1 problem" if problems == 1 else f"{problems} problems"
