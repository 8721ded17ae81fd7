"""What a test has go wrong in one app: `nexus_faults`, and `app.faults`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from ..errors import FaultError, did_you_mean
from ..locations import caller
from ..runtime.attribution import plugin_at
from .actions import Cancel, Delay, Disconnect, Fail, Hang, Partial, Transit, error_for
from .fault import Aim, Fault
from .gate import Gate
from .layer import Layer
from .operations import PORTS, named
from .unhit import unhit

if TYPE_CHECKING:
    from ..errors import FaultAssertionError
    from ..locations import Location
    from ..nexus.kernel import Kernel
    from ..runtime.host import Host
    from .actions import Action
    from .gate import PortCall

__all__ = ("Faults", "at_work")

_CONNECTED = ("db", "cache")

at_work: list[Faults] = []
"""Those of the apps that faults were said of, until the test is over. The pytest plugin looks here."""


class Faults:
    """Has calls of an app's ports go wrong. Lives as long as the app.

    Every fault is over with its test; before that when it is called, or with the `with` block that it is entered by.
    Faults happen to what plugins ask, and not to what the test itself asks.

    Args:
        kernel: The app's ports.
        host: Its plugins.
    """

    def __init__(self, kernel: Kernel, host: Host) -> None:
        self._clock = kernel.clock
        self._host = host
        self._gate = Gate(kernel.journal, kernel.clock, self._plugin_at)
        self._layer = Layer(self._gate, kernel, host._life.stages)
        self._said: list[tuple[Fault, int, int]] = []

    # -- saying what goes wrong ----------------------------------------------------------------------------------

    def fail(
        self,
        operation: str,
        error: BaseException | type[BaseException],
        *,
        times: int | None = 1,
        after: int = 0,
        key: str = "*",
        plugin: str | None = None,
        probability: float | None = None,
        seed: int | None = None,
        required: bool = True,
    ) -> Fault:
        """Have calls raise an exception instead of doing anything.

        Args:
            operation: Which: "db.set", a pattern such as "db.*", or the name of a hook.
            error: The exception, raised as it is, or its class.
            times: How often; None for every time.
            after: How many such calls to let pass first.
            key: The key, collection, event, service or job that they are about; a pattern.
            plugin: Whose calls; those of all plugins by default.
            probability: How likely it is to happen to such a call, from 0 to 1.
            seed: What chance comes from; said in the report of a test that fails.
            required: Whether it is an error if it never happens.

        Raises:
            FaultError: If there is no such operation, or one of the others cannot be.
        """
        where = caller()
        said = _told("fail", operation, error, after=after, plugin=plugin)
        fail = Fail(error_for(error, said, where), f"{said}, at {where}" if where else said)
        aim = Aim((named(operation, where),), key, plugin, times, after, probability, seed)
        return self._add(aim, fail, said, where, required=required)

    def delay(
        self,
        operation: str,
        seconds: float,
        *,
        times: int | None = None,
        after: int = 0,
        key: str = "*",
        plugin: str | None = None,
        probability: float | None = None,
        seed: int | None = None,
        required: bool = True,
    ) -> Fault:
        """Have calls take longer, on the app's clock.

        Args:
            operation: Which.
            seconds: How much longer.
            times: How often; every time by default.
            after: How many such calls to let pass first.
            key: What they are about; a pattern.
            plugin: Whose calls.
            probability: How likely it is to happen to such a call.
            seed: What chance comes from.
            required: Whether it is an error if it never happens.

        Raises:
            FaultError: If there is no such operation that waits, or one of the others cannot be.
        """
        where = caller()
        said = _told("delay", operation, seconds, after=after, plugin=plugin)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
            raise FaultError(f"{said} cannot take {seconds!r} seconds.", where=where, fix='delay("cache.get", 0.2)')
        aim = Aim((named(operation, where, waiting="delayed"),), key, plugin, times, after, probability, seed)
        return self._add(aim, Delay(self._clock, seconds), said, where, required=required)

    def hang(
        self,
        operation: str,
        *,
        times: int | None = 1,
        after: int = 0,
        key: str = "*",
        plugin: str | None = None,
        required: bool = True,
    ) -> Fault:
        """Have calls never answer: who asks waits until it is cancelled, or the fault is over.

        Args:
            operation: Which.
            times: How often.
            after: How many such calls to let pass first.
            key: What they are about; a pattern.
            plugin: Whose calls.
            required: Whether it is an error if it never happens.

        Raises:
            FaultError: If there is no such operation that waits, or one of the others cannot be.
        """
        where = caller()
        said = _told("hang", operation, after=after, plugin=plugin)
        aim = Aim((named(operation, where, waiting="made to hang"),), key, plugin, times, after)
        return self._add(aim, Hang(), said, where, required=required)

    def cancel_at(
        self,
        operation: str,
        *,
        times: int | None = 1,
        after: int = 0,
        key: str = "*",
        plugin: str | None = None,
        required: bool = True,
    ) -> Fault:
        """Have the task cancelled that is in a hook or a call, where that first waits.

        Args:
            operation: Which: "initialize" or another hook, or "db.set".
            times: How often.
            after: How many such calls to let pass first.
            key: What they are about; a pattern.
            plugin: Whose.
            required: Whether it is an error if it never happens.

        Raises:
            FaultError: If there is no such operation that waits, or one of the others cannot be.
        """
        where = caller()
        said = _told("cancel_at", operation, after=after, plugin=plugin)
        aim = Aim((named(operation, where, waiting="cancelled"),), key, plugin, times, after)
        return self._add(aim, Cancel(), said, where, required=required)

    def partial(
        self,
        operation: str,
        error: BaseException | type[BaseException] = ConnectionError,
        *,
        times: int | None = 1,
        after: int = 0,
        plugin: str | None = None,
        required: bool = True,
    ) -> Fault:
        """Have the first half of a transaction's writes made, but one at least, and the commit fail.

        Args:
            operation: "db.transaction.commit".
            error: What the commit raises.
            times: How often.
            after: How many commits to let pass first.
            plugin: Whose.
            required: Whether it is an error if it never happens.

        Raises:
            FaultError: If it is another operation, or one of the others cannot be.
        """
        where = caller()
        said = _told("partial", operation, after=after, plugin=plugin)
        if named(operation, where) != "db.transaction.commit":
            raise FaultError(
                f"{operation!r} cannot be done in part.", where=where, fix='partial("db.transaction.commit")'
            )
        fail = Fail(error_for(error, said, where), f"{said}, at {where}" if where else said)
        return self._add(Aim((operation,), "*", plugin, times, after), Partial(fail), said, where, required=required)

    def disconnect(
        self,
        port: str,
        error: BaseException | type[BaseException] | None = None,
        *,
        plugin: str | None = None,
        required: bool = True,
    ) -> Fault:
        """Have a port answer nobody, the test included, until `reconnect`; the database's health is false.

        Args:
            port: "db" or "cache".
            error: What it raises instead of a DataError.
            plugin: For whom alone.
            required: Whether it is an error if nobody asks it.

        Raises:
            FaultError: If that is no port that is connected.
        """
        where = caller()
        said = _told("disconnect", port, plugin=plugin)
        _check_port(port, _CONNECTED, where, "disconnected")
        action = Disconnect(said, where, error_for(error, said, where) if error is not None else None)
        aim = Aim((f"{port}.*",), "*", plugin, None, everybody=plugin is None)
        return self._add(aim, action, said, where, required=required)

    def reconnect(self, port: str) -> None:
        """End all disconnections of a port.

        Args:
            port: "db" or "cache".

        Raises:
            FaultError: If it is not disconnected.
        """
        where = caller()
        _check_port(port, _CONNECTED, where, "connected")
        ending = [one for one in self._gate.faults if isinstance(one.action, Disconnect)]
        ending = [one for one in ending if one.aim.operations == (f"{port}.*",)]
        if not ending:
            raise FaultError(
                f"{port!r} is not disconnected.", where=where, fix=f'Write disconnect("{port}") before reconnect.'
            )
        for fault in ending:
            fault()

    def drop(
        self, port: str, name: str = "*", *, times: int | None = 1, after: int = 0, plugin: str | None = None,
        required: bool = True,
    ) -> Fault:  # fmt: skip
        """Have events be lost: they are published, and nobody hears them.

        Args:
            port: "events".
            name: The names of the events; a pattern.
            times: How often.
            after: How many such events to let pass first.
            plugin: Whose events.
            required: Whether it is an error if it never happens.

        Raises:
            FaultError: If it is another port, or one of the others cannot be.
        """
        said = _told("drop", port, name, after=after, plugin=plugin)
        aim = Aim(("events.transit",), name, plugin, times, after, everybody=plugin is None)
        return self._transit("dropped", port, aim, said, required=required)

    def duplicate(
        self, port: str, name: str = "*", *, times: int | None = 1, after: int = 0, plugin: str | None = None,
        required: bool = True,
    ) -> Fault:  # fmt: skip
        """Have events be delivered twice. The arguments are those of `drop`.

        Args:
            port: "events".
            name: The names of the events; a pattern.
            times: How often.
            after: How many such events to let pass first.
            plugin: Whose events.
            required: Whether it is an error if it never happens.

        Raises:
            FaultError: If it is another port, or one of the others cannot be.
        """
        said = _told("duplicate", port, name, after=after, plugin=plugin)
        aim = Aim(("events.transit",), name, plugin, times, after, everybody=plugin is None)
        return self._transit("duplicated", port, aim, said, required=required)

    def reorder(
        self, port: str, name: str = "*", *, times: int | None = 1, after: int = 0, plugin: str | None = None,
        required: bool = True,
    ) -> Fault:  # fmt: skip
        """Have events be overtaken by the one that is queued behind them. The arguments are those of `drop`.

        Args:
            port: "events".
            name: The names of the events; a pattern.
            times: How often.
            after: How many such events to let pass first.
            plugin: Whose events.
            required: Whether it is an error if it never happens.

        Raises:
            FaultError: If it is another port, or one of the others cannot be.
        """
        said = _told("reorder", port, name, after=after, plugin=plugin)
        aim = Aim(("events.transit",), name, plugin, times, after, everybody=plugin is None)
        return self._transit("reordered", port, aim, said, required=required)

    def _transit(self, done: str, port: str, aim: Aim, said: str, *, required: bool) -> Fault:
        where = caller(2)
        _check_port(port, ("events",), where, done)
        return self._add(aim, Transit(done), said, where, required=required)

    # -- what is there -------------------------------------------------------------------------------------------

    @property
    def calls(self) -> list[PortCall]:
        """What plugins asked of the ports that faults were said of, since the first was said."""
        return list(self._gate.calls)

    def watch(self, *operations: str) -> None:
        """Count calls in `calls` from now on, and have services looked up from now on be such as can be broken.

        Args:
            *operations: Which, as patterns: "services.*"; all by default.

        Raises:
            FaultError: If there are no such operations.
        """
        where = caller()
        self._begin([named(one, where) for one in operations] or ["*"])

    def clear(self) -> None:
        """End all faults."""
        for fault in list(self._gate.faults):
            fault()

    def end(self) -> tuple[list[FaultAssertionError], list[str]]:
        """End all faults, and return the errors of those that never happened, and the lines that repeat chance.

        The pytest plugin calls it at the end of a test.
        """
        self.clear()
        said, self._said = self._said, []
        errors = [self._unhit(fault, since, own) for fault, since, own in said if fault.required and not fault.hits]
        chances = [
            f"{fault.said} happened {fault.hits} times; to repeat it: seed={fault.aim.seed}"
            for fault, _, _ in said
            if fault.aim.probability is not None
        ]
        self._layer.take_off()
        self._gate.calls.clear()
        self._gate.own.clear()
        self._gate.raised.clear()
        if self in at_work:
            at_work.remove(self)
        return errors, chances

    # -- inside --------------------------------------------------------------------------------------------------

    def _begin(self, operations: list[str]) -> None:
        if self not in at_work:
            at_work.append(self)
        self._layer.put_over(operations)

    def _add(self, aim: Aim, action: Action, said: str, where: Location | None, *, required: bool) -> Fault:
        _check(aim, said, where)
        if aim.probability is not None and aim.seed is None:
            aim = aim._replace(seed=random.randrange(2**32))  # noqa: S311 - no secret
        gate = self._gate

        def end(fault: Fault) -> None:
            gate.faults.remove(fault)
            if isinstance(fault.action, Hang):
                fault.action.release()

        def judged(fault: Fault) -> FaultAssertionError:
            since, own = next((since, own) for one, since, own in self._said if one is fault)
            return self._unhit(fault, since, own)

        fault = Fault(aim, action, said=said, where=where, required=required, end=end, unhit=judged)
        self._begin(list(aim.operations))
        gate.faults.append(fault)
        self._said.append((fault, len(gate.calls), len(gate.own)))
        return fault

    def _unhit(self, fault: Fault, since: int, own: int) -> FaultAssertionError:
        mine = [call for call in self._gate.own[own:] if fault.about(call._replace(plugin=fault.aim.plugin or ""))]
        return unhit(fault, self._gate.calls[since:], len(mine), list(self._host.plugins))

    def _plugin_at(self, where: Location) -> str | None:
        return plugin_at(self._host._life.loaded.values(), where)


def _told(verb: str, *args: Any, after: int = 0, plugin: str | None = None) -> str:
    shown = [one.__name__ if isinstance(one, type) else repr(one) for one in args]
    shown += [f"after={after!r}"] if after else []
    shown += [f"plugin={plugin!r}"] if plugin is not None else []
    return f"nexus_faults.{verb}({', '.join(shown)})"


def _check_port(port: object, known: tuple[str, ...], where: Location | None, done: str) -> None:
    if port in known:
        return
    raise FaultError(
        f"{port!r} is no port that could be {done}.",
        where=where,
        why="" if port not in PORTS else f"plugins ask {port!r} without a connection, or wait for its answer",
        fix=did_you_mean(str(port), known) or f"Name {' or '.join(map(repr, known))}.",
    )


def _check(aim: Aim, said: str, where: Location | None) -> None:
    """Refuse what no fault could mean."""
    wrong = ""
    if aim.times is not None and (isinstance(aim.times, bool) or not isinstance(aim.times, int) or aim.times < 1):
        wrong = f"times={aim.times!r} is no number of times; None is every time"
    elif isinstance(aim.after, bool) or not isinstance(aim.after, int) or aim.after < 0:
        wrong = f"after={aim.after!r} is no number of calls"
    elif not isinstance(aim.key, str) or not isinstance(aim.plugin, str | None):
        wrong = f"key={aim.key!r} and plugin={aim.plugin!r} are names"
    elif aim.probability is not None and (
        isinstance(aim.probability, bool)
        or not isinstance(aim.probability, int | float)
        or not 0 < aim.probability <= 1
    ):
        wrong = f"probability={aim.probability!r} is not more than 0 and at most 1"
    if wrong:
        raise FaultError(f"{said} cannot be: {wrong}.", where=where, fix='fail("db.set", OSError, times=1, after=3)')
