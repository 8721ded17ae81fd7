"""Nothing leaves this machine while an app of a test is up."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import re
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import LoopError, NetworkError, OutboundRefused, UnmatchedCall
from .locations import caller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ("ANYWHERE", "Allowance", "NetworkGuard", "allowance", "guard", "is_local")

ANYWHERE = "*"
_LAST_PORT = 65535
# An address of the newer kind has colons of its own, and stands in brackets where a port follows.
_ALLOWANCE = re.compile(r"(?P<host>\[[^][/]+\]|[^][:/\s]+|[^][/\s]*:[^][/\s]*:[^][/\s]*)(:(?P<port>\d{1,5}))?")
_INTERNET = (socket.AF_INET, socket.AF_INET6)
_METHODS = {"connect": 0, "connect_ex": 0, "sendto": -1, "sendmsg": 3}
"""The methods of a socket that name an address, and which of their arguments it is."""
_LOOKUPS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr")


class Allowance(NamedTuple):
    """A host that may be reached, at one port or at all of them."""

    host: str
    port: int | None = None

    def covers(self, host: str, port: int | None) -> bool:
        """Say whether it is about a host and a port; a look-up of its name has no port.

        Args:
            host: The host.
            port: The port, if one is named.
        """
        return self.host in {host, ANYWHERE} and (self.port is None or port is None or self.port == port)


def allowance(text: str) -> Allowance:
    """Read an allowance such as "example.com:443", "example.com" or "*".

    Args:
        text: The text.

    Raises:
        NetworkError: If it is none.
    """
    found = _ALLOWANCE.fullmatch(text)
    if found is None or int(found["port"] or 1) not in range(1, _LAST_PORT + 1):
        raise NetworkError(
            f"{text!r} is no host and port that could be allowed.",
            fix='Write "example.com:443", "example.com" for every port, or "*" for every host.',
        )
    return Allowance(found["host"].strip("[]").lower(), int(found["port"]) if found["port"] else None)


@functools.lru_cache(maxsize=1024)
def is_local(host: str) -> bool:
    """Say whether a host is this machine: loopback, no address at all, or a name for them.

    Args:
        host: A name or an address.
    """
    name = host.strip("[]").partition("%")[0].rstrip(".").lower()
    if not name or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address: Any = ipaddress.ip_address(name)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return bool(address.is_loopback or address.is_unspecified)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class NetworkGuard:
    """Refuses what is meant for another machine, in every thread, while somebody holds it. There is one a process.

    Sockets and resolvers of Python are guarded; a loop that is written in C has its own.

    Args:
        foreign: Addresses that count as another machine's though they are this one's.
    """

    def __init__(self, foreign: Iterable[str] = ()) -> None:
        self.foreign = frozenset(foreign)
        self.allowed: tuple[Allowance, ...] = ()
        self.refused: list[OutboundRefused | UnmatchedCall] = []
        """What was raised, until somebody has looked whether the test noticed it."""
        self.trusted: dict[tuple[str, int | None], int] = {}
        """The servers of the databases and caches that apps use, each with how many of them do."""
        self.who: Callable[[], str | None] = lambda: None
        """Say whose code is running."""
        self._holders = 0
        self._resolved: set[tuple[str, int | None]] = set()
        self._undo: list[tuple[Any, str, Any]] = []
        self._guarded: dict[str, tuple[Any, Any]] = {}
        self._lock = threading.Lock()

    # -- when it is on -------------------------------------------------------------------------------------------

    @property
    def is_on(self) -> bool:
        """Whether somebody holds it."""
        return self._holders > 0

    def hold(self) -> None:
        """Refuse from now on, until as many have let go as hold it.

        Raises:
            LoopError: If the running loop cannot be guarded.
        """
        self._refuse_loop()
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                self._install()

    def let_go(self) -> None:
        """Let everything pass again, if nobody else holds it."""
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self._remove()

    def _refuse_loop(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if type(loop).__module__.partition(".")[0] == "uvloop" and not any(
            one.host == ANYWHERE for one in self.allowed
        ):
            raise LoopError(
                "The app cannot be used on a loop of uvloop's.",
                where=caller(2),
                why="uvloop opens sockets past Python, where nothing can keep them from leaving this machine",
                fix="Run the tests on asyncio's own loop, or let everything out: "
                '@pytest.mark.nexus_allow_network("*", reason="…").',
            )

    def _install(self) -> None:
        for name in _METHODS:
            self._put(socket.socket, name, self._method)
        for name in _LOOKUPS:
            self._put(socket, name, self._lookup)
        # Its own look-up would go through an executor's thread, where nobody knows any more who asked.
        self._put(asyncio.BaseEventLoop, "getaddrinfo", self._loop_lookup)

    def _put(self, owner: Any, name: str, guard: Callable[[Any], Any]) -> None:
        self._undo.append((owner, name, vars(owner).get(name)))
        original = getattr(owner, name)
        key = f"{owner.__name__}.{name}"
        # Each test has it on and off again, and the functions are the same every time.
        known = self._guarded.get(key)
        if known is None or known[0] is not original:
            known = self._guarded[key] = (original, guard(original))
        setattr(owner, name, known[1])

    def _remove(self) -> None:
        while self._undo:
            owner, name, before = self._undo.pop()
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
        self._resolved.clear()

    def trust(self, host: str, port: int | None) -> Callable[[], None]:
        """Let a server pass that an app is configured with, and return what ends that.

        Args:
            host: Its name or address.
            port: Its port.
        """
        key = (host.lower().rstrip("."), port)
        self.trusted[key] = self.trusted.get(key, 0) + 1

        def end() -> None:
            self.trusted[key] -= 1
            if not self.trusted[key]:
                del self.trusted[key]

        return end

    # -- what it looks at ----------------------------------------------------------------------------------------

    def _method(self, original: Any) -> Any:
        position = _METHODS[original.__name__]

        @functools.wraps(original)
        def guarded(sock: socket.socket, *args: Any) -> Any:
            __tracebackhide__ = True
            if sock.family in _INTERNET and args and (position < 0 or len(args) > position):
                address = args[position]
                if isinstance(address, tuple) and address and isinstance(address[0], str):
                    try:
                        self.check(address[0], address[1] if len(address) > 1 else None)
                    except BaseException:
                        # What makes connections closes its socket after an OSError, and after no other error.
                        if original.__name__ == "connect":
                            sock.close()
                        raise
            return original(sock, *args)

        return guarded

    def _lookup(self, original: Any) -> Any:
        @functools.wraps(original)
        def guarded(host: Any, *args: Any, **options: Any) -> Any:
            __tracebackhide__ = True
            port = args[0] if args else options.get("port")
            asked = self._check_name(host, port)
            found = original(host, *args, **options)
            if asked:
                self._remember(port, found)
            return found

        return guarded

    def _loop_lookup(self, original: Any) -> Any:
        @functools.wraps(original)
        async def guarded(loop: Any, host: Any, port: Any, **options: Any) -> Any:
            __tracebackhide__ = True
            self._check_name(host, port)
            return await original(loop, host, port, **options)

        return guarded

    def _check_name(self, host: Any, port: Any) -> bool:
        """Check a name that is looked up; say whether it is one that was allowed."""
        __tracebackhide__ = True
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        # An address is not looked up anywhere, and this machine's own name leads to this machine.
        if not isinstance(name, str) or is_local(name) or _is_address(name) or name == socket.gethostname():
            return False
        self.check(name, port if isinstance(port, int) else None)
        return True

    def _remember(self, port: Any, found: Any) -> None:
        """Let an allowed name's addresses pass as the name does."""
        addresses = [found] if isinstance(found, str) else found[2] if isinstance(found, tuple) else None
        if addresses is None:
            addresses = [entry[4][0] for entry in found]
        self._resolved.update((address, port if isinstance(port, int) else None) for address in addresses)

    def check(self, host: str, port: int | None = None) -> None:
        """Let a host pass, or refuse it.

        Args:
            host: A name or an address.
            port: The port, if one is named.

        Raises:
            OutboundRefused: If it is another machine, and not allowed.
            ConnectionRefusedError: The same, in a thread of a driver's that would die of it.
        """
        __tracebackhide__ = True
        name = host.lower().rstrip(".")
        if is_local(name) and name not in self.foreign:
            return
        if any(one.covers(name, port) for one in self.allowed) or self._trusts(name, port):
            return
        if (host, port) in self._resolved or (host, None) in self._resolved:
            return
        error = _refusal(host, port, self.who())
        self.refused.append(error)
        if threading.current_thread().name.startswith("pymongo"):
            raise ConnectionRefusedError(str(error))
        raise error

    def _trusts(self, name: str, port: int | None) -> bool:
        return any(host == name and (port is None or own is None or own == port) for host, own in self.trusted)


