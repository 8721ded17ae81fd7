"""What runs inside Locust's own processes, and nowhere else: importing Locust patches the process that does it."""

from __future__ import annotations

import json
import os
import random
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import gevent
from locust import FastHttpUser, LoadTestShape, events, task
from locust.runners import MasterRunner, WorkerRunner

from ..performance.grammar import parse
from ..performance.judging import Sourced
from .judgement import measured, tracks_of, verdicts
from .plan import VARIABLE, Sample, read_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("NexusUser", "shape", "traffic")

PLAN = read_plan(Path(os.environ[VARIABLE]))

_FASTEST = 1_000_000
"""Users a second: a level is reached at once, since ramps are many small levels."""

_LOOK = 0.05
"""Seconds between two looks at whether a user is told to end."""

_BREACHES = 3
"""How many seconds in a row a budget must not hold before a run ends for it: one may be the machine's."""

_WINDOW = 3.0
"""Seconds that are looked at for that."""

_RECENT = 50_000

_LATER = 2.0
"""Seconds by which workers may begin later than the master."""

_MADE = 1_000
"""How many ids of things that were made are kept for those that ask for one."""


class Recorder:
    """Every request as numbers with fractions, which Locust's own statistics round to milliseconds."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.dropped = 0
        self.workers: set[str] = set()
        self.aborted: dict[str, Any] | None = None
        self.held = 0.0
        """The last moment at which all budgets held."""
        self._begun: float | None = None
        # Clocks of one machine that may be set, against one that may not.
        self._offset = time.time() - time.perf_counter()

    def begin(self) -> float:
        """Return the moment that all times count from, as the clock of the process says it."""
        if self._begun is None:
            self._begun = time.perf_counter()
        return self._begun

    def request(
        self,
        *,
        name: str,
        response_time: float,
        exception: Any,
        start_time: float,
        response: Any = None,
        context: Any = None,
        **_: Any,
    ) -> None:
        """Take a request that is over. Locust calls it."""
        service = response_time / 1000
        ended = start_time - self._offset + service - self.begin()
        due = (context or {}).get("due")
        status = getattr(response, "status_code", None) or None
        reason = None
        if exception is not None:
            reason = f"status {status}" if status else type(exception).__name__
        self.samples.append((name, ended, ended - due if due is not None else service, service, status, reason))

    def report(self, data: dict[str, Any], **_: Any) -> None:
        """Give the master what is new. Locust calls it in a worker."""
        data["nexus"] = {"samples": self.samples, "dropped": self.dropped}
        self.samples, self.dropped = [], 0

    def take(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        """Take what a worker has. Locust calls it in the master."""
        self.workers.add(client_id)
        told = data.get("nexus", {"samples": [], "dropped": 0})
        self.samples += [tuple(one) for one in told["samples"]]
        self.dropped += told["dropped"]


RECORDER = Recorder()


@events.init.add_listener
def _listen(environment: Any, runner: Any, **_: Any) -> None:
    if isinstance(runner, WorkerRunner):
        events.request.add_listener(RECORDER.request)
        events.report_to_master.add_listener(RECORDER.report)
        return
    if isinstance(runner, MasterRunner):
        events.worker_report.add_listener(RECORDER.take)
    else:
        events.request.add_listener(RECORDER.request)
    gevent.spawn(_tell, runner)
    # Not `quitting`, which comes before the last reports of the workers.
    environment.events.quit.add_listener(lambda **_: _write())


def _tell(runner: Any) -> None:
    """Say each second how far it is, and end the run if it is told to and a budget does not hold any more."""
    rules = [Sourced(parse(text), "budgets") for text in PLAN.budgets] if PLAN.abort else []
    broken = 0
    while True:
        gevent.sleep(1)
        samples = RECORDER.samples
        failed = sum(1 for sample in samples if sample[5] is not None)
        said = {"requests": len(samples), "failed": failed, "users": runner.user_count}
        print("nexus-load " + json.dumps(said), flush=True)
        now = max((sample[1] for sample in samples[-_RECENT:]), default=0.0)
        last = [sample for sample in samples[-_RECENT:] if sample[1] > now - _WINDOW]
        if not rules or not last:
            continue
        what = measured(tracks_of(last), elapsed=_WINDOW, dropped=RECORDER.dropped)
        bad = [one for one in verdicts(rules, what) if one.status == "FAIL"]
        broken = broken + 1 if bad else 0
        if not bad:
            RECORDER.held = now
        elif broken == _BREACHES and RECORDER.aborted is None:
            RECORDER.aborted = {"at": now, "budget": bad[0].rule, "text": bad[0].text}


def _write() -> None:
    file = Path(PLAN.results)
    part = file.with_suffix(".part")
    said = {
        "samples": RECORDER.samples,
        "dropped": RECORDER.dropped,
        "workers": len(RECORDER.workers) or 1,
        "aborted": RECORDER.aborted,
        "held": RECORDER.held,
    }
    part.write_text(json.dumps(said), encoding="utf-8")
    part.replace(file)


class NexusUser(FastHttpUser):
    """A user of a plugin. Locustfiles of authors derive from it."""

    abstract = True
    network_timeout = 60.0
    connection_timeout = 10.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.rng = random.Random(f"{PLAN.seed} {os.getpid()} {id(self)}")  # noqa: S311 - no secret
        self._headers: dict[str, str] = {}

    def wait_time(self) -> float:
        """Return how long to wait before the next task: by chance, so that users do not come in bunches."""
        return self.rng.expovariate(1 / PLAN.wait) if PLAN.wait else 0.0

    def as_user(self, principal: str) -> dict[str, str]:
        """Return the headers with which a request is a ready principal's.

        Args:
            principal: "user", "admin" or "service".

        Raises:
            KeyError: If the server has none of that name.
        """
        return PLAN.headers[principal]


_PENDING = [place for place, one in enumerate(one for one in PLAN.operations if one["weight"] > 0)][::-1]
"""The operations that no user of this process has asked yet."""


class _Traffic:
    """Operations, one after another, as often as each one's weight says."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._operations = [one for one in PLAN.operations if one["weight"] > 0]
        self._weights = [one["weight"] for one in self._operations]
        self._numbers = [0] * len(self._operations)
        self._made: dict[str, list[Any]] = {}

    def send(self, client: Any, context: dict[str, Any]) -> None:
        """Send the next request."""
        # Each once before chance decides, so that none is left out.
        which = _PENDING.pop() if _PENDING else self._rng.choices(range(len(self._weights)), self._weights)[0]
        operation = self._operations[which]
        number, self._numbers[which] = self._numbers[which], self._numbers[which] + 1
        cases = operation["cases"]
        case = cases[number % len(cases)]
        params = dict(case["params"])
        made = self._made.get(operation["made_by"] or "")
        if made and operation["id_name"]:
            params[operation["id_name"]] = self._rng.choice(made)
        path = operation["path"]
        for name, value in params.items():
            path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
        options: dict[str, Any] = {}
        if case["query"]:
            options["params"] = case["query"]
        if case["body"] is not None:
            options["json"] = case["body"]
        name = f"{operation['method']} {operation['path']}"
        headers = PLAN.headers.get("user", {})
        # What a value that was drawn finds is no failure of the plugin's: 404 of an id that nobody made, 422 of a body.
        with client.request(
            operation["method"], path, name=name, headers=headers, context=context, catch_response=True, **options
        ) as response:
            if response.status_code and response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                response.success()
            if operation["method"] == "POST" and response.status_code in {200, 201}:
                self._keep(operation["path"], response)

    def _keep(self, path: str, response: Any) -> None:
        try:
            body = response.json()
        except ValueError:
            return
        if not isinstance(body, dict):
            return
        last = path.rstrip("/").rpartition("/")[2].removesuffix("s")
        for name in ("id", f"{last}_id", "_id"):
            if name in body:
                made = self._made.setdefault(path, [])
                made.append(body[name])
                del made[:-_MADE]
                return


