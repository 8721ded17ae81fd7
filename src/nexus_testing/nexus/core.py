"""The core of the framework, by the names that plugins import."""

from __future__ import annotations

from .database import DatabaseAdapter, get_db
from .events import Event, EventBus, EventPriority
from .manager import PluginManager, PluginStatus
from .plugins.info import PluginInfo
from .services import ServiceRegistry
from .transactions import TransactionContext

__all__ = (
    "DatabaseAdapter",
    "Event",
    "EventBus",
    "EventPriority",
    "PluginInfo",
    "PluginManager",
    "PluginStatus",
    "ServiceRegistry",
    "TransactionContext",
    "get_db",
)
