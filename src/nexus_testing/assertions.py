"""Assertions on events, read from the journal."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .calls import awaited
from .errors import EventAssertionError, EventError, did_you_mean
from .limits import limit
from .locations import caller
from .matching import differences
from .records import Delivered, JobRun, Published, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .records import Journal, Record

__all__ = ("EventAssertions",)

_SHOWN = 8
_APP_EVENTS = frozenset({"app.started", "app.stopping"})
"""What the app publishes without saying that it does; the rest says that its source is the PluginManager."""


def _matches(event: Published, name: str, match: Mapping[str, Any]) -> bool:
    return event.name == name and not differences(event.data, match)


def _described(name: str, match: Mapping[str, Any]) -> str:
    return f"{name!r}" + (" with " + ", ".join(f"{key}={value!r}" for key, value in match.items()) if match else "")


def _by(event: Published) -> str:
    """Return who published an event."""
    if event.plugin is None and (event.source == "PluginManager" or (not event.source and event.name in _APP_EVENTS)):
        return "the app"
    return event.plugin or event.source or "the test"


def _caused(causes: Sequence[Record]) -> str:
    """Return what led to something, as one line."""
    return ", ".join(_named(cause) for cause in causes)


def _named(cause: Record) -> str:
    match cause:
        case Delivered():
            return f"{cause.handler} of {cause.plugin or 'the test'}"
        case Published():
            return f"on number {cause.seq}, {cause.name!r} by {_by(cause)}"
        case JobRun():
            return f"the background task {cause.name!r} of {cause.plugin or 'the test'}"
        case Request():
            return f"{cause.method} {cause.path}"
    return f"number {cause.seq}"


def _wanted(name: object, match: object, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return all fields that an assertion names."""
    if not isinstance(name, str):
        raise EventError(
            f"{name!r} is no name of events.", where=caller(3), fix="assert_published('order.created', order_id='7')"
        )
    if match is not None and not isinstance(match, Mapping):
        raise EventError(
            f"An event cannot be compared with {match!r}, which is no dict.",
            where=caller(3),
            fix="Name fields of its data: assert_published('order.created', order_id='7'), or pass them in a dict.",
        )
    return {**(match or {}), **fields}


