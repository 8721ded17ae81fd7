"""What a test did not notice, or left behind, and is told at its end."""

from __future__ import annotations

import inspect
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from . import places, settings
from .report import KEY as REPORT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import CodeType

__all__ = ("begin", "end", "note_unnoticed", "raise_unnoticed")

_STATES = pytest.StashKey[list[Any]]()
_FILES = pytest.StashKey["_Files"]()
_JUDGES = pytest.StashKey[list[Any]]()


def begin(item: pytest.Item) -> None:
    """Let the library know what a test allows, and note what the process is like before it.

    Args:
        item: The test.
    """
    network = sys.modules.get("nexus_testing.network")
    if network is not None:
        network.guard.allowed = ()
    for mark, reason in _allowances(item, "nexus_allow_network", "example.com:443"):
        from nexus_testing.network import allowance, guard

        guard.allowed += tuple(allowance(text) for text in mark.args)
        item.config.stash[REPORT].allow({f"the network ({text})": reason for text in mark.args})
    if item.config.stash[settings.KEY].audit == "off":
        return
    from nexus_testing.environment import ProcessState

    audit = sys.modules.get("nexus_testing.runtime.audit")
    if audit is not None:
        # Not at the end of a test, when pytest still holds what its fixtures gave.
        audit.set_modules_aside()
    # Fixtures of a wider scope put back, at their end, what was there before an earlier test.
    states = item.config.stash.setdefault(_STATES, [])
    now = ProcessState.now()
    if not states or states[-1] != now:
        states.append(now)
    here = item.config.stash[places.KEY]
    files = item.config.stash.setdefault(_FILES, _Files())
    # With several processes, each would see what the tests of the others write and remove.
    if files.module != item.path and not hasattr(item.config, "workerinput") and here.near(item.path):
        from nexus_testing.runtime.process import files_in

        project = here.project(item.path)
        only = project.candidates()
        site = project.nearest() or (only[0] if len(only) == 1 else None)
        files.module, files.folder, files.folders = item.path, site.folder if site is not None else None, {}
        files.before = files_in(site.folder) if site is not None else None


class _Files:
    """The files of the plugin that one test module is about, as they were before it."""

    module: Path | None = None
    folder: Path | None = None
    before: dict[str, tuple[int, int]] | None = None
    folders: dict[str, Path | None]

    def __init__(self) -> None:
        self.folders = {}


def _allowances(item: pytest.Item, name: str, example: str) -> Iterator[tuple[pytest.Mark, str]]:
    for mark in item.iter_markers(name):
        reason = mark.kwargs.get("reason", "")
        if not mark.args or not isinstance(reason, str) or not reason.strip():
            from nexus_testing.errors import ConfigurationError

            raise ConfigurationError(
                f"The mark {name} needs what it allows, and a reason.",
                where=f"{item.path}:{(item.location[1] or 0) + 1}",
                fix=f'Write @pytest.mark.{name}("{example}", reason="…").',
            )
        yield mark, reason


def note_unnoticed(item: pytest.Item, failed: BaseException) -> None:
    """Add to the failure of a test what went wrong besides.

    Args:
        item: The test.
        failed: What it failed with.
    """
    known = {id(error) for error in _chain(failed)}
    errors, leaks = _unnoticed(item)
    for error in errors + _errors_of(item, leaks):
        if id(error) not in known:
            failed.add_note(f"Besides: {type(error).__name__}: {error}")


def raise_unnoticed(item: pytest.Item) -> None:
    """Raise what went wrong and reached nobody, and what was left on the loop.

    Args:
        item: The test.

    Raises:
        BaseException: The error itself; a group, if there are several.
    """
    __tracebackhide__ = True
    errors, leaks = _unnoticed(item)
    _raise(errors + _errors_of(item, leaks))


