"""A drain: no new calls are taken, and those there are go on by all the rules until they are over."""

from __future__ import annotations

from fsqueue.engine import messages as m
from fsqueue.engine.engine import Engine
from tests.engine.dsl import ANNA, Quick, group


def one_member() -> Quick:
    return Quick(group(members=("anna",)), members=(ANNA,))


def test_a_new_caller_goes_to_the_fallback_and_is_counted_with_the_reason() -> None:
    q = one_member()
    q.give(m.Drain("kate"))
    call = q.arrive()
    assert q.ended() == {call: "fallback"}
    assert [c.why for c in q.commands if isinstance(c, m.Refuse)] == ["draining"]
    assert q.rung() == {}


def test_who_waits_is_served_and_his_talk_goes_on_to_its_end() -> None:
    q = one_member()
    waits = q.arrive()
    q.give(m.Drain())
    assert q.rung() == {"anna": waits}
    q.talk("anna")
    q.talk_ends("anna")
    assert q.ended() == {waits: "answered"}


def test_who_is_found_on_hold_is_no_new_caller() -> None:
    q = one_member()
    q.give(m.Drain())
    leg = m.Leg("a", "found")
    q.give(m.Arrived(leg=leg, arrival="f", new_call="f", found=True, call="c7", group="sales", joined=q.now - 5))
    assert q.rung() == {"anna": "c7"}


def test_a_caller_whom_a_member_transfers_to_a_group_is_no_new_caller() -> None:
    q = one_member()
    first = q.arrive()
    q.talk("anna")
    q.give(m.Drain())
    leg = q.engine.state.calls[first].leg
    q.give(m.Arrived(leg=leg, arrival="again", new_call="c9", to="sales", call=first, group="sales"))
    assert q.ended() == {first: "answered"}
    assert [call.id for call in q.engine.state.calls.values()] == ["c9"]


def test_called_off_it_takes_calls_again() -> None:
    q = one_member()
    q.give(m.Drain("kate"))
    q.give(m.Undrain("ola"))
    assert q.arrive() in q.rung().values()


def test_it_is_recorded_with_who_wanted_it_and_what_is_left_and_once() -> None:
    q = one_member()
    q.arrive()
    for order in (m.Drain("kate"), m.Drain("jan"), m.Undrain("ola"), m.Undrain("ola")):
        q.give(order)
    assert [record for record, _ in q.stamped if isinstance(record, m.DrainChanged)] == [
        m.DrainChanged(draining=True, calls=1, by="kate"),
        m.DrainChanged(draining=False, calls=1, by="ola"),
    ]


def test_a_start_takes_calls_whatever_the_last_run_was_told() -> None:
    q = one_member()
    q.give(m.Drain())
    engine = Engine(q.plan)
    engine.restore(q.stamped, q.now)
    assert not engine.state.draining
