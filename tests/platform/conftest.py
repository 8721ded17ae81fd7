"""Only where the real framework is installed is there anything to test; CI has an environment of its own for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from nexus_testing.app import App, create_test_app
from nexus_testing.backends.platform import prefetch
from nexus_testing.namespace import platform_installed

if TYPE_CHECKING:
    from tests.conftest import Repo

# Not collected elsewhere: `import nexus` would find the in-memory framework, and each test would have to be skipped.
collect_ignore_glob = [] if platform_installed() else ["test_*.py"]

# Pytester forgets what is imported in a test, and this takes most of a second.
if platform_installed():
    prefetch()

PLUGIN = """
    from fastapi import APIRouter
    from nexus.plugins import BasePlugin


    class ShopPlugin(BasePlugin):
        def __init__(self):
            super().__init__()
            self.name, self.category = "shop", "business"

        async def initialize(self):
            {initialize}
            return True

        async def shutdown(self):
            {shutdown}

        def get_api_routes(self):
            router = APIRouter(prefix="/v1")

            @router.get("/hello/{{name}}")
            async def hello(name: str):
                await self.publish_event("shop.greeted", {{"name": name}})
                return {{"hello": name}}

            return {routes}

        def get_database_schema(self):
            return {{}}
"""


@pytest.fixture
def write_shop(repo: Repo) -> Callable[..., None]:
    """Write the plugin `shop` into the repository, with other bodies of its hooks."""

    def write(initialize: str = "pass", shutdown: str = "pass", routes: str = "[router]", *, at: str = ".") -> None:
        repo.manifest("shop", at=at, category="business")
        repo.write(f"{at}/plugin.py", PLUGIN.format(initialize=initialize, shutdown=shutdown, routes=routes))

    return write


@pytest_asyncio.fixture
async def make_app() -> AsyncIterator[Callable[..., Any]]:
    """Start apps on the real framework; they are shut down after the test."""
    async with AsyncExitStack() as stack:

        async def make(*plugins: object, profile: str = "connected", **options: Any) -> App:
            config = {**options.pop("config", {}), "platform": {"profile": profile, **options.pop("platform", {})}}
            app = create_test_app(plugins, config=config, backend="platform", **options)
            return await stack.enter_async_context(app)

        yield make
