"""`nexus-testing load`: a server, Locust, and one result of both."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from nexus_testing.load.report import LoadResult, read_load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Repo

POSTED = "POST /api/shop/orders"

PROFILE = """
    [tool.nexus-testing.load.profiles.short]
    model = "{model}"
    stages = [[0.025, 1.0], [0.025, 1.0]]
    start = 1.0
"""


def load(repo: Repo, *options: str, plugin: str = "shop") -> tuple[pytest.RunResult, LoadResult | None]:
    """Put load on the repository's plugin."""
    file = repo.folder / "load.json"
    result = repo.python("-m", "nexus_testing", "load", *([plugin] if plugin else []), "--json", str(file), *options)
    return result, read_load(file) if file.exists() else None


def short(repo: Repo, model: str) -> tuple[str, ...]:
    """Write a profile of three seconds, and return the options that choose it."""
    repo.write("pyproject.toml", PROFILE.format(model=model))
    return "--profile", "short"


@pytest.mark.parametrize("workers", [1, 2])
def test_requests_at_a_rate(repo: Repo, shop: Path, workers: int) -> None:
    """Each is sent that was due, by one worker or shared by two; every route is asked, and answers."""
    result, made = load(repo, *short(repo, "open"), "--rate", "40", "--processes", str(workers))
    assert 0 == result.ret, result.outlines
    assert made is not None
    performance = made.performance
    assert ("open", 120, 0) == (performance.model, performance.scheduled, performance.dropped)
    assert (120, 0) == (performance.total.count, performance.total.failed)
    assert {"GET /api/shop/hello", "POST /api/shop/orders", "GET /api/shop/orders/{number}"} == set(performance.routes)
    # What was made is asked for.
    assert 200 in performance.routes["GET /api/shop/orders/{number}"].statuses
    assert [] == made.uncalled
    assert made.server is not None
    assert made.server.rss_peak > 10_000_000
    assert (workers, False) == (made.generator.workers, made.generator.saturated)
    result.stdout.fnmatch_lines(["all *120 *", "profile short, open model, 120 due, 0 dropped*"])


def test_users_that_wait(repo: Repo, shop: Path) -> None:
    """As many as the profile says; each has its answer before it asks again."""
    result, made = load(repo, *short(repo, "closed"), "--users", "5", "--wait", "0.02")
    assert 0 == result.ret
    assert made is not None
    assert ("closed", None) == (made.performance.model, made.performance.scheduled)
    assert made.performance.total.count > 50
    assert made.performance.instruments.in_flight_peak <= 5


def test_users_of_an_author(repo: Repo, shop: Path) -> None:
    """Their tasks run by the profile, and ready principals are there for them."""
    file = repo.write(
        "locustfile.py",
        """
        from locust import task
        from nexus_testing.load.driving import NexusUser


        class Customer(NexusUser):
            @task
            def hello(self):
                with self.client.get("/api/shop/hello", headers=self.as_user("admin"), catch_response=True) as response:
                    if response.json() != {"hello": "admin"}:
                        response.failure("somebody else")
        """,
    )
    result, made = load(repo, *short(repo, "closed"), "--wait", "0.05", "--locustfile", str(file))
    assert 0 == result.ret
    assert made is not None
    assert made.performance.total.count > 10
    assert 0 == made.performance.total.failed
    assert ["/api/shop/hello"] == list(made.performance.routes)


def test_a_route_that_is_slow(repo: Repo, shop: Path) -> None:
    """It breaks its budget, by its name; the others hold. On a busy machine that is inconclusive, and not green."""
    shop.write_text(
        shop.read_text().replace("self.orders.append", "__import__('time').sleep(0.06); self.orders.append")
    )
    rules = [
        f"http_req_duration{{route:{name}}} p(95) < 50ms, min_samples=10" for name in (POSTED, "GET /api/shop/hello")
    ]
    options = [word for rule in rules for word in ("--budget", rule)]
    result, made = load(repo, *short(repo, "open"), "--rate", "12", *options)
    assert result.ret in {1, 3}
    assert made is not None
    broken = next(one for one in made.verdicts if POSTED in one.rule)
    assert broken.status in {"FAIL", "INCONCLUSIVE"}
    assert broken.value is not None
    assert broken.value > 0.06
    assert {"PASS"} == {one.status for one in made.verdicts if one.source == "default"}
    result.stdout.fnmatch_lines([f"{broken.status} *{POSTED}*p(95) < 50ms*"])


