"""What a collection is asked, judged before mongomock would ignore it or take it for something else."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NoReturn

from mongomock import OperationFailure, WriteError
from mongomock import collection as mongomock_collection
from mongomock.filtering import iter_key_candidates

from ...errors import DataError, did_you_mean
from ...locations import caller
from .hashes import equalities

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("check_query", "check_update", "is_replacement", "mistakable", "refuse", "refused", "same_kind")

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
        if isinstance(search, dict) and field[:1] != "$":
            for operator in search:
                if operator[:1] == "$" and operator not in _QUERIES:
                    _unknown(operator)
                break


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


def mistakable(query: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Return what a filter asks for that Python takes for something else: `True == 1`."""
    return {
        field: values
        for field, values in (equalities(query) if query else {}).items()
        if any(value is True or value is False or (type(value) in {int, float} and value in {0, 1}) for value in values)
    }


def same_kind(wanted: Mapping[str, tuple[Any, ...]], document: Mapping[str, Any]) -> bool:
    """Say whether a document has what is asked for, and not just what Python takes for it.

    Args:
        wanted: What `mistakable` returned.
        document: The document.
    """
    for field, values in wanted.items():
        found = iter_key_candidates(field, document)
        flat = chain.from_iterable(one if isinstance(one, list) else (one,) for one in found)
        kinds = {(isinstance(one, bool), one) for one in flat if not isinstance(one, dict | list)}
        missing = None in values and not any(one is not None for _, one in kinds)
        if not missing and not any((isinstance(value, bool), value) in kinds for value in values):
            return False
    return True
