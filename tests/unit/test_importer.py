"""How a plugin's folder becomes importable, under which names, and until when."""

from __future__ import annotations

import importlib
import importlib.util
import py_compile
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nexus_testing.errors import PluginImportError
from nexus_testing.runtime.discovery import Site
from nexus_testing.runtime.importer import PluginFinder, check_imported_once, package_name

if TYPE_CHECKING:
    from tests.conftest import Repo


@pytest.fixture(name="finder")
def _finder(project: Repo) -> Iterator[PluginFinder]:
    finder = PluginFinder()
    yield finder
    for folder in [project.folder, *project.folder.rglob("*")]:
        finder.remove(folder)


def site(repo: Repo, name: str = "shop", at: str = "shop-plugin", *, package: bool = False) -> Site:
    """Write a plugin with one value and return where it is."""
    file = repo.write(f"{at}/plugin.py", "VALUE = 1\n")
    if package:
        repo.write(f"{at}/__init__.py", "NAME = __name__\n")
    return Site(name, file.parent)


def test_a_package_is_named_after_the_plugin() -> None:
    """What no module name can hold becomes an underscore."""
    assert "my_shop_2" == package_name("my-shop.2")


@pytest.mark.parametrize("package", [False, True])
def test_a_plugin_is_imported_by_name(project: Repo, finder: PluginFinder, *, package: bool) -> None:
    """With an `__init__.py` or without, relative to no path."""
    here = site(project, "my-shop", "repo/any folder", package=package)
    assert "my_shop" == finder.add(here)
    module = importlib.import_module("my_shop.plugin")
    assert (str(here.folder / "plugin.py"), 1) == (module.__file__, module.VALUE)
    assert here.folder == finder.folder_of("my_shop.plugin")


def test_a_folders_name_is_the_same_package(project: Repo, finder: PluginFinder) -> None:
    """Under both names there are the very same modules."""
    finder.add(site(project, "shop", "shop_folder"))
    one, other = importlib.import_module("shop.plugin"), importlib.import_module("shop_folder.plugin")
    assert one is other
    assert "shop.plugin" == one.__name__
    assert finder.folder_of("shop.plugin") == finder.folder_of("shop_folder.plugin")


def test_adding_is_done_once(project: Repo, finder: PluginFinder) -> None:
    """A folder that is known already keeps its modules."""
    here = site(project)
    finder.add(here)
    module = importlib.import_module("shop.plugin")
    finder.add(here)
    assert finder.knows(here.folder)
    assert module is importlib.import_module("shop.plugin")


def test_what_is_removed_is_gone(project: Repo, finder: PluginFinder) -> None:
    """Neither name can be imported any more, and the import system forgets the finder."""
    here = site(project, "gone", "gone_folder")
    finder.add(here)
    importlib.import_module("gone_folder.plugin")
    finder.remove(here.folder)
    for name in ("gone.plugin", "gone_folder.plugin"):
        assert name not in sys.modules
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)
    assert finder not in sys.meta_path
    assert finder.folder_of("gone.plugin") is None


def test_a_second_folder_of_one_name_replaces_the_first(project: Repo, finder: PluginFinder) -> None:
    """As in two runs of pytest within one process: the modules of the first are forgotten."""
    finder.add(site(project, at="one/shop"))
    first = importlib.import_module("shop.plugin")
    finder.add(site(project, at="two/shop"))
    second = importlib.import_module("shop.plugin")
    assert first is not second
    assert str(project.folder / "two/shop/plugin.py") == second.__file__


def test_a_module_of_that_name_that_is_somebody_elses(
    project: Repo, finder: PluginFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was imported from elsewhere before makes room; what is the plugin's own stays."""
    here = site(project, package=True)
    spec = importlib.util.spec_from_file_location("shop", here.folder / "__init__.py")
    assert spec is not None
    own = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "shop", own)
    finder.add(here)
    assert own is sys.modules["shop"]
    finder.remove(here.folder)
    stranger = importlib.util.module_from_spec(
        importlib.machinery.ModuleSpec("shop", None, origin=str(project.folder / "elsewhere.py"))
    )
    stranger.__file__ = str(project.folder / "elsewhere.py")
    monkeypatch.setitem(sys.modules, "shop", stranger)
    finder.add(here)
    assert importlib.import_module("shop") is not stranger


def test_a_plugin_that_is_called_like_a_module_of_pythons(project: Repo, finder: PluginFinder) -> None:
    """Python's own stays; the plugin gets another name and a finding."""
    here = site(project, "calendar", "calendar-plugin")
    assert "nexus_plugin_calendar" == finder.add(here)
    assert ["NX201"] == [finding.id for finding in finder.findings(here.folder)]
    assert not hasattr(importlib.import_module("calendar"), "VALUE")


def test_a_plugin_that_hides_an_installed_module(project: Repo, finder: PluginFinder) -> None:
    """The finding says which; a folder of the path that is not installed hides nobody."""
    here = site(project, "pluggy", "pluggy-plugin")
    known = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "pluggy"}
    try:
        finder.add(here)
        (finding,) = finder.findings(here.folder)
    finally:
        finder.remove(here.folder)
        sys.modules.update(known)
    assert "NX201" == finding.id
    assert "'pluggy' hides the installed module" in finding.text
    assert [] == finder.findings(project.folder)


def test_a_copy_that_is_installed_is_reported(project: Repo, finder: PluginFinder) -> None:
    """It has a manifest, so it is the plugin's twin and not a stranger."""
    twin = project.write("env/site-packages/shop/__init__.py").parent
    project.write("env/site-packages/shop/manifest.json", "{}")
    project.path(twin.parent)
    here = site(project)
    finder.add(here)
    (finding,) = finder.findings(here.folder)
    assert "NX202" == finding.id
    assert str(twin) in finding.text
    assert str(here.folder / "plugin.py") == importlib.import_module("shop.plugin").__file__


def test_code_is_forgotten_for_a_reload(project: Repo, finder: PluginFinder) -> None:
    """All modules of the plugin but its tests', under both names, with their byte code."""
    here = site(project, "shop", "shop_folder", package=True)
    project.write("shop_folder/tests/test_it.py")
    project.write("shop_folder/conftest.py")
    finder.add(here)
    names = ("shop.plugin", "shop_folder.plugin", "shop.tests.test_it", "shop.conftest")
    before = {name: importlib.import_module(name) for name in names}
    cached = Path(py_compile.compile(str(here.folder / "plugin.py"), doraise=True) or "")
    finder.forget_code(here.folder)
    assert ["shop.tests.test_it", "shop.conftest"] == [name for name in names if name in sys.modules]
    assert not cached.exists()
    assert before["shop.plugin"] is not importlib.import_module("shop.plugin")


def test_a_file_that_was_imported_twice(project: Repo, finder: PluginFinder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has both names, and the one to use."""
    here = site(project)
    finder.add(here)
    importlib.import_module("shop.plugin")
    check_imported_once(here.folder, "shop")
    monkeypatch.syspath_prepend(here.folder)
    monkeypatch.delitem(sys.modules, "plugin", raising=False)
    importlib.import_module("plugin")
    try:
        with pytest.raises(PluginImportError, match="was imported as two modules") as refused:
            check_imported_once(here.folder, "shop")
    finally:
        del sys.modules["plugin"]
    assert "it is both 'plugin' and 'shop.plugin'" == refused.value.why
    assert "Import it as 'shop.plugin' everywhere" in refused.value.fix
