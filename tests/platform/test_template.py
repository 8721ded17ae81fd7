"""The plugin template that the framework's source distribution ships: the code as it is, with tests of ours."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

SDIST = os.environ.get("NEXUS_PLATFORM_SDIST", "")

pytestmark = pytest.mark.skipif(not SDIST, reason="NEXUS_PLATFORM_SDIST names no source distribution of nexus-platform")

TESTS = """
    import pytest
    from nexus.testing import PluginTestCase
    from template_plugin.plugin import TemplatePlugin


    async def test_it_is_loaded_by_its_name(nexus_app, test_client, event_bus):
        assert isinstance(nexus_app.get_plugin("template_plugin"), TemplatePlugin)
        items = nexus_app.url("template_plugin", "/items")
        made = await test_client.post(items, json={"name": "tea", "value": 2})
        assert made.status_code == 201
        event_bus.assert_published("template_plugin.item_created", name="tea")
        one = nexus_app.url("template_plugin", f"/items/{made.json()['id']}")
        assert (await test_client.get(one)).json()["name"] == "tea"
        assert (await test_client.delete(one)).status_code == 204
        assert (await test_client.get(one)).status_code == 404
        assert (await test_client.post(items, json={"name": ""})).status_code == 422
        assert nexus_app.service_registry.get("template_plugin.api") is nexus_app.get_plugin("template_plugin")


    class TestTemplate(PluginTestCase):
        @pytest.fixture
        async def plugin(self):
            plugin = TemplatePlugin()
            assert await plugin.initialize()
            yield plugin
            await plugin.shutdown()

        async def test_it_is_made_by_a_fixture(self, plugin, test_client):
            response = await test_client.get(self.app.url("template_plugin", "/"))
            assert response.json()["name"] == "template_plugin"
            await self.emit_event("user.created", {"id": "7"})
            assert [run.plugin for run in self.app.event_bus.deliveries if run.name == "user.created"] == [plugin.name]
"""


@pytest.mark.parametrize("database", ["memory", "sqlite", "mongodb"])
def test_the_template_passes(repo: Repo, tmp_path: Path, database: str) -> None:
    """Only its configuration of pytest is left out, which names packages that the template has not."""
    with tarfile.open(SDIST) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.glob("*/plugin_template")
    shutil.copytree(source, repo.folder, ignore=shutil.ignore_patterns("pyproject.toml"))
    repo.write("tests/test_template.py", TESTS)
    repo.write("pytest.ini", f'[pytest]\nnexus_config = {{"database": {{"type": "{database}"}}}}\n')
    result = repo.run(apart=True)
    result.assert_outcomes(passed=2)
