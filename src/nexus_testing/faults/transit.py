"""What faults do to events between their publication and their delivery."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeAlias

from .gate import PortCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..nexus.events import EventBus
    from .fault import Fault
    from .gate import Gate

__all__ = ("on_the_way",)


_NEWS = ("app.", "plugin.")
"""What the names of the framework's own events begin with, which a fault is about only if it says so."""

_Held: TypeAlias = "list[tuple[Fault, PortCall, Any]]"


def on_the_way(gate: Gate, bus: EventBus, held: _Held, following: Callable[[], Any]) -> Callable[[], Any]:
    """Return what hands the bus the next event to deliver, or another.

    Args:
        gate: Knows the faults, and records that one happens.
        bus: The bus.
        held: Where events are kept that others are to overtake.
        following: Takes the next event out of the queue.
    """
    again: set[int] = set()

    @functools.wraps(following)
    def take() -> Any:
        while True:
            item = following()
            if item is None:
                # Nothing came that could overtake it.
                return held.pop(0)[2] if held else None
            record, cause = item
            if held:
                fault, call, waiting = held.pop(0)
                gate.hit(fault, call)
                bus._queues[waiting[0].priority].appendleft(waiting)
                again.add(waiting[0].seq)
                return item
            call = PortCall("events.transit", record.name, record.plugin, None)
            if record.seq in again:
                again.discard(record.seq)
                return item
            news = record.plugin is None and record.name.startswith(_NEWS)
            meant = (one for one in gate.faults if not news or one.aim.key != "*")
            taken = next((one for one in meant if one.takes(call)), None)
            if taken is None:
                return item
            fault = taken
            if fault.action.name == "reordered":
                held.append((fault, call, item))
                continue
            gate.hit(fault, call)
            if fault.action.name == "duplicated":
                cause.open += 1
                bus._queues[record.priority].appendleft(item)
                again.add(record.seq)
                return item
            bus._leave(cause)

    return take
