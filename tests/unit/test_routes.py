"""Routes: where plugins are mounted, what stands out about them, and what is left of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from fastapi import APIRouter, Depends, HTTPException, WebSocket
from pydantic import BaseModel
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from nexus_testing import create_test_app
from nexus_testing.app import App
from nexus_testing.clock import RealClock
from nexus_testing.errors import LifecycleError, ManifestError, PluginLoadError, WebSocketRejected
from nexus_testing.manifest import Manifest
from nexus_testing.nexus.auth import require_permission
from nexus_testing.nexus.context import who
from nexus_testing.nexus.kernel import Kernel
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.runtime.loaded import Loaded
from nexus_testing.runtime.paths import Clash, clashes, pattern_of
from nexus_testing.runtime.rate_limit import Rate, RateLimit, rate_of
from nexus_testing.runtime.routes import listed


class Mirror(BasePlugin):
    """A plugin whose routers and middleware the test gives."""

    routers: list[APIRouter]
    middleware: Any = None

    def __init__(self, name: str = "mirror", *routers: APIRouter) -> None:
        self.name = name
        self.routers = list(routers)

    def get_api_routes(self) -> list[APIRouter]:
        """Return what the test gave."""
        return self.routers

    def get_middleware(self) -> Any:
        """Return what the test gave."""
        return self.middleware


class Thing(BaseModel):
    """What one router's routes return."""

    size: int


def router_with(*paths: str, prefix: str = "", **options: Any) -> APIRouter:
    """Return a router with a GET route for each path, which answers with the path as it was written."""
    router = APIRouter(prefix=prefix, **options)
    for path in paths:

        async def answer(written: str = path) -> str:
            return written

        router.add_api_route(path, answer, methods=["GET"])
    return router


def ids(app: Any) -> list[str]:
    """Return the ids of what was found about routes."""
    return [finding.id for finding in app.findings if finding.id.startswith("NX6")]


# -- where ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "path", "expected"),
    [
        ("", "/ping", "/api/mirror/ping"),
        ("/pets", "/ping", "/api/mirror/pets/ping"),
        ("/api/mirror", "/ping", "/api/mirror/ping"),
        ("/api/mirror/pets", "/ping", "/api/mirror/pets/ping"),
        ("/api/mirrors", "/ping", "/api/mirror/api/mirrors/ping"),
    ],
)
@pytest.mark.asyncio
async def test_a_prefix_is_put_before_a_route_once(prefix: str, path: str, expected: str) -> None:
    """A router's own prefix comes once, also if it is the plugin's."""
    router = APIRouter(prefix=prefix)

    @router.get(path)
    async def ping() -> str:
        return "pong"

    async with create_test_app([Mirror("mirror", router)]) as app:
        assert [expected] == [route.path for route in app.routes]
        assert (await app.client().get(expected)).json() == "pong"
        assert (["NX603"] if prefix in {"/api/mirror", "/api/mirror/pets"} else []) == ids(app)


@pytest.mark.asyncio
async def test_a_path_that_repeats_the_prefix_is_found() -> None:
    """A route whose path begins with where the plugin is mounted has it twice, which is a finding."""
    async with create_test_app([Mirror("mirror", router_with("/api/mirror/ping"))]) as app:
        assert ["NX603"] == ids(app)


@pytest.mark.asyncio
async def test_the_authors_router_stays_as_it_was() -> None:
    """Loading and unloading three times changes nothing of the router, and leaves nothing in the app."""
    dependency = Depends(lambda: None)
    inner = router_with("/deep", prefix="/inner")
    router = router_with("/ping", prefix="/pets", dependencies=[dependency], tags=["pets"])
    router.on_startup.append(print)
    router.include_router(inner)

    def state(one: APIRouter) -> tuple[Any, ...]:
        return (
            one.prefix,
            list(one.routes),
            list(one.dependencies),
            list(one.tags),
            [route.path for route in listed(one.routes, None)],
            list(one.on_startup),
        )

    before = state(router), state(inner)
    async with create_test_app() as app:
        own = app.fastapi_app.router
        empty = list(own.routes), own.lifespan_context, list(own.on_startup)
        for _ in range(3):
            await app.load_plugin(Mirror("mirror", router))
            assert (await app.client().get("/api/mirror/pets/inner/deep")).json() == "/deep"
            await app.unload_plugin("mirror")
            assert empty == (list(own.routes), own.lifespan_context, list(own.on_startup))
            assert (await app.client().get("/api/mirror/pets/ping")).status_code == 404
    assert before == (state(router), state(inner))


