"""A WebSocket conversation: connecting, talking, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect

from nexus_testing.errors import WebSocketClosed, WebSocketError, WebSocketRejected
from nexus_testing.websocket import WebSocketSession, websocket_scope

pytestmark = pytest.mark.asyncio

Route = Callable[[WebSocket], Awaitable[None]]


def connect(route: Route, *, timeout: float | None = 1.0, **options: Any) -> WebSocketSession:
    """Return a conversation with a route that stands for a whole app."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await route(WebSocket(scope, receive, send))

    scope = websocket_scope("/ws", b"room=1", [(b"x-who", b"ada")], ("testserver", 80), ["chat", "mail"])
    return WebSocketSession(app, scope, timeout=timeout, **options)


async def echo(socket: WebSocket) -> None:
    """Say back whatever is said, in the kind that it was said in."""
    await socket.accept()
    while (message := await socket.receive())["type"] == "websocket.receive":
        if (text := message.get("text")) is not None:
            await socket.send_text(text)
        else:
            await socket.send_bytes(message["bytes"])


# -- connecting --------------------------------------------------------------------------------------------------


async def test_the_app_sees_the_connection() -> None:
    """Path, query, headers and what the client offers; the client sees what the app chose."""
    seen: dict[str, Any] = {}

    async def route(socket: WebSocket) -> None:
        seen.update(path=socket.url.path, room=socket.query_params["room"], who=socket.headers["x-who"])
        await socket.accept(subprotocol=socket.scope["subprotocols"][1], headers=[(b"x-room", b"1")])

    async with connect(route) as session:
        assert ("mail", [(b"x-room", b"1")]) == (session.subprotocol, session.headers)
    assert {"path": "/ws", "room": "1", "who": "ada"} == seen


async def test_an_app_that_closes_instead_of_accepting() -> None:
    """A server answers that with 403; code and reason are there besides."""

    async def route(socket: WebSocket) -> None:
        await socket.close(4403, "members only")

    with pytest.raises(WebSocketRejected, match="closed it with 4403 members only before it accepted") as refused:
        await connect(route).__aenter__()
    assert (403, b"members only", 4403) == (refused.value.status, refused.value.body, refused.value.code)


async def test_an_app_that_answers_instead_of_accepting() -> None:
    """The whole body of the refusal is read, however many parts it comes in."""

    async def route(socket: WebSocket) -> None:
        start = {"type": "websocket.http.response.start", "status": 402, "headers": []}
        for message in (
            start,
            {"type": "websocket.http.response.body", "body": b"pay ", "more_body": True},
            {"type": "websocket.http.response.body", "body": b"first"},
        ):
            await socket._send(message)

    with pytest.raises(WebSocketRejected, match="with status 402: pay first") as refused:
        await connect(route).__aenter__()
    assert (402, b"pay first", None) == (refused.value.status, refused.value.body, refused.value.code)


async def test_an_app_that_returns_instead_of_accepting() -> None:
    """The conversation is over before it began, and the message says how."""

    async def route(socket: WebSocket) -> None:
        """Return at once."""

    with pytest.raises(WebSocketClosed, match="the route returned without closing it") as closed:
        await connect(route).__aenter__()
    assert 1006 == closed.value.code


async def test_an_app_that_raises_instead_of_accepting() -> None:
    """Its exception reaches the test."""

    async def route(socket: WebSocket) -> None:
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        await connect(route).__aenter__()


async def test_an_app_that_never_accepts_is_ended() -> None:
    """The connection fails with its timeout, says what it waited for, and leaves no task behind."""
    ended = asyncio.Event()

    async def route(socket: WebSocket) -> None:
        try:
            await socket.receive()
            await socket.receive()
        finally:
            ended.set()

    with pytest.raises(WebSocketError, match=r"nothing came within 0\.01 s") as failed:
        await connect(route, timeout=0.01).__aenter__()
    assert "the test waits for the app to accept the connection" == failed.value.why
    assert ended.is_set()


# -- talking -----------------------------------------------------------------------------------------------------


async def test_text_bytes_and_json_go_to_and_fro() -> None:
    """Each arrives as it was sent, and may be read as the other."""
    async with connect(echo) as session:
        await session.send_text("ä")
        assert "ä" == await session.receive_text()
        await session.send_bytes(b"\x00")
        assert b"\x00" == await session.receive_bytes()
        await session.send_json({"a": [1]})
        assert {"a": [1]} == await session.receive_json()
        await session.send_text("ä")
        assert "ä".encode() == await session.receive_bytes()
        await session.send_bytes("ä".encode())
        assert "ä" == await session.receive_text()


