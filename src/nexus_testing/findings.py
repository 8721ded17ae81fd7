"""Findings: messages that have an id, a severity, a place and a fix, and that stop no test by themselves."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from .errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .locations import Location

__all__ = ("KINDS", "Finding", "Kind", "Refuted", "Severity", "allow", "allowed", "find")


class Severity(enum.Enum):
    """How much a finding matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Kind(NamedTuple):
    """What all findings of one id have in common."""

    id: str
    severity: Severity
    title: str
    fix: str


class Finding(NamedTuple):
    """One thing that was found."""

    id: str
    severity: Severity
    plugin: str | None
    text: str
    where: Location | None
    fix: str

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.id} {self.severity.value}: {self.text}{place}\n  fix: {self.fix}"


class Refuted(NamedTuple):
    """What an app shows to be none, though another app, which ran less of the plugin, may have found it."""

    id: str
    plugin: str | None
    text: str


_E = Severity.ERROR
_W = Severity.WARNING
_I = Severity.INFO

KINDS: dict[str, Kind] = {
    kind.id: kind
    for kind in (
        Kind("NX101", _W, "initialize() returned None", "End initialize() with `return True`."),
        Kind(
            "NX102",
            _W,
            "a base class that another base already derives from",
            "Write the category alone; the published framework refuses this order with a TypeError.",
        ),
        Kind("NX103", _W, "the plugin has no name of its own", "Set self.name in __init__, or add a manifest.json."),
        Kind(
            "NX104",
            _W,
            "the plugin says one thing of itself and its manifest another",
            "Make the two agree; production goes by the manifest.",
        ),
        Kind(
            "NX105",
            _W,
            "a method that the published framework demands is missing",
            "Write it, if only to return an empty result: there the class cannot be instantiated without it.",
        ),
        Kind(
            "NX106",
            _W,
            "something that the plugin registered was still there after its shutdown",
            "Release it in shutdown(); the published framework keeps it alive.",
        ),
        Kind(
            "NX107",
            _W,
            "the plugin keeps state of its own from one test to the next",
            "Keep it in self.db or self.cache_manager, which are emptied, or use nexus_app: an app of the test's own.",
        ),
        Kind(
            "NX108",
            _W,
            "a test left something in an app that other tests share",
            "Undo it in the test: what registers returns a handle, which `with` takes.",
        ),
        Kind(
            "NX201",
            _W,
            "the plugin's name hides a module of the standard library or of an installed package",
            "Rename the plugin.",
        ),
        Kind(
            "NX202",
            _I,
            "a copy of the plugin is installed besides this one",
            "Nothing, if you meant to test the folder; else uninstall the folder's twin.",
        ),
        Kind("NX301", _E, "a key that the manifest must have is missing", "Add it."),
        Kind("NX302", _E, "a value of the manifest is of the wrong type", "Write what the key takes."),
        Kind("NX303", _E, "a value of the manifest is out of range or has the wrong form", "Write what the key takes."),
        Kind("NX304", _E, "two values of the manifest contradict each other", "Change one of them."),
        Kind(
            "NX305",
            _E,
            "a version or a range of versions that is none",
            'Write versions like "1.0.0" and ranges like ">=1.0,<2".',
        ),
        Kind(
            "NX306",
            _E,
            "a file that the manifest's configuration names is not there",
            "Write the file, or take it out of the manifest.",
        ),
        Kind("NX307", _E, "a permission that is none", "Write one of those that there are."),
        Kind("NX311", _W, "the manifest has a key that nothing reads", "Take it out, or write the key that you meant."),
        Kind("NX312", _W, "the manifest has a key twice; the last one counts", "Take one of them out."),
        Kind(
            "NX313",
            _W,
            "a picture that the manifest names is not there",
            "Add the file, or take it out of the manifest.",
        ),
        Kind("NX314", _W, "an address in the manifest is none", "Write it in full, such as https://example.com."),
        Kind(
            "NX315",
            _W,
            "a file that the manifest names is outside of the plugin's folder",
            "Move it into the folder; it is not packaged with the plugin otherwise.",
        ),
        Kind("NX316", _I, "the manifest switches the plugin off", "Nothing; a test loads it all the same."),
        Kind("NX317", _I, "a program that the plugin depends on was not found", "Install it, if a test needs it."),
        Kind(
            "NX321",
            _W,
            "the plugin does what its manifest says that it does not",
            "Switch the feature on in the manifest, or leave it alone.",
        ),
        Kind(
            "NX322",
            _W,
            "the plugin does not do what its manifest says that it does",
            "Switch the feature off in the manifest, or add what is missing.",
        ),
        Kind(
            "NX401",
            _E,
            "a test configures a plugin with a key that the plugin does not know",
            "Leave the key out, or name it in the plugin's schema or under configuration.optional.",
        ),
        Kind(
            "NX402",
            _E,
            "a test gives configuration to a plugin that is not there",
            "Name the plugin as its manifest does, or leave the configuration out.",
        ),
        Kind(
            "NX403",
            _E,
            "a test stubs a plugin that no plugin depends on",
            "Leave the stub out, or name the plugin in the manifest under dependencies.plugins.",
        ),
        Kind(
            "NX404",
            _E,
            "a test overrides a dependency that no route has",
            "Override the very function that a route names in Depends(…).",
        ),
        Kind(
            "NX501",
            _W,
            "an event that nobody subscribed to, and a subscription alike that nobody published for",
            "Spell the name alike in both places.",
        ),
        Kind(
            "NX502",
            _I,
            "a subscription to a pattern",
            "Subscribe to each name; the published framework takes the pattern itself for a name.",
        ),
        Kind(
            "NX503",
            _W,
            "a plugin replaced a service of another plugin",
            "Give one of them another name; which of them others get depends on the order of loading.",
        ),
        Kind("NX601", _W, "two routes of the plugin have one path", "Take one away, or change its path."),
        Kind(
            "NX602",
            _W,
            "a route of the plugin that another one, which comes first, takes all requests from",
            "Put the narrower path before the wider one.",
        ),
        Kind(
            "NX603",
            _W,
            "a route that repeats the prefix that its plugin is mounted at",
            "Leave the plugin's prefix out of the path; the runtime puts it before every route.",
        ),
        Kind(
            "NX604",
            _W,
            "a route that was registered before the requirement was laid around its function",
            "Put @require_permission or @require_role below the route's own decorator.",
        ),
        Kind("NX605", _W, "a route's path that does not start with '/'", "Write the '/'; nothing puts it there."),
        Kind(
            "NX611",
            _I,
            "a permission that the plugin declares and did not use",
            "Take it out of the manifest, if no test needs it.",
        ),
        Kind(
            "NX701",
            _W,
            "a query that looks at each of more than 100 documents",
            "Declare an index that begins with one of its fields, in get_database_schema().",
        ),
        Kind(
            "NX702",
            _W,
            "a transaction that was begun and never ended",
            "Begin it with `async with`, which ends it.",
        ),
        Kind(
            "NX801",
            _W,
            "the plugin uses what the installed nexus-platform does not have",
            "Write what that framework has, or test the plugin in memory: --nexus-backend embedded.",
        ),
        Kind(
            "NX802",
            _W,
            "nexus-platform takes another class of the module for the plugin",
            "Import the module of the base class, so that no other name of the file ends in Plugin.",
        ),
        Kind(
            "NX803",
            _W,
            "a handler whose coroutine nexus-platform does not await",
            "Subscribe a function written with `async def`.",
        ),
        Kind(
            "NX804",
            _W,
            "the plugin asks the database while it is initialised, before nexus-platform as shipped has connected it",
            'Ask it later, or write config={"platform": {"profile": "as_shipped"}} to see it fail as it would there.',
        ),
        Kind("NX805", _W, "nexus-platform rejects the manifest", "Write what the message asks for."),
        Kind(
            "NX806",
            _I,
            "a plugin was loaded after the start, where nexus-platform as shipped mounts no routes any more",
            "Name it when the app is made: create_test_app(plugins=[…]).",
        ),
    )
}
"""Every id that there is."""


