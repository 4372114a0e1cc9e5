"""What is answered about the past, and what people may note about it."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import msgspec
import pytest

from fsqueue.control.endpoints import ENDPOINTS, Request, respond
from fsqueue.control.protocol import CallDetail, HistoryCall, HistoryCalls, MissedCalls, Problem
from fsqueue.control.wire import encode
from fsqueue.engine.messages import CalledBack, Forgotten
from fsqueue.journal.history.files import NoHistoryError
from tests.control.desks import FakeDesk


@pytest.fixture
def desk() -> FakeDesk:
    """One call that was talked, one that was missed, one that waits."""
    desk = FakeDesk()
    desk.arrive("talked", number="+48600000001")
    desk.answer("talked")
    desk.now += 30.0
    desk.hang_up("talked")
    desk.arrive("gone", number="+48600000002")
    desk.now += 7.0
    desk.leave("gone")
    desk.arrive("waits", number="+48600000002")
    return desk


def ask(desk: FakeDesk, what: str, name: str = "", by: str = "", body: Any = None, **query: str) -> Any:
    method, path = what.split()
    endpoint = next(e for e in ENDPOINTS if (e.method, e.path) == (method, path))
    sent = b"" if body is None else json.dumps(body).encode()
    return respond(endpoint, desk, Request(id=name, query=query, body=sent, by=by)).content


def test_calls_of_the_past_are_listed_newest_first_with_how_they_ended(desk: FakeDesk) -> None:
    found = ask(desk, "GET /v1/history/calls")
    assert isinstance(found, HistoryCalls)
    assert [(row.id, row.reason, row.missed) for row in found.calls] == [
        ("waits", "", False), ("gone", "abandoned", True), ("talked", "answered", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"reason": "answered"}, ["talked"]),
        ({"caller": "0048600000002"}, ["waits", "gone"]),
        ({"limit": "1"}, ["waits"]),
        ({"end": "1800000000.5"}, ["talked"]),
        ({"group": "support"}, []),
        ({"member": "anna", "reason": "abandoned"}, ["gone"]),
    ],
)
def test_each_field_of_the_query_narrows_the_list(desk: FakeDesk, query: dict[str, str], ids: list[str]) -> None:
    assert [row.id for row in ask(desk, "GET /v1/history/calls", **query).calls] == ids


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "2001"},
        {"start": "nan"},
        {"reason": "bored"},
        {"group": "a\x00"},
        {"x": "1"},
        {"start": "5", "end": "4"},
    ],
)
def test_a_query_that_means_nothing_is_refused(desk: FakeDesk, query: dict[str, str]) -> None:
    found = ask(desk, "GET /v1/history/calls", **query)
    assert isinstance(found, Problem)
    assert found.code == "bad_request"


def test_missed_calls_are_open_until_somebody_called_back_and_who_is_what_the_socket_says(desk: FakeDesk) -> None:
    missed = ask(desk, "GET /v1/missed", which="open")
    assert isinstance(missed, MissedCalls)
    assert [row.id for row in missed.missed] == ["gone"]
    done = ask(desk, "POST /v1/missed/{id}/done", "gone", by="kate", body={"by": "somebody", "note": "wants an offer"})
    assert done.done == "gone is marked as called back"
    assert desk.journal[-1].record == CalledBack(call="gone", by="kate", note="wants an offer")
    assert ask(desk, "GET /v1/missed", which="open").missed == ()
    row = ask(desk, "GET /v1/missed").missed[0]
    assert (row.called_back_by, row.note) == ("kate", "wants an offer")


def test_only_a_missed_call_can_be_marked(desk: FakeDesk) -> None:
    assert ask(desk, "POST /v1/missed/{id}/done", "talked").code == "refused"
    assert ask(desk, "POST /v1/missed/{id}/done", "waits").code == "refused"
    assert ask(desk, "POST /v1/missed/{id}/done", "nope").code == "not_found"
    assert ask(desk, "POST /v1/missed/{id}/done", "gone", body={"note": "two\nlines"}).code == "refused"


def test_a_forgotten_caller_is_blank_in_the_calls_that_ended_and_kept_in_the_one_that_waits(desk: FakeDesk) -> None:
    done = ask(desk, "POST /v1/history/forget", by="kate", body={"number": "0048600000002"})
    assert done.done == "the caller of 1 call is forgotten"
    assert desk.journal[-1].record == Forgotten(calls=("gone",), by="kate")
    numbers = {row.id: row.caller_number for row in ask(desk, "GET /v1/history/calls").calls}
    assert numbers == {"waits": "+48600000002", "gone": "", "talked": "+48600000001"}
    assert b"+48600000002" not in encode(ask(desk, "GET /v1/calls/{id}", "gone"))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"number": "+48999"}, "not_found"), ({}, "bad_request"), ({"number": "\ud800"}, "bad_request"),
        ({"number": 7}, "bad_request"), ({"number": "1", "all": True}, "bad_request"),
    ],
)  # fmt: skip
def test_nobody_is_forgotten_by_mistake(desk: FakeDesk, body: dict[str, Any], code: str) -> None:
    before = len(desk.journal)
    assert ask(desk, "POST /v1/history/forget", body=body).code == code
    assert len(desk.journal) == before


def test_what_was_not_written_in_time_is_not_said_to_be(desk: FakeDesk) -> None:
    desk.held_up = True
    assert ask(desk, "POST /v1/missed/{id}/done", "gone").code == "held_up"
    assert ask(desk, "POST /v1/history/forget", body={"number": "+48600000002"}).code == "held_up"


def test_one_call_of_the_past_is_told_in_words(desk: FakeDesk) -> None:
    found = ask(desk, "GET /v1/history/calls/{id}", "gone")
    assert isinstance(found, HistoryCall)
    assert found.details.call.reason == "abandoned"
    assert found.story[-1].text == "ended: the caller hung up, waited 7 s (NORMAL_CLEARING)"
    assert ask(desk, "GET /v1/history/calls/{id}", "nope").code == "not_found"


def test_a_call_that_is_over_comes_with_what_the_history_has_of_it_and_one_that_waits_does_not(desk: FakeDesk) -> None:
    over, waits = ask(desk, "GET /v1/calls/{id}", "gone"), ask(desk, "GET /v1/calls/{id}", "waits")
    assert isinstance(over, CallDetail)
    assert over.call is None
    assert over.past is not None
    assert over.past.call.reason == "abandoned"
    assert (waits.call.id, waits.past) == ("waits", None)
    assert ask(desk, "GET /v1/calls/{id}", "nope").code == "not_found"


@pytest.mark.parametrize("trouble", [NoHistoryError("none yet"), sqlite3.DatabaseError("malformed")])
def test_without_a_history_the_past_is_unavailable_and_what_lives_is_shown(desk: FakeDesk, trouble: Exception) -> None:
    desk.trouble = trouble
    assert ask(desk, "GET /v1/history/calls").code == "unavailable"
    assert ask(desk, "GET /v1/missed").code == "unavailable"
    assert ask(desk, "POST /v1/missed/{id}/done", "gone").code == "unavailable"
    assert ask(desk, "GET /v1/calls/{id}", "waits").call.id == "waits"
    over = ask(desk, "GET /v1/calls/{id}", "gone")
    assert (over.past, bool(over.events)) == (None, True)


def test_answers_of_before_the_history_was_in_them_are_still_read() -> None:
    old = b'{"t": 1.0, "id": "c", "call": null, "events": []}'
    assert msgspec.json.decode(old, type=CallDetail).past is None
