"""One event: the mapping that handlers get, and what counts as one."""

from __future__ import annotations

import threading
from collections import UserDict
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from nexus_testing.errors import EventError
from nexus_testing.nexus.event import Event, check_publication, copied, copied_data, described_event
from nexus_testing.nexus.events import EventBus
from nexus_testing.records import EventPriority


def test_an_event_reads_like_its_data() -> None:
    """Fields are there by key and in `data`, and a dict with the same fields is equal to it."""
    event = Event("order.created", {"id": 7})
    assert event == {"id": 7}
    assert event["id"] == event.data["id"] == 7
    assert {"id": 7} == {**event}
    assert "id" in event
    assert "total" not in event


def test_a_field_that_is_not_there_names_those_that_are() -> None:
    """The KeyError says of which event, and what could have been asked for."""
    with pytest.raises(KeyError, match=r"has no 'total', only"):
        Event("order.created", {"id": 7})["total"]


def test_an_event_cannot_be_changed() -> None:
    """Its attributes are those that it was made with."""
    event = Event("order.created", {"id": 7}, source="shop", correlation_id="r1")
    with pytest.raises(AttributeError):
        event.name = "other"  # type: ignore[misc]  # the mistake under test
    assert ("order.created", "shop", "r1", EventPriority.NORMAL) == (
        event.name,
        event.source,
        event.correlation_id,
        event.priority,
    )


def test_an_event_counts_and_lists_its_fields() -> None:
    """Length, keys, values and items are those of the data."""
    event = Event("order.created", {"id": 7, "total": 3})
    assert (2, ["id", "total"], [7, 3], [("id", 7), ("total", 3)]) == (
        len(event),
        list(event),
        list(event.values()),
        list(event.items()),
    )


def test_get_answers_with_a_default() -> None:
    """A field that is not there is None or the default, never an error."""
    event = Event("order.created", {"id": 7})
    assert (7, None, 3) == (event.get("id"), event.get("total"), event.get("total", 3))


def test_events_are_equal_by_name_and_data() -> None:
    """Two events are equal if both agree; an event and something else are not."""
    event = Event("a", {"x": 1})
    assert event == Event("a", {"x": 1}, source="elsewhere")
    assert event != Event("b", {"x": 1})
    assert event != {"x": 2}
    assert event != "a"


def test_an_event_has_no_hash() -> None:
    """Its data can change, so it is no key of a dict."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(Event("a"))


def test_an_event_says_what_it_is() -> None:
    """Its repr has name and data."""
    assert "Event('a', {'x': 1})" == repr(Event("a", {"x": 1}))


def test_the_data_of_an_event_is_a_dict_of_its_own() -> None:
    """Adding a field to it leaves the mapping that it was made of alone."""
    given = {"x": 1}
    event = Event("a", given)
    event.data["y"] = 2
    assert {"x": 1} == given
    assert {} == Event("a").data


def test_a_timestamp_is_utc_without_a_zone() -> None:
    """Seconds since the epoch become a naive datetime; a datetime stays what it is."""
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    assert datetime(2030, 1, 1) == Event("a", timestamp=moment.timestamp()).timestamp
    assert moment is Event("a", timestamp=moment).timestamp


def test_the_priorities_are_ordered_by_their_numbers() -> None:
    """From low to critical, with the published framework's values."""
    expected = [("LOW", 1), ("NORMAL", 5), ("HIGH", 10), ("CRITICAL", 20)]
    assert expected == [(one.name, one.value) for one in EventPriority]


def test_a_copy_shares_nothing_with_its_original() -> None:
    """Lists, dicts and other objects are copied at every depth."""

    class Thing:
        def __init__(self) -> None:
            self.parts = [1]

    original: dict[str, Any] = {"list": [[1]], "dict": {"a": {"b": []}}, "thing": Thing(), "set": {1}, "text": "x"}
    copy = copied(original)
    original["list"][0].append(2)
    original["dict"]["a"]["b"].append(2)
    original["thing"].parts.append(2)
    assert ([[1]], {"a": {"b": []}}, [1], {1}, "x") == (
        copy["list"],
        copy["dict"],
        copy["thing"].parts,
        copy["set"],
        copy["text"],
    )


