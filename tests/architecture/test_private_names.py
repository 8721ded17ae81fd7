"""Names of other libraries that are not public and that the harness reads: each is where it is looked for."""

from __future__ import annotations

import inspect
import sys

import pytest
import pytest_asyncio
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from nexus_testing.calls import awaited
from pytest_nexus import coroutines


def test_pytest_asyncio_marks_its_fixtures_so() -> None:
    """What `coroutines` sets on a fixture's function is what pytest-asyncio's own decorator sets."""

    @pytest_asyncio.fixture(loop_scope="module")
    async def made() -> None:
        """Be decorated."""

    function = getattr(made, "_fixture_function", None) or getattr(made, "__wrapped__", made)
    assert getattr(function, coroutines._FLAG) is True
    assert "module" == getattr(function, coroutines._SCOPE)


def test_pytest_has_fixtures_where_they_are_looked_for(request: pytest.FixtureRequest) -> None:
    """Definitions by name and node, the closure of a function, the test behind a request."""
    manager = request.session._fixturemanager
    assert ("argname", "node") == tuple(inspect.signature(manager.getfixturedefs).parameters)
    closure = manager.getfixtureinfo(request.node, lambda request, tmp_path: None, None).names_closure
    assert {"request", "tmp_path"} <= set(closure)
    assert request.node is request._pyfuncitem


def test_fastapi_keeps_its_routes_so() -> None:
    """A router lists its routes, a route has a dependant, a body and responses, and remakes its handler."""
    router = APIRouter()
    router.add_api_route("/a", lambda: 1)
    route = router.routes[0]
    assert isinstance(route, APIRoute)
    assert ([], None, {}) == (route.dependant.dependencies, route.body_field, route.response_fields)
    assert not route.callbacks
    assert callable(route.get_route_handler())
    app = FastAPI()
    before = len(app.router.routes)
    app.include_router(router)
    assert before + 1 == len(app.router.routes)


def test_python_takes_a_call_of_ours_for_a_coroutine_function() -> None:
    """Mocks decide by it whether to await what a call returns."""

    @awaited
    async def call() -> None:
        """Be marked."""

    import asyncio

    assert inspect.iscoroutinefunction(call) if sys.version_info >= (3, 12) else asyncio.iscoroutinefunction(call)
