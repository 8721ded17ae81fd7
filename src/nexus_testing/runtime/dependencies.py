"""What a plugin's manifest says must be there before it."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import shutil
import sys
from typing import TYPE_CHECKING

from ..errors import PluginLoadError, did_you_mean
from ..findings import find
from ..manifest.meaning import SYSTEM
from ..manifest.positions import locate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..findings import Finding
    from ..manifest import Manifest
    from ..manifest.model import Compatibility
    from .loaded import Loaded

__all__ = ("check_environment", "missing_programs", "required_plugins", "satisfies")


def _problem(plugin: Loaded, what: str, why: str, fix: str, *keys: str | int) -> PluginLoadError:
    return PluginLoadError(
        what,
        stage="Discovery",
        where=locate(plugin.site.manifest, *keys) if plugin.site is not None else None,
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
            "dependencies",
        ) from error


def check_environment(plugin: Loaded, nexus_version: str) -> None:
    """Check the ranges of Python, of the framework and of packages that a manifest names, and where it runs.

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
    if wanted.packages:
        path = tuple(sys.path)
        problems += [lack for text in wanted.packages for lack in _lacks(text, path)]
    problems += _incompatible(plugin.manifest.compatibility, nexus_version)
    if problems:
        raise _problem(
            plugin,
            f"{plugin.label.capitalize()} misses what its manifest depends on.",
            "\n".join(problems),
            "Install what is missing into the environment that runs the tests, or change dependencies in the manifest.",
            "dependencies",
        )


def _incompatible(wanted: Compatibility, nexus_version: str) -> Iterator[str]:
    """Return, in lines, what of the section "compatibility" does not hold here."""
    oldest, newest = wanted.min_nexus_version, wanted.max_nexus_version
    if oldest is not None or newest is not None:
        from packaging.version import Version

        here = Version(nexus_version)
        if oldest is not None and here < Version(oldest):
            yield f"compatibility.min_nexus_version {oldest}: here is nexus {nexus_version}"
        if newest is not None and here > Version(newest):
            yield f"compatibility.max_nexus_version {newest}: here is nexus {nexus_version}"
    if wanted.platforms and not sys.platform.startswith(tuple(wanted.platforms)):
        yield f"compatibility.platforms {', '.join(wanted.platforms)}: here is {sys.platform}"


# Reading what is installed takes a third of a millisecond a package, at every load of every test.
@functools.lru_cache(maxsize=256)
def _lacks(text: str, _path: tuple[str, ...]) -> tuple[str, ...]:
    """Return, in lines, what of a requirement and of its extras is not installed."""
    from packaging.requirements import Requirement

    requirement = Requirement(text)
    if requirement.marker is not None and not requirement.marker.evaluate():
        return ()
    try:
        installed = importlib.metadata.distribution(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return (f"package {text}: not installed",)
    found = []
    if not requirement.specifier.contains(installed.version, prereleases=True):
        found.append(f"package {text}: here is {installed.version}")
    known = installed.metadata.get_all("Provides-Extra") or []
    for extra in sorted(requirement.extras):
        if extra not in known:
            found.append(f"package {text}: it has no extra {extra!r}. {did_you_mean(extra, known)}".strip())
        for one in map(Requirement, installed.requires or ()):
            if one.marker is None or one.marker.evaluate() or not one.marker.evaluate({"extra": extra}):
                continue
            try:
                version = importlib.metadata.version(one.name)
            except importlib.metadata.PackageNotFoundError:
                found.append(f"package {text}: {one.name} of the extra {extra!r} is not installed")
                continue
            if not one.specifier.contains(version, prereleases=True):
                found.append(f"package {text}: {one.name} of the extra {extra!r} is {version}, not {one.specifier}")
    return tuple(found)


def missing_programs(plugin: Loaded) -> Iterator[Finding]:
    """Return the programs that a manifest depends on and that are not on the path; their versions are not looked at.

    Args:
        plugin: The plugin.
    """
    for index, text in enumerate(plugin.manifest.dependencies.system if plugin.manifest is not None else ()):
        found = SYSTEM.fullmatch(text)
        if found is not None and _program(found["name"], os.environ.get("PATH", "")) is None:
            yield find(
                "NX317",
                f"dependencies.system names {text!r}, and there is no program {found['name']!r} on the path.",
                plugin=plugin.name,
                where=locate(plugin.folder / "manifest.json", "dependencies", "system", index)
                if plugin.folder is not None
                else None,
            )


@functools.lru_cache(maxsize=256)
def _program(name: str, path: str) -> str | None:
    return shutil.which(name, path=path)


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
            "dependencies",
            "plugins",
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


def missing_plugins(plugin: Loaded, missing: Mapping[str, str], known: Iterable[str]) -> PluginLoadError:
    """Make the error of plugins that another depends on and that are not there.

    Args:
        plugin: The plugin that depends on them.
        missing: The ranges of their versions, by their names.
        known: The names of those that there are.
    """
    is_, it = ("is", "it") if len(missing) == 1 else ("are", "them")
    others = sorted({*known} - {plugin.name})
    hints = " ".join(filter(None, (did_you_mean(name, others) for name in missing)))
    stubs = ", ".join(f"{name!r}: {_version_in(range_)!r}" for name, range_ in missing.items())
    return _problem(
        plugin,
        f"{plugin.label.capitalize()} depends on plugin{'s' * (len(missing) > 1)} {' and '.join(map(repr, missing))}, "
        f"which {is_} not here.",
        f"found {', '.join(others) or 'no other plugin'}. {hints}".strip(),
        f"Put {it} beside this plugin, or let the harness stand in for {it}:\n"
        "    @pytest.fixture\n"
        "    def nexus_stubs():\n"
        f"        return {{{stubs}}}",
        "dependencies",
        "plugins",
    )


def _version_in(range_: str) -> str:
    """Return a version that is in a range of versions, as far as the range itself names one."""
    from packaging.specifiers import SpecifierSet

    wanted = SpecifierSet(range_)
    named = sorted(one.version.removesuffix(".*") for one in wanted)
    near = [*named, *(f"{version}.1" for version in named), "1.0.0", "0.1.0"]
    return next((version for version in near if wanted.contains(version)), "1.0.0")


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
        "dependencies",
        "plugins",
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
        "dependencies",
        "plugins",
        [one for one, _ in required_plugins(plugin)].index(name),
    )
