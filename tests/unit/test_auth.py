"""Users, tokens, and who may pass."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends

from nexus_testing import create_test_app
from nexus_testing.nexus.auth import User, get_current_user, require_auth, require_permission, require_role
from nexus_testing.nexus.plugins import BasePlugin

Current = Annotated[User, Depends(get_current_user)]


class GuardedPlugin(BasePlugin):
    """A plugin with a route for each kind of guard."""

    def __init__(self) -> None:
        self.name = "guarded"

    def get_api_routes(self) -> list[APIRouter]:
        """Return the routes, each of which tells who passed."""
        router = APIRouter()

        async def who(user: Current) -> dict[str, Any]:
            return {**user.model_dump(), "anonymous": user.is_anonymous}

        router.get("/open")(who)
        router.get("/auth", dependencies=[Depends(require_auth)])(who)
        router.get("/write", dependencies=[Depends(require_permission("orders.write"))])(who)
        router.get("/clerk", dependencies=[Depends(require_role("clerk"))])(who)
        return [router]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (None, {"open": 200, "auth": 401, "write": 401, "clerk": 401}),
        ({}, {"open": 200, "auth": 200, "write": 403, "clerk": 403}),
        ({"permissions": ["orders.write"]}, {"open": 200, "auth": 200, "write": 200, "clerk": 403}),
        ({"permissions": ["admin"]}, {"open": 200, "auth": 200, "write": 200, "clerk": 403}),
        ({"roles": ["clerk"]}, {"open": 200, "auth": 200, "write": 403, "clerk": 200}),
    ],
    ids=["nobody", "somebody", "permission", "admin", "role"],
)
async def test_who_may_pass(user: dict[str, list[str]] | None, expected: dict[str, int]) -> None:
    """Nobody gets 401, a user who lacks what is asked for 403, and everybody the open route."""
    async with create_test_app([GuardedPlugin]) as app:
        client = app.client() if user is None else app.client().as_user("ada", **user)
        answers = {path: await client.get(app.url("guarded", path)) for path in expected}
    assert expected == {path: answer.status_code for path, answer in answers.items()}


@pytest.mark.asyncio
async def test_who_a_user_is() -> None:
    """Name and address come from the id; where nobody is logged in the user has an id all the same."""
    async with create_test_app([GuardedPlugin]) as app:
        path = app.url("guarded", "open")
        ada = (await app.client().as_user("ada", roles=["clerk"]).get(path)).json()
        nobody = (await app.client().get(path)).json()
    assert ("ada", "ada", "ada@example.com", ["clerk"], False) == (
        ada["id"],
        ada["username"],
        ada["email"],
        ada["roles"],
        ada["anonymous"],
    )
    assert ("anonymous", True) == (nobody["id"], nobody["anonymous"])


@pytest.mark.asyncio
@pytest.mark.parametrize("header", ["Bearer nobody-has-it", "Basic YTpi", "nonsense"])
async def test_a_token_that_nobody_holds(header: str) -> None:
    """It is refused even by the open route, and the answer says how to log in."""
    async with create_test_app([GuardedPlugin]) as app:
        answer = await app.client().get(app.url("guarded", "open"), headers={"Authorization": header})
    assert (401, "Bearer") == (answer.status_code, answer.headers["www-authenticate"])
    assert "Invalid authentication credentials" == answer.json()["error"]["message"]


@pytest.mark.asyncio
async def test_a_refusal_says_what_was_required() -> None:
    """The message names the permission or the role."""
    async with create_test_app([GuardedPlugin]) as app:
        ada = app.client().as_user("ada")
        messages = [(await ada.get(app.url("guarded", path))).json()["error"]["message"] for path in ("write", "clerk")]
    assert ["Permission required: orders.write", "Role required: clerk"] == messages


@pytest.mark.asyncio
async def test_a_token_is_good_for_one_app() -> None:
    """Another app knows nobody who was logged in here."""
    async with create_test_app([GuardedPlugin]) as here:
        headers = here.login("ada")
        async with create_test_app([GuardedPlugin]) as there:
            path = here.url("guarded", "auth")
            answers = [await app.client().get(path, headers=headers) for app in (here, there)]
    assert [200, 401] == [answer.status_code for answer in answers]
