"""Budgets as people write them: `http_req_duration{route:GET /items} p(95) < 50ms, level=warn`."""

from __future__ import annotations

import functools
import importlib
import operator
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import BudgetError, ExtraMissing, did_you_mean
from .metrics import AGGREGATES, METRICS, OF_ROUTES, TAGS, UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ("OPERATORS", "Relative", "Rule", "parse")

_GRAMMAR = r"""
start: NAME tags? NAME ("(" NUMBER ")")? OPERATOR NUMBER relation ("," option)*
tags: "{" tag ("," tag)* "}"
tag: NAME ":" VALUE
relation: UNIT? | UNIT NAME ("+" NUMBER UNIT?)?
option: NAME "=" WORD
NAME: /[a-z_]\w*/
VALUE: /([^{},"]|\{\w+\})+/ | /"[^"]*"/
NUMBER: /\d+(\.\d+)?/
OPERATOR: "<=" | ">=" | "==" | "!=" | "<" | ">"
UNIT: /[a-zA-Zµ%\/]+/
WORD: /\w+/
%ignore " "
"""

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

_READABLE = {
    "NAME": "a name",
    "NUMBER": "a number",
    "OPERATOR": "one of < <= > >= == !=",
    "UNIT": "a unit",
    "VALUE": "a tag's value",
    "WORD": "a word",
    "LBRACE": "{",
    "RBRACE": "}",
    "LPAR": "(",
    "RPAR": ")",
    "COLON": ":",
    "COMMA": ",",
    "EQUAL": "=",
    "PLUS": "+",
    "$END": "the end",
}
_LEVELS = ("error", "warn", "off")
_NO_DATA = ("fail", "skip")
_OPTIONS = ("level", "min_samples", "no_data")
_STANDARDS = ("baseline", "reference")


class Relative(NamedTuple):
    """A limit that is so many times what a baseline or a reference route has, and so much more."""

    factor: float
    of: str
    more: float


class Rule(NamedTuple):
    """One budget. `limit` is in the base unit of what it measures: seconds, bytes, a share of 1."""

    text: str
    metric: str
    tags: Mapping[str, str]
    aggregate: str
    percent: float
    compare: str
    limit: float
    unit: str
    relative: Relative | None
    level: str
    min_samples: int | None
    no_data: str

    @property
    def measures(self) -> str:
        """What is measured: "time", "share", "rate", "size" or "number"."""
        return METRICS[self.metric].aggregates[self.aggregate]


def _library() -> Any:
    try:
        return importlib.import_module("lark")
    except ModuleNotFoundError as error:
        raise ExtraMissing("Budgets", extra="performance") from error


@functools.cache
def _parser() -> Any:
    return _library().Lark(_GRAMMAR, parser="lalr", maybe_placeholders=False)


@functools.cache
def _reader() -> Any:
    base: Any = _library().Transformer

    class Reader(base):  # type: ignore[misc]  # the base is known at run time
        """Makes plain values of the tree."""

        def tag(self, parts: list[Any]) -> tuple[str, str]:
            """Return name and value."""
            return str(parts[0]), str(parts[1]).strip().strip('"')

        def tags(self, parts: list[Any]) -> dict[str, str]:
            """Return all of them."""
            return dict(parts)

        def option(self, parts: list[Any]) -> tuple[str, str]:
            """Return name and value."""
            return str(parts[0]), str(parts[1])

        def relation(self, parts: list[Any]) -> tuple[str, ...]:
            """Return what came after the number."""
            return tuple(map(str, parts))

    return Reader()


def parse(text: str, where: object = None) -> Rule:
    """Return the budget that a text says.

    Args:
        text: The text.
        where: Where it stands.

    Raises:
        BudgetError: If it cannot be read, or there is no such metric, tag, aggregate or unit.
        ExtraMissing: If the parser's library is not installed.
    """
    __tracebackhide__ = True
    if not isinstance(text, str):
        raise BudgetError(
            f"{text!r} is no budget.", where=where, why="it must be a text", fix='"http_req_duration p(95) < 50ms"'
        )
    parser = _parser()
    try:
        tree = parser.parse(text)
    except _library().UnexpectedInput as error:
        raise BudgetError(
            f"The budget {text!r} cannot be read.",
            where=where,
            why=_unexpected(error, text),
            fix='Write it so: "http_req_duration{route:GET /items} p(95) < 50ms".',
        ) from error
    return _Reading(text, where).read(_reader().transform(tree).children)


