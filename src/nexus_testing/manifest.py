"""manifest.json: reading it, and what it says."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("Api", "Configuration", "Dependencies", "Manifest", "read_json", "read_manifest")


class _Section(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Dependencies(_Section):
    """What has to be there before the plugin is loaded."""

    nexus: str = ""
    python: str = ""
    packages: list[str] = Field(default_factory=list)
    plugins: list[str] = Field(default_factory=list)
    system: list[str] = Field(default_factory=list)


class Configuration(_Section):
    """Where the plugin's configuration comes from, and what of it must be there."""

    schema_file: str | None = Field(default=None, alias="schema")
    defaults: str | None = None
    required: list[str] = Field(default_factory=list)
    optional: list[str] = Field(default_factory=list)


class Api(_Section):
    """Where the plugin's routes are mounted."""

    prefix: str | None = None
    version: str | None = None
    rate_limit: dict[str, Any] | None = None


class Manifest(_Section):
    """A plugin's manifest."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    display_name: str = ""
    category: str = ""
    description: str = ""
    author: dict[str, Any] | str = ""
    dependencies: Dependencies = Field(default_factory=Dependencies)
    permissions: list[str] | None = None
    configuration: Configuration = Field(default_factory=Configuration)
    api: Api = Field(default_factory=Api)
    features: dict[str, Any] = Field(default_factory=dict)

    def identity(self) -> dict[str, str]:
        """Return what the manifest says of the plugin that the plugin may also say itself."""
        author = self.author if isinstance(self.author, str) else str(self.author.get("name", ""))
        return {
            "name": self.name,
            "version": self.version,
            "category": self.category,
            "description": self.description,
            "author": author,
        }


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a manifest file holds.

    Args:
        path: The file.

    Raises:
        ManifestError: If it cannot be read, is no JSON or no object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ManifestError(
            "The manifest is no JSON.",
            where=f"{path}:{error.lineno}:{error.colno}",
            why=error.msg,
            fix="Mend the file; JSON wants double quotes and no comma before a closing bracket.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError("The manifest cannot be read.", where=path, why=str(error), fix="Mend the file.") from error
    if not isinstance(value, dict):
        raise ManifestError(
            f"The manifest is a JSON {type(value).__name__}, not an object.",
            where=f"{path}:1",
            fix='Write {"name": "my_plugin", "version": "0.1.0"}.',
        )
    return value


def read_manifest(path: Path) -> Manifest:
    """Return what a manifest file says.

    Args:
        path: The file.

    Raises:
        ManifestError: If it cannot be read, or says something impossible; all of it at once.
    """
    return _read(path, path.stat().st_mtime_ns if path.exists() else 0)


@functools.lru_cache(maxsize=256)
def _read(path: Path, _changed: int) -> Manifest:
    value = read_json(path)
    if isinstance(value.get("dependencies"), list):
        value = {**value, "dependencies": {"plugins": value["dependencies"]}}
    try:
        return Manifest.model_validate(value)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, problem['loc'])) or '(top)'}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        ]
        raise ManifestError(
            f"The manifest has {len(lines)} problem{'s' if len(lines) != 1 else ''}.",
            where=f"{path}:1",
            why="\n".join(lines),
            fix='Write at least {"name": "my_plugin", "version": "0.1.0"}.',
        ) from error
