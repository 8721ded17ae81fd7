"""What pytest loads at its start: as little as possible."""

from __future__ import annotations

import sys
from typing import Any

from pluggy import HookimplMarker

__all__ = ("pytest_addoption",)

hookimpl = HookimplMarker("pytest")

_OURS = "nexus-testing"


@hookimpl
def pytest_addoption(parser: Any, pluginmanager: Any) -> None:  # noqa: ARG001 - pytest's signature
    """Bring in the pytest side, unless a namesake has taken its place."""
    from .namespace import NAMESAKE, namesake

    folder = namesake()
    if folder is not None:
        raise sys.modules["pytest"].UsageError(
            f"{_OURS} and the unrelated distribution {NAMESAKE!r} both install the module pytest_nexus, in {folder}.\n"
            f"fix: pip uninstall {NAMESAKE}, then pip install --force-reinstall --no-deps {_OURS}"
        )
    # respx would import httpx into every run of everybody; our fixture of the same name does so when it is used.
    if not pluginmanager.has_plugin("respx"):
        pluginmanager.set_blocked("respx")
    from pytest_nexus import plugin

    pluginmanager.register(plugin, "nexus_testing.hooks")
