"""A real Redis on loopback, for the tests that compare with one."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SECONDS = 20


class RedisProcess:
    """A Redis of the tests' own, at a free port. Keeps nothing on disk.

    Args:
        folder: Where it may write.
        options: What `redis-server` is told besides.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [*command, "--dir", str(folder), *options], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        self.url = f"redis://127.0.0.1:{self.port}"
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                # One that wants a password refuses, and is there all the same.
                if connection.recv(16):
                    return
            time.sleep(0.01)
        self.stop()
        pytest.fail(f"redis-server did not answer at port {self.port} within {SECONDS} s")

    def cli(self, *words: str) -> str:
        """Return what `redis-cli` prints."""
        command = ["redis-cli", "-p", str(self.port), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def stop(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="session")
def start_redis() -> Iterator[Callable[..., RedisProcess]]:
    """Starts a Redis of one's own, with options of `redis-server`."""
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server is installed (apt-get install redis-server)")
    started: list[RedisProcess] = []
    with tempfile.TemporaryDirectory() as folder:

        def start(*options: str) -> RedisProcess:
            started.append(RedisProcess(Path(folder), *options))
            return started[-1]

        yield start
        for one in started:
            one.stop()


@pytest.fixture(scope="session")
def redis_server(start_redis: Callable[..., RedisProcess]) -> RedisProcess:
    """A Redis that the tests of one process share."""
    return start_redis()
