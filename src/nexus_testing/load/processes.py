"""The processes of a run: the server under load and Locust, each in a group of its own, watched and ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ServeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ("Process", "Usage", "start_server")

_TAIL = 40
"""How many of the last lines of a process are kept for the message that says how it ended."""

_GRACE = 20.0
"""Seconds that a process has to end in good order before it is killed."""

_LOOK = 0.25
"""Seconds between two looks at what a process uses."""


class Usage(NamedTuple):
    """What a process and its children used at one moment: seconds of processors so far, and bytes of memory."""

    at: float
    cpu: float
    rss: int


class Process:
    """A process in a group of its own.

    Args:
        command: Its command line.
        env: Its environment.
        folder: Its working directory.
        on_line: Called with each line that it writes, in a thread.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        folder: Path,
        on_line: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - the commands are ours
            command,
            env=dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self.usage: list[Usage] = []
        self._on_line = on_line
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._look)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self.tail.append(line.rstrip("\n"))
            self._on_line(line.rstrip("\n"))

    def _look(self) -> None:
        import psutil

        known: dict[int, Any] = {}
        cpu: dict[int, float] = {}
        while self._process.poll() is None:
            with contextlib.suppress(psutil.Error):
                root = psutil.Process(self._process.pid)
                known |= {one.pid: one for one in (root, *root.children(recursive=True)) if one.pid not in known}
            rss = 0
            for pid, one in known.items():
                with contextlib.suppress(psutil.Error), one.oneshot():
                    times = one.cpu_times()
                    # What has ended keeps what it used.
                    cpu[pid] = times.user + times.system
                    rss += one.memory_info().rss
            self.usage.append(Usage(time.monotonic(), sum(cpu.values()), rss))
            time.sleep(_LOOK)

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """Wait for its end; return its exit code, or None if it still runs.

        Args:
            seconds: How long at most.
        """
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """Tell it to end, and kill it and all that it started if it does not."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, number)
                self.wait(_GRACE if number != signal.SIGKILL else 1.0)
        with contextlib.suppress(ProcessLookupError):
            # What it started and did not wait for.
            os.killpg(self._process.pid, signal.SIGKILL)
        for thread in self._threads:
            thread.join(timeout=2)


def start_server(
    plugins: Sequence[str], folder: Path, env: Mapping[str, str], *, options: Sequence[str], limit: float
) -> tuple[Process, dict[str, Any]]:
    """Start plugins on a server, on a free port of this machine; return it and what it says of itself.

    Args:
        plugins: Names or paths.
        folder: The working directory.
        env: The environment.
        options: More options of the command.
        limit: Seconds that it has to be up.

    Raises:
        ServeError: If it ends, or is not up in time.
    """
    said: dict[str, Any] = {}
    up = threading.Event()

    def line(text: str) -> None:
        if not up.is_set() and text.startswith("{"):
            with contextlib.suppress(ValueError):
                said.update(json.loads(text))
                up.set()

    command = [sys.executable, "-m", "nexus_testing", "serve", *plugins, "--port", "0", *options]
    process = Process(command, env, folder, line)
    until = time.monotonic() + limit
    while not up.wait(0.05):
        if process.code is not None:
            process.end()
            raise ServeError("The server did not start.", why="\n".join(process.tail), fix="Mend what it says.")
        if time.monotonic() > until:
            process.end()
            raise ServeError(
                f"The server was not up within {limit:g} s.",
                why="\n".join(process.tail) or "it said nothing",
                fix="Let initialize() end sooner, or allow more: --start-limit.",
            )
    return process, said
