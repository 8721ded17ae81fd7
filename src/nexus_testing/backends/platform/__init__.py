"""Plugins on the installed nexus-platform: the only place that knows the real framework, imported inside functions."""

from __future__ import annotations

from .backend import PlatformBackend
from .gate import SUPPORTED, prefetch

__all__ = ("SUPPORTED", "PlatformBackend", "prefetch")
