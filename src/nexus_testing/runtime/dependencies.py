"""What a plugin's manifest says must be there before it."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import TYPE_CHECKING

from ..errors import PluginLoadError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..manifest import Manifest
    from .loaded import Loaded

__all__ = ("check_environment", "required_plugins", "satisfies")


def _problem(plugin: Loaded, what: str, why: str, fix: str) -> PluginLoadError:
    return PluginLoadError(
        what,
        stage="Discovery",
        where=plugin.site.manifest if plugin.site is not None else None,
        why=why,
        fix=fix,
        plugin=plugin.name,
    )


def satisfies(plugin: Loaded, version: str, wanted: str, what: str) -> bool:
    """Say whether a version is in a range.

    Args:
        plugin: The plugin whose manifest asks.
        version: The version that there is.
        wanted: The range, such as ">=1.0,<2"; empty for any.
        what: What it is the version of.

    Raises:
        PluginLoadError: If either is no version or range.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        return SpecifierSet(wanted).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion) as error:
        raise _problem(
            plugin,
            f"{plugin.label.capitalize()} asks for {what} {wanted!r}, which cannot be compared with {version!r}.",
            str(error),
            'Write ranges like ">=1.0,<2" and versions like "1.0.0".',
        ) from error


def check_environment(plugin: Loaded, nexus_version: str) -> None:
    """Check the ranges of Python, of the framework and of packages that a manifest names.

    Args:
        plugin: The plugin.
        nexus_version: The version of the framework.

    Raises:
        PluginLoadError: It lists all that does not fit.
    """
    if plugin.manifest is None:
        return
    wanted = plugin.manifest.dependencies
    problems = []
    for what, version, range_ in (
        ("python", platform.python_version(), wanted.python),
        ("nexus", nexus_version, wanted.nexus),
    ):
        if range_ and not satisfies(plugin, version, range_, what):
            problems.append(f"{what} {range_}: here is {version}")
    for text in wanted.packages:
        requirement = _requirement(plugin, text)
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(f"package {text}: not installed")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            problems.append(f"package {text}: here is {version}")
    if problems:
        raise _problem(
            plugin,
            f"{plugin.label.capitalize()} misses what its manifest depends on.",
            "\n".join(problems),
            "Install what is missing into the environment that runs the tests, or change dependencies in the manifest.",
        )


def _requirement(plugin: Loaded, text: str) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise _problem(
            plugin,
            f"{plugin.label.capitalize()} depends on {text!r}, which is no requirement.",
            str(error),
            'Write a name and a range, such as "auth_plugin>=1.0.0".',
        ) from error


if TYPE_CHECKING:
    from packaging.requirements import Requirement


def required_plugins(plugin: Loaded) -> list[tuple[str, str]]:
    """Return names and version ranges of the plugins that a manifest depends on.

    Args:
        plugin: The plugin.
    """
    if plugin.manifest is None:
        return []
    found = (_requirement(plugin, text) for text in plugin.manifest.dependencies.plugins)
    return [(requirement.name, str(requirement.specifier)) for requirement in found]


def required_names(manifest: Manifest) -> list[str]:
    """Return the names of the plugins that a manifest depends on, as far as they can be read.

    Args:
        manifest: The manifest.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    names = []
    for text in manifest.dependencies.plugins:
        try:
            names.append(Requirement(text).name)
        except InvalidRequirement:
            continue
    return names


def missing_plugin(plugin: Loaded, name: str, range_: str, known: Iterable[str]) -> PluginLoadError:
    """Make the error of a plugin that another depends on and that is not there.

    Args:
        plugin: The plugin that depends on it.
        name: The missing plugin.
        range_: The range of its version.
        known: The names of those that there are.
    """
    version = range_.lstrip("=><~! ").split(",")[0] or "1.0.0"
    return _problem(
        plugin,
        f"{plugin.label.capitalize()} depends on plugin {name!r}, which is not here.",
        f"found {', '.join(sorted(known)) or 'no other plugin'}. {did_you_mean(name, known)}".strip(),
        "Put it beside this plugin, or let the harness stand in for it:\n"
        "    @pytest.fixture\n"
        "    def nexus_stubs():\n"
        f"        return {{{name!r}: {version!r}}}",
    )


def cycle(plugin: Loaded, names: list[str]) -> PluginLoadError:
    """Make the error of plugins that depend on each other in a circle.

    Args:
        plugin: The plugin where the circle was noticed.
        names: The plugins of the circle, in order.
    """
    return _problem(
        plugin,
        f"Plugins depend on each other in a circle: {' -> '.join(names)}.",
        "each of them would have to be loaded before the others",
        "Take one dependency out of one manifest; an event or a service looked up late often does.",
    )


def wrong_version(plugin: Loaded, name: str, range_: str, versions: Mapping[str, str]) -> PluginLoadError:
    """Make the error of a plugin that is there in a version that another does not take.

    Args:
        plugin: The plugin that depends on it.
        name: The plugin that it depends on.
        range_: The range that it takes.
        versions: The versions that there are, by name.
    """
    return _problem(
        plugin,
        f"{plugin.label.capitalize()} depends on plugin {name!r} {range_}; here is {versions[name]}.",
        "",
        f"Change the range in the manifest, or the version of {name!r}.",
    )
