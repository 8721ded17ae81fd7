"""What a test says about its plugin has to fit the plugin, before anything of that runs."""

from __future__ import annotations

import json
import types
from textwrap import dedent
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import APIRouter, Depends

from nexus_testing import create_test_app
from nexus_testing.errors import ConfigurationError, ConsistencyError
from nexus_testing.findings import allow, allowed
from nexus_testing.nexus.plugins import BasePlugin

if TYPE_CHECKING:
    from tests.conftest import Repo

PLUGIN = """
    from nexus.plugins import BasePlugin

    RUNS = []

    class ShopPlugin(BasePlugin):
        async def initialize(self) -> bool:
            RUNS.append(1)
            return True
"""

STUBS = """
    import pytest
    from shop.plugin import RUNS, ShopPlugin

    @pytest.fixture
    def nexus_stubs():
        return {"till": "1.0.0"}

    @pytest.fixture
    def nexus_config():
        return {"plugins": {"shopp": {"a": 1}}}
"""

TEST = """
    async def test_it(nexus_app):
        assert [1] == RUNS
"""

OWN = """
    @pytest.fixture
    async def plugin():
        plugin = ShopPlugin()
        await plugin.initialize()
        yield plugin
        await plugin.shutdown()

    async def test_it(plugin, nexus_app):
        assert [1] == RUNS
"""


def _shop(repo: Repo, tests: str, needs: tuple[str, ...] = ()) -> None:
    repo.manifest(dependencies={"plugins": list(needs)})
    repo.write("plugin.py", PLUGIN)
    repo.write("tests/test_it.py", STUBS + tests)


@pytest.mark.parametrize("tests", [TEST, OWN], ids=["fixtures", "the fixture plugin"])
def test_everything_is_said_at_once_and_before_the_plugin_runs(repo: Repo, tests: str) -> None:
    """A stub that nobody asks for and configuration for nobody are one error, with ids, guesses and the mark."""
    _shop(repo, tests + "\n    def test_nothing_ran():\n        assert [] == RUNS\n")
    result = repo.run()
    assert {"errors": 1, "passed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(
        [
            "*ConsistencyError: The test says 2 things that cannot be meant so.",
            "*why: *NX403: plugin 'till' is stubbed, and no plugin here depends on it.",
            "*NX402: there is configuration for plugin 'shopp', and no such plugin.",
            "*fix: *Leave the stub out*",
            "*Did you mean 'shop'?",
            '*@pytest.mark.nexus_allow("NX403", reason="…").',
        ]
    )


@pytest.mark.parametrize("tests", [TEST, OWN], ids=["fixtures", "the fixture plugin"])
def test_a_test_may_allow_it_and_is_counted(repo: Repo, tests: str) -> None:
    """With the mark the test runs; the summary says how many tests allow what, and why."""
    mark = '@pytest.mark.nexus_allow("NX402", "NX403", reason="kept for later")\n    async def test_it'
    _shop(repo, tests.replace("async def test_it", mark))
    result = repo.run("-W", "error")
    assert {"passed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(
        ["nexus: NX402 is allowed in 1 test: kept for later", "nexus: NX403 is allowed in 1 test: kept for later"]
    )


def test_what_is_allowed_in_one_test_is_not_in_the_next(repo: Repo) -> None:
    """The mark is its own test's."""
    _shop(
        repo,
        '\n    @pytest.mark.nexus_allow("NX402", "NX403", reason="kept")' + TEST + TEST.replace("test_it", "test_b"),
    )
    assert {"passed": 1, "errors": 1} == repo.run().parseoutcomes()


def test_a_stub_that_is_asked_for_in_turn_is_none(repo: Repo) -> None:
    """What a plugin's dependency depends on counts too."""
    repo.manifest("desk", at="desk", dependencies={"plugins": ["room"]})
    repo.write("desk/plugin.py", PLUGIN.replace("ShopPlugin", "DeskPlugin"))
    repo.manifest("room", at="room", dependencies={"plugins": ["till>=1"]})
    repo.write("room/plugin.py", PLUGIN.replace("ShopPlugin", "RoomPlugin"))
    repo.write(
        "desk/test_it.py",
        """
        import pytest

        @pytest.fixture
        def nexus_stubs():
            return {"till": "1.0.0"}

        @pytest.fixture
        def nexus_config():
            return {"plugins": {"room": {}, "desk": {}, "till": {}}}

        async def test_it(nexus_app):
            assert ["room", "desk"] == list(nexus_app.plugins)
        """,
    )
    assert {"passed": 1} == repo.run().parseoutcomes()


