"""Wrong use ends in a message of ours that names the file, the line and what to change."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

GOOD = """
    from nexus.plugins import BasePlugin


    class ShopPlugin(BasePlugin):
        pass
"""

LOADS = """
    async def test_it(nexus_app):
        pass
"""


def said(repo: Repo, *args: str, tests: str = LOADS) -> str:
    """Run the repository's one test, which does not pass, and return what was printed."""
    repo.write("tests/test_it.py", tests)
    result = repo.run("-p", "no:cacheprovider", *args)
    outcomes = result.parseoutcomes()
    assert outcomes.get("passed", 0) == 0, outcomes
    assert outcomes.get("errors", 0) + outcomes.get("failed", 0) == 1, outcomes
    return result.stdout.str()


def test_no_manifest(repo: Repo) -> None:
    """Without a manifest, what was looked for and the file to write are named."""
    repo.write("plugin.py", GOOD)
    text = said(repo)
    assert "There is no plugin that this file could be about." in text
    assert "Write a manifest.json beside plugin.py" in text
    assert "nexus_plugins" in text


@pytest.mark.parametrize("manifest", ["{not json", '{"version": "1.0.0"}', "[]"])
def test_a_manifest_that_is_none(repo: Repo, manifest: str) -> None:
    """A manifest without a name, or that is no JSON, is named as the file to mend."""
    repo.write("plugin.py", GOOD)
    repo.write("manifest.json", manifest)
    text = said(repo)
    assert "shop-plugin/manifest.json is no plugin's manifest" in text


def test_an_unknown_name(repo: Repo) -> None:
    """A name that nobody has is answered by the nearest one and by the places that were searched."""
    repo.manifest()
    repo.write("plugin.py", GOOD)
    text = said(
        repo,
        tests="""
            from nexus.testing import create_test_app

            async def test_it():
                await create_test_app().load_plugin("shopp")
        """,
    )
    assert "There is no plugin called 'shopp'." in text
    assert "Did you mean 'shop'?" in text
    assert "plugins/*/*" in text
    assert "tests/test_it.py:4" in text


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        pytest.param("class Shop:\n    pass\n", "Plugin 'shop' has no plugin class.", "plugin.py:1", id="no class"),
        pytest.param(
            """
            from nexus.plugins import BasePlugin

            class First(BasePlugin):
                def __init__(self): ...

            class Second(BasePlugin):
                def __init__(self): ...
            """,
            "Plugin 'shop' has 2 plugin classes: First, Second.",
            # Python 3.13 knows where a class statement begins; before, its first function has to do.
            "plugin.py:3" if sys.version_info >= (3, 13) else "plugin.py:4",
            id="several classes",
        ),
        pytest.param(
            """
            from nexus.plugins import BasePlugin

            class ShopPlugin(BasePlugin):
                async def initialize(self):
                    try:
                        raise ConnectionError("no gateway")
                    except ConnectionError:
                        self.logger.exception("cannot start")
                        return False
            """,
            "after it had caught ConnectionError: no gateway",
            "plugin.py:6",
            id="False, with a cause",
        ),
        pytest.param(
            """
            from nexus.plugins import BasePlugin

            class ShopPlugin(BasePlugin):
                async def initialize(self):
                    found = self.service_registry.get("payment_service")
                    await self.db.get("settings")
                    self.config.get("api_key")
                    return found is not None
            """,
            "service 'payment_service'",
            "plugin.py:4",
            id="False, with something missed",
        ),
        pytest.param(
            """
            from nexus.plugins import BasePlugin

            class ShopPlugin(BasePlugin):
                async def initialize(self):
                    return False
            """,
            "Log the reason before `return False`",
            "plugin.py:4",
            id="False, for no reason",
        ),
        pytest.param(
            """
            from nexus.plugins import BasePlugin

            class ShopPlugin(BasePlugin):
                async def initialize(self):
                    raise ValueError("broken")
            """,
            "Plugin 'shop' failed in initialize(): ValueError: broken",
            "plugin.py:5",
            id="raises",
        ),
        pytest.param(
            """
            from nexus.plugins import BasePlugin

            class ShopPlugin(BasePlugin):
                def initialize(self):
                    return True
            """,
            "Write `async def initialize`.",
            "plugin.py:4",
            id="not async",
        ),
        pytest.param(
            """
            import asyncio
            from nexus.plugins import BasePlugin

            class ShopPlugin(BasePlugin):
                async def initialize(self):
                    await asyncio.Event().wait()
            """,
            "did not come back from initialize() within 0.2 s",
            "plugin.py:6",
            id="hangs",
        ),
        pytest.param(
            """
            from fastapi import APIRouter
            from nexus.plugins import BasePlugin

            class ShopPlugin(BasePlugin):
                def get_api_routes(self):
                    return APIRouter()
            """,
            "Write `return [router]`.",
            "plugin.py:5",
            id="a bare router",
        ),
        pytest.param(
            """
            from nexus.plugins import BasePlugin

            class ShopPlugin(BasePlugin):
                def get_api_routes(self):
                    raise KeyError("prefix")
            """,
            "Plugin 'shop' failed in get_api_routes(): KeyError: 'prefix'",
            "plugin.py:5",
            id="routes raise",
        ),
        pytest.param(
            "import no_such_module\n",
            "no module 'no_such_module' is installed here",
            "plugin.py:1",
            id="cannot be imported",
        ),
    ],
)
def test_a_plugin_that_does_not_load(repo: Repo, source: str, message: str, line: str) -> None:
    """Each way in which a plugin fails to load is said with its line, and with what to write."""
    repo.manifest()
    repo.write("plugin.py", source)
    text = said(repo, "-o", "nexus_hook_timeout=0.2")
    assert message in text
    assert f"shop-plugin/{line}" in text
    assert "fix:" in text


