"""The service registry: interfaces, versions, owners, and what a test puts in the place of a service."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol, runtime_checkable
from unittest.mock import MagicMock

import pytest

from nexus_testing import create_test_app
from nexus_testing.errors import PluginLoadError, ServiceError
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.nexus.services import ServiceRegistry
from nexus_testing.records import ServiceLookup, ServiceRegistered


@pytest.fixture(name="registry")
def _registry() -> ServiceRegistry:
    return ServiceRegistry()


class Courier(Protocol):
    """Fetches parcels."""

    region: str

    async def fetch(self, grams: int, *, fast: bool) -> str: ...

    def cancel(self, number: str, reason: str = "") -> None: ...


@runtime_checkable
class Callable1(Protocol):
    """Is called with one thing."""

    def __call__(self, thing: str) -> None: ...


class Abstract(ABC):
    """An abstract courier."""

    @abstractmethod
    def fetch(self, grams: int) -> str:
        """Fetch a parcel."""


class Fits:
    region = "north"

    async def fetch(self, weight: int, *, fast: bool, insured: bool = False) -> str:
        """Fetch."""
        return "T-1"

    def cancel(self, *args: str) -> None:
        """Cancel."""


class Lacks:
    def fetch(self, grams: int) -> str:
        """Fetch, but not fast."""
        return "T-1"


class Concrete(Abstract):
    def fetch(self, grams: int) -> str:
        """Fetch."""
        return "T-1"


# -- interfaces ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "interface"),
    [
        (Fits(), Courier),
        (MagicMock(), Courier),
        (Fits, Courier),
        (print, Callable1),
        (Concrete(), Abstract),
        (Lacks(), Abstract),
        (Fits(), Fits),
        (Concrete(), Concrete),
    ],
)
def test_a_service_that_fits(registry: ServiceRegistry, service: Any, interface: type) -> None:
    """Its members count, not its bases; other names of parameters and more optional ones are fine."""
    registry.register("courier", service, interface)
    assert [service] == registry.get_by_interface(interface)


def test_a_service_that_does_not_fit(registry: ServiceRegistry) -> None:
    """The message names each member with its line, and nothing is registered."""
    with pytest.raises(ServiceError) as failed:
        registry.register("courier", Lacks(), Courier)
    error = failed.value
    assert error.what == (
        "'courier' does not fit the interface Courier: region, cancel is missing; fetch takes other arguments."
    )
    assert __file__ in str(error.where)
    region, cancel, fetch = error.why.splitlines()
    assert region.startswith(f"region is asked for at {__file__}:")
    assert cancel.startswith("cancel(self, number: 'str', reason: 'str' = '') -> 'None' is asked for at ")
    assert fetch.endswith(f"stands at {__file__}:{Lacks.fetch.__code__.co_firstlineno} in Lacks.fetch")
    assert [] == registry.list_services()


@pytest.mark.parametrize(
    ("service", "interface", "what"),
    [
        (object(), Abstract, "fetch is missing"),
        (object(), Callable1, "__call__ is missing"),
        (object(), Fits, "region, fetch, cancel is missing"),
        (Concrete(), Courier, "region, cancel is missing; fetch takes other arguments"),
    ],
)
def test_other_services_that_do_not(registry: ServiceRegistry, service: Any, interface: type, what: str) -> None:
    """An abstract class, an operator and a plain class are asked alike."""
    with pytest.raises(ServiceError) as failed:
        registry.register("courier", service, interface)
    assert f"'courier' does not fit the interface {interface.__qualname__}: {what}." == failed.value.what


def test_a_property_is_not_run_to_see_that_it_is_there(registry: ServiceRegistry) -> None:
    """Looking at a service has no effect on it."""

    class Lazy(Fits):
        @property
        def region(self) -> str:  # type: ignore[override]
            raise RuntimeError

    registry.register("courier", Lazy(), Courier)
    assert registry.has_service("courier")


@pytest.mark.parametrize("interface", ["Courier", 7, list[int], Fits()])
def test_an_interface_that_is_none(registry: ServiceRegistry, interface: Any) -> None:
    """The message shows what is no class."""
    with pytest.raises(ServiceError, match="which is no class") as failed:
        registry.register("courier", Fits(), interface)
    assert __file__ in str(failed.value.where)


# -- names and versions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "", 7, ["courier"]])
@pytest.mark.parametrize("verb", ["register", "unregister", "get", "has_service", "stub", "override", "spy"])
def test_a_name_that_is_none(registry: ServiceRegistry, verb: str, name: Any) -> None:
    """Every call says so, with the line."""
    arguments = (name, Fits()) if verb in {"register", "stub", "override"} else (name,)
    with pytest.raises(ServiceError, match="is no name") as failed:
        getattr(registry, verb)(*arguments)
    assert __file__ in str(failed.value.where)


@pytest.mark.asyncio
async def test_a_version_is_asked_for_by_its_range(registry: ServiceRegistry) -> None:
    """Out of range is None, and on record as not found; without a version a service is in no range."""
    service = Fits()
    registry.register("courier", service, version="1.2.0")
    registry.register("plain", service)
    assert service is registry.get("courier", ">=1,<2")
    assert service is await registry.get_service("courier", version="==1.2.*")
    assert registry.get("courier", version=">=2") is None
    assert registry.get("plain", version=">=1") is None
    assert registry.get("nobody", version=">=1") is None
    assert [
        ("courier", True, ">=1,<2"),
        ("courier", True, "==1.2.*"),
        ("courier", False, ">=2"),
        ("plain", False, ">=1"),
        ("nobody", False, ">=1"),
    ] == [(one.name, one.found, one.version) for one in registry.journal.of(ServiceLookup)]


@pytest.mark.parametrize("version", ["one", "", 1, 1.2, [1]])
def test_a_version_that_is_none(registry: ServiceRegistry, version: Any) -> None:
    """Neither a service nor a stand-in has one, and nothing is registered."""
    for register in (registry.register, registry.stub):
        with pytest.raises(ServiceError, match="which is none") as failed:
            register("courier", Fits(), version=version)
        assert __file__ in str(failed.value.where)
    assert [] == registry.list_services()


@pytest.mark.parametrize("version", ["1.2", "new", 1, [1]])
def test_a_range_that_is_none(registry: ServiceRegistry, version: Any) -> None:
    """It is refused even where there is no such service."""
    with pytest.raises(ServiceError, match="cannot be asked for in the versions") as failed:
        registry.get("courier", version=version)
    assert __file__ in str(failed.value.where)


# -- plugins -------------------------------------------------------------------------------------------------------


class North(BasePlugin):
    async def initialize(self) -> bool:
        await self.service_registry.register_service("courier", Fits(), Courier, version="1.0")
        return True


class South(BasePlugin):
    async def initialize(self) -> bool:
        self.service_registry.register("courier", Fits())
        return True


class Misfit(BasePlugin):
    async def initialize(self) -> bool:
        self.service_registry.register("courier", Lacks(), Courier)
        return True


class Customer(BasePlugin):
    async def initialize(self) -> bool:
        self.courier = self.service_registry.get("courier", version=">=1")
        return True


@pytest.mark.asyncio
async def test_a_service_has_an_owner() -> None:
    """It is the plugin that registered it; the test's own and one that is not there have none."""
    async with create_test_app([North], services={"clock": object()}) as app:
        registry = app.service_registry
        assert ["north", None, None] == [registry.owner_of(name) for name in ("courier", "clock", "nobody")]
        (record,) = [one for one in app.journal.of(ServiceRegistered) if one.plugin is not None]
        assert ("courier", "north", "1.0", False) == record[2:]
        await app.unload_plugin("north")
        assert ["clock"] == registry.list_services()


