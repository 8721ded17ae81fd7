"""Ways to run a plugin, behind one protocol."""

from __future__ import annotations

from .protocol import Backend, Limits

__all__ = ("Backend", "Limits")
