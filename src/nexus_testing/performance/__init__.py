"""Load on plugins, in process: driving, measuring, judging. Each part is a module of its own."""

from __future__ import annotations

__all__ = ()
