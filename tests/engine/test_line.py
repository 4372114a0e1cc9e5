"""The line (L1): who gets a member first."""

from __future__ import annotations

import pytest

from fsqueue.engine import messages as m
from fsqueue.engine.model import HangUp, ToGroup, Wait
from tests.engine.dsl import ANNA, JAN, Quick, group, looks


def busy(**keys: object) -> Quick:
    """A group of one, who talks."""
    q = Quick(group(members=("anna",), **keys), members=(ANNA,))
    q.arrive()
    q.talk("anna")
    return q


def test_L1_first_come_first_served() -> None:
    q = busy()
    first = q.arrive()
    q.advance(1).arrive()
    q.talk_ends("anna")
    assert q.rung() == {"anna": first}


def test_L1_higher_priority_goes_first_whenever_it_came() -> None:
    q = busy()
    q.arrive()
    q.advance(1)
    important = q.arrive(priority=10)
    q.talk_ends("anna")
    assert q.rung() == {"anna": important}


def test_L1_the_calls_own_priority_wins_over_the_groups() -> None:
    q = busy(priority=5)
    q.arrive(priority=-1)
    q.advance(1)
    ordinary = q.arrive()
    q.talk_ends("anna")
    assert q.rung() == {"anna": ordinary}


def test_L1_at_one_instant_the_call_id_decides() -> None:
    q = busy()
    first = q.arrive()
    q.arrive()
    q.talk_ends("anna")
    assert q.rung() == {"anna": first}


def test_L1_a_member_of_several_groups_takes_the_first_call_in_line_among_them() -> None:
    q = Quick(group(members=("anna",)), group("support", members=("anna",)), members=(ANNA,))
    q.arrive()
    q.talk("anna")
    early = q.arrive("support")
    q.advance(1).arrive()
    q.talk_ends("anna")
    assert q.rung() == {"anna": early}


def test_L1_several_callers_are_rung_for_at_once_when_several_members_are_free() -> None:
    q = Quick()
    first, second = q.arrive(), q.arrive()
    assert q.rung() == {"anna": first, "jan": second}


def test_L1_a_later_caller_gets_a_member_first_who_was_rung_for_the_earlier_one() -> None:
    q = Quick(group(members=("anna", "jan")), members=(ANNA, JAN))
    first = q.arrive()
    q.ends("anna")
    assert q.rung() == {"jan": first}
    second = q.arrive()
    q.advance(5)
    assert q.rung() == {"jan": first, "anna": second}


def test_L1_a_later_caller_gets_a_member_first_when_the_earlier_one_has_less_than_a_ring_left() -> None:
    q = busy(max_wait=30.0)
    q.arrive()
    q.advance(26)
    later = q.arrive()
    q.talk_ends("anna")
    assert q.rung() == {"anna": later}


def test_L1_the_place_is_kept_through_a_chain_of_groups() -> None:
    last = group("support", members=("anna",), unanswered=Wait())
    q = Quick(group(members=("jan",), unanswered=ToGroup("support"), rings=1), last, members=(ANNA, JAN))
    q.arrive("support")
    q.talk("anna")
    early = q.arrive()
    q.advance(1)
    q.arrive("support")
    q.advance(4)
    assert q.decided(early) == [("U2", "group support")]
    q.talk_ends("anna")
    assert q.rung() == {"anna": early}


def test_L1_the_place_is_kept_through_a_failed_bridge() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    early = q.arrive()
    q.answer("anna")
    q.advance(1).arrive()
    q.connect_fails("anna")
    q.ends("anna", "failed")
    q.advance(5)
    assert q.rung() == {"anna": early}


def test_L1_the_place_is_kept_across_a_restart() -> None:
    q = busy()
    early = q.arrive()
    q.advance(1).arrive()
    engine = q.restarted()
    engine.handle(m.Connected("c001", "c001.1", found=True), q.now)
    looks(engine, q.now, but="c001")
    step = engine.handle(m.TalkEnded("c001", "c001.1"), q.now)
    assert [c.call for c in step.commands if isinstance(c, m.Ring)] == [early]


def test_staff_moves_a_call_to_the_head_of_its_line() -> None:
    q = busy()
    q.arrive()
    q.advance(1).arrive(priority=3)
    q.advance(1)
    moved = q.arrive(priority=-5)
    q.give(m.Move(call=moved))
    q.talk_ends("anna")
    assert q.rung() == {"anna": moved}
    assert len(q.engine.state.queues["sales"].line) == 3, "nobody stands in it twice"


def test_staff_moves_a_waiting_call_to_another_group_at_its_old_place() -> None:
    q = Quick(group(members=("anna",)), group("support", members=("jan",)), members=(ANNA, JAN))
    call = q.arrive()
    q.give(m.Move(call=call, group="support"))
    assert q.withdrawn() == {"anna": "step"}
    assert q.rung() == {"jan": call}


def test_staff_cannot_move_a_call_that_a_member_has_answered() -> None:
    q = Quick(group(members=("anna",)), group("support", members=("jan",)), members=(ANNA, JAN))
    call = q.arrive()
    q.answer("anna")
    q.give(m.Move(call=call, group="support"))
    assert q.last == m.Step()


def test_who_stands_behind_a_full_line_is_not_in_it() -> None:
    q = busy(max_waiting=1, full=HangUp("USER_BUSY"))
    q.arrive()
    turned_away = q.arrive()
    assert q.decided(turned_away) == [("full", "hangup USER_BUSY")]
    q.gone("c002")
    assert q.decided(q.arrive()) == []


def test_L1_a_call_moved_to_the_head_is_first_and_its_wait_still_counts_from_when_it_joined() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    q.duty("anna", "out")
    first = q.arrive()
    q.advance(5)
    second = q.arrive()
    q.advance(5)
    q.give(m.Move(call=second))
    q.duty("anna", "in")
    assert q.rung() == {"anna": second}
    q.talk("anna")
    (talking,) = q.all(m.Talking)
    assert talking.waited == pytest.approx(5.0)
    assert first not in q.ended()
