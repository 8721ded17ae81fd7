"""``nexus-testing schema``: the JSON Schema of a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from .commands import Commands

__all__ = ("add_schema",)


def add_schema(commands: Commands) -> None:
    """Add the command.

    Args:
        commands: The commands that there are.
    """
    schema = commands.add_parser("schema", help="print a JSON Schema")
    schema.add_argument("of", choices=("manifest", "result"), help="of what")
    schema.set_defaults(run=_schema)


def _schema(options: argparse.Namespace) -> int:
    if options.of == "manifest":
        from ..manifest import Manifest as Model
    else:
        from ..reports.result import Result as Model  # type: ignore[assignment]  # both are pydantic models
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Model.model_json_schema()}
    print(json.dumps(schema, indent=2))
    return 0
