"""The real service registry, with a record of what it is asked, and with stand-ins of the test's."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ...errors import ServiceError, did_you_mean
from ...locations import caller
from ...nexus.context import who
from ...nexus.handles import Handle
from ...nexus.services import ServiceRegistry
from ...nexus.spies import Spy
from ...records import ServiceLookup, ServiceRegistered
from .ledger import not_there

if TYPE_CHECKING:
    from .ledger import Ledger

__all__ = ("make_registry",)


class Recorder:
    """Stands before the real class in the order of methods: does what that does, and writes it down.

    Args:
        ledger: Where it is written.
    """

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.journal = ledger.journal
        self._ledger = ledger
        self._handles: dict[str, Handle] = {}
        self._stand_ins: dict[str, list[tuple[Handle, Any, Spy | None]]] = {}

    def register(self, name: str, service: Any, interface: type[Any] | None = None) -> None:
        """Register, as the framework does."""
        super().register(name, service, interface)  # type: ignore[misc]  # the real class comes next
        self._forget(name)
        handle = self._handles[name] = Handle("service", name, who(), caller(), self._undo)
        self._ledger.handles.append(handle)
        journal = self.journal
        journal.append(
            ServiceRegistered(
                journal.next_seq(),
                self._ledger.clock.time(),
                name,
                handle.plugin,
                None,
                hidden=name in self._stand_ins,
            )
        )

    def unregister(self, name: str) -> None:
        """Unregister, as the framework does."""
        super().unregister(name)  # type: ignore[misc]  # as above
        self._forget(name)

    def _forget(self, name: str) -> None:
        handle = self._handles.pop(name, None)
        if handle is not None:
            handle.active = False

    def _undo(self, handle: Handle) -> None:
        if self._handles.get(handle.name) is handle:
            self.unregister(handle.name)

    def get(self, name: str) -> Any:
        """Look a service up, as the framework does."""
        found = self._over(name, super().get(name))  # type: ignore[misc]  # as above
        self._note(name, found=found is not None)
        return found

    def has_service(self, name: str) -> bool:
        """Say whether there is a service, as the framework does."""
        there = bool(super().has_service(name)) or self._over(name, None) is not None  # type: ignore[misc]  # as above
        self._note(name, found=there)
        return there

    def _over(self, name: str, service: Any) -> Any:
        for _, stand_in, spy in self._stand_ins.get(name, ()):
            if spy is None:
                service = stand_in
            elif service is not None:
                service = spy.around(service)
        return service

    def _note(self, name: str, *, found: bool) -> None:
        journal = self.journal
        journal.append(ServiceLookup(journal.next_seq(), self._ledger.clock.time(), name, found, who(), None))

    # -- for tests -----------------------------------------------------------------------------------------------

    def owner_of(self, name: str) -> str | None:
        """Return the name of the plugin that registered a service; None if the test did, or nobody.

        Args:
            name: The service's name.
        """
        handle = self._handles.get(name)
        return handle.plugin if handle is not None else None

    def stub(self, name: str, service: Any) -> Handle:
        """Put an object in the place of a service, whoever has registered one of that name or will.

        Args:
            name: The service's name.
            service: What others will get.

        Returns:
            A handle that undoes it.
        """
        return self._put("stub", name, service, None)

    def override(self, name: str, service: Any) -> Handle:
        """Put an object in the place of a service that is there.

        Args:
            name: The service's name.
            service: What others will get.

        Returns:
            A handle that undoes it.

        Raises:
            ServiceError: If there is no such service.
        """
        there: list[str] = super().list_services()  # type: ignore[misc]  # as above
        if name not in there:
            raise ServiceError(
                f"The service {name!r} cannot be overridden, since there is none.",
                where=caller(),
                why=f"there is {there!r}",
                fix=did_you_mean(name, there) or f"Put an object in its place: stub({name!r}, …).",
            )
        return self._put("override", name, service, None)

    def spy(self, name: str) -> Spy:
        """Record the calls of a service, which goes on doing what it does.

        Args:
            name: The service's name.
        """
        for _, _, known in self._stand_ins.get(name, ()):
            if known is not None:
                return known
        spy = Spy(name, self.journal, self._ledger.clock)
        spy.undo = self._put("spy", name, None, spy)
        return spy

    def _put(self, kind: str, name: str, service: Any, spy: Spy | None) -> Handle:
        handle = Handle(kind, name, None, caller(2), self._lift)
        self._stand_ins.setdefault(name, []).append((handle, service, spy))
        return handle

    def _lift(self, handle: Handle) -> None:
        left = [one for one in self._stand_ins[handle.name] if one[0] is not handle]
        if left:
            self._stand_ins[handle.name] = left
        else:
            del self._stand_ins[handle.name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._handles or self._over(name, None) is not None)

    def __getattr__(self, name: str) -> Any:
        raise not_there("ServiceRegistry", name, ServiceRegistry, type(self).__mro__[-2])


@functools.cache
def _class(real: type) -> type:
    return type("RecordingServiceRegistry", (Recorder, real), {})


def make_registry(real: type, ledger: Ledger) -> Any:
    """Make a registry of the real class that records.

    Args:
        real: The framework's class.
        ledger: Where it records.
    """
    return _class(real)(ledger)
