"""Where plugins are: which one a file is about, and which can be loaded by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nexus_testing.errors import PluginNotFound, PluginUnderTestError
from nexus_testing.runtime.discovery import Project, current_project, is_plugin_folder, set_project, site_in

if TYPE_CHECKING:
    from tests.conftest import Repo


def plugin(repo: Repo, at: str = ".", name: str | None = None) -> Path:
    """Write a plugin's folder and return it."""
    repo.write(f"{at}/plugin.py")
    return repo.manifest(name or Path(at).name or "shop", at=at).parent.resolve()


def under_test(repo: Repo, anchor: str = ".", *named: str) -> list[str]:
    """Return the names of the plugins that a file of the repo is about."""
    return [site.name for site in Project(repo.folder, repo.folder / anchor, named).under_test()]


# -- what a plugin's folder is -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ('{"name": "shop", "version": "1"}', True),
        ('{"name": "shop"}', False),
        ('{"name": "shop", "version": 3}', False),
        ('{"manifest_version": 3, "name": "An extension", "version": "1"}', True),
        ("[]", False),
        ("{", False),
    ],
)
def test_a_manifest_has_name_and_version(project: Repo, manifest: str, expected: bool) -> None:  # noqa: FBT001
    """Anything else is not a plugin's, or not yet."""
    project.write("plugin.py")
    project.write("manifest.json", manifest)
    assert expected is is_plugin_folder(project.folder)


def test_a_manifest_alone_is_no_plugin(project: Repo) -> None:
    """It needs its code beside it, or an entry point of its name."""
    project.manifest()
    assert site_in(project.folder) is None
    project.distribution("shop", entry_points="[nexus.plugins]\nother = shop.plugin")
    assert site_in(project.folder) is None


def test_a_manifest_whose_entry_point_is_installed_is_a_plugin(project: Repo) -> None:
    """The code may stand elsewhere."""
    project.distribution("shop", entry_points="[nexus.plugins]\nshop = shop_code.plugin:Shop")
    project.manifest()
    site = site_in(project.folder)
    assert site is not None
    assert site.entry_point is not None
    assert ("shop", "shop_code.plugin") == (site.name, site.entry_point.module)
    assert (project.folder / "manifest.json", f"shop in {project.folder}") == (site.manifest, str(site))


def test_a_manifest_that_changes_is_read_again(project: Repo) -> None:
    """What was read is remembered for as long as the file stays as it is."""
    import os

    folder = plugin(project, name="before")
    assert site_in(folder) is not None
    file = project.manifest("after")
    os.utime(file, ns=(1, 1))
    site = site_in(folder)
    assert site is not None
    assert "after" == site.name


# -- the plugin under test ---------------------------------------------------------------------------------------


def test_the_nearest_at_or_above_a_file(project: Repo) -> None:
    """In a repo of several, each one's own tests are about it."""
    plugin(project, "plugins/a/one")
    plugin(project, "plugins/a/two")
    file = project.write("plugins/a/two/tests/unit/test_it.py")
    assert ["two"] == under_test(project, str(file.relative_to(project.folder)))


def test_another_repository_is_not_looked_into(project: Repo) -> None:
    """A plugin above the root of the file's own repository is not what the file is about."""
    plugin(project, name="outer")
    project.write("inner/.git/HEAD")
    file = project.write("inner/tests/test_it.py")
    assert Project(project.folder / "inner", file).nearest() is None


@pytest.mark.parametrize("place", [".", "src/shop", "shop", "plugins/business/shop"])
def test_the_only_one_of_the_usual_places(project: Repo, place: str) -> None:
    """A file beside or below none is about the only one that there is."""
    plugin(project, place, "shop")
    project.write("tests/test_it.py")
    assert ["shop"] == under_test(project, "tests/test_it.py")


@pytest.mark.parametrize("place", ["node_modules/shop", ".hidden", "venv", "build", "src/.cache"])
def test_places_that_are_passed_over(project: Repo, place: str) -> None:
    """What was downloaded, built or hidden is no candidate."""
    plugin(project, place, "shop")
    assert [] == Project(project.folder).candidates()


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    """It has no plugins, and that is all."""
    assert [] == Project(tmp_path / "gone").candidates()


