"""Figure 1: what pytest pays for the entry module before it knows whether anybody needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .measuring import CHILDREN, Row, child, environment, python_command, row

if TYPE_CHECKING:
    from .environments import Environments

__all__ = ("measure",)

_ROUNDS = 21


def measure(environments: Environments) -> list[Row]:
    """Import and register the entry module in fresh processes.

    Args:
        environments: Not needed here.
    """
    command, env = python_command(CHILDREN / "entry_import.py"), environment()
    child(command, env)
    runs = [child(command, env) for _ in range(_ROUNDS)]
    return [
        row(
            f"{what} nexus_testing.entry, after `import pytest`",
            target,
            "ms",
            [run[f"{key}_ms"] for run in runs],
            "entry_import",
            f"{len(runs[0][f'{key}_modules'])} modules, heavy: {', '.join(runs[0][f'{key}_heavy']) or 'none'}",
        )
        for what, target, key in (
            ("import", "< 1 ms, no heavy module", "import"),
            ("registering (pytest_addoption, hooks)", "no heavy module", "register"),
        )
    ]
