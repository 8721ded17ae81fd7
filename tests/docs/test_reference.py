"""The reference pages name what there is, all of it and nothing else."""

from __future__ import annotations

import json
import re
import tomllib
from inspect import cleandoc, signature
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from nexus_testing import errors, records
from nexus_testing.app import App, create_test_app
from nexus_testing.assertions import EventAssertions
from nexus_testing.case import Case, PluginTestCase
from nexus_testing.cli import main
from nexus_testing.client import ClientParts
from nexus_testing.findings import KINDS
from nexus_testing.manifest.model import Manifest, Section
from nexus_testing.performance_case import PerformanceTest
from nexus_testing.production import differences
from nexus_testing.websocket import WebSocketSession
from pytest_nexus import fixtures, settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_INTERNAL = {"abandon", "adopt", "bind", "check", "close_clients", "hold_to", "release", "shut", "will_load"}
"""Public methods that only the pytest side calls."""


def _page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def _public(cls: type) -> set[str]:
    mine = [one for one in cls.__mro__ if one.__module__.startswith("nexus_testing")]
    return {name for one in mine for name in vars(one) if not name.startswith("_")} - _INTERNAL


def _named(page: str) -> set[str]:
    """Return the names that code spans begin with."""
    return set(re.findall(r"`(?:--)?([a-zA-Z_][\w-]*)", page))


def _first_cells(page: str, start: str) -> set[str]:
    return set(re.findall(rf"^\| `({start}[\w-]*)", page, re.MULTILINE))


def test_the_findings_are_those_that_there_are() -> None:
    """The table has one row for each kind of finding, as the code says it."""
    expected = [f"| {kind.id} | {kind.severity.value} | {kind.title} | {kind.fix} |" for kind in KINDS.values()]
    actual = [line for line in _page("reference/findings.md").splitlines() if line.startswith("| NX")]
    assert expected == actual


def test_the_differences_are_those_that_there_are() -> None:
    """The page's table is the one that the code writes."""
    assert _page("reference/production.md").endswith(differences.table())


def test_the_errors_are_those_that_there_are() -> None:
    """The page shows the tree of the module's docstring."""
    tree = cleandoc(errors.__doc__ or "").split("The tree::\n\n")[1].split("\n\nAuthors of")[0]
    assert cleandoc(f"\n{tree}") in _page("reference/errors.md")


def test_the_fixtures_are_those_that_there_are() -> None:
    """Each fixture has a row, and each row a fixture."""
    assert set(fixtures.__all__) == _first_cells(_page("reference/fixtures.md"), "(?=nexus_|test_|event_|service_)")


def test_the_options_are_those_that_there_are() -> None:
    """Each ini option and each command-line option has a row, and each row an option."""
    known: set[str] = set()

    class Parser:
        def addini(self, name: str, *_: object, **__: object) -> None:
            known.add(name)

        def getgroup(self, *_: object) -> Parser:
            return self

        def addoption(self, name: str, **_: object) -> None:
            known.add(name)

    parser: Any = Parser()
    settings.add_options(parser)
    assert known == _first_cells(_page("reference/options.md"), "(?:--nexus-|nexus_)")


@pytest.mark.parametrize(
    "cls", [App, ClientParts, Case, PluginTestCase, PerformanceTest, EventAssertions, WebSocketSession, records.Journal]
)
def test_what_a_test_may_call_is_named(cls: type) -> None:
    """Each public method and attribute stands on the page of the app."""
    page = _page("reference/app.md").replace("journal.", "")
    internal = {"append", "counts", "next_seq", "ring", "journal", "app", "headers", "base_url", "build_request"}
    assert set() == _public(cls) - _named(page) - internal


def test_the_arguments_of_an_app_are_named() -> None:
    """Each argument of create_test_app has a row."""
    section = _page("reference/app.md").partition("## create_test_app")[2].partition("## App")[0]
    assert list(signature(create_test_app).parameters) == re.findall(r"^\| `(\w+)`", section, re.MULTILINE)


