"""When nobody takes a call: all away (U1), everybody passed over (U2), waited out (U4)."""

from __future__ import annotations

import msgspec
import pytest

from fsqueue.engine import messages as m
from fsqueue.engine.model import HangUp, Member, Voicemail, Wait
from tests.engine.dsl import ANNA, JAN, Quick, group

REGISTERING = Member(id="anna", registers=True)


def quick(**keys: object) -> Quick:
    keys.setdefault("members", ("anna",))
    return Quick(group(**keys), members=(ANNA, JAN))  # type: ignore[arg-type]


def test_U1_entering_a_group_whose_members_are_all_away_takes_the_step_at_once() -> None:
    q = quick(offline=Voicemail("1000@example.com"))
    q.duty("anna", "out")
    call = q.arrive()
    assert q.decided(call) == [("U1", "voicemail 1000@example.com")]
    assert q.all(m.Hold) == [], "and he is never answered by us"


def test_U1_later_when_it_has_lasted_one_ring() -> None:
    q = quick(offline=HangUp(), rings=4)
    q.other("anna", present=True)
    call = q.arrive()
    q.advance(3).duty("anna", "out")
    q.advance(4.9)
    assert q.decided(call) == []
    q.advance(0.1)
    assert q.decided(call) == [("U1", "hangup")]


def test_U1_who_is_back_within_one_ring_was_not_away() -> None:
    q = quick(offline=HangUp(), rings=4)
    q.other("anna", present=True)
    call = q.arrive()
    q.duty("anna", "out")
    q.advance(4).duty("anna", "in")
    q.advance(4)
    q.other("anna", present=False)
    assert q.decided(call) == []
    assert q.rung() == {"anna": call}


def test_U1_not_while_something_rings_for_the_call() -> None:
    q = quick(offline=HangUp(), rings=4)
    call = q.arrive()
    q.duty("anna", "out")
    q.advance(19)
    assert q.decided(call) == []
    q.ends("anna")
    assert q.decided(call) == [("U1", "hangup")]


def test_U1_never_before_the_registrations_of_the_switch_are_known() -> None:
    q = Quick(group(members=("anna",), offline=HangUp()), members=(REGISTERING,), known=False)
    call = q.arrive()
    q.advance(60)
    assert q.decided(call) == []
    q.register("anna")
    q.snapshot(call)
    assert q.rung() == {"anna": call}


def test_U1_once_they_are_known_it_has_to_last_one_ring() -> None:
    q = Quick(group(members=("anna",), offline=HangUp(), rings=12), members=(REGISTERING,), known=False)
    call = q.arrive()
    q.advance(10).snapshot(call)
    q.advance(4.9)
    assert q.decided(call) == []
    q.advance(0.1)
    assert q.decided(call) == [("U1", "hangup")]


def test_U1_to_wait_waits_and_hears_the_prompt_at_once() -> None:
    q = quick(unanswered=Wait("sorry.wav"))
    q.duty("anna", "out")
    call = q.arrive()
    assert [c.prompt for c in q.all(m.Announce)] == ["sorry.wav"]
    q.advance(60).duty("anna", "in")
    assert q.rung() == {"anna": call}


def test_U1_an_offline_step_counts_where_the_group_waits_otherwise() -> None:
    q = quick(unanswered=Wait(), offline=HangUp())
    q.duty("anna", "paused")
    assert q.decided(q.arrive()) == [("U1", "hangup")]


def test_U1_a_group_without_members_is_away() -> None:
    q = quick(members=(), offline=HangUp())
    assert q.decided(q.arrive()) == [("U1", "hangup")]


def test_U2_everybody_online_was_rung_and_nothing_rings_takes_the_step_at_once() -> None:
    q = quick(members=("anna", "jan"), unanswered=HangUp())
    call = q.arrive()
    q.advance(2).ends("anna")
    q.advance(2).ends("jan")
    assert q.decided(call) == [("U2", "hangup")]
    assert q.clock == 4


def test_U2_who_is_away_need_not_have_been_rung() -> None:
    q = quick(members=("anna", "jan"), unanswered=HangUp())
    q.duty("jan", "out")
    call = q.arrive()
    q.ends("anna")
    assert q.decided(call) == [("U2", "hangup")]


def test_U2_who_is_busy_is_online_and_waited_for() -> None:
    q = quick(members=("anna", "jan"), unanswered=HangUp(), rings=4)
    q.other("jan", present=True)
    call = q.arrive()
    q.ends("anna")
    assert q.decided(call) == []
    q.advance(10).other("jan", present=False)
    assert q.rung() == {"jan": call}


