"""One run of load: a server, Locust as a subprocess, and the result of both."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socket
import sys
import tempfile
import time
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from ..errors import ExtraMissing, ServeError, ServerEnded
from ..performance.arrivals import Stage, schedule
from ..performance.result import Warmup
from ..performance.traffic import operations
from .judgement import budgets
from .outcome import Run, busy, outcome
from .plan import VARIABLE, LoadPlan, told, write_plan
from .processes import Process, start_server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..performance.judging import Sourced
    from ..performance.traffic import Operation
    from .report import LoadResult
    from .settings import Settings

__all__ = ("Progress", "run_load")

_SLACK = 30.0
"""Seconds that Locust has beyond the profile to start its workers and to write its results."""

_WARMUPS = 5


class Progress(NamedTuple):
    """How far a run is."""

    seconds: float
    of: float
    requests: int
    failed: int
    users: int


def run_load(settings: Settings, tell: Callable[[Progress], None] = lambda _: None) -> LoadResult:
    """Run a load and return what it came to; after Ctrl-C as much of it as there was.

    Args:
        settings: What to run.
        tell: Called each second with how far it is.

    Raises:
        ExtraMissing: If Locust or uvicorn is not installed.
        ServeError: If the server does not start, or ends under load; or Locust does.
    """
    for module in ("locust", "uvicorn"):
        if importlib.util.find_spec(module) is None:
            raise ExtraMissing("nexus-testing load", extra="load")
    if settings.host is not None:
        _refuse_remote(settings)
    with tempfile.TemporaryDirectory(prefix="nexus-load-") as name, contextlib.ExitStack() as stack:
        work = Path(name)
        env = {key: value for key, value in os.environ.items() if not key.startswith("LOCUST_")}
        server: Process | None = None
        said: dict[str, Any] = {"url": settings.host, "principals": {}}
        beats = work / "beats.jsonl"
        if settings.host is None:
            options = ["--beats", str(beats), *settings.server_options]
            limit = settings.start_limit
            server, said = start_server(settings.plugins, settings.folder, env, options=options, limit=limit)
            stack.callback(server.end)
        url = str(said["url"]).rstrip("/")
        listed = operations(_openapi(url), settings.seed, settings.weights)
        listed = [one for one in listed if not _core(one.path)]
        warmup = _warm_up(url, listed)
        rules = budgets(settings.profile, settings.budgets, listed)
        plan = _plan(settings, listed, said.get("principals", {}), rules, work)
        began = busy()
        locust, interrupted = _drive(plan, settings, url, env, work=work, server=server, tell=tell)
        run = Run(settings, plan, listed, rules, warmup, locust, server, beats, busy() - began, interrupted)
        return outcome(run)


def _core(path: str) -> bool:
    """Return whether a route is the framework's own, which no plugin is judged by."""
    return path in {"/health", "/metrics"}


def _refuse_remote(settings: Settings) -> None:
    host = urlsplit(settings.host or "").hostname
    if host is None:
        raise ServeError(f"{settings.host!r} is no address of a server.", fix="--host http://127.0.0.1:8000")
    local = host == "localhost"
    if not local:
        with contextlib.suppress(ValueError):
            local = ip_address(host).is_loopback
    if not local and not settings.allow_remote:
        raise ServeError(
            f"{host} is another machine.",
            why="load on a server that somebody else uses, or pays for, is an attack on it",
            fix="If it is yours: --allow-remote.",
        )


def _openapi(url: str) -> dict[str, Any]:
    try:
        answer = httpx.get(f"{url}/openapi.json", timeout=_SLACK)
        found: dict[str, Any] = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise ServeError(
            f"{url} does not say what routes it has.", why=str(error), fix="Serve /openapi.json."
        ) from error
    return found


def _warm_up(url: str, listed: Sequence[Operation]) -> Warmup:
    """Ask each route that only reads a few times, so that nothing is compiled under load."""
    begun, sent = time.monotonic(), 0
    with httpx.Client(base_url=url, timeout=_SLACK) as client:
        for operation in listed:
            if operation.method == "GET" and "{" not in operation.path:
                for _ in range(_WARMUPS):
                    # What it cannot answer counts when it is asked under load.
                    with contextlib.suppress(httpx.HTTPError):
                        client.get(operation.path)
                    sent += 1
    return Warmup(requests=sent, seconds=time.monotonic() - begun)


