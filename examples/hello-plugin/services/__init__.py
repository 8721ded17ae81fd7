"""What the plugin does, apart from the framework."""

from __future__ import annotations

from .greeting import GreetingService, PhraseRepository, UnknownLanguage

__all__ = ["GreetingService", "PhraseRepository", "UnknownLanguage"]
