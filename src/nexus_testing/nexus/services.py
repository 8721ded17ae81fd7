"""The service registry: objects that plugins offer each other by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..calls import awaited
from ..clock import RealClock
from ..errors import ServiceError, did_you_mean
from ..findings import find
from ..locations import caller
from ..records import Journal, ServiceLookup, ServiceRegistered
from .context import who
from .handles import Handle
from .interfaces import check_interface
from .spies import Spy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..clock import Clock
    from .kernel import Kernel
    from .permissions import Permissions

__all__ = ("ServiceRegistry",)


class _Service(NamedTuple):
    service: Any
    interface: type[Any] | None
    version: str | None
    handle: Handle
    stands_in: bool = False


class _StandIn(NamedTuple):
    """What a test put over a name: an object that takes the place of the service, or a spy around it."""

    handle: Handle
    service: Any
    version: str | None
    spy: Spy | None

    def over(self, beneath: _Service | None) -> _Service | None:
        """Return what is found under the name with this over it."""
        if self.spy is not None:
            return beneath._replace(service=self.spy.around(beneath.service)) if beneath is not None else None
        return _Service(self.service, beneath.interface if beneath else None, self.version, self.handle, stands_in=True)


class ServiceRegistry:
    """Holds services by name, in the order of registration. Lives as long as its app, or as long as you keep it.

    Args:
        journal: Where look-ups are recorded.
        clock: What time stamps come from.
        kernel: The app that it belongs to, if any.
    """

    guard: Permissions | None = None
    """Who says what plugins may do, once there is one that may not do everything."""

    def __init__(
        self, journal: Journal | None = None, clock: Clock | None = None, kernel: Kernel | None = None
    ) -> None:
        self.journal = journal if journal is not None else Journal()
        self._clock: Clock = clock or RealClock()
        self._kernel = kernel
        self._services: dict[str, _Service] = {}
        self._stand_ins: dict[str, list[_StandIn]] = {}

    # -- offering ------------------------------------------------------------------------------------------------

    def register(
        self, name: str, service: Any, interface: type[Any] | None = None, *, version: str | None = None
    ) -> Handle:
        """Offer a service. One of that name that is there already is replaced.

        Args:
            name: The service's name.
            service: The very object that others will get.
            interface: A Protocol or another class that it must fit, and that `get_by_interface` finds it by.
            version: Its version, for those who ask for a range.

        Returns:
            A handle that undoes it.

        Raises:
            ServiceError: If the name is no string or empty, the service does not fit the interface, or the version
                is none.
        """
        _check_name("registered", name)
        if interface is not None:
            check_interface(name, service, interface)
        _check_version(name, version)
        if self.guard is not None:
            self.guard.check("services.register")
        hidden = self._stand_ins.get(name)
        if interface is not None and hidden:
            for stand_in in hidden:
                if stand_in.spy is None:
                    check_interface(name, stand_in.service, interface)
        plugin = who()
        handle = Handle("service", name, plugin, caller(2), self._drop)
        replaced = self._services.get(name)
        if replaced is not None:
            self._report_replaced(replaced.handle, handle)
            replaced.handle()
        self._services[name] = _Service(service, interface, version, handle)
        if self._kernel is not None:
            self._kernel.own(handle)
        journal = self.journal
        journal.append(
            ServiceRegistered(journal.next_seq(), self._clock.time(), name, plugin, version, hidden=bool(hidden))
        )
        return handle

    def register_service(
        self, name: str, service: Any, interface: type[Any] | None = None, *, version: str | None = None
    ) -> Handle:
        """Do what `register` does; the handle may be awaited.

        Args:
            name: The service's name.
            service: The very object that others will get.
            interface: A class that it must fit, and that `get_by_interface` finds it by.
            version: Its version.
        """
        return self.register(name, service, interface, version=version)

    def _report_replaced(self, before: Handle, after: Handle) -> None:
        if self._kernel is None or before.plugin is None or after.plugin in {None, before.plugin}:
            return
        self._kernel.report(
            find(
                "NX503",
                f"plugin {after.plugin!r} replaced the service {after.name!r} of plugin {before.plugin!r}, which "
                f"registered it at {before.where}.",
                plugin=after.plugin,
                where=after.where,
            )
        )

    def unregister(self, name: str) -> Handle:
        """Withdraw a service; nothing happens if there is none. A test's stand-in stays.

        Args:
            name: The service's name.

        Raises:
            ServiceError: If the name is no string or empty.
        """
        _check_name("unregistered", name)
        found = self._services.get(name)
        if found is None:
            return Handle("service", name, None, None, lambda _handle: None)
        found.handle()
        return found.handle

    unregister_service = unregister

    def _drop(self, handle: Handle) -> None:
        found = self._services.get(handle.name)
        if found is not None and found.handle is handle:
            del self._services[handle.name]
        if self._kernel is not None:
            self._kernel.disown(handle)

    # -- looking up ----------------------------------------------------------------------------------------------

    def _found(self, name: str) -> _Service | None:
        found = self._services.get(name)
        for stand_in in self._stand_ins.get(name, ()):
            found = stand_in.over(found)
        return found

    def _all(self) -> Iterator[_Service]:
        for name in self.list_services():
            found = self._found(name)
            if found is not None:
                yield found

    def _note(self, name: str, version: str | None, *, found: bool) -> None:
        journal = self.journal
        journal.append(ServiceLookup(journal.next_seq(), self._clock.time(), name, found, who(), version))

    def get(self, name: str, version: str | None = None) -> Any:
        """Return the service of that name, or None.

        Args:
            name: The service's name.
            version: The versions that will do, such as ">=1,<2"; a service that was registered without one will not.

        Raises:
            ServiceError: If the name is no string or empty, or there can be no such versions.
        """
        _check_name("looked up", name)
        found = self._found(name)
        if version is not None and not _in_range(name, found, version):
            found = None
        self._note(name, version, found=found is not None)
        return found.service if found is not None else None

    @awaited
    async def get_service(self, name: str, version: str | None = None) -> Any:
        """Return the service of that name, or None.

        Args:
            name: The service's name.
            version: The versions that will do, such as ">=1,<2".
        """
        return self.get(name, version)

    def has_service(self, name: str) -> bool:
        """Say whether there is a service of that name.

        Args:
            name: The service's name.
        """
        _check_name("looked up", name)
        found = self._found(name) is not None
        self._note(name, None, found=found)
        return found

    def owner_of(self, name: str) -> str | None:
        """Return the name of the plugin that registered a service; None if the test did, or nobody.

        Args:
            name: The service's name.
        """
        found = self._services.get(name)
        return found.handle.plugin if found is not None else None

    def list_services(self) -> list[str]:
        """Return the names of all services, in the order of registration, then those of the test's stand-ins."""
        return [*self._services, *(name for name in self._stand_ins if name not in self._services and name in self)]

    def get_by_interface(self, interface: type[Any]) -> list[Any]:
        """Return the services that were registered for an interface.

        Args:
            interface: The class that they were registered with.
        """
        return [found.service for found in self._all() if found.interface is interface]

    # -- for tests -----------------------------------------------------------------------------------------------

    def stub(self, name: str, service: Any, *, version: str | None = None) -> Handle:
        """Put an object in the place of a service, whoever has registered one of that name or will.

        Args:
            name: The service's name.
            service: What others will get.
            version: Its version; without one it is in every range that is asked for.

        Returns:
            A handle that undoes it, when called or at the end of a ``with`` block. It lasts as long as the app, else.

        Raises:
            ServiceError: If the name is no string or empty, the object does not fit the interface that the service
                was registered with, or the version is none.
        """
        _check_name("stubbed", name)
        _check_version(name, version)
        return self._put("stub", name, service, version)

    def override(self, name: str, service: Any) -> Handle:
        """Put an object in the place of a service that is there, for the length of a ``with`` block.

        Args:
            name: The service's name.
            service: What others will get.

        Returns:
            A handle that undoes it, as `stub` does.

        Raises:
            ServiceError: If there is no such service, or the object does not fit its interface.
        """
        _check_name("overridden", name)
        if name not in self:
            raise ServiceError(
                f"The service {name!r} cannot be overridden, since there is none.",
                where=caller(2),
                why=f"there is {self.list_services()!r}",
                fix=did_you_mean(name, self.list_services())
                or f"Load what registers it first, or put an object in its place: stub({name!r}, …).",
            )
        return self._put("override", name, service, None)

    def spy(self, name: str) -> Spy:
        """Record the calls of a service, which goes on doing what it does.

        It may be called before the service is registered; whoever looked the service up before is not heard. A second
        spy on a service is the first.

        Args:
            name: The service's name.

        Returns:
            What was called. Calling its `undo`, or leaving it as a ``with`` block, ends it; else it lasts as long
            as the app.

        Raises:
            ServiceError: If the name is no string or empty.
        """
        _check_name("spied on", name)
        for stand_in in self._stand_ins.get(name, ()):
            if stand_in.spy is not None:
                return stand_in.spy
        spy = Spy(name, self.journal, self._clock)
        spy.undo = self._put("spy", name, None, None, spy)
        return spy

    def _put(self, kind: str, name: str, service: Any, version: str | None, spy: Spy | None = None) -> Handle:
        beneath = self._found(name)
        if spy is None and beneath is not None and beneath.interface is not None:
            check_interface(name, service, beneath.interface)
        handle = Handle(kind, name, None, caller(3), self._lift)
        self._stand_ins.setdefault(name, []).append(_StandIn(handle, service, version, spy))
        return handle

    def _lift(self, handle: Handle) -> None:
        left = [one for one in self._stand_ins[handle.name] if one.handle is not handle]
        if left:
            self._stand_ins[handle.name] = left
        else:
            del self._stand_ins[handle.name]

    def checkpoint(self) -> Callable[[], None]:
        """Return what offers those services that are offered now, and no others."""
        services = dict(self._services)
        stand_ins = {name: list(those) for name, those in self._stand_ins.items()}

        def go_back() -> None:
            self._services = dict(services)
            self._stand_ins = {name: list(those) for name, those in stand_ins.items()}

        return go_back

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._found(name) is not None

    def __repr__(self) -> str:
        return f"<ServiceRegistry {self.list_services()!r}>"