def test_what_the_author_raised_is_the_cause(repo: Repo) -> None:
    """The plugin's own exception is printed with its own lines, and no line of ours is."""
    repo.manifest()
    repo.write(
        "plugin.py",
        """
        from nexus.plugins import BasePlugin

        class ShopPlugin(BasePlugin):
            async def initialize(self):
                raise ValueError("broken")
        """,
    )
    text = said(repo)
    assert 'raise ValueError("broken")' in text
    assert "nexus_testing/runtime" not in text


@pytest.mark.parametrize(
    ("body", "message", "place"),
    [
        pytest.param(
            """
            app = create_test_app()
            await app.load_plugin("shop")
            await app.load_plugin("shop")
            """,
            "A plugin called 'shop' is loaded already.",
            "plugin.py",
            id="a second of one name",
        ),
        pytest.param(
            """
            app = create_test_app()
            await app.load_plugin("shop")
            await app.shutdown()
            await app.load_plugin("shop")
            """,
            "The app is shut down; nothing can be loaded into it",
            "tests/test_it.py:",
            id="after shutdown",
        ),
        pytest.param(
            """
            app = create_test_app()
            app.load_plugin("shop")
            """,
            "App.load_plugin() was called and never awaited",
            "tests/test_it.py:",
            id="never awaited",
        ),
        pytest.param(
            """
            import asyncio, threading
            app = create_test_app()
            await app.load_plugin("shop")
            raised = []
            def elsewhere():
                try:
                    asyncio.run(ask())
                except Exception as error:
                    raised.append(error)
            async def ask():
                await app.unload_plugin("shop")
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            raise raised[0]
            """,
            "@pytest.mark.asyncio(loop_scope='module')",
            "tests/test_it.py:",
            id="on a second loop",
        ),
        pytest.param(
            """
            import asyncio
            from starlette.testclient import TestClient
            app = create_test_app()
            await app.load_plugin("shop")
            await asyncio.to_thread(lambda: TestClient(app).get("/api/shop"))
            """,
            "Starlette's TestClient cannot drive this app",
            "tests/test_it.py:",
            id="Starlette's TestClient",
        ),
        pytest.param(
            """
            create_test_app(config={"databse": {}})
            """,
            "Did you mean 'database'?",
            "tests/test_it.py:",
            id="unknown section",
        ),
    ],
)
def test_an_app_that_is_used_wrongly(repo: Repo, body: str, message: str, place: str) -> None:
    """Each wrong use of an app is said with its line, and with what to write."""
    from textwrap import dedent, indent

    repo.manifest()
    repo.write("plugin.py", GOOD)
    tests = "from nexus.testing import create_test_app\n\nasync def test_it():\n" + indent(dedent(body), "    ")
    text = said(repo, "-W", "ignore", tests=tests)
    assert message in text
    assert place in text


def test_a_class_of_unittest(repo: Repo) -> None:
    """A test class of ours that is one of unittest's too is refused where it is written."""
    repo.manifest()
    repo.write("plugin.py", GOOD)
    repo.write(
        "tests/test_it.py",
        """
        from unittest import IsolatedAsyncioTestCase
        from nexus.testing import PluginTestCase

        class TestShop(PluginTestCase, IsolatedAsyncioTestCase):
            async def test_it(self):
                pass
        """,
    )
    text = repo.run("-p", "no:cacheprovider").stdout.str()
    assert "TestShop derives from unittest's TestCase" in text
    assert "class TestShop(PluginTestCase)" in text
    assert "tests/test_it.py:" in text


def test_the_app_of_somebody_else_reaches_httpx(repo: Repo) -> None:
    """AsyncClient(app=…) is httpx's own affair for any app that is not ours."""
    repo.manifest()
    repo.write("plugin.py", GOOD)
    repo.write(
        "tests/test_it.py",
        """
        import httpx
        import pytest
        from nexus.testing import create_test_app

        async def test_it():
            create_test_app()
            seen = {}
            try:
                httpx.AsyncClient(app=seen)
            except TypeError as error:
                assert "unexpected keyword argument 'app'" in str(error)
        """,
    )
    assert {"passed": 1} == repo.run("-p", "no:cacheprovider", "-W", "ignore").parseoutcomes()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("nexus_drain_timeout=soon", "nexus_drain_timeout = 'soon'"),
        ("nexus_hook_timeout=-1", "nexus_hook_timeout = '-1'"),
        ("nexus_client=requests", "Valid: httpx, httpx2"),
        ("nexus_config=[]", "a JSON object"),
        ("nexus_config={", "a JSON object"),
        ("nexus_stubs=auth", "name = version"),
        ("nexus_services=auth=module", "name = module:object"),
        ("nexus_backend=docker", "Valid: auto, embedded"),
    ],
)
def test_an_option_that_is_none(repo: Repo, option: str, message: str) -> None:
    """A wrong option stops the run at once and lists what is valid."""
    repo.manifest()
    repo.write("plugin.py", GOOD)
    repo.write("tests/test_it.py", LOADS)
    result = repo.run("-o", option, apart=True)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()
