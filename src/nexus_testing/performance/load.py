"""One load on an app: warm-up, the closed or the open model, and what it came to."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from array import array
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .._version import __version__
from ..limits import debugging
from .arrivals import digest
from .disturbances import active
from .driver import Meter
from .instruments import Watch, machine
from .plan import WARMUP_REQUESTS, WARMUP_SECONDS, Plan, chooser
from .result import Instruments, PerformanceResult, Warmup
from .samples import Track, distribution, figures
from .targets import Shot

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Sequence

    from starlette.types import Receive, Scope, Send

    from ..app import App
    from ..records import Record
    from .judging import Sourced

__all__ = ("KEPT", "Load", "put_aside")

KEPT = 1000
"""How many records the journal keeps while a load runs."""

_GRACE = 10.0
"""Seconds that requests may still take when the load is over, before they count as unanswered."""

_TURN = 0.01
"""Seconds after which a user whose turn it is not, in a profile, looks again."""

_CALIBRATION = 200
# Timers of the event loop are up to a millisecond late; what is left of the wait is spent in turns of the loop.
_EARLY = 0.0015


class Load:
    """One load on an app.

    Args:
        app: The app, up.
        plan: What to do.
        budgets: What it is judged by.
    """

    def __init__(self, app: App, plan: Plan, budgets: Sequence[Sourced] = ()) -> None:
        self._app = app
        self._plan = plan
        self._budgets = budgets
        rng = random.Random(plan.seed)  # noqa: S311 - no secret
        self._meter = Meter(app.backend.asgi, rng, app.routes)
        self._choose = chooser(plan, rng)
        self._lateness: array[float] = array("d")
        self._dropped = 0
        self._disturbances: list[str] = []
        self._warmup = Warmup(requests=0, seconds=0.0)
        self.result: PerformanceResult | None = None
        """What it came to, or as much of it as there was when it was interrupted."""

    async def run(self) -> PerformanceResult:
        """Run it.

        Returns:
            What it came to.

        Raises:
            BaseException: What a scenario raised.
        """
        __tracebackhide__ = True
        plan = self._plan
        watch = Watch()
        self._disturbances = active()
        cost = await _calibrate() if plan.kinds == {"requests"} else None
        with self._app._under_load(self._meter.around, KEPT, self._observe) as counts, put_aside(wanted=plan.warmup):
            if plan.warmup:
                await self._warm_up()
            counts.clear()
            try:
                async with watch:
                    self._meter.begin()
                    await (self._closed(plan) if plan.due is None else self._open(plan.due, plan.users))
            except asyncio.CancelledError:
                self.result = self._made(watch, counts, cost, interrupted=True)
                raise
        self.result = self._made(watch, counts, cost, interrupted=False)
        return self.result

    async def _once(self, due: float | None) -> None:
        """Do one thing."""
        __tracebackhide__ = True
        await self._choose().run(self._meter, due)

    def _observe(self, record: Record) -> None:
        for work in self._plan.works:
            work.observe(record)

    # -- the models -----------------------------------------------------------------------------------------------

    async def _warm_up(self) -> None:
        plan = self._plan
        share = len(plan.works)
        started = time.perf_counter()
        least = started + WARMUP_SECONDS * share
        sent = await self._users(min(plan.users, 10), WARMUP_REQUESTS * share, least, None)
        self._warmup = Warmup(requests=sent, seconds=time.perf_counter() - started)

    async def _closed(self, plan: Plan) -> None:
        __tracebackhide__ = True
        until = self._meter.began + plan.duration if plan.duration is not None else None
        await self._users(plan.users, plan.requests, until, plan.level)

    async def _users(
        self, users: int, most: int | None, until: float | None, level: Callable[[float], float] | None
    ) -> int:
        """Let users send one request after the other; return how many there were."""
        __tracebackhide__ = True
        sent = 0

        async def user(number: int) -> None:
            nonlocal sent
            __tracebackhide__ = True
            while (most is None or sent < most) and (until is None or time.perf_counter() < until):
                if level is not None and number >= level(time.perf_counter() - self._meter.began):
                    await asyncio.sleep(_TURN)
                    continue
                sent += 1
                await self._once(None)
                # Handlers that never wait for anything would keep all other users out.
                await asyncio.sleep(0)

        tasks = {asyncio.create_task(user(number), name=f"user {number}") for number in range(users)}
        await self._finish(tasks, None if until is None else until - time.perf_counter())
        return sent

    async def _open(self, due: array[float], most: int) -> None:
        __tracebackhide__ = True
        running: set[asyncio.Task[None]] = set()
        failed: list[asyncio.Task[None]] = []
        began = self._meter.began

        def over(task: asyncio.Task[None]) -> None:
            running.discard(task)
            if not task.cancelled() and task.exception() is not None:
                failed.append(task)

        try:
            for offset in due:
                at = began + offset
                await _wait_until(at)
                if failed:
                    break
                if len(running) >= most:
                    self._dropped += 1
                    continue
                self._lateness.append(max(time.perf_counter() - at, 0.0))
                task = asyncio.create_task(self._once(at))
                running.add(task)
                task.add_done_callback(over)
        except asyncio.CancelledError:
            await _cancel(running)
            raise
        await self._finish({*running, *failed}, 0.0)

    async def _finish(self, tasks: set[asyncio.Task[None]], seconds: float | None) -> None:
        """Wait for the last requests; those that are not answered in time are cancelled, and count as unanswered.

        Args:
            tasks: What still runs.
            seconds: How long the load itself still takes; None for as long as it needs.

        Raises:
            BaseException: What a scenario raised.
        """
        __tracebackhide__ = True
        if not tasks:
            return
        limit = None if seconds is None or debugging() else max(seconds, 0.0) + _GRACE
        try:
            done, pending = await asyncio.wait(tasks, timeout=limit, return_when=asyncio.FIRST_EXCEPTION)
            error = next((error for task in done if not task.cancelled() and (error := task.exception())), None)
            if pending:
                self._meter.cutting = error is None
                await _cancel(pending)
        except asyncio.CancelledError:
            await _cancel(tasks)
            raise
        finally:
            self._meter.cutting = False
        if error is not None:
            raise error

    # -- what it came to ------------------------------------------------------------------------------------------

    def _made(self, watch: Watch, counts: Counter[str], cost: float | None, *, interrupted: bool) -> PerformanceResult:
        plan, meter = self._plan, self._meter
        tracks = dict(sorted(meter.tracks.items()))
        total = Track().join(tracks.values())
        elapsed = max(total.ends, default=0.0)
        sent = len(total.ends)
        share = min(cost * sent / watch.own_seconds, 1.0) if cost is not None and watch.own_seconds > 0 else None
        verdicts = []
        if self._budgets and not interrupted:
            from .judging import Measured, judge

            measured = Measured(
                tracks=tracks,
                plugins={f"{one.method} {one.path}": one.plugin for one in self._app.routes},
                elapsed=elapsed,
                users=plan.users if plan.due is None else None,
                in_flight_peak=meter.in_flight_peak,
                dropped=self._dropped,
                iterations=self._meter.spans,
                lags=watch.lags,
                pauses=watch.pauses,
                generator_share=share,
                foreign_cpu=watch.foreign_cpu,
                disturbances=self._disturbances,
                levels={},
            )
            verdicts = [judge(one, measured) for one in self._budgets]
        return PerformanceResult(
            tool=__version__,
            what=plan.what,
            model="closed" if plan.due is None else "open",
            users=plan.users,
            rate=plan.rate,
            arrivals=plan.arrivals,
            schedule=digest(plan.due) if plan.due is not None else None,
            seed=plan.seed,
            profile=plan.profile,
            planned=plan.duration,
            elapsed=elapsed,
            interrupted=interrupted,
            scheduled=len(plan.due) if plan.due is not None else None,
            dropped=self._dropped,
            warmup=self._warmup,
            total=figures(total, elapsed),
            routes={name: figures(track, elapsed) for name, track in tracks.items()},
            iterations=distribution(self._meter.spans),
            client=distribution(self._meter.client_spans),
            instruments=Instruments(
                in_flight_peak=meter.in_flight_peak,
                loop_lag=distribution(watch.lags),
                gc_pauses=len(watch.pauses),
                gc_seconds=sum(watch.pauses),
                gc_longest=max(watch.pauses, default=0.0),
                own_cpu=watch.own_cpu,
                foreign_cpu=watch.foreign_cpu,
                generator_share=share,
                lateness=distribution(self._lateness),
                journal_kept=KEPT,
                journal_counts=dict(counts),
            ),
            machine=machine(),
            verdicts=verdicts,
        )


@contextmanager
def put_aside(*, wanted: bool) -> Iterator[None]:
    """Keep what is there already from the collector: its pauses are to be those of what the load leaves behind.

    Args:
        wanted: Whether to do so.
    """
    if not wanted or gc.get_freeze_count():
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def _calibrate() -> float:
    """Return how many seconds of the processor one request costs by itself, without any app."""
    head = {"type": "http.response.start", "status": 200, "headers": []}
    body = {"type": "http.response.body", "body": b""}

    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - an ASGI application
        await send(head)
        await send(body)

    meter, shot = Meter(nothing, random.Random(0)), Shot("GET", "/", b"/", b"", [], b"")  # noqa: S311 - no secret
    started = time.process_time()
    for _ in range(_CALIBRATION):
        await meter.shoot("GET /", shot, None)
        await asyncio.sleep(0)
    return (time.process_time() - started) / _CALIBRATION


async def _wait_until(at: float) -> None:
    left = at - time.perf_counter()
    if left > _EARLY:
        await asyncio.sleep(left - _EARLY)
    while time.perf_counter() < at:  # noqa: ASYNC110 - see above
        await asyncio.sleep(0)


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
