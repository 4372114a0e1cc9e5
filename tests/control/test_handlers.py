from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from fsqueue.control import handlers
from fsqueue.control.board import Watch
from fsqueue.control.endpoints import ENDPOINTS, Answer, Request, respond
from fsqueue.control.handlers import begin_watch
from fsqueue.control.protocol import MAX_BODY, STATUS, EventQuery, Problem, StatusQuery
from fsqueue.engine.messages import Configure, Duty, Renamed, SwitchDown
from fsqueue.engine.model import Plan
from tests.control.desks import PLAN, T0, FakeDesk


def ask(desk: FakeDesk, what: str, name: str = "", query: dict[str, str] | None = None, body: Any = None) -> Answer:
    method, path = what.split()
    endpoint = next(e for e in ENDPOINTS if (e.method, e.path) == (method, path))
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    answer = respond(endpoint, desk, Request(id=name, query=query or {}, body=data, by="kate"))
    if answer.status == 200:
        assert type(answer.content) is endpoint.gives
        msgspec.json.decode(msgspec.json.encode(answer.content), type=endpoint.gives)
    else:
        assert isinstance(answer.content, Problem)
        assert STATUS[answer.content.code] == answer.status
        assert answer.content.error
        assert answer.content.remedy
    return answer


@pytest.fixture
def desk() -> FakeDesk:
    desk = FakeDesk()
    desk.arrive("c1")
    desk.arrive("c2", number="+48600000002")
    desk.arrive("c3", number="+48600000003")
    return desk


# --- asking ---


def test_status_tells_groups_members_calls_and_switches(desk: FakeDesk) -> None:
    status: Any = ask(desk, "GET /v1/status").content
    assert [g.id for g in status.groups] == ["sales", "support", "night"]
    assert status.groups[0].waiting == ("c1", "c2", "c3")
    assert [c.id for c in status.calls] == ["c1", "c2", "c3"]
    assert [(m.id, m.state) for m in status.members] == [("anna", "ringing"), ("jan", "offline")]
    assert [(s.id, s.up) for s in status.switches] == [("main", True)]


def test_status_of_one_group_leaves_out_what_is_not_in_it(desk: FakeDesk) -> None:
    status: Any = ask(desk, "GET /v1/status", query={"group": "support"}).content
    assert ([g.id for g in status.groups], [m.id for m in status.members], status.calls) == (["support"], ["jan"], ())


def test_status_counts_today(desk: FakeDesk) -> None:
    desk.now += 4.0
    desk.answer("c1")
    desk.now += 30.0
    desk.hang_up("c1")
    desk.leave("c2")
    status: Any = ask(desk, "GET /v1/status").content
    assert (status.today.calls, status.today.answered, status.today.missed) == (2, 1, 1)
    assert status.groups[0].today.service_level == 0.5
    assert status.groups[0].today.wait_longest == 34.0
    assert status.groups[1].today.calls == 0


def test_a_group_says_since_when_nobody_is_online(desk: FakeDesk) -> None:
    ask_group: Any = ask(desk, "GET /v1/groups/{id}", "support").content
    assert ask_group.group.nobody_since == T0
    assert ask(desk, "GET /v1/groups/{id}", "sales").content.group.nobody_since is None  # type: ignore[attr-defined]


def test_groups_members_and_calls_are_found_by_id(desk: FakeDesk) -> None:
    group: Any = ask(desk, "GET /v1/groups/{id}", "sales").content
    assert ([m.id for m in group.members], [c.id for c in group.calls]) == (["anna", "jan"], ["c1", "c2", "c3"])
    member: Any = ask(desk, "GET /v1/members/{id}", "anna").content
    assert member.member.state == "ringing"
    assert "c1 +48600000001 (Caller) → sales: rings anna" in [e.words for e in member.events]
    call: Any = ask(desk, "GET /v1/calls/{id}", "c1").content
    assert (call.call.position, [e.kind for e in call.events][:2]) == (1, ["CallOpened", "VisitBegan"])
    assert len(ask(desk, "GET /v1/groups").content.groups) == 3  # type: ignore[attr-defined]
    assert len(ask(desk, "GET /v1/members").content.members) == 2  # type: ignore[attr-defined]
    assert len(ask(desk, "GET /v1/calls").content.calls) == 3  # type: ignore[attr-defined]


