"""What a test says about the plugins that it loads, held against these before anything of them runs.

One small function a rule; what all of them find is reported together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConsistencyError, NexusTestingError, did_you_mean
from ..findings import allowed, find
from ..manifest import read_manifest
from .dependencies import required_names
from .depends import depended_on
from .discovery import current_project
from .known_keys import unknown_keys
from .loader import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from ..findings import Finding
    from ..locations import Location
    from .known_keys import UnknownKey
    from .loaded import Loaded

__all__ = ("Consistency", "Said", "refuse", "refuse_inconsistent", "refuse_override", "refuse_unknown_keys")


class Given(NamedTuple):
    """Configuration, and the manifests of the plugins that it is given to; None for one that has no manifest."""

    config: Mapping[str, Any]
    takers: tuple[Path | None, ...]


class Said(NamedTuple):
    """What a test has said for the plugins that it is about to load.

    `required` are the plugins that these depend on, in turn, `known` all that can be loaded or is, `given` the
    configurations that are theirs.
    """

    stubs: AbstractSet[str]
    configs: AbstractSet[str]
    required: frozenset[str]
    known: frozenset[str]
    given: tuple[Given, ...] = ()


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


def _key_that_nobody_knows(said: Said) -> Iterator[Finding]:
    for given in said.given:
        unknown = [_unknown_to(manifest, given.config) for manifest in given.takers]
        for path, one in unknown[0].items() if unknown else ():
            if all(path in others for others in unknown):
                name = read_manifest(given.takers[0]).name if given.takers[0] is not None else ""
                yield find(
                    "NX401",
                    f"plugin {name!r} is configured with {path!r}, which it does not know.",
                    plugin=name,
                    fix=did_you_mean(one.key, one.known) or None,
                )


def _unknown_to(manifest: Path | None, config: Mapping[str, Any]) -> dict[str, UnknownKey]:
    if manifest is None or not manifest.is_file():
        return {}
    try:
        return {one.path: one for one in unknown_keys(read_manifest(manifest), manifest.parent, config)}
    except NexusTestingError:
        # The load will say so itself.
        return {}


CHECKS: tuple[Callable[[Said], Iterator[Finding]], ...] = (
    _stub_that_nobody_asks_for,
    _configuration_for_nobody,
    _key_that_nobody_knows,
)
"""Every rule."""


def refuse_inconsistent(
    targets: Iterable[object],
    *,
    loaded: Iterable[str],
    stubs: AbstractSet[str],
    configs: Mapping[str, Mapping[str, Any]],
    config: Mapping[str, Any],
    where: Location | None,
) -> None:
    """Refuse what a test says if it cannot be meant so.

    Args:
        targets: What is to be loaded: names, paths, classes or instances.
        loaded: The names of the plugins that are loaded already.
        stubs: The plugins that are taken for loaded.
        configs: Configuration that is given to plugins by name.
        config: Configuration that is given to what is to be loaded.
        where: Where the test says it.

    Raises:
        ConsistencyError: It lists everything at once.
    """
    __tracebackhide__ = True
    sites: dict[str, Path] = {}
    known = {*loaded, *stubs}
    takers: list[Path | None] = []
    for target in targets:
        try:
            found = resolve(target)
        except NexusTestingError:
            # The load will say so itself.
            return
        if found.site is not None:
            takers.append(found.site.manifest)
            sites[found.site.name] = found.site.manifest
        else:
            takers.append(None)
            known.add(getattr(found.instance, "name", None) or _name_of(found.cls))
    if stubs or not configs.keys() <= sites.keys():
        # Looking through the whole repo takes longer than all the rest.
        sites = {site.name: site.manifest for site in current_project().visible()} | sites
    try:
        required = _required([one for one in takers if one is not None], sites) if stubs else frozenset()
    except NexusTestingError:
        return
    given = [Given(config, tuple(takers))]
    given += [Given(keys, (sites[name],)) for name, keys in configs.items() if name in sites]
    said = Said(stubs, configs.keys(), required, frozenset({*known, *sites}), tuple(given))
    refuse([finding for check in CHECKS for finding in check(said)], where)


def _required(manifests: list[Path], sites: Mapping[str, Path]) -> frozenset[str]:
    """Return the names of the plugins that some depend on, in turn."""
    required: set[str] = set()
    seen = set()
    while manifests:
        manifest = manifests.pop()
        if manifest in seen or not manifest.is_file():
            continue
        seen.add(manifest)
        names = required_names(read_manifest(manifest))
        required.update(names)
        manifests += [sites[name] for name in names if name in sites]
    return frozenset(required)


def refuse_unknown_keys(
    target: object, config: Mapping[str, Any], configs: Mapping[str, Mapping[str, Any]], where: Location | None
) -> None:
    """Refuse configuration of one plugin with keys that the plugin does not know.

    Args:
        target: What is to be loaded: a name, a path, a class or an instance.
        config: What it is given for this load.
        configs: Configuration that is given to plugins by name.
        where: Where the test says it.

    Raises:
        ConsistencyError: It lists all of them at once.
    """
    __tracebackhide__ = True
    try:
        site = resolve(target).site
    except NexusTestingError:
        # The load will say so itself.
        return
    if site is not None:
        nothing: frozenset[str] = frozenset()
        given = tuple(Given(one, (site.manifest,)) for one in (config, configs.get(site.name)) if one)
        refuse(_key_that_nobody_knows(Said(nothing, nothing, nothing, nothing, given)), where)


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


class Consistency:
    """Holds what a test says against the plugins of one app.

    Args:
        config: The app's configuration.
        loaded: What is loaded, by name.
        stubs: What is taken for loaded, by name.
    """

    def __init__(self, config: Mapping[str, Any], loaded: Mapping[str, Loaded], stubs: Mapping[str, Any]) -> None:
        self._config = config
        self._loaded = loaded
        self._stubs = stubs

    def check(
        self,
        targets: Iterable[object],
        config: Mapping[str, Any],
        everywhere: frozenset[str],
        where: Location | None,
    ) -> None:
        """Hold all that the test says against the plugins that it is about to load.

        Args:
            targets: Names, paths, classes or instances.
            config: What it configures them with.
            everywhere: Names of plugins that are stubbed or configured for all tests.
            where: Where the test says it.

        Raises:
            ConsistencyError: If it cannot be meant so.
        """
        __tracebackhide__ = True
        configs = self._configs(everywhere)
        stubs = self._stubs.keys() - everywhere
        if stubs or configs or config:
            refuse_inconsistent(targets, loaded=self._loaded, stubs=stubs, configs=configs, config=config, where=where)

    def check_config(
        self, target: object, config: Mapping[str, Any], everywhere: frozenset[str], where: Location | None
    ) -> None:
        """Hold what the test configures one plugin with against it.

        Args:
            target: A name, a path, a class or an instance.
            config: What it configures it with for this load.
            everywhere: Names of plugins that are configured for all tests.
            where: Where the test says it.

        Raises:
            ConsistencyError: If it cannot be meant so.
        """
        __tracebackhide__ = True
        configs = self._configs(everywhere)
        if config or configs:
            refuse_unknown_keys(target, config, configs, where)

    def _configs(self, everywhere: frozenset[str]) -> dict[str, Mapping[str, Any]]:
        said = self._config.get("plugins")
        if not isinstance(said, Mapping):
            return {}
        return {name: config for name, config in said.items() if name not in everywhere and isinstance(config, Mapping)}

    def check_override(self, dependency: object, where: Location | None) -> None:
        """Refuse the override of a dependency that no route has.

        Args:
            dependency: What is to be overridden.
            where: Where the test says it.

        Raises:
            ConsistencyError: If plugins are loaded, and no route of theirs depends on it.
        """
        __tracebackhide__ = True
        if self._loaded:
            refuse_override(dependency, [route for one in self._loaded.values() for route in one.routes], where)
