"""What `import nexus` finds: ours, the real framework, or an error that names what stands in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Repo

ONE_TEST = "def test_it():\n    pass"


def _real_framework(repo: Repo) -> Path:
    site = repo.distribution("nexus-platform")
    (site / "nexus").mkdir()
    (site / "nexus" / "__init__.py").write_text("REAL = True", encoding="utf-8")
    (site / "nexus" / "plugins.py").write_text("class BasePlugin: ...", encoding="utf-8")
    return site


def _other_package(folder: Path) -> Path:
    file = folder / "nexus" / "__init__.py"
    file.parent.mkdir(parents=True)
    file.write_text("", encoding="utf-8")
    return file


def test_each_module_exists_once(repo: Repo) -> None:
    """`nexus.x` is `nexus_testing.nexus.x`, by whichever name it is imported first."""
    repo.write(
        "test_it.py",
        """
        import importlib
        import sys

        import nexus
        import nexus.core
        import nexus.plugins.categories
        import nexus_testing.nexus.plugins
        import nexus_testing.nexus.tasks
        import pytest


        def test_the_package():
            assert nexus is nexus_testing.nexus
            assert "1.0.0" == nexus.__version__


        @pytest.mark.parametrize("name", ["plugins", "plugins.categories", "core", "auth", "tasks", "cache"])
        def test_modules(name):
            assert importlib.import_module(f"nexus.{name}") is importlib.import_module(f"nexus_testing.nexus.{name}")
            assert sys.modules[f"nexus.{name}"] is sys.modules[f"nexus_testing.nexus.{name}"]


        def test_classes():
            from nexus.plugins import BasePlugin
            from nexus_testing.nexus.plugins import BasePlugin as Same

            assert BasePlugin is Same


        def test_attributes():
            assert nexus.plugins is nexus_testing.nexus.plugins
            assert nexus.tasks is nexus_testing.nexus.tasks
        """,
    )
    assert {"passed": 9} == repo.run().parseoutcomes()


def test_a_module_keeps_its_own_spec_and_loader(repo: Repo) -> None:
    """Under a second name a module can still be reloaded, pickled from and looked up by its own."""
    repo.write(
        "test_it.py",
        """
        import importlib.util
        import pickle

        import nexus.core
        import nexus.testing
        from nexus.core import EventPriority


        def test_it():
            assert "nexus_testing.nexus" == nexus.__spec__.name == nexus.__name__
            assert "nexus_testing.nexus.core" == nexus.core.__spec__.name
            assert nexus.core.__spec__.loader is nexus.core.__loader__
            assert importlib.util.find_spec("nexus_testing.nexus.core") is nexus.core.__spec__
            assert "nexus_testing" == nexus.testing.__spec__.name
            assert EventPriority.HIGH is pickle.loads(pickle.dumps(EventPriority.HIGH))
        """,
    )
    assert {"passed": 1} == repo.run().parseoutcomes()


def test_nexus_testing_is_the_library_itself(repo: Repo) -> None:
    """What plugin authors import from `nexus.testing` is what the library offers."""
    repo.write(
        "test_it.py",
        """
        import nexus.testing
        import nexus_testing
        import pytest
        from nexus.testing.app import App


        def test_it():
            assert nexus.testing is nexus_testing
            assert nexus_testing.App is App


        @pytest.mark.parametrize("name", nexus_testing.__all__)
        def test_names(name):
            assert getattr(nexus.testing, name) is getattr(nexus_testing, name)


        def test_a_name_that_is_not_there():
            with pytest.raises(ImportError, match="create_tset_app"):
                from nexus.testing import create_tset_app
            with pytest.raises(ModuleNotFoundError, match="nexus.kitchen"):
                from nexus.kitchen import sink
        """,
    )
    outcomes = repo.run().parseoutcomes()
    assert {"passed"} == set(outcomes)


@pytest.mark.parametrize("flags", [(), ("-P",)], ids=["on the path", "not yet on the path"])
def test_another_package_called_nexus_is_an_error(repo: Repo, flags: tuple[str, ...]) -> None:
    """A regular package in the repo's root ends the run before it starts, with the package's path."""
    file = _other_package(repo.folder)
    repo.write("test_it.py", ONE_TEST)
    result = repo.python(*flags, "-m", "pytest")
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(
        ["ERROR: Another package is called 'nexus'*", f"*where: {file}", "*fix: *Rename that package*"]
    )


def test_another_package_called_nexus_elsewhere_on_the_path_is_an_error(repo: Repo) -> None:
    """It does not matter in which folder of the path the package is."""
    elsewhere = repo.folder.with_name("elsewhere")
    file = _other_package(elsewhere)
    repo.path(elsewhere)
    repo.write("test_it.py", ONE_TEST)
    result = repo.run(apart=True)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines([f"*where: {file}"])


def test_another_package_that_a_conftest_puts_on_the_path_is_an_error(repo: Repo) -> None:
    """What comes onto the path later is noticed by the import that it would have answered."""
    elsewhere = repo.folder.with_name("elsewhere")
    file = _other_package(elsewhere)
    repo.write("conftest.py", f"import sys\n\nsys.path.insert(0, {str(elsewhere)!r})")
    repo.write("test_it.py", "import nexus.plugins\n\n\ndef test_it():\n    pass")
    result = repo.run(apart=True)
    assert {"errors": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["*NamespaceError: Another package is called 'nexus'*", f"*where: {file}"])


def test_another_package_that_is_imported_already_is_an_error(repo: Repo) -> None:
    """A plugin of pytest's may have imported it before ours was asked."""
    elsewhere = repo.folder.with_name("elsewhere")
    file = _other_package(elsewhere)
    early = "import sys\n\n" + f"sys.path.insert(0, {str(elsewhere)!r})\nimport nexus\nsys.path.pop(0)"
    repo.write("early.py", early)
    repo.write("test_it.py", ONE_TEST)
    result = repo.run("-p", "early", apart=True)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines([f"*where: {file}"])


