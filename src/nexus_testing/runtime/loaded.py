"""What the runtime knows of one plugin."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from ..nexus.plugins.base import name_of_class
from .states import State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from ..errors import PluginLoadError
    from ..manifest import Manifest
    from ..nexus.changes import Changes
    from ..nexus.handles import Handle
    from .discovery import Site
    from .routes import Mounted

__all__ = ("RECORD", "Loaded", "own_method")

RECORD = "_nexus_record"
"""The attribute of an instance that holds what is known of it."""


class Loaded:
    """One plugin of an app: where it comes from, its instance, and what has been done for it.

    Args:
        site: Where it is, if it is in a folder of its own.
        manifest: What its manifest says, if it has one.
    """

    def __init__(self, site: Site | None, manifest: Manifest | None) -> None:
        self.site = site
        self.manifest = manifest
        self.cls: type | None = None
        self.instance: Any = None
        self.host: Any = None
        self.state = State.NEW
        self.routes: list[Any] = []
        self.mounted: list[Mounted] = []
        self.served: list[BaseRoute] = []
        self.check: Handle | None = None
        self.stack: ASGIApp | None = None
        self.changes: Changes | None = None
        self.given: Mapping[str, Any] = {}
        self.by_author = False
        self.outcome: object = True
        self.refusal: PluginLoadError | None = None
        self.requires: list[str] = []
        self.brought: list[str] = []
        self.last_module = next(reversed(sys.modules))
        self.early: list[Handle] = []
        self._name: str | None = None

    @property
    def name(self) -> str:
        """The plugin's name: fixed once it is loaded, what it says itself until then."""
        if self._name is not None:
            return self._name
        if self.instance is not None:
            return str(getattr(self.instance, "name", None) or type(self.instance).__name__)
        if self.site is not None:
            return self.site.name
        return name_of_class(self.cls) if self.cls is not None else "?"

    def fix_name(self) -> None:
        """Let the name be what the plugin says now, also for what it registered before it said it."""
        self._name = self.name
        for handle in self.early:
            handle.plugin = self._name

    def continuing(self, begun: Loaded) -> Loaded:
        """Take over what was found out before there was an instance, and return the record.

        Args:
            begun: What was known until then.
        """
        self.site, self.manifest = begun.site or self.site, begun.manifest or self.manifest
        self.requires, self.brought = begun.requires, begun.brought
        self.last_module, self.early = begun.last_module, begun.early
        return self

    @property
    def folder(self) -> Path | None:
        """The plugin's folder."""
        return self.site.folder if self.site is not None else None

    @property
    def label(self) -> str:
        """How messages speak of it."""
        return f"plugin {self.name!r}"


def own_method(plugin: Loaded, name: str) -> Any:
    """Return a plugin's own initialize() or shutdown(), past what the host put before it for authors who call it.

    Args:
        plugin: The plugin.
        name: The method's name.
    """
    before = plugin.instance.__dict__.get(name)
    if before is None or (isinstance(before, functools.partial) and plugin in before.args):
        return getattr(type(plugin.instance), name).__get__(plugin.instance)
    return before
