"""What a fault does to a call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import DataError, FaultError
from ..locations import caller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..clock import Clock
    from ..locations import Location
    from .gate import PortCall

__all__ = ("Action", "Cancel", "Delay", "Disconnect", "Fail", "Hang", "Partial", "Transit", "error_for")


class Action(Protocol):
    """What a fault does to a call."""

    name: str

    @property
    def at_once(self) -> bool:
        """Whether it can be done to what answers without an `await`."""
        ...

    async def around(self, call: PortCall, perform: Callable[[], Awaitable[Any]], subject: Any) -> Any:
        """Do it.

        Args:
            call: The call.
            perform: Does what was asked.
            subject: The transaction that it is about, if it is about one.
        """
        ...

    def now(self, call: PortCall, perform: Callable[[], Any]) -> Any:
        """Do it to what answers without an `await`.

        Args:
            call: The call.
            perform: Does what was asked.
        """
        ...


class _Waiting:
    """What can only be done to what is awaited."""

    at_once = False

    def now(self, call: PortCall, perform: Callable[[], Any]) -> Any:  # noqa: ARG002 - the protocol's signature
        """Let it be."""
        return perform()


def error_for(error: object, said: str, where: Location | None) -> BaseException | type[BaseException]:
    """Return what a fault is to raise, if it is an exception.

    Args:
        error: An exception, or the class of one, which is made with a message alone.
        said: The call that made the fault, for the message.
        where: The line of that.

    Raises:
        FaultError: If it is none, or a class that needs more than a message.
    """
    if isinstance(error, BaseException):
        return error
    if not (isinstance(error, type) and issubclass(error, BaseException)):
        raise FaultError(
            f"{said} is to raise {error!r}, which is no exception.",
            where=where,
            fix='Pass the class of one, or one: fail("db.set", OSError).',
        )
    try:
        error("a message")
    except Exception as failed:
        raise FaultError(
            f"{said} cannot make a {error.__name__} with a message alone.",
            where=where,
            why=f"{type(failed).__name__}: {failed}",
            fix=f"Pass one: {error.__name__}(…).",
        ) from failed
    return error


class Fail:
    """Raises an exception instead of doing what was asked.

    Args:
        error: The exception, raised as it is, or its class.
        said: The call that made the fault, which is the message of what a class makes.
    """

    name = "failed"
    at_once = True

    def __init__(self, error: BaseException | type[BaseException], said: str) -> None:
        self._error = error
        self._said = said

    def made(self) -> BaseException:
        """Return what is to be raised."""
        if isinstance(self._error, BaseException):
            # Raised again and again, it would gather the lines of all the times before.
            return self._error.with_traceback(None)
        return self._error(f"injected by {self._said}")

    async def around(self, call: PortCall, perform: Callable[[], Awaitable[Any]], subject: Any) -> Any:  # noqa: ARG002
        """Raise it."""
        raise self.made()

    def now(self, call: PortCall, perform: Callable[[], Any]) -> Any:  # noqa: ARG002 - the protocol's signature
        """Raise it."""
        raise self.made()


class Delay(_Waiting):
    """Does what was asked some time later.

    Args:
        clock: Whose time.
        seconds: How much later.
    """

    name = "delayed"

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds

    async def around(self, call: PortCall, perform: Callable[[], Awaitable[Any]], subject: Any) -> Any:  # noqa: ARG002
        """Wait, and do it."""
        await self._clock.sleep(self._seconds)
        return await perform()


class Hang(_Waiting):
    """Never answers."""

    name = "hung"

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        self.ended = False
        """Whether nothing hangs any more because `release` was called."""

    async def around(self, call: PortCall, perform: Callable[[], Awaitable[Any]], subject: Any) -> Any:  # noqa: ARG002
        """Wait for ever."""
        never = asyncio.get_running_loop().create_future()
        self._waiting.add(never)
        try:
            await never
        finally:
            self._waiting.discard(never)

    def release(self) -> bool:
        """Cancel what still hangs; say whether anything did."""
        hung = list(self._waiting)
        for never in hung:
            if not never.get_loop().is_closed():
                never.cancel()
        self.ended = self.ended or bool(hung)
        return bool(hung)


class Cancel(_Waiting):
    """Cancels the task that asks, where it first waits for the answer."""

    name = "cancelled"

    async def around(self, call: PortCall, perform: Callable[[], Awaitable[Any]], subject: Any) -> Any:  # noqa: ARG002
        """Begin to do it, and cancel it."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine of ours runs in one
        sent = False

        def cancel() -> None:
            nonlocal sent
            sent = True
            task.cancel()

        timer = asyncio.get_running_loop().call_soon(cancel)
        try:
            result = await perform()
            if not sent:
                await asyncio.sleep(0)
            return result
        finally:
            timer.cancel()
            if sent:
                # Nobody else asked for it: whoever is around goes on as after any CancelledError.
                task.uncancel()


class Disconnect:
    """Answers as a port does that is not connected.

    Args:
        said: The call that made the fault.
        where: The line of that.
        error: What to raise instead of our own error.
    """

    name = "disconnected"
    at_once = False

    def __init__(self, said: str, where: Location | None, error: BaseException | type[BaseException] | None) -> None:
        self._said = said
        self._where = where
        self._given = Fail(error, said) if error is not None else None

    async def around(self, call: PortCall, perform: Callable[[], Awaitable[Any]], subject: Any) -> Any:  # noqa: ARG002
        """Refuse, or tell that the port is not well."""
        if call.operation == "db.health_check":
            told = await perform()
            told.update(status="disconnected", connected=False)
            return told
        return self.now(call, perform)

    def now(self, call: PortCall, perform: Callable[[], Any]) -> Any:  # noqa: ARG002 - the protocol's signature
        """Refuse."""
        if self._given is not None:
            raise self._given.made()
        what = "database" if call.operation.startswith("db.") else "cache"
        raise DataError(
            f"The {what} is not connected.",
            where=call.where or caller(),
            why=f"{self._said}, at {self._where}" if self._where else self._said,
            fix="Let the plugin go on without it, or say so to whoever asks.",
            plugin=call.plugin,
        )


class Partial(_Waiting):
    """Makes some of the writes of a transaction, and fails.

    Args:
        fail: Raises what it fails with.
    """

    name = "partial"

    def __init__(self, fail: Fail) -> None:
        self._fail = fail

    async def around(self, call: PortCall, perform: Callable[[], Awaitable[Any]], subject: Any) -> Any:  # noqa: ARG002
        """Do the half of it."""
        if subject is not None:
            await subject.commit_some()
        raise self._fail.made()


class Transit(_Waiting):
    """What happens to an event on its way; the layer over the bus does it.

    Args:
        name: "dropped", "duplicated" or "reordered".
    """

    def __init__(self, name: str) -> None:
        self.name = name

    async def around(self, call: PortCall, perform: Callable[[], Awaitable[Any]], subject: Any) -> Any:  # noqa: ARG002
        """Let it be."""
        return await perform()