def test_a_bare_folder_called_nexus_never_wins(repo: Repo) -> None:
    """A folder without `__init__.py` is nobody's package, wherever it stands."""
    repo.write("nexus/notes.py", "")
    elsewhere = repo.folder.with_name("elsewhere")
    (elsewhere / "nexus").mkdir(parents=True)
    repo.path(elsewhere)
    repo.write(
        "test_it.py",
        """
        import nexus
        import nexus_testing.nexus

        def test_it():
            assert nexus is nexus_testing.nexus
        """,
    )
    assert {"passed": 1} == repo.run(apart=True).parseoutcomes()


def test_the_namesake_of_our_module_is_one_usage_error(repo: Repo) -> None:
    """An unrelated distribution that owns the module `pytest_nexus` is named, with the two commands that help."""
    site = repo.distribution("pytest-nexus", record="pytest_nexus/__init__.py,,\npytest_nexus/plugin.py,,")
    repo.write("test_it.py", ONE_TEST)
    result = repo.run(apart=True)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    assert [
        (
            "ERROR: nexus-testing and the unrelated distribution 'pytest-nexus' both install the module pytest_nexus, "
            f"in {site / 'pytest_nexus'}."
        ),
        "fix: pip uninstall pytest-nexus, then pip install --force-reinstall --no-deps nexus-testing",
    ] == [line for line in result.errlines if line]


def test_a_namesake_that_brings_other_modules_is_no_clash(repo: Repo) -> None:
    """Only the files of the other distribution decide, not its name."""
    repo.distribution("pytest-nexus", record="nexus_repository/__init__.py,,")
    repo.write("test_it.py", ONE_TEST)
    assert {"passed": 1} == repo.run(apart=True).parseoutcomes()


