"""The clock port: what time it is, and how to wait."""

from __future__ import annotations

from .port import Clock
from .real import RealClock

__all__ = ("Clock", "RealClock")
