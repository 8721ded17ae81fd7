"""Whose code is running: the app that is current, and what it is doing."""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cause import Cause
    from .kernel import Kernel

__all__ = ("Activity", "activity", "current_kernel", "enter_kernel", "leave_kernel", "running_kernel", "who")


class Activity:
    """What an app is doing at the moment: running a hook, a handler or a job, or answering a request."""

    __slots__ = ("cause", "correlation_id", "kernel", "kind", "number", "plugin", "scope")

    def __init__(  # noqa: PLR0917 - one is made for every delivery, and keywords would cost a tenth of it
        self,
        kind: str,
        kernel: Kernel | None,
        plugin: str | None = None,
        correlation_id: str | None = None,
        cause: Cause | None = None,
        scope: Any = None,
        number: int | None = None,
    ) -> None:
        self.kind = kind
        self.kernel = kernel
        self.plugin = plugin
        self.correlation_id = correlation_id
        self.cause = cause
        self.scope = scope
        self.number = number


activity: ContextVar[Activity | None] = ContextVar("nexus_testing.activity", default=None)
"""The activity that the running code belongs to; None in a test's own code."""

running_kernel: ContextVar[Kernel | None] = ContextVar("nexus_testing.kernel", default=None)
"""The kernel whose owner task is running."""

_open: list[weakref.ref[Kernel]] = []


def enter_kernel(kernel: Kernel) -> None:
    """Make an app the current one, until it leaves.

    Args:
        kernel: The app's kernel.
    """
    _open.append(weakref.ref(kernel))


def leave_kernel(kernel: Kernel) -> None:
    """Make an app current no more.

    Args:
        kernel: The app's kernel.
    """
    _open[:] = [ref for ref in _open if ref() is not None and ref() is not kernel]


def current_kernel() -> Kernel | None:
    """Return the kernel of the app that is current: the one at work here, else the newest that is open."""
    kernel = running_kernel.get()
    if kernel is not None:
        return kernel
    doing = activity.get()
    if doing is not None and doing.kernel is not None:
        return doing.kernel
    for ref in reversed(_open):
        kernel = ref()
        if kernel is not None:
            return kernel
    return None


def who() -> str | None:
    """Return the name of the plugin whose code is running, or None for a test's own."""
    doing = activity.get()
    if doing is None:
        return None
    if doing.plugin is None and doing.scope is not None and doing.kernel is not None:
        endpoint = doing.scope.get("endpoint")
        if endpoint is not None:
            doing.plugin = doing.kernel.owner_of(endpoint)
    return doing.plugin
