"""What a user must be allowed: a dependency of a route, and a decorator of a function."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, HTTPException, status

from ..errors import AuthError
from ..locations import caller, of_callable
from .context import activity
from .users import User, get_current_user, logged_in, require_auth, user_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("UNCHECKED", "Requirement", "require_permission", "require_role")

UNCHECKED = "_nexus_unchecked"
"""The attribute of a function that a requirement was laid around: called itself, it is not checked."""


class Requirement:
    """Lets only users pass who are allowed something: 401 for nobody, 403 for others.

    As a dependency it gives the user. As a decorator it checks who makes the request in which the function runs.

    Args:
        kind: "permission" or "role".
        names: Which; the user needs all of them.
    """

    def __init__(self, kind: str, names: tuple[str, ...]) -> None:
        if not names or not all(isinstance(name, str) and name for name in names):
            raise AuthError(
                f"require_{kind}() takes names, not {names[0]!r}." if names else f"require_{kind}() takes a name.",
                where=of_callable(names[0]) if names and callable(names[0]) else caller(3),
                fix=f"require_{kind}('editor')" if kind == "role" else f"require_{kind}('articles.write')",
            )
        self._kind = kind
        self._names = names

        async def dependency(user: Any) -> Any:
            return self.check(user)

        # FastAPI asks the instance what kind of function it is and what it takes: a coroutine function that takes the
        # user. Python itself asks the class when the instance is called, as a decorator is.
        self.__call__ = dependency  # type: ignore[method-assign,assignment]  # as said
        self.__signature__ = _SIGNATURE
        self.__name__ = f"require_{kind}"

    def __call__(self, function: Any = None, *, user: Any = None) -> Any:
        """Check a user, as a dependency, or lay the check around a function, as a decorator.

        Args:
            function: What is decorated.
            user: Who makes the request.
        """
        return self._around(function) if user is None else self.__dict__["__call__"](user)

    def check(self, user: Any) -> Any:
        """Return a user who is allowed.

        Args:
            user: Who makes the request.

        Raises:
            HTTPException: 401 if nobody is logged in, 403 if the user is not allowed.
            AuthError: If that is no user.
        """
        has = getattr(user, f"has_{self._kind}", None)
        if has is None:
            raise AuthError(
                f"{user!r} is no user: it has no has_{self._kind}().",
                why="a dependency was overridden with it",
                fix="app.override(get_current_user, User(id='ann', roles=['editor']))",
            )
        logged_in(user)
        missing = [name for name in self._names if not has(name)]
        if missing:
            raise HTTPException(status.HTTP_403_FORBIDDEN, f"{self._kind.capitalize()} required: {', '.join(missing)}")
        return user

    def _around(self, function: Any) -> Any:
        if (
            not inspect.isroutine(function)
            or inspect.isgeneratorfunction(function)
            or (inspect.isasyncgenfunction(function))
        ):
            raise AuthError(
                f"{self.__name__}() cannot be laid around {function!r}.",
                where=of_callable(function) if callable(function) else caller(3),
                why="it goes around a function or method that returns what it makes",
                fix=f"Ask for it as a dependency: dependencies=[Depends({self.__name__}({self._names[0]!r}))].",
            )
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                user = self._current(function)
                self.check(await user if inspect.isawaitable(user) else user)
                return await function(*args, **kwargs)
        else:

            @functools.wraps(function)
            def call(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                user = self._current(function)
                if inspect.iscoroutine(user):
                    user.close()
                    raise AuthError(
                        f"{function.__qualname__}() is not async, and who makes the request is told by a coroutine.",
                        where=of_callable(function),
                        fix="Write `async def`, or override get_current_user with a plain function or a User.",
                    )
                self.check(user)
                return function(*args, **kwargs)

        setattr(function, UNCHECKED, self.__name__)
        return call

    def _current(self, function: Callable[..., Any]) -> Any:
        doing = activity.get()
        if doing is None or doing.scope is None:
            raise AuthError(
                f"{function.__qualname__}() is for users with the {self._kind} {', '.join(map(repr, self._names))}, "
                "and was called outside of a request.",
                where=caller(2),
                why="only a request has a user" + (f"; this is a {doing.kind}" if doing is not None else ""),
                fix=f"Call it through a route, or call the function inside: {function.__qualname__}.__wrapped__(…).",
            )
        overrides = doing.scope["app"].dependency_overrides
        if overrides:
            for dependency in (require_auth, get_current_user):
                if dependency in overrides:
                    return overrides[dependency]()
        return user_of(doing.scope)

    def __repr__(self) -> str:
        return f"{self.__name__}({', '.join(map(repr, self._names))})"


_SIGNATURE = inspect.Signature(
    [inspect.Parameter("user", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[User, Depends(require_auth)])]
)


def require_permission(*permissions: str) -> Requirement:
    """Make a dependency and decorator for users with permissions: 401 for nobody, 403 for others.

    Args:
        *permissions: The names; the user needs all of them.

    Raises:
        AuthError: If none is given, or one is no name.
    """
    return Requirement("permission", permissions)


def require_role(*roles: str) -> Requirement:
    """Make a dependency and decorator for users with roles: 401 for nobody, 403 for others.

    Args:
        *roles: The names; the user needs all of them.

    Raises:
        AuthError: If none is given, or one is no name.
    """
    return Requirement("role", roles)
