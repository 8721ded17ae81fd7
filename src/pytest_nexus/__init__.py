"""The pytest side of nexus-testing: pytest's words for the library's objects."""

from __future__ import annotations

__all__ = ()
