"""The service alone, on a repository that is a mock."""

from __future__ import annotations

from unittest.mock import AsyncMock, Mock

import pytest
from hello_plugin.services import GreetingService, PhraseRepository, UnknownLanguage


@pytest.fixture
def phrases() -> Mock:
    """A repository that knows one phrase, whatever the language."""
    return Mock(spec=PhraseRepository, get=AsyncMock(return_value={"text": "Ahoj, {name}!"}))


@pytest.fixture
def service(phrases: Mock) -> GreetingService:
    """The service on that repository."""
    return GreetingService(phrases)


async def test_the_name_goes_into_the_phrase(service: GreetingService, phrases: Mock) -> None:
    """A greeting is the phrase of the language, with the name filled in."""
    assert await service.greet("Jana", "cs") == "Ahoj, Jana!"
    phrases.get.assert_awaited_once_with("cs")


async def test_an_unknown_language_is_an_error(service: GreetingService, phrases: Mock) -> None:
    """A language without a phrase is refused by its code."""
    phrases.get.return_value = None
    with pytest.raises(UnknownLanguage, match="'tlh'"):
        await service.greet("Worf", "tlh")
