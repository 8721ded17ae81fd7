"""The plugin: what it offers, and what it needs for that."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, status
from nexus.plugins.categories import BusinessPlugin

from .services import GreetingService, PhraseRepository, UnknownLanguage


class HelloPlugin(BusinessPlugin):
    """Greets people in their own language. Its name and version are the manifest's."""

    greetings: GreetingService

    async def initialize(self) -> bool:
        """Make the service, on the database that the framework gave us."""
        self.greetings = GreetingService(PhraseRepository(self.db))
        self.logger.info("ready to greet")
        return True

    async def shutdown(self) -> None:
        """Hold nothing that would have to be released."""
        self.logger.info("no more greetings")

    def get_api_routes(self) -> list[APIRouter]:
        """Return the routes, mounted at /api/hello_plugin."""
        router = APIRouter(tags=["hello"])

        @router.get("/hello/{name}")
        async def hello(name: str, language: str = "en") -> dict[str, str]:
            try:
                return {"message": await self.greetings.greet(name, language)}
            except UnknownLanguage as error:
                raise HTTPException(status.HTTP_404_NOT_FOUND, str(error)) from error

        return [router]

    def get_database_schema(self) -> dict[str, Any]:
        """Declare the phrases, and bring a few along."""
        return {
            "collections": {"phrases": {"indexes": [{"field": "language", "unique": True}]}},
            "initial_data": {
                "phrases": [
                    {"id": "cy", "language": "Welsh", "text": "Shwmae, {name}!"},
                    {"id": "en", "language": "English", "text": "Hello, {name}!"},
                ]
            },
        }
