"""A plugin's life in an app: its steps, its news, and what is left when a step fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter

from nexus_testing import create_test_app
from nexus_testing.errors import (
    LifecycleError,
    PluginDependencyError,
    PluginImportError,
    PluginLoadError,
    PluginNotFound,
    PluginUnloadError,
)
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.runtime.discovery import Project, set_project

SOURCE = "from nexus.plugins import BasePlugin\n\nclass {cls}(BasePlugin):\n    {body}\n"


@pytest.fixture(name="repo")
def _repo(tmp_path: Path) -> Iterator[Path]:
    before = set_project(Project(tmp_path))
    yield tmp_path
    set_project(before)


def write(
    repo: Path, name: str, *, version: str = "1.0.0", plugins: list[str] | None = None, body: str = "pass"
) -> Path:
    """Write a plugin's folder and return it."""
    folder = repo / name
    folder.mkdir()
    manifest = {"name": name, "version": version, "dependencies": {"plugins": plugins or []}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    source = SOURCE.format(cls="".join(part.title() for part in name.split("_")) + "Plugin", body=body)
    (folder / "plugin.py").write_text(source, encoding="utf-8")
    return folder


class Whole(BasePlugin):
    """A plugin that registers one of each, and fails where it is told to."""

    fails = ""
    told: list[BaseException]

    def __init__(self) -> None:
        self.name = "whole"
        self.told = []

    def _at(self, step: str) -> None:
        if step == self.fails:
            raise PluginDependencyError(step)

    async def on_load(self) -> None:
        """Fail or go on."""
        await self.db.set("loaded", 1)
        self._at("on_load")

    async def initialize(self) -> bool:
        """Register one of each."""
        self.event_bus.subscribe("order.created", print)
        self.service_registry.register("whole", self)
        self._at("initialize")
        return True

    async def on_enable(self) -> None:
        """Fail or go on."""
        self._at("on_enable")

    async def on_error(self, error: Exception) -> None:
        """Note the error."""
        self.told.append(error)

    async def shutdown(self) -> None:
        """Fail or go on."""
        self._at("shutdown")

    def get_database_schema(self) -> dict[str, Any]:
        """Declare a collection."""
        return {"orders": [{"id": "1"}]}

    def get_api_routes(self) -> list[APIRouter]:
        """Return one route."""
        router = APIRouter(prefix="/orders")

        @router.get("/all")
        async def every() -> list[str]:
            return []

        return [router]


@pytest.mark.asyncio
async def test_every_step_is_on_record() -> None:
    """A life from discovery to the end is one record a step, and news on the bus."""
    app = create_test_app()
    await app.load_plugin(Whole)
    assert app.event_bus.assert_published("plugin.loaded", plugin_id="whole").source == "PluginManager"
    await app.unload_plugin("whole")
    await app.shutdown()
    expected = ["Discovery", "Validation", "Loading", "Initialization", "Active", "Shutdown", "Unloaded"]
    assert expected == [step.stage for step in app.journal.lifecycle("whole")]
    app.event_bus.assert_sequence(
        "plugin.discovered", "plugin.loaded", "app.started", "plugin.unloaded", "app.stopping"
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("step", ["on_load", "initialize", "on_enable"])
async def test_a_failed_load_leaves_nothing(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Routes, subscriptions, services and data are as they were; on_error is told once; others go on."""
    monkeypatch.setattr(Whole, "fails", step)
    made: list[Whole] = []
    monkeypatch.setattr(Whole, "__repr__", object.__repr__)

    class Kept(Whole):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match=step) as failed:
            await app.load_plugin(Kept)
        assert isinstance(failed.value.__cause__, PluginDependencyError)
        assert [failed.value.__cause__] == made[0].told
        assert {} == app.plugins
        assert [] == app.routes
        assert [] == app.event_bus.subscriptions
        assert [] == app.service_registry.list_services()
        assert [] == [key for key in await app.db.list_keys() if key.startswith("orders")]
        app.event_bus.assert_published("plugin.error", plugin_id="whole")
        assert await app.load_plugin(Kept, check=False) is False
        monkeypatch.setattr(Whole, "fails", "")
        assert await app.load_plugin(Kept) is True


@pytest.mark.asyncio
async def test_a_shutdown_that_fails_is_told_and_removes_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin is gone, and its own exception is the cause."""
    monkeypatch.setattr(Whole, "fails", "shutdown")
    app = create_test_app()
    await app.load_plugin(Whole)
    with pytest.raises(PluginUnloadError) as failed:
        await app.unload_plugin("whole")
    assert isinstance(failed.value.__cause__, PluginDependencyError)
    assert {} == app.plugins
    await app.load_plugin(Whole)
    with pytest.raises(PluginUnloadError):
        await app.shutdown()
    await app.shutdown()


@pytest.mark.asyncio
async def test_what_is_not_released_is_a_finding() -> None:
    """The runtime removes it, and says what production would have kept."""
    async with create_test_app([Whole]) as app:
        await app.unload_plugin("whole")
        texts = [finding.text for finding in app.findings if finding.id == "NX106"]
    assert ["subscription 'order.created'", "service 'whole'"] == [
        text.partition(" its ")[2].removesuffix(".") for text in texts
    ]


@pytest.mark.asyncio
async def test_disable_and_enable() -> None:
    """A disabled plugin has no routes and keeps its data; enabled, it has them again, once."""
    async with create_test_app([Whole]) as app:
        assert ["/api/whole/orders/all"] == [route.path for route in app.routes]
        await app.disable_plugin("whole")
        assert 404 == (await app.client().get("/api/whole/orders/all")).status_code
        await app.enable_plugin("whole")
        assert 200 == (await app.client().get("/api/whole/orders/all")).status_code
        assert 1 == await app.db.get("loaded")
        app.event_bus.assert_sequence("plugin.disabled", "plugin.enabled")


@pytest.mark.asyncio
async def test_two_plugins_on_one_path_are_refused(repo: Path) -> None:
    """The second is named, the first keeps its route."""

    class Other(Whole):
        def __init__(self) -> None:
            super().__init__()
            self.name = "other"

    folder = write(repo, "whole")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**manifest, "api": {"prefix": "/api/other"}}), encoding="utf-8")
    (folder / "plugin.py").write_text(
        "from fastapi import APIRouter\nfrom nexus_testing.nexus.plugins import BasePlugin\n\n"
        "class WholePlugin(BasePlugin):\n    def get_api_routes(self):\n        router = APIRouter()\n"
        "        router.add_api_route('/orders/all', lambda: 1)\n        return [router]\n",
        encoding="utf-8",
    )
    async with create_test_app([Other]) as app:
        with pytest.raises(PluginLoadError, match="both have GET /api/other/orders/all"):
            await app.load_plugin(folder)
        assert ["other"] == list(app.plugins)
        assert 200 == (await app.client().get("/api/other/orders/all")).status_code


