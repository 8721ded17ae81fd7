"""The service registry: by which names and interfaces services are found, and when they are gone."""

from __future__ import annotations

from typing import Any, cast

import pytest

from nexus_testing.errors import NexusTestingError
from nexus_testing.nexus.services import ServiceRegistry
from nexus_testing.records import ServiceLookup


class Mailer:
    """An interface."""


class Console(Mailer):
    """A service."""


@pytest.fixture(name="registry")
def _registry() -> ServiceRegistry:
    return ServiceRegistry()


@pytest.mark.asyncio
async def test_a_service_is_the_very_object(registry: ServiceRegistry) -> None:
    """Both ways to ask give what was registered, and None for what was not."""
    mailer = Console()
    registry.register("mailer", mailer)
    assert mailer is registry.get("mailer")
    assert mailer is await registry.get_service("mailer")
    assert (None, None) == (registry.get("other"), await registry.get_service("other"))


@pytest.mark.asyncio
async def test_both_dialects_register(registry: ServiceRegistry) -> None:
    """`register` and `register_service` do the same, awaited or not."""
    registry.register("a", 1)
    await registry.register_service("b", 2)
    registry.register_service("c", 3)
    assert ["a", "b", "c"] == registry.list_services()
    assert "<ServiceRegistry ['a', 'b', 'c']>" == repr(registry)


def test_a_service_can_be_asked_for_without_being_used(registry: ServiceRegistry) -> None:
    """`has_service` and `in` say whether it is there."""
    registry.register("a", None)
    assert (True, False) == (registry.has_service("a"), registry.has_service("b"))
    assert "a" in registry
    assert "b" not in registry


@pytest.mark.asyncio
async def test_a_handle_undoes_a_registration(registry: ServiceRegistry) -> None:
    """It may be called, or awaited and then called; the second time does nothing."""
    handle = await registry.register("a", 1)
    handle()
    handle.undo()
    assert ([], False) == (registry.list_services(), handle.active)


def test_both_dialects_unregister(registry: ServiceRegistry) -> None:
    """By name, either way; a name that nobody has is no error."""
    handles = [registry.register(name, 1) for name in ("a", "b")]
    assert handles[0] is registry.unregister("a")
    assert handles[1] is registry.unregister_service("b")
    assert [] == registry.list_services()
    assert "nobody" == registry.unregister("nobody").name


def test_a_second_service_of_one_name_replaces_the_first(registry: ServiceRegistry) -> None:
    """The handle of the first is spent, and does not take the second away."""
    first = registry.register("a", 1)
    registry.register("a", 2)
    assert not first.active
    first()
    assert 2 == registry.get("a")


def test_services_are_found_by_interface(registry: ServiceRegistry) -> None:
    """Those that were registered for it, in order; the class of the object does not count."""
    one, two = Console(), Console()
    registry.register("one", one, Mailer)
    registry.register("two", two, Mailer)
    registry.register("three", Console())
    assert [one, two] == registry.get_by_interface(Mailer)
    assert [] == registry.get_by_interface(Console)


def test_a_name_that_is_none(registry: ServiceRegistry) -> None:
    """It is refused at the line that registers, and nothing is kept."""
    with pytest.raises(NexusTestingError, match="cannot be registered under 7") as refused:
        registry.register(cast("Any", 7), object())
    assert f"{__file__}:" in str(refused.value.where)
    assert [] == registry.list_services()


def test_every_look_up_is_on_record(registry: ServiceRegistry) -> None:
    """The journal knows what was asked for, and whether it was there."""
    registry.register("a", 1)
    registry.get("a")
    registry.has_service("b")
    assert [("a", True), ("b", False)] == [(one.name, one.found) for one in registry.journal.of(ServiceLookup)]
