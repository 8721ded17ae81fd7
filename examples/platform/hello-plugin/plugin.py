"""The plugin: what it offers, and what it needs for that."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, status
from nexus.plugins import BasePlugin

from .greeting import Greetings, UnknownLanguage


class HelloPlugin(BasePlugin):
    """Greets people in their own language."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "hello_plugin"
        self.category = "business"
        self.version = "0.1.0"

    async def initialize(self) -> bool:
        """Take the database, without asking it anything: as shipped, it is connected later."""
        self.greetings = Greetings(self.db_adapter)
        self.initialized = True
        return True

    async def shutdown(self) -> None:
        """Hold nothing that would have to be released."""
        self.initialized = False

    def get_api_routes(self) -> list[APIRouter]:
        """Return the routes."""
        router = APIRouter(prefix="/hello", tags=["hello"])

        @router.get("/{name}")
        async def hello(name: str, language: str = "en") -> dict[str, str]:
            try:
                message = await self.greetings.greet(name, language)
            except UnknownLanguage as error:
                raise HTTPException(status.HTTP_404_NOT_FOUND, str(error)) from error
            await self.publish_event("hello.said", {"name": name})
            return {"message": message}

        return [router]

    def get_database_schema(self) -> dict[str, Any]:
        """Declare nothing: keys and values need no schema."""
        return {}
