"""What a plugin may rely on, shown on whichever framework is installed; where the two differ, both sides of it."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Any, TypeVar

import pytest_asyncio

from nexus_testing.app import App, create_test_app
from nexus_testing.backends.platform import prefetch
from nexus_testing.namespace import platform_installed
from nexus_testing.production.differences import DIFFERENCES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Repo

T = TypeVar("T")

# Pytester forgets what is imported in a test, and SQLAlchemy cannot be imported in parts.
if platform_installed():
    prefetch()

PROFILES = ("connected", "as_shipped")

PLUGIN = """\
from fastapi import APIRouter, Depends, HTTPException, WebSocket
from nexus.plugins import BasePlugin
{top}


class {title}Plugin({bases}):
    def __init__(self):
        super().__init__()
        self.name, self.category, self.seen = {name!r}, "business", []

    async def initialize(self):
{initialize}
        return True

    async def shutdown(self):
{shutdown}

    def get_api_routes(self):
        router = APIRouter({router})
{routes}
        return [router]

    def get_database_schema(self):
        return {schema!r}

    async def hear(self, event):
        self.seen.append((event.name, dict(event.data)))

{more}
"""


def _profile() -> str:
    """Return on what this process runs plugins: "here", or one of the profiles of the real framework."""
    if not platform_installed():
        return "here"
    profile = os.environ.get("NEXUS_CONTRACT", PROFILES[0])
    assert profile in PROFILES, f"NEXUS_CONTRACT is one of {PROFILES}, not {profile!r}"
    return profile


class Runtime:
    """The framework of this process, with a project to write plugins into.

    Args:
        project: Where plugins are written.
        stack: What is opened here is closed after the test.
    """

    def __init__(self, project: Repo, stack: AsyncExitStack) -> None:
        self.profile = _profile()
        self.here = self.profile == "here"
        self._project = project
        self._stack = stack

    @property
    def folder(self) -> Path:
        """Where plugins are written."""
        return self._project.folder

    def either(self, row: str, *, here: T, production: T, **as_shipped: T) -> T:
        """Return what is so on this framework, of something in which the two differ.

        Args:
            row: The id of the row that says so.
            here: What is so in memory.
            production: What is so on nexus-platform.
            as_shipped: By that name, what is so on it as shipped, where that is something else again.
        """
        assert row in DIFFERENCES, f"no row of the differences is called {row!r}"
        if self.here:
            return here
        return as_shipped.get(self.profile, production)

    def file(self, path: str, text: str = "") -> Path:
        """Write a file of the project and return its path."""
        return self._project.write(path, text)

    def write(
        self,
        name: str = "shop",
        *,
        initialize: str = "",
        shutdown: str = "",
        routes: str = "",
        router: str = "",
        more: str = "",
        top: str = "",
        bases: str = "BasePlugin",
        schema: dict[str, Any] | None = None,
        **manifest: Any,
    ) -> None:
        """Write a plugin that both frameworks load, with other bodies of its methods.

        Args:
            name: Its name.
            initialize: Statements of `initialize()`.
            shutdown: Statements of `shutdown()`.
            routes: Routes of `router`.
            router: The arguments of that.
            more: More methods.
            top: More imports.
            bases: The bases of its class.
            schema: What `get_database_schema()` returns.
            **manifest: More keys of its manifest.
        """
        at = f"plugins/business/{name}"
        said = {"name": name, "version": "1.0.0", "category": "business", **manifest}
        self.file(f"{at}/manifest.json", json.dumps(said))

        def body(text: str, depth: int = 8) -> str:
            return indent(dedent(text).strip() or "pass", " " * depth)

        code = PLUGIN.format(
            name=name,
            title=name.title().replace("_", ""),
            initialize=body(initialize),
            shutdown=body(shutdown),
            routes=body(routes),
            router=router,
            more=body(more, 4),
            top=dedent(top),
            bases=bases,
            schema=schema or {},
        )
        self.file(f"{at}/plugin.py", code)

    def make(self, *plugins: object, config: dict[str, Any] | None = None, **options: Any) -> App:
        """Return a new app, not yet started, which the test closes itself."""
        said = dict(config or {})
        if not self.here:
            said.setdefault("platform", {"profile": self.profile})
        return create_test_app(plugins, config=said, **options)

    async def start(self, *plugins: object, **options: Any) -> App:
        """Start an app with plugins; it is shut down after the test."""
        return await self._stack.enter_async_context(self.make(*plugins, **options))

    def routes_at(self, name: str) -> str:
        """Return where the routes of a plugin are mounted that names no address of its own."""
        return self.either("address", here=f"/api/{name}", production=f"/api/plugins/business.{name}")


@pytest_asyncio.fixture
async def runtime(project: Repo) -> AsyncIterator[Runtime]:
    """The framework of this process; its apps are shut down after the test."""
    async with AsyncExitStack() as stack:
        yield Runtime(project, stack)
