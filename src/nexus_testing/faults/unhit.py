"""What is said of a fault that never happened."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..errors import FaultAssertionError, did_you_mean
from .operations import port_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .fault import Fault
    from .gate import PortCall

__all__ = ("unhit",)

_SHOWN = 8


def unhit(fault: Fault, calls: Sequence[PortCall], own: int, plugins: Collection[str]) -> FaultAssertionError:
    """Make the error that says that a fault never happened, with what happened instead.

    Args:
        fault: The fault.
        calls: The calls that plugins made since it was there.
        own: How many calls of the test itself it would have been about.
        plugins: The names of the plugins that are loaded.
    """
    aim = fault.aim
    about = [call for call in calls if fault.about(call)]
    lines = []
    fix = ""
    if about:
        lines.append(f"{len(about)} calls were such as it is about, and it lets {aim.after} pass first")
        fix = "Lower `after`, or have the plugin call more often."
    elif aim.plugin is not None and aim.plugin not in plugins:
        lines.append(f"no plugin {aim.plugin!r} is loaded; there is {', '.join(map(repr, plugins)) or 'none'}")
        fix = did_you_mean(aim.plugin, plugins)
    counts = Counter(f"{call.operation} {call.key}".strip() + f" by {call.plugin}" for call in calls)
    if counts and not about:
        lines.append("the plugins asked meanwhile:")
        lines += [f"  {times} × {name}" for name, times in counts.most_common(_SHOWN)]
        if len(counts) > _SHOWN:
            lines.append(f"  and {len(counts) - _SHOWN} more")
        same = [call for call in calls if port_of(call.operation) == port_of(aim.operations[0])]
        fix = fix or did_you_mean(aim.key, {call.key for call in same}) if aim.key != "*" else fix
        fix = fix or did_you_mean(aim.operations[0], {call.operation for call in same})
    elif not counts:
        lines.append("no plugin asked anything of that port meanwhile")
    if own:
        lines.append(f"the test itself asked {own} times; faults happen to what plugins ask")
    if aim.operations[0].startswith("services.") and not about:
        lines.append("who looked a service up before the first fault was said has it without faults")
    return FaultAssertionError(
        f"{fault.said} never happened.",
        where=fault.where,
        why="\n".join(lines),
        fix=fix or "Name what the plugin asks, or write required=False if it may not happen.",
    )
