"""The real registry and the real databases, as a test reaches them."""

from __future__ import annotations

from typing import Any

import pytest

from nexus_testing.records import Query, ServiceLookup, ServiceRegistered

pytestmark = pytest.mark.asyncio


async def test_the_registry_does_what_the_framework_does_and_keeps_record(make_app: Any) -> None:
    """Overwriting is silent, what is missing is None, and each step is in the journal."""
    app = await make_app()
    registry = app.service_registry
    registry.register("prices", {"tea": 3}, dict)
    registry.register("prices", {"tea": 4}, dict)
    assert registry.get("prices") == {"tea": 4}
    assert registry.has_service("prices")
    assert registry.list_services() == ["prices"]
    assert registry.get_by_interface(dict)[0] == {"tea": 4}
    assert "prices" in registry
    registry.unregister("prices")
    assert registry.get("prices") is None
    assert "prices" not in registry
    assert ["prices", "prices"] == [one.name for one in app.journal.of(ServiceRegistered)]
    assert [True, True, False] == [one.found for one in app.journal.of(ServiceLookup)]


async def test_a_stub_hides_what_is_registered_later(make_app: Any) -> None:
    """Until it is undone; two spies on one service are one."""
    app = await make_app()
    registry = app.service_registry
    undo = registry.stub("prices", {"tea": 0})
    spy = registry.spy("prices")
    assert registry.spy("prices") is spy
    registry.register("prices", {"tea": 3})
    assert app.journal.of(ServiceRegistered)[0].hidden
    assert registry.get("prices")["tea"] == 0
    undo()
    assert registry.get("prices")["tea"] == 3
    spy.undo()
    assert type(registry.get("prices")) is dict


@pytest.mark.parametrize("database", ["memory", "sqlite", "mongodb"])
async def test_each_database_keeps_keys_and_values(make_app: Any, database: str) -> None:
    """What is read, and whether it was there, is in the journal."""
    app = await make_app(config={"database": {"type": database}})
    await app.db.set("till:1", {"open": True})
    assert await app.db.get("till:1") == {"open": True}
    assert await app.db.get("till:2", "none") == "none"
    assert await app.db.exists("till:1")
    assert await app.db.list_keys("till:*") == ["till:1"]
    await app.db.delete("till:1")
    assert not await app.db.exists("till:1")
    assert [
        ("set", True),
        ("get", True),
        ("get", False),
        ("exists", True),
        ("delete", True),
        ("exists", False),
    ] == [(query.operation, query.found) for query in app.journal.of(Query)]


async def test_the_next_app_finds_no_data(make_app: Any) -> None:
    """A file or a server in memory is one app's."""
    for database in ("sqlite", "mongodb"):
        for _ in range(2):
            app = await make_app(config={"database": {"type": database}})
            assert await app.db.list_keys() == []
            await app.db.set("till:1", 1)
            await app.shutdown()
