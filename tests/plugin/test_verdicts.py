"""Each budget of a load is a report of its own, with one process and with several."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

pytest.importorskip("lark", reason="the extra performance is not installed")

PLUGIN = """
    from fastapi import APIRouter
    from nexus.plugins import BasePlugin


    class ShopPlugin(BasePlugin):
        def get_api_routes(self):
            router = APIRouter()

            @router.get("/items")
            async def items():
                return []

            return [router]
"""

TESTS = """
    from nexus.testing import PerformanceTest, budget


    class TestLoad(PerformanceTest):
        @budget("http_reqs count == 30")
        async def test_one(self):
            await self.run("GET /items", users=1, requests=30, warmup=False, budgets=["http_reqs count > 30"])

        @budget("http_req_duration p(99.9) < 50s", "http_reqs count > 90, level=warn")
        async def test_two(self):
            await self.run("GET /items", users=1, requests=30, warmup=False)

        @budget("http_reqs count > 0")
        async def test_none(self):
            assert self.app.plugins

        async def test_unjudged(self):
            await self.run("GET /items", users=1, requests=3, warmup=False)

        @budget("http_reqs count > 0")
        async def test_twice(self):
            for _ in range(2):
                await self.run("GET /items", users=1, requests=3, warmup=False)
"""

EXPECTED = {
    "test_one": "passed",
    "test_one::http_reqs count > 30": "failed",
    "test_one::http_reqs count == 30": "passed",
    "test_one::http_req_failed rate < 1%": "passed",
    "test_two": "passed",
    "test_two::http_req_duration p(99.9) < 50s": "skipped",
    "test_two::http_reqs count > 90, level=warn": "passed",
    "test_two::http_req_failed rate < 1%": "passed",
    "test_none": "passed",
    "test_none::http_reqs count > 0": "failed",
    "test_unjudged": "passed",
    "test_twice": "passed",
    "test_twice::http_reqs count > 0 (load 1)": "passed",
    "test_twice::http_req_failed rate < 1% (load 1)": "passed",
    "test_twice::http_reqs count > 0 (load 2)": "passed",
    "test_twice::http_req_failed rate < 1% (load 2)": "passed",
}


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """A repository with loads."""
    repo.manifest()
    repo.write("plugin.py", PLUGIN)
    repo.write("tests/test_shop_load.py", TESTS)
    return repo


@pytest.mark.parametrize("workers", ["0", "2"])
def test_each_verdict_is_reported_once(shop: Repo, workers: str) -> None:
    """In the terminal, in JUnit's file and in the result: those that hold, those that do not, those in doubt."""
    options = ("-n", workers, "--junitxml=junit.xml", "--nexus-result=result.json", "-p", "no:randomly", "-v")
    result = shop.run(*options, apart=True)
    assert 1 == result.ret
    result.assert_outcomes(passed=13, failed=2, skipped=1)
    told = json.loads((shop.folder / "result.json").read_text(encoding="utf-8"))["tests"]
    prefix = "tests/test_shop_load.py::TestLoad::"
    assert EXPECTED == {test["id"].removeprefix(prefix): test["outcome"] for test in told}
    suite = ET.parse(shop.folder / "junit.xml").getroot()[0]  # noqa: S314 - pytest wrote it
    assert ("16", "2", "1", "0") == tuple(suite.attrib[name] for name in ("tests", "failures", "skipped", "errors"))
    cases = {f"{case.attrib['classname']}::{case.attrib['name']}": case for case in suite}
    assert len(EXPECTED) == len(cases)
    one = "tests.test_shop_load.TestLoad.test_one::"
    failure = cases[f"{one}http_reqs count > 30"].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == "FAIL http_reqs count > 30: 30, limit > 30, n=30"
    properties = {
        each.attrib["name"]: each.attrib["value"] for each in cases[f"{one}http_reqs count == 30"].iter("property")
    }
    assert {
        "nexus_status": "PASS",
        "nexus_text": "30, limit == 30, n=30",
        "nexus_reason": "",
        "nexus_load": "GET /api/shop/items",
    } == properties
    result.stdout.re_match_lines_random(
        [
            r".*test_one::http_reqs count == 30.* PASSED .*\[ *\d+%\]|.*PASSED .*test_one::http_reqs count == 30",
            r".*test_one: PASS http_reqs count == 30: 30, limit == 30, n=30",
            r".*test_two: WARN http_reqs count > 90, level=warn: 30, limit > 90, n=30 \(.* its level is warn\)",
            r".*test_two: INCONCLUSIVE .*: too few samples: 30 of 10000|.*\(too few samples: 30 of 10000\)",
            r"FAILED .*::TestLoad::test_one::http_reqs count > 30 - FAIL http_reqs count > 30: 30.*",
            r"FAILED .*test_none::http_reqs count > 0 - NO_DATA .*never called self.run.*",
        ]
    )
    assert not [line for line in result.outlines if "[1" in line and "%]" in line and "[100%]" not in line]


