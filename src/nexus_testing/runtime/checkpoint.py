"""Going back to what an app was like before a test, for those that share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import LifecycleError
from ..findings import find
from ..locations import of_callable
from ..nexus.checkpoints import Checkpoint
from .own_state import changed, own_state

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..nexus.kernel import Kernel
    from .life import Life

__all__ = ("AppCheckpoint",)


class AppCheckpoint:
    """An app as it was when this was made. Its coroutine runs in the app's owner task.

    Args:
        kernel: The app's parts.
        life: What holds its plugins.
        fastapi_app: Where dependencies are overridden.
    """

    def __init__(self, kernel: Kernel, life: Life, fastapi_app: FastAPI) -> None:
        self._kernel = kernel
        self._life = life
        self._fastapi = fastapi_app
        self._overrides = dict(fastapi_app.dependency_overrides)
        self._plugins = {name: (plugin, plugin.instance, plugin.state) for name, plugin in life.loaded.items()}
        self._checkpoint = Checkpoint(kernel)
        self._states = {name: own_state(plugin) for name, plugin in life.loaded.items()}

    def close(self) -> None:
        """Remember no more what is overwritten."""
        self._checkpoint.close()

    async def go_back(self, by: str = "") -> None:
        """Let events come to rest, and take back what was done since; report what cannot be.

        Args:
            by: What did it, for the messages: "the test x".

        Raises:
            LifecycleError: If plugins were unloaded, disabled or reloaded.
        """
        life = self._life
        await life.drain()
        by = by or "the test"
        for name in [one for one in reversed(life.loaded) if one not in self._plugins]:
            await life.shut_down(life.loaded[name])
        moved = [
            name
            for name, (plugin, instance, state) in self._plugins.items()
            if life.loaded.get(name) is not plugin or plugin.instance is not instance or plugin.state is not state
        ]
        self._kernel.db.report_unended()
        self._report_late(by)
        self._report_own(by, moved)
        await self._checkpoint.go_back()
        overrides = self._fastapi.dependency_overrides
        overrides.clear()
        overrides.update(self._overrides)
        if moved:
            raise LifecycleError(
                f"{by[0].upper()}{by[1:]} left plugin {moved[0]!r} unloaded, disabled or reloaded, "
                "in an app that other tests share.",
                why="data can be taken back, and that cannot",
                fix="Use the fixture nexus_app there: an app of the test's own.",
                plugin=moved[0],
            )

    def _report_late(self, by: str) -> None:
        for handle in self._checkpoint.late():
            if handle.plugin is None:
                text = f"{by} left its {handle.kind} {handle.name!r} in an app that other tests share."
                self._kernel.report(find("NX108", text, where=handle.where))

    def _report_own(self, by: str, moved: list[str]) -> None:
        for name, (plugin, instance, _) in self._plugins.items():
            if name in moved:
                continue
            state = own_state(plugin)
            places = changed(self._states[name], state)
            self._states[name] = state
            if places:
                text = f"{plugin.label} keeps state of its own, which {by} changed: {', '.join(places)}."
                self._kernel.report(find("NX107", text, plugin=name, where=of_callable(type(instance))))
