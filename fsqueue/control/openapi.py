"""The OpenAPI 3.1 document of the control API, made from the endpoints' types."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from fsqueue.control.endpoints import ENDPOINTS, EVENTS_PATH, METRICS_PATH, Endpoint
from fsqueue.control.protocol import Event, EventQuery, Notice, Problem

_REF = "#/components/schemas/{name}"

_ERRORS = {
    "400": "The request is not understood.",
    "401": "Over TCP: no token, or an unknown one.",
    "403": "Not for who asks: over TCP a token that only reads, or what only root may see.",
    "404": "There is no such thing.",
    "409": "Refused in this state.",
    "413": "The request is too large.",
    "503": "Too much at once, or the daemon is held up.",
}


@cache
def document(version: str) -> bytes:
    """Return the document as JSON; *version* is the package's."""
    schemas = _schemas()
    paths: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    paths[EVENTS_PATH] = {"get": _stream(schemas)}
    paths[METRICS_PATH] = {"get": _metrics()}
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "fsqueue",
                "version": version,
                "description": "What a call queue does, and what people tell it, over a Unix socket.",
            },
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "Over TCP only."}},
            },
        }
    )


def _schemas() -> dict[str, Any]:
    types: list[type] = [Problem, Event, Notice, EventQuery]
    for endpoint in ENDPOINTS:
        types += [endpoint.gives, endpoint.query, endpoint.body]
    return msgspec.json.schema_components(types, ref_template=_REF)[1]


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    named = "{id}" in endpoint.path
    errors = [
        "400",
        "401",
        "403",
        *(["404"] if named or endpoint.query.__struct_fields__ or endpoint.changes else []),
        "413",
        "503",
    ]
    if endpoint.changes:
        errors += ["409"]
    operation: dict[str, Any] = {
        "operationId": _name(endpoint),
        "summary": endpoint.summary,
        "security": [{}, {"token": []}],
        "parameters": [*([_id(endpoint)] if named else []), *_parameters(endpoint.query, schemas)],
        "responses": {
            "200": {"description": "Done.", "content": _json(endpoint.gives)},
            **_problems(errors),
        },
    }
    if endpoint.changes:
        required = bool(schemas[endpoint.body.__name__].get("required"))
        operation["requestBody"] = {"required": required, "content": _json(endpoint.body)}
    return operation


def _stream(schemas: dict[str, Any]) -> dict[str, Any]:
    lines = {"oneOf": [{"$ref": _REF.format(name=each.__name__)} for each in (Event, Notice)]}
    return {
        "operationId": "events",
        "summary": "What happens, one JSON object a line, for as long as the connection stands",
        "security": [{}, {"token": []}],
        "parameters": _parameters(EventQuery, schemas),
        "responses": {
            "200": {"description": "A stream without an end.", "content": {"application/x-ndjson": {"schema": lines}}},
            **_problems(["400", "401", "404", "503"]),
        },
    }


def _metrics() -> dict[str, Any]:
    text = {"schema": {"type": "string"}}
    return {
        "operationId": "metrics",
        "summary": "The figures to alert on, as OpenMetrics text",
        "security": [{}, {"token": []}],
        "responses": {
            "200": {"description": "OpenMetrics.", "content": {"application/openmetrics-text": text}},
            **_problems(["400", "401"]),
        },
    }


def _name(endpoint: Endpoint) -> str:
    parts = endpoint.path.split("/")[2:]
    following = [*parts[1:], ""]
    # `calls/{id}` is one call.
    words = [p.removesuffix("s") if after == "{id}" else p for p, after in zip(parts, following, strict=True)]
    return "_".join(word for word in words if word != "{id}")


def _id(endpoint: Endpoint) -> dict[str, Any]:
    before = endpoint.path.split("/{id}")[0].rpartition("/")[2].removesuffix("s")
    what = "call" if before == "missed" else before
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": f"The {what}'s id.",
        "schema": {"type": "string", "minLength": 1},
    }


def _parameters(query: type[msgspec.Struct], schemas: dict[str, Any]) -> list[dict[str, Any]]:
    properties: dict[str, Any] = schemas[query.__name__]["properties"]
    return [{"name": name, "in": "query", "schema": _given(schema)} for name, schema in properties.items()]


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without its default: what is not in a query is not said."""
    return {key: value for key, value in schema.items() if key != "default"}


def _problems(codes: Iterable[str]) -> dict[str, Any]:
    return {code: {"description": _ERRORS[code], "content": _json(Problem)} for code in sorted(codes)}


def _json(what: type[msgspec.Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(name=what.__name__)}}}
