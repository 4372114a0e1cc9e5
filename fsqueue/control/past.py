"""What each request about the past does: calls and missed calls that the history has, and what people note about them.

The history is a file that another process writes, some half a second behind; a question to it runs in a thread, so that no
call waits for a disk. What people note goes through the journal, like everything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from fsqueue.control import handlers
from fsqueue.control.handlers import Desk, refuse, shown
from fsqueue.control.protocol import CallDetail, HistoryCall, HistoryCalls, HistoryQuery, MissedCalls, MissedQuery
from fsqueue.engine.messages import Record
from fsqueue.journal.history import forgetting, marks, queries, story
from fsqueue.journal.history.files import NoHistoryError
from fsqueue.journal.history.queries import CallDetails, CallFilter, Range

T = TypeVar("T")


# --- asking -----------------------------------------------------------------------------------------------------------


def calls(desk: Desk, query: HistoryQuery) -> HistoryCalls:
    """Return the calls that *query* means, the newest first."""
    wanted = _filter(query)
    return HistoryCalls(t=desk.picture().t, calls=_ask(desk, lambda db: tuple(queries.calls(db, wanted))))


def missed(desk: Desk, query: MissedQuery) -> MissedCalls:
    """Return the missed calls that *query* means, the newest first."""
    wanted, open_only = _filter(query), query.which == "open"
    found = _ask(desk, lambda db: tuple(queries.missed(db, wanted, open_only=open_only)))
    return MissedCalls(t=desk.picture().t, missed=found)


def call(desk: Desk, name: str) -> HistoryCall:
    """Return one call with all that the history has of it, and its story in words."""
    details = _ask(desk, lambda db: queries.call(db, _line("id", name)))
    if details is None:
        raise refuse("not_found", f"the history has no call {shown(name)}", "/v1/history/calls shows those it has")
    return HistoryCall(t=desk.picture().t, details=details, story=tuple(story.tell(details)))


def any_call(desk: Desk, name: str) -> CallDetail:
    """Return one call: as it is while it lasts, and what the history tells of it when it is over."""
    live = handlers.known_call(desk, name)
    if live is not None and live.call is not None:
        return live
    over = _ended(desk, name)
    if over is None:
        return handlers.call(desk, name)
    events = live.events if live is not None else ()
    return CallDetail(t=desk.picture().t, id=name, call=None, events=events, past=over)


def _ended(desk: Desk, name: str) -> CallDetails | None:
    if not name.isprintable():
        return None
    try:
        details = desk.consult(lambda db: queries.call(db, name))
    except (NoHistoryError, sqlite3.Error):
        return None  # the events that are kept here are an answer too
    return details if details is not None and details.call.ended is not None else None


# --- noting -----------------------------------------------------------------------------------------------------------


def done(desk: Desk, name: str, order: marks.CallBackOrder, by: str) -> marks.Marked:
    """Mark the missed call *name* as called back; *by* is who the socket says he is, which counts more than what he says."""
    named = marks.CallBackOrder(by=by or order.by, note=order.note)
    try:
        record = _ask(desk, lambda db: marks.called_back(db, _line("id", name), named))
    except marks.NoSuchCallError as error:
        problem = f"the history has no call {shown(name)}"
        raise refuse("not_found", problem, "/v1/missed shows the missed calls") from error
    except marks.MarkRefusedError as error:
        raise refuse("refused", str(error), "/v1/missed shows the calls that can be marked") from error
    _note(desk, record)
    return marks.done_words(record)


def forget(desk: Desk, order: marks.ForgetOrder, by: str) -> marks.Marked:
    """Blank the caller with this number in all of his calls that have ended."""
    number, who = _line("number", order.number), _line("by", by or order.by)
    records = _ask(desk, lambda db: forgetting.orders(db, number, who))
    if not records:
        raise refuse(
            "not_found", "the history has no ended call of that number", "/v1/history/calls shows those it has"
        )
    _note(desk, *records)
    return marks.done_words(records)


def _note(desk: Desk, *records: Record) -> None:
    if not desk.note(records):
        raise refuse("held_up", "the daemon is held up; whether it was written is not known", "look, and try again")


# --- the history ------------------------------------------------------------------------------------------------------


def _ask(desk: Desk, question: Callable[[sqlite3.Connection], T]) -> T:
    try:
        return desk.consult(question)
    except NoHistoryError as error:
        raise refuse(
            "unavailable", "the history can't be read yet", "try again soon; the daemon's log says more"
        ) from error
    except sqlite3.Error as error:
        remedy = "`fsqueue history rebuild` makes it again"
        raise refuse("unavailable", f"the history can't be read: {error}", remedy) from error


def _filter(query: HistoryQuery) -> CallFilter:
    if query.end < query.start:
        raise refuse("bad_request", f"end {query.end:.0f} is before start {query.start:.0f}", "turn them round")
    return CallFilter(
        range=Range(query.start, query.end),
        group=_line("group", query.group),
        member=_line("member", query.member),
        number=_line("number", query.number),
        caller=_line("caller", query.caller),
        reasons=(query.reason,) if query.reason else (),
        limit=query.limit,
    )


def _line(field: str, text: str) -> str:
    """Return *text*, which has to be printable: half a surrogate pair, for one, has no place in a question to SQLite."""
    if not text.isprintable():
        raise refuse("bad_request", f"{field} has characters that can't be printed", "send plain text in one line")
    return text