def test_a_call_that_is_over_still_tells_its_story(desk: FakeDesk) -> None:
    desk.leave("c2")
    call: Any = ask(desk, "GET /v1/calls/{id}", "c2").content
    assert (call.call, call.events[-1].kind) == (None, "CallEnded")


@pytest.mark.parametrize(
    ("what", "query", "body"),
    [
        ("GET /v1/groups/{id}", {}, None),
        ("GET /v1/members/{id}", {}, None),
        ("GET /v1/calls/{id}", {}, None),
        ("GET /v1/status", {"group": "nobody"}, None),
        ("POST /v1/members/{id}/duty", {}, {"duty": "in"}),
        ("POST /v1/calls/{id}/move", {}, {}),
        ("POST /v1/calls/{id}/hangup", {}, {}),
    ],
)
def test_an_unknown_name_is_not_found(desk: FakeDesk, what: str, query: dict[str, str], body: Any) -> None:
    for name in ("nobody", "", "\x1b[31m\x00\n", "../../etc/passwd", "ä" * 5000):
        answer: Any = ask(desk, what, name, query, body)
        assert (answer.status, answer.content.code) == (404, "not_found")
        assert answer.content.error.isprintable()
        assert len(answer.content.error) < 200


# --- bad input ---


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b"null", b'"in"', b"\xff\xfe", b'{"duty": "on"}', b'{"duty": 1}', b"{}", b'{"duty": "in", "x": 1}',
        b'{"duty": "paused", "reason": 5}', b'{"duty": "paused", "reason": "%s"}' % (b"x" * 201),
        b'{"duty": "paused", "reason": "a\\u0007b"}', b'{"duty": "paused", "reason": "\\ud800"}',
        b'{"duty": "paused", "reason": "a\\nb"}', b"[" * 60_000,
    ],
)  # fmt: skip
def test_a_body_that_is_not_what_is_asked_for_changes_nothing(desk: FakeDesk, body: bytes) -> None:
    answer = ask(desk, "POST /v1/members/{id}/duty", "anna", body=body)
    assert (answer.status, desk.orders) == (400, [])


def test_a_body_that_is_too_large_is_refused(desk: FakeDesk) -> None:
    assert ask(desk, "POST /v1/calls/{id}/move", "c1", body=b" " * (MAX_BODY + 1)).status == 413


@pytest.mark.parametrize("query", [{"last": "x"}, {"last": "-1"}, {"last": "1e9"}, {"after": "-1"}, {"nope": "1"},
                                   {"last": "9" * 400}, {"caller": "x" * 201}, {"group": "x" * 65}])  # fmt: skip
def test_a_query_that_is_not_what_is_asked_for_is_refused(desk: FakeDesk, query: dict[str, str]) -> None:
    assert ask(desk, "GET /v1/recent", query=query).status == 400


# --- telling ---


@pytest.mark.parametrize(("duty", "state"), [("out", "logged out"), ("paused", "paused")])
def test_duty_is_changed_and_confirmed_with_the_member_as_he_is_then(duty: str, state: str) -> None:
    desk = FakeDesk()
    answer: Any = ask(desk, "POST /v1/members/{id}/duty", "anna", body={"duty": duty, "reason": "lunch"}).content
    assert (answer.member.state, answer.member.reason) == (state, "lunch")
    assert answer.done == f"anna is {state}"
    assert desk.orders == [Duty("anna", duty, "lunch", "kate")]  # type: ignore[arg-type]
    back: Any = ask(desk, "POST /v1/members/{id}/duty", "anna", body={"duty": "in"}).content
    assert (back.member.state, back.done) == ("available", "anna is logged in")


def test_duty_during_a_ring_counts_after_it_and_says_so(desk: FakeDesk) -> None:
    answer: Any = ask(desk, "POST /v1/members/{id}/duty", "anna", body={"duty": "out"}).content
    assert (answer.member.state, answer.member.duty) == ("ringing", "out")
    assert answer.done.endswith("it counts after the call he has")


def test_a_call_is_moved_to_the_head_of_its_line(desk: FakeDesk) -> None:
    answer: Any = ask(desk, "POST /v1/calls/{id}/move", "c3", body={}).content
    assert (answer.call.position, answer.done) == (1, "c3 is number 1 in sales")


