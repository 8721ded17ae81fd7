"""The fixture nexus_http: what other machines answer, and what was asked of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import httpx
import respx

from ...errors import NetworkAssertionError, NetworkError, OutboundRefused, UnmatchedCall, did_you_mean
from ...locations import caller
from ...network import guard, is_local
from .httpx2 import serve_httpx2

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ("Exchange", "OutboundHttp")

_FAULTS: dict[str, type[httpx.TransportError]] = {
    "timeout": httpx.ReadTimeout,
    "connect": httpx.ConnectError,
    "read": httpx.ReadError,
}
_STATUSES = range(100, 600)


class Exchange(NamedTuple):
    """One call and what came of it. `duration` is in seconds; `status` is None where it raised `error`."""

    method: str
    url: str
    status: int | None
    plugin: str | None
    duration: float
    error: BaseException | None


class _Fault(NamedTuple):
    how: str | int
    prefix: str
    left: int | None


class _Unmatched(UnmatchedCall, respx.models.AllMockedAssertionError):
    """As respx's own, so that another router of the test is asked next."""


for _name in ("__module__", "__name__", "__qualname__"):
    # What a failure shows is the name that a test would catch.
    setattr(_Unmatched, _name, getattr(UnmatchedCall, _name))


class OutboundHttp:
    """Answers what a plugin asks of other machines by httpx or httpx2. Lives as long as the test.

    It is switched on by its first route. From then on a call that no route is about raises `UnmatchedCall`; calls to
    this machine go through.

    Args:
        record: Keeps each exchange.
    """

    def __init__(self, record: Callable[[Exchange], None] = lambda _exchange: None) -> None:
        self._record = record
        self._router: _Router | None = None
        self._undo: Callable[[], None] | None = None
        self._labels: dict[int, str] = {}

    # -- routes --------------------------------------------------------------------------------------------------

    def request(self, method: str, url: Any = None, **lookups: Any) -> respx.Route:
        """Add a route.

        Args:
            method: The HTTP method.
            url: The address, in full or as a regular expression; None for any.
            **lookups: What respx takes besides, such as `params__contains`, `json` or `headers__contains`.

        Returns:
            Respx's route: `.respond(200, json=…)`, `.mock(side_effect=…)`, `.called`, `.calls`.
        """
        route = self._started().request(method, url, **lookups)
        self._labels[id(route)] = f"{method} {getattr(url, 'pattern', url) or 'any address'}"
        return route

    def get(self, url: Any = None, **lookups: Any) -> respx.Route:
        """Add a route of GET; the arguments are those of `request`."""
        return self.request("GET", url, **lookups)

    def post(self, url: Any = None, **lookups: Any) -> respx.Route:
        """Add a route of POST; the arguments are those of `request`."""
        return self.request("POST", url, **lookups)

    def put(self, url: Any = None, **lookups: Any) -> respx.Route:
        """Add a route of PUT; the arguments are those of `request`."""
        return self.request("PUT", url, **lookups)

    def patch(self, url: Any = None, **lookups: Any) -> respx.Route:
        """Add a route of PATCH; the arguments are those of `request`."""
        return self.request("PATCH", url, **lookups)

    def delete(self, url: Any = None, **lookups: Any) -> respx.Route:
        """Add a route of DELETE; the arguments are those of `request`."""
        return self.request("DELETE", url, **lookups)

    def head(self, url: Any = None, **lookups: Any) -> respx.Route:
        """Add a route of HEAD; the arguments are those of `request`."""
        return self.request("HEAD", url, **lookups)

    def options(self, url: Any = None, **lookups: Any) -> respx.Route:
        """Add a route of OPTIONS; the arguments are those of `request`."""
        return self.request("OPTIONS", url, **lookups)

    def fail(self, how: str | int, *, times: int | None = 1, url: str = "") -> None:
        """Have the next calls fail, whatever the routes say.

        Args:
            how: "timeout", "connect", "read", or a status such as 503.
            times: How many of them; None for all.
            url: What the address starts with; any by default.

        Raises:
            NetworkError: If there is no such way to fail.
        """
        valid = how in _FAULTS if isinstance(how, str) else how in _STATUSES
        if not valid or isinstance(how, bool):
            raise NetworkError(
                f"A call cannot fail by {how!r}.",
                where=caller(),
                fix=did_you_mean(str(how), _FAULTS)
                or f"Write {', '.join(map(repr, _FAULTS))}, or a status such as 503.",
            )
        if times is not None and (isinstance(times, bool) or times < 1):
            raise NetworkError(f"A call cannot fail {times!r} times.", where=caller(), fix="Write 1 or more, or None.")
        self._started().faults.append(_Fault(how, url, times))

    def expect_refused(self, host: str) -> ExpectRefused:
        """Return a context in which something is meant to be kept from leaving for a host.

        Args:
            host: The host, such as "example.com".
        """
        return ExpectRefused(host)

    # -- its life ------------------------------------------------------------------------------------------------

    def _started(self) -> _Router:
        if self._router is None:
            self._router = _Router(self._labels, self._record)
            self._router.start()
            self._undo = serve_httpx2(self._router)
        return self._router

    def stop(self) -> None:
        """Take all routes back, and let calls through to where they went before."""
        if self._router is not None:
            if self._undo is not None:
                self._undo()
            self._router.stop()
            self._router = None
            self._labels.clear()

    def __repr__(self) -> str:
        return f"<OutboundHttp, routes {list(self._labels.values())!r}>"