@pytest.mark.asyncio
async def test_what_an_app_has_is_listed() -> None:
    """Method, path, endpoint and plugin of each route, of nested routers and WebSockets too."""
    router = APIRouter()
    inner = APIRouter(prefix="/inner")

    @inner.api_route("/both", methods=["PUT", "GET"])
    async def both() -> None: ...

    @inner.websocket("/ws")
    async def socket(websocket: WebSocket) -> None: ...

    router.include_router(inner)
    expected = [
        ("GET", "/api/mirror/inner/both", both, "mirror"),
        ("PUT", "/api/mirror/inner/both", both, "mirror"),
        ("WEBSOCKET", "/api/mirror/inner/ws", socket, "mirror"),
    ]
    async with create_test_app([Mirror("mirror", router)]) as app:
        assert expected == app.routes
        own = [route for route in listed(app.fastapi_app.router.routes, "mirror") if "health" not in route.path]
        assert expected == [route for route in own if route.path.startswith("/api/mirror")]


# -- two on one path -----------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_two_plugins_on_one_path_are_refused(tmp_path: Path) -> None:
    """The error names both plugins and the lines of both routes; the names of parameters make no difference."""
    source = (
        "from fastapi import APIRouter\nfrom nexus.plugins import BasePlugin\nrouter = APIRouter()\n"
        "@router.get('/items/{{{0}}}')\nasync def {0}({0}: str) -> str:\n    return {0}\n"
        "class {1}(BasePlugin):\n    def get_api_routes(self):\n        return [router]\n"
    )
    for name, cls in (("one", "OnePlugin"), ("two", "TwoPlugin")):
        (tmp_path / name).mkdir()
        manifest = {"name": name, "version": "1.0.0", "api": {"prefix": "/api/shop"}}
        (tmp_path / name / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        (tmp_path / name / "plugin.py").write_text(source.format(name, cls), encoding="utf-8")
    async with create_test_app([tmp_path / "one"]) as app:
        before = list(app.fastapi_app.router.routes)
        with pytest.raises(PluginLoadError) as caught:
            await app.load_plugin(tmp_path / "two")
        assert "Plugin 'two' and plugin 'one' both have GET /api/shop/items/{two}." == caught.value.what
        assert f"{tmp_path}/two/plugin.py:4" in str(caught.value)
        assert f"{tmp_path}/one/plugin.py:4" in str(caught.value)
        assert before == app.fastapi_app.router.routes
        assert (await app.client().get("/api/shop/items/7")).json() == "7"


@pytest.mark.asyncio
async def test_a_route_that_never_gets_a_request_is_found() -> None:
    """One of the same path, and one that a wider path takes all from, each with both lines."""
    router = APIRouter()

    @router.get("/items/{id}")
    async def by_id(id: str) -> None: ...  # noqa: A002 - a path's usual word

    @router.get("/items/new")
    async def new() -> None: ...

    @router.get("/items/{name}")
    async def by_name(name: str) -> None: ...

    @router.post("/items/new")
    async def create() -> None: ...

    async with create_test_app([Mirror("mirror", router)]) as app:
        found = [finding for finding in app.findings if finding.id.startswith("NX6")]
        assert [("NX602", new), ("NX601", by_name)] == [
            (one.id, {f.__code__.co_firstlineno: f for f in (new, by_name)}[one.where.line])
            for one in found
            if one.where
        ]
        assert all(f"test_routes.py:{by_id.__code__.co_firstlineno}" in one.text for one in found)


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        ("/a/{x}", "/a/b", True),
        ("/a/b", "/a/{x}", False),
        ("/a/{x:int}", "/a/b", False),
        ("/a/{x:int}", "/a/{y}", False),
        ("/a/{x}", "/a/{y:int}", True),
        ("/a/{x:float}", "/a/{y:int}", True),
        ("/a/{x:int}", "/a/{y:float}", False),
        ("/a/{x:uuid}", "/a/{y}", False),
        ("/{x:path}", "/a/b/c", True),
        ("/a/{x}", "/a/b/c", False),
        ("/{x}/b", "/a/{y}", False),
        ("/a{x}", "/a{y}b", True),
    ],
)
def test_a_path_takes_all_requests_of_a_narrower_one(first: str, second: str, taken: bool) -> None:  # noqa: FBT001 - a table
    """The later of two paths gets no request if the earlier one fits all that it fits."""
    assert ((Clash(0, 1, same=False),) if taken else ()) == clashes((("GET", first), ("GET", second)))
    assert () == clashes((("GET", first), ("POST", second)))


