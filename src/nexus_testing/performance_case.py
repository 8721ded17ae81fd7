"""The base class of test classes that put load on a plugin."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .calls import awaited
from .case import Case

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import timedelta
    from random import Random

    from .app import App
    from .performance.budgets import Said
    from .performance.comparison import Comparison
    from .performance.growth import Growth
    from .performance.leaks import Leaks
    from .performance.result import PerformanceResult

__all__ = ("PerformanceTest",)


class PerformanceTest(Case):
    """A test class that puts load on the plugin under test. Its client does not wait for events."""

    __test__ = False
    _nexus_drain = False
    _nexus_budgets: Sequence[Said] = ()
    _nexus_results: list[PerformanceResult | Comparison | Leaks | Growth] | None = None

    def hold_to(self, budgets: Sequence[Said]) -> None:
        """Say what every load of the test that runs is judged by. The pytest plugin calls it.

        Args:
            budgets: What decorators and the configuration say.
        """
        self._nexus_budgets = budgets

    @property
    def results(self) -> list[PerformanceResult | Comparison | Leaks | Growth]:
        """What the loads of the test that runs came to so far, one that was interrupted among them."""
        if self._nexus_results is None:
            self._nexus_results = []
        return self._nexus_results

    @awaited
    async def run(
        self,
        what: str | Callable[[], Awaitable[Any]] | Mapping[Any, float] | None = None,
        *,
        users: int | None = None,
        rate: float | str | None = None,
        arrivals: str = "even",
        duration: str | timedelta | None = None,
        requests: int | None = None,
        profile: str | None = None,
        warmup: bool = True,
        seed: int = 0,
        params: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        budgets: Sequence[str] = (),
    ) -> PerformanceResult:
        """Put load on the app and return what was measured.

        Args:
            what: A request, such as "GET /items/{id}"; a scenario, which is a coroutine function that sends requests by
                `self.client`; or several of them, each with its weight. By default all requests of the plugins'
                OpenAPI document.
            users: How many send at once, each its next request when it has the answer to its last. With a rate: how
                many requests may wait for an answer at once; those that are due meanwhile are dropped and counted.
            rate: How many requests are due a second, whatever becomes of them.
            arrivals: How these are spread: "even" or, at random with the seed, "poisson".
            duration: How long, such as "10s", which is the default.
            requests: How many requests to send instead, by users.
            profile: How the load rises and falls meanwhile: "smoke", "average", "stress", "spike", "soak" or
                "breakpoint". Users and rate are its average level.
            warmup: Whether to send 200 requests, or for a second, that count for nothing before.
            seed: The seed of all that is drawn.
            params: What fills the placeholders of a request's path: a value, several that take turns, or a function
                that is given a `random.Random`. What is not said is made from the OpenAPI document, with the seed.
            query: The same for its query.
            headers: Its headers.
            json: Its body: a value, or a function as above.
            budgets: What the load is judged by, such as "http_req_duration p(95) < 50ms"; each is a report of its own.

        Raises:
            BudgetError: If a budget cannot be read, or is about what the load does not have.
            PerformanceError: If that cannot be, such as a load on a route that does not exist.
            BaseException: What a scenario raised; the load ends with it.
        """
        __tracebackhide__ = True
        from .performance.targets import Fill

        return await self._load(
            what,
            budgets,
            users=users,
            rate=rate,
            arrivals=arrivals,
            duration=duration,
            requests=requests,
            profile=profile,
            warmup=warmup,
            seed=seed,
            fill=Fill(params, query, headers, json),
        )

    @awaited
    async def measure(
        self,
        function: Callable[[], Any],
        *,
        users: int | None = None,
        rate: float | str | None = None,
        arrivals: str = "even",
        duration: str | timedelta | None = None,
        calls: int | None = None,
        warmup: bool = True,
        seed: int = 0,
        budgets: Sequence[str] = (),
    ) -> PerformanceResult:
        """Call a function again and again and return how long it takes: a service's method, a job, a cached call.

        Args:
            function: The function, plain or a coroutine function; it takes no arguments.
            users: How many call it at once; one, unless there is a rate.
            rate: How many calls are due a second.
            arrivals: As in `run`.
            duration: As in `run`.
            calls: How often to call it instead.
            warmup: As in `run`.
            seed: As in `run`.
            budgets: As in `run`; `iteration_duration` is how long a call took.

        Raises:
            BudgetError: As in `run`.
            PerformanceError: If the function cannot be called without arguments.
            BaseException: What the function raised.
        """
        __tracebackhide__ = True
        from .performance.works import CallWork

        return await self._load(
            CallWork(function),
            budgets,
            users=users if users is not None or rate is not None else 1,
            rate=rate,
            arrivals=arrivals,
            duration=duration,
            requests=calls,
            warmup=warmup,
            seed=seed,
        )

    @awaited
    async def measure_events(
        self,
        event: str,
        data: Mapping[str, Any] | Callable[[Random], Mapping[str, Any]] | None = None,
        *,
        users: int | None = None,
        rate: float | str | None = None,
        arrivals: str = "even",
        duration: str | timedelta | None = None,
        events: int | None = None,
        warmup: bool = True,
        seed: int = 0,
        budgets: Sequence[str] = (),
    ) -> PerformanceResult:
        """Publish an event again and again and return how long it takes until its handlers are through.

        Args:
            event: The event's name.
            data: What it says, or a function that is given a `random.Random` and returns it.
            users: How many publish at once, each its next one when its last was heard; one, unless there is a rate.
            rate: How many events are due a second.
            arrivals: As in `run`.
            duration: As in `run`.
            events: How many to publish instead.
            warmup: As in `run`.
            seed: As in `run`.
            budgets: As in `run`; `iteration_duration` is how long it took until an event's last handler was through.

        Raises:
            BudgetError: As in `run`.
            PerformanceError: If nobody listens to the event.
        """
        __tracebackhide__ = True
        from .performance.works import EventWork

        await self.app.startup()
        return await self._load(
            EventWork(self.app, event, data),
            budgets,
            users=users if users is not None or rate is not None else 1,
            rate=rate,
            arrivals=arrivals,
            duration=duration,
            requests=events,
            warmup=warmup,
            seed=seed,
        )

    @awaited
    async def compare(
        self,
        what: str | Sequence[str],
        base: App,
        *,
        margin: str = "5%",
        blocks: tuple[int, int] = (20, 60),
        requests: int = 300,
        seed: int = 0,
        params: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> Comparison:
        """Find out whether the app is slower than another one, by blocks of requests that take turns.

        Each route's p50 and p95 is a report of its own, which fails only if the app is slower by more than the margin,
        by more than 50 µs, and by more than chance.

        Args:
            what: A request, or several, that both apps answer.
            base: The other app: the same plugin with another configuration, or another version of it.
            margin: By which part it may be slower.
            blocks: How many blocks there are at least, and at most, while it is not clear.
            requests: How many requests a block has.
            seed: The seed of the order of blocks, and of all else that is drawn.
            params: As in `run`.
            query: As in `run`.
            headers: As in `run`.
            json: As in `run`.

        Raises:
            PerformanceError: If that cannot be, or a request fails.
        """
        __tracebackhide__ = True
        from .performance.comparison import compare_apps, share
        from .performance.targets import Fill

        for app in (self.app, base):
            await _ready(app)
        result = await compare_apps(
            self.app,
            base,
            [what] if isinstance(what, str) else list(what),
            fill=Fill(params, query, headers, json),
            margin=share("margin", margin),
            blocks=blocks,
            requests=requests,
            seed=seed,
        )
        self.results.append(result)
        return result

    @awaited
    async def run_leaks(
        self,
        what: str | Callable[[], Awaitable[Any]],
        *,
        requests: int = 1000,
        rounds: int = 5,
        seed: int = 0,
        params: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> Leaks:
        """Find out what requests leave behind: memory, tasks, connections, and queries that become more.

        Each is a report of its own, which fails if every round after the first left something.

        Args:
            what: A request or a scenario, as in `run`.
            requests: How many there are in a round.
            rounds: How many rounds there are; the first fills caches, and does not count.
            seed: As in `run`.
            params: As in `run`.
            query: As in `run`.
            headers: As in `run`.
            json: As in `run`.

        Raises:
            PerformanceError: As in `run`.
            BaseException: What a scenario raised.
        """
        __tracebackhide__ = True
        from .performance.leaks import find_leaks
        from .performance.plan import make_work
        from .performance.targets import Fill

        await _ready(self.app)
        work = make_work(self.app, what, Fill(params, query, headers, json), seed)
        result = await find_leaks(self.app, work, requests=requests, rounds=rounds, seed=seed)
        self.results.append(result)
        return result

    @awaited
    async def run_growth(
        self,
        function: Callable[[int], Any],
        *,
        sizes: Sequence[int] = (100, 1_000, 10_000),
        rounds: int = 12,
        limit: float = 1.25,
        seed: int = 0,
    ) -> Growth:
        """Find out whether the time that something takes grows worse than linearly with its size.

        Args:
            function: It is given a size; plain, or a coroutine function.
            sizes: The sizes, at least three; the greatest at least ten times the least.
            rounds: How often each is measured.
            limit: The slope of time over size, in logarithms, that is still taken for linear.
            seed: The seed of the order of sizes.

        Raises:
            PerformanceError: If that cannot be.
            BaseException: What the function raised.
        """
        __tracebackhide__ = True
        from .performance.growth import measure_growth

        await _ready(self.app)
        result = await measure_growth(function, sizes, rounds=rounds, limit=limit, seed=seed)
        self.results.append(result)
        return result

    async def _load(self, what: Any, budgets: Sequence[str], **said: Any) -> PerformanceResult:
        __tracebackhide__ = True
        from .performance.budgets import gather
        from .performance.load import Load
        from .performance.plan import make_plan

        app = self.app
        await _ready(app)
        plan = make_plan(app, what, **said)
        load = Load(app, plan, gather(app, plan, budgets, self._nexus_budgets))
        try:
            return await load.run()
        finally:
            if load.result is not None:
                self.results.append(load.result)


async def _ready(app: App) -> None:
    """Start an app, and have it on the loop of the test that runs."""
    await app.startup()
    if app.loop is not asyncio.get_running_loop():
        app.backend.owner.bind()
