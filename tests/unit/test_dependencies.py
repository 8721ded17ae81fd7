"""What a manifest says must be there before the plugin, and what the plugin does that the manifest says it does not."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus_testing import create_test_app
from nexus_testing.errors import LifecycleError, PluginLoadError
from nexus_testing.runtime.discovery import Project, set_project

SOURCE = """
from fastapi import APIRouter
from nexus.plugins import BasePlugin
from nexus.tasks import BackgroundTask, Schedule


class ThisPlugin(BasePlugin):
    async def initialize(self):
        self.task_manager.register_task(BackgroundTask("tidy", self.tidy, Schedule.hourly()))
        return True

    async def tidy(self):
        pass

    def get_api_routes(self):
        router = APIRouter()

        @router.websocket("/ws")
        async def talk(websocket):
            pass

        return [router]
"""


@pytest.fixture(name="repo")
def _repo(tmp_path: Path) -> Iterator[Path]:
    before = set_project(Project(tmp_path))
    yield tmp_path
    set_project(before)


def plugin(repo: Path, name: str = "shop", **more: object) -> Path:
    """Write a plugin's folder and return it."""
    folder = repo / name
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"name": name, "version": "1.0.0", **more}), encoding="utf-8")
    (folder / "plugin.py").write_text(SOURCE, encoding="utf-8")
    return folder


FASTAPI = importlib.metadata.version("fastapi")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"dependencies": {"python": ">=4"}}, f"python >=4: here is {platform.python_version()}"),
        ({"dependencies": {"nexus": ">=2"}}, "nexus >=2: here is 1.0.0"),
        ({"dependencies": {"packages": ["no-such-package>=1"]}}, "package no-such-package>=1: not installed"),
        ({"dependencies": {"packages": ["fastapi<0.1"]}}, f"package fastapi<0.1: here is {FASTAPI}"),
        ({"dependencies": {"packages": ["fastapi[everything]"]}}, "it has no extra 'everything'"),
        ({"dependencies": {"packages": ["jsonschema[format]"]}}, "fqdn of the extra 'format' is not installed"),
        ({"compatibility": {"min_nexus_version": "1.1"}}, "compatibility.min_nexus_version 1.1: here is nexus 1.0.0"),
        ({"compatibility": {"max_nexus_version": "0.9"}}, "compatibility.max_nexus_version 0.9: here is nexus 1.0.0"),
        ({"compatibility": {"platforms": ["aix"]}}, f"compatibility.platforms aix: here is {sys.platform}"),
    ],
)
async def test_what_the_environment_lacks_is_named(said: dict[str, Any], line: str, repo: Path) -> None:
    """Each thing that a manifest asks of its environment stops the load where it is not so."""
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match="misses what its manifest depends on") as caught:
            await app.load_plugin(plugin(repo, **said))
        assert line in caught.value.why
        assert {} == app.plugins


@pytest.mark.asyncio
async def test_what_the_environment_lacks_is_listed_at_once(repo: Path) -> None:
    """All that is missing stands in one error."""
    said = {"python": ">=4", "nexus": ">=2", "packages": ["no-such-package"]}
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError) as caught:
            await app.load_plugin(plugin(repo, dependencies=said, compatibility={"platforms": ["aix"]}))
    assert 4 == len(caught.value.why.splitlines())


@pytest.mark.asyncio
async def test_what_the_environment_has_is_taken(repo: Path) -> None:
    """Ranges, markers of other systems and the bounds of compatibility, both inclusive, let a plugin through."""
    here = re.sub(r"\d+$", "", sys.platform)
    folder = plugin(
        repo,
        dependencies={
            "python": ">=3.11",
            "nexus": ">=1,<2",
            "packages": ["FastAPI>=0.100", "no-such-package; python_version < '3'"],
        },
        compatibility={"min_nexus_version": "1.0.0", "max_nexus_version": "1.0.0", "platforms": [here]},
    )
    async with create_test_app() as app:
        assert await app.load_plugin(folder)


