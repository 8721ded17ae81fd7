"""Frozen facts of what happened to a plugin under test, and the one journal that holds them in order."""

from __future__ import annotations

import difflib
import enum
import itertools
from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from .errors import LifecycleAssertionError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .findings import Finding
    from .locations import Location

__all__ = (
    "CacheCall",
    "Delivered",
    "EventPriority",
    "FaultHit",
    "FindingMade",
    "JobRun",
    "Journal",
    "LifecycleStep",
    "Outbound",
    "Published",
    "Query",
    "Record",
    "Refused",
    "Request",
    "ServiceCall",
    "ServiceLookup",
    "ServiceRegistered",
)


class EventPriority(enum.Enum):
    """How urgent an event is; the more urgent is delivered first."""

    LOW = 1
    NORMAL = 5
    HIGH = 10
    CRITICAL = 20


class Published(NamedTuple):
    """An event was published. `at` is in seconds of the app's clock, as in every record.

    `caused_by` is the number at which the run of a handler or a job, or the request, began that published it.
    """

    seq: int
    at: float
    name: str
    data: Mapping[str, Any]
    source: str | None
    plugin: str | None
    correlation_id: str | None
    priority: EventPriority
    caused_by: int | None


class Delivered(NamedTuple):
    """A handler was run for an event. `duration` is in seconds of real time, as in every record.

    `published` is the number of the event, `begun` the journal's next number when the run began, and `where` the
    line of the user's code that raised.
    """

    seq: int
    at: float
    name: str
    published: int
    handler: str
    plugin: str | None
    where: Location | None
    duration: float
    error: BaseException | None
    begun: int


class LifecycleStep(NamedTuple):
    """A plugin took a step of its life. `outcome` is "ok" or "failed", `hooks` are those that ran in it."""

    seq: int
    at: float
    plugin: str
    stage: str
    outcome: str
    duration: float
    error: BaseException | None
    hooks: tuple[str, ...] = ()


class Request(NamedTuple):
    """The app answered a request. `status` is None where it raised before answering."""

    seq: int
    at: float
    method: str
    path: str
    status: int | None
    plugin: str | None
    duration: float
    correlation_id: str | None
    error: BaseException | None
    begun: int


class ServiceRegistered(NamedTuple):
    """A service was offered. `hidden` says whether a stand-in of the test's keeps others from getting it."""

    seq: int
    at: float
    name: str
    plugin: str | None
    version: str | None
    hidden: bool


class ServiceLookup(NamedTuple):
    """A service was asked for. `version` is the range of versions that would do, if one was named."""

    seq: int
    at: float
    name: str
    found: bool
    plugin: str | None
    version: str | None


class ServiceCall(NamedTuple):
    """A service with a spy on it was called. `arguments` are by the names of the parameters."""

    seq: int
    at: float
    name: str
    method: str
    arguments: Mapping[str, Any]
    result: Any
    plugin: str | None
    duration: float
    error: BaseException | None


class Outbound(NamedTuple):
    """Another machine was asked something, and a route of `nexus_http` answered; None for `status` if it raised."""

    seq: int
    at: float
    method: str
    url: str
    status: int | None
    plugin: str | None
    duration: float
    error: BaseException | None


class Query(NamedTuple):
    """The database was asked to do something."""

    seq: int
    at: float
    operation: str
    key: str
    found: bool
    plugin: str | None
    duration: float


class CacheCall(NamedTuple):
    """The cache was asked to do something; `hit` is None for what is no look-up."""

    seq: int
    at: float
    operation: str
    key: str
    hit: bool | None
    plugin: str | None


class JobRun(NamedTuple):
    """A background task ran once. `attempt` is 1, and more where a run that failed is tried again.

    What called `run_now` counts as its cause, and else what registered it, unless that was a hook.
    """

    seq: int
    at: float
    name: str
    plugin: str | None
    duration: float
    error: BaseException | None
    correlation_id: str | None
    begun: int
    caused_by: int | None
    attempt: int = 1


class Refused(NamedTuple):
    """A plugin was refused something that its manifest does not ask permission for."""

    seq: int
    at: float
    plugin: str
    permission: str
    where: Location | None


class FaultHit(NamedTuple):
    """A fault of `nexus_faults` happened to a call. `action` says what: "failed", "delayed", "cancelled", "dropped"."""

    seq: int
    at: float
    operation: str
    key: str
    action: str
    plugin: str | None
    where: Location | None


class FindingMade(NamedTuple):
    """Something was found that does not stop the test by itself."""

    seq: int
    at: float
    finding: Finding


Record: TypeAlias = (
    Published
    | Delivered
    | LifecycleStep
    | Request
    | ServiceRegistered
    | ServiceLookup
    | ServiceCall
    | Outbound
    | Query
    | CacheCall
    | JobRun
    | Refused
    | FaultHit
    | FindingMade
)
R = TypeVar(
    "R",
    Published,
    Delivered,
    LifecycleStep,
    Request,
    ServiceRegistered,
    ServiceLookup,
    ServiceCall,
    Outbound,
    Query,
    CacheCall,
    JobRun,
    Refused,
    FaultHit,
    FindingMade,
)


