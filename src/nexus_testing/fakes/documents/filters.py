"""Filters applied to documents, with booleans and numbers told apart as MongoDB does: in Python, `True == 1`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mongomock import OperationFailure
from mongomock.filtering import _RE_TYPES, _Filterer, _regex, filter_applies
from sentinels import NOTHING

__all__ = ("applies", "judge")


class _Exact(_Filterer):
    """mongomock's filter, which leaves Python to decide what is equal, with another idea of that."""

    def __init__(self) -> None:
        super().__init__()
        self._operator_map |= {
            "$eq": _equal,
            "$ne": lambda found, wanted: not _equal(found, wanted),
            "$in": _in,
            "$nin": lambda found, wanted: not _in(found, wanted),
        }

    def apply(self, search_filter: Any, document: Any) -> bool:
        if isinstance(search_filter, dict):
            search_filter = {key: _spelt_out(key, search) for key, search in search_filter.items()}
        return bool(super().apply(search_filter, document))

    def _all_op(self, doc_val: Any, search_val: Any) -> bool:
        inside = [one for one in doc_val if one is not NOTHING] if isinstance(doc_val, list) else [doc_val]
        return all(
            self._elem_match_op(inside[0] if len(inside) == 1 else inside, one["$elemMatch"])
            if isinstance(one, dict) and "$elemMatch" in one
            else any(_equal(found, one) for found in inside)
            for one in search_val
        )


def judge(query: Mapping[str, Any]) -> Any:
    """Return what says whether a document fits a filter; it is called with both.

    Args:
        query: The filter.
    """
    return _exact.apply if _mistakable(query) else filter_applies


def applies(query: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Say whether a document fits a filter.

    Args:
        query: The filter.
        document: The document.
    """
    return bool(judge(query)(query, document))


def _mistakable(value: Any) -> bool:
    """Say whether a filter asks for something that Python takes for something else."""
    if isinstance(value, Mapping):
        return any(map(_mistakable, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_mistakable, value))
    return isinstance(value, bool | int | float) and value in {0, 1}


def _spelt_out(key: str, search: Any) -> Any:
    if (
        key[:1] == "$"
        or (isinstance(search, dict) and next(iter(search), "")[:1] == "$")
        or isinstance(search, _RE_TYPES)
    ):
        return search
    return {"$eq": search} if _mistakable(search) else search


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, list | tuple) and any(_same(one, wanted) for one in found):
        return True
    return _same(found, wanted)


def _in(found: Any, wanted: Any) -> bool:
    if not isinstance(wanted, list | tuple):
        raise OperationFailure("$in needs an array")
    return any(
        bool(_regex(found, one)) if isinstance(one, _RE_TYPES) and found is not NOTHING else _equal(found, one)
        for one in wanted
    )


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return found.keys() == wanted.keys() and all(_same(found[key], wanted[key]) for key in found)
    if isinstance(found, list | tuple) and isinstance(wanted, list | tuple):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    return bool(found == wanted) or (found is NOTHING and wanted is None)


_exact = _Exact()
