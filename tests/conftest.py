"""What the tests share: a plugin's repository, and pytest run in it."""

from __future__ import annotations

import gc
import importlib.metadata
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest
from packaging.version import Version

# A run within this process forgets what it imported itself; what is imported here it finds, which saves a second.
import nexus_testing.app
import nexus_testing.backends.embedded
import nexus_testing.case
import nexus_testing.nexus.plugins.categories
from nexus_testing import entry
from nexus_testing.clock import RealClock
from nexus_testing.runtime.discovery import Project, entry_points, set_project
from nexus_testing.runtime.importer import finder

pytest_plugins = ("pytester", "servers.postgres", "servers.redis")

SOURCE = str(Path(nexus_testing.__file__).parents[1])
INSTALLED = any(point.value == entry.__name__ for point in importlib.metadata.entry_points(group="pytest11"))

# Its older releases leave an event loop open in a run, and the warning of that would be the next run's.
LEAKS = Version(importlib.metadata.version("pytest-asyncio")) < Version("1.5")

# It would import all of hypothesis at the end of each run.
LEAN = ("-p", "no:hypothesispytest")


class SetClock(RealClock):
    """A clock that a test sets. Its time begins at a whole number of seconds."""

    def __init__(self) -> None:
        self.seconds = 1_900_000_000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def time(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def set_clock() -> SetClock:
    """A clock that a test sets."""
    return SetClock()


class Repo:
    """A plugin's repository in a folder of its own. Lives as long as the test."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self._pytester = pytester
        self._monkeypatch = monkeypatch
        self.folder = pytester.path / "shop-plugin"

    def write(self, path: str, text: str = "") -> Path:
        """Write a file of the repository and return its path."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return file

    def manifest(self, name: str = "shop", *, at: str = ".", **more: object) -> Path:
        """Write a manifest and return its path."""
        return self.write(f"{at}/manifest.json", json.dumps({"name": name, "version": "1.0.0", **more}))

    def distribution(self, name: str, *, entry_points: str = "", record: str = "") -> Path:
        """Make a distribution count as installed, for this process and for those that it starts."""
        folder = self._pytester.path / "site"
        info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(dedent(entry_points), encoding="utf-8")
        (info / "RECORD").write_text(dedent(record), encoding="utf-8")
        # From Python 3.12 on, a file counts as a distribution's only if it is there.
        for line in dedent(record).split():
            file = folder / line.partition(",")[0]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        self.path(folder)
        return folder

    def installed(self) -> None:
        """Make the harness itself count as installed, for the processes that are started from here on."""
        if not INSTALLED:
            self.distribution("nexus-testing", entry_points=f"[pytest11]\nnexus_testing = {entry.__name__}")

    def path(self, folder: Path) -> None:
        """Put a folder on the path of modules, for this process and for those that it starts."""
        self._monkeypatch.syspath_prepend(folder)
        self._monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))

    def run(self, *args: str, apart: bool = False, load: bool = not INSTALLED) -> pytest.RunResult:
        """Run pytest in the repository, within this process or apart from it."""
        self.folder.mkdir(exist_ok=True)
        self._monkeypatch.chdir(self.folder)
        if apart:
            return self._pytester.runpytest_subprocess(*(("-p", entry.__name__) if load else ()), *args)
        if LEAKS:
            gc.collect()
        # The filters of the test around it, which makes errors of warnings, would count too.
        filters = () if "-W" in args else ("-W", "default")
        return self._pytester.runpytest_inprocess(*LEAN, *filters, *args, plugins=[entry] if load else [])

    def python(self, *args: str) -> pytest.RunResult:
        """Run Python in the repository; after `-m pytest`, with our plugin."""
        self.folder.mkdir(exist_ok=True)
        self._monkeypatch.chdir(self.folder)
        load = ("-p", entry.__name__) if args[-2:] == ("-m", "pytest") and not INSTALLED else ()
        return self._pytester.run(sys.executable, *args, *load)


@pytest.fixture(name="repo")
def _repo(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Repo:
    for name in ("PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        monkeypatch.delenv(name, raising=False)
    # What shuffles the tests of this project would shuffle those of the repository too.
    # Nor do those that the tests of load need say anything of it.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly -p no:schemathesis -p no:locust")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [SOURCE, os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("COLUMNS", "200")
    return Repo(pytester, monkeypatch)


@pytest.fixture(name="project")
def _project(repo: Repo) -> Iterator[Repo]:
    """A repository whose plugins this process can load by name, until the test is over."""
    repo.folder.mkdir()
    before = set_project(Project(repo.folder))
    entry_points.cache_clear()
    yield repo
    set_project(before)
    entry_points.cache_clear()
    for folder in [repo.folder, *repo.folder.rglob("*")]:
        finder.remove(folder)
