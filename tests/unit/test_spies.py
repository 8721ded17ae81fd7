"""Spies on services: what was called, with what, and how it ended."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Self
from unittest.mock import ANY

import pytest

from nexus_testing import create_test_app
from nexus_testing.errors import ServiceAssertionError, ServiceError
from nexus_testing.nexus.plugins import BasePlugin
from nexus_testing.nexus.services import ServiceRegistry


class Courier:
    """A service with methods of many kinds."""

    def __init__(self) -> None:
        self.region = "north"
        self.parcels: list[int] = []

    async def fetch(self, grams: int, *, fast: bool = False, **options: Any) -> str:
        """Fetch a parcel."""
        if grams > 1000:
            msg = "too heavy"
            raise ValueError(msg)
        self.parcels.append(grams)
        return f"T-{len(self.parcels)}"

    def weigh(self, *parcels: int) -> int:
        """Add up."""
        return sum(parcels)

    def sort(self, parcels: list[int]) -> list[int]:
        """Sort in place."""
        parcels.sort()
        return parcels

    def later(self) -> Any:
        """Return something to be awaited."""
        return self.fetch(1)

    def _hidden(self) -> str:
        return "hidden"

    def __len__(self) -> int:
        return len(self.parcels)

    def __getitem__(self, index: int) -> int:
        return self.parcels[index]

    def __iter__(self) -> Iterator[int]:
        return iter(self.parcels)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Leave."""


@pytest.fixture(name="registry")
def _registry() -> ServiceRegistry:
    return ServiceRegistry()


@pytest.mark.asyncio
async def test_calls_are_recorded_with_what_came_of_them(registry: ServiceRegistry) -> None:
    """Sync, async and what returns something to be awaited: arguments by name, result, error, duration."""
    registry.register("courier", Courier())
    spy = registry.spy("courier")
    courier: Courier = registry.get("courier")
    assert "T-1" == await courier.fetch(250, fast=True, color="red")
    assert 3 == courier.weigh(1, 2)
    assert "T-2" == await courier.later()
    with pytest.raises(ValueError, match="too heavy"):
        await courier.fetch(grams=2000)
    assert [
        ("fetch", {"grams": 250, "fast": True, "color": "red"}, "T-1", None),
        ("weigh", {"parcels": (1, 2)}, 3, None),
        ("later", {}, "T-2", None),
        ("fetch", {"grams": 2000, "fast": False}, None, "ValueError"),
    ] == [(one.method, one.arguments, one.result, one.error and type(one.error).__name__) for one in spy.calls]
    assert all(one.duration >= 0 for one in spy.calls)
    assert "<Spy on 'courier', 4 calls>" == repr(spy)


@pytest.mark.asyncio
async def test_the_spied_service_passes_for_the_service(registry: ServiceRegistry) -> None:
    """Attributes, operators, class and equality are those of the service; what is private is not recorded."""
    real = Courier()
    registry.register("courier", real)
    spy = registry.spy("courier")
    courier = registry.get("courier")
    assert courier is registry.get("courier")
    assert isinstance(courier, Courier)
    assert courier == real
    assert courier == courier  # noqa: PLR0124 - the proxy compares with itself too
    assert hash(real) == hash(courier)
    assert dir(real) == dir(courier)
    assert repr(real) == repr(courier)
    assert inspect.iscoroutinefunction(courier.fetch)
    assert not inspect.iscoroutinefunction(courier.weigh)
    courier.region = "south"
    assert "south" == real.region
    del courier.region
    assert not hasattr(real, "region")
    assert "hidden" == courier._hidden()
    real.parcels.append(7)
    async with courier:
        assert (1, 7, [7]) == (len(courier), courier[0], list(courier))
    with pytest.raises(AttributeError, match="nothing"):
        courier.nothing()  # type: ignore[attr-defined]  # it is not there
    assert ["__aenter__", "__len__", "__getitem__"] == [one.method for one in spy.calls][:3]


def test_arguments_are_kept_as_they_were(registry: ServiceRegistry) -> None:
    """What is changed later does not change the record; a call that cannot be is Python's error, on record."""
    registry.register("courier", Courier())
    spy = registry.spy("courier")
    courier = registry.get("courier")
    assert [1, 2] == courier.sort([2, 1])
    with pytest.raises(TypeError):
        courier.sort()
    first, second = spy.calls
    assert ({"parcels": [2, 1]}, [1, 2]) == (first.arguments, first.result)
    assert isinstance(second.error, TypeError)