def test_several_are_listed(project: Repo) -> None:
    """The error names each with its folder, and the line that decides."""
    folders = [plugin(project, at) for at in ("one", "two")]
    with pytest.raises(PluginUnderTestError, match="There are 2 plugins") as undecided:
        under_test(project)
    assert [f"  {folder.name} in {folder}" for folder in folders] == undecided.value.why.splitlines()[1:]
    assert 'nexus_plugins = ["one"]' in undecided.value.fix
    assert ["two", "one"] == under_test(project, ".", "two", "./one")


def test_none_is_explained(project: Repo) -> None:
    """The error lists the places, and a manifest that is none comes first."""
    with pytest.raises(PluginUnderTestError, match="no plugin that this file could be about") as none:
        under_test(project)
    assert str(project.folder / "src/*") in none.value.why
    broken = project.write("shop/manifest.json", "{")
    with pytest.raises(PluginUnderTestError) as refused:
        under_test(project)
    assert broken == refused.value.where
    assert "is no plugin's manifest" in refused.value.why


def test_an_installed_plugin_is_under_test_where_the_repo_has_none(project: Repo) -> None:
    """Its folder is found without importing it; a module, a package and a name that cannot be found."""
    site = project.distribution(
        "shop", entry_points="[nexus.plugins]\nshop = shop_single:Shop\n", record="shop_single.py,,"
    )
    (site / "shop_single.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    (found,) = Project(project.folder).under_test()
    assert ("shop", site / "shop_single") == (found.name, found.folder)


@pytest.mark.parametrize(
    ("module", "folder"), [("shop_package.plugin", "site/shop_package"), ("shop_gone.plugin", "shop_gone")]
)
def test_where_an_installed_plugin_is(project: Repo, pytester: pytest.Pytester, module: str, folder: str) -> None:
    """A package's folder; of what cannot be found, only the name is known."""
    site = project.distribution("shop", entry_points=f"[nexus.plugins]\nshop = {module}\n")
    package = site / "shop_package"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    found = Project(project.folder).find("shop")
    assert folder == str(found.folder.relative_to(pytester.path) if found.folder.is_absolute() else found.folder)


# -- any plugin --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["shop", "shop-plugin", "shop_plugin", "./plugins/a/shop-plugin"])
def test_a_plugin_has_several_names(project: Repo, name: str) -> None:
    """That of its manifest, that of its folder in both spellings, and its path."""
    folder = plugin(project, "plugins/a/shop-plugin", "shop")
    assert folder == Project(project.folder).find(name).folder
    assert folder == Project(project.folder).find(str(folder)).folder


def test_a_path_may_start_from_the_test(project: Repo) -> None:
    """Where nothing is at that path below the root, the file's own folder counts."""
    folder = plugin(project, "sub/shop")
    file = project.write("sub/tests/test_it.py")
    assert folder == Project(project.folder, file).find("../shop").folder


def test_a_manifests_name_wins_over_a_folders(project: Repo) -> None:
    """Two plugins may have exchanged their names."""
    plugin(project, "one", "two")
    plugin(project, "two", "one")
    assert "one" == Project(project.folder).find("two").folder.name


def test_what_stands_beside_can_be_loaded(project: Repo) -> None:
    """Siblings of the plugin under test are visible, also where the root is the plugin's own folder."""
    folder = plugin(project, "deep/er/than/usual/shop")
    plugin(project, "deep/er/than/usual/auth")
    assert ["shop", "auth"] == [site.name for site in Project(folder).visible()]


def test_an_unknown_name(project: Repo) -> None:
    """The error guesses, says what was found and where it was looked for."""
    plugin(project)
    plugin(project, "auth")
    with pytest.raises(PluginNotFound, match="no plugin called 'auht'") as missing:
        Project(project.folder).find("auht")
    assert "Did you mean 'auth'?" == missing.value.fix
    assert "auth in " in missing.value.why
    assert "nexus.plugins" in missing.value.why
    bare = project.folder.parent / "bare"
    bare.mkdir()
    with pytest.raises(PluginNotFound) as nothing:
        Project(bare).find("shop")
    assert nothing.value.why.startswith("found no plugin at all")


def test_outside_of_a_test_the_working_directory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script is about the folder that it is run in."""
    monkeypatch.chdir(tmp_path)
    before = set_project(None)
    try:
        assert tmp_path == current_project().root
    finally:
        set_project(before)
