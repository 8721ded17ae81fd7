"""Figure 2: what the installed harness adds to a pytest run that has nothing to do with it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .measuring import CHILDREN, Row, child, environment, python_command, rotated, row, timed

if TYPE_CHECKING:
    from .environments import Environments

__all__ = ("measure",)

_ROUNDS = 18
_OURS = "nexus_testing"
_SHARED = "asyncio"


def measure(environments: Environments) -> list[Row]:
    """Time one empty test with the harness installed and without, then with each pytest plugin alone.

    Args:
        environments: Where both environments come from.
    """
    bare, ours = environments.bare(), environments.ours()
    env = environment(sources=False)
    found = child(python_command(CHILDREN / "pytest_plugins.py", python=ours), env)
    names: list[str] = found["names"]
    if _OURS not in names:
        msg = f"the environment of {ours} has no pytest plugin {_OURS!r}, only {names}"
        raise RuntimeError(msg)
    ours_first = "respx" not in names or names.index(_OURS) < names.index("respx")
    added = [name for name in names if name != _SHARED]

    def off(*kept: str) -> list[str]:
        """Return the options that switch all added plugins off but some."""
        return [f"-pno:{name}" for name in added if name not in kept]

    commands = {
        "bare": python_command("-m", "pytest", "-q", python=bare),
        "all": python_command("-m", "pytest", "-q", python=ours),
        "none": python_command("-m", "pytest", "-q", *off(), python=ours),
        # pytest registers plugins in the order of the folder; this is the run with the other order.
        "all but respx": python_command("-m", "pytest", "-q", "-pno:respx", python=ours),
        **{name: python_command("-m", "pytest", "-q", *off(name), python=ours) for name in added},
    }
    with tempfile.TemporaryDirectory(prefix="nexus-benchmark-") as scratch:
        folder = Path(scratch)
        (folder / "test_empty.py").write_text("def test_empty():\n    pass\n", encoding="utf-8")
        for command in commands.values():
            timed(command, env, folder)
        times: dict[str, list[float]] = {name: [] for name in commands}
        for names in rotated(list(commands), _ROUNDS):
            for name in names:
                times[name].append(timed(commands[name], env, folder))

    def difference(one: str, other: str) -> list[float]:
        """Return how much longer one took than the other, round by round."""
        return [a - b for a, b in zip(times[one], times[other], strict=True)]

    def line(what: str, one: str, other: str, target: str = "", note: str = "") -> Row:
        """Return the line for a difference."""
        return row(what, target, "ms", difference(one, other), "startup", note)

    order = f"{_OURS} is loaded {'before' if ours_first else 'after'} respx here"
    return [
        line("one empty test: harness installed − pytest and pytest-asyncio alone", "all", "bare", "≤ +150 ms", order),
        line("… with respx blocked, as when the harness is loaded first", "all but respx", "bare"),
        line(f"… of it: {found['distributions']} distributions instead of a few", "none", "bare"),
        *(line(f"… of it: pytest plugin {name}, alone", name, "none") for name in added),
        row("… one empty test with pytest and pytest-asyncio alone", "", "ms", times["bare"], "startup"),
    ]
