"""A manifest's file: what is read, what is refused, and where it says that it stands."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from nexus_testing.cli import main
from nexus_testing.errors import ManifestError
from nexus_testing.manifest import manifest_findings, read_manifest
from nexus_testing.manifest.positions import Positions

WHOLE: dict[str, Any] = {
    "name": "shop",
    "display_name": "Shop",
    "category": "business",
    "version": "1.0.0",
    "description": "Sells things",
    "author": {"name": "Ann", "email": "ann@example.com", "url": "https://example.com"},
    "license": "MIT",
    "homepage": "https://example.com/shop",
    "repository": {"type": "git", "url": "https://example.com/shop.git"},
    "documentation": "https://docs.example.com/shop",
    "keywords": ["shop"],
    "tags": ["money"],
    "icon": "icon.png",
    "screenshots": ["shots/one.png"],
    "dependencies": {
        "nexus": ">=1.0.0",
        "python": ">=3.11",
        "packages": ["pydantic>=2.0.0"],
        "plugins": ["auth_plugin>=1.0.0"],
        "system": ["redis-server>=6.0"],
    },
    "permissions": ["database.read", "ui.register"],
    "configuration": {
        "schema": "config/schema.json",
        "defaults": "config/default.yaml",
        "required": ["api_key"],
        "optional": ["timeout"],
    },
    "api": {"prefix": "/api/shop", "version": "v1", "rate_limit": {"requests": 100, "period": 60}},
    "ui": {
        "enabled": True,
        "menu": {"title": "Shop", "icon": "fas fa-shop", "position": 10, "parent": None},
        "dashboard_widgets": [{"id": "sales", "title": "Sales", "size": "medium", "position": 1}],
    },
    "features": {"hot_reload": True, "background_tasks": True, "websocket": True, "graphql": False},
    "compatibility": {
        "min_nexus_version": "1.0.0",
        "max_nexus_version": "2.0.0",
        "platforms": ["linux", "darwin", "win32"],
    },
    "health_check": {"endpoint": "/health", "interval": 30, "timeout": 5},
    "enabled": True,
    "entry_point": "plugin:ShopPlugin",
    "config": {"colour": "red"},
}
FILES = ("icon.png", "shots/one.png", "config/schema.json", "config/default.yaml")


def write(folder: Path, manifest: object) -> Path:
    """Write a manifest, with the files that it names beside it, and return its path."""
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}", encoding="utf-8")
    file = folder / "manifest.json"
    file.write_text(manifest if isinstance(manifest, str) else json.dumps(manifest, indent=2), encoding="utf-8")
    return file


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the whole manifest with one value changed."""
    result = copy.deepcopy(WHOLE)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    holder: Any = result
    for part in parents:
        holder = holder[part]
    holder[last] = value
    return result


