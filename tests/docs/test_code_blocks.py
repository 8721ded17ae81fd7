"""The blocks of the documentation are files of plugin repos, and run as such.

A comment before a block says what it is:

- ``<!-- file: tests/test_x.py -->`` a file of the page's repo; its tests pass.
- ``<!-- failing file: tests/test_x.py -->`` the same, but each of its tests fails.
- ``<!-- needs: module -->`` a module of an extra, without which the page does not run.
- ``<!-- output -->`` lines that pytest prints for the page's repo, in this order, apart from their indentation and
  from the folder that the repo is in; ``…`` leaves lines out.
- ``<!-- not run: reason -->`` nothing that could run.

The repo is called ``my-plugin``, or what ``<!-- repo: name -->`` says anywhere on the page. A repo without a
``manifest.json`` gets the smallest that there is.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import nexus_testing

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
READMES = sorted((ROOT / "examples").glob("*/README.md"))

NOT_RUN: dict[str, list[str]] = {}
"""The reasons of the blocks that are not run, by page."""

_WORDS = ("file", "failing file", "output", "not run")
_COMMENT = re.compile(r"<!-- (?P<word>[a-z ]+?)(?:: (?P<value>.+?))? -->")
_FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_OUTCOME = re.compile(r"(?P<outcome>PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)(?: \[\d+\])? (?P<file>[^\s:]+\.py)\b")


class Block(NamedTuple):
    """A fenced block of a page, and what the comment before it says."""

    line: int
    language: str
    text: str
    word: str
    value: str


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _blocks(markdown: str) -> Iterator[Block]:
    word = value = language = ""
    opened: int | None = None
    inside: list[str] = []
    for number, line in enumerate(markdown.splitlines(), 1):
        if opened is not None:
            if line == "```":
                yield Block(opened, language, "".join(f"{one}\n" for one in inside), word, value)
                opened, word, value, inside = None, "", "", []
            else:
                inside.append(line)
        elif line.startswith("```"):
            opened, language = number, line.removeprefix("```")
        elif comment := _COMMENT.fullmatch(line):
            word, value = comment["word"], comment["value"] or ""
        elif line:
            word = value = ""


def _prose(markdown: str) -> str:
    return re.sub(r"`[^`\n]*`", "", _FENCED.sub("", markdown))


def _unexplained(markdown: str) -> list[int]:
    return [
        block.line
        for block in _blocks(markdown)
        if (block.language == "python" and block.word not in _WORDS) or (block.word == "not run" and not block.value)
    ]


def _slugs(markdown: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", markdown), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _broken_links(page: Path) -> list[str]:
    broken = []
    for found in _LINK.finditer(_prose(page.read_text(encoding="utf-8"))):
        path, _, anchor = found["target"].partition("#")
        if path.startswith(("https://", "http://")):
            continue
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in _slugs(target.read_text(encoding="utf-8"))):
            broken.append(found["target"])
    return broken


def _plugin_options() -> list[str]:
    installed = importlib.metadata.entry_points(group="pytest11")
    return [] if any(point.value == "nexus_testing.entry" for point in installed) else ["-p", "nexus_testing.entry"]


def _make_repo(folder: Path, blocks: list[Block]) -> None:
    if not any(block.value == "manifest.json" for block in blocks):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.json").write_text(json.dumps({"name": "my_plugin", "version": "1.0.0"}), encoding="utf-8")
    for block in blocks:
        file = folder / block.value
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")


def _run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, markdown: str) -> None:
    """Make the repo of a page and run its tests."""
    needed = re.search(r"^<!-- needs: (\w+) -->$", markdown, re.MULTILINE)
    if needed:
        pytest.importorskip(needed[1], reason="the page is about an extra that is not installed")
    blocks = list(_blocks(markdown))
    files = [block for block in blocks if block.word.endswith("file")]
    named = re.search(r"^<!-- repo: (.+) -->$", markdown, re.MULTILINE)
    folder = pytester.path / (named[1] if named else "my-plugin")
    _make_repo(folder, files)
    monkeypatch.chdir(folder)
    # Where the harness is not installed, the process that runs the page finds it where this one did.
    source = str(Path(nexus_testing.__file__).parents[1])
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH", "")))))
    result = pytester.runpytest_subprocess(*_plugin_options(), "-rA", "-p", "no:cacheprovider", "-p", "no:randomly")
    outcomes: dict[str, set[str]] = {}
    for line in result.outlines:
        # How busy the machine is decides whether a comparison of times can be judged.
        if (found := _OUTCOME.match(line)) and ": INCONCLUSIVE " not in line:
            outcomes.setdefault(found["file"], set()).add(found["outcome"])
    expected = {
        block.value: {"PASSED"} if block.word == "file" else {"FAILED"}
        for block in files
        if Path(block.value).name.startswith("test_")
    }
    # A test may pass and fail in its teardown.
    actual = {file: {"FAILED"} if "ERROR" in found else found for file, found in outcomes.items()}
    assert expected == actual
    for block in blocks:
        if block.word == "output":
            _assert_printed(block.text, result.outlines, f"{pytester.path}{os.sep}")


def _bare(line: str) -> str:
    # How far pytest indents an error depends on the line that raised it.
    return re.sub(r"^(E )?\s+", "", line.rstrip())


def _assert_printed(text: str, printed: list[str], folder: str) -> None:
    rest = iter([_bare(line.replace(folder, "")) for line in printed])
    for line in text.splitlines():
        assert line == "…" or _bare(line) in rest, f"not printed, or not in this order: {line}"


def _has_files(page: Path) -> bool:
    return any(block.word.endswith("file") for block in _blocks(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", [page for page in PAGES if _has_files(page)], ids=_name)
def test_the_blocks_of_a_page_run(page: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of a page make a plugin repo whose tests pass, fail and print as the page says."""
    _run(pytester, monkeypatch, page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_python_block_says_what_it_is(page: Path) -> None:
    """A python block is a file of the page's repo, or says why it is not run."""
    assert [] == _unexplained(page.read_text(encoding="utf-8"))


def test_the_blocks_that_are_not_run_are_counted() -> None:
    """A block may only be left out by adding its reason to the list in this file."""
    actual = {
        _name(page): [block.value for block in _blocks(page.read_text(encoding="utf-8")) if block.word == "not run"]
        for page in PAGES
    }
    assert {page: reasons for page, reasons in actual.items() if reasons} == NOT_RUN


@pytest.mark.parametrize("page", [*PAGES, *READMES], ids=_name)
def test_every_relative_link_resolves(page: Path) -> None:
    """A link goes to a file that is there, and to a heading that it has."""
    assert [] == _broken_links(page)


# -- the checks themselves -----------------------------------------------------------------------------------------

_PLUGIN = """\
<!-- file: plugin.py -->
```python
from nexus.plugins import BasePlugin


class MyPlugin(BasePlugin):
    pass
```
"""


def _page(comment: str, block: str) -> str:
    return f"{_PLUGIN}\n{comment}\n```python\n{block}\n```\n"


def test_a_page_whose_test_fails_is_refused(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that is wrong fails the page that it stands on."""
    page = _page("<!-- file: tests/test_x.py -->", "async def test_x(nexus_app):\n    assert not nexus_app.plugins")
    with pytest.raises(AssertionError, match="FAILED"):
        _run(pytester, monkeypatch, page)


def test_a_page_whose_failing_test_passes_is_refused(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block that is said to fail has to."""
    with pytest.raises(AssertionError, match="PASSED"):
        _run(pytester, monkeypatch, _page("<!-- failing file: tests/test_x.py -->", "def test_x():\n    pass"))


def test_a_page_without_the_output_that_it_shows_is_refused(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An output that nobody prints fails the page."""
    page = _page("<!-- file: tests/test_x.py -->", "def test_x(nexus_app):\n    pass")
    page += "\n<!-- output -->\n```text\nplugin 'my_plugin' is in a good mood\n```\n"
    with pytest.raises(AssertionError, match="good mood"):
        _run(pytester, monkeypatch, page)


@pytest.mark.parametrize("comment", ["", "<!-- a remark -->", "<!-- not run -->"])
def test_a_python_block_without_a_word_on_it_is_found(comment: str) -> None:
    """Neither silence nor a reason that is missing lets a block pass."""
    assert len(_unexplained(_page(comment, "1 / 0"))) == 1


@pytest.mark.parametrize("target", ["nowhere.md", "page.md#nothing", "#nothing"])
def test_a_broken_link_is_found(target: str, tmp_path: Path) -> None:
    """A file or heading that is not there is reported."""
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n[here](#a-page), [there](page.md), [lost]({target})\n", encoding="utf-8")
    assert [target] == _broken_links(page)
