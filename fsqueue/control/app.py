"""The WSGI application: falcon's routes around the endpoints, who may use them, and the stream of events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import falcon
import gevent
from gevent.event import Event

from fsqueue.control.board import Watch, wire_line
from fsqueue.control.endpoints import (
    ENDPOINTS,
    EVENTS_PATH,
    METRICS_PATH,
    Answer,
    Endpoint,
    Request,
    problem,
    read_query,
    respond,
)
from fsqueue.control.handlers import Desk, RefusedError, begin_watch, refuse
from fsqueue.control.kept import Kept
from fsqueue.control.metrics import CONTENT_TYPE
from fsqueue.control.openapi import document
from fsqueue.control.protocol import MAX_BODY, EventQuery, Notice, Problem
from fsqueue.control.tokens import Tokens
from fsqueue.control.wire import encode

log = logging.getLogger(__name__)

HEARTBEAT = 15.0
"""Seconds after which a stream that has nothing to tell says so; what its reader and we notice a dead peer by."""

GATHER = 0.1
"""Seconds in which a watcher's lines are gathered before they are sent: with a hundred watchers a busy second costs a
thousand writes instead of eight thousand, and nobody can see the difference.
"""

MAX_WATCHERS = 200

PEER = "fsqueue.peer"
"""Where the server puts who is at the other end, in the WSGI environment."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who asks: a user of this system, or a token's name; and whether he may read the daemon's files."""

    name: str = ""
    trusted: bool = False
    stays: Callable[[], bool] = lambda: True
    """Whether what let him in still would."""


