"""Running a plugin's hooks: within a limit, on record, and with failures that say where and why."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ..errors import NexusTestingError, OutboundRefused, PluginLoadError, Told, UnmatchedCall
from ..limits import HOOK_LIMIT, limit
from ..locations import Location, of_callable, of_exception
from ..nexus.context import Activity, activity
from ..records import LifecycleStep, Query, ServiceLookup
from .loaded import own_method

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..nexus.kernel import Kernel
    from .loaded import Loaded

__all__ = ("LogWatch", "Logged", "Stages")


class Logged(NamedTuple):
    """A message that a plugin logged while a hook ran, and the exception that it was handling."""

    message: str
    where: Location
    error: BaseException | None


class LogWatch(logging.Handler):
    """Keeps the errors that are logged while a hook runs: a plugin that catches one may say no more than False."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[Logged] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        error = record.exc_info[1] if record.exc_info else sys.exc_info()[1]
        self.seen.append(
            Logged(record.getMessage(), Location(record.pathname, record.lineno, record.funcName or ""), error)
        )

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        logging.getLogger().removeHandler(self)


class Stages:
    """Runs hooks for one app.

    Args:
        kernel: The app's parts.
        hook_limit: Seconds that one hook may take.
    """

    def __init__(self, kernel: Kernel, hook_limit: float | None = HOOK_LIMIT) -> None:
        self._kernel = kernel
        self._limit = hook_limit
        self._ran: list[str] = []

    @contextmanager
    def stage(self, plugin: Loaded, name: str) -> Iterator[list[NexusTestingError]]:
        """Record a step of a plugin's life around a block.

        A block that goes on after a failure puts the failure into the list that it is given.

        Args:
            plugin: The plugin.
            name: The step's name.
        """
        started = time.perf_counter()
        error: BaseException | None = None
        survived: list[NexusTestingError] = []
        # Steps nest where a plugin is loaded for another one, or by another one's hook.
        around, self._ran = self._ran, []
        try:
            yield survived
        except BaseException as raised:
            error = raised
            raise
        finally:
            hooks, self._ran = tuple(self._ran), around
            self._record(plugin, name, time.perf_counter() - started, error or next(iter(survived), None), hooks)

    def _record(
        self, plugin: Loaded, name: str, duration: float, error: BaseException | None, hooks: tuple[str, ...]
    ) -> None:
        journal = self._kernel.journal
        at = self._kernel.clock.time()
        outcome = "ok" if error is None else "failed"
        journal.append(LifecycleStep(journal.next_seq(), at, plugin.name, name, outcome, duration, error, hooks))

    @contextmanager
    def acting(self, plugin: Loaded) -> Iterator[None]:
        """Let what runs in a block count as the plugin's.

        Args:
            plugin: The plugin.
        """
        token = activity.set(Activity("hook", self._kernel, plugin.name))
        try:
            yield
        finally:
            activity.reset(token)

    async def hook(self, plugin: Loaded, stage: str, name: str, *args: object) -> Any:
        """Run an optional hook, if the plugin has it.

        Args:
            plugin: The plugin.
            stage: The stage that the hook belongs to.
            name: The hook's name.
            *args: What the hook is given.

        Raises:
            PluginLoadError: If it fails.
        """
        method = getattr(plugin.instance, name, None)
        if method is None:
            return None
        return await self.call(plugin, stage, name, method, *args)

    async def call(self, plugin: Loaded, stage: str, name: str, method: Callable[..., Any], *args: object) -> Any:
        """Run a hook.

        Args:
            plugin: The plugin.
            stage: The stage that the hook belongs to.
            name: The hook's name.
            method: The hook.
            *args: What the hook is given.

        Raises:
            PluginLoadError: If it is not async, raises or takes too long; the plugin's own exception is the cause.
        """
        __tracebackhide__ = True
        self._ran.append(name)
        token = activity.set(Activity("hook", self._kernel, plugin.name))
        task = asyncio.current_task()
        asked = task.cancelling() if task is not None else 0
        try:
            result = method(*args)
            if not inspect.isawaitable(result):
                raise _not_async(plugin, stage, name, method)  # noqa: TRY301 - it goes the way of every failure
            async with limit(self._limit):
                return await result
        except TimeoutError as error:
            if isinstance(error.__cause__, asyncio.CancelledError):
                raise self._hung(plugin, stage, name, method, error) from error
            raise self._failed(plugin, stage, name, error) from error
        except asyncio.CancelledError as error:
            if task is not None and task.cancelling() > asked:
                raise
            raise self._failed(plugin, stage, name, error) from error
        except (Exception, OutboundRefused) as error:
            if isinstance(error, PluginLoadError) and error.plugin == plugin.name:
                raise
            failed = self._failed(plugin, stage, name, error)
            if isinstance(error, OutboundRefused | UnmatchedCall):
                error.carrier = failed
            raise failed from error
        finally:
            activity.reset(token)

    def _failed(self, plugin: Loaded, stage: str, name: str, error: BaseException) -> PluginLoadError:
        ours = error if isinstance(error, Told) else None
        said = ours.what if ours is not None else str(error)
        why = "the hook was cancelled, by nobody of ours" if isinstance(error, asyncio.CancelledError) else ""
        return PluginLoadError(
            f"{plugin.label.capitalize()} failed in {name}(): {f'{type(error).__name__}: {said}'.rstrip(': ')}",
            stage=stage,
            where=of_exception(error, plugin.folder) or of_callable(_hook_of(plugin, name)),
            why=ours.why if ours is not None else why,
            fix=(ours.fix if ours is not None else "")
            or "Mend the line above; what it raised is the cause of this error.",
            plugin=plugin.name,
        )

    def _hung(
        self, plugin: Loaded, stage: str, name: str, method: Callable[..., Any], error: BaseException
    ) -> PluginLoadError:
        return PluginLoadError(
            f"{plugin.label.capitalize()} did not come back from {name}() within {self._limit} s.",
            stage=stage,
            where=of_exception(error, plugin.folder) or of_callable(method),
            why="it was waiting at the line above",
            fix="Let the hook end and do long work in a background task, or raise the limit: "
            "nexus_hook_timeout in pytest's configuration.",
            plugin=plugin.name,
        )

    def refused(self, plugin: Loaded, stage: str, name: str, logged: list[Logged], since: int) -> PluginLoadError:
        """Make the error of a hook that returned False: with what it logged, else with what it missed.

        Args:
            plugin: The plugin.
            stage: The stage that the hook belongs to.
            name: The hook's name.
            logged: What was logged while it ran.
            since: The number of the journal's last record before it ran.
        """
        cause = next((one for one in reversed(logged) if one.error is not None), None) or (
            logged[-1] if logged else None
        )
        if cause is not None:
            where: Location | None = cause.where
            if cause.error is not None:
                where = of_exception(cause.error, plugin.folder) or where
            why = f"it logged {cause.message!r} at {cause.where}"
            if cause.error is not None:
                why += f"\nafter it had caught {type(cause.error).__name__}: {cause.error}"
            fix = "Mend the line above."
        else:
            where = of_callable(_hook_of(plugin, name))
            missed = self._missed(plugin, since)
            why = "it raised nothing and logged no error"
            if missed:
                why += "; it asked for these and did not get them:\n" + "\n".join(missed)
                fix = "Give it what it misses, for services with the fixture nexus_services: {'name': object}."
            else:
                why += "; it asked for nothing that was not there"
                fix = f"Log the reason before `return False` in {name}(), or end it with `return True`."
        error = PluginLoadError(
            f"{plugin.label.capitalize()} refused to start: {name}() returned {plugin.outcome!r}.",
            stage=stage,
            where=where,
            why=why,
            fix=fix,
            plugin=plugin.name,
        )
        error.__cause__ = cause.error if cause is not None else None
        return error

    def _missed(self, plugin: Loaded, since: int) -> list[str]:
        lines: dict[str, None] = {}
        for record in self._kernel.journal.since(since):
            if record_of(record, plugin.name):
                if isinstance(record, ServiceLookup):
                    lines[f"service {record.name!r}"] = None
                elif isinstance(record, Query):
                    lines[_asked(record)] = None
        for key in sorted(getattr(getattr(plugin.instance, "config", None), "missed", ())):
            lines[f"configuration key {key!r}"] = None
        return list(lines)


def _asked(query: Query) -> str:
    if query.operation == "find_one" or query.operation.startswith("find_one_and_"):
        return f"a document of the collection {query.key!r}"
    return f"key {query.key!r} of the database"


def record_of(record: object, plugin: str) -> bool:
    """Say whether a record is of something that a plugin looked for and did not find."""
    return isinstance(record, ServiceLookup | Query) and not record.found and record.plugin == plugin


def _hook_of(plugin: Loaded, name: str) -> object:
    """Return a plugin's hook as it was written, for its place."""
    if plugin.instance is None:
        return None
    return own_method(plugin, name) if name in {"initialize", "shutdown"} else getattr(plugin.instance, name, None)


def _not_async(plugin: Loaded, stage: str, name: str, method: object) -> PluginLoadError:
    return PluginLoadError(
        f"{plugin.label.capitalize()}: {name}() is not async.",
        stage=stage,
        where=of_callable(method),
        why="it was called and returned something that cannot be awaited",
        fix=f"Write `async def {name}`.",
        plugin=plugin.name,
    )
