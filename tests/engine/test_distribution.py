"""Whom a call rings: passes and windows (D1), evenly (D2), in order (D3), to all (D4), and fairness (F1)."""

from __future__ import annotations

from collections import Counter

import pytest

from fsqueue.engine import messages as m
from fsqueue.engine.model import HangUp, Member, Wait
from tests.engine.dsl import Quick, group


def test_D1_in_a_pass_each_member_is_rung_at_most_once() -> None:
    q = Quick(group(unanswered=HangUp()), rest=0.0)
    call = q.arrive()
    for member in ("anna", "jan", "ola"):
        assert q.rung() == {member: call}
        q.ends(member)
    assert q.offers() == ["anna", "jan", "ola"]
    assert q.decided(call) == [("U2", "hangup")]


def test_D1_a_window_is_rings_times_five_seconds_exactly() -> None:
    q = Quick(group(rings=4))
    q.arrive()
    assert q.all(m.Ring)[0].timeout == 20
    q.advance(19.999)
    assert q.rung() == {"anna": "c001"}
    q.advance(0.001)
    assert q.withdrawn() == {"anna": "timeout"}
    assert q.rung() == {"jan": "c001"}


def test_D1_a_window_ends_early_when_the_offer_ends() -> None:
    q = Quick()
    q.arrive()
    q.advance(3).ends("anna")
    assert q.rung() == {"jan": "c001"}


def test_D1_who_picks_up_at_the_last_instant_gets_the_call() -> None:
    q = Quick(group(rings=4))
    call = q.arrive()
    q.instant(20)
    q.answer("anna")
    q.advance(0)
    assert [c.offer for c in q.all(m.Connect)] == [f"{call}.1"]
    assert q.all(m.Withdraw) == []


@pytest.mark.parametrize("late", ["answers", "rings", "is bridged"])
def test_D1_a_withdrawn_offer_is_final(late: str) -> None:
    q = Quick(group(rings=1))
    q.arrive()
    q.advance(5)
    offer = "c001.1"
    said = {"answers": m.Answered(offer), "rings": m.Ringing(offer), "is bridged": m.Connected("c001", offer)}
    q.give(said[late])
    assert [c.offer for c in q.now_came(m.Withdraw)] == [offer]
    assert q.all(m.Connect) == []


def test_D1_what_answers_and_is_known_to_nobody_is_hung_up() -> None:
    q = Quick()
    q.give(m.Answered("c999.1"))
    assert [c.offer for c in q.now_came(m.Withdraw)] == ["c999.1"]


def test_D1_nobody_is_rung_for_less_than_one_ring() -> None:
    q = Quick(group(rings=2, max_wait=14.0, members=("anna", "jan")))
    q.arrive()
    q.advance(10)
    assert q.rung() == {}, "four seconds are left, one ring is five"


def test_D1_a_window_is_cut_where_the_call_may_not_wait_longer() -> None:
    q = Quick(group(rings=2, max_wait=16.0))
    q.arrive()
    q.advance(10)
    assert q.all(m.Ring)[-1].timeout == pytest.approx(6)


def test_D1_a_withdrawn_offer_whose_end_is_never_seen_is_lost_after_10_s() -> None:
    q = Quick(group(rings=1, members=("anna",)))
    q.arrive()
    q.advance(5)
    q.advance(9.9)
    assert q.all(m.OfferOver) == []
    q.advance(0.1)
    assert [r.outcome for r in q.all(m.OfferOver)] == ["lost"]


def test_D2_never_yet_goes_first_and_ties_go_by_the_list() -> None:
    q = Quick()
    q.duty("anna", "paused")
    q.arrive()
    assert q.offers() == ["jan"], "ola has had no turn either, and comes after him in the list"
    q.talk("jan")
    q.talk_ends("jan")
    q.duty("anna", "in")
    q.arrive()
    q.arrive()
    assert q.offers() == ["jan", "anna", "ola"]


def test_D2_the_one_whose_turn_was_longest_ago() -> None:
    q = Quick()
    for member in ("anna", "jan", "ola", "anna", "jan"):
        q.arrive()
        assert q.offers()[-1] == member
        q.talk(member)
        q.advance(10).talk_ends(member)


def test_D2_a_turn_is_used_by_ringing_whether_he_answers_or_not() -> None:
    q = Quick(rest=0.0)
    q.arrive()
    q.ends("anna")
    q.talk("jan")
    q.advance(1).talk_ends("jan")
    q.arrive()
    assert q.offers()[-1] == "ola"
    q.talk("ola")
    q.talk_ends("ola")
    q.arrive()
    assert q.offers()[-1] == "anna"


def test_D2_a_phone_that_could_not_be_rung_gives_its_turn_back() -> None:
    q = Quick()
    q.arrive()
    q.ends("anna", "unreachable")
    q.talk("jan")
    q.talk_ends("jan")
    q.advance(30)
    q.arrive()
    assert q.offers()[-1] == "anna", "never yet, and so before ola"


def test_D2_being_away_or_busy_uses_no_turn() -> None:
    q = Quick()
    q.duty("anna", "paused")
    q.other("jan", present=True)
    q.arrive()
    q.talk("ola")
    q.duty("anna", "in")
    q.other("jan", present=False)
    q.arrive()
    assert q.offers()[-1] == "anna"


def test_D2_turns_are_per_group() -> None:
    q = Quick(group(), group("support", members=("anna", "jan", "ola")))
    q.arrive()
    q.talk("anna")
    q.talk_ends("anna")
    q.arrive("support")
    assert q.offers() == ["anna", "anna"]


