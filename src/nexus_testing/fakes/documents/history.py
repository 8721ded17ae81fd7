"""What stood where before it was overwritten, for as long as somebody still reads the time before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from ...locations import Location

__all__ = ("ABSENT", "History", "Snapshot", "Versions")

ABSENT: Any = object()
"""What stands where nothing does."""


class Snapshot:
    """A moment that somebody reads. Close it, or everything that is overwritten is kept.

    Args:
        history: Whose moment it is.
        where: The line that began the transaction that reads it, if one does.
    """

    __slots__ = ("_history", "version", "where")

    def __init__(self, history: History, where: Location | None = None) -> None:
        self._history = history
        self.where = where
        self.version = history.version
        history.open.append(self)

    def close(self) -> None:
        """Read that moment no more. The second time does nothing."""
        if self in self._history.open:
            self._history.open.remove(self)
            if not self._history.open:
                self._history.forget()

    def rewind(self) -> None:
        """Forget what was written since, which was put back, and every moment after this one."""
        history = self._history
        history.open = history.open[: history.open.index(self) + 1]
        for versions in history.all():
            versions.forget_since(self)


class History:
    """Counts the writes of one database. Lives as long as the database.

    While no snapshot is open, a write costs one addition here.
    """

    __slots__ = ("_all", "open", "version")

    def __init__(self) -> None:
        self.version = 0
        self.open: list[Snapshot] = []
        self._all: WeakSet[Versions] = WeakSet()

    def versions(self) -> Versions:
        """Return what remembers the writes to one place, such as a collection."""
        made = Versions(self)
        self._all.add(made)
        return made

    def snapshot(self, where: Location | None = None) -> Snapshot:
        """Return this moment, to be closed.

        Args:
            where: The line that began the transaction that reads it, if one does.
        """
        return Snapshot(self, where)

    def unended(self) -> list[Location]:
        """Return the lines that began the transactions that were not ended."""
        return [snapshot.where for snapshot in self.open if snapshot.where is not None]

    def all(self) -> list[Versions]:
        """Return what remembers writes, of each place."""
        return list(self._all)

    def forget(self) -> None:
        """Forget what nobody reads any more."""
        for versions in self._all:
            versions.entries.clear()


class Versions:
    """What stood under the keys of one place.

    Args:
        history: Whose place it is.
    """

    __slots__ = ("__weakref__", "_history", "entries")

    def __init__(self, history: History) -> None:
        self._history = history
        self.entries: dict[Any, list[tuple[int, Any]]] = {}

    def note(self, key: Any, before: Any) -> None:
        """Remember what is about to be overwritten.

        Args:
            key: Where it stands.
            before: What stands there, or ABSENT. It is kept as it is, so nobody may change it.
        """
        history = self._history
        history.version += 1
        if history.open:
            self.entries.setdefault(key, []).append((history.version, before))

    def at(self, key: Any, snapshot: Snapshot, current: Any) -> Any:
        """Return what stood under a key at some moment.

        Args:
            key: The key.
            snapshot: The moment.
            current: What stands there now.
        """
        for version, before in self.entries.get(key, ()):
            if version > snapshot.version:
                return before
        return current

    def changed(self, snapshot: Snapshot) -> dict[Any, Any]:
        """Return what stood under each key that was written since some moment.

        Args:
            snapshot: The moment.
        """
        found = {}
        for key, entries in self.entries.items():
            for version, before in entries:
                if version > snapshot.version:
                    found[key] = before
                    break
        return found

    def forget_since(self, snapshot: Snapshot) -> None:
        """Forget the writes since some moment.

        Args:
            snapshot: The moment.
        """
        for key, entries in list(self.entries.items()):
            left = [one for one in entries if one[0] <= snapshot.version]
            if left:
                self.entries[key] = left
            else:
                del self.entries[key]
