"""Plugins that depend on each other: who is loaded, in which order, and what becomes of them when one fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus_testing import create_test_app
from nexus_testing.errors import PluginLoadError
from nexus_testing.runtime.discovery import Project, set_project
from nexus_testing.runtime.importer import finder

pytestmark = pytest.mark.asyncio

SOURCE = """
from nexus_testing.nexus.plugins import BasePlugin


class {cls}(BasePlugin):
    async def initialize(self) -> bool:
        {body}
        return True
"""


class Plugins:
    """A repo of plugins that are written as a test needs them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, *needs: str, body: str = "pass") -> None:
        """Write a plugin that depends on others."""
        folder = self.root / name
        folder.mkdir()
        manifest = {"name": name, "version": "1.0.0", "dependencies": {"plugins": list(needs)}}
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        text = SOURCE.format(cls=f"{name.title()}Plugin", body=body)
        (folder / "plugin.py").write_text(text, encoding="utf-8")


@pytest.fixture(name="plugins")
def _plugins(tmp_path: Path) -> Iterator[Plugins]:
    before = set_project(Project(tmp_path))
    yield Plugins(tmp_path)
    set_project(before)
    for folder in tmp_path.iterdir():
        finder.remove(folder)


# Ten plugins: each needs some of those with a smaller number, written down in no order.
TEN = {7: (2, 5), 0: (), 3: (1,), 9: (8, 7), 1: (0,), 5: (3, 4), 2: (1,), 8: (6,), 4: (0, 2), 6: (5,)}


@pytest.mark.parametrize("asked", [[9], [6, 9], list(range(10)), list(range(9, -1, -1))])
async def test_ten_plugins_start_in_order_and_stop_in_reverse(plugins: Plugins, asked: list[int]) -> None:
    """However they are asked for, each is loaded after all that it needs, once, and they stop the other way round."""
    for number, needs in TEN.items():
        plugins.write(f"p{number}", *(f"p{one}>=1.0" for one in needs))
    app = create_test_app()
    await app.startup()
    for number in asked:
        if f"p{number}" not in app.plugins:
            await app.load_plugin(f"p{number}")
    started = [event["plugin_id"] for event in (one.data for one in app.event_bus.of("plugin.loaded"))]
    assert 10 == len(set(started)) == len(started)
    for number, needs in TEN.items():
        assert all(started.index(f"p{one}") < started.index(f"p{number}") for one in needs)
    await app.shutdown()
    stopped = [event["plugin_id"] for event in (one.data for one in app.event_bus.of("plugin.unloaded"))]
    assert started[::-1] == stopped


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_a_circle_is_named_in_its_order(plugins: Plugins, size: int) -> None:
    """Nobody of it is loaded, and the message goes round once."""
    for number in range(size):
        plugins.write(f"c{number}", f"c{(number + 1) % size}")
    circle = " -> ".join([*(f"c{number}" for number in range(size)), "c0"])
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match=f"in a circle: {circle}"):
            await app.load_plugin("c0")
        assert {} == app.plugins


async def test_those_that_were_loaded_for_a_failed_one_are_unloaded(plugins: Plugins) -> None:
    """The last first; whom somebody else needs, or the test has loaded, stays."""
    plugins.write("base")
    plugins.write("left", "base")
    plugins.write("right", "base")
    plugins.write("mine")
    plugins.write("top", "left", "right", "mine", body="raise OSError('no till')")
    async with create_test_app(["mine"]) as app:
        with pytest.raises(PluginLoadError, match="no till"):
            await app.load_plugin("top")
        assert ["mine"] == list(app.plugins)
        unloaded = [event.data["plugin_id"] for event in app.event_bus.of("plugin.unloaded")]
        assert ["right", "left", "base"] == unloaded


async def test_one_that_fails_in_the_middle_ends_the_whole_load(plugins: Plugins) -> None:
    """The error is that of the plugin that failed, and those around it are gone."""
    plugins.write("base")
    plugins.write("middle", "base", body="return False")
    plugins.write("top", "middle")
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match="'middle' refused to start") as failed:
            await app.load_plugin("top")
        assert "middle" == failed.value.plugin
        assert {} == app.plugins


async def test_a_companion_that_cannot_be_unloaded_is_a_note(plugins: Plugins) -> None:
    """The first error is raised, with the second as a note on it."""
    plugins.write("base")
    file = plugins.root / "base" / "plugin.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(f"{text}\n    async def shutdown(self):\n        raise ValueError('stuck')\n", encoding="utf-8")
    plugins.write("top", "base", body="raise OSError('no till')")
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match="no till") as failed:
            await app.load_plugin("top")
        assert any("'base', which was loaded for it, failed in turn" in note for note in failed.value.__notes__)
        assert {} == app.plugins
