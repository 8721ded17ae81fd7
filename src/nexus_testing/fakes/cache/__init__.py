"""A Redis server in memory, played by fakeredis, which is imported when the cache is first used."""

from __future__ import annotations

from .store import CacheServer

__all__ = ("CacheServer",)
