"""The process is afterwards what it was before, and two apps cannot have it at once."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from nexus_testing.app import create_test_app
from nexus_testing.errors import BackendError, LoopError, NexusTestingError
from nexus_testing.runtime.importer import finder

if TYPE_CHECKING:
    from tests.conftest import Repo

pytestmark = pytest.mark.asyncio

FAILURES = {"initialize": {"initialize": "raise ValueError"}, "routes": {"routes": "router"}, "none": {}}


def state() -> dict[str, Any]:
    """Return what an app of the framework is apt to change."""
    from nexus import auth
    from nexus.database import AsyncIOMotorClient
    from nexus.plugins import BasePlugin

    return {
        "cwd": Path.cwd(),
        "path": list(sys.path),
        # The plugin's own name may stay importable, as it is for tests before an app is made.
        "finders": [one for one in sys.meta_path if one is not finder],
        "modules": {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "plugins"},
        "tasks": asyncio.all_tasks(),
        "bytecode": sys.dont_write_bytecode,
        "users": auth._auth_manager,
        "motor": AsyncIOMotorClient,
        "constructor": BasePlugin.__init__,
    }


def files(folder: Path) -> set[Path]:
    """Return the files and folders below a folder."""
    return set(folder.rglob("*"))


@pytest.mark.parametrize("failure", list(FAILURES))
@pytest.mark.parametrize("database", ["memory", "sqlite", "mongodb"])
@pytest.mark.parametrize("chdir", [False, True])
async def test_nothing_is_left(
    project: Repo, write_shop: Any, monkeypatch: pytest.MonkeyPatch, failure: str, database: str, *, chdir: bool
) -> None:
    """Neither in the process nor in the folder that a production start would write to, also where the load fails."""
    write_shop(**FAILURES[failure])
    monkeypatch.chdir(project.folder)
    for name in ("plugins", "plugins.theirs"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    before, there = state(), files(project.folder)
    from nexus.auth import set_auth_manager

    config = {"database": {"type": database}, "platform": {"chdir": chdir}}
    app = create_test_app(["shop"], config=config, backend="platform")
    try:
        async with app:
            assert "plugins.business.shop.plugin" in sys.modules
            assert "plugins.theirs" not in sys.modules
            set_auth_manager(object())
            assert (Path.cwd() == project.folder) is not chdir
            await app.db.set("till", {"open": True})
            assert await app.db.get("till") == {"open": True}
            async with app.client() as client:
                assert (await client.get(app.url("shop", "/hello/Jo"))).status_code == 200
    except NexusTestingError:
        assert failure != "none"
    else:
        assert failure == "none"
    assert before == state()
    assert there == files(project.folder)


async def test_a_plugin_that_reads_the_working_directory_finds_an_empty_one(
    project: Repo, write_shop: Any, make_app: Any
) -> None:
    """With chdir, what it reads and writes there is the app's own, and goes with it."""
    write_shop("from pathlib import Path; self.here = Path.cwd(); (self.here / 'till.txt').write_text('open')")
    app = await make_app("shop", platform={"chdir": True})
    here = app.get_plugin("shop").here
    assert (here / "till.txt").read_text() == "open"
    await app.shutdown()
    assert not here.exists()
    assert not (project.folder / "till.txt").exists()


async def test_a_second_app_is_refused_while_one_is_open(make_app: Any) -> None:
    """The name `plugins` is one a process; the error says where the open one was made."""
    app = await make_app()
    second = create_test_app(backend="platform")
    with pytest.raises(BackendError, match=rf"A second app(.|\n)*{Path(__file__).parent / 'conftest.py'}"):
        await second.startup()
    assert app.is_running
    await app.shutdown()
    async with create_test_app(backend="platform") as third:
        assert third.is_running


async def test_a_second_loop_is_refused(make_app: Any) -> None:
    """On two loops, the framework's bus logs twenty thousand errors a second; here the second is named."""
    app = await make_app()

    def elsewhere() -> None:
        asyncio.run(app.load_plugin("shop"))

    with pytest.raises(LoopError, match="second event loop"):
        await asyncio.to_thread(elsewhere)


async def test_plugins_of_one_project_import_each_other(project: Repo, write_shop: Any, make_app: Any) -> None:
    """By `plugins.…`, as in production, and it is the module that tests import by the plugin's own name."""
    write_shop(at="plugins/business/shop")
    project.manifest("till", at="plugins/business/till", category="business")
    project.write("plugins/business/till/plugin.py", "")
    project.write("plugins/business/till/drawer.py", "OPEN = object()")
    with (project.folder / "plugins/business/shop/plugin.py").open("a") as file:
        file.write("\nfrom plugins.business.till.drawer import OPEN\n")
    app = await make_app("shop")
    from till.drawer import OPEN  # type: ignore[import-not-found]  # it is written above

    assert sys.modules[type(app.get_plugin("shop")).__module__].OPEN is OPEN
