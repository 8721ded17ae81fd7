"""The summary and the result file say the same with one process and with several."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from nexus_testing.reports.result import read_result

if TYPE_CHECKING:
    from tests.conftest import Repo

PLUGIN = """
    from nexus.plugins import BasePlugin

    class ShopPlugin(BasePlugin):
        async def initialize(self) -> bool:
            self.event_bus.subscribe("order.created", print)
            return True
"""

TESTS = """
    import pytest
    from httpx import AsyncClient

    @pytest.fixture
    def nexus_stubs():
        return {"till": "1.0.0"}

    @pytest.mark.nexus_allow("NX403", reason="it is about the summary")
    @pytest.mark.parametrize("number", range(6))
    async def test_passes(nexus_app, number):
        async with AsyncClient(app=nexus_app, base_url="http://test") as client:
            assert 200 == (await client.get("/health")).status_code

    def test_fails():
        assert "this" == "that"

    @pytest.fixture
    def broken():
        raise ValueError("no till")

    def test_errs(broken):
        pass

    @pytest.mark.skip(reason="another day")
    def test_is_skipped():
        pass

    @pytest.mark.xfail(reason="not yet")
    def test_is_expected_to_fail():
        assert False

    @pytest.mark.xfail(reason="not yet")
    def test_is_better_than_expected():
        pass
"""

OUTCOMES = {
    **{f"test_passes[{number}]": "passed" for number in range(6)},
    "test_fails": "failed",
    "test_errs": "error",
    "test_is_skipped": "skipped",
    "test_is_expected_to_fail": "xfailed",
    "test_is_better_than_expected": "xpassed",
}


def _summary(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith(("NX", "nexus:", "  fix:"))]


def _said(path: Any) -> dict[str, Any]:
    result = read_result(path)
    return {
        "tests": {test.id.partition("::")[2]: test.outcome for test in result.tests},
        "findings": [finding.model_dump() for finding in result.findings],
        "exit_code": result.exit_code,
        "backend": result.backend,
    }


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_workers_add_up_to_what_one_process_says(repo: Repo) -> None:
    """Findings and their counts, allowed ids, old uses of httpx and every outcome are those of a run without xdist."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write("tests/test_it.py", TESTS)
    one = repo.run("--nexus-result", "one.json", apart=True)
    two = repo.run("-n", "2", "--nexus-result", "two.json", apart=True)
    expected = {"passed": 6, "failed": 1, "errors": 1, "skipped": 1, "xfailed": 1, "xpassed": 1}
    assert expected == one.parseoutcomes() == two.parseoutcomes()
    lines = _summary(one)
    assert lines == _summary(two)
    assert any(line.startswith("NX106 warning:") and line.endswith("[6 times]") for line in lines)
    assert "nexus: NX403 is allowed in 6 tests: it is about the summary" in lines
    assert 1 == sum("httpx no longer takes AsyncClient(app=…)" in line for line in lines)
    said = _said(repo.folder / "one.json")
    assert said == _said(repo.folder / "two.json")
    assert OUTCOMES == said["tests"]
    assert ({6}, 1, "embedded") == ({one["count"] for one in said["findings"]}, said["exit_code"], said["backend"])


def test_a_failure_is_in_the_result_with_its_text(repo: Repo) -> None:
    """What pytest shows of a failed test is its message; others have none."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write("tests/test_it.py", TESTS)
    repo.run("--nexus-result", "out/result.json", "-k", "fails or skipped")
    found = json.loads((repo.folder / "out" / "result.json").read_text(encoding="utf-8"))
    messages = {test["id"].partition("::")[2]: test["message"] for test in found["tests"]}
    assert "assert 'this' == 'that'" in messages["test_fails"]
    assert "" == messages["test_is_skipped"]


def test_a_result_that_cannot_be_written_is_an_error_of_the_run(repo: Repo) -> None:
    """The message names the file and what to do."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write("tests/test_it.py", "def test_it():\n    pass\n")
    repo.write("taken")
    result = repo.run("--nexus-result", "taken/result.json", apart=True)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["*The result cannot be written.", "*where: *taken/result.json", "*fix: *writable*"])


def test_a_permission_that_one_test_uses_is_not_said_to_be_unused(repo: Repo) -> None:
    """Whatever the order, and over workers: only what no test used is in the summary and in the result."""
    repo.manifest(permissions=["database.read", "events.subscribe", "tasks"])
    repo.write(
        "plugin.py",
        """
        from nexus.plugins import BasePlugin

        class ShopPlugin(BasePlugin):
            async def initialize(self) -> bool:
                self.event_bus.subscribe("order.created", self.read)
                return True

            async def read(self, event):
                await self.db.get("price")
        """,
    )
    repo.write(
        "tests/test_it.py",
        """
        async def test_reads(nexus_app):
            await nexus_app.event_bus.publish("order.created", {})

        async def test_does_not(nexus_app):
            pass
        """,
    )
    for arguments in ((), ("-n", "2")):
        result = repo.run(*arguments, "--nexus-result", "it.json", apart=True)
        assert {"passed": 2} == result.parseoutcomes()
        said = [line for line in _summary(result) if line.startswith("NX611")]
        assert 1 == len(said)
        assert "'tasks', which it did not use. " in said[0]
        found = json.loads((repo.folder / "it.json").read_text(encoding="utf-8"))["findings"]
        assert ["tasks"] == [one["text"].split("'")[3] for one in found if one["id"] == "NX611"]