def test_what_the_configuration_says_is_for_all_tests(repo: Repo) -> None:
    """Stubs and configuration of pytest's own configuration are not held against each test's plugin."""
    repo.write("pytest.ini", '[pytest]\nnexus_stubs = till = 1.0.0\nnexus_config = {"plugins": {"bank": {"a": 1}}}\n')
    _shop(repo, TEST)
    file = repo.folder / "tests" / "test_it.py"
    file.write_text(file.read_text(encoding="utf-8").partition("@pytest.fixture")[0] + dedent(TEST), encoding="utf-8")
    assert {"passed": 1} == repo.run().parseoutcomes()


@pytest.mark.parametrize(
    ("mark", "what"),
    [
        ('"NX999", reason="so"', "There is no finding 'NX999' to allow."),
        ('"NX403"', "The finding 'NX403' is allowed without a reason."),
        ('"NX403", reason=" "', "The finding 'NX403' is allowed without a reason."),
        ('"NX403", reason=7', "The finding 'NX403' is allowed without a reason."),
    ],
)
def test_a_mark_needs_an_id_and_a_reason(repo: Repo, mark: str, what: str) -> None:
    """Anything else is an error of that test."""
    _shop(repo, f"\n    @pytest.mark.nexus_allow({mark})" + TEST, ("till",))
    result = repo.run()
    assert {"errors": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines([f"*ConfigurationError: {what}"])


class Here(BasePlugin):
    """A plugin of no folder."""


@pytest.mark.asyncio
async def test_an_app_that_a_test_makes_is_held_to_it_too() -> None:
    """What create_test_app() is given counts where it is also given what to load."""
    with pytest.raises(ConsistencyError, match="plugin 'till' is stubbed") as refused:
        await create_test_app([Here], stubs={"till": "1.0.0"})
    assert __file__ in str(refused.value.where)
    async with create_test_app(stubs={"till": "1.0.0"}) as app:
        assert await app.load_plugin(Here)
    async with create_test_app([Here], config={"plugins": {"here": {"a": 1}}}) as app:
        assert {"a": 1} == app.get_plugin("here").config


async def price() -> int:
    """Be depended on."""
    return 3


async def doubled(one: Annotated[int, Depends(price)]) -> int:
    """Depend on another."""
    return 2 * one


async def unused() -> int:
    """Be depended on by nobody."""
    return 3


class Shelf(BasePlugin):
    """A plugin with a dependency in a dependency."""

    def get_api_routes(self) -> list[APIRouter]:
        """Return one route and one WebSocket."""
        router = APIRouter()

        @router.get("/price")
        async def read(two: Annotated[int, Depends(doubled)]) -> int:
            return two

        return [router]


@pytest.mark.asyncio
async def test_an_override_that_no_route_depends_on_is_refused() -> None:
    """A dependency of a dependency counts; one that nobody has is an error with a guess, unless no plugin is there."""
    async with create_test_app() as app:
        with app.override(unused, 7):
            pass
        await app.load_plugin(Shelf)
        async with app.client() as client:
            with app.override(price, 7):
                assert 14 == (await client.get("/api/shelf/price")).json()
            assert 6 == (await client.get("/api/shelf/price")).json()
        with pytest.raises(ConsistencyError, match="NX404: unused is overridden") as refused, app.override(unused, 7):
            pass
        assert f"{__file__}:" in str(refused.value.where)
        twin = types.FunctionType(price.__code__, {}, "price")
        with pytest.raises(ConsistencyError, match="is another object"), app.override(twin, 7):
            pass
        allow({"NX404": "a later plugin has it"})
        try:
            with app.override(unused, 7):
                pass
        finally:
            allow({})


def test_what_is_allowed_can_be_taken_back() -> None:
    """Each call returns what held before."""
    before = allow({"NX403": "so"})
    assert {"NX403": "so"} == allowed()
    assert {"NX403": "so"} == allow(before)
    with pytest.raises(ConfigurationError, match="Did you mean 'NX403'"):
        allow({"NX4O3": "so"})
    assert before == allowed()


SCHEMA = {
    "properties": {
        "retries": {"type": "integer"},
        "mail": {"properties": {"host": {}, "port": {}}},
        "headers": {"additionalProperties": {"type": "string"}},
        "either": {"anyOf": [{"properties": {"file": {}}}, {"$ref": "#/$defs/remote"}]},
        "anything": True,
        "elsewhere": {"$ref": "other.json", "properties": {"a": {}}},
        "tree": {"$ref": "#/$defs/tree"},
    },
    "required": ["key"],
    "if": {"properties": {"retries": {}}},
    "then": {"properties": {"pause": {}}},
    "$defs": {
        "remote": {"required": ["url"]},
        "tree": {"properties": {"leaf": {}, "tree": {"$ref": "#/$defs/tree"}}},
    },
}
DECLARED: dict[str, Any] = {
    "schema": "schema.json",
    "defaults": "default.yaml",
    "required": [],
    "optional": ["timeout"],
}


def _configured(repo: Repo, configuration: dict[str, Any]) -> None:
    repo.write("schema.json", json.dumps(SCHEMA))
    repo.write("default.yaml", "currency: EUR\nkey: k\n")
    repo.manifest(configuration=configuration)
    repo.write("plugin.py", PLUGIN.replace("nexus.", "nexus_testing.nexus."))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("config", "path", "guess"),
    [
        ({"retrys": 3}, "retrys", "retries"),
        ({"timout": 3}, "timout", "timeout"),
        ({"curency": "CHF"}, "curency", "currency"),
        ({"mail": {"prot": 25}}, "mail.prot", "port"),
        ({"either": {"urk": 1}}, "either.urk", "url"),
        ({"tree": {"leave": 1}}, "tree.leave", "leaf"),
        ({"xyz": 1}, "xyz", None),
    ],
)
@pytest.mark.parametrize("way", ["load", "app", "start"])
async def test_a_key_that_the_plugin_does_not_know_is_refused(
    config: dict[str, Any], path: str, guess: str | None, way: str, project: Repo
) -> None:
    """Wherever a test gives it, before anything of the plugin runs, with its path and a guess."""
    _configured(project, DECLARED)
    app = create_test_app(
        ["shop"] if way == "start" else [], config=None if way == "load" else {"plugins": {"shop": config}}
    )
    with pytest.raises(ConsistencyError, match=f"NX401: plugin 'shop' is configured with '{path}'") as refused:
        async with app:
            await app.load_plugin("shop", config if way == "load" else None)
    assert __file__ in str(refused.value.where)
    assert (f"Did you mean '{guess}'?" if guess else "Leave the key out") in refused.value.fix
    assert [] == app.journal.lifecycle("shop")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("configuration", "config"),
    [
        (DECLARED, {"retries": 1, "key": "k", "pause": 2, "timeout": 1, "currency": "CHF"}),
        (DECLARED, {"mail": {"port": 1}, "headers": {"x": "y"}, "anything": {"a": 1}}),
        (DECLARED, {"either": {"url": 1, "file": 2}, "tree": {"leaf": {"more": 1}}, "mail": {}}),
        ({}, {"retrys": 3}),
        ({"optional": ["a"]}, {"a": {"b": 1}}),
    ],
)
async def test_a_key_that_the_plugin_knows_is_taken(
    configuration: dict[str, Any], config: dict[str, Any], project: Repo
) -> None:
    """Schema, with its branches and references, defaults and the manifest's lists count; who says nothing knows all."""
    _configured(project, configuration)
    async with create_test_app(config={"plugins": {"shop": config}}) as app:
        assert await app.load_plugin("shop", config)


