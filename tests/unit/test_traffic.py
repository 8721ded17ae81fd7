"""Requests made from OpenAPI: examples first, then what schemas allow, the same for the same seed."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field

from nexus_testing.performance.traffic import Case, Operation, operations


class Order(BaseModel):
    sku: str
    quantity: int = Field(ge=1, le=9)


class Described(BaseModel):
    sku: str = Field(examples=["tea"])
    note: str = "none"


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    """What an app says of itself."""
    app = FastAPI()

    @app.get("/orders", tags=["read"])
    async def listed(page: int = 1) -> None: ...

    @app.post("/orders", openapi_extra={"x-load-weight": 3})
    async def order(order: Order) -> None: ...

    @app.get("/orders/{order_id}/lines/{line}")
    async def line(order_id: str, line: int) -> None: ...

    @app.put("/described")
    async def described(order: Described, day: int) -> None: ...

    return app.openapi()


def named(found: list[Operation], name: str) -> Operation:
    """Return the operation of that name."""
    return next(one for one in found if one.name == name)


def test_each_operation_with_its_weight(openapi: dict[str, Any]) -> None:
    """Its own, else that of its tag, else 1."""
    found = operations(openapi, 1, {"read": 5})
    weights = {one.name: one.weight for one in found}
    assert weights == {
        "GET /orders": 5.0,
        "POST /orders": 3.0,
        "GET /orders/{order_id}/lines/{line}": 1.0,
        "PUT /described": 1.0,
    }


def test_bodies_that_the_schema_allows(openapi: dict[str, Any]) -> None:
    """No other keys, texts of letters and digits, numbers in their range; the same again for the same seed."""
    first = named(operations(openapi, 1), "POST /orders").cases
    assert len(first) > 5
    for case in first:
        assert {"sku", "quantity"} == set(case.body)
        assert 1 <= case.body["quantity"] <= 9
        assert case.body["sku"].isalnum()
    assert first == named(operations(openapi, 1), "POST /orders").cases
    assert first != named(operations(openapi, 2), "POST /orders").cases


def test_examples_stand_before_what_is_drawn(openapi: dict[str, Any]) -> None:
    """Of the parts of a schema too; its defaults count as such. What has none is drawn all the same."""
    cases = named(operations(openapi, 1), "PUT /described").cases
    assert all(case.body == {"sku": "tea", "note": "none"} for case in cases)
    assert all(isinstance(case.query["day"], int) for case in cases)


def test_what_needs_nothing_has_one_case(openapi: dict[str, Any]) -> None:
    """A query that is not required is left out."""
    assert [Case({}, {}, None)] == named(operations(openapi, 1), "GET /orders").cases


def test_where_the_things_are_made_that_a_path_is_about(openapi: dict[str, Any]) -> None:
    """The path of a POST before a placeholder."""
    found = operations(openapi, 1)
    line = named(found, "GET /orders/{order_id}/lines/{line}")
    assert ("/orders", "order_id") == (line.made_by, line.id_name)
    assert (None, None) == (named(found, "PUT /described").made_by, named(found, "GET /orders").id_name)