def _keys(section: type[Section], path: str = "") -> list[str]:
    """Return the dotted keys of a section, those of its sections included."""
    found = []
    for name, field in section.model_fields.items():
        found.append(f"{path}{field.alias or name}")
        many = "[]" if get_origin(field.annotation) is list else ""
        inner = [one for one in _sections(field.annotation) if one is not section]
        found += [key for one in inner for key in _keys(one, f"{found[-1]}{many}.")]
    return found


def _sections(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation] if issubclass(annotation, Section) else []
    return [found for one in get_args(annotation) for found in _sections(one)]


def test_the_keys_of_a_manifest_are_those_that_there_are() -> None:
    """Each key of the model has a row, in its order; each row names a module and a test that there are."""
    row = re.compile(r"^\| `([\w.\[\]]+)` \|.+\|.+\|.+\| `([\w/]+\.py)` \| `(\w+\.py)::(\w+)` \|$", re.MULTILINE)
    rows = row.findall(_page("reference/manifest.md"))
    assert _keys(Manifest) == [key for key, *_ in rows]
    lost = [
        (module, file, test)
        for _, module, file, test in rows
        if not (ROOT / "src/nexus_testing" / module).is_file()
        or not re.search(rf"^(async )?def {test}\(", (ROOT / "tests/unit" / file).read_text("utf-8"), re.MULTILINE)
    ]
    assert [] == lost


def test_the_keys_of_the_guides_manifest_are_known() -> None:
    """Each key of the manifest that the guide shows has its row too."""
    shown = json.loads((ROOT / "tests/unit/guide_manifest.json").read_text(encoding="utf-8"))
    assert set() == _written(shown) - set(_keys(Manifest))


def _written(section: dict[str, Any], path: str = "") -> set[str]:
    """Return the dotted keys of a manifest, those of its sections included."""
    found = set()
    for key, value in section.items():
        found.add(f"{path}{key}")
        if isinstance(value, dict):
            found |= _written(value, f"{path}{key}.")
        elif isinstance(value, list):
            found |= {one for item in value if isinstance(item, dict) for one in _written(item, f"{path}{key}[].")}
    return found


def test_the_kinds_of_records_are_named() -> None:
    """Each kind of record of the journal has its place in a row."""
    section = _page("reference/app.md").partition("## The journal")[2]
    assert {kind.__name__ for kind in get_args(records.Record)} == set(re.findall(r"`([A-Z]\w+)`", section))


def test_the_commands_are_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command of nexus-testing has a row, and each row a command."""
    with pytest.raises(SystemExit):
        main(["--help"])
    known = re.search(r"\{(.+?)\}", capsys.readouterr().out)
    assert known is not None
    page = _page("reference/guide-shell-commands.md")
    assert set(known[1].split(",")) == set(re.findall(r"^\| `nexus-testing (\w+)", page, re.MULTILINE))


def test_the_layers_are_those_that_are_enforced() -> None:
    """The picture of the architecture has the layers of the import contract, in its order."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = project["tool"]["importlinter"]["contracts"][0]
    layers = [re.findall(r"\w+", layer) for layer in contract["layers"]]
    page = _page("explanation/architecture.md").partition("<!-- layers -->\n```text\n")[2].partition("```")[0]
    assert layers == [re.findall(r"\w+", line.partition("  ")[0]) for line in page.splitlines()]


def test_the_operations_of_collections_are_those_that_there_are() -> None:
    """The table of the fakes has a row for each operation of a collection, in the order of the alphabet."""
    from nexus_testing.fakes.documents.motor import OPERATIONS

    section = _page("reference/fakes.md").partition("## Collections")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (?:faithful|stricter|refused)", section, re.MULTILINE)
    assert sorted([*OPERATIONS, "aggregate", "find"]) == rows
