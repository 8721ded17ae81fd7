"""The manifest that the guide shows, with all its keys: it loads, and each key has the effect that the page says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nexus_testing import create_test_app
from nexus_testing.errors import ConfigurationError, LifecycleError, PluginLoadError
from nexus_testing.findings import Severity

if TYPE_CHECKING:
    from nexus_testing.app import App
    from tests.conftest import Repo

pytestmark = pytest.mark.asyncio

GUIDE: dict[str, Any] = json.loads(Path(__file__).with_name("guide_manifest.json").read_text(encoding="utf-8"))
NAME = "my_awesome_plugin"
CONFIG = {"api_key": "k", "database_name": "d"}
STUBS = {"auth_plugin": "1.2.0", "email_plugin": "1.0.0"}

PLUGIN = """
    from fastapi import APIRouter
    from nexus_testing.nexus.plugins import BasePlugin
    from nexus_testing.nexus.tasks import BackgroundTask, Schedule


    class MyAwesomePlugin(BasePlugin):
        async def initialize(self):
            await self.db.set("seen", await self.db.get("seen", 0) + 1)
            self.event_bus.subscribe("order.created", print)
            await self.event_bus.publish("awesome.ready")
            return True

        async def later(self):
            self.task_manager.register_task(BackgroundTask("tidy", self.run, Schedule.hourly()))

        async def run(self):
            pass

        def get_api_routes(self):
            router = APIRouter()
            router.add_api_route("/items", lambda: [])
            return [router]
"""


def write(project: Repo, **changes: object) -> None:
    """Write the guide's plugin and all files that its manifest names, some keys changed; None leaves one out."""
    manifest = {key: value for key, value in {**GUIDE, **changes}.items() if value is not None}
    project.write("manifest.json", json.dumps(manifest, indent=2))
    project.write("plugin.py", PLUGIN)
    for file in (GUIDE["icon"], *GUIDE["screenshots"]):
        project.write(file)
    schema = {"properties": {"api_key": {"type": "string"}, "max_retries": {"type": "integer", "default": 3}}}
    project.write(GUIDE["configuration"]["schema"], json.dumps(schema))
    project.write(GUIDE["configuration"]["defaults"], "cache_ttl: 300\nmax_retries: 5\n")


async def loaded(app: App, config: dict[str, Any] = CONFIG) -> Any:
    """Load the plugin and return it."""
    await app.load_plugin(NAME, config)
    return app.get_plugin(NAME)


async def test_the_guides_manifest_loads(project: Repo) -> None:
    """With its files there and its two plugins stubbed, it loads; nothing about it is an error or a warning."""
    write(project)
    async with create_test_app(stubs=STUBS) as app:
        await loaded(app)
        assert {"/api/awesome/items"} == {route.path for route in app.routes}
        assert [] == [
            finding
            for finding in app.findings
            if finding.severity is not Severity.INFO and finding.id.startswith(("NX3", "NX104"))
        ]
        assert 200 == (await app.client().get("/api/awesome/health")).status_code
        await app.unload_plugin(NAME)
        assert {} == app.plugins


async def test_the_manifest_says_who_the_plugin_is(project: Repo) -> None:
    """A class that says nothing of itself has name, version, category, description and author from there."""
    write(project)
    async with create_test_app(stubs=STUBS) as app:
        plugin = await loaded(app)
        assert [GUIDE[key] for key in ("name", "version", "category", "description")] + ["Your Name"] == [
            getattr(plugin, key) for key in ("name", "version", "category", "description", "author")
        ]


async def test_what_the_manifest_tells_people_is_in_the_document_of_its_routes(project: Repo) -> None:
    """Title, contact, license and documentation have places of their own in OpenAPI; the rest is `x-plugin`."""
    write(project, tags=["example"])
    async with create_test_app(stubs=STUBS) as app:
        await loaded(app)
        document = app.openapi(NAME)
        info = document["info"]
        assert {
            "title": GUIDE["display_name"],
            "version": "1.0.0",
            "description": GUIDE["description"],
            "contact": GUIDE["author"],
            "license": {"name": "MIT"},
            "x-plugin": {
                "tags": ["example"],
                "api_version": "v1",
                **{
                    key: GUIDE[key] for key in ("category", "homepage", "repository", "keywords", "icon", "screenshots")
                },
            },
        } == info
        assert {"url": GUIDE["documentation"]} == document["externalDocs"]


