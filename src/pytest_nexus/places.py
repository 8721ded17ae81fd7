"""Which plugin a test file is about, told to the library before the file is imported."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nexus_testing.runtime.discovery import Project

__all__ = ("Places",)

KEY = pytest.StashKey["Places"]()


def _has_manifest(folder: Path) -> bool:
    return os.path.isfile(f"{folder}/manifest.json")


class Places:
    """Remembers what was found for which file. Lives as long as the session.

    Args:
        root: pytest's rootdir.
        named: The plugins that the configuration names.
    """

    def __init__(self, root: Path, named: tuple[str, ...]) -> None:
        self.root = root
        self.named = named
        self._projects: dict[Path, Project] = {}
        self._near: dict[Path, bool] = {}
        self._has_plugins: bool | None = None
        self._added: list[Path] = []

    def project(self, file: Path) -> Project:
        """Return what a test file can see.

        Args:
            file: The file.
        """
        from nexus_testing.runtime.discovery import Project

        found = self._projects.get(file)
        if found is None:
            found = self._projects[file] = Project(self.root, file, self.named)
        return found

    def near(self, file: Path) -> bool:
        """Say whether a test file has a plugin under test, or could have one.

        Args:
            file: The file.
        """
        folder = file.parent
        known = self._near.get(folder)
        if known is None:
            known = self._near[folder] = bool(self.named) or self._look(file)
        return known

    def _look(self, file: Path) -> bool:
        project = self.project(file)
        return project.nearest() is not None or bool(project.candidates())

    def prepare(self, path: Path) -> None:
        """Make the plugins that a file or folder can see importable.

        Args:
            path: The file or folder.
        """
        folder = path if path.is_dir() else path.parent
        if not any(map(_has_manifest, (folder, *folder.parents))) and not self._root_has_plugins():
            return
        from nexus_testing.runtime.importer import finder

        project = self.project(path)
        nearest = project.nearest()
        sites = {site.name: site for site in reversed(project.candidates())}
        if nearest is not None:
            sites[nearest.name] = nearest
        for site in sites.values():
            if (site.entry_point is None or (site.folder / "plugin.py").is_file()) and not finder.knows(site.folder):
                finder.add(site)
                self._added.append(site.folder)

    def hidden(self, machine: Mapping[str, str]) -> list[str]:
        """Return the environment variables that the repo's plugins do not see.

        Args:
            machine: What pytest was started with.
        """
        if not self._root_has_plugins():
            return []
        from nexus_testing.environment import hidden_from

        return [name for site in self.project(self.root).candidates() for name in hidden_from(site.name, machine)]

    def forget(self) -> None:
        """Make what was made importable importable no more."""
        if self._added:
            from nexus_testing.runtime.importer import finder

            for folder in self._added:
                finder.remove(folder)
            self._added.clear()

    def _root_has_plugins(self) -> bool:
        if self._has_plugins is None:
            from nexus_testing.runtime.discovery import Project

            self._has_plugins = bool(Project(self.root).candidates())
        return self._has_plugins