def test_a_call_at_the_head_stays_there_and_nothing_is_wrong_with_that(desk: FakeDesk) -> None:
    answer: Any = ask(desk, "POST /v1/calls/{id}/move", "c1")
    assert (answer.status, answer.content.done) == (200, "c1 is at the head of sales already")


def test_a_call_is_moved_to_another_group(desk: FakeDesk) -> None:
    answer: Any = ask(desk, "POST /v1/calls/{id}/move", "c2", body={"group": "night"}).content
    assert (answer.call.group, answer.done) == ("night", "c2 is number 1 in night")


def test_a_move_into_a_group_whose_step_is_taken_at_once_says_what_became_of_the_call(desk: FakeDesk) -> None:
    answer: Any = ask(desk, "POST /v1/calls/{id}/move", "c2", body={"group": "support"}).content
    assert answer.call.state == "sent"
    assert answer.done == "c2 went to support, whose step for it was taken at once; it is sent now"


def test_a_call_is_not_moved_to_a_group_that_is_not_there(desk: FakeDesk) -> None:
    answer: Any = ask(desk, "POST /v1/calls/{id}/move", "c1", body={"group": "nope"})
    assert (answer.status, desk.orders) == (404, [])
    assert "sales" in answer.content.remedy


def test_a_call_that_is_talked_is_not_moved_and_the_answer_says_why(desk: FakeDesk) -> None:
    desk.answer("c1")
    answer: Any = ask(desk, "POST /v1/calls/{id}/move", "c1", body={"group": "night"})
    assert (answer.status, answer.content.error) == (409, "call c1 was not moved: it is being talked")
    assert next(c for c in desk.picture().calls if c.id == "c1").state == "talking"


def test_a_call_is_ended(desk: FakeDesk) -> None:
    answer: Any = ask(desk, "POST /v1/calls/{id}/hangup", "c2").content
    assert (answer.call, answer.done) == (None, "c2 has ended: ended_by_staff")
    assert [c.id for c in desk.picture().calls] == ["c1", "c3"]


def test_what_has_ended_is_neither_moved_nor_ended_again(desk: FakeDesk) -> None:
    desk.leave("c2")
    for what in ("POST /v1/calls/{id}/hangup", "POST /v1/calls/{id}/move"):
        answer: Any = ask(desk, what, "c2", body={})
        assert (answer.status, answer.content.error) == (409, "call c2 has ended")


def test_a_daemon_that_is_held_up_says_so_instead_of_done(desk: FakeDesk) -> None:
    desk.held_up = True
    for what, name, body in (
        ("POST /v1/members/{id}/duty", "anna", {"duty": "out"}),
        ("POST /v1/calls/{id}/move", "c2", {}),
        ("POST /v1/calls/{id}/hangup", "c2", {}),
    ):
        assert ask(desk, what, name, body=body).status == 503


def test_reload_tells_what_is_wrong_with_the_file(desk: FakeDesk) -> None:
    assert ask(desk, "POST /v1/reload").status == 200
    desk.reloads = Problem(code="invalid_configuration", error="it has errors", remedy="mend it", details=("a:1: x",))
    answer: Any = ask(desk, "POST /v1/reload")
    assert (answer.status, answer.content.details) == (409, ("a:1: x",))


def test_reload_hands_over_what_was_renamed(desk: FakeDesk) -> None:
    ask(desk, "POST /v1/reload", body={"renamed": [{"kind": "group", "old": "sales", "new": "shop"}]})
    assert desk.renamed == (Renamed("group", "sales", "shop"),)


def test_the_configuration_is_for_who_may_read_its_file(desk: FakeDesk) -> None:
    endpoint = next(e for e in ENDPOINTS if e.path == "/v1/configuration")
    refused = respond(endpoint, desk, Request(by="kate"))
    assert (refused.status, "secret" in str(refused.content)) == (403, False)
    assert "secret" in str(respond(endpoint, desk, Request(by="root", trusted=True)).content)


# --- the stream's beginning ---


def started(desk: FakeDesk, **query: Any) -> list[dict[str, Any]]:
    watch = Watch(EventQuery(**query), lambda: None)
    return [json.loads(line) for line in begin_watch(desk, watch).splitlines()]


