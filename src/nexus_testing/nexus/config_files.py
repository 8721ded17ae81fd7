"""The files of a plugin's configuration: its schema and its defaults, read once for as long as they do not change."""

from __future__ import annotations

import copy
import functools
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigurationError
from ..manifest.positions import Positions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ..manifest.positions import Path as Keys

__all__ = ("ConfigFiles", "read_config_files", "refuse_invalid")


class ConfigFiles(NamedTuple):
    """What the two files hold: nothing where the manifest names none. Both are shared, and are not to be changed."""

    schema: dict[str, Any] | None
    defaults: dict[str, Any]


def read_config_files(plugin: str, folder: Path | None, configuration: Mapping[str, Any]) -> ConfigFiles:
    """Return what the files hold that a manifest names.

    Args:
        plugin: The plugin's name.
        folder: The folder that the manifest's paths start from.
        configuration: The manifest's section "configuration".

    Raises:
        ConfigurationError: If a file cannot be read, or holds something else than its kind has to.
    """
    schema: Any = None
    defaults: Any = None
    if folder is not None and isinstance(configuration.get("schema"), str):
        file = folder / configuration["schema"]
        schema = _read(file, plugin)
        if not isinstance(schema, dict):
            raise ConfigurationError(
                f"The configuration schema of plugin {plugin!r} is no JSON object.",
                where=file,
                fix='Write a JSON Schema: {"type": "object", "properties": {…}}.',
                plugin=plugin,
            )
    if folder is not None and isinstance(configuration.get("defaults"), str):
        file = folder / configuration["defaults"]
        defaults = _read(file, plugin)
        if defaults is not None and not isinstance(defaults, dict):
            raise ConfigurationError(
                f"The configuration defaults of plugin {plugin!r} are no mapping.",
                where=file,
                fix="Write `key: value` lines.",
                plugin=plugin,
            )
        for key in defaults or ():
            if not isinstance(key, str):
                raise ConfigurationError(
                    f"The configuration defaults of plugin {plugin!r} have the key {key!r}, which is no string.",
                    where=file,
                    fix=f'Put it into quotes: "{key}".',
                    plugin=plugin,
                )
    return ConfigFiles(schema, defaults or {})


def _read(file: Path, plugin: str) -> Any:
    changed, size = _state(file)
    return _parsed(file, plugin, changed, size)


def _state(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except (OSError, ValueError):
        return 0, 0
    return status.st_mtime_ns, status.st_size


@functools.lru_cache(maxsize=256)
def _parsed(file: Path, plugin: str, _changed: int, _size: int) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"The configuration file of plugin {plugin!r} cannot be read.",
            where=file,
            why=str(error),
            fix='Write the file, or take it out of "configuration" in manifest.json.',
            plugin=plugin,
        ) from error
    try:
        value = json.loads(text) if file.suffix == ".json" else _yaml(text, file, plugin)
        # What is nested without an end, by an alias of YAML's within itself, cannot be copied out as it has to be.
        json.dumps(value, default=str, skipkeys=True)
        copy.deepcopy(value)
    except json.JSONDecodeError as error:
        raise _wrong(plugin, "is no JSON", f"{file}:{error.lineno}:{error.colno}", error.msg) from error
    except RecursionError as error:
        raise _wrong(plugin, "is nested too deeply", file, "") from error
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        # A number of too many digits, a date that no month has, a value that is its own part.
        raise _wrong(plugin, "cannot be read", file, str(error)) from error
    return value


def _yaml(text: str, file: Path, plugin: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark is not None else file
        raise _wrong(plugin, "is no YAML", place, str(getattr(error, "problem", None) or error)) from error


def _wrong(plugin: str, what: str, where: object, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The configuration file of plugin {plugin!r} {what}.",
        where=where,
        why=why,
        fix="Mend the file.",
        plugin=plugin,
    )


def refuse_invalid(plugin: str, file: Path, config: Mapping[str, Any]) -> None:
    """Refuse a configuration that its schema does not take.

    Args:
        plugin: The plugin's name.
        file: The schema's file.
        config: The configuration.

    Raises:
        ConfigurationError: If it does not, or the schema is none. It lists everything with its path.
    """
    validator = _validator(file, plugin, *_state(file))
    try:
        problems = sorted(validator.iter_errors(dict(config)), key=lambda problem: list(map(str, problem.path)))
    except Exception as error:  # a reference that leads nowhere, a pattern that is none: only their use shows them
        raise _no_schema(plugin, file, (), f"{type(error).__name__}: {error}") from error
    if problems:
        raise ConfigurationError(
            f"The configuration of plugin {plugin!r} is not what its schema asks for.",
            where=file,
            why="\n".join(f"{'.'.join(map(str, one.path)) or '(top)'}: {one.message}" for one in problems),
            fix="Change the value where it comes from: defaults file, config of the app, or nexus_plugin_config.",
            plugin=plugin,
        )


@functools.lru_cache(maxsize=256)
def _validator(file: Path, plugin: str, changed: int, size: int) -> Any:
    import jsonschema
    from jsonschema_specifications import REGISTRY

    schema = _parsed(file, plugin, changed, size)
    try:
        kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise _no_schema(plugin, file, error.path, error.message) from error
    except Exception as error:
        raise _no_schema(plugin, file, (), f"{type(error).__name__}: {error}") from error
    # With a registry of its own, a reference to elsewhere is an error; without, it is looked for in the network.
    return kind(schema, registry=REGISTRY)


def _no_schema(plugin: str, file: Path, path: Iterable[Any], why: str) -> ConfigurationError:
    keys: Keys = tuple(path)
    where = str(file)
    if file.suffix == ".json":
        place = Positions(file.read_text(encoding="utf-8")).value(keys)
        where = f"{file}:{place.line}:{place.column}"
    at = "/".join(map(str, keys))
    return ConfigurationError(
        f"The configuration schema of plugin {plugin!r} is no JSON Schema.",
        where=where,
        why=f"{at}: {why}" if at else why,
        fix="Mend the file that manifest.json names under configuration.schema.",
        plugin=plugin,
    )
