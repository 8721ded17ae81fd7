"""Manifests and configurations that something went wrong with, a thousand of them: loaded, or refused by us."""

from __future__ import annotations

import asyncio
import copy
import json
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus_testing import create_test_app
from nexus_testing.app import App
from nexus_testing.errors import NexusTestingError
from nexus_testing.runtime.discovery import Project, set_project
from nexus_testing.runtime.importer import finder

EXAMPLES = 500
"""Of each of the two."""

PLUGIN = dedent(
    """
    from fastapi import APIRouter
    from nexus_testing.nexus.plugins import BasePlugin
    from nexus_testing.nexus.tasks import BackgroundTask, Schedule


    class MutantPlugin(BasePlugin):
        async def initialize(self):
            self.event_bus.subscribe("order.*", print)
            self.service_registry.register("mutant", self)
            self.task_manager.register_task(BackgroundTask("tidy", self.run, Schedule.hourly()))
            await self.db.set("mutant.1", {"id": "1"})
            return True

        async def run(self):
            pass

        def get_api_routes(self):
            router = APIRouter()
            router.add_api_route("/items", lambda: [])
            return [router]
    """
)
GUIDE: dict[str, Any] = json.loads(Path(__file__).with_name("guide_manifest.json").read_text(encoding="utf-8"))
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "retries": {"type": "integer", "minimum": 0, "default": 1},
        "mail": {"type": "object", "properties": {"host": {"pattern": "^[a-z.]+$", "default": "localhost"}}},
        "either": {"anyOf": [{"$ref": "#/$defs/file"}, {"enum": ["a", "b"]}]},
    },
    "required": ["retries"],
    "additionalProperties": {"type": ["string", "number"]},
    "$defs": {"file": {"type": "object", "patternProperties": {"^f": {"format": "uri"}}}},
}
DEFAULTS = {"retries": 2, "mail": {"host": "mail.example.com"}, "either": "a"}

NEAR = (
    "",
    " ",
    "/",
    "//",
    "/{a}",
    "/a b",
    "..",
    "../x",
    "\0",
    "1.0",
    ">=1",
    "<0",
    "class",
    "__init__",
    "#/nowhere",
    "(",
)
NUMBERS = (0, -1, 1, 2**63, 10**400, 1e308, -0.0, 0.5)
leaves = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.sampled_from(NEAR) | st.text(max_size=8)
names = st.sampled_from(NEAR) | st.text(max_size=5)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
pieces = st.text(max_size=3) | st.sampled_from(["{", "}", "[", "]", ",", ":", '"', "&a ", "*a"])


def paths(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the paths of all values within a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*path, key)
        yield from paths(inner, (*path, key))


@st.composite
def mutants(draw: st.DrawFn, original: dict[str, Any]) -> dict[str, Any]:
    """Return a document with one to three of its values replaced, taken away, or under another key."""
    result = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(list(paths(result)) or [("name",)]))
        holder: Any = result
        for part in parents:
            holder = holder[part]
        how = draw(st.sampled_from(["replace", "replace", "remove", "rename"]))
        if how == "replace":
            holder[last] = draw(st.sampled_from(NEAR) | values)
        elif isinstance(holder, list):
            del holder[last]
        else:
            value = holder.pop(last, None)
            if how == "rename":
                holder[draw(st.sampled_from([f"{last}s", f"{last}"[1:], "$ref", "default", "pattern", "type"]))] = value
    return result


@st.composite
def torn(draw: st.DrawFn, text: str) -> str:
    """Return a text of which a piece is missing, or that has another in its place."""
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 10)))
    return text[:start] + draw(pieces) + text[end:]


def written(original: dict[str, Any], write: Callable[[Any], str]) -> st.SearchStrategy[str]:
    """Return texts of changed documents, texts that are torn, and texts of anything."""
    return mutants(original).map(write) | torn(write(original)) | values.map(write) | st.just(write(original))