def traffic() -> type[NexusUser]:
    """Return the user that sends what the plan says."""
    return _OpenUser if PLAN.model == "open" else _ClosedUser


class _ClosedUser(NexusUser):
    abstract = True

    def on_start(self) -> None:
        """Begin."""
        RECORDER.begin()
        self._traffic = _Traffic(self.rng)

    @task
    def send(self) -> None:
        """Send one request and wait for its answer."""
        self._traffic.send(self.client, {})


class _OpenUser(NexusUser):
    """Holds a worker's share of the schedule. There is one of it in each worker."""

    abstract = True
    concurrency = PLAN.max_in_flight

    @task
    def drive(self) -> None:
        """Send each request when it is due, whatever became of those before it."""
        begun = RECORDER.begin()
        sender = _Traffic(random.Random(PLAN.seed + _index(self.environment)))  # noqa: S311 - no secret
        in_flight = 0

        def send(due: float) -> None:
            nonlocal in_flight
            try:
                sender.send(self.client, {"due": due})
            finally:
                in_flight -= 1

        for due in _share(self.environment):
            while self._state == "running" and (ahead := begun + due - time.perf_counter()) > 0:
                gevent.sleep(min(ahead, 1.0))
            if self._state != "running":
                return
            if in_flight >= PLAN.max_in_flight:
                RECORDER.dropped += 1
                continue
            in_flight += 1
            gevent.spawn(send, due)
        # A user that ends by itself would count as missing; one that does not end when it is told to is waited for.
        while self._state == "running":
            gevent.sleep(_LOOK)


def _index(environment: Any) -> int:
    return max(getattr(environment.runner, "worker_index", 0), 0)


def _share(environment: Any) -> Iterator[float]:
    yield from PLAN.due[_index(environment) :: PLAN.workers]


def shape() -> type[LoadTestShape]:
    """Return the shape that says how many users there are."""

    class Shape(LoadTestShape):
        def tick(self) -> tuple[int, float] | None:
            """Return how many users there are now; None once the load is over. Locust calls it each second."""
            now = self.get_run_time()
            # Workers begin a moment after the master, and their last requests are due when theirs is over.
            level = PLAN.level(now - (_LATER if PLAN.model == "open" and now > PLAN.seconds else 0.0))
            if level is None or RECORDER.aborted is not None:
                return None
            return (PLAN.workers if PLAN.model == "open" else max(round(level), 1)), _FASTEST

    return Shape