_allowed: Mapping[str, str] = {}


def allowed() -> Mapping[str, str]:
    """Return the ids that the running test allows, each with the test's reason."""
    return _allowed


def allow(ids: Mapping[str, str]) -> Mapping[str, str]:
    """Say which findings are none for the time being; return what was said before.

    Args:
        ids: Ids, each with the reason.

    Raises:
        ConfigurationError: If there is no such id, or a reason is missing.
    """
    global _allowed
    for id_, reason in ids.items():
        if id_ not in KINDS:
            raise ConfigurationError(
                f"There is no finding {id_!r} to allow.",
                fix=did_you_mean(id_, KINDS) or "The ids are on the page of findings, and in the summary of a run.",
            )
        if not isinstance(reason, str) or not reason.strip():
            raise ConfigurationError(
                f"The finding {id_!r} is allowed without a reason.",
                fix=f'Say why: @pytest.mark.nexus_allow("{id_}", reason="…").',
            )
    before, _allowed = _allowed, ids
    return before


def find(
    id: str,  # noqa: A002 - the word that users see
    text: str,
    *,
    plugin: str | None = None,
    where: Location | None = None,
    fix: str | None = None,
) -> Finding:
    """Make a finding of a registered id.

    Args:
        id: The id, such as "NX101".
        text: What was found, as one sentence.
        plugin: The plugin that it is about.
        where: The line that it is about.
        fix: What to do, if it is not the usual.

    Raises:
        KeyError: If the id is not registered.
    """
    kind = KINDS[id]
    return Finding(kind.id, kind.severity, plugin, text, where, fix or kind.fix)
