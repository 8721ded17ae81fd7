"""A load that fails, at whatever stage and hook and in whatever way, leaves everything as it was."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from nexus_testing import create_test_app
from nexus_testing.app import App
from nexus_testing.backends import Limits
from nexus_testing.defaults import Defaults, set_defaults
from nexus_testing.errors import PluginLoadError
from nexus_testing.runtime.discovery import Project, set_project
from nexus_testing.runtime.importer import finder

pytestmark = pytest.mark.asyncio

# It registers and writes all that there is to be taken back, then imports a module of its own, and only then fails.
PLUGIN = """
    import asyncio
    from fastapi import APIRouter
    from nexus_testing.nexus.plugins import BasePlugin
    from nexus_testing.nexus.tasks import BackgroundTask, Schedule
    from .names import COLLECTION


    class FragilePlugin(BasePlugin):
        def __init__(self):
            self.name = "fragile"
            self.heard = []
            self.at("__init__")

        async def on_discover(self):
            return await self.hook("on_discover", {})

        async def on_validate(self):
            return await self.hook("on_validate", True)

        async def on_load(self):
            return await self.hook("on_load", None)

        async def on_initialize(self):
            return await self.hook("on_initialize", True)

        async def initialize(self):
            return await self.hook("initialize", True)

        async def on_enable(self):
            return await self.hook("on_enable", None)

        async def on_error(self, error):
            self.heard.append(error)

        def get_database_schema(self):
            self.at("get_database_schema")
            return {"collections": {COLLECTION: {"indexes": [{"field": "tea", "unique": True}]}},
                    "initial_data": {COLLECTION: [{"id": "1", "tea": "mint"}]}}

        def get_api_routes(self):
            router = APIRouter()
            router.add_api_route("/tea", lambda: 1)
            self.at("get_api_routes")
            return [router]

        async def hook(self, name, result):
            await self.db.set(f"plain-{name}", 1)
            await self.db.set(f"orders.{name}", {"id": name, "by": "fragile"})
            await self.db.update("orders.old", {"by": "fragile"})
            await self.event_bus.publish(f"fragile.{name}")
            return self.at(name, result)

        def at(self, name, result=None):
            self.event_bus.subscribe(f"at.{name}", print)
            self.service_registry.register(f"at.{name}", self)
            self.task_manager.register_task(BackgroundTask(f"at.{name}", self.run, Schedule.every_hours(1)))
            from . import late
            if name != FAILS:
                return result
            HOW

        async def run(self):
            pass
