"""Every endpoint in one table: its path, what it takes and gives, and which handler answers. Server and document are
made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from fsqueue.control import handlers, past
from fsqueue.control.handlers import Desk, RefusedError, refuse
from fsqueue.control.protocol import (
    MAX_BODY,
    STATUS,
    CallDetail,
    CallDone,
    Calls,
    DrainDone,
    DrainOrder,
    DutyOrder,
    EventQuery,
    Events,
    GroupDetail,
    Groups,
    HistoryCall,
    HistoryCalls,
    HistoryQuery,
    MemberDetail,
    MemberDone,
    Members,
    MissedCalls,
    MissedQuery,
    MoveOrder,
    Nothing,
    Problem,
    Reloaded,
    ReloadOrder,
    RunningFile,
    Status,
    StatusQuery,
)
from fsqueue.control.wire import printable
from fsqueue.journal.history.marks import CallBackOrder, ForgetOrder, Marked

Method = Literal["GET", "POST"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What came in, apart from how it came. `by` is who asks, as far as the socket or the token tells."""

    id: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    by: str = ""
    trusted: bool = False
    """It is root or the daemon's own user, as the kernel says: whoever may read the daemon's files."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose query and body were checked against the endpoint's types."""

    id: str
    query: Any
    body: Any
    by: str
    trusted: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and what is said with it."""

    status: int
    content: msgspec.Struct


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One row. `answer` returns an instance of `gives`, or raises `RefusedError`."""

    method: Method
    path: str
    summary: str
    gives: type[msgspec.Struct]
    answer: Callable[[Desk, Asked], msgspec.Struct]
    query: type[msgspec.Struct] = Nothing
    body: type[msgspec.Struct] = Nothing
    of_now: bool = False
    """The answer depends on the moment and the query alone, and may be given to others who ask within a moment."""

    @property
    def changes(self) -> bool:
        """Whether it changes anything: a read-only token may not."""
        return self.method == "POST"


EVENTS_PATH = "/v1/events"
"""The stream; it is not in the table since it has no end."""

