"""The plugin in an app, loaded by its name and made by a fixture."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hello_plugin.plugin import HelloPlugin
from nexus.testing import App, PluginTestCase
from nexus.testing.client import Client


async def test_it_greets(nexus_app: App, test_client: Client) -> None:
    """A language may be asked for; English is the default."""
    url = nexus_app.url("hello_plugin", "/hello/Jo")
    assert (await test_client.get(url)).json() == {"message": "Hello, Jo!"}
    assert (await test_client.get(url, params={"language": "cy"})).json() == {"message": "Shwmae, Jo!"}
    nexus_app.event_bus.assert_published("hello.said", name="Jo", times=2)


async def test_an_unknown_language_is_not_found(nexus_app: App, test_client: Client) -> None:
    """The route answers 404 and says which language."""
    response = await test_client.get(nexus_app.url("hello_plugin", "/hello/Worf"), params={"language": "tlh"})
    assert response.status_code == 404
    assert "'tlh'" in response.json()["error"]["message"]


class TestHelloPlugin(PluginTestCase):
    """The plugin that the fixture makes is mounted in the app of the test."""

    @pytest.fixture
    async def plugin(self) -> AsyncIterator[HelloPlugin]:
        """Start the plugin, and stop it after the test."""
        plugin = HelloPlugin()
        assert await plugin.initialize()
        yield plugin
        await plugin.shutdown()

    async def test_a_phrase_may_be_added(self, plugin: HelloPlugin, test_client: Client) -> None:
        """A phrase that is written into the database is used from then on."""
        await self.app.db.set("phrases:cs", "Ahoj, {name}!")
        response = await test_client.get(self.app.url("hello_plugin", "/hello/Jana"), params={"language": "cs"})
        assert response.json() == {"message": "Ahoj, Jana!"}