def test_names_of_parameters_do_not_tell_paths_apart() -> None:
    """Their converters do."""
    assert pattern_of("/a/{x}/b") == pattern_of("/a/{y}/b")
    assert pattern_of("/a/{x:int}") != pattern_of("/a/{x}")


# -- OpenAPI and errors --------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_openapi_tells_of_one_plugin_or_of_all() -> None:
    """Of one: its paths and the schemas that they use. What is unloaded is in neither."""
    things, pings = APIRouter(), APIRouter()

    @things.get("/thing")
    async def thing() -> Thing:
        return Thing(size=1)

    @pings.get("/ping")
    async def ping() -> str:
        return "pong"

    async with create_test_app([Mirror("things", things), Mirror("pings", pings)]) as app:
        assert {"/api/things/thing", "/api/pings/ping"} == set(app.openapi()["paths"])
        assert app.openapi("pings")["info"] == {"title": "pings", "version": "1.0.0"}
        assert {"/api/pings/ping"} == set(app.openapi("pings")["paths"])
        assert "components" not in app.openapi("pings")
        assert {"Thing"} == set(app.openapi("things")["components"]["schemas"])
        await app.unload_plugin("things")
        assert {"/api/pings/ping"} == set(app.openapi()["paths"])
        assert "components" not in (await app.client().get("/openapi.json")).json()
        with pytest.raises(LifecycleError, match="no plugin 'things'"):
            app.openapi("things")


@pytest.mark.asyncio
async def test_errors_have_the_published_bodies_and_their_headers() -> None:
    """An HTTPException of a route, an unknown route, a wrong method, wrong input."""
    router = APIRouter()

    @router.get("/items/{number}")
    async def item(number: int) -> None:
        raise HTTPException(409, "sold", headers={"X-Number": str(number)})

    async with create_test_app([Mirror("mirror", router)]) as app:
        client = app.client()
        sold = await client.get("/api/mirror/items/7")
        assert sold.status_code == 409
        assert {"error": {"code": 409, "message": "sold", "path": "/api/mirror/items/7"}} == sold.json()
        assert sold.headers["x-number"] == "7"
        assert {"detail": "Not Found"} == (await client.get("/api/mirror/nothing")).json()
        assert (await client.post("/api/mirror/items/7")).status_code == 405
        assert (await client.get("/api/mirror/items/x")).json()["detail"][0]["loc"] == ["path", "number"]


@pytest.mark.asyncio
async def test_a_requirement_above_its_route_is_found() -> None:
    """The route has the function itself, which nobody checks."""
    router = APIRouter()

    @require_permission("write")
    @router.get("/open")
    async def opened() -> None: ...

    @router.get("/closed")
    @require_permission("write")
    async def closed() -> None: ...

    async with create_test_app([Mirror("mirror", router)]) as app:
        assert [("NX604", opened.__wrapped__.__code__.co_firstlineno)] == [
            (one.id, one.where.line) for one in app.findings if one.id.startswith("NX6") and one.where
        ]


@pytest.mark.parametrize(
    ("prefix", "path", "found"),
    [
        ("", "items", "the path 'items' of GET runs into what stands before it, and is '/api/mirrorit"),
        ("/pets", "/{id}", None),
        ("/pets", "s/{id}", "the path 's/{id}' of GET runs into what stands before it, and is '/petss/{id}'"),
        ("/pets", "", None),
    ],
)
@pytest.mark.asyncio
async def test_a_path_without_a_slash_is_found(prefix: str, path: str, found: str | None) -> None:
    """Nothing puts a slash between a prefix and a path."""
    router = APIRouter(prefix=prefix)

    @router.get(path)
    async def items() -> None: ...

    async with create_test_app([Mirror("mirror", router)]) as app:
        texts = [one.text for one in app.findings if one.id == "NX605"]
    assert len(texts) == (found is not None)
    assert all(found in text for text in texts if found)


# -- middleware ----------------------------------------------------------------------------------------------------

calls: list[str] = []


