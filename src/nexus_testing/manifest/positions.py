"""Where in a JSON text its keys and values stand."""

from __future__ import annotations

import bisect
import json
import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ..locations import Location

if TYPE_CHECKING:
    import pathlib

__all__ = ("Path", "Place", "Positions", "dotted", "locate")

Path: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead from the top to a value."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_WORD = re.compile(r"[\w-]+")


class Place(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int


def dotted(path: Path) -> str:
    """Return a path as messages write it, such as ``ui.dashboard_widgets[0].id``.

    Args:
        path: The keys and indexes.
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _WORD.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{part!r}]"
    return text or "(top)"


def locate(file: pathlib.Path, *keys: str | int) -> Location:
    """Return where in a JSON file a value stands, for a message; its first line where the file cannot be read.

    Args:
        file: The file. It is read here, since only where there is something to say this is asked.
        keys: The keys and indexes that lead to the value.
    """
    try:
        place = Positions(file.read_text(encoding="utf-8")).value(keys)
    except (OSError, ValueError, IndexError):
        place = Place(1, 1)
    return Location(str(file), place.line, column=place.column)


class Positions:
    """The places of all keys and values of a text that is known to be JSON.

    It is made only where there is something to report, and it never recurses, however deep the text is.

    Args:
        text: The JSON text.
    """

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._values: dict[Path, int] = {}
        self._keys: dict[Path, int] = {}
        self.duplicates: list[tuple[Path, Place, Place]] = []
        """Keys that an object has twice: the path, where it stands first, where it stands again."""
        self._scan(text)

    def _scan(self, text: str) -> None:
        # One entry for each open bracket: the key or index of the value that comes next; None awaits a key.
        stack: list[str | int | None] = []
        at_key: list[bool] = []
        for match in _TOKEN.finditer(text):
            lexeme, start = match.group(), match.start()
            if lexeme in "}]":
                stack.pop()
                at_key.pop()
            elif lexeme == ",":
                if isinstance(stack[-1], int):
                    stack[-1] += 1
                else:
                    at_key[-1] = True
            elif lexeme == ":":
                at_key[-1] = False
            elif at_key and at_key[-1]:
                stack[-1] = json.loads(lexeme)
                self._key(tuple(part for part in stack if part is not None), start)
            else:
                self._values[tuple(part for part in stack if part is not None)] = start
                if lexeme in "{[":
                    stack.append(None if lexeme == "{" else 0)
                    at_key.append(lexeme == "{")

    def _key(self, path: Path, start: int) -> None:
        if path in self._keys:
            self.duplicates.append((path, self._place(self._keys[path]), self._place(start)))
        self._keys[path] = start

    def _place(self, start: int) -> Place:
        line = bisect.bisect_right(self._starts, start)
        return Place(line, start - self._starts[line - 1] + 1)

    def key(self, path: Path) -> Place:
        """Return where a key stands; the value, for an item of a list.

        Args:
            path: What leads to it.
        """
        return self._place(self._keys[path]) if path in self._keys else self.value(path)

    def value(self, path: Path) -> Place:
        """Return where a value stands, else the nearest above it that is there.

        Args:
            path: What leads to it.
        """
        while path not in self._values and path:
            path = path[:-1]
        return self._place(self._values.get(path, 0))
