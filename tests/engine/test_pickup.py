"""Pickup by code (P1), with all its clauses."""

from __future__ import annotations

import pytest

from fsqueue.engine import messages as m
from fsqueue.engine.model import Forward
from tests.engine.dsl import ANNA, JAN, Quick, group


def allowed(**keys: object) -> Quick:
    keys.setdefault("pickup", True)
    return Quick(group(**keys))  # type: ignore[arg-type]


def refused(q: Quick) -> bool:
    return len(q.now_came(m.Refuse)) == 1 and not q.now_came(m.Connect)


def test_P1_who_dials_the_code_takes_the_call_and_the_phone_shows_answered_elsewhere() -> None:
    q = allowed()
    call = q.arrive()
    q.pickup("jan")
    (connect,) = q.now_came(m.Connect)
    assert (connect.call, connect.taker) == (call, m.Leg("a", "code-jan"))
    assert q.withdrawn() == {"anna": "elsewhere"}
    q.connected("jan")
    q.talk_ends("jan")
    assert q.ended() == {call: "answered"}


def test_P1_the_offer_that_has_been_ringing_longest() -> None:
    q = allowed()
    first = q.arrive()
    q.advance(2).arrive()
    q.pickup("ola")
    assert [c.call for c in q.now_came(m.Connect)] == [first]


def test_P1_only_of_his_own_groups() -> None:
    q = Quick(group("support", members=("anna",), pickup=True), group(members=("jan", "ola"), pickup=True, rings=12))
    q.arrive("support")
    later = q.advance(2).arrive()
    q.pickup("ola")
    assert [c.call for c in q.now_came(m.Connect)] == [later]


def test_P1_with_an_extension_the_one_ringing_at_that_colleague() -> None:
    q = allowed()
    q.arrive()
    second = q.advance(2).arrive()
    q.pickup("ola", extension="1002")
    assert [c.call for c in q.now_came(m.Connect)] == [second]


def test_P1_nothing_rings_at_that_colleague() -> None:
    q = allowed()
    q.arrive()
    q.pickup("ola", extension="1002")
    assert refused(q)


def test_P1_nothing_to_take() -> None:
    q = allowed()
    q.pickup("jan")
    assert refused(q)


def test_P1_not_where_the_group_does_not_allow_it() -> None:
    q = allowed(pickup=False)
    q.arrive()
    q.pickup("jan")
    assert refused(q)


def test_P1_not_by_a_stranger_however_he_calls_himself() -> None:
    q = allowed()
    q.arrive()
    q.pickup("mallory")
    assert refused(q)
    q.give(m.Pickup(leg=m.Leg("a", "x"), user=""))
    assert refused(q)


def test_P1_not_by_a_member_of_other_groups_only() -> None:
    q = Quick(group(members=("anna",), pickup=True), group("support", members=("jan",), pickup=True))
    q.arrive()
    q.pickup("jan")
    assert refused(q)


@pytest.mark.parametrize("state", ["logged out", "paused", "resting", "on another call"])
def test_P1_he_may_be_anything_but_talking(state: str) -> None:
    q = allowed(members=("anna", "jan"), distribution="to-all")
    if state == "logged out":
        q.duty("jan", "out")
    elif state == "paused":
        q.duty("jan", "paused")
    elif state == "on another call":
        q.other("jan", present=True)
    call = q.arrive()
    if state == "resting":
        q.ends("jan")
    q.pickup("jan")
    assert [c.call for c in q.now_came(m.Connect)] == [call]


@pytest.mark.parametrize("bridged", [True, False])
def test_P1_not_while_he_talks_or_is_being_connected(*, bridged: bool) -> None:
    q = allowed()
    q.arrive()
    q.answer("anna")
    if bridged:
        q.connected("anna")
    q.arrive()
    q.pickup("anna")
    assert refused(q)


def test_P1_if_his_own_phone_rings_that_offer_is_withdrawn_first() -> None:
    q = allowed()
    first = q.arrive()
    second = q.advance(1).arrive()
    assert q.rung() == {"anna": first, "jan": second}
    q.pickup("jan")
    assert [c.call for c in q.now_came(m.Connect)] == [first]
    own = q.now_came(m.Withdraw)[0]
    assert own.offer == f"{second}.1"
    assert q.rung() == {"ola": second}, "whose caller is not forgotten"


def test_P1_he_may_take_the_call_that_rings_at_himself() -> None:
    q = allowed(members=("anna",))
    call = q.arrive()
    q.pickup("anna")
    assert [c.call for c in q.now_came(m.Connect)] == [call]


def test_P1_while_his_own_phone_is_still_being_silenced_for_a_caller_who_is_gone() -> None:
    q = allowed(distribution="to-all")
    first = q.arrive()
    q.gone(first)
    second = q.arrive()
    q.ends("anna", "withdrawn")
    q.give(m.OfferEnded(f"{first}.1", "withdrawn"))
    assert q.rung() == {"anna": second}
    q.pickup("jan")
    assert [c.call for c in q.now_came(m.Connect)] == [second]


def test_P1_of_two_who_try_one_gets_the_call_and_the_other_a_clear_end() -> None:
    q = allowed()
    q.arrive()
    q.pickup("jan")
    q.pickup("ola")
    assert refused(q)
    assert len(q.all(m.Connect)) == 1


def test_P1_of_a_pickup_and_an_answer_the_first_gets_the_call() -> None:
    q = allowed()
    q.arrive()
    q.pickup("jan")
    q.give(m.Answered("c001.1"))
    assert [c.offer for c in q.now_came(m.Withdraw)] == ["c001.1"]
    assert len(q.all(m.Connect)) == 1

    q = allowed()
    q.arrive()
    q.answer("anna")
    q.pickup("jan")
    assert refused(q)


def test_P1_a_forwards_target_cannot_be_picked_up() -> None:
    q = Quick(group(members=("anna", "jan"), pickup=True, offline=Forward(member="ola")))
    q.duty("anna", "out")
    q.duty("jan", "out")
    q.arrive()
    assert "ola" in q.rung()
    q.pickup("jan")
    assert refused(q)


def test_P1_a_pickup_whose_bridge_fails_puts_the_caller_back_at_his_place() -> None:
    q = allowed(members=("anna", "jan"))
    first = q.arrive()
    q.pickup("jan")
    second = q.arrive()
    q.connect_fails("jan")
    q.give(m.OfferEnded(f"{first}.1", "withdrawn"))
    assert first not in q.ended()
    assert q.rung() == {"anna": second}, "who was rung for the first one in this pass already"
    q.ends("jan", "failed")
    q.advance(5)
    assert q.rung() == {"anna": second, "jan": first}


def test_P1_only_on_the_switch_that_the_caller_is_on() -> None:
    q = Quick(group(members=("anna", "jan"), pickup=True), members=(ANNA, JAN))
    q.snapshot(switch="b")
    q.arrive(switch="b")
    q.pickup("jan")
    assert refused(q)
