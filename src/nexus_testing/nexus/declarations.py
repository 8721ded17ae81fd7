"""Collections that schemas declared, made real when the first of them is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..fakes.documents import DocumentStore, Index
    from .schema import CollectionSchema

__all__ = ("Declarations",)


class _Owned(NamedTuple):
    spec: Index
    plugin: str


class _Waiting(NamedTuple):
    plugin: str
    document: dict[str, Any]


class _Declared:
    """What was said of one collection, and how much of it the store knows already."""

    __slots__ = ("built", "given", "indexes", "inserted", "plugins", "waiting")

    def __init__(self) -> None:
        self.plugins: list[str] = []
        self.indexes: dict[tuple[str, ...], _Owned] = {}
        self.built: dict[tuple[str, ...], tuple[Index, str]] = {}
        self.waiting: list[_Waiting] = []
        self.given: list[dict[str, Any]] = []
        self.inserted: list[_Waiting] = []

    @property
    def stale(self) -> bool:
        """Whether the store has to be told something."""
        return bool(self.waiting) or {fields: owned.spec for fields, owned in self.indexes.items()} != {
            fields: index for fields, (index, _) in self.built.items()
        }

    def join(self, plugin: str, schema: CollectionSchema) -> dict[tuple[str, ...], _Owned | None]:
        """Add a plugin's indexes and return what was there in their places."""
        before: dict[tuple[str, ...], _Owned | None] = {}
        for index in schema.indexes:
            owned = self.indexes.get(index.fields)
            if owned is not None and owned.spec != index and owned.plugin != plugin:
                raise DataError(
                    f"The collection {schema.name!r} cannot have a {index} for {plugin!r} and a {owned.spec} for "
                    f"{owned.plugin!r}.",
                    where="get_database_schema()",
                    fix="Declare the index alike in both plugins, or in one of them only.",
                    plugin=plugin,
                )
            if owned is None or owned.spec != index:
                before[index.fields] = owned
        self.indexes.update({one.fields: _Owned(one, plugin) for one in schema.indexes if one.fields in before})
        return before

    def part(self, before: dict[tuple[str, ...], _Owned | None]) -> None:
        """Put back what was there before `join`."""
        for fields, owned in before.items():
            if owned is None:
                self.indexes.pop(fields, None)
            else:
                self.indexes[fields] = owned

    def copy(self) -> _Declared:
        """Return one that is told nothing of what this one is told from now on."""
        made = _Declared()
        made.become(self)
        return made

    def become(self, other: _Declared) -> None:
        """Know what another one knows, and nothing else."""
        for name in self.__slots__:
            value = getattr(other, name)
            setattr(self, name, value.copy())


