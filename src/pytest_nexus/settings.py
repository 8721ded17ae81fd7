"""Ini file and command line, as one frozen value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("KEY", "Settings", "add_options", "read")

BACKENDS = ("auto", "embedded", "platform")
AUDITS = ("error", "warn", "off")
CLIENTS = ("httpx", "httpx2")
CACHE_SCHEMES = ("redis://", "rediss://", "unix://")
WALL_CLOCKS = ("time-machine", "freezegun")
INCONCLUSIVE = ("skip", "fail")

_INI: tuple[tuple[str, str, Any, str], ...] = (
    ("nexus_plugins", "args", (), "names or paths of the plugins under test"),
    ("nexus_backend", "string", "", f"which framework runs the plugins: {', '.join(BACKENDS)}"),
    ("nexus_audit", "string", "error", f"what becomes of things that plugins leave alive: {', '.join(AUDITS)}"),
    ("nexus_client", "string", "httpx", f"which library test_client is made of: {', '.join(CLIENTS)}"),
    ("nexus_wall_clock", "string", "time-machine", f"what moves the wall clock: {', '.join(WALL_CLOCKS)}"),
    ("nexus_budgets", "linelist", (), "what every load is held to: http_req_duration p(95) < 50ms"),
    (
        "nexus_inconclusive",
        "string",
        "skip",
        f"what becomes of budgets that cannot be judged: {', '.join(INCONCLUSIVE)}",
    ),
    ("nexus_drain_timeout", "string", "5", "seconds that events may take to come to rest; 0 for no limit"),
    ("nexus_hook_timeout", "string", "30", "seconds that a hook of a plugin may take; 0 for no limit"),
    ("nexus_cache", "string", "", "where the app's cache is kept: memory, or a URL of Redis"),
    ("nexus_version", "string", "", "the version that the in-memory framework says it has"),
    ("nexus_config", "string", "", "the app's configuration, as a JSON object"),
    ("nexus_plugin_config", "string", "", "the configuration of the plugin under test, as a JSON object"),
    ("nexus_services", "linelist", (), "services to register before the plugin: name = module:object"),
    ("nexus_stubs", "linelist", (), "plugins to be taken for loaded: name = version"),
)


class Settings(NamedTuple):
    """What the configuration says."""

    plugins: tuple[str, ...]
    backend: str
    audit: str
    client: str
    wall_clock: str
    drain_timeout: float | None
    hook_timeout: float | None
    cache: str
    version: str
    config: dict[str, Any]
    plugin_config: dict[str, Any]
    services: dict[str, str]
    stubs: dict[str, str]
    budgets: tuple[str, ...]
    inconclusive: str

    def sections(self) -> dict[str, dict[str, Any]]:
        """Return what holds for sections of every app's configuration that do not say it themselves."""
        return {"cache": {"type": "redis", "url": self.cache}} if self.cache not in {"", "memory"} else {}


KEY = pytest.StashKey[Settings]()


def add_options(parser: pytest.Parser) -> None:
    """Register ini options and command-line options.

    Args:
        parser: pytest's parser.
    """
    group = parser.getgroup("nexus", "nexus-testing")
    group.addoption(
        "--nexus-backend", choices=BACKENDS, default=None, help="which framework runs the plugins (ini: nexus_backend)"
    )
    group.addoption(
        "--nexus-cache",
        metavar="URL",
        default=None,
        help="where the app's cache is kept: memory, or a URL of Redis (ini: nexus_cache)",
    )
    group.addoption("--nexus-result", metavar="FILE", default=None, help="write the result of the run to a JSON file")
    for name, kind, default, text in _INI:
        parser.addini(name, text, type=kind, default=default)  # type: ignore[arg-type]  # pytest lists its kinds


def _wrong(name: str, value: object, valid: str) -> pytest.UsageError:
    return pytest.UsageError(f"{name} = {value!r} in pytest's configuration is not valid. Valid: {valid}.")


def _one_of(name: str, value: str, valid: tuple[str, ...]) -> str:
    if value not in valid:
        raise _wrong(name, value, ", ".join(valid))
    return value


def _resolved(backend: str) -> str:
    from nexus_testing.namespace import platform_installed

    return backend if backend != "auto" else "platform" if platform_installed() else "embedded"


def _seconds(name: str, value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise _wrong(name, value, "a number of seconds, 0 for no limit")
    return seconds or None


def _cache(backend: str, said: str) -> str:
    if said in {"", "memory"}:
        return said
    if not said.startswith(CACHE_SCHEMES):
        from nexus_testing.servers.addresses import shown

        raise _wrong("nexus_cache", shown(said), f"memory, or a URL with {', '.join(CACHE_SCHEMES)}")
    if backend == "platform":
        raise pytest.UsageError("--nexus-cache is for --nexus-backend embedded: nexus-platform has no cache.")
    return said


def _json(name: str, value: str) -> dict[str, Any]:
    if not value.strip():
        return {}
    try:
        found = json.loads(value)
    except json.JSONDecodeError as error:
        raise _wrong(name, value, f"a JSON object (this is none: {error})") from error
    if not isinstance(found, dict):
        raise _wrong(name, value, 'a JSON object, such as {"database": {}}')
    return found


def _pairs(name: str, lines: list[str], form: str, ok: Callable[[str], bool]) -> dict[str, str]:
    found = {}
    for line in lines:
        key, sign, value = line.partition("=")
        if not sign or not key.strip() or not ok(value.strip()):
            raise _wrong(name, line, f"lines of the form {form}")
        found[key.strip()] = value.strip()
    return found


def read(config: pytest.Config) -> Settings:
    """Return what the configuration says.

    Args:
        config: pytest's configuration.

    Raises:
        pytest.UsageError: If a value is not valid.
    """
    said = config.known_args_namespace
    backend = said.nexus_backend or config.getini("nexus_backend") or "auto"
    backend = _resolved(_one_of("nexus_backend", backend, BACKENDS))
    return Settings(
        plugins=tuple(config.getini("nexus_plugins")),
        backend=backend,
        audit=_one_of("nexus_audit", config.getini("nexus_audit"), AUDITS),
        client=_one_of("nexus_client", config.getini("nexus_client"), CLIENTS),
        wall_clock=_one_of("nexus_wall_clock", config.getini("nexus_wall_clock"), WALL_CLOCKS),
        drain_timeout=_seconds("nexus_drain_timeout", config.getini("nexus_drain_timeout")),
        hook_timeout=_seconds("nexus_hook_timeout", config.getini("nexus_hook_timeout")),
        cache=_cache(backend, said.nexus_cache if said.nexus_cache is not None else config.getini("nexus_cache")),
        version=config.getini("nexus_version"),
        config=_json("nexus_config", config.getini("nexus_config")),
        plugin_config=_json("nexus_plugin_config", config.getini("nexus_plugin_config")),
        services=_pairs(
            "nexus_services",
            config.getini("nexus_services"),
            "name = module:object",
            lambda value: ":" in value.strip(":"),
        ),
        stubs=_pairs("nexus_stubs", config.getini("nexus_stubs"), "name = version", bool),
        budgets=tuple(config.getini("nexus_budgets")),
        inconclusive=_one_of("nexus_inconclusive", config.getini("nexus_inconclusive"), INCONCLUSIVE),
    )