def test_a_stream_begins_now_unless_the_past_is_asked_for(desk: FakeDesk) -> None:
    assert started(desk) == []
    assert [line["seq"] for line in started(desk, last=2)] == [desk.board.last - 1, desk.board.last]


@pytest.mark.parametrize("query", [{"group": "saless"}, {"member": "nobody"}])
def test_whoever_waits_for_what_there_is_not_is_told_so_at_once(desk: FakeDesk, query: dict[str, str]) -> None:
    for ask in (lambda: started(desk, **query), lambda: handlers.recent(desk, EventQuery(**query))):
        with pytest.raises(handlers.RefusedError) as refused:
            ask()
        assert refused.value.problem.code == "not_found"


def test_events_of_a_group_that_was_removed_are_still_had(desk: FakeDesk) -> None:
    plan = Plan(members=PLAN.members, groups={"sales": PLAN.groups["sales"]}, numbers=PLAN.numbers)
    desk.arrive("n1", to="night")
    desk.put(Configure(plan))
    assert started(desk, group="night", last=5)


def test_status_says_what_is_wrong_with_the_daemon_and_what_keeps_a_switch_away(desk: FakeDesk) -> None:
    assert handlers.status(desk, StatusQuery()).trouble == ()
    desk.ills = ("the disk takes no records",)
    desk.switch_ills = {"main": "connection\x1b refused"}
    desk.put(SwitchDown("main"))
    found = handlers.status(desk, StatusQuery())
    assert found.trouble == ("the disk takes no records",)
    (switch,) = found.switches
    assert (switch.up, switch.trouble) == (False, "connection\\x1b refused")


def test_who_comes_back_gets_all_since(desk: FakeDesk) -> None:
    seen = desk.board.catch_up()
    desk.leave("c1")
    lines = started(desk, after=seen)
    assert [line["seq"] for line in lines] == list(range(seen + 1, desk.board.last + 1))
    assert started(desk, after=desk.board.last) == []


def test_who_comes_back_too_late_is_told_what_he_missed(desk: FakeDesk) -> None:
    desk.board.evicted = 3
    lines = started(desk, after=1)
    assert (lines[0]["notice"], lines[0]["text"]) == ("missed", "events 2 to 3 are not kept here any more")
    assert [line["type"] for line in lines[1:]] == ["event"] * (len(lines) - 1)


def test_who_comes_back_to_another_journal_is_told_and_begins_now(desk: FakeDesk) -> None:
    (line,) = started(desk, after=10_000)
    assert line["notice"] == "missed"
    assert "anew" in line["text"]


# --- draining ---


def test_a_drain_is_told_with_who_wanted_it_and_what_is_left(desk: FakeDesk) -> None:
    done: Any = ask(desk, "POST /v1/drain", body={"timeout": 60}).content
    assert (done.draining.since, done.draining.until, done.draining.by, done.calls) == (T0, T0 + 60, "kate", 3)
    status: Any = ask(desk, "GET /v1/status").content
    assert status.draining == done.draining
    desk.arrive("c4")
    assert "c4" not in [call.id for call in desk.picture().calls]


def test_asked_for_again_a_drain_gets_the_other_limit(desk: FakeDesk) -> None:
    ask(desk, "POST /v1/drain", body={"timeout": 60})
    desk.now += 10.0
    again: Any = ask(desk, "POST /v1/drain").content
    assert (again.draining.since, again.draining.until) == (T0, None)
    assert "already" in again.done


def test_a_drain_that_is_called_off_takes_calls_again(desk: FakeDesk) -> None:
    ask(desk, "POST /v1/drain")
    done: Any = ask(desk, "POST /v1/drain/cancel").content
    assert (done.draining, done.calls) == (None, 3)
    desk.arrive("c4")
    assert "c4" in [call.id for call in desk.picture().calls]


def test_there_is_nothing_to_call_off_where_nothing_drains(desk: FakeDesk) -> None:
    assert ask(desk, "POST /v1/drain/cancel").status == 409
    assert ask(desk, "POST /v1/drain", body={"timeout": -1}).status == 400


def test_a_daemon_that_is_held_up_does_not_begin_to_drain(desk: FakeDesk) -> None:
    desk.held_up = True
    assert ask(desk, "POST /v1/drain").status == 503
    assert desk.draining is None
