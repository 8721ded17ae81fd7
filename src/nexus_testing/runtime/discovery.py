"""Where plugins are: which one a test file is about, and which others stand beside it."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import PluginLoadError, PluginNotFound, PluginUnderTestError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ("GROUP", "Project", "Site", "current_project", "is_plugin_folder", "read_if_there", "set_project")

GROUP = "nexus.plugins"
"""The entry-point group of installed plugins."""

_SHAPES = (".", "src/*", "*", "plugins/*/*")
_PASSED_OVER = {"node_modules", "venv", "site-packages", "__pycache__", "build", "dist"}


class Site(NamedTuple):
    """A place where a plugin is: its folder, its name, and its entry point if it is an installed one."""

    name: str
    folder: Path
    entry_point: importlib.metadata.EntryPoint | None = None

    @property
    def manifest(self) -> Path:
        """The manifest's file; it may not be there for an installed plugin."""
        return self.folder / "manifest.json"

    def __str__(self) -> str:
        return f"{self.name} in {self.folder}"


@functools.lru_cache(maxsize=1)
def entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the installed plugins by name."""
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}


def _installed(name: str, point: importlib.metadata.EntryPoint) -> Site:
    """Return where an installed plugin is, without importing it."""
    top = point.module.partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if places:
        return Site(name, Path(places[0]), point)
    origin = spec.origin if spec is not None else None
    return Site(name, Path(origin).with_suffix("") if origin else Path(top), point)


@functools.lru_cache(maxsize=1024)
def _name_in(manifest: str, _changed: int) -> tuple[str, str] | None:
    """Return name and version if the file looks like a plugin's manifest and not, say, a browser extension's."""
    try:
        with open(manifest, encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    if isinstance(value, dict) and isinstance(value.get("name"), str) and isinstance(value.get("version"), str):
        return value["name"], value["version"]
    return None


def site_in(folder: Path) -> Site | None:
    """Return the plugin that a folder is, if it is one.

    A manifest is a plugin's if it has name and version, and a `plugin.py` beside it or an entry point.

    Args:
        folder: The folder.
    """
    manifest = f"{folder}/manifest.json"
    try:
        changed = os.stat(manifest).st_mtime_ns
    except OSError:
        return None
    said = _name_in(manifest, changed)
    if said is None:
        return None
    if os.path.isfile(f"{folder}/plugin.py"):
        return Site(said[0], folder)
    point = entry_points().get(said[0])
    return Site(said[0], folder, point) if point is not None else None


def is_plugin_folder(folder: Path) -> bool:
    """Say whether a folder is a plugin's.

    Args:
        folder: The folder.
    """
    return site_in(folder) is not None


def read_if_there(folder: Path) -> None:
    """Read the manifest of a folder that is no plugin's, so that it says itself what is wrong with it.

    Args:
        folder: The folder.

    Raises:
        ManifestError: If there is a manifest, and it cannot be used.
    """
    if os.path.isfile(f"{folder}/manifest.json"):
        from ..manifest import read_manifest

        read_manifest(folder / "manifest.json")


def _children(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.name not in _PASSED_OVER and not entry.name.startswith(".") and entry.is_dir()
            )
    except OSError:
        return
    for name in names:
        yield folder / name


def _problem_of(manifest: Path) -> str:
    """Return what is wrong with a manifest, in lines; nothing if it can be used."""
    try:
        read_if_there(manifest.parent)
    except PluginLoadError as error:
        return "".join(f"  {line}\n" for line in f"{error.what}\n{error.where}\n{error.why}".splitlines() if line)
    return ""


def _glob(root: Path, shape: str) -> Iterator[Path]:
    folders = [root]
    for part in shape.split("/"):
        if part == "*":
            folders = [child for folder in folders for child in _children(folder)]
        elif part != ".":
            folders = [folder / part for folder in folders]
    yield from folders


class Project:
    """What a test file can see: its folder, the root of its repo, and the plugins that were named for it.

    Args:
        root: The root of the repo.
        anchor: The test file, or the folder to look from.
        named: Names or paths of the plugins under test, if they were given.
    """

    def __init__(self, root: Path, anchor: Path | None = None, named: Iterable[str] = ()) -> None:
        self.root = root
        self.anchor = anchor if anchor is not None else root
        self.named = tuple(named)
        self._nearest: tuple[Site | None] | None = None

    # -- the plugin under test -----------------------------------------------------------------------------------

    def nearest(self) -> Site | None:
        """Return the nearest plugin at or above the test file, within its repository."""
        if self._nearest is None:
            self._nearest = (self._look_up(),)
        return self._nearest[0]

    def _look_up(self) -> Site | None:
        start = self.anchor if self.anchor.is_dir() else self.anchor.parent
        for folder in (start, *start.parents):
            site = site_in(folder)
            if site is not None:
                return site
            if (folder / ".git").exists():
                return None
        return None

    def candidates(self) -> list[Site]:
        """Return the plugins in the usual places of the repo, each once."""
        found: dict[Path, Site] = {}
        for shape in _SHAPES:
            for folder in _glob(self.root, shape):
                site = site_in(folder)
                if site is not None:
                    found.setdefault(folder, site)
        return list(found.values())

    def under_test(self) -> list[Site]:
        """Return the plugins under test: those named, else the nearest, else the only one there is.

        Raises:
            PluginUnderTestError: If there is none, or more than one.
            PluginNotFound: If one that was named is not there.
        """
        if self.named:
            return [self.find(name) for name in self.named]
        site = self.nearest()
        if site is not None:
            return [site]
        sites = self.candidates() or [
            _installed(name, point) for name, point in entry_points().items() if not site_in(self.root)
        ]
        if len(sites) == 1:
            return sites
        raise self._undecided(sites)

    def _undecided(self, sites: list[Site]) -> PluginUnderTestError:
        if sites:
            return PluginUnderTestError(
                f"There are {len(sites)} plugins that this file could be about.",
                where=self.anchor,
                why="candidates:\n" + "\n".join(f"  {site}" for site in sites),
                fix=f"Say which, in pytest's configuration (pyproject.toml, [tool.pytest.ini_options]):\n"
                f'    nexus_plugins = ["{sites[0].name}"]\n'
                f"or move the test file into the plugin's folder.",
            )
        broken = self._broken()
        problem = _problem_of(broken) if broken is not None else ""
        return PluginUnderTestError(
            "There is no plugin that this file could be about.",
            where=broken or self.anchor,
            why=(
                f"{broken} is no plugin's manifest: it lacks a name, a version, a plugin.py beside it, or is no JSON\n"
                + problem
                if broken
                else ""
            )
            + "looked for a manifest.json with a plugin.py beside it, at or above the file and in\n"
            + "\n".join(f"  {self.root / shape if shape != '.' else self.root}" for shape in _SHAPES),
            fix='Write a manifest.json beside plugin.py: {"name": "my_plugin", "version": "0.1.0"}, or name the plugin '
            "in pytest's configuration:\n"
            '    nexus_plugins = ["path/to/the/plugin"]',
        )

    def _broken(self) -> Path | None:
        start = self.anchor if self.anchor.is_dir() else self.anchor.parent
        folders = [start, *start.parents] if start.is_relative_to(self.root) else [start]
        for folder in [one for one in folders if one.is_relative_to(self.root)] + [
            folder for shape in _SHAPES for folder in _glob(self.root, shape)
        ]:
            if (folder / "manifest.json").is_file():
                return folder / "manifest.json"
        return None

    # -- any plugin ----------------------------------------------------------------------------------------------

    def visible(self) -> list[Site]:
        """Return every plugin that can be loaded by name: candidates, the nearest, and what stands beside them."""
        found: dict[Path, Site] = {}
        nearest = self.nearest()
        for site in [*([nearest] if nearest is not None else []), *self.candidates()]:
            found.setdefault(site.folder, site)
            for folder in _children(site.folder.parent):
                beside = site_in(folder)
                if beside is not None:
                    found.setdefault(folder, beside)
        return list(found.values())

    def find(self, name: str) -> Site:
        """Return the plugin of a name, of a folder's name, or at a path.

        Args:
            name: The name or path.

        Raises:
            PluginNotFound: If there is none.
            ManifestError: If the manifest at the path cannot be used.
        """
        for base in (self.root, self.anchor if self.anchor.is_dir() else self.anchor.parent):
            path = (base / name).resolve()
            if path.is_dir() and (os.sep in name or name in {".", ".."} or Path(name).is_absolute()):
                site = site_in(path)
                if site is not None:
                    return site
                read_if_there(path)
        sites = self.visible()
        for site in sites:
            if site.name == name:
                return site
        for site in sites:
            if name in {site.folder.name, site.folder.name.replace("-", "_")}:
                return site
        point = entry_points().get(name)
        if point is not None:
            return _installed(name, point)
        raise PluginNotFound(
            f"There is no plugin called {name!r}.",
            where=self.anchor,
            why="found "
            + (", ".join(f"{site.name} in {site.folder}" for site in sites) or "no plugin at all")
            + f"\nlooked at and above {self.anchor}, beside what was found, in\n"
            + "\n".join(f"  {self.root / shape if shape != '.' else self.root}" for shape in _SHAPES)
            + f"\nand among the entry points of the group {GROUP!r}",
            fix=did_you_mean(name, [site.name for site in sites])
            or "Load it by its manifest's name, or by the path of its folder.",
            plugin=name,
        )


_project: Project | None = None


def set_project(project: Project | None) -> Project | None:
    """Say which project the code that follows is about; return the one from before.

    Args:
        project: The project, or None for the working directory.
    """
    global _project
    before, _project = _project, project
    return before


def current_project() -> Project:
    """Return the project that the running test is about; the working directory's outside of a test."""
    return _project if _project is not None else Project(Path.cwd())
