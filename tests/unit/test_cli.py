"""The command `nexus-testing`: what it prints, and how it exits."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from nexus_testing import __version__
from nexus_testing.cli import main
from nexus_testing.reports.result import Result

if TYPE_CHECKING:
    from tests.conftest import Repo


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command; return its exit code and what it wrote to its two outputs."""
    code = main(arguments)
    written = capsys.readouterr()
    return code, written.out, written.err


def plugin(repo: Repo, at: str = ".", name: str = "shop") -> Path:
    """Write a plugin's folder and return it."""
    repo.write(f"{at}/plugin.py")
    return repo.manifest(name, at=at).parent


def test_a_repo_in_order(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    """The doctor says what is installed, which framework runs plugins, and which plugin is under test."""
    folder = plugin(repo)
    code, out, _ = run(capsys, "doctor", str(folder))
    assert 0 == code
    assert f"nexus-testing doctor: {folder}" in out
    assert f"  pytest           {importlib.metadata.version('pytest')}" in out
    assert "  nexus-platform   not installed" in out
    assert "backend            embedded" in out
    assert f"plugin under test  shop in {folder}" in out
    assert out.endswith("no problems\n")


def test_the_working_directory_is_looked_at_by_default(
    repo: Repo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a folder, the one that the command is run in is the repo."""
    folder = plugin(repo)
    monkeypatch.chdir(folder)
    assert f"shop in {folder}" in run(capsys, "doctor")[1]


def test_a_diagnosis_as_json(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as data; several plugins are no problem of a repo, since each test file may have its own."""
    folders = [plugin(repo, at, at) for at in ("billing", "shop")]
    code, out, _ = run(capsys, "doctor", "--json", str(repo.folder))
    found: dict[str, Any] = json.loads(out)
    assert 0 == code
    assert {"folder", "versions", "backend", "plugins", "under_test", "problems"} == set(found)
    assert [f"{folder.name} in {folder}" for folder in folders] == found["plugins"]
    assert ([], []) == (found["under_test"], found["problems"])
    assert __version__ == found["versions"]["nexus-testing"]


def test_a_repo_without_a_plugin(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    """It is one problem, with what to write, and the exit code says so."""
    repo.write("README.md")
    code, out, _ = run(capsys, "doctor", str(repo.folder))
    assert 1 == code
    assert "problem: There is no plugin that this file could be about." in out
    assert 'fix:   Write a manifest.json beside plugin.py: {"name": "my_plugin"' in out
    assert out.endswith("1 problem\n")
    assert 1 == run(capsys, "doctor", "--json", str(repo.folder))[0]


def test_every_problem_is_listed(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    """A manifest that cannot be, a package called `nexus` and a namesake of ours are three."""
    folder = plugin(repo)
    manifest = repo.manifest(dependencies={"plugins": "auth"})
    other = repo.write("nexus/__init__.py")
    site = repo.distribution("pytest-nexus", record="pytest_nexus/__init__.py,,")
    code, out, _ = run(capsys, "doctor", "--json", str(folder))
    where = [problem["where"] for problem in json.loads(out)["problems"]]
    assert 1 == code
    assert [f"{manifest}:1:66", str(other), str(site / "pytest_nexus")] == where
    assert run(capsys, "doctor", str(folder))[1].endswith("3 problems\n")


def test_where_the_real_framework_is_installed(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    """It is what runs plugins, and its package is no stranger."""
    folder = plugin(repo)
    repo.write("nexus/__init__.py")
    repo.distribution("nexus-platform")
    code, out, _ = run(capsys, "doctor", str(folder))
    assert 0 == code
    assert "backend            platform" in out
    assert "  nexus-platform   1.0" in out


@pytest.mark.parametrize("of", ["manifest", "result"])
def test_a_schema_is_printed(of: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is a JSON Schema, which editors and pipelines can read."""
    code, out, _ = run(capsys, "schema", of)
    schema = json.loads(out)
    jsonschema.validators.validator_for(schema).check_schema(schema)
    assert (0, "https://json-schema.org/draft/2020-12/schema") == (code, schema["$schema"])


def test_the_schema_of_results_takes_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    """What the harness writes holds to what the command prints, and what is none does not."""
    schema = json.loads(run(capsys, "schema", "result")[1])
    result = Result(tool="1", python="3", backend="embedded", started="now", duration=1, exit_code=0)
    jsonschema.validate(json.loads(result.model_dump_json()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"format": "nexus-testing/result"}, schema)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the following arguments are required: command"),
        (("schema", "plugin"), "invalid choice: 'plugin'"),
        (("doctor", "--xml"), "unrecognized arguments: --xml"),
    ],
)
def test_a_wrong_command_line(arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said on the error output, and the exit code is that of wrong use."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert 2 == left.value.code
    assert message in capsys.readouterr().err


def test_it_runs_as_a_module_too() -> None:
    """`python -m nexus_testing` is the command."""
    done = subprocess.run(
        [sys.executable, "-m", "nexus_testing", "--version"], capture_output=True, text=True, check=True
    )
    assert f"nexus-testing {__version__}\n" == done.stdout