def test_what_is_in_doubt_may_fail(shop: Repo) -> None:
    """The option says so; budgets of the configuration hold for all loads, and each is named."""
    shop.write("pytest.ini", "[pytest]\nnexus_inconclusive = fail\nnexus_budgets =\n    http_reqs count > 2\n")
    result = shop.run("-k", "two or unjudged")
    result.assert_outcomes(passed=7, failed=1)
    result.stdout.re_match_lines_random(
        [
            "FAILED .*test_two::http_req_duration p.99.9. < 50s - INCONCLUSIVE .*",
            ".*test_unjudged: PASS http_reqs count > 2: 3, limit > 2, n=3",
        ]
    )


@pytest.mark.parametrize(
    ("ini", "said"),
    [
        ("nexus_budgets =\n    http_reqs count > 5ms", "is a number, and has no unit 'ms'"),
        ("nexus_inconclusive = maybe", "nexus_inconclusive = 'maybe' .* is not valid. Valid: skip, fail"),
    ],
)
def test_a_configuration_that_cannot_be_ends_the_run(shop: Repo, ini: str, said: str) -> None:
    """Before any test runs."""
    shop.write("pytest.ini", f"[pytest]\n{ini}\n")
    result = shop.run()
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.re_match_lines([f".*{said}.*"])


def test_a_budget_that_cannot_be_fails_its_test(shop: Repo) -> None:
    """At the line that wrote it, and nothing else is reported of it."""
    shop.write(
        "tests/test_shop_load.py",
        """
        from nexus.testing import PerformanceTest, budget


        class TestLoad(PerformanceTest):
            @budget("http_reqs cuont > 0")
            async def test_one(self):
                await self.run("GET /items", users=1, requests=3)
        """,
    )
    result = shop.run()
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([".*there is no aggregate 'cuont'", ".*Did you mean 'count'.*"], consecutive=True)
    result.stdout.re_match_lines([r".*where: .*test_shop_load.py:\d+.*"])


def test_an_interrupted_load_is_kept_and_marked(shop: Repo) -> None:
    """Ctrl-C ends the run; what was measured until then is told, as what it is."""
    shop.write(
        "tests/test_shop_load.py",
        """
        import os
        import signal

        from nexus.testing import PerformanceTest

        # A shell that starts something in the background lets it ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)


        class TestLoad(PerformanceTest):
            async def test_one(self):
                seen = 0

                async def browse():
                    nonlocal seen
                    seen += 1
                    await self.client.get("/api/shop/items")
                    if seen == 20:
                        os.kill(os.getpid(), signal.SIGINT)

                await self.run(browse, users=1, duration="60s", warmup=False)
        """,
    )
    result = shop.run(apart=True)
    assert pytest.ExitCode.INTERRUPTED == result.ret
    result.stdout.re_match_lines([r".*test_one: browse: interrupted after \d+ requests in .*"])