@pytest.mark.asyncio
async def test_a_service_that_another_plugin_replaces_is_a_finding() -> None:
    """It names both plugins and both lines; a plugin may replace its own, and the test may replace and be replaced."""
    async with create_test_app(services={"courier": Fits()}) as app:
        await app.load_plugin(North)
        assert [] == [one for one in app.findings if one.id == "NX503"]
        await app.load_plugin(South)
        (finding,) = [one for one in app.findings if one.id == "NX503"]
        assert "plugin 'south' replaced the service 'courier' of plugin 'north', which registered it at" in finding.text
        assert "South.initialize" in str(finding.where)
        assert "North.initialize" in finding.text
        app.service_registry.register("courier", Fits())
        assert 1 == len([one for one in app.findings if one.id == "NX503"])
        assert app.service_registry.owner_of("courier") is None


@pytest.mark.asyncio
async def test_a_plugin_whose_service_does_not_fit_is_not_loaded() -> None:
    """Its load fails with the message, and leaves no service."""
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError) as failed:
            await app.load_plugin(Misfit)
        assert isinstance(failed.value.__cause__, ServiceError)
        assert [] == app.service_registry.list_services()


# -- stand-ins -----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_stub_is_not_replaced_by_what_a_plugin_registers() -> None:
    """It stands before and after; the registration is on record as hidden, and comes to light when the stub goes."""
    stub = Fits()
    async with create_test_app() as app:
        undo = app.service_registry.stub("courier", stub)
        await app.load_plugin(North)
        await app.load_plugin(Customer)
        assert stub is app.get_plugin("customer").courier
        assert [stub] == app.service_registry.get_by_interface(Courier)
        assert ["courier"] == app.service_registry.list_services()
        assert [True] == [one.hidden for one in app.journal.of(ServiceRegistered)]
        assert "north" == app.service_registry.owner_of("courier")
        undo()
        undo()
        assert stub is not app.service_registry.get("courier")
        await app.unload_plugin("north")
        assert not app.service_registry.has_service("courier")


