"""Users, tokens, and the dependencies that routes ask for them with."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, HTTPException, status
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection  # noqa: TC002 - FastAPI reads annotations at run time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from .kernel import Kernel

__all__ = ("Authentication", "User", "get_current_user", "require_auth", "require_permission", "require_role")

ANONYMOUS = "anonymous"


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
    """Knows who holds which token. Lives as long as its app.

    Args:
        kernel: The app that it belongs to.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._tokens: dict[str, User] = {}

    def login(self, user: User) -> str:
        """Give a user a token and return it.

        Args:
            user: Who logs in.
        """
        token = secrets.token_urlsafe(16)
        self._tokens[token] = user
        return token

    def user_of(self, token: str) -> User | None:
        """Return who holds a token.

        Args:
            token: The token.
        """
        return self._tokens.get(token)


def principal(id: str, roles: Iterable[str] = (), permissions: Iterable[str] = ()) -> User:  # noqa: A002 - User's word
    """Make a user for a test.

    Args:
        id: The user's id; also the name and the start of the address.
        roles: The user's roles.
        permissions: What the user may do.
    """
    return User(id=id, username=id, email=f"{id}@example.com", roles=list(roles), permissions=list(permissions))


def _unauthorized(detail: str) -> HTTPException:
    return HTTPException(status.HTTP_401_UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})


async def get_current_user(connection: HTTPConnection) -> User:
    """Return who makes this request; somebody with the id "anonymous" where nobody is logged in.

    Args:
        connection: The request or WebSocket.

    Raises:
        HTTPException: 401 if a token is given that nobody holds.
    """
    header = connection.headers.get("authorization", "")
    if not header:
        return User(id=ANONYMOUS, username=ANONYMOUS)
    scheme, _, token = header.partition(" ")
    kernel: Kernel = connection.app.state.nexus
    user = kernel.auth.user_of(token.strip()) if scheme.lower() == "bearer" else None
    if user is None:
        raise _unauthorized("Invalid authentication credentials")
    return user


async def require_auth(user: Annotated[User, Depends(get_current_user)]) -> User:
    """Return who makes this request.

    Args:
        user: Who makes it.

    Raises:
        HTTPException: 401 if nobody is logged in.
    """
    if user.is_anonymous:
        raise _unauthorized("Not authenticated")
    return user


def _required(allowed: Callable[[User], bool], what: str) -> Callable[..., Awaitable[User]]:
    async def check(user: Annotated[User, Depends(require_auth)]) -> User:
        if not allowed(user):
            raise HTTPException(status.HTTP_403_FORBIDDEN, what)
        return user

    return check


def require_permission(permission: str) -> Callable[..., Awaitable[Any]]:
    """Make a dependency that lets only users with a permission pass: 401 for nobody, 403 for others.

    Args:
        permission: The permission's name.
    """
    return _required(lambda user: user.has_permission(permission), f"Permission required: {permission}")


def require_role(role: str) -> Callable[..., Awaitable[Any]]:
    """Make a dependency that lets only users with a role pass: 401 for nobody, 403 for others.

    Args:
        role: The role's name.
    """
    return _required(lambda user: user.has_role(role), f"Role required: {role}")