async def test_its_plugins_are_needed(project: Repo) -> None:
    """Without the stubs the load ends with the line to add, and with one that is too old too."""
    write(project)
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match="auth_plugin") as failed:
            await loaded(app)
        assert "stubs" in failed.value.fix
    async with create_test_app(stubs={**STUBS, "email_plugin": "0.9"}) as app:
        with pytest.raises(PluginLoadError, match="email_plugin"):
            await loaded(app)


@pytest.mark.parametrize(
    ("permission", "what"),
    [
        ("database.read", "read from the database"),
        ("database.write", "write to the database"),
        ("events.publish", "publish events"),
        ("events.subscribe", "subscribe to events"),
        ("api.register", "have routes"),
        ("ui.register", "have parts of the user interface"),
    ],
)
async def test_each_of_its_permissions_is_needed(permission: str, what: str, project: Repo) -> None:
    """Each that is taken out of the manifest ends the load of a plugin that does it, and nothing is left."""
    write(project, permissions=[one for one in GUIDE["permissions"] if one != permission])
    async with create_test_app(stubs=STUBS) as app:
        with pytest.raises(PluginLoadError) as failed:
            await loaded(app)
        assert what in str(failed.value) + str(failed.value.__cause__)
        assert (None, []) == (await app.db.get("seen"), app.routes)


async def test_its_configuration_is_layered_and_held_to(project: Repo) -> None:
    """Schema, defaults, required and optional: each of them counts."""
    write(project)
    async with create_test_app(stubs=STUBS) as app:
        plugin = await loaded(app, {**CONFIG, "timeout": 9})
        assert {**CONFIG, "cache_ttl": 300, "max_retries": 5, "timeout": 9} == plugin.config
        await app.unload_plugin(NAME)
        with pytest.raises(ConfigurationError, match="misses required configuration: 'database_name'"):
            await loaded(app, {"api_key": "k"})
        with pytest.raises(ConfigurationError, match="not what its schema asks for"):
            await loaded(app, {**CONFIG, "max_retries": "many"})


async def test_its_rate_limit_holds(project: Repo) -> None:
    """So many requests in a period, and the next is refused."""
    write(project, api={**GUIDE["api"], "rate_limit": {"requests": 2, "period": 60}})
    async with create_test_app(stubs=STUBS) as app:
        await loaded(app)
        client = app.client()
        assert [200, 200, 429] == [(await client.get("/api/awesome/items")).status_code for _ in range(3)]


async def test_its_features_are_held_to(project: Repo) -> None:
    """A task that comes after the load is found at the end, and a reload is refused."""
    write(project, features={"background_tasks": False, "hot_reload": False})
    async with create_test_app(stubs=STUBS) as app:
        plugin = await loaded(app)
        with pytest.raises(LifecycleError, match="cannot be reloaded"):
            await app.reload_plugin(NAME)
        await plugin.later()
        await app.unload_plugin(NAME)
        (finding,) = [one for one in app.findings if one.id == "NX321"]
        assert "'tidy'" in finding.text


async def test_a_class_that_says_something_else_is_a_finding(project: Repo) -> None:
    """Name, version and category of the class are held against those of the manifest."""
    write(project)
    own = "def __init__(self):\n            self.version, self.category = '2.0', 'other'\n"
    project.write("plugin.py", f"{PLUGIN}\n        {own}")
    async with create_test_app(stubs=STUBS) as app:
        await loaded(app)
        texts = [finding.text for finding in app.findings if finding.id == "NX104"]
    assert [
        "the class says version '2.0', the manifest '1.0.0'.",
        "the class says category 'other', the manifest 'business'.",
    ] == texts


async def test_what_is_only_the_published_frameworks_changes_nothing(project: Repo) -> None:
    """`entry_point` and `config` are taken and not read: class and configuration are those of the folder."""
    write(project, entry_point="elsewhere:OtherPlugin", config={"max_retries": 99})
    async with create_test_app(stubs=STUBS) as app:
        plugin = await loaded(app)
        assert ("MyAwesomePlugin", 5) == (type(plugin).__name__, plugin.config["max_retries"])