def test_a_stub_ends_with_its_block(registry: ServiceRegistry) -> None:
    """Stubs lie over each other and may go in any order; unregistering takes none away."""
    first, second, real = Fits(), Fits(), Fits()
    registry.register("courier", real)
    with registry.stub("courier", first):
        outer = registry.stub("courier", second)
        assert second is registry.get("courier")
        registry.unregister("courier")
        assert second is registry.get("courier")
    assert second is registry.get("courier")
    outer()
    assert "courier" not in registry
    assert [] == registry.list_services()


def test_a_stub_is_in_every_range_unless_it_has_a_version(registry: ServiceRegistry) -> None:
    """A stand-in for a version is asked like a service."""
    with registry.stub("courier", "any"):
        assert "any" == registry.get("courier", version=">=7")
    with registry.stub("courier", "new", version="2.0"):
        assert ["new", None] == [registry.get("courier", version=wanted) for wanted in (">=2", "<2")]


@pytest.mark.parametrize("first", ["stub", "register"])
def test_a_stub_has_to_fit_the_interface(registry: ServiceRegistry, first: str) -> None:
    """Else a test would be green with what the plugin could never get, whichever of the two comes first."""
    with pytest.raises(ServiceError, match="does not fit the interface Courier"):  # noqa: PT012 - either may raise
        if first == "stub":
            registry.stub("courier", Lacks())
        registry.register("courier", Fits(), Courier)
        registry.stub("courier", Lacks())


def test_an_override_needs_something_to_override(registry: ServiceRegistry) -> None:
    """A name that nobody offers is most likely a slip."""
    registry.register("courier", "real")
    with registry.override("courier", "other") as handle:
        assert "other" == registry.get("courier")
        assert "override" == handle.kind
    assert "real" == registry.get("courier")
    with pytest.raises(ServiceError, match="Did you mean 'courier'") as failed:
        registry.override("courrier", "other")
    assert "there is ['courier']" == failed.value.why
    registry.unregister("courier")
    with pytest.raises(ServiceError, match=r"stub\('courier', …\)"):
        registry.override("courier", "other")
