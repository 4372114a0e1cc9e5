"""Steps (S1 to S3) and the one reason that every call ends with (E1)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from fsqueue.engine import messages as m
from fsqueue.engine.model import Forward, HangUp, Step, ToGroup, Voicemail, Wait
from tests.engine.dsl import ANNA, JAN, OLA, Quick, group

NUMBER = "+48600100200"


def passed_over(step: Step, *more: object, **plan: object) -> tuple[Quick, str]:
    """Return an example in which anna did not take a call whose step is now taken."""
    q = Quick(group(members=("anna",), unanswered=step), *more, **plan)  # type: ignore[arg-type]
    call = q.arrive()
    q.ends("anna")
    return q, call


def test_S1_voicemail() -> None:
    q, call = passed_over(Voicemail("1000@example.com"))
    assert [c.step for c in q.all(m.Send)] == [Voicemail("1000@example.com")]
    q.step_done(call)
    assert q.ended() == {call: "voicemail"}


def test_S1_hangup_with_a_cause_of_its_own() -> None:
    q, call = passed_over(HangUp("CALL_REJECTED"))
    assert [c.step for c in q.all(m.Send)] == [HangUp("CALL_REJECTED")]
    q.gone(call)
    assert q.ended() == {call: "no_answer"}


def test_S1_another_group() -> None:
    q, call = passed_over(ToGroup("support"), group("support", members=("jan",)))
    assert q.rung() == {"jan": call}


def test_S1_each_step_defaults_to_unanswered() -> None:
    q = Quick(group(members=("anna",), unanswered=Voicemail("1000@example.com"), max_waiting=1))
    q.duty("anna", "out")
    assert q.decided(q.arrive()) == [("U1", "voicemail 1000@example.com")]
    q.duty("anna", "in")
    q.other("anna", present=True)
    q.arrive()
    assert q.decided(q.arrive()) == [("full", "voicemail 1000@example.com")]


def test_S1_full_and_waited_hang_up_where_unanswered_is_to_wait() -> None:
    q = Quick(group(members=("anna",), unanswered=Wait(), max_waiting=1, max_wait=30.0))
    q.other("anna", present=True)
    first, second = q.arrive(), q.arrive()
    assert q.decided(second) == [("full", "hangup")]
    assert [c.step for c in q.all(m.Send)] == [HangUp("USER_BUSY")]
    q.advance(30)
    assert q.decided(first)[-1] == ("U4", "hangup")


def test_S2_forward_to_a_member_is_one_offer_outside_any_pass() -> None:
    q, call = passed_over(Forward(member="jan"))
    assert q.rung() == {"jan": call}
    ring = q.all(m.Ring)[-1]
    assert (ring.member, ring.timeout) == ("jan", 30)
    assert q.all(m.Offered)[-1].rule == "S2"
    q.talk("jan")
    q.advance(10).talk_ends("jan")
    assert q.ended() == {call: "forwarded"}


def test_S2_forward_to_a_number_carries_its_key_and_caller_id() -> None:
    q, call = passed_over(Forward(number=NUMBER, key="1", caller_id="own", timeout=12.0))
    ring = q.all(m.Ring)[-1]
    assert (ring.number, ring.key, ring.caller_id, ring.timeout) == (NUMBER, "1", "own", 12)
    q.talk(NUMBER)
    q.gone(call)
    assert q.ended() == {call: "forwarded"}


@pytest.mark.parametrize("step", [Forward(member="jan", timeout=30.0), Forward(number=NUMBER, timeout=30.0)])
@pytest.mark.parametrize("how", ["declined", "rings out", "bridge fails"])
def test_S2_a_forward_that_is_not_taken_ends_with_no_answer(step: Forward, how: str) -> None:
    q, call = passed_over(step)
    whom = step.member or step.number
    if how == "declined":
        q.ends(whom)
    elif how == "rings out":
        q.advance(30)
    else:
        q.answer(whom)
        q.connect_fails(whom)
    assert len(q.all(m.Send)) == 1
    q.gone(call)
    assert q.ended() == {call: "no_answer"}


def test_S2_a_forward_to_a_member_who_is_not_available_ends_with_no_answer() -> None:
    q = Quick(group(members=("anna",), unanswered=Forward(member="jan")))
    q.other("jan", present=True)
    call = q.arrive()
    q.ends("anna")
    q.gone(call)
    assert q.ended() == {call: "no_answer"}


def test_S2_no_more_forwards_to_numbers_at_one_time_than_allowed() -> None:
    q = Quick(group(members=("anna",), offline=Forward(number=NUMBER)), max_forwards=1)
    q.duty("anna", "out")
    first, second = q.arrive(), q.arrive()
    assert q.rung() == {NUMBER: first}
    q.gone(second)
    assert q.ended() == {second: "no_answer"}
    q.ends(NUMBER)
    third = q.arrive()
    assert q.rung() == {NUMBER: third}


def test_S3_a_chain_keeps_place_and_total_wait() -> None:
    q = Quick(group(members=("anna",), rings=1, unanswered=ToGroup("support")), group("support", members=("jan",)))
    call = q.arrive()
    q.advance(5).talk("jan")
    assert [r.waited for r in q.all(m.Talking)] == [5]
    assert {r.joined for r in q.all(m.VisitBegan)} == {q.now - 5}
    q.talk_ends("jan")
    assert q.ended() == {call: "answered"}


def test_S3_a_loop_ends_after_ten_visits_as_a_step_that_failed() -> None:
    q = Quick(
        group(members=("anna",), offline=ToGroup("support")),
        group("support", members=("anna",), offline=ToGroup("sales")),
    )
    q.duty("anna", "out")
    call = q.arrive()
    assert len(q.all(m.VisitBegan)) == 10
    q.gone(call)
    assert q.ended() == {call: "step_failed"}


def test_S3_a_step_that_fails_ends_in_hang_up_with_the_reason() -> None:
    q, call = passed_over(Voicemail("1000@example.com"))
    q.step_done(call, ok=False)
    assert q.ended() == {call: "step_failed"}
    assert len(q.now_came(m.Drop)) == 1


def test_S3_a_step_whose_end_is_never_told_ends_in_an_hour() -> None:
    q, call = passed_over(Voicemail("1000@example.com"))
    q.advance(3600)
    assert q.ended() == {call: "voicemail"}


# --- E1: a history for every reason -----------------------------------------------------------------------------------


def _answered() -> Quick:
    q = Quick()
    q.arrive()
    q.talk("anna")
    q.talk_ends("anna")
    return q


def _forwarded() -> Quick:
    q, _ = passed_over(Forward(member="jan"))
    q.talk("jan")
    q.talk_ends("jan")
    return q


def _voicemail() -> Quick:
    q, call = passed_over(Voicemail("1000@example.com"))
    q.step_done(call)
    return q


def _abandoned() -> Quick:
    q = Quick()
    q.gone(q.arrive())
    assert q.withdrawn() == {"anna": "caller_gone"}
    return q


def _no_answer() -> Quick:
    q, call = passed_over(HangUp())
    q.gone(call)
    return q


def _offline() -> Quick:
    q = Quick(group(members=(), offline=HangUp()))
    q.gone(q.arrive())
    return q


def _timed_out() -> Quick:
    q = Quick(group(members=(), unanswered=Wait(), max_wait=30.0))
    call = q.arrive()
    q.advance(30).gone(call)
    return q


def _full() -> Quick:
    q = Quick(group(members=("anna",), max_waiting=1))
    q.other("anna", present=True)
    q.arrive()
    second = q.arrive()
    q.gone(second)
    return q


def _step_failed() -> Quick:
    q, call = passed_over(Voicemail("1000@example.com"))
    q.step_done(call, ok=False)
    return q


def _ended_by_staff() -> Quick:
    q = Quick()
    q.give(m.Hangup(q.arrive(), "dana"))
    assert len(q.now_came(m.Drop)) == 1
    assert q.withdrawn() == {"anna": "caller_gone"}
    return q


def _group_removed() -> Quick:
    q = Quick(group(), group("support", members=("anna",)))
    q.arrive("support")
    q.give(m.Configure(msgspec.structs.replace(q.plan, groups={"sales": group()})))
    assert len(q.now_came(m.Drop)) == 1
    return q


def _fallback() -> Quick:
    q = Quick()
    q.arrive("nowhere")
    assert len(q.now_came(m.Refuse)) == 1
    return q


def _lost() -> Quick:
    q = Quick()
    q.arrive()
    q.snapshot()
    assert q.ended() == {}, "an absence counts only when seen twice"
    q.snapshot()
    return q


HISTORIES: dict[str, Callable[[], Quick]] = {
    "answered": _answered,
    "forwarded": _forwarded,
    "voicemail": _voicemail,
    "abandoned": _abandoned,
    "no_answer": _no_answer,
    "offline": _offline,
    "timed_out": _timed_out,
    "full": _full,
    "step_failed": _step_failed,
    "ended_by_staff": _ended_by_staff,
    "group_removed": _group_removed,
    "fallback": _fallback,
    "lost": _lost,
}


def test_E1_a_caller_whom_the_dialplan_took_to_the_fallback_has_not_abandoned() -> None:
    q = Quick(group(members=()))
    call = q.arrive()
    q.give(m.CallerGone(q.leg(call), "FALLBACK"))
    assert q.ended() == {call: "fallback"}


@pytest.mark.parametrize("reason", m.Reason.__args__)  # type: ignore[attr-defined]
def test_E1_every_reason_is_reached(reason: str) -> None:
    assert list(HISTORIES[reason]().ended().values()) == [reason]


def test_E1_a_caller_who_hangs_up_in_a_talk_was_answered() -> None:
    q = Quick()
    call = q.arrive()
    q.advance(3).talk("anna")
    q.advance(42).gone(call)
    (end,) = q.all(m.CallEnded)
    assert (end.reason, end.waited, end.talked, end.member) == ("answered", 3, 42, "anna")


def test_E1_a_caller_who_hangs_up_while_being_connected_has_abandoned() -> None:
    q = Quick()
    call = q.arrive()
    q.answer("anna")
    q.gone(call)
    assert q.ended() == {call: "abandoned"}
    assert q.withdrawn() == {"anna": "caller_gone"}


def test_E1_a_talk_ended_by_staff_was_answered() -> None:
    q = Quick()
    call = q.arrive()
    q.talk("anna")
    q.give(m.Hangup(call, "dana"))
    assert q.ended() == {call: "answered"}


def test_E1_a_call_ends_once_whatever_is_said_afterwards() -> None:
    q = Quick()
    call = q.arrive()
    q.talk("anna")
    q.gone(call)
    q.gone(call)
    q.talk_ends("anna")
    q.talk_ends("anna")
    q.connect_fails("anna")
    q.step_done(call)
    q.give(m.Hangup(call))
    q.snapshot()
    q.snapshot()
    assert len(q.all(m.CallEnded)) == 1


def test_E1_a_talk_that_its_member_ends_at_once_is_none() -> None:
    q = Quick()
    call = q.arrive()
    q.talk("anna")
    q.connect_fails("anna")
    assert q.rung() == {"jan": call}, "the same pass goes on"
    q.talk("jan")
    q.talk_ends("jan")
    assert q.ended() == {call: "answered"}


def test_E1_calls_are_answered_and_missed() -> None:
    reasons = [each for name in HISTORIES for each in HISTORIES[name]().ended().values()]
    assert len(reasons) == len(HISTORIES)
    assert set(m.ANSWERED) == {"answered", "forwarded"}


def test_a_call_sent_to_a_group_that_a_change_has_taken_away_is_not_left_without_an_end() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA, JAN, OLA))
    call = q.arrive()
    q.answer("anna")
    q.give(m.Configure(msgspec.structs.replace(q.plan, groups={"other": group("other", members=("jan",))})))
    q.connect_fails("anna")
    q.gone(call)
    assert q.ended() == {call: "group_removed"}


# --- a forward that comes back in


def forwarding() -> tuple[Quick, str]:
    """A call whose forward to a number rings."""
    q = Quick(group(members=("anna",), rings=1, unanswered=Forward(number="600")))
    call = q.arrive(caller=m.Caller(number="5551"))
    q.advance(5)
    q.ends("anna", "withdrawn")
    assert q.rung() == {"600": call}
    return q, call


def test_S2_a_forward_that_surely_came_back_is_turned_away_as_busy_and_is_no_call() -> None:
    q, call = forwarding()
    back = q.arrive(caller=m.Caller(number="5551"), returned=q.offer("600"), surely=True)
    assert q.now_came(m.Drop) == [m.Drop(q.leg(back), "USER_BUSY")]
    assert [r.call for r in q.all(m.CallOpened)] == [call]
    assert "came back" in q.decided(call)[-1][1]
    q.ends("600", "busy")
    q.gone(call)
    assert q.ended() == {call: "no_answer"}


def test_S2_a_call_that_may_be_a_forward_come_back_is_served_but_not_forwarded_outside_again() -> None:
    q, _ = forwarding()
    back = q.arrive(caller=m.Caller(number="5551"), returned=q.offer("600"))
    q.advance(5)
    q.ends("anna", "withdrawn")
    assert [r.number for r in q.all(m.Offered)].count("600") == 1
    q.gone(back)
    assert q.ended() == {back: "no_answer"}


def test_S2_a_call_that_names_an_offer_that_is_no_forward_is_a_call_like_any_other() -> None:
    q = Quick()
    call = q.arrive()
    other = q.arrive(returned=q.offer("anna"), surely=True)
    assert [r.call for r in q.all(m.CallOpened)] == [call, other]


def test_S2_why_a_forward_was_not_tried_is_kept() -> None:
    q = Quick(group(members=("anna",), rings=1, unanswered=Forward(member="jan")))
    q.duty("jan", "paused")
    call = q.arrive()
    q.advance(5)
    q.ends("anna", "withdrawn")
    assert q.decided(call)[-1] == ("S2", "forward jan not tried: paused")