def test_with_the_real_framework_only_nexus_testing_is_added(repo: Repo) -> None:
    """Nothing that the real one lacks appears: what its users could not import, the tests cannot either."""
    site = _real_framework(repo)
    repo.write(
        "test_it.py",
        f"""
        import importlib

        import nexus
        import nexus.plugins
        import nexus.testing
        import nexus_testing
        import pytest


        def test_it():
            assert nexus.REAL
            assert {str(site)!r} + "/nexus/plugins.py" == nexus.plugins.__file__
            assert nexus.testing is nexus_testing
            with pytest.raises(ModuleNotFoundError):
                importlib.import_module("nexus.tasks")
        """,
    )
    result = repo.run(apart=True)
    assert {"passed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["nexus-testing: *, backend platform"])


@pytest.mark.parametrize("args", [("--nexus-backend", "embedded"), ("-o", "nexus_backend=embedded")])
def test_the_real_framework_can_be_left_aside(repo: Repo, args: tuple[str, str]) -> None:
    """`--nexus-backend embedded`, or the ini of the same name, puts ours in its place, and the header says so."""
    _real_framework(repo)
    repo.write(
        "test_it.py",
        """
        import nexus
        import nexus.tasks
        import nexus_testing.nexus

        def test_it():
            assert nexus is nexus_testing.nexus
        """,
    )
    result = repo.run(*args, apart=True)
    assert {"passed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["nexus-testing: *, backend embedded (nexus-platform is installed and not used)"])


def test_the_real_framework_cannot_be_asked_for_where_it_is_not(repo: Repo) -> None:
    """The run ends before anything is collected, with the line that installs it."""
    repo.write("test_it.py", "")
    result = repo.run("--nexus-backend", "platform", apart=True)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(
        ["*runs plugins on nexus-platform, which is not installed.", "*'nexus-testing?platform?'*"]
    )


def test_install_does_the_same_outside_of_pytest(repo: Repo) -> None:
    """A script calls `nexus_testing.install()`, and takes it back with what it returns."""
    repo.write(
        "script.py",
        """
        import importlib.util
        import sys

        import nexus_testing

        before = list(sys.meta_path)
        assert importlib.util.find_spec("nexus") is None
        undo = nexus_testing.install()
        again = nexus_testing.install()

        import nexus.plugins
        import nexus.testing
        import nexus_testing.nexus.plugins

        assert nexus.plugins is nexus_testing.nexus.plugins
        assert nexus.testing is nexus_testing

        again()
        import nexus.core

        undo()
        assert before == sys.meta_path
        assert not [name for name in sys.modules if name.split(".")[0] == "nexus"]
        assert importlib.util.find_spec("nexus") is None
        nexus_testing.install()
        import nexus.plugins as later

        assert later is nexus_testing.nexus.plugins
        print("all well")
        """,
    )
    assert ["all well"] == repo.python("script.py").outlines


def test_install_cannot_change_its_mind(repo: Repo) -> None:
    """One process has one backend; a second choice is an error, and one outside of pytest names the other package."""
    _real_framework(repo)
    repo.write(
        "script.py",
        """
        import nexus_testing
        from nexus_testing.errors import NamespaceError

        undo = nexus_testing.install()
        import nexus

        assert nexus.REAL
        try:
            nexus_testing.install("embedded")
        except NamespaceError as error:
            print(error)
        """,
    )
    repo.python("script.py").stdout.fnmatch_lines(
        [
            "`import nexus` was decided already in this process, the other way.",
            "*why:   it stands for nexus-platform",
            "*fix:   Use a process of its own for the other backend.",
        ]
    )


def test_install_names_another_package(repo: Repo) -> None:
    """Outside of pytest, too, a package called `nexus` is an error with its path."""
    file = _other_package(repo.folder)
    repo.write(
        "script.py",
        """
        import nexus_testing

        try:
            nexus_testing.install()
        except nexus_testing.NexusTestingError as error:
            print(error.where)
        """,
    )
    assert [str(file)] == repo.python("script.py").outlines


def test_the_version_of_the_framework_can_be_chosen(repo: Repo) -> None:
    """The ini `nexus_version` says which version the in-memory framework has, and manifests are held to it."""
    repo.manifest(dependencies={"nexus": ">=2"})
    repo.write("plugin.py", "from nexus.plugins import BasePlugin\n\n\nclass ShopPlugin(BasePlugin):\n    pass")
    repo.write(
        "test_it.py",
        """
        import nexus

        def test_it(nexus_app):
            assert "2.1.0" == nexus.__version__
        """,
    )
    assert {"passed": 1} == repo.run("-o", "nexus_version=2.1.0").parseoutcomes()
    result = repo.run()
    assert {"errors": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["*misses what its manifest depends on.", "*nexus >=2: here is 1.0.0"])
