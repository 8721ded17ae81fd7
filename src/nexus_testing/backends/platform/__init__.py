"""Plugins on the installed nexus-platform: the only place that knows the real framework, imported inside functions."""

from __future__ import annotations

from .backend import PlatformBackend
from .dialect import explain_import
from .gate import SUPPORTED, prefetch

__all__ = ("SUPPORTED", "PlatformBackend", "explain_import", "prefetch")