def test_D2_a_pickup_uses_the_turn_of_who_picked_up() -> None:
    q = Quick(group(pickup=True))
    q.arrive()
    q.pickup("jan")
    q.connected("jan")
    q.talk_ends("jan")
    q.ends("anna", "withdrawn")
    q.arrive()
    assert q.offers()[-1] == "ola"


def test_D2_turns_are_kept_across_restarts() -> None:
    q = Quick()
    q.arrive()
    q.talk("anna")
    q.talk_ends("anna")
    again = Quick(known=False)
    again.now = q.now
    again.engine.restore(q.stamped, q.now)
    step = again.engine.handle(m.Snapshot(switch="a", core="core1"), q.now)
    step = again.engine.handle(m.Arrived(leg=m.Leg("a", "x"), arrival="x", new_call="x", to="sales"), q.now)
    assert [c.member for c in step.commands if isinstance(c, m.Ring)] == ["jan"]


def test_D3_always_the_first_of_the_list_who_is_available() -> None:
    q = Quick(group(distribution="in-order", unanswered=HangUp()))
    for _ in range(3):
        q.arrive()
        assert q.offers()[-1] == "anna"
        q.talk("anna")
        q.talk_ends("anna")


def test_D3_the_list_is_looked_up_anew_at_each_step() -> None:
    q = Quick(group(distribution="in-order", unanswered=HangUp()))
    q.other("anna", present=True)
    call = q.arrive()
    assert q.rung() == {"jan": call}
    q.other("anna", present=False)
    q.ends("jan")
    assert q.rung() == {"anna": call}, "free again, and before ola in the list"
    q.ends("anna")
    assert q.rung() == {"ola": call}


def test_D4_the_first_caller_rings_at_everybody_available() -> None:
    q = Quick(group(distribution="to-all", rings=12))
    q.duty("jan", "paused")
    call = q.arrive()
    assert q.rung() == {"anna": call, "ola": call}


def test_D4_who_becomes_available_joins_for_what_is_left_of_the_window() -> None:
    q = Quick(group(distribution="to-all", rings=4))
    q.other("jan", present=True)
    call = q.arrive()
    q.advance(8).other("jan", present=False)
    assert q.rung() == {"anna": call, "ola": call, "jan": call}
    assert q.all(m.Ring)[-1].timeout == pytest.approx(12)
    q.advance(12)
    assert set(q.withdrawn()) == {"anna", "jan", "ola"}


def test_D4_nobody_joins_for_less_than_one_ring() -> None:
    q = Quick(group(distribution="to-all", rings=4))
    q.other("jan", present=True)
    q.arrive()
    q.advance(15.1).other("jan", present=False)
    assert "jan" not in q.rung()


def test_D4_the_next_caller_rings_when_the_first_is_answered() -> None:
    q = Quick(group(distribution="to-all", rings=12))
    first, second = q.arrive(), q.arrive()
    assert set(q.rung().values()) == {first}
    q.talk("anna")
    q.ends("jan", "withdrawn")
    assert q.rung() == {"jan": second}


def test_D4_the_next_caller_rings_when_the_first_has_left() -> None:
    q = Quick(group(distribution="to-all", rings=12))
    first, second = q.arrive(), q.arrive()
    q.gone(first)
    for member in ("anna", "jan", "ola"):
        q.give(m.OfferEnded(f"{first}.{('anna', 'jan', 'ola').index(member) + 1}", "withdrawn"))
    assert set(q.rung().values()) == {second}


def test_D4_time_behind_the_first_does_not_count_for_U2() -> None:
    q = Quick(group(distribution="to-all", rings=4, members=("anna",), unanswered=HangUp()))
    q.arrive()
    second = q.arrive()
    q.advance(15).talk("anna")
    q.advance(19.9)
    assert q.decided(second) == []
    q.advance(0.1)
    assert q.decided(second) == [("U2", "hangup")]


def test_D4_pass_after_pass_when_the_step_is_to_wait() -> None:
    q = Quick(group(distribution="to-all", rings=2, members=("anna", "jan"), unanswered=Wait(), max_wait=600.0))
    call = q.arrive()
    for _ in range(5):
        assert q.rung() == {"anna": call, "jan": call}
        q.advance(10)
        q.ends("anna", "withdrawn")
        q.ends("jan", "withdrawn")
        q.advance(5)


def test_D4_a_caller_whose_members_could_not_be_rung_rings_them_when_they_can() -> None:
    q = Quick(group(distribution="to-all", rings=2, members=("anna",), unanswered=Wait(), max_wait=600.0))
    call = q.arrive()
    q.ends("anna", "unreachable")
    q.advance(30)
    assert q.rung() == {"anna": call}


def many(n: int) -> tuple[Member, ...]:
    return tuple(Member(id=f"m{i}", registers=False) for i in range(n))


def test_F1_with_all_members_always_free_offers_differ_by_at_most_one() -> None:
    members = many(7)
    q = Quick(group(members=tuple(each.id for each in members)), members=members)
    for n in range(1, 200):
        q.arrive()
        who = q.offers()[-1]
        q.talk(who)
        q.advance(3).talk_ends(who)
        counts = Counter(q.offers())
        assert n < 7 or max(counts.values()) - min(counts[each.id] for each in members) <= 1


def test_F1_one_who_never_answers_leaves_the_others_within_a_tenth_in_2000_calls() -> None:
    members = many(5)
    q = Quick(group(members=tuple(each.id for each in members)), members=members)
    for _ in range(2000):
        q.arrive()
        if (who := q.offers()[-1]) == "m0":
            q.advance(20)
            q.ends("m0", "withdrawn")
            who = q.offers()[-1]
        q.talk(who)
        q.advance(30).talk_ends(who)
    counts = Counter(q.offers())
    others = [counts[each.id] for each in members[1:]]
    assert max(others) - min(others) <= max(others) / 10
