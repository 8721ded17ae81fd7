"""A test fails for what its plugin was kept from sending to other machines, unless it noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

PLUGIN = """
    import asyncio
    import httpx
    from fastapi import APIRouter
    from nexus.plugins import BasePlugin


    class ShopPlugin(BasePlugin):
        async def ask(self):
            async with httpx.AsyncClient() as client:
                return (await client.get("https://api.example.invalid/rates")).json()

        async def swallow(self):
            try:
                return await self.ask()
            except BaseException:
                return None

        def get_api_routes(self):
            router = APIRouter()
            router.add_api_route("/ask", self.ask)
            router.add_api_route("/swallow", self.swallow)
            return [router]
"""

TESTS = """
    import asyncio
    import pytest
    from nexus_testing.errors import OutboundRefused, UnmatchedCall


    async def test_fails_where_it_comes_out(test_client):
        await test_client.get("/api/shop/ask")

    async def test_fails_where_it_was_swallowed(test_client):
        await test_client.get("/api/shop/swallow")

    async def test_fails_in_a_task_that_nobody_awaits(nexus_app):
        task = asyncio.create_task(nexus_app.get_plugin("shop").ask())
        await asyncio.wait([task])

    async def test_fails_where_no_route_matches(test_client, nexus_http):
        nexus_http.post("https://api.example.invalid/rates")
        await test_client.get("/api/shop/swallow")

    async def test_fails_of_itself(test_client):
        await test_client.get("/api/shop/swallow")
        assert "this" == "that"

    @pytest.mark.nexus_allow_network("api.example.invalid", reason=" ")
    async def test_errs_without_a_reason(nexus_app):
        pass

    @pytest.mark.nexus_allow_network("https://api.example.invalid", reason="it is a test")
    async def test_errs_without_a_host(nexus_app):
        pass

    async def test_passes_where_it_is_expected(test_client, nexus_app):
        with pytest.raises(OutboundRefused):
            await test_client.get("/api/shop/ask")
        with pytest.raises(OutboundRefused):
            await nexus_app.get_plugin("shop").ask()

    async def test_passes_where_it_is_expected_to_be_refused(test_client, nexus_http):
        with nexus_http.expect_refused("api.example.invalid"):
            await test_client.get("/api/shop/swallow")

    async def test_passes_with_a_route(test_client, nexus_http):
        nexus_http.get("https://api.example.invalid/rates").respond(200, json={"eur": 1})
        assert {"eur": 1} == (await test_client.get("/api/shop/ask")).json()
        with pytest.raises(UnmatchedCall):
            nexus_http.stop()
            nexus_http.get("https://other.example.invalid")
            await test_client.get("/api/shop/ask")

    def test_passes_without_an_app():
        pass
"""


def test_each_test_is_told_at_its_end(repo: Repo) -> None:
    """The failure is the error itself, with the plugin's line, and says whether it was swallowed."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write("tests/test_it.py", TESTS)
    result = repo.run("-rA")
    outcomes = result.parseoutcomes()
    assert {"passed": 4, "failed": 5, "errors": 2} == {key: outcomes[key] for key in ("passed", "failed", "errors")}
    for line in result.outlines:
        if "::" in line and line.startswith(("PASSED", "FAILED", "ERROR")):
            word, name = line.split()[0], line.split("::")[1]
            assert name.startswith({"PASSED": "test_passes", "FAILED": "test_fails", "ERROR": "test_errs"}[word])
    text = result.stdout.str()
    assert 5 == sum(line.startswith("E ") and "plugin.py:10 in ShopPlugin.ask" in line for line in result.outlines)
    assert 3 == sum(
        line.startswith("E ") and "It was caught before it reached the test." in line for line in result.outlines
    )
    assert "Besides: OutboundRefused: Plugin 'shop' tried to reach api.example.invalid:443" in text
    assert 'nexus_http.get("https://api.example.invalid/rates").respond(200, json={})' in text
    assert "The mark nexus_allow_network needs what it allows, and a reason." in text
    assert "tests/test_it.py:24" in text
    assert "'https://api.example.invalid' is no host and port" in text


def test_what_is_allowed_is_let_out(repo: Repo) -> None:
    """The resolver is asked then, which is one of the test's own here; the next test is guarded again."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write(
        "tests/test_it.py",
        """
        import socket
        import httpx
        import pytest
        from nexus_testing.errors import OutboundRefused

        def resolver(host, port, *_, **__):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 9))]

        @pytest.fixture(autouse=True)
        def resolved(monkeypatch):
            monkeypatch.setattr(socket, "getaddrinfo", resolver)

        @pytest.mark.nexus_allow_network("api.example.invalid:443", reason="it is about the guard")
        async def test_allowed(test_client):
            with pytest.raises(httpx.ConnectError):
                await test_client.get("/api/shop/ask")

        async def test_guarded(test_client):
            with pytest.raises(OutboundRefused):
                await test_client.get("/api/shop/ask")
        """,
    )
    repo.run().assert_outcomes(passed=2)


@pytest.mark.parametrize("where", ["initialize", "shutdown"])
def test_hooks_are_guarded_too(where: str, repo: Repo) -> None:
    """What the start-up swallows fails the test, and what the shutdown does its teardown."""
    repo.manifest()
    repo.write(
        "plugin.py",
        f"""
        import socket
        from nexus.plugins import BasePlugin

        class ShopPlugin(BasePlugin):
            async def {where}(self):
                try:
                    socket.create_connection(("10.0.0.1", 9))
                except BaseException:
                    pass
                return True
        """,
    )
    repo.write("tests/test_it.py", "async def test_it(nexus_app): pass\n")
    result = repo.run()
    result.assert_outcomes(
        failed=int(where == "initialize"), passed=int(where == "shutdown"), errors=int(where == "shutdown")
    )
    result.stdout.fnmatch_lines([f"*where: *plugin.py:7 in ShopPlugin.{where}"])
