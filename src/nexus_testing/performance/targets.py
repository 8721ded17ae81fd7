"""Requests that a load sends: a route by its method and path, and what fills its placeholders."""

from __future__ import annotations

import json as json_module
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from starlette.routing import Match, compile_path

from ..errors import PerformanceError, did_you_mean
from ..locations import caller
from .openapi import operation_of

if TYPE_CHECKING:
    from ..app import App
    from .openapi import Operation

__all__ = ("METHODS", "Fill", "Shot", "Target", "target", "targets", "whole_paths")

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
"""What a request may do."""

Source = Callable[[int, random.Random], Any]
"""Gives the value for one request, of its number and the load's random numbers."""

_PLACEHOLDER = re.compile(r"\{(\w+)(?::\w+)?\}")
_BASE = [(b"host", b"testserver"), (b"accept", b"*/*"), (b"user-agent", b"nexus-testing")]
_JSON = (b"content-type", b"application/json")


class Shot(NamedTuple):
    """One request, ready to be sent."""

    method: str
    path: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def scope(self) -> dict[str, Any]:
        """Return an ASGI scope of its own for it."""
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "headers": list(self.headers),
            "scheme": "http",
            "path": self.path,
            "raw_path": self.raw_path,
            "query_string": self.query,
            "server": ("testserver", 80),
            "client": ("127.0.0.1", 123),
            "root_path": "",
            "state": {},
        }


