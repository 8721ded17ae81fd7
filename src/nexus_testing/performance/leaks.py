"""What each request leaves behind, over rounds of them: what only grows for a while is no leak."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import random
import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from .._version import __version__
from .driver import Meter
from .instruments import machine
from .load import KEPT
from .result import Machine
from .units import whole
from .verdicts import Verdict

if TYPE_CHECKING:
    from collections import Counter

    from ..app import App
    from .works import Work

__all__ = ("LIMITS", "Leaks", "find_leaks")

LIMITS = {"blocks": 0.1, "tasks": 0.01, "descriptors": 0.01, "queries": 0.01}
"""How much of each a request may leave behind; of queries, by how many each round may have more than the last."""

_TEXTS = {
    "blocks": "blocks of memory left by each request",
    "tasks": "tasks left by each request",
    "descriptors": "connections and files left open by each request",
    "queries": "queries more for each request, from round to round",
}


class Leaks(BaseModel):
    """What requests leave, one number for each round, and a verdict for each kind.

    The first round is measured and not judged: what fills caches is no leak. `descriptors` is None where the system
    does not say how many there are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["nexus-testing/leaks"] = "nexus-testing/leaks"
    version: Literal[1] = 1
    tool: str
    what: str
    requests: int
    blocks: list[float]
    tasks: list[float]
    descriptors: list[float] | None
    queries: list[float]
    verdicts: list[Verdict]
    machine: Machine
    interrupted: Literal[False] = False


class _State(NamedTuple):
    blocks: int
    tasks: int
    descriptors: int | None


def _state() -> _State:
    gc.collect()
    try:
        descriptors: int | None = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - iterdir opens nothing else, and is slower
    except OSError:
        descriptors = None
    return _State(sys.getallocatedblocks(), len(asyncio.all_tasks()), descriptors)


async def find_leaks(app: App, work: Work, *, requests: int, rounds: int, seed: int) -> Leaks:
    """Send rounds of requests and find what each of them leaves behind.

    Args:
        app: The app, up.
        work: What is done again and again.
        requests: How many there are in a round.
        rounds: How many rounds there are; the first does not count.
        seed: The seed of what is drawn.

    Raises:
        PerformanceError: If there are too few.
        BaseException: What the work raised.
    """
    __tracebackhide__ = True
    whole("requests", requests, 50)
    whole("rounds", rounds, 3)
    meter = Meter(app.backend.asgi, random.Random(seed), app.routes)  # noqa: S311 - no secret
    found: dict[str, list[float]] = {name: [] for name in LIMITS}
    with app._under_load(meter.around, KEPT, work.observe) as counts:
        # Until the journal's ring is full it grows by itself.
        before = 0
        while sum(counts.values()) < KEPT and before < KEPT:
            await work.run(meter, None)
            before += 1
        for _ in range(rounds):
            await _round(app, meter, work, requests, counts, found)
    return Leaks(
        tool=__version__,
        what=work.name,
        requests=requests,
        blocks=found["blocks"],
        tasks=found["tasks"],
        descriptors=found["descriptors"] or None,
        queries=found["queries"],
        verdicts=[_verdict(name, values) for name, values in found.items() if values],
        machine=machine(),
    )


async def _round(  # noqa: PLR0917 - called in one place
    app: App, meter: Meter, work: Work, requests: int, counts: Counter[str], found: dict[str, list[float]]
) -> None:
    meter.begin()
    counts["Query"] = 0
    await app.backend.settle()
    start = _state()
    for _ in range(requests):
        await work.run(meter, None)
        await asyncio.sleep(0)
    # Events that are still to be heard are no leak.
    await app.backend.settle()
    meter.begin()
    end = _state()
    found["blocks"].append((end.blocks - start.blocks) / requests)
    found["tasks"].append((end.tasks - start.tasks) / requests)
    if start.descriptors is not None and end.descriptors is not None:
        found["descriptors"].append((end.descriptors - start.descriptors) / requests)
    found["queries"].append(counts["Query"] / requests)


def _verdict(name: str, values: list[float]) -> Verdict:
    """Return the verdict on one kind: what is left in every round that counts is a leak."""
    judged = [later - earlier for earlier, later in itertools.pairwise(values)]
    judged = judged if name == "queries" else values[1:]
    value, limit = min(judged), LIMITS[name]
    failed = value > limit
    rounds = ", ".join(f"{one:.3g}" for one in values)
    return Verdict(
        rule=f"{_TEXTS[name]} <= {limit:g}",
        status="FAIL" if failed else "PASS",
        outcome="failed" if failed else "passed",
        text=f"{value:.3g}, limit <= {limit:g}, rounds {rounds}",
        reason="in every round after the first" if failed else "",
        value=value,
        limit=limit,
        samples=len(judged),
        level="error",
        source="default",
    )
