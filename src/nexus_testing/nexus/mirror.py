"""What stands on a real database as far as this process knows, and how that differs from what stands in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bson.errors import BSONError

from ..errors import DataError
from ..locations import caller
from ..servers.database import Entry, Key
from .kept import kinds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .database import MemoryDatabase
    from .kept import Kept

__all__ = ("Changes", "Mirror")

_ABSENT: Any = object()


class _Held(NamedTuple):
    what: Any
    entry: Entry


class Changes(NamedTuple):
    """What the database has to be told."""

    written: dict[tuple[str, str, Any], _Held]
    gone: dict[tuple[str, str, Any], Key]

    def __bool__(self) -> bool:
        return bool(self.written or self.gone)


class Mirror:
    """Knows what the database holds. What stands in memory is never changed in place, only replaced.

    Args:
        database: Where the data stands in memory.
    """

    def __init__(self, database: MemoryDatabase) -> None:
        self._history = database.keyspace.documents.history
        self._kinds: dict[str, Kept] = {one.name: one for one in kinds(database)}
        self._held: dict[tuple[str, str], dict[Any, _Held]] = {}
        self._seen = 0
        self._last = 0
        self.revision = -1
        """The revision that is known; -1 for none."""

    @property
    def pending(self) -> bool:
        """Whether anything was written of which the database was not told."""
        return self._history.version != self._seen

    def changes(self) -> Changes:
        """Return how memory differs from what the database holds.

        Raises:
            DataError: If something cannot be kept there.
        """
        found = Changes({}, {})
        left = dict(self._held)
        for kind in self._kinds.values():
            for collection, here, places in kind.now():
                held = left.pop((kind.name, collection), {})
                for local, what in here.items():
                    known = held.get(local)
                    place = places.get(local) if kind.places else None
                    if known is None or known.what is not what or place not in {None, known.entry.place}:
                        self._compare(found, kind, (kind.name, collection, local), what, place)
                for local in held.keys() - here.keys():
                    found.gone[kind.name, collection, local] = held[local].entry.key
        for (name, collection), held in left.items():
            for local, known in held.items():
                found.gone[name, collection, local] = known.entry.key
        return found

    def _compare(self, found: Changes, kind: Kept, at: tuple[str, str, Any], what: Any, place: int | None) -> None:
        name, collection, local = at
        known = self._held.get((name, collection), {}).get(local)
        try:
            packed = kind.pack(local, what)
        except (BSONError, OverflowError, RecursionError, TypeError, ValueError) as error:
            raise DataError(
                f"{local!r} cannot be kept on a real database.",
                where=caller(),
                why=f"{type(error).__name__}: {error}",
                fix="Store what BSON knows, under keys and fields without NUL.",
            ) from error
        if place is None:
            if known is None:
                self._last += 1
            place = known.entry.place if known is not None else self._last
        entry = Entry(Key(name, collection, packed.id), place, packed.derived, packed.body)
        if known is None or known.entry != entry:
            found.written[at] = _Held(what, entry)
        else:
            self._held[name, collection][local] = _Held(what, entry)

    def accept(self, changes: Changes, revision: int) -> None:
        """Know that the database was told.

        Args:
            changes: What it was told.
            revision: Its revision since.
        """
        for (name, collection, local), held in changes.written.items():
            self._held.setdefault((name, collection), {})[local] = held
        for name, collection, local in changes.gone:
            self._held[name, collection].pop(local, None)
        self._seen = self._history.version
        self.revision = revision

    def take(self, entries: Iterable[Entry], revision: int) -> None:
        """Take in what others wrote. What was written here, and not told yet, stays.

        Args:
            entries: All that the database holds.
            revision: Its revision.
        """
        pending = self.changes() if self.pending else Changes({}, {})
        owed = {held.entry.key: place[2] for place, held in pending.written.items()}
        owed |= {key: place[2] for place, key in pending.gone.items()}
        known = {held.entry.key: (local, held) for group in self._held.values() for local, held in group.items()}
        for entry in entries:
            self._last = max(self._last, entry.place)
            local, held = known.pop(entry.key, (_ABSENT, None))
            if entry.key in owed:
                local, what = owed[entry.key], _ABSENT
            elif held is None or held.entry != entry:
                local, what = self._kinds[entry.key.kind].put(entry)
            else:
                continue
            self._held.setdefault(entry.key[:2], {})[local] = _Held(what, entry)
        for key, (local, _) in known.items():
            if key not in owed:
                self._kinds[key.kind].remove(key.collection, local)
            del self._held[key[:2]][local]
        self.revision = revision
        if not pending:
            self._seen = self._history.version

    def undo(self) -> None:
        """Make memory what the database holds, since it could not be told."""
        here = {(kind.name, name): dict(locals_) for kind in self._kinds.values() for name, locals_, _ in kind.now()}
        for (name, collection), locals_ in here.items():
            for local in locals_.keys() - self._held.get((name, collection), {}).keys():
                self._kinds[name].remove(collection, local)
        for place, held in self._held.items():
            for local, known in list(held.items()):
                if here.get(place, {}).get(local, _ABSENT) is not known.what:
                    held[local] = _Held(self._kinds[place[0]].put(known.entry)[1], known.entry)
        self._seen = self._history.version
