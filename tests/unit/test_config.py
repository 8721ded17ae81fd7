"""A plugin's configuration: where its values come from, which wins, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from nexus_testing import create_test_app
from nexus_testing.errors import ConfigurationError

if TYPE_CHECKING:
    from tests.conftest import Repo

pytestmark = pytest.mark.asyncio

PLUGIN = """
    from nexus_testing.nexus.plugins import BasePlugin


    class ShopPlugin(BasePlugin):
        async def initialize(self):
            BODY
            return True
"""

SCHEMA = {
    "type": "object",
    "properties": {
        "currency": {"type": "string", "default": "EUR"},
        "retries": {"type": "integer", "default": 1},
        "mail": {"type": "object", "properties": {"host": {"default": "localhost"}, "port": {"type": "integer"}}},
        "anything": True,
    },
}

# Files that a library would end in a traceback over, each in its own way.
WRONG: dict[str, tuple[dict[str, str], dict[str, str], str, str, str]] = {
    "key that is no string": ({"defaults": "d.yaml"}, {"d.yaml": "1: a\n"}, "have the key 1", "d.yaml", ""),
    "alias of itself": ({"defaults": "d.yaml"}, {"d.yaml": "a: &a [*a]\n"}, "cannot be read", "d.yaml", "Circular"),
    "date that is none": ({"defaults": "d.yaml"}, {"d.yaml": "a: 2030-02-31\n"}, "cannot be read", "d.yaml", "day"),
    "object of Python": ({"defaults": "d.yaml"}, {"d.yaml": "a: !!python/object:os.x 1"}, "is no YAML", ":1:4", "tag"),
    "control character": ({"defaults": "d.yaml"}, {"d.yaml": "a: \x07\n"}, "is no YAML", "d.yaml", "special char"),
    "deep yaml": ({"defaults": "d.yaml"}, {"d.yaml": "[" * 3000}, "nested too deeply", "d.yaml", ""),
    "deep json": ({"defaults": "d.json"}, {"d.json": "[" * 100_000}, "nested too deeply", "d.json", ""),
    "long number": ({"defaults": "d.json"}, {"d.json": "9" * 5000}, "cannot be read", "d.json", "digits"),
    "reference to nowhere": (
        {"schema": "s.json"},
        {"s.json": '{"$ref": "#/$defs/none"}'},
        "is no JSON Schema",
        "s.json:1:1",
        "#/$defs/none",
    ),
    "reference to elsewhere": (
        {"schema": "s.json"},
        {"s.json": '{"$ref": "http://127.0.0.1:9/s.json"}'},
        "is no JSON Schema",
        "s.json:1:1",
        "127.0.0.1",
    ),
    "reference to itself": ({"schema": "s.json"}, {"s.json": '{"$ref": "#"}'}, "no JSON Schema", "s.json", "Recursion"),
    "pattern that is none": (
        {"schema": "s.json"},
        {"s.json": '{"properties": {"a": {"default": "x", "pattern": "("}}}'},
        "is no JSON Schema",
        "s.json",
        "",
    ),
    "unknown dialect": ({"schema": "s.json"}, {"s.json": '{"$schema": "x:y", "required": ["a"]}'}, "not what", "", ""),
    "dialect that is none": ({"schema": "s.json"}, {"s.json": '{"$schema": []}'}, "is no JSON Schema", "s.json", ""),
}

Write = Callable[..., None]


@pytest.fixture(name="write")
def _write(project: Repo) -> Write:
    def write(*, body: str = "pass", files: dict[str, str] | None = None, **configuration: Any) -> None:
        project.manifest(configuration=configuration)
        project.write("plugin.py", PLUGIN.replace("BODY", body))
        for path, text in (files or {}).items():
            project.write(path, text)

    return write


async def loaded(app_config: dict[str, Any] | None = None, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """Load the plugin and return the configuration that it was given."""
    async with create_test_app(config={"plugins": {"shop": app_config or {}}}) as app:
        await app.load_plugin("shop", config)
        return dict(app.get_plugin("shop").config)


async def test_later_layers_win(write: Write) -> None:
    """Schema, then defaults file, then the app's configuration, then the load's: mapping by mapping."""
    files = {
        "config/schema.json": json.dumps(SCHEMA),
        "config/default.yaml": "retries: 2\nmail:\n  host: mail.example.com\n  port: 25\n",
    }
    write(files=files, schema="config/schema.json", defaults="config/default.yaml")
    assert {"currency": "EUR", "retries": 2, "mail": {"host": "mail.example.com", "port": 25}} == await loaded()
    assert {"currency": "CHF", "retries": 4, "mail": {"host": "mail.example.com", "port": 587}} == await loaded(
        {"retries": 3, "currency": "CHF"}, {"retries": 4, "mail": {"port": 587}}
    )


async def test_defaults_may_be_json_or_nothing(write: Write) -> None:
    """The ending of the file decides, and an empty file says nothing."""
    write(files={"default.json": '{"retries": 2}'}, defaults="default.json")
    assert {"retries": 2} == await loaded()
    write(files={"default.yaml": "# nothing yet\n"}, defaults="default.yaml")
    assert {} == await loaded()


async def test_a_plugin_may_change_what_it_was_given(write: Write) -> None:
    """Its configuration is its own: what the test passed, and the next load, see nothing of it."""
    write(body='self.config["mail"]["host"] = "changed"')
    given = {"mail": {"host": "localhost"}}
    assert "changed" == (await loaded(config=given))["mail"]["host"]
    assert {"mail": {"host": "localhost"}} == given


async def test_what_is_required_and_missing(write: Write) -> None:
    """All of it is named, with the fixture to paste, and what is given is enough."""
    write(required=["api_key", "database"])
    with pytest.raises(ConfigurationError) as refused:
        await loaded()
    assert "Plugin 'shop' misses required configuration: 'api_key', 'database'." == refused.value.what
    assert "manifest.json:1:" in str(refused.value.where)
    assert "def nexus_plugin_config():" in refused.value.fix
    assert "'api_key': …," in refused.value.fix
    assert {"api_key": None, "database": "x"} == await loaded({"database": "x"}, {"api_key": None})


async def test_a_key_that_is_not_there(write: Write) -> None:
    """The error has the keys that are, and a guess."""
    write(body='self.config["retry"]')
    with pytest.raises(Exception, match=r"has no 'retry', only \['retries'\]\. Did you mean 'retries'\?"):
        await loaded({"retries": 1})


async def test_a_refusal_names_the_keys_that_were_missed(write: Write) -> None:
    """A plugin that asks for a key, gets the default and returns False has said why."""
    write(body='if not self.config.get("api_key"): return False')
    with pytest.raises(Exception, match="configuration key 'api_key'"):
        await loaded()


@pytest.mark.parametrize(
    ("configuration", "files", "what", "place", "why"),
    [
        ({"defaults": "d.json"}, {"d.json": '{\n  "a"\n}'}, "is no JSON", "d.json:3:1", "Expecting ':' delimiter"),
        ({"defaults": "d.yaml"}, {"d.yaml": "a: 1\nb: [1\n"}, "is no YAML", "d.yaml:3:1", "expected ',' or ']'"),
        ({"defaults": "d.yaml"}, {"d.yaml": "- a\n"}, "are no mapping", "d.yaml", ""),
        ({"schema": "s.json"}, {"s.json": "[]"}, "is no JSON object", "s.json", ""),
        ({"schema": "s.json"}, {"s.json": '{"type": "objekt"}'}, "is no JSON Schema", "s.json:1:10", "objekt"),
        *WRONG.values(),
    ],
    ids=["json", "yaml", "no mapping", "no object", "no schema", *WRONG],
)
async def test_a_file_that_cannot_be_used(  # noqa: PLR0917 - the columns of the table
    write: Write, configuration: dict[str, str], files: dict[str, str], what: str, place: str, why: str
) -> None:
    """The message has the file and, where there is one, the line."""
    write(files=files, **configuration)
    with pytest.raises(ConfigurationError, match=what) as refused:
        await loaded()
    assert place in str(refused.value.where)
    assert why in refused.value.why
    assert "shop" == refused.value.plugin


async def test_bytes_that_are_no_text(write: Write, project: Repo) -> None:
    """A file in another encoding is named too."""
    write(defaults="d.yaml")
    (project.folder / "d.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        await loaded()


async def test_values_that_the_schema_does_not_take(write: Write) -> None:
    """Each is one line with its path."""
    write(files={"s.json": json.dumps({**SCHEMA, "required": ["name"]})}, schema="s.json")
    with pytest.raises(ConfigurationError, match="not what its schema asks for") as refused:
        await loaded({"retries": "many", "mail": {"port": "x"}})
    assert [
        "(top): 'name' is a required property",
        "mail.port: 'x' is not of type 'integer'",
        "retries: 'many' is not of type 'integer'",
    ] == refused.value.why.splitlines()
