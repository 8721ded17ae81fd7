"""What the code of plugins may do, after their manifests: asked at the ports that they do it through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import PermissionDenied
from ..findings import Refuted, find
from ..locations import caller
from ..manifest.positions import locate
from ..records import Refused
from .context import who

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ..findings import Finding
    from ..locations import Location
    from .kernel import Kernel

__all__ = ("ALWAYS", "QUERIES", "WHERE_NAMED", "PermissionUse", "Permissions")

ALWAYS = {
    "database.read": "read from the database",
    "database.write": "write to the database",
    "events.publish": "publish events",
    "events.subscribe": "subscribe to events",
    "api.register": "have routes",
    "ui.register": "have parts of the user interface",
}
"""What a manifest with the key "permissions" has to name, and what it lets a plugin do."""

WHERE_NAMED = {"services.register": "register services", "cache": "use the cache", "tasks": "have background tasks"}
"""What a manifest has to name only if it names one of these."""

QUERIES = {
    "get": "database.read",
    "exists": "database.read",
    "list_keys": "database.read",
    "set": "database.write",
    "update": "database.write",
    "delete": "database.write",
    "clear": "database.write",
}
"""What the database is asked by keys, and the permission for it."""


class PermissionUse(NamedTuple):
    """What a plugin's manifest asks for, against what the plugin did in one app; names in alphabetical order."""

    declared: tuple[str, ...]
    used: tuple[str, ...]
    unused: tuple[str, ...]
    denied: tuple[str, ...]
    enforced: bool


class _Rule:
    """One plugin's permissions."""

    __slots__ = ("_listed", "active", "declared", "denied", "enforced", "manifest", "used")

    def __init__(self, declared: Iterable[str], manifest: Path | None) -> None:
        self._listed = tuple(declared)
        self.declared = frozenset(self._listed)
        self.enforced = ALWAYS.keys() | (WHERE_NAMED.keys() if self.declared & WHERE_NAMED.keys() else set())
        self.manifest = manifest
        self.used: set[str] = set()
        self.denied: set[str] = set()
        self.active = False

    def place(self, permission: str | None = None) -> Location | None:
        """Return where the manifest lists its permissions, or one of them."""
        if self.manifest is None:
            return None
        return locate(self.manifest, "permissions", *([self._listed.index(permission)] if permission else []))


class Permissions:
    """Knows what each plugin of an app may do, and what it did. Lives as long as its app.

    The ports have it as their `guard` from when the first plugin with permissions comes, so that it costs nothing
    before. Code is that of the plugin whose hook, handler, job or route is running; a test's own is never denied.

    Args:
        kernel: The app that it belongs to.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._rules: dict[str, _Rule] = {}

    def declare(self, plugin: str, declared: Iterable[str] | None, manifest: Path | None = None) -> None:
        """Hold a plugin to its manifest from now on; a later declaration takes the place of an earlier.

        Args:
            plugin: The plugin's name.
            declared: What its manifest lists under "permissions"; None if it has no such key, which allows all.
            manifest: The manifest's file.
        """
        if declared is None:
            self._rules.pop(plugin, None)
            return
        before = self._rules.get(plugin)
        rule = self._rules[plugin] = _Rule(declared, manifest)
        if before is not None and before.declared == rule.declared:
            rule.used, rule.denied = before.used, before.denied
        kernel = self._kernel
        for port in (
            kernel.db,
            kernel.event_bus,
            kernel.service_registry,
            kernel.cache_manager,
            kernel.task_manager,
        ):
            port.guard = self

    def check(self, permission: str) -> None:
        """Let the code that is running do something, unless it is a plugin's that may not.

        Args:
            permission: The name of the permission for it.

        Raises:
            PermissionDenied: If it may not.
        """
        plugin = who()
        if plugin is not None:
            self.require(permission, plugin, caller)

    def check_query(self, operation: str) -> None:
        """Let the running code ask the database something.

        Args:
            operation: What is asked.

        Raises:
            PermissionDenied: If it may not.
        """
        permission = QUERIES.get(operation)
        if permission is not None:
            self.check(permission)

    def require(self, permission: str, plugin: str, where: Any = None) -> None:
        """Let a plugin have something done for it, whoever does it.

        Args:
            permission: The name of the permission for it.
            plugin: The plugin's name.
            where: The line that it is about, or what returns it.

        Raises:
            PermissionDenied: If it may not.
        """
        rule = self._rules.get(plugin)
        if rule is None:
            return
        if permission in rule.declared:
            rule.used.add(permission)
        elif permission in rule.enforced:
            rule.denied.add(permission)
            place = where() if callable(where) else where
            journal = self._kernel.journal
            journal.append(Refused(journal.next_seq(), self._kernel.clock.time(), plugin, permission, place))
            raise _denied(plugin, permission, rule, place)

    def activated(self, plugin: str) -> None:
        """Remember that a plugin became active, so that what it does not use counts.

        Args:
            plugin: The plugin's name.
        """
        rule = self._rules.get(plugin)
        if rule is not None:
            rule.active = True

    def use_of(self, plugin: str) -> PermissionUse:
        """Return what a plugin declared and did.

        Args:
            plugin: The plugin's name.
        """
        rule = self._rules.get(plugin)
        if rule is None:
            return PermissionUse((), (), (), (), enforced=False)
        declared, used, unused, denied = map(sorted, (rule.declared, rule.used, rule.declared - rule.used, rule.denied))
        return PermissionUse(tuple(declared), tuple(used), tuple(unused), tuple(denied), enforced=True)

    def findings_of(self, plugin: str) -> Iterator[Finding]:
        """Return the permissions that a plugin declared and, though it was active, did not use.

        Args:
            plugin: The plugin's name.
        """
        rule = self._rules.get(plugin)
        if rule is None or not rule.active:
            return
        for permission in sorted(rule.declared):
            if permission not in ALWAYS and permission not in WHERE_NAMED:
                continue
            text = f"plugin {plugin!r} declares the permission {permission!r}, which it did not use."
            if permission in rule.used:
                # One test needs one part of a plugin, another the rest.
                self._kernel.refuted.add(Refuted("NX611", plugin, text))
            else:
                yield find("NX611", text, plugin=plugin, where=rule.place(permission))


def _denied(plugin: str, permission: str, rule: _Rule, where: Location | None) -> PermissionDenied:
    does = (ALWAYS | WHERE_NAMED)[permission]
    line = rule.place()
    named = ", ".join(f'"{name}"' for name in [*sorted(rule.declared), permission])
    return PermissionDenied(
        f"Plugin {plugin!r} may not {does}: its manifest does not name the permission {permission!r}.",
        permission=permission,
        where=where,
        why=f"it names {', '.join(map(repr, sorted(rule.declared))) or 'none'}" + (f", at {line}" if line else ""),
        fix=f'Write in its manifest:\n    "permissions": [{named}]',
        plugin=plugin,
    )