def _unexpected(error: Any, text: str) -> str:
    wanted = (
        getattr(error, "accepts", None) or getattr(error, "expected", None) or getattr(error, "allowed", None) or ()
    )
    names = sorted(_READABLE.get(name, name.lower()) for name in wanted)
    at = error.pos_in_stream if isinstance(error.pos_in_stream, int) and error.pos_in_stream >= 0 else len(text)
    # At the end the library says where its last word was.
    rest = "" if getattr(getattr(error, "token", None), "type", "") == "$END" else text[at:].strip()
    return (f"{rest!r} stands" if rest else "it ends") + f" where {' or '.join(names)} has to"


class _Reading:
    """Checks the parts of one budget."""

    def __init__(self, text: str, where: object) -> None:
        self._text = text
        self._where = where

    def _wrong(self, why: str, fix: str = "") -> BudgetError:
        return BudgetError(f"The budget {self._text!r} cannot be.", where=self._where, why=why, fix=fix)

    def _known(self, what: str, name: str, known: Iterable[str]) -> None:
        known = list(known)
        if name not in known:
            raise self._wrong(f"there is no {what} {name!r}", did_you_mean(name, known) or f"It is {_listed(known)}.")

    def read(self, parts: list[Any]) -> Rule:
        """Return the budget of the parts that the grammar found."""
        metric = str(parts.pop(0))
        self._known("metric", metric, METRICS)
        tags: dict[str, str] = parts.pop(0) if isinstance(parts[0], dict) else {}
        for tag in tags:
            self._known("tag", tag, TAGS)
        if tags and metric not in OF_ROUTES:
            raise self._wrong(
                f"{metric} is of the whole load, and has no {_listed(tags)}", f"Leave {{…}} out: {metric}"
            )
        aggregate = str(parts.pop(0))
        self._known("aggregate", aggregate, AGGREGATES)
        possible = METRICS[metric].aggregates
        if aggregate not in possible:
            raise self._wrong(f"{metric} has no {aggregate}", f"It has {_listed(possible)}.")
        percent = 0.0
        if parts[0].type == "NUMBER":
            percent = float(parts.pop(0))
            if aggregate != "p" or percent > 100:  # noqa: PLR2004 - percent
                raise self._wrong("only p has a number in brackets, from 0 to 100", "p(95)")
        elif aggregate == "p":
            raise self._wrong("p says no percentile", "p(95)")
        compare, number = str(parts.pop(0)), float(parts.pop(0))
        limit, unit, relative = self._limit(possible[aggregate], compare, number, parts.pop(0))
        options = self._options(parts)
        least = options.get("min_samples")
        return Rule(
            text=self._text,
            metric=metric,
            tags=tags,
            aggregate=aggregate,
            percent=percent,
            compare=compare,
            limit=limit,
            unit=unit,
            relative=relative,
            level=options.get("level", "error"),
            min_samples=int(least) if least is not None else None,
            no_data=options.get("no_data", "fail"),
        )

    def _limit(
        self, of: str, compare: str, number: float, relation: tuple[str, ...]
    ) -> tuple[float, str, Relative | None]:
        if len(relation) <= 1:
            unit = relation[0] if relation else ""
            return number * self._size(of, number, unit), unit, None
        times, standard, *more = relation
        self._known("standard", standard, _STANDARDS)
        if times != "x" or compare != "<=":
            raise self._wrong(f"a {standard} is compared by <= and a factor", f"<= 1.1x {standard} + 50us")
        extra = unit = ""
        if more:
            extra, unit = more[0], more[1] if len(more) > 1 else ""
        added = float(extra) * self._size(of, float(extra), unit) if extra else 0.0
        shown = unit or next((name for name, one in UNITS.items() if one.of == of), "")
        return 0.0, shown, Relative(number, standard, added)

    def _size(self, of: str, number: float, unit: str) -> float:
        """Return how much of the base unit a unit is."""
        possible = [name for name, one in UNITS.items() if one.of == of]
        if not possible:
            if unit:
                raise self._wrong(f"it is a number, and has no unit {unit!r}", f"{number:g}")
            return 1.0
        unit = unit.replace("µ", "u")
        if unit not in possible:
            why = f"the unit of {number:g} is missing" if not unit else f"{unit!r} is no unit of it"
            raise self._wrong(why, f"Write {' or '.join(f'{number:g}{one}' for one in possible)}.")
        return UNITS[unit].size

    def _options(self, parts: list[Any]) -> dict[str, str]:
        options: dict[str, str] = {}
        for name, value in parts:
            self._known("option", name, _OPTIONS)
            if name == "level":
                self._known("level", value, _LEVELS)
            elif name == "no_data":
                self._known("no_data", value, _NO_DATA)
            elif not value.isdecimal():
                raise self._wrong(f"{name} is {value!r}, and must be a whole number")
            options[name] = value
        return options


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{name}(N)" if name == "p" else name for name in names)
