"""Collections of documents, held in memory by mongomock, which is imported when the first of them is touched."""

from __future__ import annotations

from .history import History, Snapshot, Versions
from .store import DocumentStore, Image, Index, KeyId

__all__ = ("DocumentStore", "History", "Image", "Index", "KeyId", "Snapshot", "Versions")
