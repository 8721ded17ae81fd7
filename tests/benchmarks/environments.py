"""Virtual environments that a benchmark compares, made once and taken again if they are kept."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

from .measuring import ROOT

__all__ = ("Environments",)

_BARE = ("pytest", "pytest-asyncio")
_PLATFORM = "nexus-platform==0.1.5"


class Environments:
    """The environments of one run of the benchmarks.

    Args:
        folder: Where they are, or are made.
        wheel: The harness, built; it is built from the working copy if there is none.
    """

    def __init__(self, folder: Path, wheel: Path | None = None) -> None:
        """Remember where the environments are."""
        self._folder = folder
        self._wheel = wheel

    def bare(self) -> Path:
        """Return the interpreter of an environment with pytest and pytest-asyncio, in the versions used here."""
        return self._made("bare", [f"{name}=={version(name)}" for name in _BARE])

    def ours(self) -> Path:
        """Return the interpreter of an environment with the harness as users install it."""
        wheel = self._built()
        python = self._made("ours", [str(wheel), *(f"{name}=={version(name)}" for name in _BARE)])
        # The environment may be an older one that was kept.
        self._install(python, "--force-reinstall", "--no-deps", str(wheel))
        return python

    def platform(self) -> Path:
        """Return the interpreter of an environment with the published framework."""
        return self._made("platform", [_PLATFORM])

    def with_platform(self) -> Path:
        """Return the interpreter of an environment with the harness and the published framework."""
        python = self._made("with_platform", [f"{self._built()}[platform]", _PLATFORM])
        self._install(python, "--force-reinstall", "--no-deps", str(self._built()))
        return python

    def _made(self, name: str, requirements: list[str]) -> Path:
        """Make an environment, unless it is there."""
        folder = self._folder / name
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        ready = folder / "ready"
        if not ready.is_file():
            venv.create(folder, with_pip=True, clear=True, symlinks=os.name != "nt")
            self._install(python, *requirements)
            ready.touch()
        return python

    def _built(self) -> Path:
        """Return the wheel, building it the first time."""
        if self._wheel is None:
            into = self._folder / "wheel"
            self._pip(Path(sys.executable), "wheel", "--no-deps", "--wheel-dir", str(into), str(ROOT))
            self._wheel = max(into.glob("nexus_testing-*.whl"), key=lambda file: file.stat().st_mtime)
        return self._wheel

    def _install(self, python: Path, *arguments: str) -> None:
        """Install something into an environment."""
        self._pip(python, "install", *arguments)

    @staticmethod
    def _pip(python: Path, verb: str, *arguments: str) -> None:
        """Run pip and raise RuntimeError, with what it said, if it fails."""
        command = [str(python), "-m", "pip", verb, "--quiet", "--disable-pip-version-check", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            msg = f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            raise RuntimeError(msg)
