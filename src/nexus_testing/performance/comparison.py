"""Two apps compared in one process, in blocks that take turns."""

from __future__ import annotations

import asyncio
import random
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from .._version import __version__
from ..errors import PerformanceError
from ..locations import caller
from .driver import Meter
from .instruments import machine
from .load import KEPT, put_aside
from .paired import FEWEST, Contrast, Pair, Statistic, contrasts, decided
from .result import Machine
from .samples import percentile
from .targets import target
from .units import whole
from .verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..app import App
    from .targets import Fill, Target

__all__ = ("BLOCKS", "MARGIN", "REQUESTS", "Comparison", "block", "compare_apps", "share")

MARGIN = 0.05
"""By which part the head may be slower, unless said otherwise."""

BLOCKS = (20, 60)
"""How many blocks there are at least and at most."""

REQUESTS = 300
"""How many requests a block has."""

_STEP = 10
_STATISTICS: tuple[tuple[Statistic, float], ...] = (("p50", 50.0), ("p95", 95.0))


class Comparison(BaseModel):
    """What a comparison came to: one contrast for each route and statistic, and a verdict for each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["nexus-testing/comparison"] = "nexus-testing/comparison"
    version: Literal[1] = 1
    tool: str
    what: str
    margin: float
    requests: int
    seed: int
    contrasts: list[Contrast]
    verdicts: list[Verdict]
    machine: Machine
    interrupted: Literal[False] = False


def share(name: str, said: object) -> float:
    """Return a share of 1.

    Args:
        name: The argument that it is, for the message.
        said: Such as "5%".

    Raises:
        PerformanceError: If it is none, or nothing.
    """
    __tracebackhide__ = True
    number = said.removesuffix("%").strip() if isinstance(said, str) and said.endswith("%") else ""
    try:
        found = float(number) / 100
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise PerformanceError(f"{name}={said!r} cannot be.", where=caller(2), why="it is a share", fix=f'{name}="5%"')
    return found


class _Side:
    """One of the two apps, with its requests."""

    def __init__(self, app: App, what: Sequence[str], fill: Fill, seed: int) -> None:
        self.app = app
        self.meter = Meter(app.backend.asgi, random.Random(seed))  # noqa: S311 - no secret
        self.targets = [target(app, one, fill, seed) for one in what]

    def at(self, place: int) -> tuple[Meter, Target]:
        """Return what keeps the times of one of its requests, and the request."""
        return self.meter, self.targets[place]


async def block(
    sides: Mapping[str, tuple[Meter, Target]], requests: int, rng: random.Random
) -> dict[str, dict[Statistic, float]]:
    """Send one block of requests on each side, request by request in turns, and return the statistics of each.

    Whatever else the machine does meanwhile meets all sides alike.

    Args:
        sides: Each with what keeps its times, and its request.
        requests: How many there are on each.
        rng: Where the order in each turn comes from.

    Raises:
        PerformanceError: If a request fails.
    """
    for meter, _ in sides.values():
        meter.begin()
    order = list(sides.values())
    for _ in range(requests):
        rng.shuffle(order)
        for meter, one in order:
            await meter.shoot(one.name, one.shot(meter.rng), None)
            await asyncio.sleep(0)
    found = {}
    for name, (meter, one) in sides.items():
        track = meter.tracks[one.name]
        if any(track.failed):
            raise PerformanceError(
                f"{one.name!r} fails, so there is nothing to compare.",
                where=caller(),
                why=", ".join(f"{count} times {reason}" for reason, count in track.failures.items()),
                fix="Say params=, query=, headers= or json= with which both apps answer.",
            )
        ordered = sorted(track.durations)
        found[name] = {statistic: percentile(ordered, percent) for statistic, percent in _STATISTICS}
    return found


async def compare_apps(
    head: App,
    base: App,
    what: Sequence[str],
    *,
    fill: Fill,
    margin: float = MARGIN,
    blocks: tuple[int, int] = BLOCKS,
    requests: int = REQUESTS,
    seed: int = 0,
) -> Comparison:
    """Measure two apps in turns until it is clear whether the head is slower.

    Args:
        head: The app that is in question.
        base: The app that it is compared with.
        what: Requests that both answer.
        fill: What fills them.
        margin: By which part the head may be slower.
        blocks: How many blocks there are at least and at most.
        requests: How many requests a block has.
        seed: The seed of the order of blocks, and of all else that is drawn.

    Raises:
        PerformanceError: If that cannot be, or an app does not answer.
    """
    __tracebackhide__ = True
    least, most = whole("blocks", blocks[0], FEWEST), whole("blocks", blocks[1], blocks[0])
    whole("requests", requests, 10)
    if head is base:
        raise PerformanceError(
            "An app cannot be compared with itself.",
            where=caller(2),
            fix="Make another: async with create_test_app([…], config={…}) as base: …",
        )
    rng = random.Random(seed)  # noqa: S311 - no secret
    sides = {"base": _Side(base, what, fill, seed), "head": _Side(head, what, fill, seed)}
    pairs: dict[tuple[str, Statistic], list[Pair]] = {}
    with ExitStack() as stack:
        for side in sides.values():
            stack.enter_context(side.app._under_load(lambda asgi: asgi, KEPT, lambda _: None))
        for place in range(len(what)):
            await block({name: side.at(place) for name, side in sides.items()}, requests, rng)
        stack.enter_context(put_aside(wanted=True))
        done = 0
        found: list[Contrast] = []
        while done < most and not (found and decided(found)):
            for _ in range(least if not done else min(_STEP, most - done)):
                await _round(sides, pairs, requests, rng)
                done += 1
            found = contrasts(pairs, margin, last=done >= most)
    return Comparison(
        tool=__version__,
        what=", ".join(what),
        margin=margin,
        requests=requests,
        seed=seed,
        contrasts=found,
        verdicts=[_verdict(one, margin) for one in found],
        machine=machine(),
    )


async def _round(
    sides: Mapping[str, _Side], pairs: dict[tuple[str, Statistic], list[Pair]], requests: int, rng: random.Random
) -> None:
    """Measure one block of each route, in an order of its own."""
    places = list(range(len(sides["head"].targets)))
    rng.shuffle(places)
    for place in places:
        found = await block({name: side.at(place) for name, side in sides.items()}, requests, rng)
        route = sides["head"].targets[place].name
        for statistic, _ in _STATISTICS:
            pair = Pair(found["base"][statistic], found["head"][statistic])
            pairs.setdefault((route, statistic), []).append(pair)


def _verdict(one: Contrast, margin: float) -> Verdict:
    outcomes: dict[str, Literal["passed", "failed", "skipped"]] = {"PASS": "passed", "FAIL": "failed"}
    return Verdict(
        rule=f"{one.route} {one.statistic} <= {1 + margin:g}x base",
        status=one.status,
        outcome=outcomes.get(one.status, "skipped"),
        text=(
            f"{one.ratio:.4g}x ({one.low:.4g} … {one.high:.4g}), {one.base * 1000:.4g} ms → {one.head * 1000:.4g} ms, "
            f"limit <= {1 + margin:g}x, n={one.blocks}"
        ),
        reason=one.reason,
        value=one.ratio,
        limit=1 + margin,
        samples=one.blocks,
        level="error",
        source="budgets",
    )
