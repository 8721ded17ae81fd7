"""Ready users for tests, and what the app's section "auth" says of them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..errors import AuthError, ConfigurationError, did_you_mean
from ..locations import caller

__all__ = ("ANONYMOUS", "Principal", "Section", "read_section")

ANONYMOUS = "anonymous"


class Principal(NamedTuple):
    """A user whom tests need again and again. `expires_in` is in seconds of the app's clock."""

    roles: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    expires_in: float | None = None


READY = {
    "user": Principal(("user",), ("read", "write")),
    "admin": Principal(("admin", "user"), ("admin",)),
    "service": Principal(("service",), ("read", "write")),
    ANONYMOUS: Principal(),
    "expired": Principal(("user",), ("read", "write"), expires_in=0),
    "forbidden": Principal(),
}
"""The principals that there are unless the app says more."""


class Section(NamedTuple):
    """What the app's section "auth" says."""

    token_lifetime: float | None
    principals: dict[str, Principal]

    def principal(self, name: str) -> Principal:
        """Return a principal.

        Args:
            name: The principal's name.

        Raises:
            AuthError: If there is none of that name.
        """
        found = self.principals.get(name) if isinstance(name, str) else None
        if found is None:
            raise AuthError(
                f"There is no principal {name!r}.",
                where=caller(2),
                why=f"there are {', '.join(self.principals)}",
                fix=did_you_mean(str(name), self.principals)
                or f"as_user({name!r}, roles=…, permissions=…), or name it in the app's config: "
                f"{{'auth': {{'principals': {{{name!r}: {{'roles': […], 'permissions': […]}}}}}}}}",
            )
        return found


_NOTHING = Section(None, READY)


def read_section(section: Any) -> Section:
    """Return what the app's section "auth" says.

    Args:
        section: The section: `token_lifetime` in seconds, and `principals` with `roles` and `permissions` each.

    Raises:
        ConfigurationError: If it says anything else.
    """
    if not section:
        return _NOTHING
    _check("auth", section, ("principals", "token_lifetime"))
    lifetime = section.get("token_lifetime")
    if lifetime is not None and (type(lifetime) not in {int, float} or not 0 < lifetime < math.inf):
        raise _wrong("auth.token_lifetime", lifetime, "is a number of seconds above 0, or None for ever")
    principals = dict(READY)
    said = section.get("principals") or {}
    _check("auth.principals", said, None)
    for name, one in said.items():
        where = f"auth.principals.{name}"
        _check(where, one, ("permissions", "roles"))
        if name in {ANONYMOUS, "forbidden"}:
            raise _wrong(where, one, "cannot be: nobody gives that principal anything")
        before = principals.get(name, Principal())
        given = {key: _names(f"{where}.{key}", value) for key, value in one.items()}
        principals[name] = before._replace(
            roles=given.get("roles", before.roles), permissions=given.get("permissions", before.permissions)
        )
    return Section(lifetime, principals)


def _names(path: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise _wrong(path, value, "is a list of names")
    return tuple(value)


def _check(path: str, value: Any, known: tuple[str, ...] | None) -> None:
    if not isinstance(value, dict):
        raise _wrong(path, value, "is a mapping")
    for key in value:
        if not isinstance(key, str) or (known is not None and key not in known):
            raise ConfigurationError(
                f"The app's configuration has an unknown key {key!r} in {path!r}.",
                where=caller(),
                why=f"known are {', '.join(known)}" if known else "keys are names",
                fix=did_you_mean(str(key), known or ()) or "Take it out.",
            )


def _wrong(path: str, value: object, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The app's configuration says {path} = {value!r}, which {what}."
        if what.startswith("cannot")
        else f"The app's configuration says {path} = {value!r}, which is wrong: it {what}.",
        where=caller(),
        fix="config={'auth': {'token_lifetime': 3600, 'principals': {'editor': {'roles': ['editor'], "
        "'permissions': ['articles.write']}}}}",
    )
