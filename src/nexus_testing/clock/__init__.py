"""The clock port: what time it is, and how to wait; real, or virtual."""

from __future__ import annotations

from .port import Clock
from .real import RealClock
from .virtual import Pending, VirtualClock, current

__all__ = ("Clock", "Pending", "RealClock", "VirtualClock", "current")