"""

RAISES = "raise late.Broken(name)"
HOOKS = ("on_discover", "on_validate", "on_load", "on_initialize", "initialize", "on_enable")
FUNCTIONS = ("__init__", "get_database_schema", "get_api_routes")
WAYS = {
    "raises": RAISES,
    "is cancelled": "raise asyncio.CancelledError",
    "fails with an exception of Python's end": "raise ExceptionGroup('two', [late.Broken(name), OSError()])",
}


@pytest.fixture(name="repo")
def _repo(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "fragile"
    folder.mkdir()
    (folder / "manifest.json").write_text(
        json.dumps({"name": "fragile", "version": "1.0.0", "ui": {"enabled": True}}), encoding="utf-8"
    )
    (folder / "ui" / "static").mkdir(parents=True)
    (folder / "ui" / "templates").mkdir()
    (folder / "names.py").write_text("COLLECTION = 'teas'\n", encoding="utf-8")
    (folder / "late.py").write_text("class Broken(Exception):\n    pass\n", encoding="utf-8")
    before = set_project(Project(tmp_path))
    yield folder
    set_project(before)
    finder.remove(folder)


def write(repo: Path, fails: str, how: str) -> None:
    """Write the plugin that fails there and so."""
    text = dedent(PLUGIN).replace("FAILS", repr(fails)).replace("        HOW", indent(how, " " * 8))
    (repo / "plugin.py").write_text(text, encoding="utf-8")


async def world(app: App) -> dict[str, Any]:
    """Return all that a load could have changed."""
    keys = await app.db.list_keys()
    return {
        "plugins": app.plugins,
        "routes": [str(route) for route in app.fastapi_app.router.routes],
        "openapi": app.fastapi_app.openapi(),
        "subscriptions": app.event_bus.subscriptions,
        "services": app.service_registry.list_services(),
        "tasks": app.backend.host._kernel.task_manager.list(),  # type: ignore[attr-defined]
        "running": {task.get_name() for task in asyncio.all_tasks()},
        "data": {key: await app.db.get(key) for key in keys},
        "indexes": set(await app.db.collection("teas").index_information()),
        "modules": set(sys.modules),
        "handlers": list(logging.getLogger().handlers),
    }


async def check_failing(repo: Path, fails: str, stage: str) -> PluginLoadError:
    """Load a plugin that fails, and hold the world after it against the one before."""
    async with create_test_app(services={"mine": 1}, config={"health": {"interval": True}}) as app:
        app.event_bus.subscribe("mine", print)
        await app.db.set("orders.old", {"id": "old", "by": "the test"})
        await app.db.collection("orders").create_index("by")
        await app.event_bus.drain()
        before = await world(app)
        with pytest.raises(PluginLoadError, match=re.escape(fails)) as failed:
            await app.load_plugin("fragile")
        await app.event_bus.drain()
        assert before == await world(app)
        assert ("fragile", stage) == (failed.value.plugin, failed.value.stage)
        assert str(repo / "plugin.py") in str(failed.value.where)
        app.event_bus.assert_published("plugin.error", plugin_id="fragile", stage=stage)
        return failed.value


STAGES = {
    "__init__": "Discovery",
    "on_discover": "Validation",
    "on_validate": "Validation",
    "on_load": "Loading",
    "get_database_schema": "Loading",
    "on_initialize": "Initialization",
    "initialize": "Initialization",
    "get_api_routes": "Active",
    "on_enable": "Active",
}


@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("step", STAGES)
async def test_a_step_that_fails_leaves_everything_as_it_was(repo: Path, step: str, how: str) -> None:
    """Routes, subscriptions, services, tasks, data, indexes and modules are those from before, at every step."""
    if how == WAYS["is cancelled"] and step in FUNCTIONS:
        how = "raise RuntimeError('a function cannot be cancelled')"
    write(repo, step, how)
    error = await check_failing(repo, step, STAGES[step])
    assert error.__cause__ is not None


@pytest.mark.parametrize("step", ["on_validate", "on_initialize", "initialize"])
async def test_a_hook_that_says_no_leaves_everything_as_it_was(repo: Path, step: str) -> None:
    """False fails a load as an exception does."""
    write(repo, step, "return False")
    await check_failing(repo, f"{step}() returned False", STAGES[step])


@pytest.mark.parametrize("step", HOOKS)
async def test_a_hook_that_hangs_leaves_everything_as_it_was(repo: Path, step: str) -> None:
    """The limit ends it, and names the line where it waits."""
    write(repo, "nowhere", "pass")
    file = repo / "plugin.py"
    text = file.read_text(encoding="utf-8")
    hanging = f"return self.at(name, result) if name != {step!r} else await asyncio.Event().wait()"
    file.write_text(text.replace("return self.at(name, result)", hanging), encoding="utf-8")
    before = set_defaults(Defaults(Limits(hook=0.05)))
    try:
        error = await check_failing(repo, f"did not come back from {step}() within 0.05 s", STAGES[step])
    finally:
        set_defaults(before)
    line = next(number for number, one in enumerate(file.read_text(encoding="utf-8").split("\n"), 1) if hanging in one)
    assert f"{file}:{line} in FragilePlugin.hook" == str(error.where)


@pytest.mark.parametrize("step", HOOKS)
async def test_a_hook_that_is_not_async_leaves_everything_as_it_was(repo: Path, step: str) -> None:
    """The message says what to write."""
    write(repo, "nowhere", "pass")
    file = repo / "plugin.py"
    text = file.read_text(encoding="utf-8")
    a, _, rest = text.partition(f"async def {step}(self):\n        return await")
    file.write_text(
        f"{a}def {step}(self):\n        return (lambda *_: True){rest.removeprefix(' self.hook')}", encoding="utf-8"
    )
    error = await check_failing(repo, f"{step}() is not async", STAGES[step])
    assert f"Write `async def {step}`." == error.fix


@pytest.mark.parametrize("step", HOOKS)
async def test_a_caller_that_is_cancelled_leaves_everything_as_it_was(repo: Path, step: str) -> None:
    """Whoever waits for a load may give up at any hook; the load ends, and is undone before that is over."""
    write(repo, "nowhere", "pass")
    file = repo / "plugin.py"
    text = file.read_text(encoding="utf-8")
    reach = "self.service_registry.get('reached').set()"
    waiting = f"await asyncio.Event().wait() if name == {step!r} and {reach} is None else 0"
    file.write_text(
        text.replace(
            "        return self.at(name, result)", f"        {waiting}\n        return self.at(name, result)"
        ),
        encoding="utf-8",
    )
    reached = asyncio.Event()
    async with create_test_app(services={"reached": reached}) as app:
        await app.db.set("orders.old", {"id": "old", "by": "the test"})
        await app.event_bus.drain()
        before = await world(app)
        load = asyncio.create_task(app.load_plugin("fragile"), name=asyncio.current_task().get_name())  # type: ignore[union-attr]
        await reached.wait()
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load
        await app.event_bus.drain()
        assert before == await world(app)


async def test_on_error_runs_once_after_the_hook_and_before_the_roll_back(repo: Path) -> None:
    """It is given what the hook raised, while what the plugin registered is still there."""
    write(repo, "initialize", RAISES)
    file = repo / "plugin.py"
    seen = "self.service_registry.get('heard').append((error, self.service_registry.has_service('at.on_load')))"
    file.write_text(file.read_text(encoding="utf-8").replace("self.heard.append(error)", seen), encoding="utf-8")
    heard: list[tuple[Exception, bool]] = []
    async with create_test_app(services={"heard": heard}) as app:
        await app.db.set("orders.old", {"id": "old"})
        with pytest.raises(PluginLoadError) as failed:
            await app.load_plugin("fragile")
        assert [(failed.value.__cause__, True)] == heard
        assert not app.service_registry.has_service("at.on_load")


async def test_an_on_error_that_fails_in_turn_hides_nothing(repo: Path) -> None:
    """The first error is raised; the second is a note on it."""
    write(repo, "initialize", RAISES)
    file = repo / "plugin.py"
    file.write_text(file.read_text(encoding="utf-8").replace("self.heard.append(error)", "1 / 0"), encoding="utf-8")
    error = await check_failing(repo, "initialize", "Initialization")
    assert "Broken" == type(error.__cause__).__name__
    assert "ZeroDivisionError" in error.__notes__[0]


async def test_what_failed_can_be_loaded_once_it_is_mended(repo: Path) -> None:
    """Its code is imported anew, and nothing of the first attempt is in the way."""
    write(repo, "on_enable", RAISES)
    async with create_test_app() as app:
        await app.db.set("orders.old", {"id": "old"})
        assert not await app.load_plugin("fragile", check=False)
        write(repo, "nowhere", "pass")
        assert await app.load_plugin("fragile")
        assert 200 == (await app.client().get("/api/fragile/tea")).status_code
