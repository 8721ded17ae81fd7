"""What led to what: correlation ids and the way back, from request to event to handler to job."""

from __future__ import annotations

import pytest

from nexus_testing import create_test_app
from nexus_testing.errors import EventAssertionError
from nexus_testing.nexus.event import Event
from nexus_testing.nexus.events import EventBus
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.nexus.tasks import BackgroundTask, Schedule
from nexus_testing.records import Delivered, JobRun, Published, Request


class Shop(BasePlugin):
    """Hears of orders, runs a job for each, and has one done soon."""

    async def initialize(self) -> bool:
        self.event_bus.subscribe("order.created", self.on_order)
        self.event_bus.subscribe("order.broken", self.on_broken)
        self.task_manager.register_task(BackgroundTask("bill", self.bill, Schedule.daily(hour=3)))
        return True

    async def on_order(self, event: Event) -> None:
        await self.task_manager.run_now("bill")
        self.task_manager.register_task(BackgroundTask("soon", self.remind, Schedule.every_seconds(0.01)))

    async def bill(self) -> None:
        await self.publish_event("order.billed")

    async def remind(self) -> None:
        await self.publish_event("order.reminded")

    async def on_broken(self, event: Event) -> None:
        fail(event)


def fail(event: Event) -> None:
    """Fail at a line of its own."""
    raise ValueError(event.name)


@pytest.mark.asyncio
async def test_a_request_is_followed_to_the_last_event() -> None:
    """Request, event, handler, job and the job's event have one correlation id, and the journal walks back."""
    async with create_test_app([Shop]) as app:

        @app.fastapi_app.post("/order")
        async def order() -> None:
            await app.event_bus.publish("order.created")

        await app.client().post("/order")
        billed = app.event_bus.assert_published("order.billed", times=1)
        job, run, created, request = app.journal.caused_by(billed)
        assert isinstance(job, JobRun)
        assert isinstance(run, Delivered)
        assert isinstance(created, Published)
        assert isinstance(request, Request)
        assert ("bill", "Shop.on_order", "order.created", "/order") == (
            job.name,
            run.handler,
            created.name,
            request.path,
        )
        ids = {billed.correlation_id, job.correlation_id, created.correlation_id, request.correlation_id}
        assert {"request-1"} == ids
        assert [request] == app.journal.caused_by(created)
        assert [] == app.journal.caused_by(request)


@pytest.mark.asyncio
async def test_a_job_that_a_handler_registers_carries_its_correlation_id() -> None:
    """Its runs at times belong to what led to the handler; those of a job registered in a hook to nothing."""
    async with create_test_app([Shop]) as app:
        await app.event_bus.publish("order.created", correlation_id="cart-1")
        reminded = await app.event_bus.expect("order.reminded", within=5)
        assert "cart-1" == reminded.correlation_id
        app.get_plugin("shop").task_manager.unregister_task("soon")
        await app.get_plugin("shop").task_manager.run_now("bill")
        assert [None] == [run.correlation_id for run in app.journal.of(JobRun) if run.name == "bill"][1:]
        names = [getattr(cause, "name", None) for cause in app.journal.caused_by(reminded)]
        assert ["soon", "order.created", "order.created"] == names


@pytest.mark.asyncio
async def test_the_event_of_the_test_has_no_cause() -> None:
    """Nothing of the app led to it."""
    bus = EventBus()
    await bus.publish("a")
    assert [None] == [event.caused_by for event in bus.published]
    assert [] == bus.journal.caused_by(bus.published[0])


@pytest.mark.asyncio
async def test_the_line_that_raised_is_on_record() -> None:
    """A handler's error names the line that raised, wherever the plugin wrote it, the handler and its plugin."""
    async with create_test_app([Shop]) as app:
        await app.event_bus.publish("order.broken")
        await app.event_bus.drain()
        (failure,) = app.event_bus.errors
        assert ("Shop.on_broken", "shop") == (failure.handler, failure.plugin)
        assert failure.where is not None
        assert f"{__file__}:{fail.__code__.co_firstlineno + 2} in fail" == str(failure.where)
        assert failure.error is not None
        assert failure.error.__traceback__ is not None
        with pytest.raises(EventAssertionError) as failed:
            app.event_bus.assert_published("order.mended")
        assert f"Shop.on_broken of shop raised ValueError('order.broken') on 'order.broken' at {failure.where}" in str(
            failed.value
        )


@pytest.mark.asyncio
async def test_a_failing_assertion_shows_what_the_nearest_came_of() -> None:
    """The search for what went wrong may end at the first thing that led to the event."""
    async with create_test_app([Shop]) as app:
        await app.event_bus.publish("order.created")
        await app.event_bus.drain()
        with pytest.raises(EventAssertionError) as failed:
            app.event_bus.assert_published("order.billed", total=5)
        number = app.event_bus.of("order.created")[0].seq
        came = "it came of the background task 'bill' of shop, Shop.on_order of shop, on number "
        assert f"{came}{number}, 'order.created' by the test" in failed.value.why
        with pytest.raises(EventAssertionError, match="came of the background"):
            app.event_bus.assert_not_published("order.billed")


@pytest.mark.asyncio
async def test_the_apps_own_events_are_the_apps() -> None:
    """What the app publishes of itself and of its plugins is not the test's."""
    async with create_test_app([Shop]) as app:
        await app.event_bus.publish("order.lost")
        with pytest.raises(EventAssertionError) as failed:
            app.event_bus.assert_published("zzz")
        assert {"app.started": "app", "plugin.loaded": "app", "plugin.discovered": "app", "order.lost": "test"} == {
            line.split()[1]: line.split()[-1] for line in failed.value.why.splitlines()[1:]
        }
