"""A test fails for what its plugin left alive, at the line that made it; what is released is no leak."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

LEAKY = """
    import asyncio, logging, os, socket, sys, threading
    from pathlib import Path
    from nexus.plugins import BasePlugin


    class ShopPlugin(BasePlugin):
        async def poll(self):
            await asyncio.sleep(3600)

        async def numbers(self):
            yield 1
            yield 2

        async def initialize(self):
            self.stop = threading.Event()
            self.task = asyncio.create_task(self.poll(), name="poll")  # tasks
            self.timer = asyncio.get_running_loop().call_later(60, print)  # timers
            self.generator = self.numbers()
            await anext(self.generator)
            self.poll()  # coroutines
            self.thread = threading.Thread(target=self.stop.wait, args=(5,), name="worker")
            self.thread.start()  # threads
            self.socket = socket.socket()  # sockets
            os.environ["SHOP_TILL"] = "1"  # environment
            sys.path.append("/nowhere")  # path
            self.before = os.getcwd()
            os.chdir("tests")  # directory
            self.handler = logging.NullHandler()
            logging.getLogger().addHandler(self.handler)  # logging
            Path(__file__).with_name("till.txt").write_text("1")  # files
            return True
"""

RELEASES = """
        async def shutdown(self):
            self.task.cancel()
            self.timer.cancel()
            await self.generator.aclose()
            self.stop.set()
            self.thread.join()
            self.socket.close()
            del os.environ["SHOP_TILL"]
            sys.path.remove("/nowhere")
            os.chdir(self.before)
            logging.getLogger().removeHandler(self.handler)
            Path(__file__).with_name("till.txt").unlink()
"""

LINES = {
    found[1]: number
    for number, line in enumerate(LEAKY.strip("\n").splitlines(), 1)
    if (found := re.search(r"# (\w+)$", line))
}
LINES["generators"] = next(number for number, line in enumerate(LEAKY.strip("\n").splitlines(), 1) if "yield 1" in line)

PARTS = {
    "tasks": r"task 'poll', which is at \S*plugin\.py:8 in ShopPlugin\.poll",
    "timers": r"timer that would go off in [\d.]+ s",
    "generators": r"asynchronous generator ShopPlugin\.numbers\(\)",
    "coroutines": r"ShopPlugin\.poll\(\), which was never awaited",
    "threads": r"thread 'worker'",
    "sockets": r"socket at \('0\.0\.0\.0', 0\)",
    "environment": r"environment variable 'SHOP_TILL'",
    "path": r"entry '/nowhere' of sys\.path",
    "directory": r"working directory '\S+/tests'",
    "logging": r"handler <NullHandler \(NOTSET\)> of the root logger",
    "files": r"file 'till\.txt', new",
}


def _run(repo: Repo, plugin: str, test: str = "async def test_it(nexus_app): pass", *args: str) -> pytest.RunResult:
    repo.manifest()
    repo.write("plugin.py", plugin)
    repo.write("tests/test_it.py", test)
    return repo.run("-W", "default", *args)


def test_a_plugin_that_leaves_one_of_each_is_told_so_whole(repo: Repo) -> None:
    """One report has each kind, with the line that made it and what would have released it."""
    result = _run(repo, LEAKY)
    result.assert_outcomes(passed=1, errors=1)
    text = result.stdout.str()
    assert f"LeakError: Plugin 'shop' left {len(PARTS)} things behind." in text
    for kind, pattern in PARTS.items():
        assert re.search(rf"{pattern}, made at \S*plugin\.py:{LINES[kind]}\b", text), kind
    assert 1 == text.count("Cancel it in shutdown(), and await it.")


def test_its_twin_that_releases_everything_passes(repo: Repo) -> None:
    """But for the coroutine, which nothing releases."""
    result = _run(repo, LEAKY.replace("            self.poll()  # coroutines\n", "") + RELEASES)
    result.assert_outcomes(passed=1)


def test_everything_is_put_back_for_the_next_test(repo: Repo) -> None:
    """The next test meets none of it."""
    result = _run(
        repo,
        LEAKY,
        """
        import asyncio, logging, os, sys

        before = (os.getcwd(), list(sys.path), dict(os.environ), list(logging.getLogger().handlers))

        async def test_first(nexus_app):
            pass

        def test_second():
            assert os.getcwd() == before[0]
            assert sys.path == before[1]
            assert "SHOP_TILL" not in os.environ
        """,
    )
    # Files are looked for once, after the module's last test.
    result.assert_outcomes(passed=2, errors=2)
    assert "left 10 things behind" in result.stdout.str()
    assert "left one thing behind" in result.stdout.str()


@pytest.mark.parametrize("kind", PARTS)
def test_each_kind_may_be_allowed(kind: str, repo: Repo) -> None:
    """The others are told all the same; what is allowed is counted, with its reason."""
    result = _run(
        repo,
        LEAKY,
        f"""
        import pytest

        @pytest.mark.nexus_allow_leaks("{kind}", reason="it is about {kind}")
        async def test_it(nexus_app):
            pass
        """,
    )
    result.assert_outcomes(passed=1, errors=1)
    text = result.stdout.str()
    assert f"left {len(PARTS) - 1} things behind" in text
    assert not re.search(PARTS[kind] + ", made at", text)
    assert f"nexus: leaving {kind} is allowed in 1 test: it is about {kind}" in text


def test_all_may_be_allowed(repo: Repo) -> None:
    """By several marks, or by one."""
    kinds = ", ".join(f'"{kind}"' for kind in PARTS)
    result = _run(
        repo,
        LEAKY,
        f"""
        import pytest

        @pytest.mark.nexus_allow_leaks({kinds}, reason="all of it")
        async def test_it(nexus_app):
            pass
        """,
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ('"tasks"', "needs what it allows, and a reason"),
        ('reason="why"', "needs what it allows, and a reason"),
        ('"task", reason="why"', "Did you mean 'tasks'"),
    ],
)
def test_a_mark_needs_a_kind_and_a_reason(mark: str, message: str, repo: Repo) -> None:
    """A slip would allow nothing."""
    result = _run(
        repo,
        LEAKY,
        f"""
        import pytest

        @pytest.mark.nexus_allow_leaks({mark})
        async def test_it(nexus_app):
            pass
        """,
    )
    assert result.parseoutcomes()["errors"]
    assert message in result.stdout.str()


def test_the_audit_may_warn_or_be_off(repo: Repo) -> None:
    """By one line of the configuration."""
    _run(repo, LEAKY, "async def test_it(nexus_app): pass", "-o", "nexus_audit=off").assert_outcomes(passed=1)
    result = _run(repo, LEAKY, "async def test_it(nexus_app): pass", "-o", "nexus_audit=warn")
    assert {"passed": 1} == {key: value for key, value in result.parseoutcomes().items() if key != "warnings"}
    assert "PytestWarning: Plugin 'shop' left" in result.stdout.str()
    result = _run(repo, LEAKY, "async def test_it(nexus_app): pass", "-o", "nexus_audit=maybe")
    assert "nexus_audit = 'maybe' in pytest's configuration is not valid" in result.stderr.str()


def test_a_test_that_fails_is_told_of_leaks_besides(repo: Repo) -> None:
    """An app that the test made itself is judged in the test."""
    result = _run(
        repo,
        LEAKY,
        """
        from nexus_testing import create_test_app

        async def test_it():
            app = create_test_app(["shop"])
            await app.startup()
            await app.shutdown()
            assert "this" == "that"

        async def test_that_passes_otherwise():
            async with create_test_app(["shop"]):
                pass
        """,
    )
    result.assert_outcomes(failed=2, errors=2)
    assert "Besides: LeakError: Plugin 'shop' left 3 things behind." in result.stdout.str()


def test_what_is_the_tests_own_is_none_of_the_plugins(repo: Repo) -> None:
    """Tasks, threads, variables and sockets of tests and fixtures are theirs."""
    plugin = """
        import asyncio
        from nexus.plugins import BasePlugin

        class ShopPlugin(BasePlugin):
            async def poll(self):
                await asyncio.sleep(3600)
        """
    result = _run(
        repo,
        plugin,
        """
        import asyncio, os, socket, threading
        import pytest

        @pytest.fixture(autouse=True)
        def variables(monkeypatch, tmp_path):
            monkeypatch.setenv("SHOP_OTHER", "1")
            monkeypatch.syspath_prepend(tmp_path)
            monkeypatch.chdir(tmp_path)

        @pytest.fixture(scope="module", autouse=True)
        def once():
            os.environ["SHOP_MODULE"] = "1"
            yield
            del os.environ["SHOP_MODULE"]

        @pytest.fixture
        def late(nexus_app, monkeypatch):
            monkeypatch.setenv("SHOP_LATE", "1")

        async def test_it(nexus_app, late):
            own = asyncio.create_task(nexus_app.get_plugin("shop").poll())
            stop = threading.Event()
            threading.Thread(target=stop.wait, args=(1,), daemon=True).start()
            with socket.socket():
                pass
            await asyncio.to_thread(print)
            own.cancel()

        async def test_again(nexus_app, late):
            pass
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(passed=2)