class Noted:
    """A middleware that notes what passes, and whose code it is."""

    def __init__(self, app: ASGIApp, word: str = "plain") -> None:
        self.app, self.word = app, word
        calls.append(f"made {word}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note it."""
        calls.append(f"{self.word} {scope['type']} of {who()}")
        await self.app(scope, receive, send)


class Broken:
    """A middleware that cannot be made."""

    def __init__(self, app: ASGIApp) -> None:
        raise ValueError("no key")


@pytest.mark.asyncio
async def test_middleware_wraps_its_plugins_routes_and_no_others() -> None:
    """In the order of the list, for HTTP and WebSockets, built once a load."""
    calls.clear()
    router = APIRouter()

    @router.get("/ping")
    async def ping() -> str:
        return "pong"

    @router.websocket("/ws")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    async def stamp(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-stamp"] = "yes"
        return response

    plugin = Mirror("mirror", router)
    plugin.middleware = [Noted, (Noted, {"word": "named"}), Middleware(BaseHTTPMiddleware, dispatch=stamp)]
    async with create_test_app([plugin, Mirror("other", router_with("/ping"))]) as app:
        assert ["made named", "made plain"] == calls
        calls.clear()
        client = app.client()
        assert (await client.get("/api/mirror/ping")).headers["x-stamp"] == "yes"
        assert ["plain http of mirror", "named http of mirror"] == calls
        calls.clear()
        async with client.websocket("/api/mirror/ws"):
            pass
        assert ["plain websocket of mirror", "named websocket of mirror"] == calls
        calls.clear()
        assert "x-stamp" not in (await client.get("/api/other/ping")).headers
        assert (await client.get("/health")).status_code == 200
        await app.disable_plugin("mirror")
        await app.enable_plugin("mirror")
        assert [] == calls
        await client.get("/api/mirror/ping")
        assert 2 == len(calls)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([Broken], "failed in middleware Broken: ValueError: no key"),
        ([(Noted, {"wrd": "x"})], "failed in middleware Noted: TypeError"),
        ([7], "a list with 7, which is no middleware"),
        (Noted, "which is no list"),
        ([(Noted, 7)], "which is no middleware"),
        ([type("Made", (), {"__init__": lambda _self, _app: None})], "middleware Made cannot be called"),
    ],
)
@pytest.mark.asyncio
async def test_middleware_that_cannot_be_is_an_error_of_the_load(given: Any, message: str) -> None:
    """It names the plugin and a line; nothing of the plugin is mounted."""
    plugin = Mirror("mirror", router_with("/ping"))
    plugin.middleware = given
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError) as caught:
            await app.load_plugin(plugin)
        assert message in caught.value.what
        assert "test_routes.py:" in str(caught.value.where) or given[0].__name__ == "Made"
        assert [] == app.routes
        assert (await app.client().get("/api/mirror/ping")).status_code == 404


@pytest.mark.asyncio
async def test_get_middleware_that_raises_is_an_error_of_the_load() -> None:
    """It names the line."""

    class Raising(Mirror):
        def get_middleware(self) -> Any:
            raise RuntimeError("not today")

    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match="failed in get_middleware") as caught:
            await app.load_plugin(Raising("mirror", router_with("/ping")))
        assert isinstance(caught.value.__cause__, RuntimeError)
        assert "Raising.get_middleware" in str(caught.value.where)


# -- rate limit ----------------------------------------------------------------------------------------------------


class HandClock(RealClock):
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def now(self) -> datetime:
        """Return the time that was set."""
        return datetime.fromtimestamp(self.at, UTC)

    def time(self) -> float:
        """Return the time that was set."""
        return self.at

    def monotonic(self) -> float:
        """Return the time that was set."""
        return self.at

    async def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.at += seconds


def with_limit(rate_limit: Any) -> Loaded:
    """Return a plugin whose manifest has a rate limit."""
    manifest = Manifest.model_construct(name="mirror", version="1.0.0")
    object.__setattr__(manifest, "api", SimpleNamespace(prefix=None, rate_limit=rate_limit))
    return Loaded(None, manifest)


