"""A plugin written for the guide meets its own error, and a finding that explains it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nexus_testing.errors import PluginLoadError

if TYPE_CHECKING:
    from tests.conftest import Repo

pytestmark = pytest.mark.asyncio

SHORT = """
    from nexus import plugins
    from nexus.plugins import BasePlugin
    {top}

    class ShopPlugin({bases}):
        async def initialize(self):
            {body}
            return True
"""
REST = """
        async def shutdown(self): ...
        def get_api_routes(self): return []
        def get_database_schema(self): return {}
"""


@pytest.mark.parametrize(
    ("code", "cause", "text"),
    [
        (("import nexus.plugins.categories", "BasePlugin", "pass"), ModuleNotFoundError, "from nexus.plugins import"),
        (("from nexus.plugins import PluginInfo", "BasePlugin", "pass"), ImportError, "it is in nexus.core"),
        (("from nexus.core import get_db", "BasePlugin", "pass"), ImportError, "no nexus.core.get_db"),
        (("from nexus.tasks import Schedule", "BasePlugin", "pass"), ModuleNotFoundError, "no background tasks"),
        (("", "BasePlugin, plugins.BusinessPlugin", "pass"), TypeError, "name the category alone"),
        (
            ("", "BasePlugin", "await self.service_registry.get_service('x')"),
            AttributeError,
            "get(name), without await",
        ),
        (("", "BasePlugin", "await self.event_bus.subscribe('x', print)"), TypeError, "leave the await out"),
        (("", "BasePlugin", "await self.db.get('x')"), AttributeError, "self.db_adapter"),
        (("from ..till import Till", "BasePlugin", "pass"), ImportError, "name another one in full"),
    ],
)
async def test_what_the_guide_has_and_the_framework_has_not(
    project: Repo, make_app: Any, code: tuple[str, str, str], cause: type, text: str
) -> None:
    """The error's cause is Python's own, its reason says what to write, and so does the finding."""
    project.manifest()
    project.write("plugin.py", SHORT.format(top=code[0], bases=code[1], body=code[2]) + REST)
    app = await make_app()
    with pytest.raises(PluginLoadError) as raised:
        await app.load_plugin("shop")
    assert isinstance(raised.value.__cause__, cause)
    assert text in raised.value.why
    assert [text] == [text for finding in app.findings if finding.id == "NX801" and text in finding.text]


async def test_a_class_that_lacks_what_is_abstract_there(project: Repo, make_app: Any) -> None:
    """The guide's short examples leave methods out."""
    project.manifest()
    project.write("plugin.py", SHORT.format(top="", bases="BasePlugin", body="pass"))
    app = await make_app()
    with pytest.raises(PluginLoadError, match=r"BasePlugin is abstract: ShopPlugin must have"):
        await app.load_plugin("shop")


async def test_a_handler_that_takes_the_event_for_a_dict(make_app: Any) -> None:
    """The error is on record, and explained."""
    app = await make_app()
    app.event_bus.subscribe("order.created", lambda event: event["id"])
    await app.event_bus.publish("order.created", {"id": "7"})
    await app.event_bus.drain()
    assert isinstance(app.event_bus.errors[0].error, TypeError)
    assert ["NX801"] == [finding.id for finding in app.findings]


async def test_an_imported_base_that_is_taken_for_the_plugin(project: Repo, make_app: Any) -> None:
    """The framework takes the first name of the module that ends in Plugin; the finding says which that is."""
    project.manifest()
    top = "from nexus.plugins import BusinessPlugin"
    project.write("plugin.py", SHORT.format(top=top, bases="BusinessPlugin", body="pass") + REST)
    app = await make_app(profile="as_shipped")
    await app.load_plugin("shop")
    assert "nexus.plugins.BusinessPlugin" in next(one.text for one in app.findings if one.id == "NX802")


async def test_a_manifest_that_the_framework_rejects(project: Repo, make_app: Any) -> None:
    """The guide's author is an object; the plugin loads, and the framework does not list it."""
    project.manifest(category="business", author={"name": "Jo"})
    project.write("plugin.py", SHORT.format(top="", bases="BasePlugin", body="pass") + REST)
    app = await make_app("shop")
    assert "author" in next(one.text for one in app.findings if one.id == "NX805")
