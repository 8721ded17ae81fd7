"""What users of a plugin send, made from its OpenAPI: examples, else what its schemas allow."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ExtraMissing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ("Case", "Operation", "operations")

_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
_PLACEHOLDER = re.compile(r"\{(\w+)(?::\w+)?\}")

_VARIETY = 20
"""How many cases are drawn: enough that a cache does not answer all of them, few enough to be quick."""

_PLAIN = {"pattern": "^[a-z0-9]{1,16}$"}
"""What texts are made of that a schema says nothing more of. Load is no fuzzing."""


class Case(NamedTuple):
    """One way to call an operation. A body of None is none."""

    params: dict[str, Any]
    query: dict[str, Any]
    body: Any


class Operation(NamedTuple):
    """One method of one path, and cases of it that take turns.

    `made_by` is the path at which things are made of which this operation is about a single one, and `id_name` the
    placeholder that takes the id of it; both are None where there is no such path.
    """

    method: str
    path: str
    weight: float
    tag: str
    cases: list[Case]
    made_by: str | None
    id_name: str | None

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.method} {self.path}"


def operations(openapi: Mapping[str, Any], seed: int, weights: Mapping[str, float] | None = None) -> list[Operation]:
    """Return the operations of an app, each with what can be sent to it.

    Args:
        openapi: What the app says of itself.
        seed: The seed of the values that are drawn.
        weights: How often operations of a tag are called, against those of others. An operation's own `x-load-weight`
            stands above it.

    Raises:
        ExtraMissing: If values have to be drawn, and what draws them is not installed.
    """
    return list(_operations(openapi, seed, weights or {}))


def _operations(openapi: Mapping[str, Any], seed: int, weights: Mapping[str, float]) -> Iterator[Operation]:
    paths: Mapping[str, Any] = openapi.get("paths", {})
    makers = {path for path, item in paths.items() if "post" in item}
    for path, item in paths.items():
        for method in _METHODS:
            if method not in item:
                continue
            said = item[method]
            tag = (said.get("tags") or [""])[0]
            made_by, id_name = _maker(path, makers)
            yield Operation(
                method.upper(),
                path,
                float(said.get("x-load-weight", weights.get(tag, 1.0))),
                tag,
                _cases(openapi, path, method, seed),
                made_by,
                id_name,
            )


def _maker(path: str, makers: set[str]) -> tuple[str | None, str | None]:
    """Return where things are made that a path is about, and its placeholder: /orders and id of /orders/{id}/lines."""
    found: tuple[str | None, str | None] = (None, None)
    for match in _PLACEHOLDER.finditer(path):
        before = path[: match.start()].rstrip("/")
        if before in makers:
            found = before, match[1]
    return found


def _cases(openapi: Mapping[str, Any], path: str, method: str, seed: int) -> list[Case]:
    item = openapi["paths"][path]
    said = item[method]
    listed = [_resolved(openapi, one) for one in (*item.get("parameters", ()), *said.get("parameters", ()))]
    needed = [one for one in listed if one.get("in") == "path" or (one.get("in") == "query" and one.get("required"))]
    given = {(one["in"], one["name"]): _examples_of(openapi, one) for one in needed}
    content = _resolved(openapi, said.get("requestBody") or {}).get("content", {}).get("application/json")
    bodies = _examples_of(openapi, content) if content is not None else []
    if all(given.values()) and (content is None or bodies):
        count = max([1, len(bodies), *map(len, given.values())])
        return [_case(given, bodies, number) for number in range(count)]
    return [
        Case(
            {**drawn.params, **_case(given, (), number).params},
            {**drawn.query, **_case(given, (), number).query},
            bodies[number % len(bodies)] if bodies else drawn.body,
        )
        for number, drawn in enumerate(_drawn(openapi, path, method, seed))
    ]


def _case(given: Mapping[tuple[str, str], list[Any]], bodies: Any, number: int) -> Case:
    chosen = {key: values[number % len(values)] for key, values in given.items() if values}
    return Case(
        {name: value for (place, name), value in chosen.items() if place == "path"},
        {name: value for (place, name), value in chosen.items() if place == "query"},
        bodies[number % len(bodies)] if bodies else None,
    )


def _resolved(openapi: Mapping[str, Any], said: Any) -> Any:
    """Return what a reference stands for, or what is no reference."""
    while isinstance(said, dict) and "$ref" in said:
        found: Any = openapi
        for part in said["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        said = found
    return said


def _examples_of(openapi: Mapping[str, Any], said: Mapping[str, Any]) -> list[Any]:
    """Return the examples of a parameter or a body, or those that its schema and the parts of that say."""
    return _examples(said) or _examples_in(openapi, said.get("schema", {}))


def _examples_in(openapi: Mapping[str, Any], said: Any) -> list[Any]:
    schema = _resolved(openapi, said)
    if not isinstance(schema, dict):
        return []
    found = _examples(schema) or list(schema.get("enum", ()))
    if found or "default" in schema:
        return found or [schema["default"]]
    properties = schema.get("properties", {})
    parts = {name: _examples_in(openapi, one) for name, one in properties.items()}
    if parts and all(parts[name] for name in schema.get("required") or properties):
        return [{name: values[0] for name, values in parts.items() if values}]
    return []


def _examples(said: Mapping[str, Any]) -> list[Any]:
    if "example" in said:
        return [said["example"]]
    examples = said.get("examples")
    if isinstance(examples, dict):
        return [one["value"] for one in examples.values() if isinstance(one, dict) and "value" in one]
    return list(examples) if isinstance(examples, list) else []


def _drawn(openapi: Mapping[str, Any], path: str, method: str, seed: int) -> list[Case]:
    """Return cases that the schemas of an operation allow."""
    try:
        import hypothesis
        import schemathesis
    except ImportError:
        raise ExtraMissing("Load that is made from OpenAPI without examples", extra="load") from None
    alone = {**openapi, "paths": {path: {method: openapi["paths"][path][method]}}}
    plain = _plain(copy.deepcopy(alone))
    operation: Any = schemathesis.openapi.from_dict(plain)[path][method.upper()]
    drawn: list[Case] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=_VARIETY,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(operation.as_strategy())
    def draw(case: Any) -> None:
        body = case.body if isinstance(case.body, dict | list | str | int | float | bool) else None
        drawn.append(Case(dict(case.path_parameters or {}), dict(case.query or {}), body))

    draw()
    return drawn


def _plain(said: Any) -> Any:
    """Make schemas allow what users send: no keys but those that they name, and texts of letters and digits."""
    if isinstance(said, list):
        return [_plain(one) for one in said]
    if not isinstance(said, dict):
        return said
    made = {key: _plain(value) for key, value in said.items()}
    if made.get("type") == "object" and "properties" in made:
        made.setdefault("additionalProperties", False)
    if made.get("type") == "string" and not made.keys() & {"pattern", "format", "enum", "minLength", "maxLength"}:
        made.update(_PLAIN)
    return made
