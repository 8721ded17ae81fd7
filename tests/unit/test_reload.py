"""Hot reload: new code, the same data, and nothing of the old that still runs."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from nexus_testing import create_test_app
from nexus_testing.errors import PluginLoadError, PluginUnloadError
from nexus_testing.runtime.discovery import Project, set_project
from nexus_testing.runtime.importer import finder

pytestmark = pytest.mark.asyncio

PLUGIN = """
    import asyncio
    from fastapi import APIRouter
    from nexus_testing.nexus.plugins import BasePlugin
    from .words import WORD

    STARTED, GO = asyncio.Event(), asyncio.Event()


    class EchoPlugin(BasePlugin):
        async def initialize(self):
            self.event_bus.subscribe("asked", self.on_asked)
            self.service_registry.register("echo", self)
            await self.db.set("starts", await self.db.get("starts", 0) + 1)
            return True

        async def shutdown(self):
            SHUTDOWN

        async def on_asked(self, event):
            await self.publish_event("answered", {"word": WORD})

        def get_database_schema(self):
            return {"collections": {"words": {"indexes": [{"field": "word", "unique": True}]}},
                    "initial_data": {"words": [{"id": "1", "word": "first"}]}}

        def get_api_routes(self):
            router = APIRouter()

            @router.get("/word")
            async def word():
                return WORD

            @router.get("/slow")
            async def slow():
                STARTED.set()
                await GO.wait()
                return WORD

            return [router]
"""


class Echo:
    """The folder of a plugin whose code changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "manifest.json").write_text(json.dumps({"name": "echo", "version": "1.0.0"}), encoding="utf-8")
        self.word("old")
        self.code("pass")

    def word(self, word: str) -> None:
        """Write the helper module."""
        (self.folder / "words.py").write_text(f"WORD = {word!r}\n", encoding="utf-8")

    def code(self, shutdown: str, text: str = PLUGIN) -> None:
        """Write the plugin's module."""
        (self.folder / "plugin.py").write_text(dedent(text).replace("SHUTDOWN", shutdown), encoding="utf-8")


@pytest.fixture(name="echo")
def _echo(tmp_path: Path) -> Iterator[Echo]:
    before = set_project(Project(tmp_path))
    yield Echo(tmp_path / "echo")
    set_project(before)
    finder.remove(tmp_path / "echo")


async def test_new_code_of_all_modules_and_the_same_data(echo: Echo) -> None:
    """Helper modules are new too; data stays, initial data does not come twice, and there are two lives."""
    async with create_test_app(["echo"]) as app, app.client() as client:
        await app.db.set("words.2", {"word": "second"})
        old = app.get_plugin("echo")
        echo.word("new")
        await app.reload_plugin("echo")
        assert "new" == (await client.get("/api/echo/word")).json()
        assert ["first", "second"] == [one["word"] async for one in app.db.collection("words").find()]
        assert 2 == await app.db.get("starts")
        assert type(old) is not type(app.get_plugin("echo"))
        app.event_bus.assert_sequence("plugin.loaded", "plugin.unloaded", "plugin.discovered", "plugin.loaded")


async def test_nothing_of_the_old_code_is_left(echo: Echo) -> None:
    """One subscription, one service, one route each: those of the new code."""
    async with create_test_app(["echo"]) as app:
        before = len(app.routes), len(app.event_bus.subscriptions)
        for word in ("new", "newer"):
            echo.word(word)
            await app.reload_plugin("echo")
        assert before == (len(app.routes), len(app.event_bus.subscriptions))
        assert app.service_registry.get("echo") is app.get_plugin("echo")
        await app.event_bus.publish("asked")
        await app.event_bus.drain()
        app.event_bus.assert_published("answered", word="newer", times=1)
        app.event_bus.assert_not_published("answered", word="old")


async def test_a_request_in_flight_finishes_on_the_old_code(echo: Echo) -> None:
    """It answers as it would have, while requests that come later have the new code."""
    async with create_test_app(["echo"]) as app, app.client() as client:
        module: Any = importlib.import_module("echo.plugin")
        slow = asyncio.create_task(client.get("/api/echo/slow"))
        await module.STARTED.wait()
        echo.word("new")
        await app.reload_plugin("echo")
        assert "new" == (await client.get("/api/echo/word")).json()
        module.GO.set()
        assert "old" == (await slow).json()


async def test_a_request_that_comes_meanwhile_waits_for_the_new_code(echo: Echo) -> None:
    """It is not told that there is no such route."""
    echo.code("self.service_registry.get('reached').set(); await self.service_registry.get('gate').wait()")
    gate, reached = asyncio.Event(), asyncio.Event()
    async with create_test_app(["echo"], services={"gate": gate, "reached": reached}) as app, app.client() as client:
        echo.word("new")
        reload = asyncio.create_task(app.reload_plugin("echo"))
        await reached.wait()
        request = asyncio.create_task(client.get("/api/echo/word"))
        assert 200 == (await client.get("/health")).status_code
        assert not request.done()
        gate.set()
        await reload
        assert (200, "new") == ((await request).status_code, (await request).json())


