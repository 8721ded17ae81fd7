"""The layer over the ports of an app: it is put over a port when the first fault is about it, and taken off again."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from ..nexus.spies import stand_for
from .collections import Collection
from .covers import covered, covered_now
from .operations import PORTS, port_of
from .transactions import Transaction
from .transit import on_the_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..nexus.kernel import Kernel
    from ..runtime.stages import Stages
    from .gate import Gate

__all__ = ("Layer",)

_KEYED = ("get", "set", "update", "delete", "exists", "list_keys", "clear", "health_check")
_CACHED = ("get", "set", "delete", "exists", "get_or_set", "clear", "keys", "ttl")


class Layer:
    """What lies over the ports of one app while there are faults; without it a call costs what it costs.

    It is laid over the objects that there are, so that they stay what they are: plugins have them already.

    Args:
        gate: Where calls pass.
        kernel: The app's ports.
        stages: What runs hooks.
    """

    def __init__(self, gate: Gate, kernel: Kernel, stages: Stages) -> None:
        self._gate = gate
        self._kernel = kernel
        self._stages = stages
        self._over: set[str] = set()
        self._undo: list[Callable[[], None]] = []

    def put_over(self, operations: Iterable[str]) -> None:
        """Lay it over the ports that some operations are of.

        Args:
            operations: The operations, or patterns of them.
        """
        for operation in operations:
            port = port_of(operation)
            for one in PORTS if "*" in port or "?" in port else (port,):
                if one not in self._over:
                    self._over.add(one)
                    getattr(self, f"_over_{one}")()

    def take_off(self) -> None:
        """Leave the ports as they were."""
        self._over.clear()
        undo, self._undo = self._undo, []
        for step in reversed(undo):
            step()

    def _lay(self, port: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Put something over one method of a port."""
        own = vars(port)
        before = own.get(name)
        laid = own[name] = make(getattr(port, name))

        def lift() -> None:
            if own.get(name) is laid:
                if before is None:
                    del own[name]
                else:
                    own[name] = before

        self._undo.append(lift)

    def _over_db(self) -> None:
        db, gate = self._kernel.db, self._gate
        for name in _KEYED:
            self._lay(db, name, functools.partial(covered, gate, f"db.{name}"))

        def transaction(method: Callable[..., Any]) -> Callable[..., Any]:
            return functools.wraps(method)(lambda: Transaction(gate, db, method()))

        def collection(method: Callable[..., Any]) -> Callable[..., Any]:
            return functools.wraps(method)(lambda name: Collection(gate, method(name), name))

        self._lay(db, "transaction", transaction)
        self._lay(db, "collection", collection)

    def _over_cache(self) -> None:
        root = self._kernel.cache_manager
        views = root._views
        for one in (root, *views.values()):
            self._over_one_cache(one)

        def for_plugin(method: Callable[[str], Any]) -> Callable[[str], Any]:
            @functools.wraps(method)
            def call(name: str) -> Any:
                known = name in views
                view = method(name)
                if not known:
                    self._over_one_cache(view)
                return view

            return call

        self._lay(root, "for_plugin", for_plugin)

    def _over_one_cache(self, cache: Any) -> None:
        for name in _CACHED:
            self._lay(cache, name, functools.partial(covered, self._gate, f"cache.{name}"))

    def _over_events(self) -> None:
        bus, gate = self._kernel.event_bus, self._gate
        self._lay(bus, "publish", functools.partial(covered, gate, "events.publish"))
        for name in ("publish_now", "subscribe", "once", "unsubscribe"):
            self._lay(bus, name, functools.partial(covered_now, gate, f"events.{name}"))
        held: list[Any] = []

        def put_back() -> None:
            for _, _, item in held:
                bus._queues[item[0].priority].appendleft(item)
            held.clear()

        self._undo.append(put_back)
        self._lay(bus, "_next", functools.partial(on_the_way, gate, bus, held))

    def _over_services(self) -> None:
        registry, gate = self._kernel.service_registry, self._gate
        known: dict[int, tuple[Any, Any]] = {}

        def get(method: Callable[..., Any]) -> Callable[..., Any]:
            asked = covered_now(gate, "services.get", method)

            @functools.wraps(method)
            def call(name: str, version: str | None = None) -> Any:
                service = asked(name, version)
                if service is None:
                    return None
                found = known.get(id(service))
                if found is None or found[0] is not service:
                    found = known[id(service)] = (service, stand_for(service, functools.partial(self._called, name)))
                return found[1]

            return call

        self._lay(registry, "get", get)
        self._lay(registry, "register", functools.partial(covered_now, gate, "services.register"))

    def _called(self, service: str, method: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a service's method behind the gate."""
        cover = covered if inspect.iscoroutinefunction(function) else covered_now
        return cover(self._gate, f"services.{service}.{method}", function, key="")

    def _over_tasks(self) -> None:
        manager, gate = self._kernel.task_manager, self._gate
        self._lay(manager, "register_task", functools.partial(covered_now, gate, "tasks.register_task"))

        def run(method: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(method)
            def call(task: Any) -> Any:
                return gate.passed(gate.call("tasks.run", task.name), functools.partial(method, task))

            return call

        self._lay(manager, "handle", run)

    def _over_lifecycle(self) -> None:
        gate = self._gate

        def call(method: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(method)
            def run(plugin: Any, stage: str, name: str, hook: Callable[..., Any], *args: object) -> Any:
                @functools.wraps(hook)
                def faulty(*given: object) -> Any:
                    asked = gate.call(f"lifecycle.{name}", plugin.name, plugin.name)
                    acting = gate.acting(asked)
                    if not acting:
                        return hook(*given)
                    return gate.broken(acting, asked, functools.partial(hook, *given))

                return method(plugin, stage, name, faulty, *args)

            return run

        self._lay(self._stages, "call", call)
