"""Greetings, and the phrases that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nexus.core import DatabaseAdapter


class UnknownLanguage(LookupError):
    """There is no phrase in that language."""


class PhraseRepository:
    """Reads phrases from the database."""

    def __init__(self, db: DatabaseAdapter) -> None:
        self._db = db

    async def get(self, language: str) -> dict[str, Any] | None:
        """Return the phrase of a language, by the language's code."""
        phrase: dict[str, Any] | None = await self._db.get(f"phrases.{language}")
        return phrase


class GreetingService:
    """Makes greetings."""

    def __init__(self, phrases: PhraseRepository) -> None:
        self._phrases = phrases

    async def greet(self, name: str, language: str = "en") -> str:
        """Return a greeting.

        Raises:
            UnknownLanguage: If there is no phrase in that language.
        """
        phrase = await self._phrases.get(language)
        if phrase is None:
            raise UnknownLanguage(f"no phrase in {language!r}")
        return str(phrase["text"]).replace("{name}", name)
