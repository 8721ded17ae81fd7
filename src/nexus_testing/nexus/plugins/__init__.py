"""What a plugin derives from, and the words that it describes itself with."""

from __future__ import annotations

from ...errors import (
    PluginConfigurationError,
    PluginDependencyError,
    PluginError,
    PluginInitializationError,
)
from .base import BasePlugin
from .categories import (
    AnalyticsPlugin,
    BusinessPlugin,
    IntegrationPlugin,
    NotificationPlugin,
    SecurityPlugin,
    StoragePlugin,
    UIPlugin,
    WorkflowPlugin,
)
from .hooks import (
    PluginLifecycle,
    plugin_hook,
    requires_dependency,
    requires_permission,
)
from .info import HealthStatus, PluginInfo, PluginMetadata

__all__ = (
    "AnalyticsPlugin",
    "BasePlugin",
    "BusinessPlugin",
    "HealthStatus",
    "IntegrationPlugin",
    "NotificationPlugin",
    "PluginConfigurationError",
    "PluginDependencyError",
    "PluginError",
    "PluginInfo",
    "PluginInitializationError",
    "PluginLifecycle",
    "PluginMetadata",
    "SecurityPlugin",
    "StoragePlugin",
    "UIPlugin",
    "WorkflowPlugin",
    "plugin_hook",
    "requires_dependency",
    "requires_permission",
)
