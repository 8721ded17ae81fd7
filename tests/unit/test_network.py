"""Nothing leaves this machine while the guard is held; the tests themselves aim at loopback only."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nexus_testing import create_test_app
from nexus_testing.errors import LoopError, NetworkError, NexusTestingError, OutboundRefused, PluginLoadError
from nexus_testing.network import Allowance, NetworkGuard, allowance, guard, is_local
from nexus_testing.nexus.plugins import BasePlugin

ELSEWHERE = "api.example.invalid"


@pytest.fixture(name="held")
def _held() -> Iterator[NetworkGuard]:
    """A guard for which 127.0.0.2 is another machine."""
    mine = NetworkGuard(foreign=["127.0.0.2"])
    mine.hold()
    yield mine
    mine.let_go()


@pytest.fixture(name="server")
def _server() -> Iterator[socket.socket]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """What these tests had refused is none of the run's business."""
    yield
    guard.refused.clear()


# -- what is this machine ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("", "localhost", "LOCALHOST", "localhost.", "shop.localhost"),
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "[::1]", "::", "::ffff:127.0.0.1", "::1%lo"),  # noqa: S104 - nothing binds
    ],
)
def test_loopback_and_its_names_are_this_machine(host: str) -> None:
    """However they are written."""
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["example.com", "localhost.example.com", "notlocalhost", "10.0.0.1", "192.168.0.1", "::ffff:10.0.0.1"]
)
def test_all_else_is_not(host: str) -> None:
    """A private network is no exception, nor is a name that begins like ours."""
    assert not is_local(host)


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["connect", "connect_ex"])
def test_a_connection_elsewhere_is_refused(call: str, held: NetworkGuard) -> None:
    """The message has host, port and the caller's line."""
    with socket.socket() as one, pytest.raises(OutboundRefused, match=r"reach 127\.0\.0\.2:9, which is not") as refused:
        getattr(one, call)(("127.0.0.2", 9))
    assert (refused.value.host, refused.value.port) == ("127.0.0.2", 9)
    assert __file__ in str(refused.value.where)
    assert held.refused == [refused.value]


@pytest.mark.parametrize(
    "send",
    [
        lambda one: one.sendto(b"x", ("127.0.0.2", 9)),
        lambda one: one.sendto(b"x", 0, ("127.0.0.2", 9)),
        lambda one: one.sendmsg([b"x"], [], 0, ("127.0.0.2", 9)),
    ],
)
@pytest.mark.usefixtures("held")
def test_a_datagram_is_refused(send: Any) -> None:
    """Without any connection."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, pytest.raises(OutboundRefused):
        send(one)


@pytest.mark.parametrize("lookup", ["gethostbyname", "gethostbyname_ex", "gethostbyaddr"])
@pytest.mark.usefixtures("held")
def test_a_name_is_refused_before_anybody_is_asked(lookup: str) -> None:
    """The name never leaves this process."""
    with pytest.raises(OutboundRefused, match=ELSEWHERE):
        getattr(socket, lookup)(ELSEWHERE)


@pytest.mark.parametrize("host", [ELSEWHERE, ELSEWHERE.encode()])
@pytest.mark.usefixtures("held")
def test_addresses_are_looked_up_for_nobody(host: Any) -> None:
    """A name in bytes is a name."""
    with pytest.raises(OutboundRefused, match=f"{ELSEWHERE}:443"):
        socket.getaddrinfo(host, 443)


@pytest.mark.usefixtures("held")
@pytest.mark.asyncio
async def test_the_loop_looks_nothing_up() -> None:
    """The line is the caller's, not that of a thread of the loop's."""
    with pytest.raises(OutboundRefused) as refused:
        await asyncio.open_connection(ELSEWHERE, 443)
    assert "test_the_loop_looks_nothing_up" in str(refused.value.where)


@pytest.mark.usefixtures("held")
def test_other_threads_are_guarded_too() -> None:
    """The error comes out where the thread's result is asked for."""
    with ThreadPoolExecutor(1) as pool, pytest.raises(OutboundRefused):
        pool.submit(socket.create_connection, ("127.0.0.2", 9)).result()


def test_a_drivers_thread_gets_an_ordinary_error(held: NetworkGuard) -> None:
    """Pymongo's monitors would die of any other, noisily; it is on record all the same."""
    raised: list[BaseException] = []

    def monitor() -> None:
        try:
            socket.create_connection(("127.0.0.2", 9))
        except OSError as error:
            raised.append(error)

    thread = threading.Thread(target=monitor, name="pymongo_server_monitor_thread")
    thread.start()
    thread.join()
    assert [ConnectionRefusedError] == [type(one) for one in raised]
    assert 1 == len(held.refused)


@pytest.mark.usefixtures("held")
def test_no_retry_catches_it() -> None:
    """It is no Exception, and no error that an author would catch."""
    tries = 0
    with pytest.raises(OutboundRefused):  # noqa: PT012 - the loop is what is shown
        while tries < 3:
            tries += 1
            try:
                socket.create_connection(("127.0.0.2", 9))
            except Exception:  # noqa: BLE001, S112 - as plugins do
                continue
    assert 1 == tries
    assert not issubclass(OutboundRefused, NexusTestingError)