def end(item: pytest.Item, after: pytest.Item | None) -> None:
    """Raise all that, and what was left in the process, once the last fixture of the test is gone.

    Args:
        item: The test.
        after: The test that comes next.

    Raises:
        BaseException: The error itself; a group, if there are several.
    """
    __tracebackhide__ = True
    errors, leaks = _unnoticed(item)
    judges = item.stash.get(_JUDGES, [])
    if judges:
        from nexus_testing.runtime.process import leaks_of_process
        from nexus_testing.runtime.tracker import tracker

        leaks += [leak for verdict in judges for leak in verdict.judge.process()]
        states = (*item.config.stash.get(_STATES, []), *(verdict.state for verdict in judges))
        folders = {name: folder for verdict in judges for name, folder in verdict.judge.folders.items()}
        leaks += leaks_of_process(states, folders)
        for one in tracker.dropped:
            if all(verdict.judge.owner_of(one) is None for verdict in judges):
                text = f"coroutine '{one.name}' was never awaited"
                warnings.warn_explicit(text, RuntimeWarning, one.where.file, one.where.line)
        judges.clear()
        tracker.clear()
        if _FILES in item.config.stash:
            item.config.stash[_FILES].folders.update(folders)
    leaks += _files_left(item, after)
    _raise(errors + _errors_of(item, leaks))


def _files_left(item: pytest.Item, after: pytest.Item | None) -> list[Any]:
    """Return what a test module left in its plugin's folder, once its last test is over."""
    files = item.config.stash.get(_FILES, None)
    if files is None or files.module != item.path or (after is not None and after.path == item.path):
        return []
    before, folder, folders = files.before, files.folder, files.folders
    item.config.stash[_FILES] = _Files()
    if before is None or folder is None or not folders:
        return []
    from nexus_testing.runtime.process import files_left

    return files_left(before, folder, folders)


def _raise(errors: list[BaseException]) -> None:
    __tracebackhide__ = True
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup("several things went wrong that no code of the test noticed", errors)


def _errors_of(item: pytest.Item, leaks: list[Any]) -> list[BaseException]:
    """Return the error of what was left, if it is to be one."""
    if not leaks:
        return []
    from nexus_testing.errors import ConfigurationError, did_you_mean
    from nexus_testing.runtime.leaks import KINDS, error_of

    allowed: dict[str, str] = {}
    for mark, reason in _allowances(item, "nexus_allow_leaks", "tasks"):
        for kind in mark.args:
            if kind not in KINDS:
                raise ConfigurationError(
                    f"There is nothing called {kind!r} that could be left behind.",
                    where=f"{item.path}:{(item.location[1] or 0) + 1}",
                    fix=did_you_mean(str(kind), KINDS) or f"There is {', '.join(KINDS)}.",
                )
            allowed[kind] = reason
    kinds = {leak.kind for leak in leaks}
    item.config.stash[REPORT].allow({f"leaving {kind}": allowed[kind] for kind in sorted(kinds & allowed.keys())})
    left = [leak for leak in leaks if leak.kind not in allowed]
    if not left:
        return []
    error = error_of(left)
    if item.config.stash[settings.KEY].audit == "error":
        return [error]
    warnings.warn(pytest.PytestWarning(str(error)), stacklevel=1)
    return []


def _unnoticed(item: pytest.Item) -> tuple[list[BaseException], list[Any]]:
    """Return, once, what was raised since the last time and did not reach the test, and what was left on a loop."""
    network = sys.modules.get("nexus_testing.network")
    audit = sys.modules.get("nexus_testing.runtime.audit")
    judged = audit is not None and audit.verdicts
    if not judged and (network is None or not network.guard.refused):
        return [], []
    code = _code_of(item)
    errors = _refused(code)
    if audit is None or not judged:
        return errors, []
    verdicts = list(audit.verdicts)
    audit.verdicts.clear()
    item.stash.setdefault(_JUDGES, []).extend(verdicts)
    known = {id(error) for error in errors}
    errors += [
        error
        for verdict in verdicts
        for error in verdict.errors
        if id(error) not in known and not _reached(error, code)
    ]
    return errors, [leak for verdict in verdicts for leak in verdict.leaks]


def _refused(code: CodeType | None) -> list[BaseException]:
    network = sys.modules.get("nexus_testing.network")
    if network is None or not network.guard.refused:
        return []
    refused = list(network.guard.refused)
    network.guard.refused.clear()
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
