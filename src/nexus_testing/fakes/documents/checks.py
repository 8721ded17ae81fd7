"""What a collection is asked, judged before mongomock would ignore it or take it for something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from mongomock import OperationFailure, WriteError
from mongomock import collection as mongomock_collection

from ...errors import DataError, did_you_mean
from ...locations import caller

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("check_query", "check_update", "is_replacement", "refuse", "refused")

_UPDATES = frozenset(mongomock_collection._updaters) | {
    "$rename",
    "$setOnInsert",
    "$currentDate",
    "$addToSet",
    "$pull",
    "$pullAll",
    "$push",
    "$mul",
}


def refused(operation: str, what: str, fix: str) -> DataError:
    """Return the error of what is not known here.

    Args:
        operation: What was called.
        what: What was passed to it.
        fix: What to do next.
    """
    return DataError(
        f"{operation} does not take {what} here.",
        where=caller(),
        why="the collections of the tests do not know it, and would do something else than MongoDB",
        fix=fix,
    )


def refuse(options: Mapping[str, Any], operation: str, *names: str) -> None:
    """Refuse options that would be ignored; others are judged by Python's own call."""
    for name in names:
        if options.get(name):
            raise refused(operation, f"{name}={options[name]!r}", f"Leave {name} out, or test it on a real MongoDB.")


def is_replacement(document: Any) -> bool:
    """Say whether an update is a whole document.

    Args:
        document: The update.
    """
    return isinstance(document, dict) and not next(iter(document), "").startswith("$")


def check_update(document: Any) -> None:
    """Refuse an operator that nobody knows.

    Args:
        document: The update.

    Raises:
        WriteError: If there is one.
    """
    if isinstance(document, list):
        mongomock_collection._validate_document_stages(document)
    elif not is_replacement(document):
        for operator in document:
            if operator not in _UPDATES:
                hint = did_you_mean(operator, _UPDATES)
                raise WriteError(f"Unknown modifier: {operator}. {hint}".rstrip(), 9)


def check_query(query: Mapping[str, Any]) -> None:
    """Refuse an operator that nobody knows, also where no document would lead to it."""
    for field, search in query.items():
        if field in _LOGICAL and isinstance(search, list | tuple):
            for part in search:
                if isinstance(part, dict):
                    check_query(part)
        elif isinstance(search, dict) and field[:1] != "$":
            _check_operators(search)


def _check_operators(search: Mapping[str, Any]) -> None:
    for operator, wanted in search.items():
        if operator[:1] != "$":
            return
        if operator not in _QUERIES:
            _unknown(operator)
        if operator == "$not" and isinstance(wanted, dict):
            _check_operators(wanted)
        elif operator == "$elemMatch" and isinstance(wanted, dict):
            check_query(wanted)
            _check_operators(wanted)


_LOGICAL = frozenset({"$and", "$or", "$nor"})
_QUERIES = frozenset(
    {
        "$eq",
        "$ne",
        "$gt",
        "$gte",
        "$lt",
        "$lte",
        "$in",
        "$nin",
        "$all",
        "$exists",
        "$regex",
        "$options",
        "$elemMatch",
        "$size",
        "$type",
        "$not",
        "$ref",
        "$id",
        "$db",
        "$bitsAllClear",
        "$bitsAllSet",
        "$bitsAnyClear",
        "$bitsAnySet",
        "$geoIntersects",
        "$geoWithin",
        "$near",
        "$nearSphere",
    }
)


def _unknown(operator: str) -> NoReturn:
    raise OperationFailure(f"unknown operator: {operator}. {did_you_mean(operator, _QUERIES)}".rstrip(), 2)