METRICS_PATH = "/metrics"
"""The figures; they are not in the table since they are no JSON."""

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/v1/status",
        summary="Everything at one moment, or one group with its members and calls",
        of_now=True,
        query=StatusQuery,
        gives=Status,
        answer=lambda desk, asked: handlers.status(desk, asked.query),
    ),
    Endpoint(
        method="GET",
        path="/v1/groups",
        summary="All groups",
        of_now=True,
        gives=Groups,
        answer=lambda desk, _: handlers.groups(desk),
    ),
    Endpoint(
        method="GET",
        path="/v1/groups/{id}",
        summary="One group, its members and its calls",
        gives=GroupDetail,
        answer=lambda desk, asked: handlers.group(desk, asked.id),
    ),
    Endpoint(
        method="GET",
        path="/v1/members",
        summary="All members",
        of_now=True,
        gives=Members,
        answer=lambda desk, _: handlers.members(desk),
    ),
    Endpoint(
        method="GET",
        path="/v1/members/{id}",
        summary="One member, and what happened to him last",
        gives=MemberDetail,
        answer=lambda desk, asked: handlers.member(desk, asked.id),
    ),
    Endpoint(
        method="POST",
        path="/v1/members/{id}/duty",
        summary="Log a member in or out, pause him, or have him resume; during a ring or talk it counts after it",
        body=DutyOrder,
        gives=MemberDone,
        answer=lambda desk, asked: handlers.duty(desk, asked.id, asked.body, asked.by),
    ),
    Endpoint(
        method="GET",
        path="/v1/calls",
        summary="All calls that are not over, those in line first",
        of_now=True,
        gives=Calls,
        answer=lambda desk, _: handlers.calls(desk),
    ),
    Endpoint(
        method="GET",
        path="/v1/calls/{id}",
        summary="One call and what happened to it, with the reasons",
        gives=CallDetail,
        answer=lambda desk, asked: past.any_call(desk, asked.id),
    ),
    Endpoint(
        method="POST",
        path="/v1/calls/{id}/move",
        summary="Move a waiting call to another group, or, where none is named, to the head of its line",
        body=MoveOrder,
        gives=CallDone,
        answer=lambda desk, asked: handlers.move(desk, asked.id, asked.body, asked.by),
    ),
    Endpoint(
        method="POST",
        path="/v1/calls/{id}/hangup",
        summary="End a call",
        gives=CallDone,
        answer=lambda desk, asked: handlers.hangup(desk, asked.id, asked.by),
    ),
    Endpoint(
        method="POST",
        path="/v1/drain",
        summary="Take no new calls, and end when the last one is over; asked for again, it is the limit that changes",
        body=DrainOrder,
        gives=DrainDone,
        answer=lambda desk, asked: handlers.drain(desk, asked.body, asked.by),
    ),
    Endpoint(
        method="POST",
        path="/v1/drain/cancel",
        summary="Take calls again",
        gives=DrainDone,
        answer=lambda desk, asked: handlers.cancel_drain(desk, asked.by),
    ),
    Endpoint(
        method="POST",
        path="/v1/reload",
        summary="Read the configuration again and take it over; calls in progress go on",
        body=ReloadOrder,
        gives=Reloaded,
        answer=lambda desk, asked: handlers.reload(desk, asked.body),
    ),
    Endpoint(
        method="GET",
        path="/v1/configuration",
        summary="The configuration that runs; for root and the daemon's own user alone",
        gives=RunningFile,
        answer=lambda desk, asked: handlers.configuration(desk, trusted=asked.trusted),
    ),
    Endpoint(
        method="GET",
        path="/v1/recent",
        summary="Past events, oldest first",
        query=EventQuery,
        gives=Events,
        answer=lambda desk, asked: handlers.recent(desk, asked.query),
    ),
    Endpoint(
        method="GET",
        path="/v1/missed",
        summary="Missed calls and what became of them, the newest first",
        query=MissedQuery,
        gives=MissedCalls,
        answer=lambda desk, asked: past.missed(desk, asked.query),
    ),
    Endpoint(
        method="POST",
        path="/v1/missed/{id}/done",
        summary="Mark a missed call as called back",
        body=CallBackOrder,
        gives=Marked,
        answer=lambda desk, asked: past.done(desk, asked.id, asked.body, asked.by),
    ),
    Endpoint(
        method="GET",
        path="/v1/history/calls",
        summary="Calls of the past, the newest first",
        query=HistoryQuery,
        gives=HistoryCalls,
        answer=lambda desk, asked: past.calls(desk, asked.query),
    ),
    Endpoint(
        method="GET",
        path="/v1/history/calls/{id}",
        summary="One call with all that the history has of it, and its story in words",
        gives=HistoryCall,
        answer=lambda desk, asked: past.call(desk, asked.id),
    ),
    Endpoint(
        method="POST",
        path="/v1/history/forget",
        summary="Blank one caller's number and name in all of his calls that have ended; it can't be undone",
        body=ForgetOrder,
        gives=Marked,
        answer=lambda desk, asked: past.forget(desk, asked.body, asked.by),
    ),
)


def respond(endpoint: Endpoint, desk: Desk, request: Request) -> Answer:
    """Check *request* and have it answered; whatever is wrong with it becomes a `Problem`."""
    try:
        query = read_query(endpoint.query, request.query)
        asked = Asked(request.id, query, read_body(endpoint.body, request.body), request.by, request.trusted)
        return Answer(200, endpoint.answer(desk, asked))
    except RefusedError as error:
        return problem(error.problem)


def problem(found: Problem) -> Answer:
    """Return the answer that says *found*."""
    return Answer(STATUS[found.code], found)


def read_query(wanted: type[msgspec.Struct], given: Mapping[str, str]) -> Any:
    """Return *given* as *wanted*.

    Raises:
        RefusedError: it is not what the type allows.
    """
    try:
        found = msgspec.convert(dict(given), wanted, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise _not_understood("the query", error, wanted) from error
    return found


def read_body(wanted: type[msgspec.Struct], given: bytes) -> Any:
    """Return the JSON object *given* as *wanted*; none at all counts as an empty one.

    Raises:
        RefusedError: it is too large, no JSON, or not what the type allows.
    """
    if len(given) > MAX_BODY:
        raise refuse("too_large", f"the body has more than {MAX_BODY} bytes", "send only what is asked for")
    try:
        return msgspec.json.decode(given or b"{}", type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_understood("the body", error, wanted) from error


def _not_understood(what: str, error: Exception, wanted: type[msgspec.Struct]) -> RefusedError:
    fields = ", ".join(wanted.__struct_fields__)
    takes = f"it takes: {fields}" if fields else "it takes nothing"
    return refuse("bad_request", printable(f"{what} is not understood: {error}"), f"{takes}; see /openapi.json")