class Declarations:
    """Knows the declared collections of one store. Lives as long as its database.

    Args:
        store: Where the documents are.
    """

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._known: dict[str, _Declared] = {}
        self.remembered: dict[str, list[dict[str, Any]]] = {}
        """What an earlier app gave the collections of this database, by name."""

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def names(self) -> list[str]:
        """Return the names of the declared collections."""
        return list(self._known)

    def waiting(self) -> bool:
        """Say whether there are documents that the store does not have yet."""
        return any(declared.waiting for declared in self._known.values())

    def given(self) -> dict[str, list[dict[str, Any]]]:
        """Return the documents that the store was given once and is not to be given again, by collection."""
        found = {name: list(documents) for name, documents in self.remembered.items()}
        for name, declared in self._known.items():
            waiting = [one.document for one in declared.waiting]
            given = found.setdefault(name, [])
            given += [one for one in declared.given if one not in waiting and one not in given]
        return {name: documents for name, documents in found.items() if documents}

    def built(self, name: str) -> set[str]:
        """Return the names of the indexes that a collection has because they were declared.

        Args:
            name: The collection's name.
        """
        declared = self._known.get(name)
        return {made for _, made in declared.built.values()} if declared is not None else set()

    def declare(self, plugin: str, schema: CollectionSchema) -> Callable[[], None]:
        """Make a collection known.

        Its indexes join those that it has; its documents are inserted once, unless their id is there already.

        Args:
            plugin: Who declares it.
            schema: What it says.

        Returns:
            What undoes it.

        Raises:
            DataError: If another plugin declared one of the indexes differently.
        """
        name = schema.name
        existed = name in self._known or name in self._store
        declared = self._known.get(name) or _Declared()
        before = declared.join(plugin, schema)
        before_that = self.remembered.get(name, ())
        fresh = [one for one in schema.documents if one not in declared.given and one not in before_that]
        declared.given += fresh
        declared.waiting += [_Waiting(plugin, document) for document in fresh]
        declared.plugins.append(plugin)
        self._known[name] = declared

        def undo() -> None:
            declared.plugins.remove(plugin)
            if not existed and not declared.plugins:
                self._known.pop(name, None)
                self._store.drop(name)
                return
            declared.part(before)
            for document in fresh:
                self._withdraw(name, declared, _Waiting(plugin, document))
            if self._store.opened:
                self._build(name, declared)
            if not declared.plugins:
                self._known.pop(name, None)

        return undo

    def _withdraw(self, name: str, declared: _Declared, given: _Waiting) -> None:
        declared.given.remove(given.document)
        if given in declared.waiting:
            declared.waiting.remove(given)
            return
        if given not in declared.inserted:
            return
        declared.inserted.remove(given)
        own = _id_of(given.document)
        if own is not None:
            self._store.remove(name, own)
        else:
            self._store.remove_like(name, given.document)

    def checkpoint(self) -> Callable[[], None]:
        """Return what makes those collections known again that are known now, and no others."""
        known = {name: (declared, declared.copy()) for name, declared in self._known.items()}

        def go_back() -> None:
            self._known = {name: declared for name, (declared, _) in known.items()}
            for declared, before in known.values():
                declared.become(before)

        return go_back

    def forget_waiting(self) -> None:
        """Give up the documents that the store does not have yet."""
        for declared in self._known.values():
            declared.waiting.clear()

    def settle_all(self) -> None:
        """Make the store know what was declared of every collection, as far as the documents allow it."""
        self._store.open()
        for name, declared in self._known.items():
            if declared.stale:
                try:
                    self._build(name, declared)
                except DataError:
                    # It stays stale, so whoever touches that collection is told.
                    continue

    def settle(self, name: str) -> None:
        """Make the store know what was declared of a collection.

        Args:
            name: The collection that is about to be touched.

        Raises:
            DataError: If documents that are there do not allow it.
        """
        if not self._store.opened:
            # All of them, since an aggregation may look into a collection that nobody touches by name.
            self.settle_all()
        declared = self._known.get(name)
        if declared is not None and declared.stale:
            self._build(name, declared)

    def _build(self, name: str, declared: _Declared) -> None:
        for fields, (index, made) in list(declared.built.items()):
            owned = declared.indexes.get(fields)
            if owned is None or owned.spec != index:
                self._store.unindex(name, made)
                del declared.built[fields]
        plugin = None
        try:
            for fields, (index, owner) in declared.indexes.items():
                if fields not in declared.built:
                    plugin = owner
                    declared.built[fields] = (index, self._store.index(name, index))
            while declared.waiting:
                waiting = declared.waiting[0]
                plugin = waiting.plugin
                own = _id_of(waiting.document)
                if own is None or self._store.find(name, own) is None:
                    self._store.insert_unseen(name, waiting.document, key=f"initial_data.{name}")
                    declared.inserted.append(waiting)
                del declared.waiting[0]
        except DataError as error:
            error.plugin = error.plugin or plugin
            raise


def _id_of(document: dict[str, Any]) -> str | None:
    own = document.get("_id", document.get("id"))
    return str(own) if own is not None else None
