"""Where a call leads and what it hears (N1, N3), and who takes a waiting call over (N2)."""

from __future__ import annotations

import msgspec
import pytest

from fsqueue.engine import messages as m
from fsqueue.engine.model import plain_number
from tests.engine.dsl import Quick, group, number

TWO = (group(), group("support"))


@pytest.mark.parametrize(
    ("dialled", "plain"), [("+48221", "48221"), ("0048221", "48221"), ("48221", "48221"), ("0221", "0221"), ("", "")]
)
def test_N1_numbers_are_compared_without_a_leading_plus_or_00(dialled: str, plain: str) -> None:
    assert plain_number(dialled) == plain


@pytest.mark.parametrize("dialled", ["+48221234567", "0048221234567", "48221234567"])
def test_N1_what_was_dialled_is_looked_up_among_the_numbers(dialled: str) -> None:
    q = Quick(*TWO, numbers=number("48221234567", "support"))
    q.arrive(dialled=dialled)
    assert [r.group for r in q.all(m.VisitBegan)] == ["support"]
    assert [r.number for r in q.all(m.CallOpened)] == ["48221234567"]


def test_N1_what_the_dialplan_says_wins() -> None:
    q = Quick(*TWO, numbers=number("48221234567"))
    q.give(m.Arrived(leg=m.Leg("a", "x"), arrival="x", new_call="x", to="support", dialled="+48221234567"))
    assert [r.group for r in q.all(m.VisitBegan)] == ["support"]


def test_N1_the_dialplan_may_say_a_number_or_an_extension() -> None:
    q = Quick(*TWO, numbers=number("48221234567", "support"))
    q.arrive("+48221234567")
    q.arrive("7000")
    assert [r.group for r in q.all(m.VisitBegan)] == ["support", "sales"]


def test_N1_looked_up_exactly() -> None:
    q = Quick(*TWO, numbers=number("48221234567"))
    for dialled in ("4822123456", "482212345678", "700", "70000"):
        call = q.arrive(dialled=dialled)
        assert q.ended()[call] == "fallback"


def test_N1_a_numbers_priority_is_the_calls_and_the_dialplans_wins() -> None:
    q = Quick(*TWO, numbers=number("48221", priority=7))
    q.arrive(dialled="48221")
    q.arrive(dialled="48221", priority=-3)
    q.arrive()
    assert [r.priority for r in q.all(m.VisitBegan)] == [7, -3, 0]


def test_N2_a_group_has_an_extension_too() -> None:
    q = Quick(*TWO)
    call = q.arrive(dialled="7000")
    assert q.rung() == {"anna": call}
    assert [r.number for r in q.all(m.CallOpened)] == [""]


def test_N2_who_is_transferred_into_a_waiting_call_takes_it_over_with_place_and_pass() -> None:
    q = Quick()
    waiting = q.arrive()
    q.ends("anna")
    q.advance(2)
    q.arrive()
    taker = m.Leg("a", "transferred")
    q.give(
        m.Arrived(leg=taker, arrival="t", new_call="t", dialled="7000", takes=waiting, caller=m.Caller(number="777"))
    )
    assert [r.call for r in q.now_came(m.Relegged)] == [waiting]
    assert q.rung() == {"jan": waiting, "ola": "c002"}
    assert [(h.call, h.leg) for h in q.now_came(m.Hold)] == [(waiting, taker)]
    q.give(m.CallerGone(q.leg(waiting)))
    assert q.ended() == {}, "the leg that waited is nobody's any more"
    q.answer("jan")
    assert [c.leg for c in q.now_came(m.Connect)] == [taker]


def test_N2_who_takes_a_call_over_goes_on_in_its_pass() -> None:
    q = Quick()
    waiting = q.arrive()
    q.ends("anna")
    q.give(m.Arrived(leg=m.Leg("a", "transferred"), arrival="t", new_call="t", dialled="7000", takes=waiting))
    q.advance(6)
    q.ends("jan")
    q.ends("ola")
    assert q.decided(waiting) == [("U2", "wait")], "all three were rung, two of them before and one after"
    assert q.rung() == {"anna": waiting}


