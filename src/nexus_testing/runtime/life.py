"""The steps of one plugin's life, from its hooks to its routes, and the way back when a step fails."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..errors import DrainTimeout, PluginLoadError, PluginUnloadError, ScheduleError
from ..findings import find
from ..locations import of_callable
from ..nexus.context import Activity, activity
from . import routes, serving
from .capabilities import check_described
from .declared import findings_of_features, findings_of_tasks
from .importer import finder
from .loaded import own_method
from .migrations import Migrations
from .stages import LogWatch
from .states import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from fastapi import FastAPI

    from ..errors import NexusTestingError
    from ..nexus.handles import Handle
    from ..nexus.kernel import Kernel
    from .loaded import Loaded
    from .owner import Owner
    from .stages import Stages

__all__ = ("Life",)


class Life:
    """Takes the plugins of one app through their steps. Its coroutines run in the app's owner task.

    Args:
        kernel: The app's parts.
        fastapi_app: Where routes are mounted.
        owner: The task in which plugins live.
        stages: What runs hooks.
        drain_limit: Seconds that events may take to come to rest.
    """

    def __init__(
        self, kernel: Kernel, fastapi_app: FastAPI, owner: Owner, stages: Stages, drain_limit: float | None
    ) -> None:
        self._kernel = kernel
        self._fastapi = fastapi_app
        self._owner = owner
        self._drain_limit = drain_limit
        self.stages = stages
        self.migrations = Migrations(kernel, stages)
        self.loaded: dict[str, Loaded] = {}
        self.failed: dict[str, State] = {}

    async def prepare(self, plugin: Loaded) -> None:
        """Run what comes before the initialisation: on_discover, on_validate, on_load, the schema, the migrations.

        Args:
            plugin: The plugin.

        Raises:
            PluginLoadError: If one of them fails.
        """
        stages = self.stages
        plugin.changes = self._kernel.db.watch(plugin.name)
        with stages.stage(plugin, "Validation"):
            described = await stages.hook(plugin, "Validation", "on_discover")
            check_described(plugin, described, self._is_there)
            with LogWatch() as watch:
                since = self.seq()
                plugin.outcome = await stages.hook(plugin, "Validation", "on_validate")
            if plugin.outcome is False:
                raise stages.refused(plugin, "Validation", "on_validate", watch.seen, since)
        with stages.stage(plugin, "Loading"):
            await stages.hook(plugin, "Loading", "on_load")
            await self._apply_schema(plugin)
            await self.migrations.apply(plugin)
        plugin.state = State.PREPARED

    def _is_there(self, name: str) -> bool:
        lifecycle = self._kernel.lifecycle
        return name in self._kernel.service_registry or (
            lifecycle is not None and lifecycle.version_of(name) is not None
        )

    async def _apply_schema(self, plugin: Loaded) -> None:
        async def schema() -> Any:
            return plugin.instance.get_database_schema()

        described = await self.stages.call(plugin, "Loading", "get_database_schema", schema)
        await self._kernel.db.apply_schema(plugin.name, described or {}, plugin.changes)

    def seq(self) -> int:
        """Return a number that stands between what was recorded and what will be."""
        return self._kernel.journal.next_seq()

    async def initialize(self, plugin: Loaded) -> None:
        """Run on_initialize, then the initialisation proper.

        Args:
            plugin: The plugin.

        Raises:
            PluginLoadError: If one of them fails or returns False.
        """
        stages = self.stages
        with stages.stage(plugin, "Initialization"):
            for name in ("on_initialize", "initialize"):
                since = self.seq()
                with LogWatch() as watch:
                    if name == "initialize":
                        outcome = await stages.call(plugin, "Initialization", name, own_method(plugin, name))
                    else:
                        outcome = await stages.hook(plugin, "Initialization", name)
                self.judge(plugin, name, outcome, watch, since)
        plugin.state = State.INITIALIZED

    def judge(self, plugin: Loaded, name: str, outcome: object, watch: LogWatch, since: int) -> None:
        """Refuse a hook's False, and report initialize()'s None.

        Args:
            plugin: The plugin.
            name: The hook's name.
            outcome: What it returned.
            watch: What was logged while it ran.
            since: The number of the journal's last record before it ran.

        Raises:
            PluginLoadError: If the hook returned False.
        """
        plugin.outcome = outcome
        if outcome is None and name == "initialize":
            self._kernel.report(
                find(
                    "NX101",
                    f"{plugin.label}: initialize() returned None, which the published framework takes for a refusal.",
                    plugin=plugin.name,
                    where=of_callable(type(plugin.instance).initialize),
                )
            )
        elif outcome is not None and not outcome:
            raise self.stages.refused(plugin, "Initialization", name, watch.seen, since)

    async def activate(self, plugin: Loaded) -> None:
        """Mount the plugin's routes, start its tasks, run on_enable.

        Args:
            plugin: The plugin.

        Raises:
            PluginLoadError: If one of them fails.
        """
        with self.stages.stage(plugin, "Active"):
            others = [other for other in self.loaded.values() if other is not plugin]
            with self.stages.acting(plugin):
                routes.mount(self._fastapi, plugin, others)
                serving.serve(self._fastapi, plugin)
            self._kernel.task_manager.activate(plugin.name)
            await self.stages.hook(plugin, "Active", "on_enable")
            plugin.instance.initialized = True
            plugin.state = State.ACTIVE
        for finding in findings_of_features(plugin, self._kernel.owned_by(plugin.name)):
            self._kernel.report(finding)
        if plugin.changes is not None:
            plugin.changes.keep()
            plugin.changes = None
        self.announce("plugin.loaded", plugin)

    @asynccontextmanager
    async def undone_on_failure(self, plugin: Loaded) -> AsyncIterator[None]:
        """Leave nothing of a plugin behind if the block fails.

        Args:
            plugin: The plugin.
        """
        __tracebackhide__ = True
        try:
            yield
        except BaseException as error:
            await self.undo(plugin, error)
            raise

    async def undo(self, plugin: Loaded, error: BaseException, *, tell: bool = True) -> None:
        """Tell a plugin of its failure, and remove all that its load has brought about.

        That is what it registered, what its schema made and what it wrote, the modules that were imported for it, and
        the plugins that were loaded for it and for nobody else.

        Args:
            plugin: The plugin.
            error: Why it failed.
            tell: Whether it is a hook of the plugin that failed.
        """
        if tell and isinstance(error, Exception):
            await self._tell(plugin, error)
        await self.clean(plugin, failed=True)
        if plugin.changes is not None:
            plugin.changes.revert()
            plugin.changes = None
        plugin.state = self.failed[plugin.name] = State.FAILED
        self.announce("plugin.error", plugin, error=error)
        if plugin.folder is not None:
            finder.forget_since(plugin.last_module, plugin.folder)
        await self._withdraw(plugin, error)

    async def _withdraw(self, plugin: Loaded, error: BaseException) -> None:
        """Unload the plugins that were loaded for another one that failed, the last first."""
        for name in reversed(plugin.brought):
            other = self.loaded.get(name)
            if other is None or any(name in one.requires for one in self.loaded.values()):
                continue
            try:
                await self.shut_down(other)
            except PluginUnloadError as second:
                error.add_note(f"Plugin {name!r}, which was loaded for it, failed in turn: {second}")
            await self._withdraw(other, error)

    async def _tell(self, plugin: Loaded, error: Exception) -> None:
        """Run on_error with what the plugin itself raised; its own failure is a note on that."""
        raised = error.__cause__ if isinstance(error, PluginLoadError) and error.__cause__ is not None else error
        try:
            await self.stages.hook(plugin, "Loading", "on_error", raised)
        except PluginLoadError as second:
            error.add_note(f"on_error() failed in turn: {second}")

    # -- the end ----------------------------------------------------------------------------------------------------

    async def shut_down(self, plugin: Loaded) -> None:
        """Shut a plugin down and remove all of it but its data.

        Args:
            plugin: The plugin.

        Raises:
            PluginUnloadError: If it raised or hung; it is removed all the same.
        """
        stages = self.stages

        async def attempt(step: Awaitable[Any], errors: list[NexusTestingError]) -> None:
            try:
                await step
            except (PluginLoadError, DrainTimeout, ScheduleError) as error:
                errors.append(error)

        with stages.stage(plugin, "Shutdown") as errors:
            if plugin.state is State.ACTIVE:
                await attempt(self.disable(plugin), errors)
            await attempt(self.drain(), errors)
            await attempt(stages.hook(plugin, "Shutdown", "on_shutdown"), errors)
            await attempt(stages.call(plugin, "Shutdown", "shutdown", own_method(plugin, "shutdown")), errors)
            await attempt(self.drain(), errors)
        await self.clean(plugin, failed=False)
        with stages.stage(plugin, "Unloaded") as late:
            await attempt(stages.hook(plugin, "Unloaded", "on_unload"), late)
        errors += late
        plugin.state = State.UNLOADED
        plugin.instance.initialized = False
        self.announce("plugin.unloaded", plugin)
        if errors:
            raise _unload_error(plugin, errors)

    async def drain(self) -> None:
        """Let events come to rest, unless one of their handlers asked for this."""
        doing = activity.get()
        if not self._kernel.event_bus.idle and (doing is None or doing.kind not in {"handler", "job", "request"}):
            await self._owner.shelter(self._kernel.event_bus.drain(self._drain_limit))

    async def disable(self, plugin: Loaded) -> None:
        """Run on_disable, stop the plugin's tasks, take its routes off.

        Args:
            plugin: The plugin.

        Raises:
            PluginLoadError: If the hook fails; the rest is done all the same.
        """
        try:
            await self.stages.hook(plugin, "Disabled", "on_disable")
        finally:
            try:
                await self._kernel.task_manager.stop(plugin.name)
            finally:
                self._take_off(plugin)

    def _take_off(self, plugin: Loaded) -> None:
        routes.unmount(self._fastapi, plugin)
        serving.withdraw(self._fastapi, plugin)

    async def clean(self, plugin: Loaded, *, failed: bool) -> None:
        """Remove what the plugin registered."""
        self._take_off(plugin)
        if failed:
            for handle in plugin.early:
                handle()
        if self.loaded.get(plugin.name, plugin) is not plugin:
            # What is registered under the name belongs to the other one that has it.
            return
        await self._kernel.task_manager.stop(plugin.name)
        left = self._kernel.owned_by(plugin.name)
        if not failed:
            self._report(plugin, left)
        for handle in left:
            handle()
        if self.loaded.get(plugin.name) is plugin:
            del self.loaded[plugin.name]

    def _report(self, plugin: Loaded, left: list[Handle]) -> None:
        """Report what stands out at the end of a plugin: what it did not use, and what it left."""
        report = self._kernel.report
        for finding in self._kernel.permissions.findings_of(plugin.name):
            report(finding)
        # A task may have come after the plugin became active.
        for finding in findings_of_tasks(plugin, left):
            report(finding)
        for handle in left:
            text = f"{plugin.label} did not release its {handle.kind} {handle.name!r}."
            report(find("NX106", text, plugin=plugin.name, where=handle.where))

    def announce(self, name: str, plugin: Loaded, error: BaseException | None = None) -> None:
        """Publish the news of a plugin.

        Args:
            name: The event's name.
            plugin: The plugin.
            error: What went wrong, if the news is that.
        """
        data = {"plugin_id": plugin.name}
        if error is not None:
            cause = error.__cause__ or error
            data["error"] = next(iter(str(cause).splitlines()), type(cause).__name__)
            data["stage"] = getattr(error, "stage", "")
        token = activity.set(Activity("host", self._kernel))
        try:
            self._kernel.event_bus.publish_now(name, data, source="PluginManager")
        finally:
            activity.reset(token)


def _unload_error(plugin: Loaded, errors: list[NexusTestingError]) -> PluginUnloadError:
    first = errors[0]
    error = PluginUnloadError(
        first.what,
        where=first.where,
        why="\n".join([first.why, *(other.what for other in errors[1:])]).strip(),
        fix=first.fix,
        plugin=plugin.name,
    )
    causes = [one.__cause__ for one in errors if isinstance(one.__cause__, Exception)]
    error.__cause__ = (
        causes[0] if len(causes) == 1 else ExceptionGroup(f"shutdown of {plugin.name}", causes) if causes else None
    )
    return error
