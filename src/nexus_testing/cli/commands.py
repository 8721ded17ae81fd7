"""What commands there are, and what runs them."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

from .._version import __version__
from ..errors import NexusTestingError
from .doctor import add_doctor
from .load import add_load
from .schema import add_schema
from .serve import add_serve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ("Commands", "main")

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What a command is added to. It sets the default `run`, which takes the options and returns the exit code."""

_COMMANDS: tuple[Callable[[Any], None], ...] = (add_doctor, add_load, add_schema, add_serve)

_USAGE = 2
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 all well, 1 a problem was found, 2 it cannot be run, 130 interrupted.

    Args:
        arguments: The command line, without the command.

    Raises:
        SystemExit: With 2 if the command line is wrong.
    """
    parser = argparse.ArgumentParser(prog="nexus-testing", description="The test harness for plugins of Nexus.")
    parser.add_argument("--version", action="version", version=f"nexus-testing {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for add in _COMMANDS:
        add(commands)
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
    except NexusTestingError as error:
        print(f"nexus-testing {options.command}: {error}", file=sys.stderr)
        return _USAGE
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code
