"""The routes of nexus_http answer what is asked of other machines, by either client."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import httpx2
import pytest
import respx

from nexus_testing import create_test_app
from nexus_testing.errors import NetworkAssertionError, NetworkError, NexusTestingError, OutboundRefused, UnmatchedCall
from nexus_testing.fakes.http import OutboundHttp
from nexus_testing.fakes.http.outbound import Exchange
from nexus_testing.network import guard

URL = "https://api.example.invalid/rates"
LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


@pytest.fixture(name="seen")
def _seen() -> list[Exchange]:
    return []


@pytest.fixture(name="http")
def _http(seen: list[Exchange]) -> Iterator[OutboundHttp]:
    http = OutboundHttp(seen.append)
    yield http
    http.stop()
    guard.refused.clear()


async def get(library: Any, url: str, **options: Any) -> Any:
    """Ask by a client with a loop."""
    async with library.AsyncClient() as client:
        return await client.get(url, **options)


# -- routes --------------------------------------------------------------------------------------------------------


@LIBRARIES
def test_a_route_answers_with_and_without_a_loop(library: Any, http: OutboundHttp, seen: list[Exchange]) -> None:
    """Both kinds of client get status, headers and body, and each exchange is told."""
    route = http.get(URL).respond(201, json={"eur": 1}, headers={"x-rate": "daily"})
    for response in (library.get(URL), asyncio.run(get(library, URL))):
        assert isinstance(response, library.Response)
        assert (201, {"eur": 1}, "daily") == (response.status_code, response.json(), response.headers["x-rate"])
    assert 2 == route.call_count
    assert [("GET", URL, 201, None)] * 2 == [(one.method, one.url, one.status, one.error) for one in seen]


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "head", "options"])
@LIBRARIES
def test_each_method_has_its_route(library: Any, method: str, http: OutboundHttp) -> None:
    """A route of one method answers no other."""
    getattr(http, method)(URL).respond(204)
    assert 204 == library.request(method.upper(), URL).status_code
    with pytest.raises(UnmatchedCall):
        library.request("TRACE", URL)


@LIBRARIES
def test_a_route_sees_the_body(library: Any, http: OutboundHttp) -> None:
    """What is posted is what a route is asked about."""
    http.post(URL, json={"tea": "mint"}).mock(side_effect=lambda request: httpx.Response(200, content=request.content))
    assert {"tea": "mint"} == json.loads(library.post(URL, json={"tea": "mint"}).content)
    with pytest.raises(UnmatchedCall):
        library.post(URL, json={"tea": "black"})


@LIBRARIES
def test_a_call_that_no_route_is_about(library: Any, http: OutboundHttp, seen: list[Exchange]) -> None:
    """The message lists the routes, guesses the nearest, and says what to write; retries may catch it."""
    http.get("https://api.example.invalid/rate").respond(200)
    with pytest.raises(UnmatchedCall, match=r"Did you mean 'GET https://api\.example\.invalid/rate'") as raised:
        asyncio.run(get(library, URL, params={"day": "1"}))
    assert isinstance(raised.value, NexusTestingError)
    assert f'nexus_http.get("{URL}").respond(200' in str(raised.value)
    assert __file__ in str(raised.value.where)
    assert [raised.value] == guard.refused
    assert [raised.value] == [one.error for one in seen]
    assert "UnmatchedCall" == type(raised.value).__name__


def test_a_router_of_the_authors_own_is_asked_next(http: OutboundHttp) -> None:
    """Both may be there; only what neither knows is unmatched."""
    http.get("https://other.example.invalid").respond(200)
    with respx.mock as router:
        router.get(URL).respond(203)
        assert 203 == httpx.get(URL).status_code
    assert [] == guard.refused


@LIBRARIES
def test_this_machine_is_reached_as_before(library: Any, http: OutboundHttp) -> None:
    """A server of the test's own answers itself."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    http.get(URL).respond(200)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/"
        assert 202 == library.get(address).status_code
        assert 202 == asyncio.run(get(library, address)).status_code
        server.shutdown()
        thread.join()


