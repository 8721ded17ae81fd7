"""Migrations run in the order of their numbers, once, forth and back, and each of them whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from nexus_testing import create_test_app
from nexus_testing.errors import LifecycleError, PluginLoadError
from nexus_testing.runtime.discovery import Project, set_project
from nexus_testing.runtime.importer import finder

pytestmark = pytest.mark.asyncio

PLUGIN = """
    from nexus_testing.nexus.plugins import BasePlugin


    class NotesPlugin(BasePlugin):
        def __init__(self):
            self.name = "notes"
            self.fails = False

        async def initialize(self):
            return not self.config.get("fails", False)

        def get_database_schema(self):
            return {"collections": {"notes": {"indexes": [{"field": "title", "unique": True}]}},
                    "initial_data": {"notes": [{"id": "1", "title": "first"}]}}
"""
FIRST = """
    from . import words


    async def upgrade(db):
        await db.collection("notes").update_many({}, {"$set": {"tags": [words.NEW]}})
        await db.collection("notes").create_index("tags")
        await db.set("runs", await db.get("runs", 0) + 1)


    async def downgrade(db):
        await db.collection("notes").update_many({}, {"$unset": {"tags": ""}})
        await db.collection("notes").drop_index("tags_1")
"""
SECOND = """
    async def upgrade(db):
        note = await db.get("notes.1")
        await db.update("notes.1", {"title": note.title + " " + note.tags[0]})


    async def downgrade(db):
        await db.update("notes.1", {"title": "first"})
"""
FAILING = """
    async def upgrade(db):
        await db.set("left", 1)
        await db.update("notes.1", {"title": "spoilt"})
        await db.collection("notes").insert_one({"id": "2", "title": "second"})
        await db.collection("notes").create_index("left")
        await db.collection("notes").drop_index("tags_1")
        raise ValueError("no third form")
"""


class Repo:
    """A plugin's folder with migrations."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "migrations").mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"name": "notes", "version": "1.0.0"}), encoding="utf-8")
        self.write("plugin.py", PLUGIN)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(dedent(text), encoding="utf-8")


@pytest.fixture(name="repo")
def _repo(tmp_path: Path) -> Iterator[Repo]:
    repo = Repo(tmp_path / "notes")
    before = set_project(Project(tmp_path))
    repo.write("migrations/words.py", "NEW = 'new'")
    repo.write("migrations/010_titles.py", SECOND)
    repo.write("migrations/9_tags.py", FIRST)
    yield repo
    set_project(before)
    finder.remove(repo.folder)


async def test_they_run_in_the_order_of_their_numbers(repo: Repo) -> None:
    """A load runs them after the schema and its data, by number and not by name, and records them."""
    async with create_test_app([repo.folder]) as app:
        note = await app.db.get("notes.1")
        assert ("first new", ["new"]) == (note.title, note.tags)
        assert {"notes": ["9_tags", "010_titles"]} == app.db.migrations
        [loading] = [one for one in app.journal.lifecycle("notes") if one.stage == "Loading"]
        assert ("9_tags.upgrade", "010_titles.upgrade") == loading.hooks[-2:]


async def test_each_runs_once(repo: Repo) -> None:
    """A reload runs what is new, and nothing again."""
    async with create_test_app([repo.folder]) as app:
        await app.reload_plugin("notes")
        assert 1 == await app.db.get("runs")
        repo.write("migrations/011_more.py", "async def upgrade(db):\n    await db.set('more', 1)\n")
        await app.reload_plugin("notes")
        assert (1, 1) == (await app.db.get("runs"), await app.db.get("more"))


async def test_down_and_up_again(repo: Repo) -> None:
    """They are taken back in reverse order to the one that is named, and applied anew."""
    async with create_test_app([repo.folder]) as app:
        assert ["010_titles"] == await app.migrate_plugin("notes", 9)
        assert "first" == (await app.db.get("notes.1")).title
        assert ["9_tags"] == await app.migrate_plugin("notes", 0)
        assert {"id": "1", "title": "first"} == await app.db.get("notes.1")
        assert "tags_1" not in await app.db.collection("notes").index_information()
        assert {"notes": []} == app.db.migrations
        assert ["9_tags", "010_titles"] == await app.migrate_plugin("notes", "010_titles")
        assert [] == await app.migrate_plugin("notes")
        assert "first new" == (await app.db.get("notes.1")).title


async def test_a_block_takes_them_back(repo: Repo) -> None:
    """What was migrated in a block of `fresh` is as it was after it, on record too."""
    async with create_test_app([repo.folder]) as app:
        async with app.fresh():
            await app.migrate_plugin("notes", 0)
        assert {"notes": ["9_tags", "010_titles"]} == app.db.migrations
        assert "first new" == (await app.db.get("notes.1")).title


