"""Requests from an app's OpenAPI document: its examples, and else what its schemas allow, drawn with a seed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..errors import ExtraMissing, PerformanceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..app import App

__all__ = ("Operation", "operation_of")

_DRAWN = 50
"""How many values are drawn from a schema; a load takes them in turns."""


class Operation:
    """One method of one path of an OpenAPI document.

    Args:
        document: The document.
        method: The method.
        path: The path.
        described: What the document says of it.
        seed: The seed of what is drawn.
        where: Who asked for it.
    """

    def __init__(  # noqa: PLR0917 - made in one place
        self, document: dict[str, Any], method: str, path: str, described: dict[str, Any], seed: int, where: object
    ) -> None:
        self._document = document
        self._method = method
        self._path = path
        self._name = f"{method} {path}"
        self._described = described
        self._seed = seed
        self._where = where
        self._cases: list[Any] | None = None

    def parameters(self, place: str) -> dict[str, Sequence[Any]]:
        """Return values for the parameters that a request has to have.

        Args:
            place: Where they stand: "path", "query" or "header".
        """
        found = {}
        for one in self._described.get("parameters", ()):
            parameter = self._resolved(one)
            if parameter["in"] == place and parameter.get("required"):
                name = parameter["name"]
                found[name] = self._examples(parameter) or self._drawn(f"the parameter {name!r}", place, name)
        return found

    def body(self) -> Sequence[Any]:
        """Return JSON bodies, if a request has to have one; else none.

        Raises:
            PerformanceError: If the body is no JSON.
        """
        described = self._resolved(self._described.get("requestBody", {}))
        if not described.get("required"):
            return ()
        content = described.get("content", {})
        media = content.get("application/json")
        if media is None:
            raise PerformanceError(
                f"{self._name!r} takes {' or '.join(content) or 'an unknown body'}, which is not made from a schema.",
                where=self._where,
                fix="Write a scenario that sends it by self.client.",
            )
        return self._examples(media) or self._drawn("the body", "body", "")

    def _resolved(self, value: dict[str, Any]) -> dict[str, Any]:
        reference = value.get("$ref")
        if not isinstance(reference, str):
            return value
        found: Any = self._document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        return self._resolved(found)

    def _examples(self, described: dict[str, Any]) -> list[Any]:
        schema = described.get("schema", {})
        return _examples(described) or _examples(schema) or _examples(self._resolved(schema))

    def _drawn(self, what: str, place: str, name: str) -> Sequence[Any]:
        cases = self._cases = self._cases or self._draw(what)
        match place:
            case "body":
                return [case.body for case in cases]
            case "path":
                return [unquote(str(case.path_parameters[name])) for case in cases]
            case "query":
                return [case.query[name] for case in cases]
            case _:
                return [str(case.headers[name]) for case in cases]

    def _draw(self, what: str) -> list[Any]:
        """Return requests as the schemas allow them."""
        try:
            library: Any = importlib.import_module("schemathesis")
        except ModuleNotFoundError as error:
            said = f"{self._name!r}: drawing {what} from its schema, since the load does not say it,"
            raise ExtraMissing(said, extra="conformance") from error
        hypothesis: Any = importlib.import_module("hypothesis")
        cases: list[Any] = []

        def collect(case: Any) -> None:
            cases.append(case)

        try:
            operation = library.openapi.from_dict(self._document)[self._path][self._method]
            strategy = operation.as_strategy(generation_mode=library.GenerationMode.POSITIVE)
            quiet = hypothesis.settings(
                max_examples=_DRAWN,
                database=None,
                deadline=None,
                phases=[hypothesis.Phase.generate],
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            hypothesis.seed(self._seed)(quiet(hypothesis.given(strategy)(collect)))()
        except Exception as error:
            # The libraries raise many kinds, for schemas that nothing fits or that they do not know.
            raise PerformanceError(
                f"{self._name!r}: {what} cannot be drawn from its schema.",
                where=self._where,
                why=f"{type(error).__name__}: {error}",
                fix="Say it yourself, by params=, query= or json=, or give the schema examples.",
            ) from error
        return cases


def _examples(described: dict[str, Any]) -> list[Any]:
    examples = described.get("examples")
    if isinstance(examples, dict):
        return [one["value"] for one in examples.values() if "value" in one]
    if examples:
        return list(examples)
    return [described["example"]] if "example" in described else []


def operation_of(app: App, method: str, path: str, seed: int, where: object) -> Operation | None:
    """Return what an app's OpenAPI document says of a request; None if it does not have it.

    Args:
        app: The app.
        method: Its method.
        path: The route's path.
        seed: The seed of what is drawn.
        where: Who asks.
    """
    document = app.openapi()
    described = document.get("paths", {}).get(path, {}).get(method.lower())
    return None if described is None else Operation(document, method, path, described, seed, where)
