"""The guide's examples of schemas, transactions and caching run as they are printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Repo

SCHEMA = """
    from typing import Any, Dict

    from nexus.plugins import BasePlugin


    class MyAwesomePlugin(BasePlugin):
        name = "my_awesome_plugin"

        async def initialize(self) -> bool:
            return True

        def get_database_schema(self) -> Dict[str, Any]:
            \"\"\"Return database schema.\"\"\"
            return {
                "collections": {
                    "items": {
                        "indexes": [
                            {"field": "name", "unique": True},
                            {"field": "created_at"}
                        ]
                    },
                    "categories": {
                        "indexes": [
                            {"field": "slug", "unique": True}
                        ]
                    }
                },
                "initial_data": {
                    "categories": [
                        {"id": "1", "name": "Default", "slug": "default"}
                    ]
                }
            }
"""
TRANSACTION = """
    from nexus.plugins import BasePlugin


    class TransactionalPlugin(BasePlugin):
        async def transfer_funds(self, from_account: str, to_account: str, amount: float):
            \"\"\"Perform atomic transaction.\"\"\"
            async with self.db.transaction() as tx:
                try:
                    # Debit from account
                    from_acc = await tx.get(f"accounts.{from_account}")
                    if from_acc.balance < amount:
                        raise ValueError("Insufficient funds")
                    from_acc.balance -= amount
                    await tx.update(f"accounts.{from_account}", from_acc)

                    # Credit to account
                    to_acc = await tx.get(f"accounts.{to_account}")
                    to_acc.balance += amount
                    await tx.update(f"accounts.{to_account}", to_acc)

                    # Commit transaction
                    await tx.commit()

                except Exception as e:
                    # Rollback on error
                    await tx.rollback()
                    raise
"""
CACHING = """
    from nexus.cache import cache, CacheTTL
    from nexus.plugins import BasePlugin


    class CachedPlugin(BasePlugin):
        runs = 0

        async def compute_expensive_operation(self, key):
            self.runs += 1
            return f"{key}{self.runs}"

        @cache(ttl=CacheTTL.MEDIUM)
        async def get_expensive_data(self, key: str):
            \"\"\"Cache expensive operations.\"\"\"
            # This will be cached for 5 minutes
            return await self.compute_expensive_operation(key)

        async def invalidate_cache(self, key: str):
            \"\"\"Invalidate cache when data changes.\"\"\"
            await self.cache_manager.delete(f"get_expensive_data:{key}")
