"""How the measuring itself went: lateness of the loop, pauses of the collector, and who used the processors."""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import os
import platform
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .result import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

__all__ = ("Watch", "machine")

_TICK = 0.01
_LIBRARIES = ("nexus-testing", "fastapi", "starlette", "pydantic", "httpx")


def _busy() -> float | None:
    """Return how many seconds all processors together have been busy, where the system says it."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, steal, *_ = map(int, first[1:])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Watch:
    """Instruments that run while the block is entered by ``async with``."""

    def __init__(self) -> None:
        self.lags: array[float] = array("d")
        self.pauses: array[float] = array("d")
        self.own_cpu = 0.0
        self.own_seconds = 0.0
        self.foreign_cpu: float | None = None
        self._collecting = 0.0

    async def __aenter__(self) -> Self:
        self._ticking = asyncio.create_task(self._tick(), name="nexus loop lag")
        gc.callbacks.append(self._collected)
        self._began = (time.perf_counter(), _own(), _busy())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        started, own, busy = self._began
        elapsed, self.own_seconds, ended = time.perf_counter() - started, _own() - own, _busy()
        gc.callbacks.remove(self._collected)
        self._ticking.cancel()
        await asyncio.wait([self._ticking])
        if elapsed > 0:
            self.own_cpu = self.own_seconds / elapsed
            if busy is not None and ended is not None:
                self.foreign_cpu = max(ended - busy - self.own_seconds, 0.0) / elapsed

    async def _tick(self) -> None:
        due = time.perf_counter()
        while True:
            due += _TICK
            await asyncio.sleep(max(due - time.perf_counter(), 0.0))
            now = time.perf_counter()
            self.lags.append(max(now - due, 0.0))
            due = now

    def _collected(self, phase: str, info: Mapping[str, Any]) -> None:  # noqa: ARG002 - the collector's signature
        now = time.perf_counter()
        if phase == "start":
            self._collecting = now
        else:
            self.pauses.append(now - self._collecting)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def machine() -> Machine:
    """Return where this runs."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return Machine(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        system=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        processors=os.cpu_count() or 1,
        versions=versions,
    )
