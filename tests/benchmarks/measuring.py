"""Numbers of one benchmark: what was measured, how often, and how far it spread."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ("CHILDREN", "ROOT", "Row", "child", "environment", "python_command", "rotated", "row", "timed")

ROOT = Path(__file__).resolve().parents[2]
CHILDREN = Path(__file__).resolve().parent / "children"
_SOURCES = ROOT / "src"


class Row(NamedTuple):
    """One line of the table. `low` and `high` are the quartiles of the samples."""

    what: str
    target: str
    unit: str
    median: float
    low: float
    high: float
    samples: int
    command: str
    note: str

    @property
    def measured(self) -> str:
        """The median, the spread and the note, for people."""
        digits = 2 if self.unit in {"×", ""} or abs(self.median) < 10 else 0
        middle, low, high = (f"{value:.{digits}f}" for value in (self.median, self.low, self.high))
        text = f"{middle} {self.unit} ({low} … {high}, n={self.samples})"
        return f"{text}; {self.note}" if self.note else text


def row(  # noqa: PLR0917 - in the order of the table's columns
    what: str, target: str, unit: str, samples: Sequence[float], figure: str, note: str = ""
) -> Row:
    """Return the line for some samples.

    Args:
        what: What was measured.
        target: What it should be, in words.
        unit: The unit of the samples: "ms" or "×".
        samples: The samples; one is enough, but then there is no spread.
        figure: The name of the figure, which the command is made of.
        note: What else there is to say.
    """
    quarters = statistics.quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else [samples[0]] * 3
    return Row(
        what,
        target,
        unit,
        statistics.median(samples),
        quarters[0],
        quarters[2],
        len(samples),
        f"python -m tests.benchmarks {figure}",
        note,
    )


def environment(*, sources: bool = True, **extra: str) -> dict[str, str]:
    """Return the variables of a child: nothing that would change what pytest does there.

    Args:
        sources: Whether the child imports the harness from the working copy.
        **extra: Variables to add.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST", "PYTHON", "COV_", "COVERAGE_", "NEXUS_"))
    }
    if sources:
        kept["PYTHONPATH"] = str(_SOURCES)
    return {**kept, "PYTHONHASHSEED": "0", **extra}


def python_command(*arguments: str | Path, python: str | Path = sys.executable) -> list[str]:
    """Return a command line that runs Python.

    Args:
        *arguments: What comes after the interpreter.
        python: The interpreter.
    """
    return [str(python), *map(str, arguments)]


def _run(command: list[str], env: Mapping[str, str], cwd: Path | None) -> subprocess.CompletedProcess[str]:
    """Run a command and raise RuntimeError, with its output, if it fails."""
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        raise RuntimeError(msg)
    return done


def timed(command: list[str], env: Mapping[str, str], cwd: Path | None = None) -> float:
    """Run a command and return how many milliseconds it took.

    Args:
        command: The command line.
        env: Its variables.
        cwd: Its working directory.

    Raises:
        RuntimeError: If it fails.
    """
    started = time.perf_counter()
    _run(command, env, cwd)
    return (time.perf_counter() - started) * 1000


def child(command: list[str], env: Mapping[str, str], cwd: Path | None = None) -> dict[str, Any]:
    """Run a command and return the JSON object that is the last line of its output.

    Args:
        command: The command line.
        env: Its variables.
        cwd: Its working directory.

    Raises:
        RuntimeError: If it fails.
    """
    found: dict[str, Any] = json.loads(_run(command, env, cwd).stdout.splitlines()[-1])
    return found


def rotated(names: Sequence[str], rounds: int) -> Iterator[list[str]]:
    """Yield the names once a round, each round in another order, so that no one always comes after the same.

    Args:
        names: What is measured side by side.
        rounds: How often.
    """
    for turn in range(rounds):
        start = turn % len(names)
        order = [*names[start:], *names[:start]]
        yield order if (turn // len(names)) % 2 == 0 else order[::-1]
