"""The in-memory Nexus: what plugins import as ``nexus`` where the real framework is not installed."""

from __future__ import annotations

__all__ = ("__version__",)

__version__ = "1.0.0"
