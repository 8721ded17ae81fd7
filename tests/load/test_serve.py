"""`nexus-testing serve`: plugins on a real server, from its start to its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import httpx
import pytest

from nexus_testing.errors import ServeError
from nexus_testing.load.server import _listening

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Repo


@contextmanager
def serving(repo: Repo, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any], IO[str]]]:
    """Serve the repository's plugin on a free port; give the process, what it says of itself, and what it writes."""
    command = [sys.executable, "-m", "nexus_testing", "serve", "shop", "--port", "0", *options]
    with subprocess.Popen(
        command, cwd=repo.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ)
    ) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline()), process.stdout
        finally:
            process.kill()


def test_a_plugin_is_served_and_shut_down(repo: Repo, shop: Path) -> None:
    """Routes, health and documentation answer; Ctrl-C shuts the plugin down and is no failure."""
    with serving(repo) as (process, said, out):
        assert ("127.0.0.1", ["shop"]) == (said["host"], said["plugins"])
        with httpx.Client(base_url=said["url"]) as client:
            assert {"hello": "anonymous"} == client.get("/api/shop/hello").json()
            assert {"hello": "user"} == client.get("/api/shop/hello", headers=said["principals"]["user"]).json()
            assert 1 == client.get("/health").json()["plugins"]
            assert 200 == client.get("/docs").status_code
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(20)
        assert "the shop is shut\n" in out.readlines()


def test_what_changes_is_loaded_anew(repo: Repo, shop: Path) -> None:
    """With --reload; code that cannot be loaded leaves the old one up."""
    with serving(repo, "--reload") as (_, said, out), httpx.Client(base_url=said["url"]) as client:

        def saved(text: str, news: str) -> None:
            # The watch is in place a moment after the server is up, and says nothing of that.
            until = time.monotonic() + 20
            while time.monotonic() < until:
                shop.write_text(text)
                if news in out.readline():
                    return
            pytest.fail(f"nothing said {news!r}")

        saved(shop.read_text().replace('"hello":', '"bye":'), "was loaded anew")
        assert {"bye": "anonymous"} == client.get("/api/shop/hello").json()


@pytest.mark.parametrize(
    ("more", "options", "text"),
    [
        ("raise ValueError('no tills')", (), "ValueError: no tills"),
        ("", ("--host", "127.0.0.300"), "Nothing can listen at 127.0.0.300:0"),
        ("", ("--config", "nowhere.yaml"), "cannot be read"),
        ("", ("--backend", "platform"), "nexus-platform"),
    ],
)
def test_what_cannot_be_served(repo: Repo, shop: Path, more: str, options: tuple[str, ...], text: str) -> None:
    """The error is ours or the plugin's own, in words, and the exit code is 2."""
    shop.write_text(f"{shop.read_text()}\n{more}\n")
    result = repo.python("-m", "nexus_testing", "serve", "shop", "--port", "0", *options)
    assert 2 == result.ret
    assert text in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


def test_a_port_that_is_taken() -> None:
    """The message says which, and how to take another one."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        taken = pytest.raises(ServeError, match=rf"127\.0\.0\.1:{port}: the port is taken(.|\n)*--port 0")
        with taken, _listening("127.0.0.1", port):
            pass


def test_sockets_send_what_they_have_at_once() -> None:
    """Asyncio turns Nagle's delay off for sockets that say that they are TCP; for others a request takes 40 ms."""
    with _listening("127.0.0.1", 0) as listener:
        assert socket.IPPROTO_TCP == listener.proto


def test_how_late_the_loop_was(repo: Repo, shop: Path, tmp_path: Path) -> None:
    """A line of JSON each second."""
    beats = tmp_path / "beats.jsonl"
    with serving(repo, "--beats", str(beats)):
        until = time.monotonic() + 20
        while time.monotonic() < until and (not beats.exists() or not beats.read_text()):
            time.sleep(0.05)
    assert {"at", "blocks", "lag", "tasks"} == set(json.loads(beats.read_text().splitlines()[0]))
