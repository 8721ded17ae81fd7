"""The test harness for plugins of Nexus."""

from __future__ import annotations

__all__ = (
    "App",
    "EventAssertionError",
    "NexusTestingError",
    "PerformanceTest",
    "PluginLoadError",
    "PluginTestCase",
    "WebSocketClosed",
    "WebSocketRejected",
    "__version__",
    "budget",
    "create_test_app",
    "install",
)

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._version import __version__
    from .app import App, create_test_app
    from .case import PluginTestCase
    from .errors import (
        EventAssertionError,
        NexusTestingError,
        PluginLoadError,
        WebSocketClosed,
        WebSocketRejected,
    )
    from .namespace import install
    from .performance.budgets import budget
    from .performance_case import PerformanceTest

_HOMES = {
    "App": "app",
    "EventAssertionError": "errors",
    "NexusTestingError": "errors",
    "PerformanceTest": "performance_case",
    "PluginLoadError": "errors",
    "PluginTestCase": "case",
    "WebSocketClosed": "errors",
    "WebSocketRejected": "errors",
    "__version__": "_version",
    "budget": "performance.budgets",
    "create_test_app": "app",
    "install": "namespace",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(f".{home}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