def _refusal(host: str, port: int | None, plugin: str | None) -> OutboundRefused:
    shown = f"[{host}]" if ":" in host else host
    target = shown if port is None else f"{shown}:{port}"
    method, url = _request_under_way() or ("get", f"https://{target}/…")
    return OutboundRefused(
        f"{f'Plugin {plugin!r}' if plugin else 'Something'} tried to reach {target}, which is not this machine.",
        host=host,
        port=port,
        where=caller(3),
        why="nothing leaves this machine while the app of a test is up",
        fix=f"Say what it answers, with the fixture nexus_http:\n"
        f'    nexus_http.{method}("{url}").respond(200, json={{}})\n'
        f'or let it out: @pytest.mark.nexus_allow_network("{target}", reason="…").',
        plugin=plugin,
    )


def _request_under_way() -> tuple[str, str] | None:
    """Return method and address of the request that a client of httpx is making, if one is."""
    frame = sys._getframe(1)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in {"httpx", "httpx2"}:
            local: Mapping[str, Any] = frame.f_locals
            request = local.get("request")
            if request is not None and hasattr(request, "method") and hasattr(request, "url"):
                return str(request.method).lower(), str(request.url).partition("?")[0]
        frame = frame.f_back  # type: ignore[assignment]  # the last one has none
    return None


guard = NetworkGuard()
"""The guard of this process."""
