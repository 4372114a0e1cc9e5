"""Members: who is available (M1), rest and wrap-up (M2), one offer or talk at a time (M3)."""

from __future__ import annotations

import msgspec
import pytest

from fsqueue.engine import messages as m
from fsqueue.engine.model import Member, Wait
from tests.engine.dsl import ANNA, JAN, Quick, group

REGISTERING = Member(id="anna", user="anna@example.com", extension="1001")


def alone(**keys: object) -> Quick:
    return Quick(group(members=("anna",), **keys), members=(ANNA,))


def test_M1_who_is_not_registered_is_not_rung_until_his_phone_registers() -> None:
    q = Quick(group(members=("anna",)), members=(REGISTERING,))
    call = q.arrive()
    assert q.rung() == {}
    q.register("anna")
    assert q.rung() == {"anna": call}


def test_M1_registration_is_per_switch() -> None:
    q = Quick(group(members=("anna",)), members=(REGISTERING,))
    q.snapshot(switch="b")
    q.register("anna", switch="b")
    q.arrive()
    assert q.rung() == {}
    there = q.arrive(switch="b")
    assert q.rung() == {"anna": there}


def test_M1_a_phone_that_could_not_be_rung_counts_as_unreachable_for_30_s() -> None:
    q = alone()
    call = q.arrive()
    q.ends("anna", "unreachable")
    q.advance(29.9)
    assert q.rung() == {}
    q.advance(0.1)
    assert q.rung() == {"anna": call}


def test_M1_a_phone_that_could_not_be_rung_is_rung_as_soon_as_it_registers() -> None:
    q = Quick(group(members=("anna",)), members=(REGISTERING,))
    q.register("anna")
    call = q.arrive()
    q.ends("anna", "unreachable")
    q.advance(3).register("anna")
    assert q.rung() == {"anna": call}


@pytest.mark.parametrize("duty", ["out", "paused"])
def test_M1_who_is_logged_out_or_paused_is_not_rung_until_he_is_back(duty: m.DutyState) -> None:
    q = alone()
    q.duty("anna", duty)
    call = q.arrive()
    assert q.rung() == {}
    q.duty("anna", "in")
    assert q.rung() == {"anna": call}


def test_M1_who_is_on_another_call_is_not_rung_until_all_of_them_are_over() -> None:
    q = alone()
    q.other("anna", present=True)
    q.give(m.OtherCall(m.Leg("a", "second"), "anna", True))
    call = q.arrive()
    q.other("anna", present=False)
    assert q.rung() == {}
    q.give(m.OtherCall(m.Leg("a", "second"), "anna", False))
    assert q.rung() == {"anna": call}


@pytest.mark.parametrize("outcome", ["declined", "busy", "no_answer", "lost"])
def test_M2_after_an_offer_not_taken_he_rests_in_all_groups(outcome: m.Outcome) -> None:
    q = Quick(group(members=("anna",)), group("support", members=("anna",)), members=(ANNA,), rest=5.0)
    q.arrive()
    q.ends("anna", outcome)
    other = q.arrive("support")
    q.advance(4.9)
    assert q.rung() == {}
    q.advance(0.1)
    assert other in q.rung().values() or q.rung() == {"anna": "c001"}


def test_M2_who_lets_it_ring_out_rests_from_when_his_phone_is_silent() -> None:
    q = alone(rings=1)
    call = q.arrive()
    q.advance(5)
    assert q.withdrawn() == {"anna": "timeout"}
    q.advance(1)
    q.ends("anna", "withdrawn")
    q.advance(4.9)
    assert q.rung() == {}
    q.advance(0.1)
    assert q.rung() == {"anna": call}


def test_M2_after_a_failed_bridge_he_rests() -> None:
    q = alone()
    call = q.arrive()
    q.answer("anna")
    q.connect_fails("anna")
    q.ends("anna", "failed")
    q.advance(4.9)
    assert q.rung() == {}
    q.advance(0.1)
    assert q.rung() == {"anna": call}


def test_M2_wrap_up_is_that_of_the_group_whose_call_he_had() -> None:
    q = Quick(group(members=("anna",), wrap_up=20.0), group("support", members=("anna",)), members=(ANNA,))
    q.arrive()
    q.talk("anna")
    q.advance(60).talk_ends("anna")
    other = q.arrive("support")
    q.advance(19.9)
    assert q.rung() == {}
    q.advance(0.1)
    assert q.rung() == {"anna": other}


def test_M2_without_wrap_up_he_is_free_at_once_after_a_talk() -> None:
    q = alone()
    q.arrive()
    q.talk("anna")
    second = q.arrive()
    q.talk_ends("anna")
    assert q.rung() == {"anna": second}


