"""A real Redis, of which each app has a database to itself."""

from __future__ import annotations

from .store import RedisServer

__all__ = ("RedisServer",)
