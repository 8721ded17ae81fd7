"""The app: how it starts and ends, whoever starts it, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from asgi_lifespan import LifespanManager
from fastapi import APIRouter, Depends, WebSocket

from nexus_testing import create_test_app
from nexus_testing.errors import (
    ConfigurationError,
    LifecycleError,
    PluginLoadError,
    PluginUnloadError,
    WebSocketRejected,
)
from nexus_testing.nexus.auth import require_auth
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.websocket import WebSocketSession, websocket_scope

if TYPE_CHECKING:
    from tests.conftest import Repo

pytestmark = pytest.mark.asyncio


class First(BasePlugin):
    """A plugin that can be told to fail."""

    fails_at = ""

    async def initialize(self) -> bool:
        """Fail or go on."""
        return self.fails_at != "initialize"

    async def shutdown(self) -> None:
        """Fail or go on."""
        if self.fails_at == "shutdown":
            raise ValueError(f"{self.name} is stuck")

    def get_api_routes(self) -> list[APIRouter]:
        """Return a route, and a WebSocket for users only."""
        router = APIRouter()

        @router.get("/hello")
        async def hello() -> str:
            return self.name

        @router.websocket("/ws", dependencies=[Depends(require_auth)])
        async def ws(socket: WebSocket) -> None:
            await socket.accept()

        return [router]


class Second(First):
    """Another."""


# -- starting and ending -----------------------------------------------------------------------------------------


async def test_an_app_lives_once() -> None:
    """It is new, running and over; starting or ending it twice changes nothing."""
    app = create_test_app([First])
    seen = [repr(app)]
    assert app is await app
    first = app.get_plugin("first")
    await app.startup()
    seen.append(repr(app))
    assert first is app.get_plugin("first")
    assert app.is_running
    await app.shutdown()
    await app.shutdown()
    seen.append(repr(app))
    assert not app.is_running
    assert ["<App new, plugins []>", "<App running, plugins ['first']>", "<App over, plugins []>"] == seen


async def test_an_app_that_is_over_cannot_be_started() -> None:
    """Not even one that never ran; the message says where it was made."""
    app = create_test_app()
    await app.shutdown()
    with pytest.raises(LifecycleError, match="The app is shut down") as refused:
        await app.startup()
    assert refused.value.why.startswith(f"it was made at {__file__}:")
    with pytest.raises(LifecycleError, match="The app is shut down"):
        await app.client().get("/health")


async def test_one_plugin_needs_no_list(project: Repo) -> None:
    """A name, a path or a class may be passed as it is."""
    project.write("plugin.py", "from nexus_testing.nexus.plugins import BasePlugin\n\nclass Shop(BasePlugin): pass\n")
    folder = project.manifest().parent
    plugins: tuple[Any, ...] = ("shop", Path(folder), First)
    for plugin, name in zip(plugins, ("shop", "shop", "first"), strict=True):
        async with create_test_app(plugin) as app:
            assert [name] == list(app.plugins)


async def test_a_start_that_fails_takes_everything_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugins that were loaded are unloaded again, and the app is over."""
    monkeypatch.setattr(Second, "fails_at", "initialize")
    app = create_test_app([First, Second])
    with pytest.raises(PluginLoadError, match="'second' refused to start"):
        await app.startup()
    assert {} == app.plugins
    assert [("first", "ok")] == [(step.plugin, step.outcome) for step in app.journal.lifecycle("first")[-1:]]
    with pytest.raises(LifecycleError):
        await app.startup()


async def test_a_load_that_need_not_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `check=False` a failure is an answer, as it is in production."""
    monkeypatch.setattr(First, "fails_at", "initialize")
    async with create_test_app() as app:
        assert await app.load_plugin(First, check=False) is False
        monkeypatch.setattr(First, "fails_at", "")
        assert await app.load_plugin(First, check=False) is True


async def test_all_that_goes_wrong_at_the_end_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """One error as it is, several together; each plugin has its turn and the app is over."""
    monkeypatch.setattr(First, "fails_at", "shutdown")
    app = create_test_app([First])
    await app.startup()
    with pytest.raises(PluginUnloadError, match="first is stuck"):
        await app.shutdown()
    app = create_test_app([First, Second])
    await app.startup()
    with pytest.raises(ExceptionGroup, match="several things went wrong") as raised:
        await app.shutdown()
    assert ["'second'", "'first'"] == [str(error).split()[1] for error in raised.value.exceptions]
    assert not app.is_running


async def test_a_plugin_may_end_the_app() -> None:
    """A shutdown that is asked for by a hook runs at once, and the one that comes later has nothing left to do."""

    class Last(First):
        async def on_enable(self) -> None:
            await app.shutdown()

    app = create_test_app()
    await app.startup()
    await app.load_plugin(Last, check=False)
    assert not app.is_running
    await app.shutdown()


async def test_environment_variables_hold_while_the_app_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test gives is set at the start, and the machine's own is back at the end."""
    import os

    monkeypatch.setenv("SHOP_OLD", "machine")
    monkeypatch.delenv("SHOP_NEW", raising=False)
    async with create_test_app(env={"SHOP_OLD": "test", "SHOP_NEW": "test"}):
        assert ("test", "test") == (os.environ["SHOP_OLD"], os.environ["SHOP_NEW"])
    assert ("machine", None) == (os.environ["SHOP_OLD"], os.environ.get("SHOP_NEW"))