def _check_name(verb: str, name: object) -> None:
    if isinstance(name, str) and name:
        return
    raise ServiceError(
        f"A service cannot be {verb} under {name!r}, which is no name.",
        where=caller(3),
        fix="Pass the service's name: get('payment_service').",
        plugin=who(),
    )


def _check_version(name: str, version: object) -> None:
    if version is None:
        return
    from packaging.version import InvalidVersion, Version

    try:
        Version(version)  # type: ignore[arg-type]  # what is none raises
    except (InvalidVersion, TypeError) as error:
        raise ServiceError(
            f"The service {name!r} cannot have the version {version!r}, which is none.",
            where=caller(3),
            fix="Write it as packages do: version='1.2.0'.",
            plugin=who(),
        ) from error


def _in_range(name: str, found: _Service | None, wanted: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        # A set of specifiers takes more than text; what is no text is no range.
        range_ = SpecifierSet(str(wanted))
    except InvalidSpecifier as error:
        raise ServiceError(
            f"The service {name!r} cannot be asked for in the versions {wanted!r}.",
            where=caller(3),
            fix="Write a range as packages do: version='>=1,<2'.",
            plugin=who(),
        ) from error
    if found is None or found.version is None:
        return found is not None and found.stands_in
    return range_.contains(found.version, prereleases=True)
