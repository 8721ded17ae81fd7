"""The migrations of plugins: files of their folder `migrations`, each run once, in the order of their numbers."""

from __future__ import annotations

import functools
import importlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import PluginLoadError, did_you_mean
from .importer import finder
from .states import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..nexus.kernel import Kernel
    from .loaded import Loaded
    from .stages import Stages

__all__ = ("Migrations",)

_FILE = re.compile(r"(?P<number>\d+)_\w+")
_SHAPE = "async def {}(db): ..."


class _Migration(NamedTuple):
    number: int
    path: Path

    @property
    def name(self) -> str:
        return self.path.stem


class Migrations:
    """Brings the data of one app's plugins from one form to another, and back.

    What was applied is recorded in the database, so a reload does not run it again.

    Args:
        kernel: The app's parts.
        stages: What runs them as the plugin's own code.
    """

    def __init__(self, kernel: Kernel, stages: Stages) -> None:
        self._kernel = kernel
        self._stages = stages

    async def apply(self, plugin: Loaded) -> None:
        """Run what was not run yet, as a part of a load, which takes it back if it fails.

        Args:
            plugin: The plugin.

        Raises:
            PluginLoadError: If a migration fails, or the files cannot be what they say.
        """
        if plugin.folder is None or not (plugin.folder / "migrations").is_dir():
            return
        for migration in self._pending(plugin, self._found(plugin)):
            await self._up(plugin, migration)
            changes = plugin.changes
            if changes is not None:
                changes.undo_later(functools.partial(self._applied(plugin).remove, migration.name))

    async def move(self, plugin: Loaded, target: str | None) -> list[str]:
        """Run what leads to a migration, up or down, each of them whole or not at all.

        Args:
            plugin: The plugin.
            target: The last migration that is to be applied: its name or number; "0" for none, None for all.

        Returns:
            The names of those that were run, in that order.

        Raises:
            PluginLoadError: If a migration fails, or there is none of that name.
        """
        found = self._found(plugin)
        last = self._number(plugin, found, target)
        applied = self._applied(plugin)
        down = [one for one in reversed(found) if one.name in applied and one.number > last]
        up = [one for one in self._pending(plugin, found) if one.number <= last]
        for migration, step in [*((one, self._down) for one in down), *((one, self._up) for one in up)]:
            changes = self._kernel.db.watch(plugin.name)
            try:
                await step(plugin, migration)
            except BaseException:
                changes.revert()
                raise
            changes.keep()
        return [one.name for one in [*down, *up]]

    # -- the files -----------------------------------------------------------------------------------------------

    def _found(self, plugin: Loaded) -> list[_Migration]:
        folder = plugin.folder / "migrations" if plugin.folder is not None else None
        found: dict[int, _Migration] = {}
        for path in sorted(folder.glob("*.py")) if folder is not None else ():
            if not path.name[0].isdigit():
                continue
            match = _FILE.fullmatch(path.stem)
            if match is None:
                raise self._wrong(
                    plugin, path, "has no name that a migration can have", "Call it like 001_initial.py, in \\w only."
                )
            migration = _Migration(int(match["number"]), path)
            if migration.number == 0:
                raise self._wrong(plugin, path, "has the number 0, which stands for none", "Begin with 001.")
            other = found.setdefault(migration.number, migration)
            if other is not migration:
                raise self._wrong(
                    plugin, path, f"has the number of {other.path.name}", "Give one of them a number of its own."
                )
        return [found[number] for number in sorted(found)]

    def _pending(self, plugin: Loaded, found: list[_Migration]) -> list[_Migration]:
        applied = self._applied(plugin)
        last = max((one.number for one in found if one.name in applied), default=0)
        pending = [one for one in found if one.name not in applied]
        if pending and pending[0].number < last:
            raise self._wrong(
                plugin,
                pending[0].path,
                f"comes too late: {applied[-1]} was applied before it was there",
                f"Give it a number greater than {last}.",
            )
        return pending

    def _number(self, plugin: Loaded, found: list[_Migration], target: str | None) -> int:
        if target is None:
            return found[-1].number if found else 0
        if target.isdecimal() and int(target) == 0:
            return 0
        for one in found:
            if target == one.name or (target.isdecimal() and int(target) == one.number):
                return one.number
        names = [one.name for one in found]
        raise PluginLoadError(
            f"{plugin.label.capitalize()} has no migration {target!r}.",
            stage=_stage(plugin),
            why=f"there are {', '.join(names) or 'none'}",
            fix=did_you_mean(target, names) or "Name one of these, or pass 0 to take all of them back.",
            plugin=plugin.name,
        )

    # -- running them --------------------------------------------------------------------------------------------

    def _applied(self, plugin: Loaded) -> list[str]:
        return self._kernel.db.migrations.setdefault(plugin.name, [])

    async def _up(self, plugin: Loaded, migration: _Migration) -> None:
        await self._run(plugin, migration, "upgrade")
        self._applied(plugin).append(migration.name)

    async def _down(self, plugin: Loaded, migration: _Migration) -> None:
        await self._run(plugin, migration, "downgrade")
        self._applied(plugin).remove(migration.name)

    async def _run(self, plugin: Loaded, migration: _Migration, direction: str) -> None:
        name = f"{migration.name}.{direction}"

        with self._stages.acting(plugin):
            function = self._function(plugin, migration, direction)
        await self._stages.call(plugin, _stage(plugin), name, function, self._kernel.db)

    def _function(self, plugin: Loaded, migration: _Migration, direction: str) -> Callable[[Any], Any]:
        assert plugin.site is not None  # noqa: S101 - it has a folder
        module = f"{finder.add(plugin.site)}.migrations.{migration.name}"
        try:
            function: Any = getattr(importlib.import_module(module), direction, None)
        except Exception as error:
            raise self._wrong(
                plugin, migration.path, f"cannot be imported: {type(error).__name__}: {error}", "Mend the file."
            ) from error
        if not callable(function):
            raise self._wrong(plugin, migration.path, f"has no {direction}()", f"Write {_SHAPE.format(direction)}")
        return function  # type: ignore[no-any-return]

    @staticmethod
    def _wrong(plugin: Loaded, path: Path, what: str, fix: str) -> PluginLoadError:
        return PluginLoadError(
            f"{plugin.label.capitalize()}: the migration {path.name} {what}.",
            stage=_stage(plugin),
            where=str(path),
            fix=fix,
            plugin=plugin.name,
        )


def _stage(plugin: Loaded) -> str:
    return "Migration" if plugin.state in {State.ACTIVE, State.DISABLED} else "Loading"
