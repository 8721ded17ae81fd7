"""What a test may ask of an event bus, and what it is told when the answer is no."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from nexus_testing.errors import EventAssertionError
from nexus_testing.nexus.events import EventBus


@pytest_asyncio.fixture(name="bus")
async def _bus() -> AsyncIterator[EventBus]:
    bus = EventBus()
    yield bus
    await bus.shutdown()


async def publish(bus: EventBus, *names: str) -> None:
    """Publish events that have a number each, and let them be delivered."""
    for number, name in enumerate(names):
        await bus.publish(name, {"number": number})
    await bus.drain()


@pytest.mark.asyncio
async def test_events_are_found_by_name_and_in_order(bus: EventBus) -> None:
    """`published` has all of them, `of` those of one name."""
    await publish(bus, "a", "b", "a")
    assert ["a", "b", "a"] == [event.name for event in bus.published]
    assert [0, 2] == [event.data["number"] for event in bus.of("a")]
    assert [] == bus.of("c")


@pytest.mark.asyncio
async def test_the_first_that_fits_is_returned(bus: EventBus) -> None:
    """Fields may be given by name or as a mapping, for keys that are no names."""
    await bus.publish("a", {"order-id": 1})
    await bus.publish("a", {"order-id": 2, "total": 3})
    assert 1 == bus.assert_published("a").data["order-id"]
    assert 2 == bus.assert_published("a", {"order-id": 2}, total=3).data["order-id"]


@pytest.mark.asyncio
async def test_a_name_that_fits_with_fields_that_do_not(bus: EventBus) -> None:
    """The message has the nearest event, a line for each field that differs, and the last events."""
    await bus.publish("a", {"id": 7, "total": 3}, source="shop")
    await bus.publish("a", {"id": 8})
    with pytest.raises(EventAssertionError) as failed:
        bus.assert_published("a", id=7, total=4, vat=1)
    assert failed.value.what == "'a' with id=7, total=4, vat=1 was not published."
    assert failed.value.why.splitlines() == [
        "the nearest was number 1, 'a':",
        "  total: expected 4, got 3",
        "  vat: expected 1, not there",
        "the last 2 of 2 events:",
        "     1 a {'id': 7, 'total': 3} by shop",
        "     2 a {'id': 8} by the test",
    ]


@pytest.mark.asyncio
async def test_without_any_event_the_message_says_so(bus: EventBus) -> None:
    """There is neither a nearest nor a last event to show."""
    with pytest.raises(EventAssertionError) as failed:
        bus.assert_published("order.created")
    assert ("no event was published at all", "") == (failed.value.why, failed.value.fix)


@pytest.mark.asyncio
async def test_a_name_that_nearly_fits_is_guessed(bus: EventBus) -> None:
    """An event whose name is almost the one that was meant is shown, with its data."""
    await bus.publish("order.created", {"id": 7})
    with pytest.raises(EventAssertionError) as failed:
        bus.assert_published("order.create")
    assert "Did you mean 'order.created'?" == failed.value.fix
    assert ["the nearest was number 1, 'order.created':", "  {'id': 7}"] == failed.value.why.splitlines()[:2]


@pytest.mark.asyncio
async def test_the_number_of_publications_is_held(bus: EventBus) -> None:
    """`times` must be met exactly; none is asked for by 0."""
    await publish(bus, "a", "a")
    bus.assert_published("a", times=2)
    bus.assert_published("a", times=1, number=1)
    bus.assert_published("b", times=0)
    with pytest.raises(EventAssertionError, match="'a' was published 2 times, not 3"):
        bus.assert_published("a", times=3)
    with pytest.raises(EventAssertionError, match="'a' with number=5 was published 0 times, not 1") as failed:
        bus.assert_published("a", times=1, number=5)
    assert "number: expected 5, got 0" in failed.value.why


@pytest.mark.asyncio
async def test_what_must_not_be_published_is_shown_if_it_was(bus: EventBus) -> None:
    """The message says what it held, its number in the journal and who published it."""
    await bus.publish("a", {"id": 7}, source="shop")
    bus.assert_not_published("a", {"id": 8})
    bus.assert_not_published("b")
    with pytest.raises(EventAssertionError) as failed:
        bus.assert_not_published("a", id=7)
    assert "'a' with id=7 was published: {'id': 7}." == failed.value.what
    assert "number 1 in the journal, by shop" == failed.value.where


@pytest.mark.asyncio
async def test_only_the_last_events_are_listed(bus: EventBus) -> None:
    """Eight are enough to see what went on."""
    await publish(bus, *(f"n{number}" for number in range(10)))
    with pytest.raises(EventAssertionError) as failed:
        bus.assert_published("zzz")
    assert "the last 8 of 10 events:" == failed.value.why.splitlines()[0]
    assert [f"n{number}" for number in range(2, 10)] == [line.split()[1] for line in failed.value.why.splitlines()[1:]]


@pytest.mark.asyncio
async def test_handlers_that_raised_are_listed(bus: EventBus) -> None:
    """An event that never came may be missing because of an error, so the last errors are shown."""

    def broken(event: object) -> None:
        raise ValueError("broken")

    bus.subscribe("a", broken)
    await publish(bus, "a")
    with pytest.raises(EventAssertionError) as failed:
        bus.assert_published("zzz")
    assert "broken of the test raised ValueError('broken') on 'a' at" in failed.value.why.splitlines()[-1]


@pytest.mark.asyncio
async def test_a_sequence_may_have_others_between(bus: EventBus) -> None:
    """Each name stands for one publication; the events are returned in the order of the names."""
    await publish(bus, "a", "x", "b", "a")
    assert [0, 2, 3] == [event.data["number"] for event in bus.assert_sequence("a", "b", "a")]
    assert [2, 0, 3] == [event.data["number"] for event in bus.assert_sequence("b", "a", "a", ordered=False)]


@pytest.mark.asyncio
async def test_a_sequence_that_does_not_hold_is_compared(bus: EventBus) -> None:
    """What was expected stands beside what was published."""
    await publish(bus, "a", "b")
    with pytest.raises(EventAssertionError) as failed:
        bus.assert_sequence("a", "b", "c")
    assert "'c' was not published after 'b'." == failed.value.what
    assert ["expected (-) and published (+):", "  a", "  b", "- c"] == failed.value.why.splitlines()
    with pytest.raises(EventAssertionError, match="'a' was not published after 'a'"):
        bus.assert_sequence("a", "a")
    with pytest.raises(EventAssertionError, match=r"'c' was not published\."):
        bus.assert_sequence("a", "c", ordered=False)


@pytest.mark.asyncio
async def test_an_expectation_is_met_by_what_was_there_already(bus: EventBus) -> None:
    """It looks back before it waits."""
    await publish(bus, "a", "a")
    assert {"number": 1} == (await bus.expect("a", number=1)).data


@pytest.mark.asyncio
async def test_several_may_expect_one_event(bus: EventBus) -> None:
    """Each of those who wait is told, once, and nothing is left of them."""
    waiting = [asyncio.create_task(bus.expect("a", {"n": 1}, within=5)) for _ in range(2)]
    await asyncio.sleep(0)
    await bus.publish("a", {"n": 0})
    await bus.publish("a", {"n": 1})
    await bus.publish("a", {"n": 1})
    assert [2, 2] == [event.seq for event in await asyncio.gather(*waiting)]
    assert [] == bus._expectations


@pytest.mark.asyncio
async def test_an_expectation_that_is_not_met_says_what_came(bus: EventBus) -> None:
    """The message guesses the name and lists the last events."""
    await publish(bus, "order.paid")
    with pytest.raises(EventAssertionError, match=r"'order.payed' was not published within 0.01 s") as failed:
        await bus.expect("order.payed", within=0.01)
    assert "Did you mean 'order.paid'?" == failed.value.fix
    assert [] == bus._expectations


@pytest.mark.asyncio
async def test_an_assertion_is_one_to_python_too(bus: EventBus) -> None:
    """Whoever catches AssertionError catches it."""
    with pytest.raises(AssertionError):
        bus.assert_published("a")
