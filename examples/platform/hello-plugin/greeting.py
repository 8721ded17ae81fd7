"""Greetings, and the phrases that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexus.core import DatabaseAdapter

PHRASES = {"cy": "Shwmae, {name}!", "en": "Hello, {name}!"}


class UnknownLanguage(LookupError):
    """There is no phrase in that language."""


class Greetings:
    """Makes greetings of the phrases that came with the plugin, and of those in the database."""

    def __init__(self, db: DatabaseAdapter) -> None:
        self._db = db

    async def greet(self, name: str, language: str = "en") -> str:
        """Return a greeting, or raise UnknownLanguage."""
        phrase = await self._db.get(f"phrases:{language}", PHRASES.get(language))
        if phrase is None:
            raise UnknownLanguage(f"no phrase in {language!r}")
        return str(phrase).replace("{name}", name)
