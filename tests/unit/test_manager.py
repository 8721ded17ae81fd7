"""The plugin manager: what plugin code may ask about the other plugins of its app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from nexus_testing import App, create_test_app
from nexus_testing.errors import LifecycleError, PluginLoadError, PluginNotFound
from nexus_testing.nexus.manager import PluginManager, PluginStatus

if TYPE_CHECKING:
    from tests.conftest import Repo


PLUGIN = """
    from nexus_testing.nexus.plugins import BasePlugin


    class {cls}(BasePlugin):
        async def initialize(self):
            return {outcome}
"""


@pytest_asyncio.fixture(name="app")
async def _app(project: Repo) -> AsyncIterator[App]:
    for name, outcome in (("shop", True), ("broken", False)):
        project.manifest(name, at=name)
        project.write(f"{name}/plugin.py", PLUGIN.format(cls=f"{name.title()}Plugin", outcome=outcome))
    async with create_test_app() as app:
        yield app


@pytest.fixture(name="manager")
def _manager(app: App) -> PluginManager:
    backend: Any = app.backend
    manager: PluginManager = backend.plugin_manager
    return manager


@pytest.mark.asyncio
async def test_a_plugin_is_loaded_and_unloaded_by_name(app: App, manager: PluginManager) -> None:
    """The manager knows the plugins of its app, and the app those of its manager."""
    assert await manager.load_plugin("shop")
    assert (["shop"], True) == (manager.list_plugins(), manager.is_loaded("shop"))
    assert app.get_plugin("shop") is manager.get_plugin("shop")
    assert await manager.unload_plugin("shop")
    assert ([], False, None) == (manager.list_plugins(), manager.is_loaded("shop"), manager.get_plugin("shop"))


@pytest.mark.asyncio
async def test_where_a_plugin_stands(app: App, manager: PluginManager) -> None:
    """Its status follows its life; that of a name that nobody has is that of one that is not loaded."""
    seen = [manager.get_plugin_status("shop")]
    await app.load_plugin("shop")
    seen.append(manager.get_plugin_status("shop"))
    await app.disable_plugin("shop")
    seen.append(manager.get_plugin_status("shop"))
    await app.unload_plugin("shop")
    seen.append(manager.get_plugin_status("shop"))
    assert [PluginStatus.UNLOADED, PluginStatus.ENABLED, PluginStatus.DISABLED, PluginStatus.UNLOADED] == seen
    assert PluginStatus.UNLOADED is manager.get_plugin_status("nobody")


@pytest.mark.asyncio
async def test_what_cannot_be_done_raises(manager: PluginManager) -> None:
    """A load that fails, a name that nobody has, and an unload of what is not loaded."""
    with pytest.raises(PluginLoadError, match="refused to start"):
        await manager.load_plugin("broken")
    assert PluginStatus.ERROR is manager.get_plugin_status("broken")
    with pytest.raises(PluginNotFound, match="no plugin called 'shopp'"):
        await manager.load_plugin("shopp")
    with pytest.raises(LifecycleError, match="no plugin 'shop' in the app"):
        await manager.unload_plugin("shop")
