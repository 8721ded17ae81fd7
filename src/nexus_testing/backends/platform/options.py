"""What the app's configuration says to this backend; what it says to the other one alone is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import ConfigurationError, NotOnBackend, did_you_mean
from ...locations import caller

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...locations import Location

__all__ = ("PROFILES", "options_of", "refuse_config")

PROFILES = ("connected", "as_shipped")
_OPTIONS = ("chdir", "profile")
_ELSEWHERE = ("auth", "cache", "health")
"""Sections that mean something to the in-memory framework alone."""


def options_of(config: Mapping[str, Any]) -> tuple[str, bool]:
    """Return profile and chdir of the section "platform"; refuse what means nothing here.

    Args:
        config: The app's configuration.

    Raises:
        ConfigurationError: If the section says something that there is not.
        NotOnBackend: If another section says something.
    """
    for section in _ELSEWHERE:
        if config.get(section):
            raise NotOnBackend(
                f"The section {section!r} of the app's configuration means nothing on nexus-platform.",
                where=caller(5),
                why="only the in-memory framework has it",
                fix="Leave it out, or run this test in memory: pytest --nexus-backend embedded.",
            )
    for name, said in (config.get("plugins") or {}).items():
        if said:
            refuse_config({name: said}, caller(5))
    options = config.get("platform") or {}
    for key in options:
        if key not in _OPTIONS:
            raise _wrong(f"an unknown key {key!r}", f"known are {', '.join(_OPTIONS)}", did_you_mean(key, _OPTIONS))
    profile, chdir = options.get("profile", PROFILES[0]), options.get("chdir", False)
    if profile not in PROFILES:
        raise _wrong(
            f"the profile {profile!r}", f"there are {' and '.join(PROFILES)}", did_you_mean(str(profile), PROFILES)
        )
    if not isinstance(chdir, bool):
        raise _wrong(f"chdir = {chdir!r}", "it is True or False", "")
    return profile, chdir


def _wrong(what: str, why: str, fix: str) -> ConfigurationError:
    return ConfigurationError(
        f"The section 'platform' of the app's configuration has {what}.",
        where=caller(6),
        why=why,
        fix=fix or "config={'platform': {'profile': 'as_shipped', 'chdir': True}}",
    )


def refuse_config(config: Mapping[str, Any] | None, where: Location | None = None) -> None:
    """Refuse configuration for a plugin.

    Args:
        config: The configuration.
        where: Where the test says it.

    Raises:
        NotOnBackend: If there is any.
    """
    if config:
        raise NotOnBackend(
            f"A plugin on nexus-platform cannot be given the configuration {dict(config)!r}.",
            where=where,
            why="the framework passes none to plugins: self.config is an empty dict there",
            fix="Leave it out, or run this test in memory: pytest --nexus-backend embedded.",
        )
