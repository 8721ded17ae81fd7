"""Whole suites on a real database: what the fixtures promise holds there, and nothing is left."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiosqlite", reason="the extra sql is not installed")
pytest.importorskip("asyncpg", reason="the extra sql is not installed")

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(name="section", params=["sqlite", "postgresql"])
def _section(request: pytest.FixtureRequest) -> Any:
    """The section `database` of the app's configuration; where it is PostgreSQL, nothing is left there."""
    if request.param != "postgresql":
        yield {"type": "sqlite"}
        return
    server = request.getfixturevalue("postgres_server")
    yield {"type": "postgresql", "url": server.url}
    assert [] == server.schemas()


def _options(section: Any) -> tuple[str, ...]:
    return ("-q", "-p", "no:cacheprovider", "-o", f"nexus_config={json.dumps({'database': section})}")


@pytest.mark.parametrize("example", ["hello-plugin", "orders-plugin"])
def test_the_examples_are_green(repo: Any, section: Any, example: str) -> None:
    """Each example's suite passes on a real database by the configuration alone."""
    shutil.rmtree(repo.folder, ignore_errors=True)
    shutil.copytree(EXAMPLES / example, repo.folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    outcomes = repo.run(*_options(section), apart=True).parseoutcomes()
    assert {"passed"} == outcomes.keys() - {"skipped", "warning", "warnings"}


PLUGIN = """
    from nexus.plugins import BasePlugin

    class ShopPlugin(BasePlugin):
        def get_database_schema(self):
            return {
                "collections": {"items": {"indexes": [{"field": "name", "unique": True}]}},
                "initial_data": {"items": [{"id": "1", "name": "tea"}]},
            }

        async def sell(self, name: str) -> int:
            sold = await self.db.collection("items").find_one_and_update(
                {"name": name}, {"$inc": {"sold": 1}}, return_document=True
            )
            return sold["sold"]
"""

SUITE = """
    import pytest

    from nexus.testing import create_test_app

    async def test_the_fixture(nexus_app, nexus_db, nexus_journal):
        shop = nexus_app.get_plugin("shop")
        assert (1, 2) == (await shop.sell("tea"), await shop.sell("tea"))
        assert (await nexus_db.health_check())["type"] == KIND
        with pytest.raises(Exception, match="has a document with"):
            await nexus_db.set("items.2", {"name": "tea"})
        assert 2 == [one.operation for one in nexus_journal if hasattr(one, "key")].count("find_one_and_update")

    async def test_it_is_as_at_first_again(nexus_db):
        assert "sold" not in await nexus_db.get("items.1")

    async def test_a_month(nexus_app, nexus_clock):
        shop = nexus_app.get_plugin("shop")
        assert 1 == await shop.sell("tea")
        await nexus_clock.advance(days=30)
        assert 2 == await shop.sell("tea")

    async def test_fresh(nexus_app, nexus_db):
        async with nexus_app.fresh():
            await nexus_db.set("items.1", {"name": "coffee"})
        assert "tea" == (await nexus_db.get("items.1")).name

    async def test_a_route(nexus_app, test_client):
        assert 200 == (await test_client.get("/health")).status_code

    async def test_an_app_that_says_otherwise():
        async with create_test_app(config={"database": {"type": "memory"}}) as app:
            assert "memory" == (await app.db.health_check())["type"]

    @pytest.mark.asyncio(loop_scope="module")
    @pytest.mark.parametrize("number", [1, 2])
    async def test_a_shared_app(nexus_app_module, number):
        db = nexus_app_module.db
        assert ["items.1"] == await db.list_keys()
        await db.set("a", number)
        await db.collection("items").insert_one({"name": "coffee"})
        async with db.transaction() as tx:
            await tx.set("b", number)
"""


@pytest.fixture(name="shop")
def _shop(repo: Any, section: Any) -> Any:
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write("tests/test_shop.py", f"KIND = {section['type']!r}\n" + SUITE.replace("\n    ", "\n"))
    return repo


def test_what_the_fixtures_promise_holds(shop: Any, section: Any) -> None:
    """Data, unique indexes, journal, the clock, fresh blocks, shared apps, and the audit that finds nothing left."""
    shop.run(*_options(section), apart=True).assert_outcomes(passed=8)


def test_two_workers_are_not_in_each_others_way(shop: Any, section: Any) -> None:
    """The same, in the processes of xdist."""
    shop.run(*_options(section), "-n", "2", apart=True).assert_outcomes(passed=8)


def test_an_interrupted_run_leaves_nothing(shop: Any, section: Any) -> None:
    """After Ctrl-C the server is as it was, and no file is left."""
    shop.write(
        "tests/test_interrupted.py",
        """
        import os, signal

        async def test_it(nexus_db):
            await nexus_db.set("a", 1)
            os.kill(os.getpid(), signal.SIGINT)
            await nexus_db.get("a")
        """,
    )
    shop._monkeypatch.setenv("TMPDIR", str(shop.write("tmp/none").parent))
    result = shop.run(*_options(section), "tests/test_interrupted.py", apart=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert [] == list((shop.folder / "tmp").glob("nexus-sqlite-*"))


def test_two_workers_on_one_file(repo: Any) -> None:
    """Apps of several processes that share a file lose nothing of each other's, and none is told to come back."""
    section = {"type": "sqlite", "path": "shop.db"}
    repo.manifest()
    repo.write("plugin.py", "from nexus.plugins import BasePlugin\n\n\nclass ShopPlugin(BasePlugin):\n    pass\n")
    repo.write(
        "tests/test_shop.py",
        """
        import pytest

        @pytest.mark.parametrize("number", range(12))
        async def test_it(nexus_db, number):
            for part in range(5):
                await nexus_db.collection("sold").update_one({"_id": "tea"}, {"$inc": {"n": 1}}, upsert=True)
                await nexus_db.set(f"key:{number}:{part}", number)
        """,
    )
    repo.run(*_options(section), "-n", "2", apart=True).assert_outcomes(passed=12)
    with closing(sqlite3.connect(repo.folder / "shop.db")) as connection:
        assert [(60,)] == connection.execute("SELECT count(*) FROM nexus_entries WHERE kind = 'value'").fetchall()
    repo.write(
        "tests/test_shop.py", "async def test_it(nexus_db):\n    assert 60 == (await nexus_db.get('sold.tea')).n\n"
    )
    repo.run(*_options(section), apart=True).assert_outcomes(passed=1)


def test_without_a_server_each_app_fails(repo: Any) -> None:
    """Where nothing listens, tests fail with the address, the password hidden, and nothing stands in."""
    repo.manifest()
    repo.write("plugin.py", "from nexus.plugins import BasePlugin\n\n\nclass ShopPlugin(BasePlugin):\n    pass\n")
    repo.write("tests/test_shop.py", "async def test_it(nexus_db):\n    pass\n")
    section = {"type": "postgresql", "url": "postgresql://me:secret@127.0.0.1:1/shop"}
    result = repo.run(*_options(section))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*BackendUnavailable: The PostgreSQL at postgresql://me:[*][*][*]@127.0.0.1:1/shop cannot be reached."]
    )
    result.stdout.no_fnmatch_line("*secret@*")
