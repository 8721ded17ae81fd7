"""A real PostgreSQL on loopback, for the tests that need one."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SECONDS = 60
USER, PASSWORD = "shop", "open-sesame"


def _folder() -> Path | None:
    """Return where PostgreSQL's programs are; Debian keeps them out of the path."""
    on_path = shutil.which("postgres")
    if on_path is not None:
        return Path(on_path).resolve().parent
    versions = [one.parent for one in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(versions, key=lambda one: float(one.parent.name), default=None)


def _user() -> list[str]:
    """Return what makes a program run as somebody else than root, who may not run it."""
    if os.getuid():
        return []
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return ["setpriv", f"--reuid={found.pw_uid}", f"--regid={found.pw_gid}", "--clear-groups"]
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")


class PostgresProcess:
    """A PostgreSQL of the tests' own, at a free port.

    Args:
        programs: Where its programs are.
        folder: Where its data is; made by `initdb`.
        options: Settings of the server, as `name=value`.
    """

    def __init__(self, programs: Path, folder: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._programs = programs
        self._log = (folder.parent / f"{folder.name}.log").open("w+")
        settings = [
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            "unix_socket_directories=",
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            *options,
        ]
        command = [*_user(), str(programs / "postgres"), "-D", str(folder)]
        self._process = subprocess.Popen(
            [*command, *(word for one in settings for word in ("-c", one))],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd="/",
        )
        self.address = f"postgresql://{USER}:***@127.0.0.1:{self.port}/postgres"
        self.url = self.address.replace("***", PASSWORD)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(ready, check=False).returncode == 0:
                return
            time.sleep(0.02)
        self.stop()
        pytest.fail(f"postgres did not answer at port {self.port} within {SECONDS} s")

    def sql(self, statement: str) -> list[str]:
        """Return the lines that `psql` prints for a statement."""
        command = [str(self._programs / "psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statement, self.url]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    def schemas(self) -> list[str]:
        """Return the schemas of apps."""
        return self.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'nexus%' ORDER BY 1")

    def stop(self) -> None:
        """End it at once."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
        self._process.wait()
        self._log.close()


@pytest.fixture(scope="session")
def start_postgres() -> Iterator[Callable[..., PostgresProcess]]:
    """Starts a PostgreSQL of one's own, with settings of the server."""
    programs = _folder()
    if programs is None:
        pytest.skip("no PostgreSQL is installed (apt-get install postgresql)")
    started: list[PostgresProcess] = []
    with tempfile.TemporaryDirectory(prefix="nexus-postgres-") as name:
        folder = Path(name)
        if not os.getuid():
            folder.chmod(0o777)
        (folder / "password").write_text(PASSWORD, encoding="ascii")
        fresh = folder / "fresh"
        command = [*_user(), str(programs / "initdb"), "-D", str(fresh), "-U", USER, "--no-sync", "--no-locale"]
        command += ["--encoding=UTF8", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}"]
        subprocess.run(command, check=True, capture_output=True, cwd="/")

        def start(*options: str) -> PostgresProcess:
            data = folder / str(len(started))
            subprocess.run([*_user(), "cp", "-R", "-p", str(fresh), str(data)], check=True)
            started.append(PostgresProcess(programs, data, *options))
            return started[-1]

        yield start
        for one in started:
            one.stop()


@pytest.fixture(scope="session")
def postgres_server(start_postgres: Callable[..., PostgresProcess]) -> PostgresProcess:
    """A PostgreSQL that the tests of one process share."""
    return start_postgres()