def _plan(
    settings: Settings,
    listed: Sequence[Operation],
    principals: dict[str, dict[str, str]],
    rules: Sequence[Sourced],
    work: Path,
) -> LoadPlan:
    profile = settings.profile
    if profile.every_route:
        # As long as it takes its users to ask for each route, and once more.
        users = max(stage.target for stage in profile.stages)
        profile = profile.scaled(max(2 * len(listed) * settings.wait / users / profile.seconds, 1.0))
    average = 1.0 if profile.fixed else settings.average
    ramps = profile.ramps(average)
    # Users of an author's own are paced by themselves; no schedule can be laid over them.
    model = "closed" if settings.locustfile is not None else profile.model
    due = (
        schedule([Stage(*one) for one in ramps], settings.seed if settings.poisson else None) if model == "open" else []
    )
    return LoadPlan(
        model=model,
        ramps=ramps,
        wait=settings.wait,
        seed=settings.seed,
        workers=settings.processes,
        max_in_flight=max(settings.max_in_flight // settings.processes, 1),
        due=list(due),
        operations=[told(one) for one in listed],
        headers=principals,
        budgets=[one.rule.text for one in rules],
        abort=settings.abort or profile.searches,
        results=str(work / "samples.json"),
    )


_LOCUSTFILE = """\
from nexus_testing.load import driving

{user}
Shape = driving.shape()
"""


def _drive(
    plan: LoadPlan,
    settings: Settings,
    url: str,
    env: dict[str, str],
    *,
    work: Path,
    server: Process | None,
    tell: Callable[[Progress], None],
) -> tuple[Process, bool]:
    """Run Locust to its end; return its process, and whether Ctrl-C ended it."""
    file = work / "locustfile.py"
    own = settings.locustfile
    file.write_text(_LOCUSTFILE.format(user="" if own else "Traffic = driving.traffic()\nTraffic.abstract = False"))
    write_plan(plan, work / "plan.json")
    files = f"{own.resolve()},{file}" if own else str(file)
    command = [
        *(sys.executable, "-m", "locust", "-f", files, "--headless", "--host", url),
        *("--only-summary", "--skip-log", "--stop-timeout", "5", "--exit-code-on-error", "0"),
    ]
    if settings.html is not None:
        command += ["--html", str(settings.html.resolve())]
    if plan.workers > 1:
        port = str(_free_port())
        command += ["--processes", str(plan.workers), "--expect-workers-max-wait", "20"]
        command += ["--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        command += ["--master-host", "127.0.0.1", "--master-port", port]
    begun = time.monotonic()

    def line(text: str) -> None:
        if text.startswith("nexus-load "):
            with contextlib.suppress(ValueError):
                said = json.loads(text.removeprefix("nexus-load "))
                tell(Progress(time.monotonic() - begun, plan.seconds, said["requests"], said["failed"], said["users"]))

    locust = Process(command, {**env, VARIABLE: str(work / "plan.json")}, settings.folder, line)
    interrupted = False
    try:
        until = begun + plan.seconds + _SLACK + settings.start_limit
        while locust.wait(0.2) is None:
            if server is not None and server.code is not None:
                raise ServerEnded(
                    f"The server ended under load, with the exit code {server.code}.",
                    why="\n".join(server.tail) or "it said nothing",
                    fix="Mend what it says; nexus-testing serve runs it alone.",
                )
            if time.monotonic() > until:
                raise ServeError(
                    f"Locust did not end within {until - begun:.0f} s.",
                    why="\n".join(locust.tail),
                    fix="See its lines.",
                )
    except KeyboardInterrupt:
        interrupted = True
    finally:
        locust.end()
    if not interrupted and not Path(plan.results).exists():
        raise ServeError(
            f"Locust ended with the exit code {locust.code} and wrote no results.",
            why="\n".join(line for line in locust.tail if not line.startswith("nexus-load ")),
            fix="Mend what it says.",
        )
    return locust, interrupted


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
