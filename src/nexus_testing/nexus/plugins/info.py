"""Facts about a plugin."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ("HealthStatus", "PluginInfo", "PluginMetadata")


class PluginInfo(BaseModel):
    """What a plugin says of itself."""

    model_config = ConfigDict(extra="allow")

    name: str
    display_name: str = ""
    version: str = "1.0.0"
    description: str = ""
    author: str = ""
    category: str = ""
    license: str = "MIT"
    homepage: str | None = None
    repository: str | None = None
    dependencies: dict[str, list[str]] = Field(default_factory=dict)
    permissions: list[str] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)
    enabled: bool = True
    loaded: bool = False
    health: str = "unknown"


class PluginMetadata(PluginInfo):
    """What a plugin says of itself, in the longer form that the published framework also knows."""

    email: str = ""
    documentation: str = ""
    min_nexus_version: str = "1.0.0"
    max_nexus_version: str | None = None
    config_schema: dict[str, Any] = Field(default_factory=dict)


class HealthStatus(BaseModel):
    """How a plugin is."""

    healthy: bool = True
    message: str = "Plugin is running"
    timestamp: datetime = Field(default_factory=lambda: datetime.now(UTC).replace(tzinfo=None))
    components: dict[str, dict[str, Any]] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