# -- what passes ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("held")
def test_loopback_passes(server: socket.socket) -> None:
    """By address and by name, and so do sockets of the file system."""
    address = server.getsockname()
    socket.create_connection(address).close()
    socket.create_connection(("localhost", address[1])).close()
    one, other = socket.socketpair()
    with one, other:
        assert 1 == one.send(b"x")
    assert socket.getaddrinfo(None, 80)
    socket.gethostbyaddr(socket.gethostname())


@pytest.mark.usefixtures("held")
def test_a_socket_of_the_file_system_passes(tmp_path: Any) -> None:
    """It has a path and no host."""
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as one:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        one.connect(str(tmp_path / "s"))


def test_what_is_allowed_passes(held: NetworkGuard, server: socket.socket) -> None:
    """At that port, and at no other."""
    port = server.getsockname()[1]
    held.allowed = (Allowance("127.0.0.2", port),)
    with pytest.raises(OSError, match="refused"):
        # Nothing listens there, which the system says, and not the guard.
        socket.create_connection(("127.0.0.2", port))
    with socket.socket() as one, pytest.raises(OutboundRefused):
        one.connect(("127.0.0.2", port + 1 if port < 65535 else 1024))


def test_a_trusted_server_passes_while_somebody_uses_it(held: NetworkGuard, server: socket.socket) -> None:
    """The server that an app is configured with passes, at its port alone, until the last of its users is done."""
    port = server.getsockname()[1]
    ends = [held.trust("127.0.0.2", port), held.trust("127.0.0.2", port)]
    held.check("127.0.0.2", port)
    with pytest.raises(OutboundRefused):
        held.check("127.0.0.2", port - 1)
    ends[0]()
    held.check("127.0.0.2", port)
    ends[1]()
    with pytest.raises(OutboundRefused):
        held.check("127.0.0.2", port)


def test_the_addresses_of_an_allowed_name_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is allowed, and the address that it stands for is what is connected to."""

    def resolver(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port))]

    resolver.__name__ = "getaddrinfo"
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    mine = NetworkGuard(foreign=["127.0.0.2"])
    mine.allowed = (Allowance(ELSEWHERE, 9),)
    mine.hold()
    try:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((ELSEWHERE, 9))
        with pytest.raises(OutboundRefused):
            socket.create_connection((ELSEWHERE, 10))
    finally:
        mine.let_go()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.com:443", ("example.com", 443)),
        ("Example.com", ("example.com", None)),
        ("[::1]:80", ("::1", 80)),
        ("fe80::1", ("fe80::1", None)),
        ("*", ("*", None)),
    ],
)
def test_what_may_be_allowed(text: str, expected: tuple[str, int | None]) -> None:
    """A host and a port, a host, or everything."""
    assert expected == allowance(text)


@pytest.mark.parametrize("text", ["", ":443", "https://example.com", "example.com:", "example.com:http", "a:99999"])
def test_what_is_no_host(text: str) -> None:
    """A mistake would let nothing out, and nobody would know why."""
    with pytest.raises(NetworkError, match="is no host and port"):
        allowance(text)


# -- when it is on -------------------------------------------------------------------------------------------------


def test_it_is_on_while_somebody_holds_it() -> None:
    """The last one to let go takes everything off, exactly as it was."""

    def state() -> list[Any]:
        names = ("connect", "connect_ex", "sendto", "sendmsg")
        own = [vars(socket.socket).get(name) for name in names]
        return [*own, socket.getaddrinfo, socket.gethostbyname, vars(asyncio.BaseEventLoop)["getaddrinfo"]]

    before = state()
    mine = NetworkGuard()
    mine.hold()
    mine.hold()
    assert all(now is not then for now, then in zip(state(), before, strict=True))
    mine.let_go()
    assert mine.is_on
    mine.let_go()
    assert not mine.is_on
    assert before == state()


@pytest.mark.asyncio
async def test_it_is_on_while_an_app_is_up() -> None:
    """A plugin's call is named after the plugin; a load that fails of it says so, and has it as its cause."""

    class Caller(BasePlugin):
        async def initialize(self) -> bool:
            await asyncio.open_connection(ELSEWHERE, 443)
            return True

    assert not guard.is_on
    async with create_test_app() as app:
        assert guard.is_on
        with pytest.raises(
            PluginLoadError, match=r"failed in initialize\(\): OutboundRefused: Plugin 'caller'"
        ) as failed:
            await app.load_plugin(Caller)
    assert isinstance(failed.value.__cause__, OutboundRefused)
    assert "nexus_allow_network" in str(failed.value)
    assert not guard.is_on


def test_a_loop_that_cannot_be_guarded_is_refused() -> None:
    """Uvloop's sockets are none of Python's; who lets everything out may use it."""

    class Loop(asyncio.SelectorEventLoop):
        __module__ = "uvloop"

    async def start() -> None:
        async with create_test_app():
            pass

    with asyncio.Runner(loop_factory=Loop) as runner, pytest.raises(LoopError, match="uvloop opens sockets past"):
        runner.run(start())
    guard.allowed = (Allowance("*"),)
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(start())
    guard.allowed = ()
