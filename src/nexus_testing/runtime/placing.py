"""A router's routes under a prefix, without making each of them a second time.

`include_router` reads the signature of every endpoint again, which takes as long as all the rest of a load. A route
that only has its path and query to read is the same under any prefix, so a copy of it with another path is as good.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import fastapi.routing
from fastapi.datastructures import DefaultPlaceholder
from fastapi.routing import APIRoute
from starlette.routing import compile_path

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI

__all__ = ("include",)


def include(app: FastAPI, router: APIRouter, prefix: str) -> None:
    """Include a router in an app.

    Args:
        app: The app; it adds nothing of its own to the routes of a router.
        router: The router; it is not changed.
        prefix: What stands before the paths of its routes.
    """
    if "{" in prefix or not all(_is_plain(route) for route in router.routes):
        app.include_router(router, prefix=prefix)
        return
    app.router.routes.extend(_placed(app, route, prefix) for route in router.routes)
    changed = getattr(app.router, "_mark_routes_changed", None)
    if changed is not None:
        changed()


def _is_plain(route: Any) -> bool:
    # What a body or a further response is called depends on the path, and a class of the author's may do anything.
    return (
        type(route) is APIRoute
        and route.path.startswith("/")
        and route.body_field is None
        and not route.response_fields
        and not route.callbacks
    )


def _placed(app: FastAPI, route: Any, prefix: str) -> APIRoute:
    placed: APIRoute = copy.copy(route)
    placed.path = prefix + route.path
    placed.path_regex, placed.path_format, placed.param_convertors = compile_path(placed.path)
    make: Any = route.generate_unique_id_function
    placed.unique_id = placed.operation_id or (make.value if isinstance(make, DefaultPlaceholder) else make)(placed)
    for name in ("response_field", "secure_cloned_response_field"):
        field = getattr(route, name, None)
        if field is not None:
            renamed = copy.copy(field)
            renamed.name = "Response_" + placed.unique_id
            setattr(placed, name, renamed)
    placed.dependency_overrides_provider = app
    placed.app = fastapi.routing.request_response(placed.get_route_handler())
    return placed
