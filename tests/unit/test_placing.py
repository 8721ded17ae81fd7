"""Routes under a prefix are those that FastAPI itself would have made, and the author's router stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Response, WebSocket
from pydantic import BaseModel

from nexus_testing.runtime.placing import include


class Item(BaseModel):
    """What a route returns."""

    id: int
    name: str = "tea"


async def limit(most: Annotated[int, Query(le=100)] = 10) -> int:
    """Be depended on."""
    return most


def _plain(router: APIRouter) -> None:
    @router.get("/items", tags=["more"], summary="All")
    async def items(most: Annotated[int, Depends(limit)]) -> list[Item]:
        return [Item(id=number) for number in range(most)]

    @router.get("/items/{item_id}", response_model=Item, name="read")
    def item(item_id: int) -> Any:
        if item_id > 9:
            raise HTTPException(404, "no such item")
        return {"id": item_id, "hidden": True}

    @router.delete("/items/{path:path}", status_code=204, operation_id="clear", deprecated=True, response_model=None)
    async def clear(path: str) -> None:
        """Clear what is there."""

    @router.head("/bare", include_in_schema=False)
    async def bare() -> Response:
        return Response(headers={"x-bare": "1"})


def _with_body(router: APIRouter) -> None:
    _plain(router)

    @router.post("/items")
    async def make(item: Item, note: str = "") -> Item:
        return item


def _with_responses(router: APIRouter) -> None:
    @router.get("/more", responses={404: {"model": Item}})
    async def more() -> dict[str, int]:
        return {}


def _with_socket(router: APIRouter) -> None:
    _plain(router)

    @router.websocket("/ws")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()


def _with_router(router: APIRouter) -> None:
    inner = APIRouter(prefix="/inner", tags=["inner"])
    _plain(inner)
    router.include_router(inner)


KINDS = {
    "plain": _plain,
    "body": _with_body,
    "responses": _with_responses,
    "socket": _with_socket,
    "router": _with_router,
}
Fill = Callable[[APIRouter], None]


def _apps(fill: Fill, prefix: str = "/api/shop") -> tuple[FastAPI, FastAPI, APIRouter]:
    """Return an app with the routes by us, one with them by FastAPI, and the router."""
    router = APIRouter(prefix="/v1", tags=["shop"], dependencies=[Depends(limit)])
    fill(router)
    ours, theirs = FastAPI(), FastAPI()
    include(ours, router, prefix)
    theirs.include_router(router, prefix=prefix)
    return ours, theirs, router


@pytest.mark.parametrize("prefix", ["/api/shop", "", "/api/{tenant}"])
@pytest.mark.parametrize("fill", KINDS.values(), ids=KINDS)
def test_the_description_is_that_of_fastapi(fill: Fill, prefix: str) -> None:
    """Paths, parameters, names of schemas and operations are the same to the letter."""
    ours, theirs, _ = _apps(fill, prefix)
    assert theirs.openapi() == ours.openapi()


@pytest.mark.asyncio
@pytest.mark.parametrize("fill", [_plain, _with_body], ids=["plain", "body"])
async def test_the_answers_are_those_of_fastapi(fill: Fill) -> None:
    """Status, headers and bodies are the same, those of errors too, and dependencies can be overridden."""
    ours, theirs, _ = _apps(fill)
    answers = []
    for app in (ours, theirs):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            found = []
            for method, path in (
                ("GET", "items?most=2"),
                ("GET", "items?most=200"),
                ("GET", "items/3"),
                ("GET", "items/x"),
                ("GET", "items/30"),
                ("DELETE", "items/a/b"),
                ("HEAD", "bare"),
                ("PUT", "items"),
                ("GET", "none"),
            ):
                found.append(await client.request(method, f"/api/shop/v1/{path}"))
            app.dependency_overrides[limit] = lambda: 1
            found.append(await client.get("/api/shop/v1/items?most=5"))
            answers.append([(one.status_code, dict(one.headers), one.content) for one in found])
    assert answers[1] == answers[0]
    assert [200, 422, 200, 422, 404, 204, 200, 405, 404, 200] == [status for status, _, _ in answers[0]]


def test_the_authors_router_is_not_changed() -> None:
    """Its routes have their own paths and handlers, whatever they were included in."""
    router = APIRouter(prefix="/v1")
    _plain(router)
    before = [dict(vars(route)) for route in router.routes]
    for prefix in ("/a", "/b"):
        include(FastAPI(), router, prefix)
    assert before == [dict(vars(route)) for route in router.routes]


def test_names_lead_to_the_mounted_paths() -> None:
    """`url_path_for` finds a route by its name, with the prefix."""
    ours, theirs, _ = _apps(_plain)
    assert "/api/shop/v1/items/7" == ours.url_path_for("read", item_id=7) == theirs.url_path_for("read", item_id=7)