def test_nothing_is_changed_before_the_first_route_and_after_the_end(http: OutboundHttp) -> None:
    """Who has the fixture and no route pays nothing."""
    before = (httpx2.HTTPTransport.handle_request, httpx2.AsyncHTTPTransport.handle_async_request)
    assert [] == respx.mocks.HTTPCoreMocker.routers
    http.get(URL)
    assert 1 == len(respx.mocks.HTTPCoreMocker.routers)
    http.stop()
    http.stop()
    assert [] == respx.mocks.HTTPCoreMocker.routers
    assert before == (httpx2.HTTPTransport.handle_request, httpx2.AsyncHTTPTransport.handle_async_request)


# -- faults --------------------------------------------------------------------------------------------------------


@LIBRARIES
def test_calls_fail_as_often_as_said(library: Any, http: OutboundHttp) -> None:
    """Then the routes answer again; a fault of one address leaves others alone."""
    http.get(URL).respond(200)
    http.get("https://other.example.invalid").respond(200)
    http.fail(503, times=2, url=URL)
    assert 200 == library.get("https://other.example.invalid").status_code
    assert [503, 503, 200] == [library.get(URL).status_code for _ in range(3)]
    http.fail("timeout", times=None)
    for _ in range(3):
        with pytest.raises(library.ReadTimeout):
            library.get(URL)


@pytest.mark.parametrize(
    ("how", "name"), [("timeout", "ReadTimeout"), ("connect", "ConnectError"), ("read", "ReadError")]
)
@LIBRARIES
def test_calls_fail_with_the_clients_own_errors(library: Any, how: str, name: str, http: OutboundHttp) -> None:
    """A plugin catches them by the names that it knows."""
    http.fail(how)
    with pytest.raises(getattr(library, name)):
        asyncio.run(get(library, URL))


@pytest.mark.parametrize("how", ["timeot", 99, 600, None, True, 1.5])
def test_ways_to_fail_that_there_are_not(how: Any, http: OutboundHttp) -> None:
    """A misspelled one is guessed."""
    with pytest.raises(NetworkError, match="cannot fail by") as raised:
        http.fail(how)
    assert ("Did you mean 'timeout'?" in str(raised.value)) == (how == "timeot")


@pytest.mark.parametrize("times", [0, -1, True])
def test_no_call_fails_less_than_once(times: int, http: OutboundHttp) -> None:
    """None is for all of them."""
    with pytest.raises(NetworkError, match="Write 1 or more, or None"):
        http.fail(503, times=times)


# -- what is meant to be refused -----------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_what_is_expected_to_be_refused(http: OutboundHttp) -> None:
    """Whether it was swallowed, came out, or came out in a group; it is noticed by that."""
    async with create_test_app():
        with http.expect_refused("API.example.invalid"):
            await get(httpx, URL)
        with http.expect_refused("api.example.invalid"):
            await asyncio.gather(get(httpx, URL), return_exceptions=True)
        with http.expect_refused("10.0.0.1"):
            # anyio has a group of tries for each address.
            await get(httpx, "http://10.0.0.1/")
    assert [] == guard.refused


@pytest.mark.asyncio
async def test_what_was_expected_and_did_not_happen(http: OutboundHttp) -> None:
    """The message says what was refused instead; another error than the refusal comes out as it is."""
    async with create_test_app():
        with pytest.raises(NetworkAssertionError, match=r"Did you mean 'api\.example\.invalid'"):  # noqa: SIM117 - a line would be too long
            with http.expect_refused("api.exampel.invalid"):
                await asyncio.gather(get(httpx, URL), return_exceptions=True)
        with pytest.raises(NetworkAssertionError, match="Nothing was kept"), http.expect_refused("a"):
            pass
        with pytest.raises(ZeroDivisionError), http.expect_refused("a"):
            raise ZeroDivisionError
        with pytest.raises(OutboundRefused), http.expect_refused("a"):
            socket.create_connection(("10.0.0.1", 9))
    guard.refused.clear()
