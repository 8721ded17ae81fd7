"""Real servers, behind the same ports as the fakes."""

from __future__ import annotations

__all__ = ()