def place(file: Path, key: str) -> tuple[int, int]:
    """Return line and column of the value of a key that stands once in a file."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if f'"{key}": ' in line:
            return number, line.index(f'"{key}": ') + len(key) + 5
    raise AssertionError(key)


def keys(manifest: dict[str, Any], path: str = "") -> list[str]:
    """Return the dotted paths of all keys."""
    found = []
    for key, value in manifest.items():
        here = f"{path}.{key}".lstrip(".")
        found.append(here)
        if here == "config":
            continue
        if isinstance(value, dict):
            found += keys(value, here)
        elif isinstance(value, list) and isinstance(value[0], dict):
            found += keys(value[0], f"{here}.0")
    return found


KEYS = keys(WHOLE)


def test_the_whole_manifest_is_read_without_a_problem(tmp_path: Path) -> None:
    """A manifest that says everything, with its files there, has nothing wrong with it."""
    file = write(tmp_path, WHOLE)
    manifest = read_manifest(file)
    assert () == manifest_findings(file)
    assert manifest.api.rate_limit is not None
    assert (100, 60.0) == (manifest.api.rate_limit.requests, manifest.api.rate_limit.period)
    assert {
        "name": "shop",
        "version": "1.0.0",
        "category": "business",
        "description": "Sells things",
        "author": "Ann",
    } == manifest.identity()


@pytest.mark.parametrize("path", KEYS)
def test_a_value_of_the_wrong_type_is_named_with_its_place(path: str, tmp_path: Path) -> None:
    """Every key refuses a value of another type, by its path, its line and its column."""
    wrong = 5 if isinstance(_at(path), str | dict | list | bool) or _at(path) is None else "many"
    file = write(tmp_path, changed(path, wrong))
    with pytest.raises(ManifestError) as caught:
        read_manifest(file)
    problem = caught.value.problems[0]
    dotted = re.sub(r"\.(\d+)", r"[\1]", path)
    assert ("NX302", True) == (problem.id, problem.text.startswith(f"{dotted}: {wrong!r}: should be "))
    lines = file.read_text(encoding="utf-8").splitlines()
    assert json.dumps(wrong) == lines[problem.where.line - 1][problem.where.column - 1 :].rstrip(",")
    assert f"{problem.id} {file}:{problem.where.line}:{problem.where.column}\n" in str(caught.value)


def _at(path: str) -> Any:
    value: Any = WHOLE
    for part in path.split("."):
        value = value[int(part)] if part.isdigit() else value[part]
    return value


@pytest.mark.parametrize(
    ("path", "value", "id_", "said"),
    [
        ("name", "", "NX303", "letters, digits"),
        ("name", "a.b", "NX303", "letters, digits"),
        ("name", "2shops", "NX303", "starting with a letter"),
        ("name", "class", "NX303", "word of Python's own"),
        ("version", "one", "NX305", "'one' is no version"),
        ("author.name", "", "NX303", "the author's name"),
        ("repository.url", "", "NX303", "where it is"),
        ("dependencies.nexus", "newest", "NX305", "no range of versions"),
        ("dependencies.python", "3.11", "NX305", "no range of versions"),
        ("dependencies.packages.0", "httpx>>1", "NX305", "no requirement"),
        ("dependencies.plugins.0", "a plugin", "NX305", "no requirement"),
        ("dependencies.system.0", ">=6", "NX305", "names no program"),
        ("dependencies.system.0", "redis>>6", "NX305", "names no program"),
        ("permissions.0", "database.raed", "NX307", "Did you mean 'database.read'"),
        ("configuration.schema", "config/none.json", "NX306", "there is no file"),
        ("configuration.schema", "a\0b", "NX306", "there is no file"),
        ("configuration.defaults", "x" * 5000, "NX306", "there is no file"),
        ("configuration.optional.0", "api_key", "NX304", "'api_key' is required too"),
        ("api.prefix", "api/shop", "NX303", "starts with '/'"),
        ("api.prefix", "/a b", "NX303", "starts with '/'"),
        ("api.rate_limit.requests", 0, "NX303", "greater than 0"),
        ("api.rate_limit.period", -1, "NX303", "greater than 0"),
        ("ui.menu.title", "", "NX303", "what the menu shows"),
        ("ui.menu.position", -1, "NX303", "greater than or equal to 0"),
        ("ui.dashboard_widgets.0.id", "", "NX303", "unique in its plugin"),
        ("ui.dashboard_widgets.0.size", "", "NX303", "how large"),
        ("ui.dashboard_widgets.0.position", -1, "NX303", "greater than or equal to 0"),
        ("ui.dashboard_widgets", [{"id": "a", "title": "A"}, {"id": "a", "title": "B"}], "NX304", "has the id 'a' too"),
        ("compatibility.min_nexus_version", ">=1", "NX305", "no version"),
        ("compatibility.max_nexus_version", "latest", "NX305", "no version"),
        ("compatibility.max_nexus_version", "0.9", "NX304", "older than min_nexus_version"),
        ("compatibility.platforms.0", "windows", "NX303", "Did you mean 'win32'?"),
        ("health_check.endpoint", "health", "NX303", "starts with '/'"),
        ("health_check.interval", 0, "NX303", "greater than 0"),
        ("health_check.timeout", 30, "NX304", "cannot be made every 30 s"),
    ],
)
def test_a_value_that_means_nothing_is_refused(path: str, value: object, id_: str, said: str, tmp_path: Path) -> None:
    """A value of the right type that cannot be stops the load, and says what the key takes."""
    with pytest.raises(ManifestError, match=re.escape(said)) as caught:
        read_manifest(write(tmp_path, changed(path, value)))
    assert [id_] == [problem.id for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("path", "value", "id_", "said"),
    [
        ("versoin", "1", "NX311", "Did you mean 'version'"),
        ("api.prefiks", "/x", "NX311", "Did you mean 'prefix'"),
        ("ui.dashboard_widgets.0.titel", "x", "NX311", "Did you mean 'title'"),
        ("colour", "x", "NX311", "Take it out"),
        ("icon", "none.png", "NX313", "there is no file"),
        ("screenshots.0", "none.png", "NX313", "there is no file"),
        ("homepage", "my page", "NX314", "'my page' is no address"),
        ("documentation", "readme", "NX314", "'readme' is no address"),
        ("author.email", "ann", "NX314", "'ann' is no address"),
        ("author.url", "ann", "NX314", "'ann' is no address"),
        ("repository", "shop", "NX314", "'shop' is no address"),
        ("icon", "../outside.png", "NX315", "outside of"),
        ("enabled", False, "NX316", "loaded all the same"),
    ],
)
def test_what_only_stands_out_is_a_finding(path: str, value: object, id_: str, said: str, tmp_path: Path) -> None:
    """A key that nothing reads, or a value that only looks wrong, is reported and stops nothing."""
    (tmp_path / "outside.png").write_text("", encoding="utf-8")
    (tmp_path / "shop").mkdir()
    file = write(tmp_path / "shop", changed(path, value))
    assert "shop" == read_manifest(file).name
    (finding,) = manifest_findings(file)
    assert (id_, "shop") == (finding.id, finding.plugin)
    assert said in str(finding)


@pytest.mark.parametrize("key", ["name", "version"])
def test_a_key_that_is_missing_is_named(key: str, tmp_path: Path) -> None:
    """Without a name or a version there is no manifest; what stands elsewhere is still looked at."""
    manifest = {**WHOLE, "icon": 5}
    del manifest[key]
    with pytest.raises(ManifestError) as caught:
        read_manifest(write(tmp_path, manifest))
    assert [("NX301", f"{key}: the key is missing"), ("NX302", "icon: 5: should be a valid string")] == [
        (problem.id, problem.text) for problem in caught.value.problems
    ]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Wrong types, wrong meanings and contradictions come in one error, in the order of the file."""
    manifest = changed("author", 5)
    manifest["permissions"] = ["database.read", "nothing"]
    manifest["ui"]["menu"]["position"] = "first"
    manifest["health_check"] = {"timeout": 40}
    with pytest.raises(ManifestError, match="has 4 problems") as caught:
        read_manifest(write(tmp_path, manifest))
    assert ["NX302", "NX307", "NX302", "NX304"] == [problem.id for problem in caught.value.problems]
    lines = [problem.where.line for problem in caught.value.problems]
    assert sorted(lines) == lines


