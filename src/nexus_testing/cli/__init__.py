"""The command ``nexus-testing``: one module for each of its commands."""

from __future__ import annotations

from .commands import main

__all__ = ("main",)