class Control:
    """The application for one desk. `end` lets its streams end."""

    def __init__(
        self, desk: Desk, heartbeat: float = HEARTBEAT, max_watchers: int = MAX_WATCHERS, kept: Kept | None = None
    ) -> None:
        """Serve *desk*; *heartbeat* in seconds, *kept* keeps answers about the moment."""
        self._desk = desk
        self._heartbeat = heartbeat
        self._max_watchers = max_watchers
        self._ending = False
        self._wakes: dict[int, Event] = {}
        self._kept = kept or Kept()

    def application(self, tokens: Tokens | None = None) -> falcon.App[Any, Any]:
        """Return the WSGI application; with *tokens* each request has to carry one."""
        app = falcon.App(middleware=[_Door(tokens)], media_type="application/json")
        app.req_options.strip_url_path_trailing_slash = True
        app.req_options.keep_blank_qs_values = True
        app.set_error_serializer(_serialize)
        app.add_error_handler(Exception, _failed)
        resources: dict[str, Any] = {}
        for endpoint in ENDPOINTS:
            resource = resources.setdefault(endpoint.path, _Resource())
            setattr(resource, f"on_{endpoint.method.lower()}", self._responder(endpoint))
        for path, resource in resources.items():
            app.add_route(path, resource)
        app.add_route(EVENTS_PATH, _Resource(on_get=self._stream))
        app.add_route(METRICS_PATH, _Resource(on_get=self._metrics))
        app.add_route("/openapi.json", _Resource(on_get=self._document))
        return app

    def end(self) -> None:
        """Have every stream say that it ends, and end."""
        self._ending = True
        for wake in self._wakes.values():
            wake.set()

    def look_again(self) -> None:
        """Have every stream look whether its reader may still have it."""
        for wake in self._wakes.values():
            wake.set()

    def _responder(self, endpoint: Endpoint) -> Callable[..., None]:
        def on_request(req: falcon.Request, resp: falcon.Response, **named: str) -> None:
            try:
                query, body = _query(req), _body(req)
            except RefusedError as error:
                _say(resp, problem(error.problem))
                return
            who: Peer = req.context.who
            request = Request(id=named.get("id", ""), query=query, body=body, by=who.name, trusted=who.trusted)
            if endpoint.of_now and not body:
                self._say_of_now(resp, endpoint, request)
                return
            try:
                _say(resp, respond(endpoint, self._desk, request))
            finally:
                if endpoint.changes:
                    self._kept.forget()

        return on_request

    def _say_of_now(self, resp: falcon.Response, endpoint: Endpoint, request: Request) -> None:
        def made() -> bytes:
            answer = respond(endpoint, self._desk, request)
            if answer.status != 200:
                raise _NotKeptError(answer)
            return encode(answer.content)

        try:
            resp.data = self._kept.get((endpoint.path, *sorted(request.query.items())), made)
        except _NotKeptError as error:
            _say(resp, error.answer)

    def _document(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.data = document(self._desk.version)

    def _metrics(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = CONTENT_TYPE
        resp.data = self._kept.get(METRICS_PATH, self._desk.metrics)

    # --- the stream ---------------------------------------------------------------------------------------------------

    def _stream(self, req: falcon.Request, resp: falcon.Response) -> None:
        try:
            query = read_query(EventQuery, _query(req))
        except RefusedError as error:
            _say(resp, problem(error.problem))
            return
        if self._desk.board.watchers >= self._max_watchers:
            text = f"{self._max_watchers} watch already"
            _say(resp, problem(Problem(code="overloaded", error=text, remedy="close some, or come back later")))
            return
        wake = Event()
        watch = Watch(query, wake.set)
        try:
            past = begin_watch(self._desk, watch)
        except RefusedError as error:
            _say(resp, problem(error.problem))
            return
        self._wakes[id(watch)] = wake
        resp.content_type = "application/x-ndjson"
        resp.set_header("Cache-Control", "no-store")
        who: Peer = req.context.who
        resp.stream = _Lines(self._lines(watch, wake, past, who), lambda: self._forget(watch))

    def _forget(self, watch: Watch) -> None:
        self._desk.board.unwatch(watch)
        self._wakes.pop(id(watch), None)

    def _lines(self, watch: Watch, wake: Event, past: bytes, who: Peer) -> Iterator[bytes]:
        """Yield what there is to send, as it comes; the last line says why there are no more."""
        yield past + self._notice("heartbeat", watch.seq)
        while not (self._ending or watch.dropped):
            if not wake.wait(self._heartbeat):
                yield self._notice("heartbeat", watch.seq)
                continue
            gevent.sleep(GATHER)
            if not who.stays():
                yield self._notice("ending", watch.sent, "the token by which you came is not known any more")
                return
            wake.clear()
            data = watch.take()
            if data:
                yield data
        if watch.dropped:
            yield self._notice("dropped", watch.sent, "you read too slowly; come back after this number")
        else:
            yield watch.take() + self._notice("ending", self._desk.board.catch_up(), "the daemon ends")

    def _notice(self, kind: Any, seq: int, text: str = "") -> bytes:
        return wire_line(Notice(notice=kind, t=self._desk.picture().t, seq=seq, text=text))


class _NotKeptError(Exception):
    """An answer that is for who asked alone: a refusal."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class _Lines:
    """What falcon sends, closed with the response: also when its reader has gone, or it was never begun."""

    def __init__(self, lines: Iterator[bytes], close: Callable[[], None]) -> None:
        self._lines = lines
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return self._lines


class _Resource:
    """What falcon looks for its responders on."""

    def __init__(self, **responders: Callable[..., None]) -> None:
        for name, responder in responders.items():
            setattr(self, name, responder)


class _Door:
    """Lets in whom the Unix socket's mode let in, or who carries a token; and notes who it is."""

    def __init__(self, tokens: Tokens | None) -> None:
        self._tokens = tokens

    def process_request(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """Look at who asks, before anything else is done."""
        if self._tokens is None:
            req.context.who = req.env.get(PEER) or Peer()
            return
        token = self._tokens.of(req.get_header("Authorization") or "")
        if token is None:
            raise _refuse(
                "unauthorized", "a token is needed here, and this is none", "send Authorization: Bearer TOKEN"
            )
        if req.method not in ("GET", "HEAD", "OPTIONS") and not token.full:
            raise _refuse("forbidden", f"the token of {token.name} only reads", "use one that may change things")
        tokens = self._tokens
        req.context.who = Peer(token.name, stays=lambda: token in tokens)


class _ProblemError(falcon.HTTPError):
    """A problem that falcon carries to its serializer."""

    def __init__(self, found: Problem) -> None:
        headers = {"WWW-Authenticate": "Bearer"} if found.code == "unauthorized" else None
        super().__init__(problem(found).status, headers=headers)
        self.problem = found


def _refuse(code: Any, error: str, remedy: str) -> _ProblemError:
    return _ProblemError(Problem(code=code, error=error, remedy=remedy))


def _serialize(_req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    """Say an error of falcon's own, such as an unknown path, as all others are said."""
    found = error.problem if isinstance(error, _ProblemError) else _of_falcon(error)
    resp.data = encode(found)
    resp.content_type = "application/json"


def _of_falcon(error: falcon.HTTPError) -> Problem:
    status = falcon.http_status_to_code(error.status)
    remedy = "/openapi.json says what there is"
    if status == 404:
        return Problem(code="not_found", error="there is nothing at this path", remedy=remedy)
    if status == 405:
        return Problem(code="not_allowed", error="this path doesn't take this method", remedy=remedy)
    return Problem(code="bad_request", error=str(error.description or error.title or status), remedy=remedy)


def _failed(req: falcon.Request, resp: falcon.Response, error: Exception, _params: Any) -> None:
    log.error("control: %s %a failed; please report this", req.method, req.path, exc_info=error)
    _say(
        resp, problem(Problem(code="failed", error="this failed; the daemon's log says why", remedy="please report it"))
    )


def _query(req: falcon.Request) -> dict[str, str]:
    """Return the query's parameters; one that is given twice is refused rather than guessed at."""
    found: dict[str, str] = {}
    for name, value in req.params.items():
        if not isinstance(value, str):
            raise refuse("bad_request", "a parameter of the query is given twice", "give each once")
        found[name] = value
    return found


def _body(req: falcon.Request) -> bytes:
    """Return the body, or a byte more than it may have: never more than that comes into memory."""
    try:
        data: bytes = req.env["wsgi.input"].read(MAX_BODY + 1)
    except OSError as error:  # no chunks where chunks were announced, or nothing for as long as is waited
        raise refuse("bad_request", "the body broke off, or is not what its headers say", "send it again") from error
    return data


def _say(resp: falcon.Response, answer: Answer) -> None:
    resp.status = answer.status
    resp.data = encode(answer.content)
