"""What a test says about the plugins that it loads, held against these before anything of them runs.

One small function a rule; what all of them find is reported together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConsistencyError, NexusTestingError, did_you_mean
from ..findings import allowed, find
from ..manifest import read_manifest
from .dependencies import required_names
from .depends import depended_on
from .discovery import current_project
from .loader import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from ..findings import Finding
    from ..locations import Location

__all__ = ("Said", "refuse", "refuse_inconsistent", "refuse_override")


class Said(NamedTuple):
    """What a test has said for the plugins that it is about to load.

    `required` are the plugins that these depend on, in turn, `known` all that can be loaded or is.
    """

    stubs: AbstractSet[str]
    configs: AbstractSet[str]
    required: frozenset[str]
    known: frozenset[str]


def _stub_that_nobody_asks_for(said: Said) -> Iterator[Finding]:
    for name in sorted(said.stubs):
        if name not in said.required:
            yield find(
                "NX403",
                f"plugin {name!r} is stubbed, and no plugin here depends on it.",
                fix=did_you_mean(name, said.required) or None,
            )


def _configuration_for_nobody(said: Said) -> Iterator[Finding]:
    for name in sorted(said.configs):
        if name not in said.known:
            yield find(
                "NX402",
                f"there is configuration for plugin {name!r}, and no such plugin.",
                fix=did_you_mean(name, said.known) or None,
            )


CHECKS: tuple[Callable[[Said], Iterator[Finding]], ...] = (_stub_that_nobody_asks_for, _configuration_for_nobody)
"""Every rule."""


def refuse_inconsistent(
    targets: Iterable[object],
    loaded: Iterable[str],
    stubs: AbstractSet[str],
    configs: AbstractSet[str],
    where: Location | None,
) -> None:
    """Refuse what a test says if it cannot be meant so.

    Args:
        targets: What is to be loaded: names, paths, classes or instances.
        loaded: The names of the plugins that are loaded already.
        stubs: The plugins that are taken for loaded.
        configs: The plugins that configuration is given to.
        where: Where the test says it.

    Raises:
        ConsistencyError: It lists everything at once.
    """
    __tracebackhide__ = True
    sites = {site.name: site.manifest for site in current_project().visible()}
    required: set[str] = set()
    known = {*sites, *loaded, *stubs}
    waiting = []
    for target in targets:
        try:
            found = resolve(target)
        except NexusTestingError:
            # The load will say so itself.
            return
        if found.site is not None:
            waiting.append(found.site.manifest)
            known.add(found.site.name)
        else:
            known.add(getattr(found.instance, "name", None) or _name_of(found.cls))
    seen = set()
    while waiting:
        manifest = waiting.pop()
        if manifest in seen or not manifest.is_file():
            continue
        seen.add(manifest)
        try:
            names = required_names(read_manifest(manifest))
        except NexusTestingError:
            return
        required.update(names)
        waiting += [sites[name] for name in names if name in sites]
    said = Said(stubs, configs, frozenset(required), frozenset(known))
    refuse([finding for check in CHECKS for finding in check(said)], where)


def _name_of(cls: Any) -> str:
    from ..nexus.plugins.base import name_of_class

    return name_of_class(cls)


def refuse_override(dependency: object, routes: Iterable[Any], where: Location | None) -> None:
    """Refuse the override of a dependency that no route has.

    Args:
        dependency: What is to be overridden.
        routes: The routes of the loaded plugins.
        where: Where the test says it.

    Raises:
        ConsistencyError: If none of them depends on it.
    """
    __tracebackhide__ = True
    calls = depended_on(routes)
    if dependency in calls:
        return
    name = getattr(dependency, "__qualname__", repr(dependency))
    names = {getattr(call, "__qualname__", "") for call in calls} - {""}
    twin = " One of that name is another object: it was imported or made a second time." if name in names else ""
    text = f"{name} is overridden, and no route depends on it.{twin}"
    refuse([find("NX404", text, fix=did_you_mean(name, names - {name}) or None)], where)


def refuse(findings: Iterable[Finding], where: Location | None) -> None:
    """Raise what was found, all of it together, except what the test allows.

    Args:
        findings: What was found.
        where: Where the test says it.

    Raises:
        ConsistencyError: If anything is left.
    """
    __tracebackhide__ = True
    left = [finding for finding in findings if finding.id not in allowed()]
    if not left:
        return
    count = "something" if len(left) == 1 else f"{len(left)} things"
    raise ConsistencyError(
        f"The test says {count} that cannot be meant so.",
        where=where,
        why="\n".join(f"{finding.id}: {finding.text}" for finding in left),
        fix="\n".join(
            [
                *dict.fromkeys(finding.fix for finding in left),
                f'If it is meant: @pytest.mark.nexus_allow("{left[0].id}", reason="…").',
            ]
        ),
        plugin=left[0].plugin,
    )