def test_a_service_that_is_a_function(registry: ServiceRegistry) -> None:
    """Its call is recorded as `__call__`; one that is written in C may not tell its parameters."""
    registry.register("double", lambda number: 2 * number)
    registry.register("largest", max)
    double, largest = registry.spy("double"), registry.spy("largest")
    assert 14 == registry.get("double")(7)
    assert 9 == registry.get("largest")(7, 9)
    assert {"number": 7} == double.assert_called("__call__").arguments
    assert {"0": 7, "1": 9} == largest.assert_called("__call__").arguments


class Sender(BasePlugin):
    async def initialize(self) -> bool:
        self.courier = self.service_registry.get("courier")
        return True

    async def send(self) -> None:
        await self.courier.fetch(250)


class Provider(BasePlugin):
    async def initialize(self) -> bool:
        self.service_registry.register("courier", Courier())
        return True


@pytest.mark.asyncio
async def test_a_spy_may_wait_for_its_service() -> None:
    """Made before the load it hears all; until then there is no service."""
    async with create_test_app() as app:
        spy = app.service_registry.spy("courier")
        assert app.service_registry.get("courier") is None
        assert [] == app.service_registry.list_services()
        assert spy is app.service_registry.spy("courier")
        await app.load_plugin(Provider)
        await app.load_plugin(Sender)
        await app.get_plugin("sender").send()
        assert 250 == spy.assert_called("fetch", grams=250, fast=False, times=1).arguments["grams"]
        spy.undo()
        assert Courier is type(app.service_registry.get("courier"))


@pytest.mark.asyncio
async def test_a_spy_that_came_too_late_says_so() -> None:
    """Who looked the service up before holds the service itself."""
    async with create_test_app([Provider, Sender]) as app:
        with app.service_registry.spy("courier") as spy:
            await app.get_plugin("sender").send()
            with pytest.raises(ServiceAssertionError) as failed:
                spy.assert_called("fetch")
        assert "courier.fetch() was not called." == failed.value.what
        assert "there were no calls" in failed.value.why
        assert "sender looked the service up before there was a spy, as number" in failed.value.why


@pytest.mark.asyncio
async def test_an_assertion_that_does_not_hold_shows_the_nearest_call(registry: ServiceRegistry) -> None:
    """It shows how the nearest differs, then the last calls with who made them and how they ended."""
    registry.register("courier", Courier())
    spy = registry.spy("courier")
    courier = registry.get("courier")
    await courier.fetch(250)
    await courier.fetch(300, fast=True)
    spy.assert_called("fetch", {"grams": 300}, fast=ANY)
    spy.assert_called("fetch", grams=lambda grams: grams < 300)
    assert spy.assert_called("weigh", times=0) is None
    with pytest.raises(ServiceAssertionError) as failed:
        spy.assert_called("fetch", grams=250, fast=True)
    assert isinstance(failed.value, AssertionError)
    assert "courier.fetch() with grams=250, fast=True was not called." == failed.value.what
    nearest, difference, last, first, second = failed.value.why.splitlines()
    assert nearest.startswith("the nearest was number ")
    assert "  fast: expected True, got False" == difference
    assert "the last 2 of 2 calls:" == last
    assert first.endswith("fetch(grams=250, fast=False) by the test returned 'T-1'")
    assert second.endswith("fetch(grams=300, fast=True) by the test returned 'T-2'")
    with pytest.raises(ServiceAssertionError, match=r"courier\.fetch\(\) was called 2 times, not 3"):
        spy.assert_called("fetch", times=3)


def test_what_cannot_be_asserted(registry: ServiceRegistry) -> None:
    """A method that the service does not have, and arguments that are no dict, are wrong use."""
    registry.register("courier", Courier())
    spy = registry.spy("courier")
    registry.get("courier")
    wrong: list[tuple[Any, ...]] = [("fech",), (7,), (None,), ("fetch", ["grams"])]
    for arguments in wrong:
        with pytest.raises(ServiceError) as failed:
            spy.assert_called(*arguments)
        assert not isinstance(failed.value, ServiceAssertionError)
        assert __file__ in str(failed.value.where)
    with pytest.raises(ServiceError, match="Did you mean 'fetch'"):
        spy.assert_called("fech")
