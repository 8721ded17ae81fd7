"""A failure shows the author's lines, and ours only where all of them are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

PLUGIN = """
    from fastapi import APIRouter
    from nexus.plugins import BasePlugin


    class ShopPlugin(BasePlugin):
        def get_api_routes(self):
            router = APIRouter()

            @router.get("/broken")
            async def broken():
                raise ValueError("broken")  # the author's line

            return [router]
"""

TESTS = {
    "the plugin's error": """
        async def test_it(test_client):
            await test_client.get("/api/shop/broken")
    """,
    "an assertion of ours": """
        async def test_it(event_bus):
            event_bus.assert_published("order.created")
    """,
    "an error of ours": """
        async def test_it(nexus_app):
            await nexus_app.load_plugin("shopp")
    """,
    "an error of ours in a fixture": """
        import pytest

        @pytest.fixture
        def nexus_plugins():
            return ["shopp"]

        def test_it(nexus_app):
            pass
    """,
}


@pytest.fixture(name="failing", params=TESTS)
def _failing(repo: Repo, request: pytest.FixtureRequest) -> Repo:
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write("tests/test_it.py", TESTS[request.param])
    return repo


def ours(text: str) -> list[str]:
    """Return the lines that show a place in the harness."""
    return [line for line in text.splitlines() if "src/nexus_testing/" in line or "src/pytest_nexus/" in line]


def test_our_frames_are_hidden(failing: Repo) -> None:
    """Whatever fails, no line of the harness is shown."""
    result = failing.run("-p", "no:cacheprovider")
    assert 1 == sum(result.parseoutcomes().get(kind, 0) for kind in ("failed", "errors"))
    assert [] == ours(result.stdout.str())


def test_the_authors_lines_are_shown(repo: Repo) -> None:
    """The line that raised and the line of the test are both there, with the error."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write("tests/test_it.py", TESTS["the plugin's error"])
    text = repo.run("-p", "no:cacheprovider").stdout.str()
    for line in ("# the author's line", 'await test_client.get("/api/shop/broken")', "ValueError: broken"):
        assert line in text


def test_all_frames_are_shown_where_they_are_asked_for(repo: Repo) -> None:
    """`--full-trace` hides nothing."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write("tests/test_it.py", TESTS["an error of ours"])
    assert ours(repo.run("-p", "no:cacheprovider", "--full-trace").stdout.str())
