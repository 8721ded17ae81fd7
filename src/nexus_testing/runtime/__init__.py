"""Drives plugins through their lives: finding them, importing them, starting, mounting and stopping them."""

from __future__ import annotations

__all__ = ()