async def test_messages_can_be_iterated() -> None:
    """The loop ends when the app closes."""

    async def route(socket: WebSocket) -> None:
        await socket.accept()
        for number in range(3):
            await socket.send_text(str(number))
        await socket.close()

    async with connect(route) as session:
        assert ["0", "1", "2"] == [text async for text in session]


async def test_a_receive_has_a_timeout_of_its_own() -> None:
    """One that is said wins over the session's."""
    async with connect(echo, timeout=None) as session:
        with pytest.raises(WebSocketError, match=r"nothing came within 0\.01 s"):
            await session.receive(0.01)
        await session.send_text("later")
        assert "later" == await session.receive_text(None)


# -- ending ------------------------------------------------------------------------------------------------------


async def test_the_app_closes() -> None:
    """Whoever receives or sends then is told with code and reason, as often as it is tried."""

    async def route(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close(4001, "the end")

    async with connect(route) as session:
        with pytest.raises(WebSocketClosed, match="closed the WebSocket '/ws' with 4001 the end") as closed:
            await session.receive_text()
        assert (4001, "the end") == (closed.value.code, closed.value.reason)
        with pytest.raises(WebSocketClosed, match=r"is closed \(4001 the end\); nothing can be sent"):
            await session.send_text("more")
        for _ in range(2):
            with pytest.raises(WebSocketClosed, match="the route returned after closing with 4001 the end"):
                await session.receive_text()


async def test_the_app_returns() -> None:
    """A route that returns without a word has ended the conversation, too."""

    async def route(socket: WebSocket) -> None:
        await socket.accept()

    async with connect(route) as session:
        with pytest.raises(WebSocketClosed, match="the route returned without closing it"):
            await session.receive_text()
        with pytest.raises(WebSocketClosed, match=r"is closed \(1006"):
            await session.send_text("more")


async def test_the_test_closes() -> None:
    """The route is told code and reason, once."""
    told: list[Any] = []

    async def route(socket: WebSocket) -> None:
        await socket.accept()
        told.append(await socket.receive())

    async with connect(route) as session:
        await session.close(4000, "enough")
        await session.close(4002, "again")
    assert [{"type": "websocket.disconnect", "code": 4000, "reason": "enough"}] == told


async def test_the_test_leaves() -> None:
    """The route is told by a disconnect, and what it does then is done before the test goes on."""
    done: list[int] = []

    async def route(socket: WebSocket) -> None:
        await socket.accept()
        try:
            await socket.receive_text()
        except WebSocketDisconnect as disconnect:
            await asyncio.sleep(0)
            done.append(disconnect.code)
            raise

    async with connect(route):
        pass
    assert [1000] == done


async def test_a_route_that_does_not_go_when_the_test_left() -> None:
    """It is cancelled after a second."""
    ended: list[type[BaseException]] = []

    async def route(socket: WebSocket) -> None:
        await socket.accept()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            ended.append(type(error))
            raise

    async with connect(route):
        pass
    assert [asyncio.CancelledError] == ended


async def test_what_the_route_raises() -> None:
    """It reaches the test where it receives, else where it leaves; an error of the test's own comes first."""

    async def route(socket: WebSocket) -> None:
        await socket.accept()
        raise ValueError("in the route")

    with pytest.raises(ValueError, match="in the route"):
        async with connect(route) as session:
            await session.receive_text()
    with pytest.raises(ValueError, match="in the route"):
        async with connect(route):
            pass
    with pytest.raises(KeyError):
        async with connect(route):
            raise KeyError("in the test")


async def test_leaving_waits_for_the_events_of_the_conversation() -> None:
    """Unless the test has failed anyway."""
    settled: list[str] = []

    async def settle() -> None:
        settled.append("settled")

    async with connect(echo, settle=settle):
        assert [] == settled
    assert ["settled"] == settled
    with pytest.raises(KeyError):
        async with connect(echo, settle=settle):
            raise KeyError("in the test")
    assert ["settled"] == settled


async def test_a_conversation_that_was_never_begun() -> None:
    """Nothing can be sent, and leaving it is no error."""
    session = connect(echo)
    with pytest.raises(WebSocketClosed, match="nothing can be sent"):
        await session.send_text("hello")
    await session.__aexit__(None, None, None)
