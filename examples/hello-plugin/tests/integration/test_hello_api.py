"""The plugin in an app: through a fixture that makes it, and loaded by its name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hello_plugin.plugin import HelloPlugin
from nexus.testing import App, PluginTestCase, create_test_app
from nexus.testing.client import Client


class TestHelloPlugin(PluginTestCase):
    """The plugin that the fixture makes is mounted in the app of the test."""

    @pytest.fixture
    async def plugin(self) -> AsyncIterator[HelloPlugin]:
        """Start the plugin, and stop it after the test."""
        plugin = HelloPlugin()
        assert await plugin.initialize()
        yield plugin
        await plugin.shutdown()

    async def test_it_is_called_what_its_manifest_says(self, plugin: HelloPlugin) -> None:
        """Name and version come from manifest.json."""
        assert (plugin.name, plugin.version) == ("hello_plugin", "0.1.0")

    async def test_it_greets(self, plugin: HelloPlugin, test_client: Client) -> None:
        """A language may be asked for; English is the default."""
        url = self.app.url("hello_plugin", "/hello/Jo")
        assert (await test_client.get(url)).json() == {"message": "Hello, Jo!"}
        assert (await test_client.get(url, params={"language": "cy"})).json() == {"message": "Shwmae, Jo!"}


@pytest.fixture
async def app() -> App:
    """An app of our own; it is shut down after the test."""
    app = create_test_app()
    await app.load_plugin("hello_plugin")
    return app


async def test_an_unknown_language_is_not_found(app: App) -> None:
    """The route answers 404 and says which language."""
    async with app.client() as client:
        response = await client.get("/api/hello_plugin/hello/Worf", params={"language": "tlh"})
    assert response.status_code == 404
    assert "'tlh'" in response.text


async def test_a_phrase_may_be_added(app: App) -> None:
    """A phrase that is written into the database is used from then on."""
    await app.db.set("phrases.cs", {"language": "Czech", "text": "Ahoj, {name}!"})
    async with app.client() as client:
        response = await client.get("/api/hello_plugin/hello/Jana", params={"language": "cs"})
    assert response.json() == {"message": "Ahoj, Jana!"}