async def test_a_backend_that_there_is_not() -> None:
    """The message says which there is, and the line that asked."""
    with pytest.raises(ConfigurationError, match="no backend 'embeded'") as refused:
        create_test_app(backend="embeded")
    assert "Did you mean 'embedded'?" == refused.value.fix
    assert f"{__file__}:" in str(refused.value.where)


# -- as an ASGI application --------------------------------------------------------------------------------------


async def test_a_server_may_start_it() -> None:
    """It speaks the lifespan protocol, like any application that a server is given."""
    app = create_test_app([First])
    async with LifespanManager(app):
        assert "first" == (await app.client().get("/api/first/hello")).json()
    assert not app.is_running


@pytest.mark.parametrize(("fails_at", "phase"), [("initialize", "startup"), ("shutdown", "shutdown")])
async def test_a_server_is_told_what_goes_wrong(monkeypatch: pytest.MonkeyPatch, fails_at: str, phase: str) -> None:
    """The message of the protocol has the error, which is raised besides."""
    monkeypatch.setattr(First, "fails_at", fails_at)
    app = create_test_app([First])
    said: list[Any] = []
    asked = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, str]:
        return {"type": next(asked)}

    async def send(message: Any) -> None:
        said.append(message)

    with pytest.raises((PluginLoadError, PluginUnloadError)) as raised:
        await app({"type": "lifespan"}, receive, send)
    assert {"type": f"lifespan.{phase}.failed", "message": str(raised.value)} == said[-1]


async def test_a_request_starts_it() -> None:
    """The first request of a client is as good as `startup`."""
    app = create_test_app([First])
    assert "first" == (await app.client().get("/api/first/hello")).json()
    await app.shutdown()


async def test_a_server_that_cannot_refuse_websockets_with_a_status() -> None:
    """There the refusal is a close before the accept, with the reason."""
    async with create_test_app([First]) as app:
        scope = websocket_scope("/api/first/ws", b"", [], ("testserver", 80), [])
        scope["extensions"] = {}
        with pytest.raises(WebSocketRejected) as refused:
            await WebSocketSession(app, scope, timeout=1).__aenter__()
    assert (1008, b"Not authenticated") == (refused.value.code, refused.value.body)


async def test_errors_are_answered_as_in_production() -> None:
    """An error that the app has no answer to is a 500 with the body that users see; a status keeps its headers."""
    from fastapi import HTTPException

    async with create_test_app() as app:

        @app.fastapi_app.get("/broken")
        async def broken() -> None:
            raise ValueError("secret")

        @app.fastapi_app.get("/later")
        async def later() -> None:
            raise HTTPException(503, "Later", headers={"Retry-After": "5"})

        @app.fastapi_app.get("/same")
        async def same() -> None:
            raise HTTPException(304)

        client = app.client(raise_app_exceptions=False)
        answers = [await client.get(path) for path in ("/broken", "/later", "/same")]
    assert [500, 503, 304] == [answer.status_code for answer in answers]
    assert {"error": {"code": 500, "message": "Internal server error", "path": "/broken"}} == answers[0].json()
    assert ("5", "Later") == (answers[1].headers["retry-after"], answers[1].json()["error"]["message"])


async def test_many_requests_at_once() -> None:
    """The app is one, and each of them gets its own answer."""
    async with create_test_app([First, Second]) as app:
        client = app.client()
        paths = ["/api/first/hello", "/api/second/hello"] * 10
        answers = await asyncio.gather(*(client.get(path) for path in paths))
    assert ["first", "second"] * 10 == [answer.json() for answer in answers]