async def test_code_that_cannot_be_imported_leaves_the_old_running(echo: Echo) -> None:
    """The error names the line, a note says that nothing has changed, and nothing has."""
    async with create_test_app(["echo"]) as app, app.client() as client:
        plugin, modules = app.get_plugin("echo"), {name: sys.modules[name] for name in sys.modules if "echo" in name}
        (echo.folder / "plugin.py").write_text("from .words import WORDS\n", encoding="utf-8")
        with pytest.raises(PluginLoadError, match="cannot import name 'WORDS'") as failed:
            await app.reload_plugin("echo")
        assert ["Plugin 'echo' was not reloaded: its old code goes on running."] == failed.value.__notes__
        assert f"{echo.folder / 'plugin.py'}:1" == str(failed.value.where)
        assert plugin is app.get_plugin("echo")
        assert modules == {name: sys.modules[name] for name in sys.modules if "echo" in name}
        assert "old" == (await client.get("/api/echo/word")).json()
        echo.code("pass")
        echo.word("mended")
        await app.reload_plugin("echo")
        assert "mended" == (await client.get("/api/echo/word")).json()


async def test_code_that_does_not_start_leaves_nothing(echo: Echo) -> None:
    """The old plugin has shut down by then, so there is none, until its code is mended."""
    async with create_test_app(["echo"]) as app, app.client() as client:
        echo.code("pass", PLUGIN.replace("return True", "return False"))
        with pytest.raises(PluginLoadError, match="refused to start"):
            await app.reload_plugin("echo")
        assert ({}, [], []) == (app.plugins, app.routes, app.event_bus.subscriptions)
        assert 404 == (await client.get("/api/echo/word")).status_code
        assert "second" == await app.db.get("none", "second")
        echo.code("pass")
        await app.load_plugin("echo")


async def test_a_shutdown_that_fails_is_told_after_the_new_code_runs(echo: Echo) -> None:
    """The error is raised, and the plugin is there all the same."""
    echo.code("raise OSError('stuck')")
    app = create_test_app(["echo"])
    await app.startup()
    echo.code("pass")
    echo.word("new")
    with pytest.raises(PluginUnloadError, match="stuck"):
        await app.reload_plugin("echo")
    assert "new" == (await app.client().get("/api/echo/word")).json()
    await app.shutdown()


async def test_what_the_tests_have_imported_is_back_at_the_end(echo: Echo) -> None:
    """A reload is one app's: afterwards, a name that was imported before stands for the class that it was."""
    async with create_test_app(["echo"]) as app:
        first = sys.modules["echo.plugin"]
        await app.reload_plugin("echo")
        assert first is not sys.modules["echo.plugin"]
        await app.reload_plugin("echo")
    assert first is sys.modules["echo.plugin"]


async def test_the_configuration_of_a_test_stays_and_that_of_files_is_new(echo: Echo) -> None:
    """What was given to the load counts again; defaults are read anew."""
    manifest = {"name": "echo", "version": "1.0.0", "configuration": {"defaults": "defaults.yaml"}}
    (echo.folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (echo.folder / "defaults.yaml").write_text("a: 1\nb: 1\n", encoding="utf-8")
    async with create_test_app() as app:
        await app.load_plugin("echo", {"b": 2})
        assert {"a": 1, "b": 2} == app.get_plugin("echo").config
        (echo.folder / "defaults.yaml").write_text("a: 3\nb: 3\n", encoding="utf-8")
        await app.reload_plugin("echo")
        assert {"a": 3, "b": 2} == app.get_plugin("echo").config


async def test_a_plugin_without_code_of_its_own_is_made_anew() -> None:
    """The class of a test file stays what it is; its instance is a new one."""
    from nexus_testing.nexus.plugins import BasePlugin

    class HerePlugin(BasePlugin):
        """Written where it is used."""

    async with create_test_app([HerePlugin]) as app:
        old = app.get_plugin("here")
        await app.reload_plugin("here")
        assert old is not app.get_plugin("here")
        assert type(old) is type(app.get_plugin("here"))


@pytest.mark.parametrize("verb", ["unload_plugin", "reload_plugin", "disable_plugin"])
async def test_a_plugin_may_end_itself_inside_of_a_handler(verb: str) -> None:
    """A handler that unloads, reloads or disables its own plugin is let finish, and nothing hangs."""
    from nexus_testing.nexus.plugins import BasePlugin

    seen: list[str] = []

    class EndingPlugin(BasePlugin):
        async def initialize(self) -> bool:
            self.event_bus.subscribe("end", self.on_end)
            return True

        async def on_end(self, event: object) -> None:
            await getattr(app, verb)("ending")
            seen.append(verb)

    app = create_test_app()
    await app.load_plugin(EndingPlugin)
    await app.event_bus.publish("end")
    await app.event_bus.drain(2)
    assert [verb] == seen
    assert (verb != "unload_plugin") == ("ending" in app.plugins)
    await app.shutdown()
