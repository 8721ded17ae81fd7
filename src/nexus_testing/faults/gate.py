"""Where every call of a port passes while there are faults: it is counted, and broken where a fault says so."""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from ..locations import caller
from ..nexus.context import who
from ..records import FaultHit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..clock import Clock
    from ..locations import Location
    from ..records import Journal
    from .fault import Fault

__all__ = ("Gate", "PortCall", "alone")

_inside: ContextVar[bool] = ContextVar("nexus_testing.faults.inside", default=False)
"""Whether a database is answering, which may ask itself."""


class PortCall(NamedTuple):
    """A plugin asked something of a port. `plugin` is None for the test's own calls."""

    operation: str
    key: str
    plugin: str | None
    where: Location | None


class Gate:
    """Lets calls pass, one app's, or has faults happen to them. Lives as long as its app.

    Args:
        journal: Where it is recorded that a fault happened.
        clock: What time stamps come from.
        plugin_at: Returns the plugin that a line of code belongs to.
    """

    def __init__(self, journal: Journal, clock: Clock, plugin_at: Callable[[Location], str | None]) -> None:
        self.faults: list[Fault] = []
        self.calls: list[PortCall] = []
        """What plugins asked while the layer was there."""
        self.own: list[PortCall] = []
        """What the test itself asked."""
        self.raised: list[BaseException] = []
        """What faults raised."""
        self._journal = journal
        self._clock = clock
        self._plugin_at = plugin_at

    def call(self, operation: str, key: object, plugin: str | None = None) -> PortCall:
        """Return what is being asked, at the nearest line of the author's.

        Args:
            operation: The operation.
            key: What it is about.
            plugin: Who asks; whose code is running, by default.
        """
        where = caller(2)
        plugin = plugin or who()
        if plugin is None and where is not None:
            plugin = self._plugin_at(where)
        return PortCall(operation, key if isinstance(key, str) else "", plugin, where)

    def acting(self, call: PortCall, *, at_once: bool = False) -> list[Fault]:
        """Count a call, and return the faults that happen to it.

        Args:
            call: The call.
            at_once: Whether it is answered without an `await`.
        """
        if _inside.get():
            return []
        (self.own if call.plugin is None else self.calls).append(call)
        acting = [one for one in self.faults if (one.action.at_once or not at_once) and one.takes(call)]
        for fault in acting:
            self.hit(fault, call)
        return acting

    def hit(self, fault: Fault, call: PortCall) -> None:
        """Record that a fault happens to a call.

        Args:
            fault: The fault.
            call: The call.
        """
        fault.hits += 1
        journal = self._journal
        action = fault.action.name
        journal.append(
            FaultHit(journal.next_seq(), self._clock.time(), call.operation, call.key, action, call.plugin, call.where)
        )

    async def passed(self, call: PortCall, perform: Callable[[], Awaitable[Any]], subject: Any = None) -> Any:
        """Do what was asked, or what faults make of it.

        Args:
            call: The call.
            perform: Does it.
            subject: The transaction that it is about, if it is about one.
        """
        __tracebackhide__ = True
        return await self.broken(self.acting(call), call, perform, subject)

    async def broken(
        self, acting: list[Fault], call: PortCall, perform: Callable[[], Awaitable[Any]], subject: Any = None
    ) -> Any:
        """Do what was asked, with these faults.

        Args:
            acting: The faults.
            call: The call.
            perform: Does it.
            subject: The transaction that it is about, if it is about one.
        """
        __tracebackhide__ = True
        if call.operation.startswith("db."):
            perform = functools.partial(alone, perform)
        for fault in reversed(acting):
            perform = functools.partial(fault.action.around, call, perform, subject)
        if not acting:
            return await perform()
        try:
            return await perform()
        except BaseException as error:
            self.raised.append(error)
            raise

    def passed_now(self, call: PortCall, perform: Callable[[], Any]) -> Any:
        """Do what was asked at once, or what faults make of it.

        Args:
            call: The call.
            perform: Does it.
        """
        __tracebackhide__ = True
        acting = self.acting(call, at_once=True)
        for fault in reversed(acting):
            perform = functools.partial(fault.action.now, call, perform)
        if not acting:
            return perform()
        try:
            return perform()
        except BaseException as error:
            self.raised.append(error)
            raise


async def alone(perform: Callable[[], Awaitable[Any]]) -> Any:
    """Let a database answer, whose own calls of itself are none of a plugin's.

    Args:
        perform: Asks it.
    """
    token = _inside.set(True)
    try:
        return await perform()
    finally:
        _inside.reset(token)
