"""Base classes for test classes: what they do outside of pytest's hands."""

from __future__ import annotations

import asyncio
import unittest

import pytest

from nexus_testing import PerformanceTest, PluginTestCase, create_test_app
from nexus_testing.case import Case
from nexus_testing.errors import EventAssertionError, LifecycleError, LoopError
from nexus_testing.nexus.plugins import BasePlugin


class ShopPlugin(BasePlugin):
    """A plugin."""


class Checks(PluginTestCase):
    """An author's test class, driven by hand."""

    __test__ = False


def test_only_authors_classes_are_collected() -> None:
    """A class that is imported to be derived from is no test; what derives from it is, unless it says otherwise."""

    class Derived(PluginTestCase):
        """An author's class."""

    assert [False, False, False, False, True] == [
        cls.__test__ for cls in (Case, PluginTestCase, PerformanceTest, Checks, Derived)
    ]


def test_outside_of_a_test_there_is_no_app() -> None:
    """The error says whose it is and where it would be there."""
    with pytest.raises(LifecycleError, match=r"Checks\.app is only there while pytest runs") as refused:
        _ = Checks().app
    assert f"{__file__}:" in str(refused.value.where)


def test_a_class_of_unittests_cannot_be_one_of_ours() -> None:
    """Pytest gives it no fixtures, so it is refused where it is written."""
    with pytest.raises(LoopError, match="derives from unittest's TestCase") as refused:
        type("Mixed", (PluginTestCase, unittest.IsolatedAsyncioTestCase), {"__module__": __name__})
    assert f"{__file__}:" in str(refused.value.where)


@pytest.mark.asyncio
async def test_a_test_class_speaks_for_its_app() -> None:
    """It publishes and drains, asserts, looks up, and has one client."""
    case, heard = Checks(), list[object]()
    async with create_test_app([ShopPlugin], services={"mailer": print}) as app:
        case.bind(app)
        app.event_bus.subscribe("order.created", heard.append)
        await case.emit_event("order.created", {"order-id": 7, "total": 3})
        assert [{"order-id": 7, "total": 3}] == heard
        assert 3 == case.assert_published("order.created", {"order-id": 7}).data["total"]
        case.assert_not_published("order.created", total=4)
        with pytest.raises(EventAssertionError):
            case.assert_published("order.paid")
        with pytest.raises(EventAssertionError):
            case.assert_not_published("order.created", total=3)
        assert (True, False) == (case.is_plugin_loaded("shop"), case.is_plugin_loaded("billing"))
        assert (print, None) == (case.get_service("mailer"), case.get_service("other"))
        assert case.client is case.client
        assert 200 == (await case.client.get("/health")).status_code
        case.bind(None)
    with pytest.raises(LifecycleError):
        _ = case.client


@pytest.mark.asyncio
async def test_a_load_test_does_not_wait_for_events() -> None:
    """Its client returns with the answer; that of a plugin's tests with the last handler."""

    class Load(PerformanceTest):
        __test__ = False

    async with create_test_app() as app:
        heard: list[object] = []
        gate = asyncio.Event()

        async def slow(event: object) -> None:
            await gate.wait()
            heard.append(event)

        app.event_bus.subscribe("asked", slow)

        @app.fastapi_app.get("/ask")
        async def ask() -> None:
            await app.event_bus.publish("asked")

        load, checks = Load(), Checks()
        load.bind(app)
        checks.bind(app)
        await load.client.get("/ask")
        assert [] == heard
        gate.set()
        await checks.client.get("/ask")
        assert 2 == len(heard)