@pytest.mark.asyncio
async def test_files_that_cannot_be_used_are_the_loads_to_report(project: Repo) -> None:
    """A broken schema is no question of which keys it knows."""
    _configured(project, DECLARED)
    project.write("schema.json", "[")
    async with create_test_app() as app:
        with pytest.raises(ConfigurationError, match="is no JSON"):
            await app.load_plugin("shop", {"retrys": 3})


KEYS = """
    import pytest
    from shop.plugin import RUNS

    @pytest.fixture
    def nexus_plugin_config():
        return {"timout": 3}

    async def test_it(nexus_app):
        assert [1] == RUNS
"""


def test_keys_are_reported_with_the_rest(repo: Repo) -> None:
    """What fixtures give is looked at too, together with the other rules."""
    repo.manifest(configuration={"optional": ["timeout"]})
    repo.write("plugin.py", PLUGIN)
    repo.write("test_it.py", KEYS + "\n    @pytest.fixture\n    def nexus_stubs():\n        return {'till': '1.0'}\n")
    result = repo.run()
    assert {"errors": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["*says 2 things*", "*NX403: *", "*NX401: *'timout'*", "*Did you mean 'timeout'?*"])


def test_a_key_for_one_of_several_plugins_is_none(repo: Repo) -> None:
    """What is given to all of them has to be known to one."""
    for name, key in (("shop", "timout"), ("bank", "rate")):
        repo.manifest(name, at=name, configuration={"optional": [key]})
        repo.write(f"{name}/plugin.py", PLUGIN.replace("Shop", name.title()))
    repo.write(
        "test_it.py", KEYS + "\n    @pytest.fixture\n    def nexus_plugins():\n        return ['bank', 'shop']\n"
    )
    assert {"passed": 1} == repo.run().parseoutcomes()


def test_keys_of_pytests_configuration_are_for_all_tests(repo: Repo) -> None:
    """A key of the ini option is not held against each test's plugin."""
    repo.manifest(configuration={"optional": ["timeout"]})
    repo.write("plugin.py", PLUGIN)
    repo.write("pytest.ini", '[pytest]\nnexus_plugin_config = {"timout": 3}\n')
    head, _, tail = dedent(KEYS).partition("@pytest.fixture")
    repo.write("test_it.py", head + tail.partition("}\n")[2])
    assert {"passed": 1} == repo.run().parseoutcomes()
