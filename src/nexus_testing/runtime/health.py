"""How a plugin is: asked over its endpoint, and at intervals where the app says so."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.responses import JSONResponse
from starlette.routing import Route

from ..errors import ConfigurationError, PluginError
from ..limits import limit
from ..locations import of_callable
from ..manifest.model import HealthCheck
from ..nexus.context import activity
from ..nexus.plugins.info import HealthStatus
from ..nexus.schedules import Schedule
from ..nexus.tasks import BackgroundTask

if TYPE_CHECKING:
    from fastapi import Request, Response

    from ..nexus.handles import Handle
    from ..nexus.kernel import Kernel
    from .loaded import Loaded

__all__ = ("checks", "route")

_DEFAULT = HealthCheck()
_SHAPE = """create_test_app(config={"health": {"interval": True}})"""


class Health(NamedTuple):
    """What a check found."""

    healthy: bool
    body: dict[str, Any]


def _said(plugin: Loaded) -> HealthCheck:
    return plugin.manifest.health_check if plugin.manifest is not None else _DEFAULT


def route(plugin: Loaded, prefix: str) -> Route | None:
    """Return the route that answers how a plugin is: 200 if it is well, else 503; None if the plugin has it itself.

    Args:
        plugin: The plugin, with its routes mounted.
        prefix: Where they are.
    """
    path = prefix + _said(plugin).endpoint
    if any(one.path == path and one.method == "GET" for one in plugin.mounted):
        return None

    async def answer(_request: Request) -> Response:
        found = await check(plugin)
        return JSONResponse(found.body, 200 if found.healthy else 503)

    return Route(path, answer, include_in_schema=False)


async def check(plugin: Loaded) -> Health:
    """Ask a plugin how it is. What it raises, and an answer that does not come in time, is not well.

    Args:
        plugin: The plugin.
    """
    method = plugin.instance.health_check
    seconds = _said(plugin).timeout
    try:
        async with limit(seconds):
            answer = method()
            if inspect.isawaitable(answer):
                answer = await answer
    except TimeoutError:
        return _unwell(f"no answer from health_check() within {seconds:g} s ({of_callable(method)})")
    except Exception as error:
        logging.getLogger("nexus.health").exception("Error in health_check() of plugin %s", plugin.name)
        return _unwell(f"{type(error).__name__}: {error}")
    if isinstance(answer, HealthStatus):
        return Health(answer.healthy, answer.model_dump(mode="json"))
    if isinstance(answer, bool):
        return Health(answer, HealthStatus(healthy=answer, message="").model_dump(mode="json"))
    if isinstance(answer, Mapping) and isinstance(answer.get("healthy"), bool):
        return Health(answer["healthy"], dict(answer))
    return _unwell(
        f"health_check() returned {answer!r}, which is no HealthStatus, no bool and no dict with a bool as 'healthy'"
    )


def _unwell(message: str) -> Health:
    return Health(healthy=False, body=HealthStatus(healthy=False, message=message).model_dump(mode="json"))


def checks(plugin: Loaded, kernel: Kernel) -> Handle | None:
    """Have a plugin checked at the interval of its manifest, if the app's configuration says so.

    Each check is a run of the task "health of" the plugin; one that finds it not well is a run that failed.

    Args:
        plugin: The plugin.
        kernel: The app.

    Returns:
        A handle that ends it; None if there is nothing to do.

    Raises:
        ConfigurationError: If the app's section "health" is something else than {"interval": True} or False.
    """
    section = kernel.config.get("health")
    if not section:
        return None
    if not isinstance(section, Mapping) or set(section) != {"interval"} or not isinstance(section["interval"], bool):
        raise ConfigurationError(
            f"The app's configuration of health checks is {section!r}.",
            stage="Active",
            why="the section 'health' takes one key, 'interval', which is True or False",
            fix=_SHAPE,
        )
    if not section["interval"]:
        return None
    name = f"health of {plugin.name}"
    task = BackgroundTask(name, functools.partial(_watch, plugin), Schedule.every_seconds(_said(plugin).interval))
    return kernel.task_manager.run_for(plugin.name, task)


async def _watch(plugin: Loaded) -> dict[str, Any]:
    doing = activity.get()
    if doing is not None:
        doing.plugin = plugin.name
    found = await check(plugin)
    if not found.healthy:
        raise PluginError(f"plugin {plugin.name!r} is not well: {found.body.get('message')}")
    return found.body
