"""The core of the framework, by the names that plugins import."""

from __future__ import annotations

from ..records import EventPriority
from .adapter import DatabaseAdapter
from .database import get_db
from .event import Event
from .events import EventBus
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