class Journal:
    """Everything that happened to one app, in order. Lives as long as the app's test."""

    __slots__ = ("_records", "append", "counts", "next_seq")

    append: Callable[[Record], None]
    """Add a record. Its number comes from `next_seq`."""

    next_seq: Callable[[], int]
    """Return the number of the next record."""

    def __init__(self) -> None:
        self._records: list[Record] | deque[Record] = []
        # Bound once: an event bus at full speed calls them a hundred thousand times a second.
        self.append = self._records.append
        self.next_seq = itertools.count(1).__next__
        self.counts: Counter[str] | None = None
        """How many records of each kind there were, while only the last are kept; else None."""

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(tuple(self._records))

    def __bool__(self) -> bool:
        return True

    def of(self, kind: type[R]) -> list[R]:
        """Return the records of one kind, in order.

        Args:
            kind: The class of the records.
        """
        return [record for record in self._records if isinstance(record, kind)]

    def lifecycle(self, plugin: str) -> list[LifecycleStep]:
        """Return the steps of one plugin's life, in order.

        Args:
            plugin: The plugin's name.
        """
        return [step for step in self.of(LifecycleStep) if step.plugin == plugin]

    def assert_lifecycle(self, expected: Sequence[str], plugin: str | None = None) -> None:
        """Check the steps of one plugin's life.

        Args:
            expected: The names of the steps, all of them and in order; one that fails is ``"Loading failed"``.
            plugin: The plugin's name; the only one that took a step by default.

        Raises:
            LifecycleAssertionError: If they were others.
        """
        __tracebackhide__ = True
        known = dict.fromkeys(step.plugin for step in self.of(LifecycleStep))
        if plugin is None and len(known) != 1:
            raise LifecycleAssertionError(
                f"{'Several plugins' if known else 'No plugin'} took steps, and none was named.",
                why=f"there are {', '.join(known)}" if known else "nothing was loaded",
                fix=f"Say whose: assert_lifecycle([…], {next(iter(known), 'my_plugin')!r}).",
            )
        plugin = plugin or next(iter(known))
        steps = self.lifecycle(plugin)
        actual = [step.stage if step.error is None else f"{step.stage} failed" for step in steps]
        if actual == list(expected):
            return
        lines = [*difflib.ndiff(list(expected), actual)]
        lines += [f"{step.stage} failed with {step.error!r}" for step in steps if step.error is not None]
        raise LifecycleAssertionError(
            f"Plugin {plugin!r} took other steps than expected." if steps else f"Plugin {plugin!r} took no step.",
            why="expected (-) and taken (+):\n" + "\n".join(lines),
            fix=did_you_mean(plugin, known) if not steps else "",
            plugin=plugin,
        )

    def checkpoint(self) -> Callable[[], None]:
        """Return what forgets all that is recorded from now on."""
        size = len(self._records)

        def go_back() -> None:
            while len(self._records) > size:
                self._records.pop()

        return go_back

    @contextmanager
    def ring(self, size: int, observe: Callable[[Record], None] | None = None) -> Iterator[Counter[str]]:
        """Keep the last records only, and count them all, for the length of a ``with`` block.

        What was recorded before stands in front of them again when the block is over.

        Args:
            size: How many to keep.
            observe: Called with each of them.

        Returns:
            How many records of each kind there were, by the name of their class.
        """
        before, append, counted = self._records, self.append, self.counts
        self._records = last = deque[Record](maxlen=size)
        counts: Counter[str] = Counter()
        self.counts = counts
        keep = last.append

        def count(record: Record) -> None:
            counts[type(record).__name__] += 1
            keep(record)
            if observe is not None:
                observe(record)

        self.append = count
        try:
            yield counts
        finally:
            before.extend(last)
            self._records, self.append, self.counts = before, append, counted

    def since(self, seq: int) -> list[Record]:
        """Return the records that came after a number.

        Args:
            seq: The number of a record.
        """
        return [record for record in self._records if record.seq > seq]

    def caused_by(self, record: Record) -> list[Record]:
        """Return what led to a record, nearest first.

        An event came of the run of a handler or a job, or of a request; the run of a handler of an event; and so on.

        Args:
            record: The record of an event, or of the run of a handler or a job.
        """
        begun = {one.begun: one for one in self._records if isinstance(one, Delivered | Request | JobRun)}
        events = {one.seq: one for one in self._records if isinstance(one, Published)}
        causes: list[Record] = []
        found: Record | None = record
        while True:
            if isinstance(found, Delivered):
                found = events.get(found.published)
            elif isinstance(found, Published | JobRun) and found.caused_by is not None:
                found = begun.get(found.caused_by)
            else:
                return causes
            if found is None:
                return causes
            causes.append(found)

    def clear(self) -> None:
        """Forget what happened; numbers go on."""
        self._records.clear()
