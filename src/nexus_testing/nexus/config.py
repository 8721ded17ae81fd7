"""A plugin's configuration: what its files say, what the app says, what the test says."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, did_you_mean

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


def _read(path: Path, plugin: str) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The configuration file of plugin {plugin!r} cannot be read.",
            where=path,
            why=str(error),
            fix='Write the file, or take it out of "configuration" in manifest.json.',
            plugin=plugin,
        ) from error
    if path.suffix == ".json":
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigurationError(
                f"The configuration file of plugin {plugin!r} is no JSON.",
                where=f"{path}:{error.lineno}:{error.colno}",
                why=error.msg,
                fix="Mend the file.",
                plugin=plugin,
            ) from error
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigurationError(
            f"The configuration file of plugin {plugin!r} is no YAML.",
            where=f"{path}:{mark.line + 1}:{mark.column + 1}" if mark is not None else path,
            why=str(getattr(error, "problem", error)),
            fix="Mend the file.",
            plugin=plugin,
        ) from error


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
    schema: Any = None
    result: dict[str, Any] = {}
    if folder is not None and isinstance(configuration.get("schema"), str):
        schema = _read(folder / configuration["schema"], plugin)
        if not isinstance(schema, dict):
            raise ConfigurationError(
                f"The configuration schema of plugin {plugin!r} is no JSON object.",
                where=folder / configuration["schema"],
                fix='Write a JSON Schema: {"type": "object", "properties": {…}}.',
                plugin=plugin,
            )
        result = _defaults_of_schema(schema)
    if folder is not None and isinstance(configuration.get("defaults"), str):
        defaults = _read(folder / configuration["defaults"], plugin)
        if defaults is not None and not isinstance(defaults, dict):
            raise ConfigurationError(
                f"The configuration defaults of plugin {plugin!r} are no mapping.",
                where=folder / configuration["defaults"],
                fix="Write `key: value` lines.",
                plugin=plugin,
            )
        result = merged(result, defaults or {})
    for layer in layers:
        result = merged(result, copy.deepcopy(dict(layer)))
    _require(plugin, folder, configuration, result)
    if schema is not None:
        _validate(plugin, schema, result)
    return result


def _require(plugin: str, folder: Path | None, configuration: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    missing = [key for key in configuration.get("required", ()) if key not in result]
    if missing:
        lines = "\n".join(f"            {key!r}: …," for key in missing)
        raise ConfigurationError(
            f"Plugin {plugin!r} misses required configuration: {', '.join(map(repr, missing))}.",
            where=folder / "manifest.json" if folder is not None else None,
            why='its manifest lists them under "configuration.required", and no file or test gives them',
            fix="Give them to the plugin under test, in conftest.py or in the test file:\n"
            "    @pytest.fixture\n"
            "    def nexus_plugin_config():\n"
            "        return {\n" + lines + "\n        }\n"
            "or pass load_plugin(…, config={…}).",
            plugin=plugin,
        )


def _validate(plugin: str, schema: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    import jsonschema

    try:
        validator = jsonschema.validators.validator_for(schema)
        validator.check_schema(dict(schema))
        problems = sorted(validator(schema).iter_errors(dict(result)), key=lambda problem: list(map(str, problem.path)))
    except jsonschema.SchemaError as error:
        raise ConfigurationError(
            f"The configuration schema of plugin {plugin!r} is no JSON Schema.",
            where="/".join(map(str, error.path)) or "its top level",
            why=error.message,
            fix="Mend the file that manifest.json names under configuration.schema.",
            plugin=plugin,
        ) from error
    if problems:
        lines = "\n".join(f"{'.'.join(map(str, problem.path)) or '(top)'}: {problem.message}" for problem in problems)
        raise ConfigurationError(
            f"The configuration of plugin {plugin!r} is not what its schema asks for.",
            why=lines,
            fix="Change the value where it comes from: defaults file, config of the app, or nexus_plugin_config.",
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
