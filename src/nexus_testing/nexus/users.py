"""Users, tokens, and the dependencies that routes ask for them with."""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, HTTPException, status
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection  # noqa: TC002 - FastAPI reads annotations at run time

from ..errors import AuthError
from ..locations import caller
from .principals import ANONYMOUS, read_section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .kernel import Kernel

__all__ = (
    "Authentication",
    "User",
    "bearer_of",
    "get_current_user",
    "logged_in",
    "principal",
    "require_auth",
    "unauthorized",
    "user_of",
)


class User(BaseModel):
    """Somebody who uses the app."""

    id: str
    username: str = ""
    email: str = ""
    roles: list[str] = Field(default_factory=list)
    permissions: list[str] = Field(default_factory=list)
    is_active: bool = True

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody is logged in."""
        return self.id == ANONYMOUS

    def has_permission(self, permission: str) -> bool:
        """Say whether the user may do something; who has "admin" may do anything.

        Args:
            permission: The permission's name.
        """
        return permission in self.permissions or "admin" in self.permissions

    def has_role(self, role: str) -> bool:
        """Say whether the user has a role.

        Args:
            role: The role's name.
        """
        return role in self.roles


class Authentication:
    """Knows who holds which token, and until when. Lives as long as its app.

    Args:
        kernel: The app that it belongs to.

    Raises:
        ConfigurationError: If the app's section "auth" says something impossible.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._section = read_section(kernel.config.get("auth"))
        self._tokens: dict[str, tuple[User, float | None]] = {}

    def checkpoint(self) -> Callable[[], None]:
        """Return what leaves those logged in who are now."""
        tokens = dict(self._tokens)

        def go_back() -> None:
            self._tokens = dict(tokens)

        return go_back

    def login(self, user: User, expires_in: float | None = None) -> str:
        """Give a user a token and return it.

        Args:
            user: Who logs in.
            expires_in: For how many seconds of the app's clock the token holds; None for the section's
                `token_lifetime`, and for ever where that is not set.

        Raises:
            AuthError: If that is no number of seconds.
        """
        if expires_in is not None and (type(expires_in) not in {int, float} or not -math.inf < expires_in < math.inf):
            raise AuthError(
                f"{user.id!r} cannot be logged in for {expires_in!r} seconds.",
                where=caller(2),
                fix="expires_in=60, 0 for a token whose time is over, or None",
            )
        token = secrets.token_urlsafe(16)
        lifetime = self._section.token_lifetime if expires_in is None else expires_in
        self._tokens[token] = user, None if lifetime is None else self._kernel.clock.time() + lifetime
        return token

    def login_principal(self, name: str) -> str | None:
        """Give a ready principal a token and return it; None for the one who has none.

        Args:
            name: The principal's name.

        Raises:
            AuthError: If there is no such principal.
        """
        said = self._section.principal(name)
        if name == ANONYMOUS:
            return None
        return self.login(principal(name, said.roles, said.permissions), said.expires_in)

    def user_of(self, token: str) -> User | None:
        """Return who holds a token, unless its time is over.

        Args:
            token: The token.
        """
        user, end = self._tokens.get(token, (None, None))
        return user if end is None or self._kernel.clock.time() < end else None

    def knows(self, token: str) -> bool:
        """Say whether a token was given to somebody, be its time over or not.

        Args:
            token: The token.
        """
        return token in self._tokens


def principal(id: str, roles: Iterable[str] = (), permissions: Iterable[str] = ()) -> User:  # noqa: A002 - User's word
    """Make a user for a test.

    Args:
        id: The user's id; also the name and the start of the address.
        roles: The user's roles.
        permissions: What the user may do.
    """
    return User(id=id, username=id, email=f"{id}@example.com", roles=list(roles), permissions=list(permissions))


def unauthorized(detail: str, challenge: str = "Bearer") -> HTTPException:
    """Make the answer to somebody who has to log in.

    Args:
        detail: What is wrong.
        challenge: What the header `WWW-Authenticate` says.
    """
    return HTTPException(status.HTTP_401_UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})


def _header_of(scope: Mapping[str, Any]) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return str(value.decode("latin-1"))
    return ""


def bearer_of(scope: Mapping[str, Any]) -> str:
    """Return the token that a request or WebSocket brings, or an empty string.

    Args:
        scope: Its ASGI scope.
    """
    scheme, _, token = _header_of(scope).partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def user_of(scope: Mapping[str, Any]) -> User:
    """Return who makes a request; somebody with the id "anonymous" where nobody is logged in.

    Args:
        scope: The ASGI scope of the request or WebSocket.

    Raises:
        HTTPException: 401 if a token is given that nobody holds, or whose time is over.
    """
    if not _header_of(scope):
        return User(id=ANONYMOUS, username=ANONYMOUS)
    auth: Authentication = scope["app"].state.nexus.auth
    token = bearer_of(scope)
    user = auth.user_of(token)
    if user is None:
        detail = "Token expired" if auth.knows(token) else "Invalid authentication credentials"
        raise unauthorized(detail, 'Bearer error="invalid_token"')
    return user


async def get_current_user(connection: HTTPConnection) -> User:
    """Return who makes this request; somebody with the id "anonymous" where nobody is logged in.

    Args:
        connection: The request or WebSocket.

    Raises:
        HTTPException: 401 if a token is given that nobody holds, or whose time is over.
    """
    return user_of(connection.scope)


def logged_in(user: User) -> User:
    """Return a user who is logged in.

    Args:
        user: Who makes the request.

    Raises:
        HTTPException: 401 if nobody is logged in.
    """
    if user.is_anonymous:
        raise unauthorized("Not authenticated")
    return user


async def require_auth(user: Annotated[User, Depends(get_current_user)]) -> User:
    """Return who makes this request.

    Args:
        user: Who makes it.

    Raises:
        HTTPException: 401 if nobody is logged in.
    """
    return logged_in(user)