@pytest.mark.asyncio
async def test_dependencies_start_first_and_stop_last(repo: Path) -> None:
    """A plugin's dependencies are loaded before it, and shut down after it."""
    write(repo, "stock_room")
    write(repo, "order_desk", plugins=["stock_room>=1.0"])
    app = create_test_app()
    await app.load_plugin("order_desk")
    assert ["stock_room", "order_desk"] == list(app.plugins)
    await app.shutdown()
    assert ["order_desk", "stock_room"] == [event.data["plugin_id"] for event in app.event_bus.of("plugin.unloaded")]


@pytest.mark.asyncio
async def test_dependencies_that_cannot_be_met(repo: Path) -> None:
    """One that is missing, too old, or waits for its own dependant is named with the line to write."""
    write(repo, "needs_missing", plugins=["nowhere_plugin>=2.1"])
    write(repo, "old_one", version="0.9")
    write(repo, "needs_old", plugins=["old_one>=1.0"])
    write(repo, "first_half", plugins=["other_half"])
    write(repo, "other_half", plugins=["first_half"])
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match=r"return {'nowhere_plugin': '2\.1'}"):
            await app.load_plugin("needs_missing")
        with pytest.raises(PluginLoadError, match=r"here is 0\.9"):
            await app.load_plugin("needs_old")
        with pytest.raises(PluginLoadError, match="in a circle: first_half -> other_half -> first_half"):
            await app.load_plugin("first_half")
    async with create_test_app(stubs={"nowhere_plugin": "2.2"}) as app:
        assert await app.load_plugin("needs_missing") is True


@pytest.mark.parametrize(
    ("wanted", "version"),
    [("", "1.0.0"), (">=2.1", "2.1"), (">1.4", "1.4.1"), ("==3.*", "3"), ("<1", "0.1.0"), ("~=1.2,!=1.2", "1.2.1")],
)
@pytest.mark.asyncio
async def test_the_stubs_to_write_meet_what_is_asked_for(wanted: str, version: str, repo: Path) -> None:
    """All missing plugins are named together, with versions that the plugin takes."""
    write(repo, "shop", plugins=[f"mail_plugin{wanted}", "auth_plugin>=1"])
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match="on plugins 'mail_plugin' and 'auth_plugin', which are not") as info:
            await app.load_plugin("shop")
    assert str(info.value).endswith(f"return {{'mail_plugin': {version!r}, 'auth_plugin': '1'}}")
    async with create_test_app(stubs={"mail_plugin": version, "auth_plugin": "1"}) as app:
        assert await app.load_plugin("shop") is True


@pytest.mark.asyncio
async def test_a_reload_takes_the_new_code_and_keeps_the_data(repo: Path) -> None:
    """After it the new class answers, and what was stored is still there."""
    folder = write(repo, "growing_plugin", body="size = 1")
    async with create_test_app() as app:
        await app.load_plugin("growing_plugin")
        await app.db.set("kept", "yes")
        source = (folder / "plugin.py").read_text(encoding="utf-8")
        (folder / "plugin.py").write_text(source.replace("size = 1", "size = 2"), encoding="utf-8")
        await app.reload_plugin("growing_plugin")
        assert 2 == app.get_plugin("growing_plugin").size
        assert "yes" == await app.db.get("kept")


@pytest.mark.asyncio
async def test_what_may_be_loaded(repo: Path) -> None:
    """A name, a folder's name, a path, a class and an instance; nothing else."""
    folder = write(repo, "by_name")
    for target in ("by_name", folder, str(folder), Whole, Whole()):
        async with create_test_app() as app:
            assert await app.load_plugin(target) is True
            assert len(app.plugins) == 1
    async with create_test_app() as app:
        with pytest.raises(PluginImportError, match="cannot load 7"):
            await app.load_plugin(7)
        with pytest.raises(PluginNotFound, match="There is no plugin in"):
            await app.load_plugin(repo)
        with pytest.raises(LifecycleError, match="There is no plugin 'by_nam'"):
            app.get_plugin("by_nam")
        with pytest.raises(LifecycleError, match="Load it first"):
            await app.unload_plugin("by_name")
