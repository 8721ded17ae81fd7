"""Run the benchmarks and print one table; numbers are for people, so nothing passes or fails by them."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from . import (
    clock,
    comparison,
    documents,
    entry_import,
    event_bus,
    load,
    loading,
    one_get,
    real_framework,
    sharing,
    startup,
    suites,
)
from .environments import Environments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .measuring import Row

FIGURES = {
    "entry_import": entry_import.measure,
    "startup": startup.measure,
    "suites": suites.measure,
    "one_get": one_get.measure,
    "event_bus": event_bus.measure,
    "loading": loading.measure,
    "documents": documents.measure,
    "clock": clock.measure,
    "sharing": sharing.measure,
    "load": load.measure,
    "comparison": comparison.measure,
    "real_framework": real_framework.measure,
}


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line says.

    Args:
        given: The command line; that of the process by default.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"which; all by default: {', '.join(FIGURES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to a file, too")
    parser.add_argument("--venvs", type=Path, metavar="DIR", help="keep the environments there, and use those there")
    parser.add_argument("--wheel", type=Path, metavar="FILE", help="measure this wheel instead of building one")
    said = parser.parse_args(given)
    unknown = sorted(set(said.figures) - set(FIGURES))
    if unknown:
        parser.error(f"there is no figure {unknown[0]!r}; there are {', '.join(FIGURES)}")
    return said


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table in markdown.

    Args:
        rows: The rows.
    """
    lines = ["| what | target | measured: median (quartiles) | command |", "| --- | --- | --- | --- |"]
    lines += [f"| {row.what} | {row.target} | {row.measured} | `{row.command}` |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    """Run what was asked for."""
    said = arguments()
    with ExitStack() as stack:
        kept = said.venvs or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nexus-venvs-")))
        environments = Environments(kept.resolve(), said.wheel.resolve() if said.wheel else None)
        rows: list[Row] = []
        for name in said.figures or FIGURES:
            print(f"measuring {name} …", file=sys.stderr)
            rows += FIGURES[name](environments)
    print(table(rows))
    if said.json:
        said.json.write_text(json.dumps([row._asdict() for row in rows], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