manifests = mutants(GUIDE).map(json.dumps) | torn(json.dumps(GUIDE, indent=1))
KEYWORDS = ("$ref", "$schema", "pattern", "multipleOf", "enum", "format", "contains", "if", "not", "dependentRequired")
rules = st.dictionaries(st.sampled_from(KEYWORDS), st.sampled_from(NEAR) | values, min_size=1, max_size=2)
schemas = written(SCHEMA, json.dumps) | rules.map(lambda rule: json.dumps({"properties": {"either": rule}}))
defaults = written(DEFAULTS, yaml.safe_dump) | st.text(max_size=20)
configs = mutants(DEFAULTS) | st.dictionaries(st.text(max_size=5), values, max_size=3)

thorough = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


async def left(app: App) -> dict[str, Any]:
    """Return what a load may have left behind."""
    return {
        "plugins": app.plugins,
        "routes": list(app.fastapi_app.router.routes),
        "subscriptions": app.event_bus.subscriptions,
        "services": app.service_registry.list_services(),
        "tasks": app.fastapi_app.state.nexus.task_manager.list(),
        "handles": list(app.fastapi_app.state.nexus.handles),
        "running": len(asyncio.all_tasks()),
        "modules": {name for name in sys.modules if finder.folder_of(name) is not None},
    }


class Mutants:
    """Loads plugins of which something is written otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0
        self.loaded = self.refused = 0

    async def load(self, files: dict[str, str], config: dict[str, Any]) -> None:
        """Load one and unload it; what it ends with has to be of ours, and nothing may be left."""
        self.number += 1
        folder = self.folder / f"mutant{self.number}"
        for name, text in {**files, "plugin.py": PLUGIN}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text.encode("utf-8"))
        async with create_test_app(stubs={"auth_plugin": "1.2.0", "email_plugin": "1.0.0"}) as app:
            await app.event_bus.drain()
            before = await left(app)
            try:
                await app.load_plugin(folder, config)
            except NexusTestingError as error:
                self.refused += 1
                # The plugin raises nothing: what seems to come out of a step of its life came out of a library.
                if " failed in " in error.what and not isinstance(error.__cause__, NexusTestingError):
                    raise
                assert "mutant.1" not in await app.db.list_keys()
            else:
                self.loaded += 1
                (name,) = app.plugins
                app.openapi(name)
                await app.unload_plugin(name)
                finder.remove(folder)
            await app.event_bus.drain()
            assert before == await left(app)
        shutil.rmtree(folder)


@pytest.fixture(name="mutants_of")
def _mutants_of(tmp_path: Path) -> Iterator[Mutants]:
    (tmp_path / "empty").mkdir()
    before = set_project(Project(tmp_path / "empty"))
    yield Mutants(tmp_path)
    set_project(before)


def each(runner: asyncio.Runner, test: Callable[..., Awaitable[None]], **drawn: st.SearchStrategy[Any]) -> None:
    """Run a coroutine function with a few hundred values, all on one loop."""

    @thorough
    @given(**drawn)
    def check(**values: Any) -> None:
        async def run() -> None:
            await test(**values)

        runner.run(run())

    check()


def test_a_manifest_that_was_changed_is_loaded_or_refused(mutants_of: Mutants) -> None:
    """Whatever a key holds, and wherever the file is torn: no traceback of a library's, and nothing is left behind."""

    async def test(manifest: str) -> None:
        await mutants_of.load({"manifest.json": manifest, **files}, config)

    files = {"config/schema.json": "{}", "config/default.yaml": ""}
    config = {"api_key": "k", "database_name": "d"}
    with asyncio.Runner() as runner:
        each(runner, test, manifest=manifests)
    assert EXAMPLES == mutants_of.number
    assert min(mutants_of.loaded, mutants_of.refused) > EXAMPLES / 20


def test_a_configuration_that_was_changed_is_taken_or_refused(mutants_of: Mutants) -> None:
    """Whatever schema, defaults and the test's own values are, it is the same."""
    configuration = {"schema": "s.json", "defaults": "d.yaml", "optional": ["a"]}
    manifest = json.dumps({"name": "mutant", "version": "1", "configuration": configuration})

    async def test(schema: str, default: str, config: dict[str, Any]) -> None:
        await mutants_of.load({"manifest.json": manifest, "s.json": schema, "d.yaml": default}, config)

    with asyncio.Runner() as runner:
        each(runner, test, schema=schemas, default=defaults, config=configs)
    assert EXAMPLES == mutants_of.number
    assert min(mutants_of.loaded, mutants_of.refused) > EXAMPLES / 20
