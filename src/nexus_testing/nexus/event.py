"""One event: what handlers are given, and what a plugin may hand over to be published."""

from __future__ import annotations

import copy
import dataclasses
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import EventError
from ..locations import caller
from ..records import EventPriority
from .context import who

if TYPE_CHECKING:
    from ..records import Published

__all__ = ("Event", "check_publication", "copied", "copied_data", "described_event", "event_of")

_SCALARS = (str, int, float, bool, type(None), bytes)


def copied(value: Any) -> Any:
    """Return a deep copy; quick for what events usually hold."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict:
        return {key: item if type(item) in _SCALARS else copied(item) for key, item in value.items()}
    if kind is list:
        return [item if type(item) in _SCALARS else copied(item) for item in value]
    return copy.deepcopy(value)


class Event(Mapping[str, Any]):
    """A published event: a read-only mapping over its data, with a few facts beside it."""

    __slots__ = ("_correlation_id", "_data", "_name", "_priority", "_source", "_timestamp")

    def __init__(
        self,
        name: str,
        data: Mapping[str, Any] | None = None,
        *,
        timestamp: datetime | float | None = None,
        source: str | None = None,
        correlation_id: str | None = None,
        priority: EventPriority = EventPriority.NORMAL,
    ) -> None:
        self._name = name
        self._data: dict[str, Any] = dict(data) if data else {}
        self._timestamp = time.time() if timestamp is None else timestamp
        self._source = source
        self._correlation_id = correlation_id
        self._priority = priority

    @property
    def name(self) -> str:
        """The event's name."""
        return self._name

    @property
    def data(self) -> dict[str, Any]:
        """The event's data; every handler has a copy of its own."""
        return self._data

    @property
    def timestamp(self) -> datetime:
        """When it was published, in UTC, without a zone."""
        if not isinstance(self._timestamp, datetime):
            self._timestamp = datetime.fromtimestamp(self._timestamp, UTC).replace(tzinfo=None)
        return self._timestamp

    @property
    def source(self) -> str | None:
        """Who published it."""
        return self._source

    @property
    def correlation_id(self) -> str | None:
        """What it belongs to, such as the request that led to it."""
        return self._correlation_id

    @property
    def priority(self) -> EventPriority:
        """How urgent it is."""
        return self._priority

    def __getitem__(self, key: str) -> Any:
        try:
            return self._data[key]
        except KeyError:
            raise KeyError(f"event {self._name!r} has no {key!r}, only {sorted(self._data)!r}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Event):
            return self._name == other._name and self._data == other._data
        return self._data == other if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Event({self._name!r}, {self._data!r})"


def event_of(record: Published) -> Event:
    """Return an event for one handler, with a copy of the data; `__init__` would take as long as all the rest."""
    event = Event.__new__(Event)
    event._name = record.name
    event._data = copied(record.data)
    event._timestamp = record.at
    event._source = record.source
    event._correlation_id = record.correlation_id
    event._priority = record.priority
    return event


def copied_data(name: str, data: Mapping[str, Any]) -> Any:
    """Return a deep copy of an event's data.

    Args:
        name: The event's name.
        data: The data.

    Raises:
        EventError: If something in it cannot be copied.
    """
    try:
        return copied(data)
    except Exception as error:
        raise EventError(
            f"An event cannot be published: the data of {name!r} cannot be copied.",
            where=caller(4),
            why=f"{type(error).__name__}: {error}; each handler gets a copy of its own",
            fix="Publish plain data: the id of the thing rather than the thing.",
            plugin=who(),
        ) from error


def check_publication(name: object, data: object, priority: object) -> None:
    """Check what is to be published.

    Args:
        name: The event's name.
        data: What it says.
        priority: How urgent it is.

    Raises:
        EventError: If the name is no string, the data no mapping with string keys or the priority none.
    """
    if not isinstance(name, str):
        what = f"the name {name!r} is no string"
    elif data is not None and not isinstance(data, Mapping):
        what = f"the data of {name!r} is {type(data).__name__}, not a dict"
    elif not all(isinstance(key, str) for key in data or ()):
        what = f"the data of {name!r} has a key that is no string"
    elif not isinstance(priority, EventPriority):
        what = f"the priority {priority!r} is no EventPriority"
    else:
        return
    raise EventError(
        f"An event cannot be published: {what}.",
        where=caller(4),
        fix="publish('order.created', {'order_id': 7}, priority=EventPriority.HIGH)",
        plugin=who(),
    )


_SNAKE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _event_name_of_class(kind: type) -> str:
    return ".".join(_SNAKE.split(kind.__name__.removesuffix("Event"))).lower()


def described_event(event: object, data: Mapping[str, Any] | None) -> tuple[str, Mapping[str, Any]]:
    """Return name and data of what a plugin handed to publish_event.

    Args:
        event: An `Event`, a name, an object with `event_name` or `name`, a dataclass or a pydantic object. The
            class name of the last two makes the name: ``OrderCreatedEvent`` is ``order.created``.
        data: The data that goes with a name.

    Raises:
        EventError: If it is none of these.
    """
    if isinstance(event, str):
        return event, data or {}
    if isinstance(event, Event):
        return event.name, event.data
    fields: Mapping[str, Any] | None = None
    if dataclasses.is_dataclass(event) and not isinstance(event, type):
        fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    elif callable(dump := getattr(event, "model_dump", None)):
        fields = dump()
    name = getattr(event, "event_name", None) or (None if fields is not None else getattr(event, "name", None))
    if fields is None and name is not None:
        given = getattr(event, "data", None)
        fields = given if isinstance(given, Mapping) else dict(vars(event))
    if fields is None:
        raise EventError(
            f"publish_event() cannot tell the name of {event!r}.",
            where=caller(2),
            fix="Pass a name and a dict, an Event, a dataclass or pydantic object, or an object with `event_name`.",
        )
    name = name or _event_name_of_class(type(event))
    return str(name), {key: value for key, value in fields.items() if key != "event_name"}