class _Router(respx.MockRouter):
    """Respx's router, with the message of ours where no route is about a call."""

    def __init__(self, labels: dict[int, str], keep: Callable[[Exchange], None]) -> None:
        super().__init__(assert_all_called=False, assert_all_mocked=True)
        self.faults: list[_Fault] = []
        self._texts = labels
        self.keep = keep

    def handler(self, request: httpx.Request) -> httpx.Response:
        """Answer a call that was made without a loop.

        Args:
            request: The call.
        """
        with _Watched(self, request) as watched:
            watched.response = self._fault(request) or super().handler(request)
        return watched.response

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        """Answer a call.

        Args:
            request: The call.
        """
        with _Watched(self, request) as watched:
            watched.response = self._fault(request) or await super().async_handler(request)
        return watched.response

    def _fault(self, request: httpx.Request) -> httpx.Response | None:
        for index, fault in enumerate(self.faults):
            if not str(request.url).startswith(fault.prefix) or is_local(request.url.host):
                continue
            if fault.left is not None:
                left = fault.left - 1
                self.faults[index : index + 1] = [fault._replace(left=left)] if left else []
            if isinstance(fault.how, int):
                return httpx.Response(fault.how, request=request)
            raise _FAULTS[fault.how](f"{fault.how}, as nexus_http.fail() says", request=request)
        return None

    def unmatched(self, request: httpx.Request) -> UnmatchedCall:
        """Make the error of a call that no route is about.

        Args:
            request: The call.
        """
        texts = [self._texts.get(id(route), repr(route.pattern)) for route in self.routes]
        url = str(request.url)
        near = did_you_mean(f"{request.method} {url}", texts)
        error = _Unmatched(
            f"{request.method} {url} was called, and no route is about it.",
            host=request.url.host,
            port=request.url.port,
            where=caller(3),
            why="the routes are\n" + "\n".join(texts) if texts else "there is no route",
            fix=f"{near} Or write: ".lstrip()
            + f'nexus_http.{request.method.lower()}("{url.partition("?")[0]}").respond(200, json={{}}).',
            plugin=guard.who(),
        )
        mocker = self.Mocker
        if mocker is None or mocker.routers[-1] is self:
            # Else a router of the author's is asked next, which may have a route.
            guard.refused.append(error)
        return error


class _Watched:
    """One call while it is answered."""

    response: httpx.Response

    def __init__(self, router: _Router, request: httpx.Request) -> None:
        self._router = router
        self._request = request
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, respx.models.PassThrough):
            return
        if isinstance(error, respx.models.AllMockedAssertionError):
            if is_local(self._request.url.host):
                raise respx.models.PassThrough("", request=self._request, origin=respx.Route()) from None
            error = self._router.unmatched(self._request)
        self._router.keep(
            Exchange(
                self._request.method,
                str(self._request.url),
                self.response.status_code if error is None else None,
                guard.who(),
                time.perf_counter() - self._started,
                error,
            )
        )
        if isinstance(error, UnmatchedCall):
            raise error from None


class ExpectRefused:
    """A context in which something is meant to be kept from leaving for a host.

    Args:
        host: The host.
    """

    def __init__(self, host: str) -> None:
        self._host = host.lower()
        self._where = caller(2)
        self._before: list[BaseException] = []

    def __enter__(self) -> None:
        self._before = list(guard.refused)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        __tracebackhide__ = True
        known = {id(one) for one in self._before}
        fresh = [one for one in guard.refused if id(one) not in known and one.host.lower() == self._host]
        guard.refused[:] = [one for one in guard.refused if one not in fresh]
        if fresh:
            return error is not None and _only(error, fresh)
        if error is None:
            others = [one.host for one in guard.refused if id(one) not in known]
            raise NetworkAssertionError(
                f"Nothing was kept from leaving for {self._host!r}.",
                where=self._where,
                why=f"something was for {', '.join(map(repr, others))}" if others else "",
                fix=did_you_mean(self._host, others),
            )
        return False


def _only(error: BaseException, fresh: list[Any]) -> bool:
    """Say whether an error is one of those that were expected, or a group of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return all(_only(one, fresh) for one in error.exceptions)
    return any(error is one for one in fresh) and isinstance(error, OutboundRefused | UnmatchedCall)
