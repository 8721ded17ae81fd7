"""The parts of one running app, held together: what a plugin is given, and who owns what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..clock import VirtualClock, current
from ..findings import allowed
from ..records import FindingMade, Journal
from .cache import CacheManager
from .context import activity
from .database import MemoryDatabase
from .events import EventBus
from .permissions import Permissions
from .services import ServiceRegistry
from .tasks import TaskManager
from .users import Authentication

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping
    from contextvars import Context

    from ..clock import Clock
    from ..findings import Finding, Refuted
    from .handles import Handle

__all__ = ("Kernel", "Lifecycle")


class Lifecycle(Protocol):
    """What the runtime does for the plugins of a kernel."""

    def equip(self, plugin: Any) -> None:
        """Give a new plugin its ports, before the body of its `__init__` runs."""
        ...

    def owner_of(self, function: object) -> str | None:
        """Return the name of the plugin whose code a function is, if it is one's."""
        ...

    def version_of(self, name: str) -> str | None:
        """Return the version of a plugin that is loaded or stood in for, or None."""
        ...


class Kernel:
    """One app's bus, registry, database, cache, tasks and users. Lives as long as the app.

    Args:
        config: The app's configuration.
        clock: What time it is in this app; the virtual clock that is on, else real time, by default.
    """

    def __init__(self, config: Mapping[str, Any] | None = None, clock: Clock | None = None) -> None:
        self.config: dict[str, Any] = dict(config or {})
        self.clock: Clock = clock or current()
        if isinstance(self.clock, VirtualClock):
            self.clock.plugin_of = _plugin_of
        self.journal = Journal()
        self.event_bus = EventBus(self.journal, self.clock, self)
        self.service_registry = ServiceRegistry(self.journal, self.clock, self)
        self.db = MemoryDatabase(self.config.get("database"), clock=self.clock, journal=self.journal, kernel=self)
        self.cache_manager = CacheManager(self.config.get("cache"), clock=self.clock, journal=self.journal)
        self.task_manager = TaskManager(self)
        self.permissions = Permissions(self)
        self.auth = Authentication(self)
        self.lifecycle: Lifecycle | None = None
        self.held: tuple[str, asyncio.Future[None]] | None = None
        """Where requests wait, and for what: the prefix of a plugin that is being reloaded."""
        self.handles: list[Handle] = []
        self.counters: list[Callable[[], None]] = []
        """What sets counters of requests to zero where the app goes back to a checkpoint."""
        self.findings: list[Finding] = []
        self.refuted: set[Refuted] = set()
        self.on_finding: Callable[[Finding], None] | None = None

    def own(self, handle: Handle) -> None:
        """Remember a registration."""
        self.handles.append(handle)

    def disown(self, handle: Handle) -> None:
        """Forget a registration."""
        if handle in self.handles:
            self.handles.remove(handle)

    def owned_by(self, plugin: str) -> list[Handle]:
        """Return what a plugin registered and did not release.

        Args:
            plugin: The plugin's name.
        """
        return [handle for handle in self.handles if handle.plugin == plugin]

    def owner_of(self, function: object) -> str | None:
        """Return the name of the plugin whose code a function is, if it is one's.

        Args:
            function: A function, method or object.
        """
        return self.lifecycle.owner_of(function) if self.lifecycle is not None else None

    def report(self, finding: Finding) -> None:
        """Record a finding, once.

        Args:
            finding: What was found.
        """
        if finding in self.findings or finding.id in allowed():
            return
        self.findings.append(finding)
        self.journal.append(FindingMade(self.journal.next_seq(), self.clock.time(), finding))
        if self.on_finding is not None:
            self.on_finding(finding)


def _plugin_of(context: Context) -> str | None:
    doing = context.get(activity)
    return doing.plugin if doing is not None else None