@pytest.mark.asyncio
async def test_a_program_that_is_not_there_is_only_reported(repo: Path) -> None:
    """A system dependency is looked for on the path; one that is missing stops nothing."""
    program = Path(sys.executable).name
    folder = plugin(repo, dependencies={"system": [program, "no-such-program>=6.0"]})
    async with create_test_app() as app:
        assert await app.load_plugin(folder)
        (finding,) = [one for one in app.findings if one.id == "NX317"]
    assert ("shop", True) == (finding.plugin, "no-such-program" in finding.text)


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [1, 2, 5])
async def test_a_circle_of_plugins_is_named_in_order(size: int, repo: Path) -> None:
    """Plugins that depend on each other are refused, from one that depends on itself on."""
    for number in range(size):
        plugin(repo, f"p{number}", dependencies={"plugins": [f"p{(number + 1) % size}"]})
    circle = " -> ".join([*(f"p{number}" for number in range(size)), "p0"])
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match=re.escape(f"in a circle: {circle}.")):
            await app.load_plugin("p0")
        assert {} == app.plugins


@pytest.mark.asyncio
async def test_a_feature_that_is_off_and_used_is_a_finding(repo: Path) -> None:
    """Tasks and WebSockets of a plugin that says it has none are reported with their lines; so is missing GraphQL."""
    folder = plugin(repo, features={"background_tasks": False, "websocket": False, "graphql": True})
    async with create_test_app() as app:
        await app.load_plugin(folder)
        found = {(one.id, one.text): one.where for one in app.findings if one.id in {"NX321", "NX322"}}
    assert {
        ("NX321", "features.background_tasks is false, and there is a background task 'tidy'."),
        ("NX321", "features.websocket is false, and there is a WebSocket at /api/shop/ws."),
        ("NX322", "features.graphql is true, and no route has 'graphql' in its path."),
    } == set(found)
    lines = {where.line for (id_, _), where in found.items() if id_ == "NX321" and where is not None}
    assert {9, 18} == lines


@pytest.mark.asyncio
@pytest.mark.parametrize("features", [{}, {"background_tasks": True, "websocket": True, "graphql": False}])
async def test_a_feature_that_is_on_or_not_mentioned_is_no_finding(features: dict[str, bool], repo: Path) -> None:
    """What the manifest allows, or says nothing of, is no finding."""
    async with create_test_app() as app:
        await app.load_plugin(plugin(repo, features=features))
        assert [] == [one for one in app.findings if one.id in {"NX321", "NX322"}]


@pytest.mark.asyncio
async def test_a_plugin_that_cannot_be_reloaded_is_refused_by_name(repo: Path) -> None:
    """Where hot_reload is false, a reload is refused and the plugin stays as it is."""
    async with create_test_app() as app:
        await app.load_plugin(plugin(repo, features={"hot_reload": False}))
        before = app.get_plugin("shop")
        with pytest.raises(LifecycleError, match="'shop' cannot be reloaded"):
            await app.reload_plugin("shop")
        assert before is app.get_plugin("shop")


@pytest.mark.asyncio
async def test_the_version_of_the_api_is_no_part_of_a_path(repo: Path) -> None:
    """`api.version` tells people something: routes stand where they stand without it."""
    async with create_test_app() as app:
        await app.load_plugin(plugin(repo, api={"version": "v2"}))
        assert {"/api/shop/ws"} == {route.path for route in app.routes}


@pytest.mark.asyncio
async def test_a_plugin_that_is_switched_off_is_loaded_all_the_same(repo: Path) -> None:
    """`enabled: false` is told and stops nothing."""
    async with create_test_app() as app:
        await app.load_plugin(plugin(repo, enabled=False))
        assert ["NX316"] == [one.id for one in app.findings if one.id.startswith("NX3")]
