"""The client: httpx on the test's own loop, with users, streams and WebSockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
import pytest_asyncio
from fastapi import APIRouter, BackgroundTasks, Depends, Request, WebSocket
from fastapi.responses import StreamingResponse

from nexus_testing import create_test_app
from nexus_testing.app import App
from nexus_testing.client import app_arguments
from nexus_testing.errors import LifecycleError, WebSocketClosed, WebSocketRejected
from nexus_testing.nexus.auth import User, get_current_user, require_auth, require_permission, require_role
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.records import Request as RequestRecord


class WebPlugin(BasePlugin):
    """A plugin with a route of every kind."""

    def __init__(self) -> None:
        self.name = "web"
        self.done: list[str] = []

    async def initialize(self) -> bool:
        """Subscribe to what the routes publish."""
        self.event_bus.subscribe("asked", self.on_asked)
        self.event_bus.subscribe("asked.again", self.on_asked_again)
        return True

    async def on_asked(self, event: Any) -> None:
        """Publish in turn."""
        self.done.append("asked")
        await self.event_bus.publish("asked.again")

    async def on_asked_again(self, event: Any) -> None:
        """Note it."""
        await asyncio.sleep(0)
        self.done.append("asked again")

    def get_api_routes(self) -> list[APIRouter]:  # noqa: C901 - many small routes
        """Return the routes."""
        router = APIRouter()

        @router.get("/ask")
        async def ask() -> bool:
            await self.event_bus.publish("asked")
            return True

        @router.get("/later")
        async def later(tasks: BackgroundTasks) -> bool:
            tasks.add_task(self.done.append, "later")
            return True

        @router.get("/stream")
        async def stream() -> StreamingResponse:
            async def parts() -> AsyncIterator[str]:
                try:
                    yield "first"
                    await asyncio.Event().wait()
                finally:
                    self.done.append("disconnected")

            return StreamingResponse(parts())

        @router.post("/echo")
        async def echo(request: Request) -> Any:
            return await request.json()

        @router.get("/broken")
        async def broken() -> None:
            raise ValueError("broken")

        @router.get("/me")
        async def me(user: Annotated[User, Depends(get_current_user)]) -> str:
            return user.id

        @router.get("/mine")
        async def mine(user: Annotated[User, Depends(require_auth)]) -> str:
            return user.id

        @router.get("/may", dependencies=[Depends(require_permission("do"))])
        async def may() -> bool:
            return True

        @router.get("/role", dependencies=[Depends(require_role("chief"))])
        async def role() -> bool:
            return True

        @router.websocket("/ws")
        async def ws(socket: WebSocket) -> None:
            await socket.accept(subprotocol="chat" if "chat" in socket.scope["subprotocols"] else None)
            while (text := await socket.receive_text()) != "end":
                if text == "fail":
                    raise ValueError("in the socket")
                await socket.send_text(f"echo {text}")
            await socket.close(4001, "the end")

        @router.websocket("/closed")
        async def closed(socket: WebSocket, user: Annotated[User, Depends(require_auth)]) -> None:
            await socket.accept()
            await socket.send_json({"user": user.id})
            await socket.send_bytes(b"bytes")

        return [router]


@pytest_asyncio.fixture(name="app")
async def _app() -> AsyncIterator[App]:
    async with create_test_app([WebPlugin]) as app:
        yield app


@pytest.mark.asyncio
async def test_a_request_waits_for_what_it_led_to(app: App) -> None:
    """When the response is there, the handlers of its events and of theirs have run."""
    assert (await app.client().get("/api/web/ask")).json() is True
    assert ["asked", "asked again"] == app.get_plugin("web").done


@pytest.mark.asyncio
async def test_a_request_waits_for_background_tasks(app: App) -> None:
    """When the response is there, so is the work that was left for later."""
    await app.client().get("/api/web/later")
    assert ["later"] == app.get_plugin("web").done


@pytest.mark.asyncio
async def test_a_stream_arrives_as_it_is_sent(app: App) -> None:
    """The first part is there while the route still waits; closing the stream tells the route."""
    async with app.client().stream("GET", "/api/web/stream") as response:
        parts = response.aiter_text()
        assert await anext(parts) == "first"
        assert [] == app.get_plugin("web").done
    assert ["disconnected"] == app.get_plugin("web").done


@pytest.mark.asyncio
async def test_a_body_is_sent(app: App) -> None:
    """What a test posts is what the route reads."""
    assert (await app.client().post("/api/web/echo", json={"a": [1]})).json() == {"a": [1]}


@pytest.mark.asyncio
async def test_the_apps_exception_reaches_the_test(app: App) -> None:
    """It is raised as it is, unless the test wants the answer that a user would get."""
    with pytest.raises(ValueError, match="broken"):
        await app.client().get("/api/web/broken")
    with pytest.raises(ValueError, match="broken"):
        async with app.client().stream("GET", "/api/web/broken"):
            pass
    response = await app.client(raise_app_exceptions=False).get("/api/web/broken")
    expected = {"error": {"code": 500, "message": "Internal server error", "path": "/api/web/broken"}}
    assert (500, expected) == (response.status_code, response.json())


@pytest.mark.asyncio
async def test_users(app: App) -> None:
    """A client is somebody: nobody at first, then whoever the test says, with what that user may do."""
    nobody = app.client()
    alice = nobody.as_user("alice", roles=["chief"], permissions=["do"])
    assert ["anonymous", "alice", "anonymous"] == [
        (await client.get("/api/web/me")).json() for client in (nobody, alice, alice.anonymous())
    ]
    refused = await nobody.get("/api/web/mine")
    assert (401, "Bearer") == (refused.status_code, refused.headers["www-authenticate"])
    assert refused.json()["error"]["message"] == "Not authenticated"
    assert (await alice.get("/api/web/mine")).json() == "alice"
    for path in ("may", "role"):
        statuses = [
            (await client.get(f"/api/web/{path}")).status_code for client in (nobody, nobody.as_user("bob"), alice)
        ]
        assert [401, 403, 200] == statuses
    forged = await nobody.get("/api/web/me", headers={"Authorization": "Bearer forged"})
    assert forged.status_code == 401


@pytest.mark.asyncio
async def test_the_journal_has_every_request(app: App) -> None:
    """Method, path, status and plugin of each are on record, in order."""
    client = app.client()
    await client.get("/api/web/me")
    await client.get("/nowhere")
    found = [(one.method, one.path, one.status, one.plugin) for one in app.journal.of(RequestRecord)]
    assert [("GET", "/api/web/me", 200, "web"), ("GET", "/nowhere", 404, None)] == found


@pytest.mark.asyncio
async def test_a_shut_client_sends_nothing(app: App) -> None:
    """After the test a client refuses, and says where it was used."""
    client = app.client()
    app.close_clients()
    with pytest.raises(LifecycleError, match="was sent after the test"):
        await client.get("/api/web/me")


@pytest.mark.asyncio
async def test_httpx_takes_an_app_of_ours(app: App) -> None:
    """AsyncClient(app=…), which httpx dropped, works for our apps and is remembered with its place."""
    app_arguments.clear()
    make: Any = httpx.AsyncClient
    async with make(app=app, base_url="http://test") as client:
        assert (await client.get("/api/web/ask")).json() is True
        assert ["asked", "asked again"] == app.get_plugin("web").done
        assert (await client.post("/api/web/echo", json=1)).json() == 1
    assert [__file__] == [place.file for place in app_arguments]


@pytest.mark.asyncio
async def test_a_websocket(app: App) -> None:
    """Text goes to and fro on the test's own loop; the app's close is told with code and reason."""
    async with app.client().websocket("/api/web/ws", subprotocols=["chat"]) as socket:
        assert socket.subprotocol == "chat"
        await socket.send_text("a")
        assert await socket.receive_text() == "echo a"
        await socket.send_json({"b": 1})
        assert await socket.receive_text() == 'echo {"b": 1}'
        await socket.send_text("end")
        with pytest.raises(WebSocketClosed, match="4001 the end") as closed:
            await socket.receive_text()
        assert (4001, "the end") == (closed.value.code, closed.value.reason)
        with pytest.raises(WebSocketClosed, match="nothing can be sent"):
            await socket.send_text("more")


@pytest.mark.asyncio
async def test_a_websocket_that_is_refused(app: App) -> None:
    """A refusal has the status and the body that production answers with."""
    if not hasattr(WebSocket, "send_denial_response"):
        pytest.skip("this version of Starlette can only close")
    with pytest.raises(WebSocketRejected, match="with status 401") as refused:
        async with app.client().websocket("/api/web/closed"):
            pass
    assert refused.value.status == 401
    assert b"Not authenticated" in refused.value.body
    with pytest.raises(WebSocketRejected):
        async with app.client().websocket("/nowhere"):
            pass


@pytest.mark.asyncio
async def test_a_websocket_of_a_user(app: App) -> None:
    """JSON and bytes arrive as they were sent; the route's return is the end."""
    async with app.client().as_user("alice").websocket("/api/web/closed") as socket:
        assert await socket.receive_json() == {"user": "alice"}
        assert await socket.receive_bytes() == b"bytes"
        with pytest.raises(WebSocketClosed):
            await socket.receive()


