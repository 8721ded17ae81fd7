"""Users: their logins and how long these last, ready principals, and what users are required to have."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
import pytest_asyncio
from fastapi import APIRouter, Depends, WebSocket

from nexus_testing import create_test_app
from nexus_testing.app import App
from nexus_testing.clock import RealClock
from nexus_testing.errors import AuthError, ConfigurationError, WebSocketRejected
from nexus_testing.nexus.auth import User, get_current_user, require_auth, require_permission, require_role
from nexus_testing.nexus.plugins import BasePlugin

INVALID = 'Bearer error="invalid_token"'
may_write = require_permission("write")


class ShiftedClock(RealClock):
    """Real time, some seconds on."""

    shift = 0.0

    def time(self) -> float:
        """Return the time, shifted."""
        return 1_000.0 + self.shift


class Desk(BasePlugin):
    """A plugin that asks for users in every way."""

    def __init__(self) -> None:
        self.name = "desk"

    async def initialize(self) -> bool:
        """Subscribe a handler that is for users only."""
        self.event_bus.subscribe("asked", self.sign)
        return True

    @require_permission("write", "sign")
    async def sign(self, what: object) -> str:
        """Sign something."""
        return f"signed {what}"

    @require_role("clerk")
    def stamp(self, what: str) -> str:
        """Stamp something."""
        return f"stamped {what}"

    def get_api_routes(self) -> list[APIRouter]:
        """Return the routes."""
        router = APIRouter()

        @router.get("/me")
        async def me(user: Annotated[User, Depends(require_auth)]) -> str:
            return user.id

        @router.get("/dependency")
        async def dependency(user: Annotated[User, Depends(may_write)]) -> str:
            return user.id

        @router.get("/decorated/{number}")
        @require_permission("write")
        async def decorated(number: int, size: int = 1) -> int:
            return number * size

        @router.get("/sync/{number}")
        @require_role("clerk")
        def sync(number: int) -> int:
            return number

        @router.get("/sign/{what}")
        async def sign(what: str) -> Any:
            return await self.sign(what)

        @router.get("/stamp/{what}")
        async def stamp(what: str) -> Any:
            return self.stamp(what)

        @router.websocket("/ws")
        async def socket(websocket: WebSocket, user: Annotated[User, Depends(may_write)]) -> None:
            await websocket.accept()
            await websocket.send_text(user.id)

        return [router]


@pytest_asyncio.fixture(name="app")
async def _app() -> AsyncIterator[App]:
    async with create_test_app([Desk]) as app:
        yield app


async def codes(client: Any, *paths: str) -> list[int]:
    """Return the status of a GET of each path of the plugin."""
    return [(await client.get(f"/api/desk/{path}")).status_code for path in paths]


# -- logins --------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_login_ends_by_the_apps_clock(app: App) -> None:
    """Up to its last microsecond it holds; from then on the answer is 401, and says that the token is invalid."""
    clock = app.fastapi_app.state.nexus.clock = ShiftedClock()
    ann = app.client().as_user("ann", expires_in=60)
    clock.shift = 60 - 1e-6
    assert (await ann.get("/api/desk/me")).json() == "ann"
    clock.shift = 60
    over = await ann.get("/api/desk/me")
    assert (401, INVALID) == (over.status_code, over.headers["www-authenticate"])
    assert over.json()["error"]["message"] == "Token expired"
    assert (await app.client(headers=app.login("eve", expires_in=1)).get("/api/desk/me")).json() == "eve"


@pytest.mark.asyncio
async def test_the_configuration_says_how_long_a_login_lasts() -> None:
    """Unless the login itself says it."""
    async with create_test_app([Desk], config={"auth": {"token_lifetime": 10}}) as app:
        clock = app.fastapi_app.state.nexus.clock = ShiftedClock()
        ann, eve = app.client().as_user("ann"), app.client().as_user("eve", expires_in=20)
        clock.shift = 10
        assert [401, 200] == [*await codes(ann, "me"), *await codes(eve, "me")]


@pytest.mark.asyncio
async def test_what_nobody_was_given_is_no_token(app: App) -> None:
    """Another token and another scheme are refused, no header is nobody."""
    for header in ("Bearer wrong", "Basic ann", "Bearer"):
        answer = await app.client().get("/api/desk/me", headers={"Authorization": header})
        assert (401, INVALID) == (answer.status_code, answer.headers["www-authenticate"])
    nobody = await app.client().get("/api/desk/me")
    assert (401, "Bearer") == (nobody.status_code, nobody.headers["www-authenticate"])


@pytest.mark.parametrize("seconds", ["60", True, float("nan"), float("inf")])
@pytest.mark.asyncio
async def test_a_login_for_no_number_of_seconds_is_an_error(app: App, seconds: Any) -> None:
    """It names the value."""
    with pytest.raises(AuthError, match="'ann' cannot be logged in for"):
        app.login("ann", expires_in=seconds)


# -- principals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("user", [200, 200, 200, 403]),
        ("admin", [200, 200, 200, 403]),
        ("service", [200, 200, 200, 403]),
        ("anonymous", [401, 401, 401, 401]),
        ("expired", [401, 401, 401, 401]),
        ("forbidden", [200, 403, 403, 403]),
    ],
)
@pytest.mark.asyncio
async def test_principals_are_ready(app: App, name: str, expected: list[int]) -> None:
    """Each by its name, on the client and on the app; the client that is asked stays who it was."""
    client = app.client().as_user("ann")
    paths = ("me", "dependency", "decorated/7", "sync/7")
    assert expected == await codes(client.as_principal(name), *paths)
    assert expected == await codes(app.client(headers=app.login_principal(name)), *paths)
    assert (await client.get("/api/desk/me")).json() == "ann"


@pytest.mark.asyncio
async def test_the_configuration_may_name_principals() -> None:
    """New ones, and what the ready ones have."""
    principals = {"clerk": {"roles": ["clerk"]}, "user": {"permissions": []}}
    async with create_test_app([Desk], config={"auth": {"principals": principals}}) as app:
        assert [200, 403] == await codes(app.client().as_principal("clerk"), "sync/7", "dependency")
        assert [200, 403] == await codes(app.client().as_principal("user"), "me", "dependency")
        assert [200] == await codes(app.client().as_principal("admin"), "dependency")


@pytest.mark.asyncio
async def test_an_unknown_principal_is_an_error(app: App) -> None:
    """With a guess, or with the line that makes one."""
    with pytest.raises(AuthError, match="Did you mean 'admin'"):
        app.client().as_principal("admn")
    with pytest.raises(AuthError, match=r"'principals': \{'clerk'") as caught:
        app.login_principal("clerk")
    assert "test_auth.py:" in str(caught.value.where)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"token_lifetme": 1}, "Did you mean 'token_lifetime'"),
        ([1], "auth = [1]"),
        ({"token_lifetime": 0}, "auth.token_lifetime = 0"),
        ({"token_lifetime": "1 h"}, "auth.token_lifetime = '1 h'"),
        ({"principals": ["ann"]}, "auth.principals = ['ann']"),
        ({"principals": {"ann": ["editor"]}}, "auth.principals.ann = ['editor']"),
        ({"principals": {"ann": {"role": []}}}, "Did you mean 'roles'"),
        ({"principals": {"ann": {"roles": "editor"}}}, "auth.principals.ann.roles = 'editor'"),
        ({"principals": {"ann": {"roles": [1]}}}, "auth.principals.ann.roles = [1]"),
        ({"principals": {7: {}}}, "unknown key 7"),
        ({"principals": {"anonymous": {"roles": ["x"]}}}, "nobody gives that principal anything"),
    ],
)
def test_a_section_that_cannot_be_is_an_error(section: Any, message: str) -> None:
    """It names the key, and the line that made the app."""
    with pytest.raises(ConfigurationError) as caught:
        create_test_app(config={"auth": section})
    assert message in str(caught.value)
    assert "test_auth.py:" in str(caught.value.where)


# -- requirements --------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_requirement_decorates_routes_and_methods(app: App) -> None:
    """Coroutine functions and plain ones: 401 for nobody, 403 for others, and the function's own parameters stay."""
    client = app.client()
    paths = ("decorated/7", "sync/7", "sign/it", "stamp/it")
    assert [401] * 4 == await codes(client, *paths)
    assert [403] * 4 == await codes(client.as_user("ann", permissions=["sign"], roles=["guest"]), *paths)
    able = client.as_user("eve", permissions=["write", "sign"], roles=["clerk"])
    assert (await able.get("/api/desk/decorated/7?size=3")).json() == 21
    assert (await able.get("/api/desk/sync/7")).json() == 7
    assert (await able.get("/api/desk/sign/it")).json() == "signed it"
    assert (await able.get("/api/desk/stamp/it")).json() == "stamped it"
    assert (await able.get("/api/desk/decorated/x")).status_code == 422


