"""The kinds of plugin. Each is a BasePlugin that knows its category."""

from __future__ import annotations

from .base import BasePlugin

__all__ = (
    "AnalyticsPlugin",
    "BusinessPlugin",
    "IntegrationPlugin",
    "NotificationPlugin",
    "SecurityPlugin",
    "StoragePlugin",
    "UIPlugin",
    "WorkflowPlugin",
)


class BusinessPlugin(BasePlugin):
    """Business logic."""

    _nexus_category = "business"


class IntegrationPlugin(BasePlugin):
    """A connection to something outside."""

    _nexus_category = "integration"


class AnalyticsPlugin(BasePlugin):
    """Analysis and reports."""

    _nexus_category = "analytics"


class UIPlugin(BasePlugin):
    """Something to look at."""

    _nexus_category = "ui"


class SecurityPlugin(BasePlugin):
    """Protection."""

    _nexus_category = "security"


class NotificationPlugin(BasePlugin):
    """Messages to people."""

    _nexus_category = "notification"


class StoragePlugin(BasePlugin):
    """A place for data."""

    _nexus_category = "storage"


class WorkflowPlugin(BasePlugin):
    """Steps that follow each other."""

    _nexus_category = "workflow"
