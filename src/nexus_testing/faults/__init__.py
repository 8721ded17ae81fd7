"""Faults: what a test has go wrong at the ports of an app, and the layer that lies over them for that."""

from __future__ import annotations

from .faults import Faults
from .gate import PortCall

__all__ = ("Faults", "PortCall")
