"""Stand-ins for what lies outside a plugin: one outside thing per module, and none imports another."""

from __future__ import annotations

__all__ = ()