class EventAssertions:
    """What a test may ask of an event bus. A bus mixes it in and tells it of each publication."""

    journal: Journal

    def __init__(self) -> None:
        self._expectations: list[tuple[str, Mapping[str, Any], asyncio.Future[Published]]] = []

    @property
    def published(self) -> list[Published]:
        """Every event published so far, in order."""
        return self.journal.of(Published)

    @property
    def deliveries(self) -> list[Delivered]:
        """Every run of a handler so far, in order."""
        return self.journal.of(Delivered)

    @property
    def errors(self) -> list[Delivered]:
        """The runs of handlers that raised."""
        return [delivery for delivery in self.deliveries if delivery.error is not None]

    def of(self, name: str) -> list[Published]:
        """Return the events of one name, in order.

        Args:
            name: The event's name.
        """
        return [event for event in self.published if event.name == name]

    def assert_published(
        self, name: str, match: Mapping[str, Any] | None = None, /, *, times: int | None = None, **fields: Any
    ) -> Published:
        """Return the first event of that name whose data has these fields.

        Args:
            name: The event's name.
            match: Fields of the data, for those that are no Python names.
            times: How often it must have been published; at least once by default.
            **fields: Fields of the data.

        Raises:
            EventAssertionError: If there is none, or not that many.
        """
        __tracebackhide__ = True
        wanted = _wanted(name, match, fields)
        found = [event for event in self.published if _matches(event, name, wanted)]
        if times is not None and len(found) != times:
            raise EventAssertionError(
                f"{_described(name, wanted)} was published {len(found)} times, not {times}.",
                why=self._story(name, wanted if not found else {}),
            )
        if not found and times is None:
            raise EventAssertionError(
                f"{_described(name, wanted)} was not published.",
                why=self._story(name, wanted),
                fix=did_you_mean(name, {event.name for event in self.published} - {name}),
            )
        return found[0] if found else None  # type: ignore[return-value]  # times=0 asks for nothing

    def assert_not_published(self, name: str, match: Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        """Check that no event of that name has these fields in its data.

        Args:
            name: The event's name.
            match: Fields of the data, for those that are no Python names.
            **fields: Fields of the data.

        Raises:
            EventAssertionError: If there is one.
        """
        __tracebackhide__ = True
        wanted = _wanted(name, match, fields)
        for event in self.published:
            if _matches(event, name, wanted):
                raise EventAssertionError(
                    f"{_described(name, wanted)} was published: {event.data!r}.",
                    where=f"number {event.seq} in the journal, by {_by(event)}",
                    why="\n".join([*self._origin(event), self._last()]),
                )

    def assert_sequence(self, *names: str, ordered: bool = True) -> list[Published]:
        """Check that events of these names were published, others between them or not.

        Args:
            *names: The events' names, one for each publication.
            ordered: Whether they must have come in this order.

        Returns:
            The events, in the order of the names.

        Raises:
            EventAssertionError: If one is missing or late.
        """
        __tracebackhide__ = True
        found: list[Published] = []
        rest = self.published
        for name in names:
            for index, event in enumerate(rest):
                if event.name == name:
                    found.append(event)
                    rest = rest[index + 1 :] if ordered else [*rest[:index], *rest[index + 1 :]]
                    break
            else:
                diff = difflib.ndiff(list(names), [event.name for event in self.published])
                after = f" after {found[-1].name!r}" if found and ordered else ""
                raise EventAssertionError(
                    f"{name!r} was not published{after}.",
                    why="expected (-) and published (+):\n" + "\n".join(diff),
                )
        return found

    @awaited
    async def expect(
        self, name: str, match: Mapping[str, Any] | None = None, /, *, within: float = 1.0, **fields: Any
    ) -> Published:
        """Return the first event of that name with these fields, waiting for it if it is not there yet.

        Args:
            name: The event's name.
            match: Fields of the data, for those that are no Python names.
            within: How many seconds to wait at most.
            **fields: Fields of the data.

        Raises:
            EventAssertionError: If it does not come in time.
        """
        __tracebackhide__ = True
        wanted = _wanted(name, match, fields)
        for event in self.published:
            if _matches(event, name, wanted):
                return event
        future: asyncio.Future[Published] = asyncio.get_running_loop().create_future()
        expectation = (name, wanted, future)
        self._expectations.append(expectation)
        try:
            async with limit(within):
                return await future
        except TimeoutError:
            raise EventAssertionError(
                f"{_described(name, wanted)} was not published within {within} s.",
                why=self._story(name, wanted),
                fix=did_you_mean(name, {event.name for event in self.published} - {name}),
            ) from None
        finally:
            self._expectations.remove(expectation)

    def _notice(self, event: Published) -> None:
        """Tell those who wait for it of a publication."""
        for name, match, future in self._expectations:
            if not future.done() and _matches(event, name, match):
                future.set_result(event)

    def _story(self, name: str, match: Mapping[str, Any]) -> str:
        lines = []
        nearest = self._nearest(name, match)
        if nearest is not None:
            lines.append(f"the nearest was number {nearest.seq}, {nearest.name!r}:")
            lines += [f"  {line}" for line in differences(nearest.data, match)] or [f"  {dict(nearest.data)!r}"]
            lines += self._origin(nearest)
        return "\n".join([*lines, self._last()])

    def _origin(self, event: Published) -> list[str]:
        causes = self.journal.caused_by(event)
        return [f"it came of {_caused(causes)}"] if causes else []

    def _nearest(self, name: str, match: Mapping[str, Any]) -> Published | None:
        def distance(event: Published) -> tuple[float, int]:
            likeness = difflib.SequenceMatcher(None, event.name, name).ratio()
            return (-likeness, len(differences(event.data, match)))

        candidates = [
            event for event in self.published if event.name == name or difflib.get_close_matches(name, [event.name])
        ]
        return min(candidates, key=distance, default=None)

    def _last(self) -> str:
        events: Sequence[Published] = self.published
        if not events:
            return "no event was published at all"
        lines = [f"the last {min(len(events), _SHOWN)} of {len(events)} events:"]
        lines += [f"  {event.seq:>4} {event.name} {dict(event.data)!r} by {_by(event)}" for event in events[-_SHOWN:]]
        failures = self.errors
        lines += [
            f"  {_named(failure)} raised {failure.error!r} on {failure.name!r} at {failure.where}"
            for failure in failures[-3:]
        ]
        return "\n".join(lines)