def test_data_that_cannot_be_copied_is_refused() -> None:
    """The error names the event and the reason, and has Python's own as its cause."""
    with pytest.raises(EventError, match="the data of 'a' cannot be copied") as refused:
        copied_data("a", {"lock": threading.Lock()})
    assert isinstance(refused.value.__cause__, TypeError)
    assert "TypeError" in refused.value.why


@pytest.mark.parametrize(
    ("name", "data", "priority", "what"),
    [
        (7, {}, EventPriority.LOW, "the name 7 is no string"),
        ("n", "text", EventPriority.LOW, "the data of 'n' is str, not a dict"),
        ("n", {"a": 1, 2: 3}, EventPriority.LOW, "the data of 'n' has a key that is no string"),
        ("n", None, 5, "the priority 5 is no EventPriority"),
    ],
)
def test_what_is_wrong_with_a_publication_is_said(name: object, data: object, priority: object, what: str) -> None:
    """The first thing that is wrong is in the message, with a line that is right."""
    with pytest.raises(EventError) as refused:
        check_publication(name, data, priority)
    assert f"An event cannot be published: {what}." == refused.value.what
    assert "publish('order.created'" in refused.value.fix


def test_any_mapping_with_string_keys_may_be_published() -> None:
    """A mapping that is no dict and no data at all are as good as a dict."""
    check_publication("n", UserDict({"a": 1}), EventPriority.LOW)
    check_publication("n", None, EventPriority.LOW)


@pytest.mark.asyncio
async def test_data_that_cannot_be_copied_leaves_the_bus_at_rest() -> None:
    """A refused publication is neither on record nor waited for."""
    bus = EventBus()
    with pytest.raises(EventError, match="cannot be copied"):
        await bus.publish("a", {"lock": threading.Lock()})
    await bus.drain(0.5)
    assert [] == bus.published


class OrderShippedEvent(BaseModel):
    """An event as a pydantic object."""

    order_id: int


class HTTPRequestEvent(BaseModel):
    """An event whose name begins with an abbreviation."""

    path: str


@dataclass
class OrderCreatedEvent:
    """An event as a dataclass."""

    order_id: int


class Named:
    """An object whose class names its event."""

    event_name = "a.b"

    def __init__(self) -> None:
        self.x = 1


@dataclass
class Paid:
    """A dataclass that names its event."""

    event_name: str
    total: int


@dataclass
class Renamed:
    """A dataclass that has a field `name`, which is data."""

    name: str


@pytest.mark.parametrize(
    ("event", "name", "data"),
    [
        (Event("a", {"x": 1}), "a", {"x": 1}),
        (OrderCreatedEvent(7), "order.created", {"order_id": 7}),
        (Named(), "a.b", {"x": 1}),
        (OrderShippedEvent(order_id=7), "order.shipped", {"order_id": 7}),
        (HTTPRequestEvent(path="/"), "http.request", {"path": "/"}),
        (Paid("order.paid", 3), "order.paid", {"total": 3}),
        (Renamed("new"), "renamed", {"name": "new"}),
        (SimpleNamespace(name="order.sent", data={"a": 1}, other=2), "order.sent", {"a": 1}),
        (SimpleNamespace(name="order.sent", a=1), "order.sent", {"name": "order.sent", "a": 1}),
    ],
    ids=[
        "event",
        "dataclass",
        "event_name of the class",
        "pydantic",
        "abbreviation",
        "event_name",
        "field called name",
        "name and data",
        "name and attributes",
    ],
)
def test_an_object_describes_an_event(event: object, name: str, data: dict[str, Any]) -> None:
    """Its name is what it says, else what its class is called; its fields are the data."""
    assert (name, data) == described_event(event, None)


def test_a_name_describes_an_event() -> None:
    """It comes with its data, which is empty if none is given."""
    assert ("a", {"x": 1}) == described_event("a", {"x": 1})
    assert ("a", {}) == described_event("a", None)


def test_an_object_that_says_nothing_is_no_event() -> None:
    """What has neither a name nor fields is refused."""
    with pytest.raises(EventError, match="cannot tell the name"):
        described_event(7, None)