def test_an_end_before_its_time(repo: Repo, shop: Path) -> None:
    """Once a budget has not held for three seconds, where that is asked for."""
    repo.write("pyproject.toml", PROFILE.format(model="open").replace("0.025", "0.5"))
    rule = "http_req_duration p(95) < 1us"
    result, made = load(repo, "--profile", "short", "--rate", "100", "--abort", "--budget", rule)
    assert result.ret in {1, 3}
    assert made is not None
    assert made.aborted is not None
    assert rule == made.aborted.budget
    assert made.performance.elapsed < 20


def test_the_highest_rate_that_held(repo: Repo, shop: Path) -> None:
    """Is what `breakpoint` looks for; that a budget broke is no failure of the run."""
    options = "--profile", "breakpoint", "--time-scale", "1/600", "--rate", "10", "--max-in-flight", "1"
    result, made = load(repo, *options)
    assert 0 == result.ret, result.outlines
    assert made is not None
    assert made.aborted is not None
    assert made.held_rate is not None
    assert 0 <= made.held_rate < 2000
    result.stdout.fnmatch_lines(["highest rate at which all budgets held: *"])


def test_a_budget_that_cannot_be(repo: Repo, shop: Path) -> None:
    """It is refused before anything is sent."""
    result, _ = load(repo, "--budget", "http_req_durations p(95) < 1ms")
    assert 2 == result.ret
    result.stderr.fnmatch_lines(["*Did you mean 'http_req_duration'*"])


def test_a_server_that_dies(repo: Repo, shop: Path) -> None:
    """It ends the run, with its exit code and its last lines."""
    shop.write_text(shop.read_text().replace("self.orders.append(order.sku)", "print('no!', flush=True); os._exit(7)"))
    result, made = load(repo, *short(repo, "open"), "--rate", "20")
    assert 1 == result.ret
    assert made is None
    result.stderr.fnmatch_lines(["*The server ended under load, with the exit code 7.", "*no!*"])


def test_a_plugin_that_does_not_load(repo: Repo, shop: Path) -> None:
    """It is the server's own error, and the exit code 2."""
    shop.write_text("raise ValueError('no tills')")
    result, _ = load(repo)
    assert 2 == result.ret
    result.stderr.fnmatch_lines(["*ValueError: no tills*"])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--profile", "spik"), "*Did you mean 'spike'*"),
        (("--rate", "0"), "*--rate 0.0 cannot be*"),
        (("--users", "-1"), "*--users -1.0 cannot be*"),
        (("--processes", "0"), "*--processes 0 cannot be*"),
        (("--host", "http://192.0.2.1:80"), "*192.0.2.1 is another machine*"),
        (("--host", "nonsense"), "*'nonsense' is no address of a server*"),
        (("--host", "http://127.0.0.1:9"), "*127.0.0.1:9 does not say what routes it has*"),
        (("--locustfile", "nowhere.py"), "*nowhere.py*"),
    ],
)
def test_what_cannot_be_run(repo: Repo, shop: Path, options: tuple[str, ...], text: str) -> None:
    """It is refused before anything starts, in words, with the exit code 2."""
    result, _ = load(repo, *options)
    assert 2 == result.ret
    result.stderr.fnmatch_lines([text])
    assert "Traceback" not in result.stderr.str()


def test_nothing_to_put_load_on(repo: Repo, shop: Path) -> None:
    """A plugin or a server has to be named."""
    assert 2 == load(repo, plugin="")[0].ret


def test_ctrl_c_keeps_what_there_was(repo: Repo, shop: Path) -> None:
    """Server and Locust are stopped, the result is marked, and the exit code is 130."""
    repo.write("pyproject.toml", PROFILE.format(model="open").replace("0.025", "5"))
    file = repo.folder / "load.json"
    command = [sys.executable, "-m", "nexus_testing", "load", "shop", "--profile", "short", "--rate", "20"]
    with subprocess.Popen(
        [*command, "--json", str(file)], cwd=repo.folder, stdout=subprocess.PIPE, text=True
    ) as process:
        time.sleep(7)
        process.send_signal(signal.SIGINT)
        out = process.communicate(timeout=60)[0]
    assert 130 == process.returncode, out
    made: dict[str, Any] = json.loads(file.read_text())
    assert made["performance"]["interrupted"] is True
    assert made["performance"]["total"]["count"] > 0
