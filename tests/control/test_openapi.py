"""The document against the server: schemathesis sends each endpoint what the document allows, and what it forbids."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from fsqueue.control.app import Control
from fsqueue.control.endpoints import ENDPOINTS, EVENTS_PATH, METRICS_PATH, Request, respond
from fsqueue.control.openapi import document
from fsqueue.control.wire import encode
from tests.control.desks import FakeDesk

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]

EXAMPLES = 25
"""For each endpoint and run; some three seconds in all."""


def fresh_desk() -> FakeDesk:
    """A desk with calls in line, one that is talked and one that is over, under ids that are often guessed."""
    desk = FakeDesk()
    for call in ("0", "c1", "c2", "c3"):
        desk.arrive(call, name="\x1b[31m\ud800")
    desk.answer("0")
    desk.leave("c3")
    return desk


def endpoints_of_the_document() -> Any:
    app = Control(fresh_desk()).application()
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    return schema.exclude(path=EVENTS_PATH)


@endpoints_of_the_document().parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_endpoint_keeps_what_the_document_says(case: Any) -> None:
    case.call_and_validate(checks=CHECKS)


def test_every_endpoint_is_in_the_document_and_nothing_else() -> None:
    paths = json.loads(document("1"))["paths"]
    assert {(m.upper(), path) for path, ways in paths.items() for m in ways} == {
        ("GET", EVENTS_PATH),
        ("GET", METRICS_PATH),
        *((e.method, e.path) for e in ENDPOINTS),
    }


def test_operations_have_names_of_their_own() -> None:
    paths = json.loads(document("1"))["paths"]
    names = [operation["operationId"] for ways in paths.values() for operation in ways.values()]
    assert len(set(names)) == len(names)


def test_what_is_answered_is_what_the_document_describes() -> None:
    """Apart from schemathesis, which only sees what its guesses reach: here all that there is to see."""
    described = json.loads(document("1"))
    desk = fresh_desk()
    asked = (
        ("GET /v1/status", ""),
        ("GET /v1/groups/{id}", "sales"),
        ("GET /v1/members/{id}", "anna"),
        ("GET /v1/calls/{id}", "c1"),
        ("GET /v1/calls/{id}", "c3"),
        ("GET /v1/recent", ""),
        ("GET /v1/missed", ""),
        ("GET /v1/history/calls", ""),
        ("GET /v1/history/calls/{id}", "c3"),
        ("POST /v1/missed/{id}/done", "c3"),
        ("POST /v1/calls/{id}/hangup", "c1"),
    )
    for what, name in asked:
        method, path = what.split()
        schema = described["paths"][path][method.lower()]["responses"]["200"]["content"]["application/json"]["schema"]
        validator = jsonschema_rs.Draft202012Validator({**schema, "components": described["components"]})
        endpoint = next(e for e in ENDPOINTS if (e.method, e.path) == (method, path))
        answer = respond(endpoint, desk, Request(id=name))
        assert answer.status == 200
        validator.validate(json.loads(encode(answer.content)))