@pytest_asyncio.fixture(name="limited")
async def _limited(tmp_path: Path) -> AsyncIterator[App]:
    """An app with a plugin of 2 requests in 60 seconds, and one without a limit."""
    manifest = {"name": "limited", "version": "1.0.0", "api": {"rate_limit": {"requests": 2, "period": 60}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (tmp_path / "plugin.py").write_text(
        "from fastapi import APIRouter, WebSocket\nfrom nexus.plugins import BasePlugin\n"
        "router = APIRouter()\n@router.get('/ping')\nasync def ping() -> str:\n    return 'pong'\n"
        "@router.websocket('/ws')\nasync def ws(websocket: WebSocket):\n    await websocket.accept()\n"
        "class LimitedPlugin(BasePlugin):\n    def get_api_routes(self):\n        return [router]\n",
        encoding="utf-8",
    )
    async with create_test_app([tmp_path, Mirror("other", router_with("/ping"))]) as app:
        app.fastapi_app.state.nexus.clock = HandClock()
        yield app


@pytest.mark.asyncio
async def test_past_its_limit_a_client_is_told_when_to_come_again(limited: App) -> None:
    """429 with the published body and Retry-After, up to a microsecond before the period's end and not after."""
    clock: HandClock = limited.fastapi_app.state.nexus.clock
    client = limited.client()
    begin = clock.at
    assert [200, 200] == [(await client.get("/api/limited/ping")).status_code for _ in range(2)]
    refused = await client.get("/api/limited/ping")
    assert refused.status_code == 429
    assert "60" == refused.headers["retry-after"]
    body = {"error": {"code": 429, "message": "Rate limit exceeded", "path": "/api/limited/ping"}}
    assert body == refused.json()
    clock.at = begin + 60 - 1e-6
    refused = await client.get("/api/limited/ping")
    assert (429, "1") == (refused.status_code, refused.headers["retry-after"])
    clock.at = begin + 60
    assert [200, 200, 429] == [(await client.get("/api/limited/ping")).status_code for _ in range(3)]
    clock.at = begin + 120 + 1e-6
    assert (await client.get("/api/limited/ping")).status_code == 200


@pytest.mark.asyncio
async def test_each_client_of_each_plugin_has_a_limit_of_its_own(limited: App) -> None:
    """A user's logins count together, and nobody else's; other plugins are not limited."""
    client = limited.client()
    ann, again, eve = client.as_user("ann"), client.as_user("ann"), client.as_user("eve")
    codes = [(await one.get("/api/limited/ping")).status_code for one in (ann, again, ann, again, eve, client)]
    assert [200, 200, 429, 429, 200, 200] == codes
    assert [200] * 5 == [(await ann.get("/api/other/ping")).status_code for _ in range(5)]


@pytest.mark.asyncio
async def test_a_websocket_counts_as_a_request(limited: App) -> None:
    """Past the limit it is refused before it is accepted."""
    client = limited.client()
    for _ in range(2):
        await client.get("/api/limited/ping")
    with pytest.raises(WebSocketRejected) as caught:
        async with client.websocket("/api/limited/ws"):
            pass
    assert 429 == caught.value.status


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, None),
        ({"requests": 100, "period": 60}, Rate(100, 60.0)),
        (SimpleNamespace(requests=1, period=0.5), Rate(1, 0.5)),
    ],
)
def test_a_rate_is_read_from_the_manifest(said: Any, expected: Rate | None) -> None:
    """As a mapping and as an object; none if there is none."""
    assert expected == rate_of(with_limit(said))


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"requests": 0, "period": 60},
        {"requests": True, "period": 60},
        {"requests": 1.5, "period": 60},
        {"requests": "many", "period": 60},
        {"requests": 1, "period": 0},
        {"requests": 1, "period": float("inf")},
        {"requests": 1, "period": float("nan")},
        {"requests": 1},
        SimpleNamespace(requests=1),
    ],
)
def test_a_rate_that_cannot_be_is_an_error(said: Any) -> None:
    """It says what is there and what may be."""
    with pytest.raises(ManifestError, match="requests, a whole number above 0"):
        rate_of(with_limit(said))


@pytest.mark.asyncio
async def test_without_an_address_all_clients_are_one() -> None:
    """Servers behind a Unix socket know none."""
    passed: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope)

    limit = RateLimit(app, Rate(1, 1.0), Kernel(clock=HandClock()))
    never: Any = None
    scope: Any = {"type": "http", "headers": [], "client": None}
    await limit(scope, never, never)
    with pytest.raises(HTTPException) as caught:
        await limit(scope, never, never)
    assert {"Retry-After": "1"} == caught.value.headers
    assert [scope] == passed
