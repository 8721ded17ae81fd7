"""The one task in which everything that an app does to its plugins happens."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..errors import LifecycleError, LoopError
from ..locations import caller
from ..nexus.context import activity

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from ..locations import Location
    from ..nexus.context import Activity

__all__ = ("Owner",)

T = TypeVar("T")

_LOOK = 0.05
"""Seconds between two looks at whether a loop is coming to its end."""


class _Job(NamedTuple):
    operation: Callable[[], Awaitable[Any]]
    result: asyncio.Future[Any]
    context: contextvars.Context
    where: Location | None


class Owner:
    """An actor on the test's loop: operations run one after the other, in a task of their own.

    A task group that a plugin opens in `initialize()` may only be closed by the task that opened it. Fixtures,
    tests and finalizers run in many tasks; the owner is one. It lives from the first operation to `close`.

    Args:
        name: The name of the task.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: deque[_Job] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._current: _Job | None = None
        self._pushed: dict[contextvars.ContextVar[Any], object] = {}
        self._closing = False
        self._abandoned = False
        self._sheltering = False
        self.loop: asyncio.AbstractEventLoop | None = None

    @property
    def inside(self) -> bool:
        """Whether the running code is an operation of this owner."""
        try:
            return self._task is not None and asyncio.current_task() is self._task
        except RuntimeError:
            return False

    def bind(self) -> asyncio.AbstractEventLoop:
        """Make the running loop the owner's, for good, and return it.

        Raises:
            LoopError: If it is another's.
        """
        __tracebackhide__ = True
        loop = asyncio.get_running_loop()
        if self.loop is None:
            self.loop = loop
        elif self.loop is not loop:
            raise LoopError(
                "The app is used on a second event loop; it was started on another one.",
                where=caller(),
                why="a fixture and its test run on different loops, or the app outlived the test that started it",
                fix="Let both run on one loop: @pytest.mark.asyncio(loop_scope='module') on the test and "
                "@pytest_asyncio.fixture(loop_scope='module') on the fixture, or make the app in the test.",
            )
        return loop

    async def run(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Run an operation in the owner's task and return its result; from inside of one, run it at once.

        Args:
            operation: What to run.

        Raises:
            LoopError: If the running loop is not the owner's.
            LifecycleError: If the owner was closed, or waits for the event handler that asks.
        """
        __tracebackhide__ = True
        if self.inside:
            return await operation()
        loop = self.bind()
        doing = activity.get()
        where = caller() if _in_event(doing) else None
        if self._sheltering and _in_event(doing):
            raise _waiting(doing, where)
        if self._closing:
            raise LifecycleError("The app is shut down.", where=caller(), fix="Make a new one: create_test_app().")
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work(), name=self._name, context=contextvars.Context())
        job = _Job(operation, loop.create_future(), contextvars.copy_context(), where)
        self._jobs.append(job)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
        try:
            return await asyncio.shield(job.result)
        except asyncio.CancelledError:
            await self._abandon(job)
            raise

    async def _abandon(self, job: _Job) -> None:
        """Stop an operation whose caller was cancelled, and wait until it has stopped."""
        if job in self._jobs:
            self._jobs.remove(job)
        elif self._current is job and self._task is not None and not job.result.done():
            self._abandoned = True
            self._task.cancel()
            await asyncio.wait([job.result])
            self._task.uncancel()
            self._abandoned = False

    async def shelter(self, waiting: Coroutine[Any, Any, T]) -> T:
        """Wait for something of ours within an operation, which only the caller of the operation can cut short.

        A task group that a plugin holds cancels the owner at every turn of the loop from the moment that one of its
        children fails until the plugin closes the group, and everything before that has to be done all the same.

        Args:
            waiting: What to wait for.
        """
        task = asyncio.ensure_future(waiting)
        self._sheltering = True
        self._refuse_handlers()
        try:
            while not task.done():
                try:
                    await asyncio.wait([task])
                except asyncio.CancelledError:
                    if self._abandoned:
                        task.cancel()
                        raise
        finally:
            self._sheltering = False
        return task.result()

    def _refuse_handlers(self) -> None:
        """Refuse the operations that event handlers wait for, since those are what is waited for here."""
        for job in [one for one in self._jobs if _in_event(one.context.get(activity))]:
            self._jobs.remove(job)
            self._settle(job, _waiting(job.context.get(activity), job.where))

    async def close(self) -> None:
        """End the task. Nothing runs in it any more."""
        self._closing = True
        task = self._task
        if task is None or task.done() or self.inside:
            return
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
        await asyncio.wait([task])

    async def _more(self) -> bool:
        """Wait for an operation; say whether there is one, since the end may come instead."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        while not self._jobs:
            if self._closing:
                return False
            self._wake = loop.create_future()
            stray = task is not None and task.cancelling() > 0
            try:
                await (asyncio.wait([self._wake], timeout=_LOOK) if stray else self._wake)
            except asyncio.CancelledError:
                # A task group that a plugin holds cancels the task that opened it when one of its
                # children fails. The failure comes out where the plugin closes the group. An anyio group
                # cancels it again at every turn of the loop, so this is where the end has to be seen.
                if _deserted(loop):
                    return False
                continue
            finally:
                self._wake = None
            if stray and not self._jobs and _deserted(loop):
                return False
        return True

    async def _work(self) -> None:
        while await self._more():
            job = self._current = self._jobs.popleft()
            self._adopt(job.context)
            try:
                result = await job.operation()
            except asyncio.CancelledError as error:
                self._settle(job, error)
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked for the operation
                self._settle(job, error)
            else:
                if not job.result.done():
                    job.result.set_result(result)
            finally:
                self._current = None

    @staticmethod
    def _settle(job: _Job, error: BaseException) -> None:
        if job.result.done():
            return
        if isinstance(error, asyncio.CancelledError):
            job.result.cancel()
        else:
            job.result.set_exception(error)
            # Nobody may be left to ask for it, if the caller was cancelled.
            job.result.exception()

    def _adopt(self, context: contextvars.Context) -> None:
        """Let the operation see the context variables of the code that asked for it."""
        for variable, value in context.items():
            if variable is not activity and self._pushed.get(variable, self) is not value:
                self._pushed[variable] = value
                variable.set(value)
        activity.set(context.get(activity))


def _in_event(doing: Activity | None) -> bool:
    """Say whether the code of an activity is part of an event that has not come to rest."""
    return doing is not None and doing.cause is not None and doing.cause.open > 0


def _waiting(doing: Activity | None, where: Location | None) -> LifecycleError:
    return LifecycleError(
        "The app cannot do this for an event handler now, since it waits for that handler.",
        where=where,
        why="another operation, such as an unload, waits until events have come to rest",
        fix="Do it in the test, or publish the event and drain before the other operation.",
        plugin=doing.plugin if doing is not None else None,
    )


def _deserted(loop: asyncio.AbstractEventLoop) -> bool:
    """Say whether all tasks of a loop were cancelled, as they are before it is closed: nobody will ask any more."""
    return all(task.cancelling() for task in asyncio.all_tasks(loop))