def test_M2_who_is_withdrawn_because_a_colleague_was_faster_does_not_rest() -> None:
    q = Quick(group(members=("anna", "jan"), distribution="to-all"), members=(ANNA, JAN))
    q.arrive()
    second = q.arrive()
    q.answer("anna")
    q.ends("jan", "withdrawn")
    assert q.rung() == {"jan": second}


def test_M3_a_member_of_two_groups_is_rung_for_one_call_only() -> None:
    q = Quick(group(members=("anna",)), group("support", members=("anna",)), members=(ANNA,))
    first = q.arrive()
    q.arrive("support")
    assert q.rung() == {"anna": first}
    q.talk("anna")
    q.advance(60)
    assert q.rung() == {}


@pytest.mark.parametrize("duty", ["out", "paused"])
def test_M3_log_out_or_pause_while_he_is_rung_counts_after_it(duty: m.DutyState) -> None:
    q = alone()
    call = q.arrive()
    q.duty("anna", duty)
    assert q.rung() == {"anna": call}
    q.talk("anna")
    q.arrive()
    q.talk_ends("anna")
    assert q.ended() == {call: "answered"}
    assert q.rung() == {}


def test_M3_removal_during_a_talk_counts_after_it() -> None:
    q = Quick(group(members=("anna", "jan"), wrap_up=5.0), members=(ANNA, JAN))
    call = q.arrive()
    q.talk("anna")
    without = msgspec.structs.replace(
        q.plan, members={"jan": JAN}, groups={"sales": group(members=("jan",), wrap_up=5.0)}
    )
    q.give(m.Configure(without))
    q.talk_ends("anna")
    assert q.ended() == {call: "answered"}
    q.advance(60)


def test_M3_who_starts_another_call_while_we_ring_him_is_withdrawn_and_the_next_is_rung() -> None:
    q = Quick(group(members=("anna", "jan")), members=(ANNA, JAN))
    call = q.arrive()
    q.other("anna", present=True)
    assert q.withdrawn() == {"anna": "step"}
    assert q.rung() == {"jan": call}


def test_M3_another_call_of_his_does_not_end_a_talk() -> None:
    q = alone()
    call = q.arrive()
    q.talk("anna")
    q.other("anna", present=True)
    assert q.withdrawn() == {}
    q.talk_ends("anna")
    assert q.ended() == {call: "answered"}


def test_M3_a_losers_late_end_does_not_free_the_winner() -> None:
    q = Quick(group(members=("anna",), pickup=True, distribution="to-all"), members=(ANNA,))
    q.arrive()
    ring = q.offer("anna")
    q.pickup("anna")
    q.connected("anna")
    q.give(m.OfferEnded(ring, "withdrawn"))
    q.arrive()
    assert q.rung() == {}, "he talks"


def test_pause_after_so_many_offers_in_a_row_not_taken_and_not_before() -> None:
    careless = Member(id="anna", registers=False, pause_after=2)
    q = Quick(group(members=("anna",)), members=(careless,))
    call = q.arrive()
    q.ends("anna")
    q.advance(5)
    assert q.rung() == {"anna": call}
    q.ends("anna")
    assert q.all(m.MemberChanged)[-1].duty == "paused"
    q.advance(60)
    assert q.rung() == {}


def test_a_talk_begins_the_count_of_pause_after_anew() -> None:
    careless = Member(id="anna", registers=False, pause_after=2)
    q = Quick(group(members=("anna",)), members=(careless,))
    q.arrive()
    q.ends("anna")
    q.advance(5).talk("anna")
    q.advance(10).talk_ends("anna")
    q.arrive()
    q.ends("anna")
    assert q.all(m.MemberChanged)[-1].duty == "in"


def test_the_phone_codes_log_in_and_out_and_pause_and_resume() -> None:
    q = alone()
    leg = m.Leg("a", "dial")
    for code, duty in (("out", "out"), ("in", "in"), ("paused", "paused"), ("paused", "in")):
        q.give(m.DutyCode(leg, "anna@example.com", code))  # type: ignore[arg-type]
        assert q.now_came(m.Confirm) == [m.Confirm(leg, duty)]
        assert q.now_came(m.MemberChanged)[0].duty == duty


def test_a_phone_code_of_a_stranger_changes_nothing_and_is_refused() -> None:
    q = alone()
    q.give(m.DutyCode(m.Leg("a", "dial"), "mallory@example.com", "out"))
    assert len(q.now_came(m.Refuse)) == 1
    assert q.all(m.MemberChanged) == []


def test_the_phones_of_somebody_whom_the_switch_could_not_ring_rest_and_nobody_is_blamed() -> None:
    careless = Member(id="anna", registers=False, pause_after=1)
    q = Quick(group(members=("anna",), unanswered=Wait()), members=(careless,))
    call = q.arrive()
    q.ends("anna", "failed")
    q.advance(4.9)
    assert q.rung() == {}
    q.advance(0.1)
    assert q.rung() == {"anna": call}