"""


def _passes(repo: Repo, name: str, plugin: str, test: str, count: int) -> None:
    repo.manifest(name, version="1.0.0", category="business")
    repo.write("plugin.py", plugin)
    repo.write("tests/test_it.py", test)
    assert {"passed": count} == repo.run(apart=True).parseoutcomes()


def test_the_schema(repo: Repo) -> None:
    """Both collections have their indexes, the initial document is there, and unique values are unique."""
    _passes(
        repo,
        "my_awesome_plugin",
        SCHEMA,
        """
        import pytest


        async def test_what_is_declared(nexus_db):
            assert {"id": "1", "name": "Default", "slug": "default"} == await nexus_db.get("categories.1")
            indexes = await nexus_db.collection("items").index_information()
            assert {"_id_", "name_1", "created_at_1"} == set(indexes)
            assert indexes["name_1"]["unique"]
            await nexus_db.set("items.1", {"name": "a"})
            with pytest.raises(Exception, match="'name': 'a'"):
                await nexus_db.set("items.2", {"name": "a"})


        async def test_the_next_test_has_a_database_of_its_own(nexus_db):
            assert ["categories.1"] == await nexus_db.list_keys()
            await nexus_db.set("items.2", {"name": "a"})
        """,
        2,
    )


def test_the_transaction(repo: Repo) -> None:
    """Funds move whole or not at all, for documents and for plain keys, and transfers at once do not lose any."""
    _passes(
        repo,
        "transactional",
        TRANSACTION,
        """
        import asyncio

        import pytest


        @pytest.fixture
        async def bank(nexus_app, nexus_db):
            for name, balance in (("a", 100.0), ("b", 0.0)):
                await nexus_db.set(f"accounts.{name}", {"balance": balance})
            return nexus_app.get_plugin("transactional")


        @pytest.fixture
        def balances(nexus_db):
            async def read():
                return [(await nexus_db.get(f"accounts.{name}")).balance for name in "ab"]
            return read


        async def test_both_sides_change(bank, balances):
            await bank.transfer_funds("a", "b", 30)
            assert [70, 30] == await balances()


        @pytest.mark.parametrize(("taker", "amount", "error"), [("b", 101, ValueError), ("nobody", 1, AttributeError)])
        async def test_neither_side_changes(bank, balances, taker, amount, error):
            with pytest.raises(error):
                await bank.transfer_funds("a", taker, amount)
            assert [100, 0] == await balances()


        async def test_what_two_do_at_once(bank, balances):
            done = await asyncio.gather(
                *(bank.transfer_funds("a", "b", 10) for _ in range(2)), return_exceptions=True
            )
            succeeded = sum(one is None for one in done)
            assert [100 - 10 * succeeded, 10 * succeeded] == await balances()
            assert succeeded
        """,
        4,
    )


def test_the_cache(repo: Repo) -> None:
    """A result is kept under the key that the guide deletes, for five minutes."""
    _passes(
        repo,
        "cached",
        CACHING,
        """
        async def test_a_result_is_kept(nexus_app, nexus_cache, nexus_clock):
            plugin = nexus_app.get_plugin("cached")
            assert "a1" == await plugin.get_expensive_data("a")
            assert "a1" == await plugin.get_expensive_data("a")
            assert 300 == await nexus_cache.for_plugin("cached").ttl("get_expensive_data:a")
            await plugin.invalidate_cache("a")
            assert "a2" == await plugin.get_expensive_data("a")
            await nexus_clock.advance(minutes=4, seconds=59)
            assert "a2" == await plugin.get_expensive_data("a")
            await nexus_clock.advance(seconds=1)
            assert "a3" == await plugin.get_expensive_data("a")


        async def test_the_next_test_has_a_cache_of_its_own(nexus_app):
            assert "a1" == await nexus_app.get_plugin("cached").get_expensive_data("a")
        """,
        2,
    )


def test_redis_itself_on_the_clock(repo: Repo) -> None:
    """A plugin's own client waits and its keys expire in virtual time, and those who listen hear of it."""
    _passes(
        repo,
        "cached",
        CACHING,
        """
        import asyncio

        async def test_a_command_that_waits(nexus_app, nexus_clock):
            client = nexus_app.cache_manager.redis(decode_responses=True)
            popping = asyncio.create_task(client.blpop(["todo"], 300))
            await nexus_clock.advance(seconds=299)
            assert not popping.done()
            await nexus_clock.advance(seconds=1)
            assert await popping is None


        async def test_a_key_that_expires(nexus_app, nexus_clock):
            client = nexus_app.cache_manager.redis(decode_responses=True)
            async with client.pubsub(ignore_subscribe_messages=True) as listener:
                await listener.subscribe("__keyevent@0__:expired")
                await client.set("a", "1", ex=60)
                await nexus_clock.advance(seconds=60)
                heard = [await listener.get_message() for _ in range(3)]
            assert ["a"] == [one["data"] for one in heard if one]


        async def test_a_document_that_expires(nexus_app, nexus_db, nexus_clock):
            await nexus_db.collection("sessions").create_index("at", expireAfterSeconds=60)
            await nexus_db.collection("sessions").insert_one({"at": nexus_clock.now()})
            await nexus_clock.advance(seconds=59)
            assert 1 == await nexus_db.collection("sessions").count_documents({})
            await nexus_clock.advance(seconds=1)
            assert 0 == await nexus_db.collection("sessions").count_documents({})
        """,
        3,
    )
