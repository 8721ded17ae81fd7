"""Requests handed to an ASGI app: what the app sees, and what of its answer reaches the client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import httpx
import pytest

from nexus_testing.client import Client, make_client

pytestmark = pytest.mark.asyncio

Answer = Callable[[Any, Any, Any], Awaitable[None]]


class Served:
    """An app that does what a test says, and counts how often it was settled."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.settled = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer."""
        await self._answer(scope, receive, send)

    async def settle(self) -> None:
        """Count."""
        self.settled += 1

    def login(
        self,
        id: str,  # noqa: A002 - the protocol's word
        roles: Sequence[str],
        permissions: Sequence[str],
        *,
        expires_in: float | None,
    ) -> dict[str, str]:
        """Return the header of a user."""
        return {"Authorization": f"{id} {roles} {permissions}"}

    def login_principal(self, name: str) -> dict[str, str]:
        """Return the header of a ready principal."""
        return {"Authorization": name}


def client_of(answer: Answer, **options: Any) -> Client:
    """Return a client of an app that answers like this."""
    client: Client = make_client(Served(answer), **options)
    return client


async def sent(receive: Any) -> list[bytes]:
    """Return the parts of a request's body, up to its end."""
    parts = []
    while (message := await receive())["more_body"]:
        parts.append(message["body"])
    return parts


async def start(send: Any, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
    """Start an answer."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def body(send: Any, data: bytes = b"", *, more: bool = False) -> None:
    """Send a part of an answer's body."""
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def fetch(client: Client, method: str, *, stream: bool, **options: Any) -> httpx.Response:
    """Send a request, and read the whole answer, as it comes or at once."""
    if not stream:
        return await client.request(method, "/a b?x=1", **options)
    async with client.stream(method, "/a b?x=1", **options) as response:
        await response.aread()
    return response


either = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@either
async def test_what_the_app_sees(*, stream: bool) -> None:
    """Method, path, query, headers and body are those of the request."""
    seen: dict[str, Any] = {}

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)
        seen["body"] = b"".join(await sent(receive))
        await start(send)
        await body(send)

    await fetch(client_of(answer), "POST", stream=stream, content=b"sent", headers={"X-Who": "ada"})
    assert ("POST", "/a b", b"/a%20b", b"x=1", b"sent") == (
        seen["method"],
        seen["path"],
        seen["raw_path"],
        seen["query_string"],
        seen["body"],
    )
    assert (b"x-who", b"ada") in seen["headers"]


@either
async def test_what_the_client_sees(*, stream: bool) -> None:
    """Status, headers and all parts of the body."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await start(send, 201, (b"x-where", b"here"))
        await body(send, b"one ", more=True)
        await body(send, b"", more=True)
        await body(send, b"two")

    response = await fetch(client_of(answer), "GET", stream=stream)
    assert (201, "here", b"one two") == (response.status_code, response.headers["x-where"], response.content)


@either
async def test_a_head_has_no_body(*, stream: bool) -> None:
    """What the app sends as its body does not reach the client."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await start(send, 200, (b"content-length", b"4"))
        await body(send, b"four")

    response = await fetch(client_of(answer), "HEAD", stream=stream)
    assert (b"", "4") == (response.content, response.headers["content-length"])


@either
async def test_an_answer_of_several_parts_may_be_sent_for_a_request_of_several(*, stream: bool) -> None:
    """A body that the test makes as it goes arrives in its parts."""
    parts: list[bytes] = []

    async def making() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        parts.extend(await sent(receive))
        await start(send)
        await body(send)

    await fetch(client_of(answer), "POST", stream=stream, content=making())
    assert [b"one", b"two"] == parts


@either
async def test_an_app_that_waits_for_the_client_to_go(*, stream: bool) -> None:
    """It is told when it has sent everything, and not before."""
    told: list[str] = []
    waiting = asyncio.Event()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await sent(receive)

        async def wait() -> None:
            waiting.set()
            told.append((await receive())["type"])

        task = asyncio.get_running_loop().create_task(wait())
        await waiting.wait()
        await start(send)
        told.append("started")
        await body(send)
        await task
        told.append((await receive())["type"])

    await fetch(client_of(answer), "GET", stream=stream)
    assert ["started", "http.disconnect", "http.disconnect"] == told


@either
async def test_an_app_that_raises(*, stream: bool) -> None:
    """Its exception reaches the test as it is, or the client sees the status that a server would send."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await fetch(client_of(answer), "GET", stream=stream)
    response = await fetch(client_of(answer, raise_app_exceptions=False), "GET", stream=stream)
    assert 500 == response.status_code


@either
async def test_an_app_that_raises_after_its_answer(*, stream: bool) -> None:
    """What goes wrong in a background task is not lost, unless the test wants only the answer."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"fine")
        await asyncio.sleep(0)
        raise ValueError("afterwards")

    with pytest.raises(ValueError, match="afterwards"):
        await fetch(client_of(answer), "GET", stream=stream)
    response = await fetch(client_of(answer, raise_app_exceptions=False), "GET", stream=stream)
    assert (200, b"fine") == (response.status_code, response.content)


@either
async def test_an_app_that_raises_in_the_middle(*, stream: bool) -> None:
    """A body that breaks off is an error of the app, not a short body."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"half", more=True)
        raise ValueError("broken off")

    with pytest.raises(ValueError, match="broken off"):
        await fetch(client_of(answer), "GET", stream=stream)
    response = await fetch(client_of(answer, raise_app_exceptions=False), "GET", stream=stream)
    assert (200, b"half") == (response.status_code, response.content)


@either
async def test_events_are_waited_for_once_a_request(*, stream: bool) -> None:
    """Unless the client is one that does not wait."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await body(send)

    for drain in (True, False):
        client = client_of(answer, drain=drain)
        await fetch(client, "GET", stream=stream)
        assert int(drain) == client.app.settled


async def test_a_stream_that_is_given_up_before_its_answer_starts() -> None:
    """The app is told, and has ended when the test goes on."""
    ended: list[str] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await sent(receive)
        ended.append((await receive())["type"])

    async def ask() -> None:
        async with client_of(answer).stream("GET", "/"):
            pytest.fail("there is no answer")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask(), 0.01)
    assert ["http.disconnect"] == ended


async def test_a_stream_that_is_left_ends_the_app() -> None:
    """One that does not go when it is told is cancelled after a second."""
    ended: list[str] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"first", more=True)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async with client_of(answer).stream("GET", "/") as response:
        assert b"first" == await anext(response.aiter_bytes())
    assert ["cancelled"] == ended
