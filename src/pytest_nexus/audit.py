"""What a test did not notice, and is told at its end."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

__all__ = ("allow_network", "note_unnoticed", "raise_unnoticed")

_ALLOWED = pytest.StashKey[Any]()


def allow_network(item: pytest.Item) -> None:
    """Let the library know what a test lets out.

    Args:
        item: The test.
    """
    marks = list(item.iter_markers("nexus_allow_network"))
    network = sys.modules.get("nexus_testing.network")
    if not marks:
        if network is not None:
            network.guard.allowed = ()
        return
    from nexus_testing.errors import NetworkError
    from nexus_testing.network import allowance, guard

    guard.allowed = ()
    for mark in marks:
        reason = mark.kwargs.get("reason", "")
        if not mark.args or not isinstance(reason, str) or not reason.strip():
            raise NetworkError(
                "The mark nexus_allow_network needs a host and a reason.",
                where=f"{item.path}:{(item.location[1] or 0) + 1}",
                fix='Write @pytest.mark.nexus_allow_network("example.com:443", reason="…").',
            )
        guard.allowed += tuple(allowance(text) for text in mark.args)


def note_unnoticed(item: pytest.Item, failed: BaseException) -> None:
    """Add to the failure of a test what went wrong besides.

    Args:
        item: The test.
        failed: What it failed with.
    """
    known = {id(error) for error in _chain(failed)}
    for error in _unnoticed(item):
        if id(error) not in known:
            failed.add_note(f"Besides: {error}")


def raise_unnoticed(item: pytest.Item) -> None:
    """Raise what went wrong and reached nobody.

    Args:
        item: The test.

    Raises:
        BaseException: The error itself; a group, if there are several.
    """
    __tracebackhide__ = True
    errors = _unnoticed(item)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup("several things went wrong that no code of the test noticed", errors)


def _unnoticed(item: pytest.Item) -> list[BaseException]:
    """Return, once, what was raised since the last time and did not reach the test."""
    network = sys.modules.get("nexus_testing.network")
    if network is None or not network.guard.refused:
        return []
    refused = list(network.guard.refused)
    network.guard.refused.clear()
    code = _code_of(item)
    seen: dict[tuple[Any, ...], BaseException] = {}
    for error in refused:
        if not (_reached(error, code) or (error.carrier is not None and _reached(error.carrier, code))):
            # A loop that tries again makes the same error many times.
            seen.setdefault((error.host, error.port, error.where), error)
    for error in seen.values():
        error.add_note("It was caught before it reached the test.")
    return list(seen.values())


def _code_of(item: pytest.Item) -> CodeType | None:
    function = inspect.unwrap(getattr(item, "obj", None) or (lambda: None))
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", None)
    return getattr(getattr(inner or function, "__func__", inner or function), "__code__", None)


def _reached(error: BaseException, code: CodeType | None) -> bool:
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is code:
            return True
        trace = trace.tb_next
    return False


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    waiting = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
