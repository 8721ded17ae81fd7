"""Places in the user's code: whose a file is, and the line that a message should show."""

from __future__ import annotations

import asyncio
import functools
import json
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

import nexus_testing
import pytest_nexus
from nexus_testing.locations import Location, caller, is_library, of_callable, of_exception, within


def test_a_location_reads_as_editors_take_it() -> None:
    """File and line, and the function where there is one."""
    assert "shop.py:7" == str(Location("shop.py", 7))
    assert "shop.py:7 in Shop.open" == str(Location("shop.py", 7, "Shop.open"))


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (json.__file__, True),
        (pytest.__file__, True),
        (nexus_testing.__file__, True),
        (pytest_nexus.__file__, True),
        ("<string>", True),
        ("/home/me/.venv/lib/python3.11/site-packages/shop/plugin.py", True),
        ("/home/me/shop/plugin.py", False),
        (__file__, False),
    ],
)
def test_whose_a_file_is(file: str, expected: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """The standard library, what is installed and the harness are no user code; a repo is."""
    assert expected is is_library(file)


def test_a_file_is_within_a_folder() -> None:
    """A folder of the same beginning, and an environment inside of the folder, are not within it."""
    root = Path("/home/me/shop")
    assert within("/home/me/shop/plugin.py", root)
    assert not within("/home/me/shop2/plugin.py", root)
    assert not within("/home/me/shop/.venv/lib/site-packages/x.py", root)
    assert not within("/home/me/shop/plugin.py", None)


def test_the_caller_is_the_nearest_user_code() -> None:
    """Frames of libraries in between are passed over."""

    def inner() -> Location | None:
        return caller()

    direct = inner()
    # sorted() has no frame of its own, functools.reduce neither; json's decoder has.
    through: list[Location | None] = []
    json.loads("{}", object_pairs_hook=lambda pairs: through.append(caller(2)))
    assert direct is not None
    assert (__file__, "test_the_caller_is_the_nearest_user_code.<locals>.inner") == (direct.file, direct.function)
    assert through[0] is not None
    assert (__file__, "test_the_caller_is_the_nearest_user_code") == (through[0].file, through[0].function)


def plain() -> None:
    """Stand somewhere."""


class Callable:
    """An object that can be called."""

    def __call__(self) -> None:
        """Stand somewhere else."""


class Bare:
    """A class without a method."""


@functools.wraps(plain)
def wrapped() -> None:
    """Stand for another."""


@pytest.mark.parametrize(
    ("target", "function"),
    [
        (plain, "plain"),
        (functools.partial(functools.partial(plain)), "plain"),
        (wrapped, "plain"),
        (Callable(), "Callable.__call__"),
        (Callable().__call__, "Callable.__call__"),
        (Callable, "Callable"),
        (Bare, "Bare"),
        (Bare(), "Bare"),
    ],
)
def test_where_something_was_written(target: object, function: str) -> None:
    """A function, what wraps it, a method, an object and a class each have a place in this file."""
    place = of_callable(target)
    assert place is not None
    assert (__file__, function) == (place.file, place.function)


def test_a_function_is_at_its_own_line() -> None:
    """The line is the one on which it begins."""
    place = of_callable(plain)
    assert place is not None
    assert "def plain" in Path(place.file).read_text(encoding="utf-8").splitlines()[place.line - 1]


def test_what_was_written_nowhere() -> None:
    """Something built in has no place; a mock has that of its class."""
    assert of_callable(len) is None
    mock = of_callable(AsyncMock())
    assert mock is not None
    assert mock.file.endswith("mock.py")


def _raise_through_json() -> None:
    json.loads("{}", object_pairs_hook=lambda pairs: 1 // 0)


def test_an_exception_is_where_user_code_failed() -> None:
    """The innermost line of user code counts, not the library's between or below."""
    with pytest.raises(ZeroDivisionError) as raised:
        _raise_through_json()
    place = of_exception(raised.value)
    assert place is not None
    assert (__file__, "_raise_through_json.<locals>.<lambda>") == (place.file, place.function)


def test_a_plugins_own_line_comes_first() -> None:
    """A line within the folder is preferred to one that lies deeper outside of it."""
    namespace: dict[str, object] = {}
    source = "def open(then):\n    return then()\n"
    exec(compile(source, "/home/me/shop/plugin.py", "exec"), namespace)  # noqa: S102 - code of another folder
    with pytest.raises(ZeroDivisionError) as raised:
        namespace["open"](lambda: 1 // 0)  # type: ignore[operator]
    assert Location("/home/me/shop/plugin.py", 2, "open") == of_exception(raised.value, Path("/home/me/shop"))
    outside = of_exception(raised.value, Path("/home/me/other"))
    assert outside is not None
    assert __file__ == outside.file


@pytest.mark.asyncio
async def test_the_cause_has_the_line_that_hung() -> None:
    """What a time limit raises passed through no line of the plugin's; the cancellation behind it did."""

    async def hanging() -> None:
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError) as raised:
        await hanging()
    raised.value.__traceback__ = None
    place = of_exception(raised.value)
    assert place is not None
    assert (__file__, "test_the_cause_has_the_line_that_hung.<locals>.hanging") == (place.file, place.function)


def test_an_exception_that_was_raised_nowhere() -> None:
    """Without a traceback, or with a library's only, there is no place."""
    assert of_exception(ValueError("made and not raised")) is None
    with pytest.raises(ValueError, match="Expecting") as raised:
        json.loads("{")
    below = raised.tb.tb_next
    assert below is not None
    assert of_exception(raised.value.with_traceback(below)) is None