def test_a_task_that_failed_and_that_nobody_awaited_fails_the_test(repo: Repo) -> None:
    """With the plugin's own exception, unchanged; one that was looked at is no longer swallowed."""
    plugin = """
        import asyncio
        from nexus.plugins import BasePlugin

        class ShopPlugin(BasePlugin):
            async def fails(self):
                raise ValueError("no till")

            def begin(self):
                self.task = asyncio.create_task(self.fails(), name="till")
        """
    result = _run(
        repo,
        plugin,
        """
        import asyncio
        import pytest

        async def test_fails(nexus_app):
            nexus_app.get_plugin("shop").begin()

        async def test_passes(nexus_app):
            plugin = nexus_app.get_plugin("shop")
            plugin.begin()
            with pytest.raises(ValueError):
                await plugin.task
        """,
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "E*ValueError: no till",
            "E*Task 'till' of plugin 'shop', made at *plugin.py:9 in ShopPlugin.begin, was not awaited.",
        ]
    )


def test_a_coroutine_of_the_tests_own_is_warned_of_as_ever(repo: Repo) -> None:
    """It is no leak of the plugin's."""
    plugin = "from nexus.plugins import BasePlugin\n\nclass ShopPlugin(BasePlugin):\n    pass\n"
    result = _run(
        repo,
        plugin,
        """
        async def nothing():
            pass

        async def test_it(nexus_app):
            nothing()
        """,
    )
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*test_it.py:5: RuntimeWarning: coroutine 'nothing' was never awaited"])


def test_a_failed_load_is_audited_too(repo: Repo) -> None:
    """What it began and did not end stays alive in production as well."""
    plugin = """
        import asyncio
        from nexus.plugins import BasePlugin

        class ShopPlugin(BasePlugin):
            async def initialize(self):
                asyncio.create_task(asyncio.sleep(3600), name="till")
                return False
        """
    result = _run(
        repo,
        plugin,
        """
        import pytest
        from nexus_testing import PluginLoadError, create_test_app

        async def test_it():
            async with create_test_app() as app:
                with pytest.raises(PluginLoadError):
                    await app.load_plugin("shop")
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*LeakError: Plugin 'shop' left one thing behind.", "*task 'till'*"])
