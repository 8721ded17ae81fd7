"""A plugin's configuration: what its files say, what the app says, what the test says."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, did_you_mean
from ..manifest.positions import locate
from .config_files import read_config_files, refuse_invalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ("PluginConfig", "merged", "plugin_config")


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return *base* with *over* laid on it, mapping by mapping.

    Args:
        base: What holds where *over* says nothing.
        over: What wins.
    """
    result = dict(base)
    for key, value in over.items():
        there = result.get(key)
        result[key] = merged(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return result


def _defaults_of_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return found
    for key, rule in properties.items():
        if not isinstance(rule, dict):
            continue
        if "default" in rule:
            found[key] = copy.deepcopy(rule["default"])
        elif rule.get("type") == "object" and (inner := _defaults_of_schema(rule)):
            found[key] = inner
    return found


def plugin_config(
    plugin: str, folder: Path | None, configuration: Mapping[str, Any], *layers: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a plugin's configuration, each layer laid on the one before.

    The order is: defaults of the schema, the defaults file, then *layers*.

    Args:
        plugin: The plugin's name.
        folder: The folder that the manifest's paths start from.
        configuration: The manifest's section "configuration".
        *layers: What the app and the test say.

    Raises:
        ConfigurationError: If a file cannot be read, a required key is missing, or the schema does not hold.
    """
    files = read_config_files(plugin, folder, configuration)
    result = merged(_defaults_of_schema(files.schema or {}), copy.deepcopy(files.defaults))
    for layer in layers:
        result = merged(result, copy.deepcopy(dict(layer)))
    _require(plugin, folder, configuration, result)
    if files.schema is not None and folder is not None:
        refuse_invalid(plugin, folder / configuration["schema"], result)
    return result


def _require(plugin: str, folder: Path | None, configuration: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    missing = [key for key in configuration.get("required", ()) if key not in result]
    if missing:
        lines = "\n".join(f"            {key!r}: …," for key in missing)
        raise ConfigurationError(
            f"Plugin {plugin!r} misses required configuration: {', '.join(map(repr, missing))}.",
            where=locate(folder / "manifest.json", "configuration", "required") if folder is not None else None,
            why='its manifest lists them under "configuration.required", and no file or test gives them',
            fix="Give them to the plugin under test, in conftest.py or in the test file:\n"
            "    @pytest.fixture\n"
            "    def nexus_plugin_config():\n"
            "        return {\n" + lines + "\n        }\n"
            "or pass load_plugin(…, config={…}).",
            plugin=plugin,
        )


class PluginConfig(dict[str, Any]):
    """A plugin's configuration: a dict that remembers which of its keys were asked for and were not there."""

    missed: set[str]

    def __init__(self, values: Mapping[str, Any], plugin: str = "") -> None:
        super().__init__(values)
        self.missed = set()
        self._plugin = plugin

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or a default.

        Args:
            key: The value's key.
            default: What to return where there is none.
        """
        if key not in self:
            self.missed.add(key)
        return super().get(key, default)

    def __missing__(self, key: str) -> Any:
        self.missed.add(key)
        guess = did_you_mean(key, self)
        raise KeyError(
            f"configuration of plugin {self._plugin!r} has no {key!r}, only {sorted(self)!r}. {guess}".strip()
        )