class Fill:
    """What a request's variable parts are made of.

    Args:
        params: A value for each placeholder of the path: one for all requests, several that take turns, or a function
            that is given a seeded `random.Random`.
        query: The same for the query.
        headers: Headers of every request.
        json: The body: a value, or a function as above.
    """

    def __init__(
        self,
        params: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> None:
        self.params = {name: _source(value) for name, value in (params or {}).items()}
        self.query = {name: _source(value) for name, value in (query or {}).items()}
        self.headers = {name.lower(): value for name, value in (headers or {}).items()}
        self.body = None if json is None else _one_source(json)
        self.varies = bool(self.params or self.query or callable(json))

    def __bool__(self) -> bool:
        return bool(self.params or self.query or self.headers or self.body)

    def completed(self, operation: Operation, names: Mapping[str, str]) -> Fill:
        """Return one that has all that a request has to have.

        Args:
            operation: What the app's OpenAPI document says of it.
            names: What its placeholders are called there, by what they are called here.
        """
        whole = Fill()
        whole.headers = dict(self.headers)
        for name, values in operation.parameters("header").items():
            whole.headers.setdefault(name.lower(), str(values[0]))
        drawn = operation.parameters("path") if any(name not in self.params for name in names) else {}
        missing = {name: _source(drawn[other]) for name, other in names.items() if other in drawn}
        whole.params = {**missing, **self.params}
        query = operation.parameters("query")
        whole.query = {**{name: _source(values) for name, values in query.items()}, **self.query}
        bodies = operation.body() if self.body is None else ()
        whole.body = _source(bodies) if bodies else self.body
        whole.varies = self.varies or bool(whole.params or whole.query or bodies)
        return whole


def _one_source(value: Any) -> Source:
    return (lambda _, rng: value(rng)) if callable(value) else (lambda _, __: value)


def _source(value: Any) -> Source:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        if not value:
            raise PerformanceError(
                "A placeholder has no values to choose from.", where=caller(2), fix='params={"id": range(1, 101)}'
            )
        return lambda number, _: value[number % len(value)]
    return _one_source(value)


class Target:
    """A route that requests are sent to.

    Args:
        method: Its method.
        path: The whole path, with placeholders where there is something to fill in.
        fill: What fills them.
        template: The path as the app knows it.
    """

    def __init__(self, method: str, path: str, fill: Fill, template: str) -> None:
        self.method = method
        self.path = path
        self.name = f"{method} {template}"
        self._fill = fill
        self._number = 0
        self._shot = None if fill.varies else self._make(random.Random())  # noqa: S311 - nothing is drawn

    def shot(self, rng: random.Random) -> Shot:
        """Return the next request.

        Args:
            rng: Where random values come from.
        """
        return self._shot if self._shot is not None else self._make(rng)

    def _make(self, rng: random.Random) -> Shot:
        number, self._number = self._number, self._number + 1
        fill = self._fill
        path = self.path
        if fill.params:
            values = {name: str(source(number, rng)) for name, source in fill.params.items()}
            path = _PLACEHOLDER.sub(lambda match: values[match[1]], path)
        query = urlencode({name: source(number, rng) for name, source in fill.query.items()}, doseq=True).encode()
        headers, body = [*_BASE, *((name.encode(), value.encode()) for name, value in fill.headers.items())], b""
        if fill.body is not None:
            body = json_module.dumps(fill.body(number, rng)).encode()
            headers += [_JSON, (b"content-length", str(len(body)).encode())]
        return Shot(self.method, path, quote(path).encode(), query, headers, body)


def whole_paths(app: App, path: str) -> Iterable[str]:
    """Yield the paths that may be meant by one that is whole, or as a plugin writes it.

    Args:
        app: The app.
        path: The path.
    """
    yield path
    yield from (app.url(name, path) for name in app.plugins)


def targets(app: App, fill: Fill, seed: int) -> list[Target]:
    """Return all requests that the plugins' part of the OpenAPI document has.

    Args:
        app: The app, with its plugins loaded.
        fill: What fills all of them.
        seed: The seed of what is drawn.

    Raises:
        PerformanceError: If it has none.
    """
    __tracebackhide__ = True
    paths = app.openapi().get("paths", {})
    names = [
        f"{one.method} {one.path}"
        for one in app.routes
        if one.method.lower() in paths.get(_PLACEHOLDER.sub(r"{\1}", one.path), {}) and one.method != "HEAD"
    ]
    if not names:
        raise PerformanceError(
            "The plugins have no routes to send requests to.",
            where=caller(2),
            fix='Say what to send: run("GET /health").',
        )
    return [target(app, name, fill, seed) for name in names]


def target(app: App, said: str, fill: Fill, seed: int) -> Target:
    """Return the route that was meant.

    Args:
        app: The app, with its plugins loaded.
        said: Method and path, such as "GET /items/{id}": the whole path, or as the plugin writes it.
        fill: What fills its placeholders; what it does not say comes from the app's OpenAPI document.
        seed: The seed of what is drawn.

    Raises:
        PerformanceError: If there is no such route, or a placeholder has no value.
    """
    __tracebackhide__ = True
    method, _, path = said.strip().rpartition(" ")
    method = method.strip().upper() or "GET"
    listed = app.routes
    if method not in METHODS or not path.startswith("/"):
        raise PerformanceError(
            f"{said!r} is no request.",
            where=caller(2),
            why=f"the method is one of {', '.join(METHODS)}" if path.startswith("/") else "a path begins with '/'",
            fix=did_you_mean(method, METHODS) or 'Write method and path: "GET /items/{id}".',
        )
    if "?" in path:
        raise PerformanceError(
            f"{said!r} has a query in its path.",
            where=caller(2),
            fix='Say it so: run("GET /items", query={"page": 2}).',
        )
    for candidate in whole_paths(app, path):
        template = _template(app, method, candidate)
        if template is not None:
            return Target(method, candidate, _filled(app, said, candidate, template, fill, seed), template)
    other = sorted({one.method for one in listed for path_ in whole_paths(app, path) if one.path == path_})
    known = [f"{one.method} {one.path}" for one in listed]
    raise PerformanceError(
        f"There is no route {said!r}.",
        where=caller(2),
        why=f"the path has {', '.join(other)}" if other else f"there are {', '.join(known) or 'none'}",
        fix=_nearest(app, f"{method} {path}", known),
    )


def _nearest(app: App, said: str, known: Sequence[str]) -> str:
    """Return the guess, whether the path was meant whole or as the plugin writes it."""
    short = [one.replace(app.url(name, "/").rstrip("/"), "", 1) for one in known for name in app.plugins]
    return did_you_mean(said, dict.fromkeys([*known, *short]))


def _template(app: App, method: str, path: str) -> str | None:
    """Return the path of the route that takes a request, as FastAPI knows it; None if there is none."""
    filled = _PLACEHOLDER.sub("0", path)
    for one in app.routes:
        if one.method == method and (one.path == path or compile_path(one.path)[0].match(filled)):
            return one.path
    scope = {"type": "http", "method": method, "path": filled, "root_path": "", "headers": []}
    for route in app.fastapi_app.router.routes:
        if route.matches(scope)[0] is Match.FULL:
            return str(getattr(route, "path", path))
    return None


def _filled(  # noqa: PLR0917 - the parts of one request
    app: App, said: str, path: str, template: str, fill: Fill, seed: int
) -> Fill:
    """Return what fills a request, all of it."""
    __tracebackhide__ = True
    names = _PLACEHOLDER.findall(path)
    unknown = [name for name in fill.params if name not in names]
    if unknown:
        raise PerformanceError(
            f"{said!r} has no placeholder {unknown[0]!r}.",
            where=caller(3),
            why=f"it has {', '.join(names) or 'none'}",
            fix=did_you_mean(unknown[0], names),
        )
    method = said.rpartition(" ")[0].strip().upper() or "GET"
    operation = operation_of(app, method, _PLACEHOLDER.sub(r"{\1}", template), seed, caller(3))
    if operation is not None:
        others = _PLACEHOLDER.findall(template)
        fill = fill.completed(operation, dict(zip(names, others, strict=True)) if len(names) == len(others) else {})
    missing = [name for name in names if name not in fill.params]
    if missing:
        raise PerformanceError(
            f"{said!r} says no value for {missing[0]!r}.",
            where=caller(3),
            fix=f'run({said!r}, params={{"{missing[0]}": range(1, 101)}})',
        )
    return fill