def test_N2_a_call_that_is_being_talked_cannot_be_taken_over() -> None:
    q = Quick()
    call = q.arrive()
    q.talk("anna")
    q.give(m.Arrived(leg=m.Leg("a", "t"), arrival="t", new_call="t", dialled="7000", takes=call))
    assert [r.call for r in q.now_came(m.CallOpened)] == ["t"]


def test_N2_taken_over_while_being_connected_is_put_back_at_its_place() -> None:
    q = Quick()
    call = q.arrive()
    q.answer("anna")
    q.give(m.Arrived(leg=m.Leg("a", "t"), arrival="t", new_call="t", dialled="7000", takes=call))
    assert "anna" in q.withdrawn()
    assert q.rung() == {"jan": call}


def test_N3_the_numbers_own_music() -> None:
    q = Quick(*TWO, numbers=number("48221", music="local_stream://jazz"))
    q.arrive(dialled="48221")
    assert {c.music for c in [*q.all(m.Hold), *q.all(m.Ring)]} == {"local_stream://jazz"}


def test_N3_who_came_by_extension_hears_the_telephonys_music() -> None:
    q = Quick(*TWO, numbers=number("48221", music="local_stream://jazz"), music="local_stream://moh")
    q.arrive(dialled="7000")
    assert [c.music for c in q.all(m.Hold)] == ["local_stream://moh"]


def test_N3_who_was_transferred_hears_the_music_of_the_number_first_dialled() -> None:
    q = Quick(*TWO, numbers=number("48221", music="local_stream://jazz"), music="local_stream://moh")
    q.arrive(dialled="7000", number="48221")
    assert [c.music for c in q.all(m.Hold)] == ["local_stream://jazz"]


def test_a_call_beyond_max_calls_goes_to_the_fallback_and_is_counted() -> None:
    q = Quick(max_calls=1)
    q.arrive()
    second = q.arrive()
    assert q.ended() == {second: "fallback"}
    assert "max_calls" in q.now_came(m.Refuse)[0].why


def test_an_arrival_told_twice_is_the_same_visit() -> None:
    q = Quick()
    call = q.arrive()
    q.give(m.Arrived(leg=q.leg(call), arrival=f"arrival-{call}", new_call="again", to="sales"))
    assert len(q.all(m.CallOpened)) == 1


def test_a_new_arrival_on_a_talking_callers_channel_is_a_new_visit_and_ends_the_talk() -> None:
    q = Quick()
    call = q.arrive()
    q.talk("anna")
    q.give(m.Arrived(leg=q.leg(call), arrival="transferred", new_call="second", to="sales", call=call))
    assert q.ended() == {call: "answered"}
    assert q.rung() == {"jan": "second"}
    q.talk_ends("anna")


def test_names_are_passed_on_as_they_came_and_the_prefix_apart() -> None:
    evil = m.Caller(number="1", name='x"\r\nEvil: 1')
    q = Quick(group(prefix="Sales: "))
    q.arrive(caller=evil)
    (ring,) = q.all(m.Ring)
    assert (ring.caller, ring.prefix) == (evil, "Sales: ")


def test_the_prefix_tells_each_phone_the_group_and_how_long_the_caller_has_waited_when_it_is_rung() -> None:
    named = msgspec.structs.replace(group(members=("anna", "jan"), prefix="{group} {waited} "), name="Sales {waited}")
    q = Quick(named)
    q.duty("jan", "out")
    q.arrive()
    q.advance(65)
    q.duty("jan", "in")
    assert [ring.prefix for ring in q.all(m.Ring)][:1] == ["Sales {waited} 0:00 "]
    assert q.all(m.Ring)[-1].prefix == "Sales {waited} 1:05 "
