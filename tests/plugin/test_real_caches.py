"""A whole suite on a real Redis, by one option."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def _left(server: Any) -> str:
    left: str = server.cli("info", "keyspace")
    return left


def _options(server: Any) -> tuple[str, ...]:
    return ("-q", "-p", "no:cacheprovider", "--nexus-cache", server.url)


@pytest.mark.parametrize("example", ["hello-plugin", "orders-plugin"])
def test_the_examples_are_green_on_redis(repo: Any, redis_server: Any, example: str) -> None:
    """Each example's suite passes on a real Redis by the option alone, and leaves it empty."""
    shutil.rmtree(repo.folder, ignore_errors=True)
    shutil.copytree(EXAMPLES / example, repo.folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    result = repo.run(*_options(redis_server), apart=True)
    outcomes = result.parseoutcomes()
    assert {"passed"} == outcomes.keys() - {"skipped", "warning", "warnings"}
    assert "# Keyspace" == _left(redis_server)


PLUGIN = """
    from nexus.cache import cache
    from nexus.plugins import BasePlugin

    class ShopPlugin(BasePlugin):
        @cache(ttl=60)
        async def price(self, name: str) -> int:
            self.asked = getattr(self, "asked", 0) + 1
            return self.asked
"""

SUITE = """
    import pytest

    from nexus.testing import create_test_app

    async def info(cache):
        return await cache.redis(decode_responses=True).execute_command("INFO", "server")

    async def test_the_fixture(nexus_app, nexus_cache, nexus_journal):
        shop = nexus_app.get_plugin("shop")
        assert (1, 1) == (await shop.price("tea"), await shop.price("tea"))
        assert ["get_or_set", "get_or_set"] == [one.operation for one in nexus_journal if hasattr(one, "hit")]
        assert ["price:tea"] == await nexus_cache.for_plugin("shop").keys()
        assert "redis_version" in await info(nexus_cache)

    async def test_it_is_empty_again(nexus_cache):
        assert 0 == nexus_cache.stats.size

    async def test_the_clock(nexus_app, nexus_clock):
        shop = nexus_app.get_plugin("shop")
        assert 1 == await shop.price("tea")
        await nexus_clock.advance(seconds=59)
        assert 1 == await shop.price("tea")
        await nexus_clock.advance(seconds=1)
        assert 2 == await shop.price("tea")

    async def test_fresh(nexus_app, nexus_cache):
        await nexus_cache.set("a", 1)
        async with nexus_app.fresh():
            await nexus_cache.set("a", 2)
        assert 1 == await nexus_cache.get("a")

    async def test_an_app_of_the_tests_own():
        async with create_test_app(config={"cache": {}}) as app:
            assert "redis_version" in await info(app.cache_manager)

    async def test_an_app_that_says_otherwise():
        async with create_test_app(config={"cache": {"type": "memory"}}) as app:
            with pytest.raises(Exception, match="unknown command"):
                await info(app.cache_manager)

    @pytest.mark.asyncio(loop_scope="module")
    @pytest.mark.parametrize("number", [1, 2])
    async def test_a_shared_app(nexus_app_module, number):
        cache = nexus_app_module.cache_manager
        assert 0 == cache.stats.size
        assert 1 == await cache.redis().incr("counted")
        await cache.set("a", 1)
"""


@pytest.fixture(name="shop")
def _shop(repo: Any) -> Any:
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write("tests/test_shop.py", SUITE)
    return repo


def test_what_the_fixtures_promise_holds_on_redis(shop: Any, redis_server: Any) -> None:
    """Journal, emptiness, the clock, fresh blocks, shared apps and apps of a test's own, by the option alone."""
    shop.run(*_options(redis_server), apart=True).assert_outcomes(passed=8)
    assert "# Keyspace" == _left(redis_server)


def test_by_the_ini_file_in_two_workers(shop: Any, redis_server: Any) -> None:
    """The ini option says the same, and the workers of xdist are not in each other's way."""
    shop.write("pytest.ini", f"[pytest]\nnexus_cache = {redis_server.url}\n")
    shop.run("-q", "-p", "no:cacheprovider", "-n", "2", apart=True).assert_outcomes(passed=8)
    assert "# Keyspace" == _left(redis_server)


def test_the_command_line_stands_above_the_ini_file(shop: Any) -> None:
    """`--nexus-cache memory` runs in memory whatever the ini file says."""
    shop.write("pytest.ini", "[pytest]\nnexus_cache = redis://127.0.0.1:1\n")
    shop.run("-q", "--nexus-cache", "memory", "-k", "empty or clock or fresh").assert_outcomes(passed=3, deselected=5)


def test_without_a_server_each_app_fails(shop: Any) -> None:
    """Where nothing listens, tests fail with the address, the password hidden, and nothing stands in."""
    result = shop.run("-q", "--nexus-cache", "redis://:secret@127.0.0.1:1", "-k", "empty or otherwise")
    result.assert_outcomes(errors=1, passed=1, deselected=6)
    result.stdout.fnmatch_lines(["*BackendUnavailable: The Redis at redis://:[*][*][*]@127.0.0.1:1 cannot be reached."])
    result.stdout.no_fnmatch_line("*secret@*")


@pytest.mark.parametrize("url", ["localhost:6379", "http://me:secret@localhost"])
def test_an_option_that_is_no_url(shop: Any, url: str) -> None:
    """Another URL ends the run at once."""
    result = shop.run("--nexus-cache", url, apart=True)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*nexus_cache = *is not valid. Valid: memory, or a URL with redis://*"])
    result.stderr.no_fnmatch_line("*secret*")


def test_an_interrupted_run_leaves_nothing(shop: Any, redis_server: Any) -> None:
    """After Ctrl-C the server is as it was."""
    shop.write(
        "tests/test_interrupted.py",
        """
        import os, signal

        async def test_it(nexus_cache):
            await nexus_cache.set("a", 1)
            os.kill(os.getpid(), signal.SIGINT)
            await nexus_cache.get("a")
        """,
    )
    result = shop.run(*_options(redis_server), "tests/test_interrupted.py", apart=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "# Keyspace" == _left(redis_server)
