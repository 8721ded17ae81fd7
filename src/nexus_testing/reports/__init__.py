"""What a run of tests came to, in forms that others read."""

from __future__ import annotations

__all__ = ()