def test_a_key_that_stands_twice_is_found(tmp_path: Path) -> None:
    """The last of two keys counts, as in all of Python, and the second is reported with the line of the first."""
    file = write(tmp_path, '{\n"name": "shop", "version": "1",\n"api": {"version": "v1",\n "version": "v2"}}')
    assert "v2" == read_manifest(file).api.version
    (finding,) = manifest_findings(file)
    assert ("NX312", f"{file}:4:2") == (finding.id, str(finding.where))
    assert "api.version: the key stands in line 3 too" == finding.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{no json", "no JSON"),
        (b'{"name": "shop",}', "no JSON"),
        (b"", "no JSON"),
        (b"[]", "a JSON list, not an object"),
        (b"null", "a JSON NoneType"),
        (b'{"name": NaN}', "NaN is no JSON"),
        (b'{"name": ' + b"9" * 5000 + b"}", "no JSON"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"name": "shop"}'.encode("utf-16"), "UTF-16"),
        ('{"name": "shop"}'.encode("utf-32-le"), "UTF-16 or UTF-32"),
        (b'{"name": "\n\xff"}', "no UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"name": "shop", "version": "1", "x": ' + b"[" * 60 + b"]" * 60 + b"}", "nested too deeply"),
        (b" " * 1_000_001, "1,000,001 bytes"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    """What is no JSON object of a sensible size ends in an error of ours that names the file."""
    file = tmp_path / "manifest.json"
    file.write_bytes(content)
    with pytest.raises(ManifestError, match=re.escape(said)) as caught:
        read_manifest(file)
    assert str(file) in str(caught.value.where)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Neither a missing file nor a folder in its place is a traceback of Python's."""
    (tmp_path / "folder").mkdir()
    for file in (tmp_path / "none.json", tmp_path / "folder"):
        with pytest.raises(ManifestError, match="cannot be read"):
            read_manifest(file)


@pytest.mark.parametrize(
    ("said", "plugins", "packages", "python"),
    [
        (["auth", "mail>=1"], ["auth", "mail>=1"], [], ""),
        ({"plugins": ["auth"], "packages": []}, ["auth"], [], ""),
        ({"python": ["httpx>=0.24", ">=3.11"], "packages": ["redis"]}, [], ["redis", "httpx>=0.24"], ">=3.11"),
    ],
)
def test_the_published_shapes_of_dependencies_are_read(
    said: object, plugins: list[str], packages: list[str], python: str, tmp_path: Path
) -> None:
    """A list is one of plugins, and a mapping of lists says what the guide's section says."""
    wanted = read_manifest(write(tmp_path, {**WHOLE, "dependencies": said})).dependencies
    assert (plugins, packages, python) == (wanted.plugins, wanted.packages, wanted.python)


def test_author_and_repository_may_be_strings(tmp_path: Path) -> None:
    """The published framework wants strings where the guide writes objects."""
    file = write(tmp_path, {**WHOLE, "author": "Ann", "repository": "https://example.com/shop.git"})
    assert "Ann" == read_manifest(file).identity()["author"]
    assert () == manifest_findings(file)


def test_places_are_those_of_the_text() -> None:
    """Lines and columns count from 1, through escapes, nested lists and keys that contain brackets."""
    places = Positions('{"a\\"]": [1,\n  {"b": [[], "x,{"]}], "c": null}')
    assert (1, 10) == places.value(('a"]',))
    assert (2, 4) == places.key(('a"]', 1, "b"))
    assert (2, 14) == places.value(('a"]', 1, "b", 1))
    assert (2, 29) == places.value(("c", "not", "there"))


@pytest.fixture(name="validator", scope="module")
def _validator() -> jsonschema.protocols.Validator:
    from contextlib import redirect_stdout
    from io import StringIO

    with redirect_stdout(StringIO()) as printed:
        assert 0 == main(["schema", "manifest"])
    schema = json.loads(printed.getvalue())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"author": "Ann", "repository": "https://example.com"},
        {"dependencies": ["auth_plugin"]},
        {"dependencies": {"python": ["httpx>=0.24"], "plugins": []}},
    ],
)
def test_the_json_schema_takes_what_is_read(more: dict[str, Any], validator: jsonschema.protocols.Validator) -> None:
    """The printed schema accepts the guide's shapes and the published ones."""
    assert [] == list(validator.iter_errors({**WHOLE, **more}))


@pytest.mark.parametrize("path", KEYS)
def test_the_json_schema_refuses_wrong_types(path: str, validator: jsonschema.protocols.Validator) -> None:
    """The printed schema refuses a wrong type at every key."""
    wrong = 5 if isinstance(_at(path), str | dict | list | bool) or _at(path) is None else "many"
    assert [] != list(validator.iter_errors(changed(path, wrong)))