async def test_a_failing_one_is_rolled_back(repo: Repo) -> None:
    """What a failing migration wrote is taken back, keys, documents and indexes alike; those before it stand."""
    async with create_test_app([repo.folder]) as app:
        before = await app.db.collection("notes").index_information()
        repo.write("migrations/011_third.py", FAILING)
        with pytest.raises(PluginLoadError, match=r"failed in 011_third.upgrade\(\): ValueError: no third") as caught:
            await app.migrate_plugin("notes")

        assert "011_third.py:8" in str(caught.value.where)
        assert not await app.db.exists("left")
        assert ["notes.1"] == await app.db.list_keys("notes.*")
        assert "first new" == (await app.db.get("notes.1")).title
        assert before == await app.db.collection("notes").index_information()
        assert ["9_tags", "010_titles"] == app.db.migrations["notes"]


async def test_a_failing_one_fails_the_load(repo: Repo) -> None:
    """A load whose migration fails leaves nothing, the migrations before it included."""
    repo.write("migrations/011_third.py", FAILING)
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match="no third form"):
            await app.load_plugin(repo.folder)
        assert ([], {"notes": []}) == (await app.db.list_keys(), app.db.migrations)
        (repo.folder / "migrations" / "011_third.py").unlink()
        await app.load_plugin(repo.folder)
        assert 1 == await app.db.get("runs")


async def test_a_load_that_fails_later_takes_them_back(repo: Repo) -> None:
    """A load that fails after its migrations takes them back too, so they run again with the next one."""
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match="refused to start"):
            await app.load_plugin(repo.folder, config={"fails": True})
        assert ([], {"notes": []}) == (await app.db.list_keys(), app.db.migrations)
        await app.load_plugin(repo.folder)
        assert 1 == await app.db.get("runs")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("9_twice.py", SECOND, "9_twice.py has the number of 9_tags.py"),
        ("000_none.py", SECOND, "000_none.py has the number 0"),
        ("1-initial.py", SECOND, "1-initial.py has no name that a migration can have"),
        ("011_empty.py", "", r"011_empty.py has no upgrade\(\)"),
        ("011_broken.py", "import nowhere", "011_broken.py cannot be imported: ModuleNotFoundError: No module named"),
        ("011_sync.py", "def upgrade(db): ...", r"011_sync.upgrade\(\) is not async"),
        ("011_narrow.py", "async def upgrade(): ...", "takes 0 positional arguments"),
    ],
)
async def test_files_that_cannot_be(repo: Repo, name: str, text: str, message: str) -> None:
    """A file that is no migration, though its name says so, fails the load with its name."""
    repo.write(f"migrations/{name}", text)
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match=message):
            await app.load_plugin(repo.folder)


async def test_one_that_comes_too_late(repo: Repo) -> None:
    """A new migration before one that was applied is refused, since others have run them in another order."""
    async with create_test_app([repo.folder]) as app:
        repo.write("migrations/001_late.py", SECOND)
        with pytest.raises(PluginLoadError, match=r"001_late.py comes too late: 010_titles was applied") as caught:
            await app.migrate_plugin("notes")
        assert "greater than 10" in caught.value.fix


async def test_wrong_targets(repo: Repo) -> None:
    """What is no migration of the plugin, and what has no way back, is refused by name."""
    async with create_test_app([repo.folder]) as app:
        with pytest.raises(PluginLoadError, match="has no migration '010_title'") as caught:
            await app.migrate_plugin("notes", "010_title")
        assert "010_titles" in caught.value.fix
        with pytest.raises(LifecycleError, match="no plugin 'note'"):
            await app.migrate_plugin("note")
        repo.write("migrations/011_oneway.py", "async def upgrade(db): ...")
        await app.migrate_plugin("notes")
        with pytest.raises(PluginLoadError, match=r"011_oneway.py has no downgrade\(\)"):
            await app.migrate_plugin("notes", 0)
        assert 3 == len(app.db.migrations["notes"])


async def test_a_plugin_without_migrations(tmp_path: Path) -> None:
    """A plugin that has no migrations, or no folder, has none to run."""
    from nexus_testing.nexus.plugins import BasePlugin

    class PlainPlugin(BasePlugin):
        pass

    async with create_test_app([PlainPlugin]) as app:
        assert [] == await app.migrate_plugin("plain")
        assert {} == {name: ran for name, ran in app.db.migrations.items() if ran}