@pytest.mark.asyncio
async def test_all_that_is_named_is_required(app: App) -> None:
    """The answer says what is missing."""
    answer = await app.client().as_user("ann", permissions=["write"]).get("/api/desk/sign/it")
    assert {"code": 403, "message": "Permission required: sign", "path": "/api/desk/sign/it"} == answer.json()["error"]


@pytest.mark.asyncio
async def test_a_requirement_guards_a_websocket(app: App) -> None:
    """As a dependency."""
    with pytest.raises(WebSocketRejected) as caught:
        async with app.client().websocket("/api/desk/ws"):
            pass
    assert 401 == caught.value.status
    async with app.client().as_principal("user").websocket("/api/desk/ws") as socket:
        assert "user" == await socket.receive_text()


@pytest.mark.asyncio
async def test_an_override_counts_for_decorators_too(app: App) -> None:
    """Of get_current_user and of require_auth, by a value, a function or a coroutine function."""

    async def later() -> User:
        return User(id="late", roles=["clerk"], permissions=["write"])

    client = app.client()
    clerk = User(id="clerk", roles=["clerk"], permissions=["write"])
    for dependency in (get_current_user, require_auth):
        with app.override(dependency, clerk):
            assert [200, 200, 200] == await codes(client, "dependency", "decorated/7", "sync/7")
    with app.override(get_current_user, later):
        assert [200, 200] == await codes(client, "dependency", "decorated/7")
        with pytest.raises(AuthError, match="is not async"):
            await client.get("/api/desk/sync/7")
    with app.override(get_current_user, 7), pytest.raises(AuthError, match="7 is no user"):
        await client.get("/api/desk/decorated/7")
    with app.override(may_write, User(id="somebody")):
        assert [200] == await codes(client, "dependency")


