"""What the layout promises: public names, small modules, light imports, no patches."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import nexus_testing

SOURCE = Path(nexus_testing.__file__).parents[1]
MODULES = sorted([*(SOURCE / "nexus_testing").rglob("*.py"), *(SOURCE / "pytest_nexus").rglob("*.py")])
PATCHING = {SOURCE / "nexus_testing/load/driving.py"}
"""Importing it imports Locust, which patches sockets, threads and signals of the process: no test does."""
HEAVY = {"fastapi", "httpx", "pydantic", "mongomock", "mongomock_motor", "fakeredis", "redis", "respx", "locust"}


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_a_module_names_what_it_offers(file: Path) -> None:
    """Every module has a docstring, a sorted tuple of names that are really there, and one noun's length."""
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    assert "mock.patch" not in text
    # One list of all exceptions is as long as there are exceptions.
    assert len(text.splitlines()) <= (600 if file.name == "errors.py" else 460)
    if file.name == "__main__.py" or file in PATCHING:
        return
    names = (
        next(
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        )
        if "__all__" in text
        else ()
    )
    if "servers/database" in file.as_posix() or file.stem in {"backing", "mirror"}:
        for needed in ("aiosqlite", "asyncpg"):
            pytest.importorskip(needed, reason="the module is of the extra sql, which is not installed")
    module = importlib.import_module(".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"))
    assert isinstance(names, tuple)
    assert [] == [name for name in names if not hasattr(module, name)]


def test_locust_is_imported_in_its_own_processes_alone() -> None:
    """One module does, and no other imports that."""
    importers = [file for file in MODULES if "locust" in file.read_text(encoding="utf-8") and _imports(file, "locust")]
    assert list(PATCHING) == importers
    assert [] == [file for file in MODULES if _imports(file, "driving")]


def _imports(file: Path, name: str) -> bool:
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    some = {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    whole = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    return name in plain | some | whole


def test_every_public_name_is_lazy_and_there() -> None:
    """The package's own names come from their modules when they are asked for."""
    assert list(nexus_testing.__all__) == sorted(nexus_testing.__all__)
    assert [] == [name for name in nexus_testing.__all__ if getattr(nexus_testing, name, None) is None]
    assert set(nexus_testing.__all__) <= set(dir(nexus_testing))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        nexus_testing.nothing  # noqa: B018 - the attribute is the test


@pytest.mark.parametrize(
    "module", ["nexus_testing", "nexus_testing.entry", "pytest_nexus.plugin", "nexus_testing.namespace"]
)
def test_what_every_run_imports_is_light(module: str) -> None:
    """None of the heavy libraries comes with what pytest loads at its start."""
    script = f"import sys, {module}; print(*sorted(name for name in sys.modules if '.' not in name))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=SOURCE)
    assert set() == HEAVY & set(done.stdout.split())
