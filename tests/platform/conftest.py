"""Only where the real framework is installed is there anything to test; CI has an environment of its own for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest_asyncio

from nexus_testing.app import App, create_test_app
from nexus_testing.backends.platform import prefetch
from nexus_testing.namespace import platform_installed

# Not collected elsewhere: `import nexus` would find the in-memory framework, and each test would have to be skipped.
collect_ignore_glob = [] if platform_installed() else ["test_*.py"]

# Pytester forgets what is imported in a test, and this takes most of a second.
if platform_installed():
    prefetch()


@pytest_asyncio.fixture
async def make_app() -> AsyncIterator[Callable[..., Any]]:
    """Start apps on the real framework; they are shut down after the test."""
    async with AsyncExitStack() as stack:

        async def make(*plugins: object, profile: str = "connected", **options: Any) -> App:
            config = {**options.pop("config", {}), "platform": {"profile": profile, **options.pop("platform", {})}}
            app = create_test_app(plugins, config=config, backend="platform", **options)
            return await stack.enter_async_context(app)

        yield make
