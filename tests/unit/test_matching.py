"""What a test expects of data, and how it is told of differences."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

import pytest

from nexus_testing.errors import EventAssertionError, EventError
from nexus_testing.matching import differences
from nexus_testing.nexus.events import EventBus

ORDER = {
    "id": "7",
    "total": 9.99,
    "paid": None,
    "customer": {"name": "Ada", "address": {"city": "Bern", "zip-code": "3000"}},
    "items": [{"sku": "a", "price": 3}, {"sku": "b", "price": 5}],
}


def is_positive(value: float) -> bool:
    """Say whether a number is positive."""
    return value > 0


@pytest.mark.parametrize(
    "match",
    [
        {},
        ORDER,
        {"customer": {"address": {"city": "Bern"}}},
        {"items": [{"sku": "a"}, {"price": 5}]},
        {"items": ANY, "paid": None},
        {"total": pytest.approx(10, abs=0.1)},
        {"total": is_positive, "id": str.isdigit},
        {"total": float, "items": list},
        {"items": lambda items: len(items) == 2},
    ],
)
def test_what_fits(match: dict[str, Any]) -> None:
    """Only what is named counts, on every level; a value, a type, a predicate and an ANY will do."""
    assert [] == differences(ORDER, match)


@pytest.mark.parametrize(
    ("match", "lines"),
    [
        ({"customer": {"address": {"city": "Basel"}}}, ["customer.address.city: expected 'Basel', got 'Bern'"]),
        ({"customer": {"address": {"zip-code": 1}}}, ["customer.address['zip-code']: expected 1, got '3000'"]),
        ({"customer": {"age": 36}}, ["customer.age: expected 36, not there"]),
        ({"customer": "Ada"}, [f"customer: expected 'Ada', got {ORDER['customer']!r}"]),
        ({"items": [{"sku": "a"}, {"price": 4}]}, ["items[1].price: expected 4, got 5"]),
        ({"items": [{"sku": "a"}]}, [f"items: expected 1 items, got 2: {ORDER['items']!r}"]),
        ({"items": {"sku": "a"}}, [f"items: expected {{'sku': 'a'}}, got {ORDER['items']!r}"]),
        ({"total": int, "order-id": 7}, ["total: expected a int, got 9.99", "['order-id']: expected 7, not there"]),
    ],
)
def test_what_does_not_fit(match: dict[str, Any], lines: list[str]) -> None:
    """Each difference has its path, what was expected and what there is."""
    assert lines == differences(ORDER, match)


def test_a_predicate_is_named_with_its_line() -> None:
    """A function cannot be read from its repr, so the message says where it stands, and what it raised."""
    (line,) = differences({"total": -1}, {"total": is_positive})
    assert line.startswith(f"total: expected what is_positive at {__file__}:")
    assert line.endswith("takes, got -1")
    (line,) = differences({"total": "many"}, {"total": is_positive})
    assert "got 'many', which raised TypeError(" in line


@pytest.mark.asyncio
async def test_an_event_is_compared_so() -> None:
    """All assertions on events compare alike."""
    bus = EventBus()
    await bus.publish("order.created", ORDER)
    bus.assert_published("order.created", customer={"name": "Ada"}, total=is_positive)
    await bus.expect("order.created", {"items": ANY}, id="7")
    bus.assert_not_published("order.created", customer={"name": "Bob"})
    with pytest.raises(EventAssertionError, match=r"customer\.address\.city: expected 'Basel', got 'Bern'"):
        bus.assert_published("order.created", customer={"address": {"city": "Basel"}})


@pytest.mark.asyncio
@pytest.mark.parametrize("arguments", [(None,), (7, {}), ("order.created", ["id"]), ("order.created", "id")])
async def test_what_cannot_be_asserted(arguments: tuple[Any, ...]) -> None:
    """A name that is none and fields that are no dict are wrong use, with the line of the test."""
    bus = EventBus()
    await bus.publish("order.created", ORDER)
    for assertion in (bus.assert_published, bus.assert_not_published):
        with pytest.raises(EventError) as failed:
            assertion(*arguments)
        assert not isinstance(failed.value, EventAssertionError)
        assert __file__ in str(failed.value.where)
    with pytest.raises(EventError, match=r"no name of events|no dict"):
        await bus.expect(*arguments)