@pytest.mark.asyncio
async def test_outside_of_a_request_there_is_no_user(app: App) -> None:
    """In the test's own code and in a handler; the error says how to call the function all the same."""
    desk = app.get_plugin("desk")
    with pytest.raises(AuthError, match="was called outside of a request") as caught:
        desk.stamp("it")
    assert "Desk.stamp.__wrapped__" in caught.value.fix
    assert "test_auth.py:" in str(caught.value.where)
    assert "stamped it" == Desk.stamp.__wrapped__(desk, "it")
    await app.event_bus.publish("asked")
    await app.event_bus.drain()
    (error,) = [one.error for one in app.event_bus.errors]
    assert isinstance(error, AuthError)
    assert "this is a handler" in error.why


def test_a_decorated_function_keeps_its_face() -> None:
    """Name, signature and kind are those of the function."""

    @require_permission("write")
    async def work(number: int, *, size: int = 1) -> int:
        """Work."""
        return number * size

    assert ("work", "Work.") == (work.__name__, work.__doc__)
    assert ["number", "size"] == list(inspect.signature(work).parameters)
    assert inspect.iscoroutinefunction(work)
    assert "require_permission('write')" == repr(may_write)


@pytest.mark.parametrize("names", [(), ("",), (7,), ("write", None)])
def test_a_requirement_needs_names(names: tuple[Any, ...]) -> None:
    """Anything else is an error at its line."""
    for make in (require_permission, require_role):
        with pytest.raises(AuthError, match="takes") as caught:
            make(*names)
        assert "test_auth.py:" in str(caught.value.where)


def test_a_requirement_needs_parentheses() -> None:
    """Without them it is given the function, which is no name."""

    async def work() -> None: ...

    with pytest.raises(AuthError, match="takes names") as caught:
        require_permission(work)  # type: ignore[arg-type]  # the wrong use
    assert "work" in str(caught.value.where)


def test_a_requirement_is_for_functions_that_return() -> None:
    """A class and a generator cannot be decorated."""

    def some() -> Any:
        yield 1

    async def many() -> Any:
        yield 1

    for wrong in (Desk, some, many, 7):
        with pytest.raises(AuthError, match="cannot be laid around"):
            may_write(wrong)