@pytest.mark.asyncio
async def test_overrides_undo_themselves(app: App) -> None:
    """A dependency gives something else inside of the block, and its own after it."""
    client = app.client()
    with app.override(get_current_user, User(id="stranger")):
        assert (await client.get("/api/web/me")).json() == "stranger"
    assert (await client.get("/api/web/me")).json() == "anonymous"


@pytest.mark.asyncio
async def test_urls_and_routes(app: App) -> None:
    """The app tells where a plugin's routes are mounted, and lists them all."""
    assert app.url("web", "/me") == "/api/web/me"
    assert ("GET", "/api/web/me", "web") in [(one.method, one.path, one.plugin) for one in app.routes]
    assert ("WEBSOCKET", "/api/web/ws", "web") in [(one.method, one.path, one.plugin) for one in app.routes]
    assert (await app.client().get("/health")).json()["plugins"] == 1
    assert "/api/web/me" in (await app.client().get("/openapi.json")).json()["paths"]


@pytest.mark.asyncio
async def test_httpx2_serves_as_well() -> None:
    """The client can be made of httpx2, by one setting."""
    from nexus_testing.defaults import current, set_defaults

    before = set_defaults(current()._replace(client="httpx2"))
    try:
        async with create_test_app([WebPlugin]) as app:
            client: Any = app.client()
            assert [kind.__module__ for kind in type(client).__mro__ if "httpx2" in kind.__module__]
            assert (await client.get("/api/web/ask")).json() is True
    finally:
        set_defaults(before)
