"""The service registry: objects that plugins offer each other by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..calls import awaited
from ..clock import RealClock
from ..errors import NexusTestingError
from ..locations import caller
from ..records import Journal, ServiceLookup
from .context import who
from .handles import Handle

if TYPE_CHECKING:
    from ..clock import Clock
    from .kernel import Kernel

__all__ = ("ServiceRegistry",)


class ServiceRegistry:
    """Holds services by name, in the order of registration. Lives as long as its app, or as long as you keep it.

    Args:
        journal: Where look-ups are recorded.
        clock: What time stamps come from.
        kernel: The app that it belongs to, if any.
    """

    def __init__(
        self, journal: Journal | None = None, clock: Clock | None = None, kernel: Kernel | None = None
    ) -> None:
        self.journal = journal if journal is not None else Journal()
        self._clock: Clock = clock or RealClock()
        self._kernel = kernel
        self._services: dict[str, tuple[Any, type[Any] | None, Handle]] = {}

    def register(self, name: str, service: Any, interface: type[Any] | None = None) -> Handle:
        """Offer a service. One of that name that is there already is replaced.

        Args:
            name: The service's name.
            service: The very object that others will get.
            interface: A class that `get_by_interface` finds it by.

        Returns:
            A handle that undoes it.

        Raises:
            NexusTestingError: If the name is no string.
        """
        if not isinstance(name, str):
            raise NexusTestingError(
                f"A service cannot be registered under {name!r}, which is no name.",
                where=caller(2),
                fix="register('payment_service', service)",
                plugin=who(),
            )
        handle = Handle("service", name, who(), caller(2), self._drop)
        replaced = self._services.get(name)
        if replaced is not None:
            replaced[2]()
        self._services[name] = (service, interface, handle)
        if self._kernel is not None:
            self._kernel.own(handle)
        return handle

    def register_service(self, name: str, service: Any, interface: type[Any] | None = None) -> Handle:
        """Do what `register` does; the handle may be awaited.

        Args:
            name: The service's name.
            service: The very object that others will get.
            interface: A class that `get_by_interface` finds it by.
        """
        return self.register(name, service, interface)

    def unregister(self, name: str) -> Handle:
        """Withdraw a service; nothing happens if there is none.

        Args:
            name: The service's name.
        """
        found = self._services.get(name)
        if found is None:
            return Handle("service", name, None, None, lambda _handle: None)
        found[2]()
        return found[2]

    unregister_service = unregister

    def _drop(self, handle: Handle) -> None:
        found = self._services.get(handle.name)
        if found is not None and found[2] is handle:
            del self._services[handle.name]
        if self._kernel is not None:
            self._kernel.disown(handle)

    def get(self, name: str) -> Any:
        """Return the service of that name, or None.

        Args:
            name: The service's name.
        """
        found = self._services.get(name)
        self.journal.append(ServiceLookup(self.journal.next_seq(), self._clock.time(), name, found is not None, who()))
        return found[0] if found is not None else None

    @awaited
    async def get_service(self, name: str) -> Any:
        """Return the service of that name, or None.

        Args:
            name: The service's name.
        """
        return self.get(name)

    def has_service(self, name: str) -> bool:
        """Say whether there is a service of that name.

        Args:
            name: The service's name.
        """
        found = name in self._services
        self.journal.append(ServiceLookup(self.journal.next_seq(), self._clock.time(), name, found, who()))
        return found

    def list_services(self) -> list[str]:
        """Return the names of all services, in the order of registration."""
        return list(self._services)

    def get_by_interface(self, interface: type[Any]) -> list[Any]:
        """Return the services that were registered for an interface.

        Args:
            interface: The class that they were registered with.
        """
        return [service for service, registered, _ in self._services.values() if registered is interface]

    def __contains__(self, name: object) -> bool:
        return name in self._services

    def __repr__(self) -> str:
        return f"<ServiceRegistry {self.list_services()!r}>"