def test_U2_or_nothing_has_rung_for_one_window_from_entering() -> None:
    q = quick(unanswered=HangUp(), rings=4)
    q.other("anna", present=True)
    call = q.arrive()
    q.advance(19.9)
    assert q.decided(call) == []
    q.advance(0.1)
    assert q.decided(call) == [("U2", "hangup")]


def test_U2_or_nothing_has_rung_for_one_window_from_the_last_rings_end() -> None:
    q = quick(members=("anna", "jan"), unanswered=HangUp(), rings=4)
    q.other("jan", present=True)
    call = q.arrive()
    q.advance(7).ends("anna")
    q.advance(19.9)
    assert q.decided(call) == []
    q.advance(0.1)
    assert q.decided(call) == [("U2", "hangup")]


def test_U2_counts_from_when_it_was_withdrawn_however_late_its_legs_are_gone() -> None:
    q = quick(members=("anna", "jan"), unanswered=HangUp(), rings=2)
    q.other("jan", present=True)
    call = q.arrive()
    q.advance(10)
    q.snapshot(call)
    q.advance(3)
    q.snapshot(call)
    assert [r.outcome for r in q.all(m.OfferOver)] == ["no_answer"]
    q.advance(7)
    assert q.decided(call) == [("U2", "hangup")]


def test_U2_to_wait_begins_the_next_pass() -> None:
    q = quick(unanswered=Wait())
    call = q.arrive()
    for _ in range(4):
        q.ends("anna")
        q.advance(5)
        assert q.rung() == {"anna": call}


def test_U2_the_prompt_is_played_once_a_visit() -> None:
    q = quick(unanswered=Wait("sorry.wav"))
    q.arrive()
    for _ in range(4):
        q.ends("anna")
        q.advance(5)
    assert len(q.all(m.Announce)) == 1


def test_U4_counts_from_entering_and_cuts_rings() -> None:
    q = quick(max_wait=30.0, waited=HangUp(), rings=6)
    q.other("anna", present=True)
    call = q.arrive()
    q.advance(15).other("anna", present=False)
    q.advance(14.9)
    assert q.rung() == {"anna": call}
    q.advance(0.1)
    # The window is cut to end with the wait, so the phone is told at the same instant, by one or by the other.
    assert q.rung() == {}
    assert q.decided(call) in ([("U4", "hangup")], [("U2", "wait"), ("U4", "hangup")])


def test_U4_never_cuts_a_call_that_a_member_has_answered() -> None:
    q = quick(max_wait=30.0)
    call = q.arrive()
    q.advance(10).answer("anna")
    q.advance(60)
    assert q.ended() == {}
    q.connected("anna")
    q.advance(60).talk_ends("anna")
    assert q.ended() == {call: "answered"}


def test_U4_a_call_that_comes_back_after_it_leaves_at_once() -> None:
    q = quick(max_wait=30.0, unanswered=Wait())
    call = q.arrive()
    q.advance(10).answer("anna")
    q.advance(60).connect_fails("anna")
    q.advance(0)
    assert ("U4", "hangup") in q.decided(call)


@pytest.mark.parametrize("waits", [3600.0, 600.0])
def test_U4_waiting_ends_by_itself_and_counts_as_missed(waits: float) -> None:
    q = quick(max_wait=waits)
    q.duty("anna", "out")
    call = q.arrive()
    q.advance(waits)
    assert q.decided(call)[-1] == ("U4", "hangup")
    q.gone(call)
    assert q.ended() == {call: "timed_out"}


def test_everything_that_waits_has_a_deadline_also_out_of_reach() -> None:
    q = quick(max_wait=30.0, unanswered=HangUp())
    call = q.arrive()
    q.give(m.SwitchDown("a"))
    q.advance(500)
    assert q.decided(call) == [], "no rule fires while the switch is out of reach"
    assert q.engine.deadline() is not None
    q.snapshot(call)
    q.advance(5)
    assert [rule for rule, _ in q.decided(call)] in (["U4"], ["U2"])


def test_a_wait_that_is_none_any_more_after_a_change_ends_by_the_new_rule() -> None:
    q = quick(unanswered=Wait(), rings=2)
    q.other("anna", present=True)
    call = q.arrive()
    q.advance(60)
    changed = msgspec.structs.replace(q.plan, groups={"sales": group(members=("anna",), unanswered=HangUp(), rings=2)})
    q.give(m.Configure(changed))
    q.advance(0.001)
    assert q.decided(call)[-1] == ("U2", "hangup")


def test_who_is_not_first_by_a_higher_priority_does_not_time_out_behind_him() -> None:
    q = quick(distribution="to-all", unanswered=HangUp(), rings=2)
    q.other("anna", present=True)
    first = q.arrive()
    q.advance(5)
    q.arrive(priority=50)
    q.advance(5)
    assert q.decided(first) == []
