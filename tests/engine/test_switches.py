"""What switches show, restarts of both sides, and changes of the configuration under running calls."""

from __future__ import annotations

import msgspec
import pytest

from fsqueue.engine import messages as m
from fsqueue.engine.engine import Engine
from fsqueue.engine.model import HangUp, Plan, Voicemail, Wait
from fsqueue.engine.offers import NUMBERS
from tests.engine.dsl import ANNA, JAN, Quick, group, looks


def restarted(q: Quick, plan: Plan | None = None) -> Engine:
    """Return an engine that starts with the records of *q*."""
    return q.restarted(plan)


def commands(engine: Engine, given: m.Input, now: float) -> list[m.Command]:
    return list(engine.handle(given, now).commands)


def test_an_absence_counts_only_when_seen_twice_in_a_row() -> None:
    q = Quick(group(members=()))
    call = q.arrive()
    q.snapshot()
    q.snapshot(call)
    q.snapshot()
    assert q.ended() == {}
    q.snapshot()
    assert q.ended() == {call: "lost"}


def test_an_offer_that_is_on_the_switch_no_more_is_over_and_the_next_is_rung() -> None:
    q = Quick()
    call = q.arrive()
    q.snapshot(call)
    q.snapshot(call)
    assert q.rung() == {"jan": call}


def test_a_talk_that_ended_unseen_was_a_talk_and_its_member_is_free() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    call = q.arrive()
    q.talk("anna")
    q.snapshot()
    q.snapshot()
    assert q.ended() == {call: "answered"}
    assert q.rung() == {}
    assert q.arrive() in q.rung().values()


def test_of_one_who_is_being_looked_for_an_absence_says_nothing() -> None:
    q = Quick(group(members=()))
    call = q.arrive()
    q.snapshot()
    for _ in range(3):
        looked_for = m.SeenLeg(uuid=q.leg(call).uuid, kind="sought", call=call)
        q.give(m.Snapshot(switch="a", core="core1", legs=(looked_for,)))
    assert q.ended() == {}
    q.snapshot()
    assert q.ended() == {call: "lost"}


@pytest.mark.parametrize("again", [False, True], ids=["at once", "by one more start"])
def test_E1_who_counts_as_lost_and_is_found_after_all_is_another_call(again: bool) -> None:
    q = Quick(group(members=()))
    call = q.arrive()
    q.snapshot()
    q.snapshot()
    assert q.ended() == {call: "lost"}
    engine = restarted(q) if again else q.engine
    found = found_waiting(q, call)
    records = engine.handle(found, q.now).records
    assert [r.call for r in records if isinstance(r, m.CallOpened)] == ["c9"]


def test_a_restarted_switch_has_lost_all_its_callers_and_their_members_are_free() -> None:
    q = Quick()
    first, second = q.arrive(), q.arrive()
    q.talk("anna")
    q.snapshot(core="core2")
    assert q.ended() == {first: "answered", second: "lost"}
    assert q.rung() == {}
    third = q.arrive()
    assert q.rung()["ola"] == third or q.rung()["anna"] == third


def test_who_arrives_on_a_restarted_switch_before_its_first_snapshot_is_a_new_call_and_stays() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    old = q.arrive()
    q.give(m.SwitchDown("a"))
    q.give(m.SwitchRestarted("a", "core2"))
    assert q.ended() == {old: "lost"}
    new = q.arrive()
    q.give(m.SwitchDown("a"))
    q.snapshot(new, core="core2")
    assert q.ended() == {old: "lost"}
    assert q.rung() == {"anna": new}


def test_a_restart_of_one_switch_leaves_the_other_ones_calls_alone() -> None:
    q = Quick()
    q.snapshot(switch="b")
    q.arrive()
    there = q.arrive(switch="b")
    q.snapshot(core="core2")
    assert q.ended() == {"c001": "lost"}
    assert there in q.rung().values()


def test_of_a_to_all_group_the_next_on_a_switch_in_reach_rings_when_the_firsts_is_lost() -> None:
    q = Quick(group(members=("anna",), distribution="to-all", rings=12), members=(ANNA,))
    q.snapshot(switch="b")
    q.other("anna", present=True)
    first, second = q.arrive(), q.arrive(switch="b")
    q.give(m.SwitchDown("a"))
    q.other("anna", present=False)
    assert q.rung() == {"anna": second}, f"{first} is out of reach"


def test_who_is_found_waiting_stands_at_his_old_place() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    q.arrive()
    q.talk("anna")
    q.advance(100).arrive()
    q.give(
        m.Arrived(
            leg=m.Leg("a", "found"),
            arrival="f",
            new_call="f",
            found=True,
            call="c0000",
            group="sales",
            joined=q.now - 50,
            entered=q.now - 50,
        )
    )
    q.talk_ends("anna")
    assert q.rung() == {"anna": "c0000"}


def test_a_restart_loses_no_place_and_waits_for_the_switch() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    q.arrive()
    q.talk("anna")
    early = q.arrive()
    q.advance(1).arrive()
    engine = restarted(q)
    assert engine.deadline() is not None
    assert [c for c in looks(engine, q.now, but="c001") if isinstance(c, m.Ring)] == []
    rung = commands(engine, m.TalkEnded("c001", "c001.1"), q.now)
    assert [c.call for c in rung if isinstance(c, m.Ring)] == [early]


def leg_of(offer: str) -> m.SeenLeg:
    """A member's leg as a snapshot shows it."""
    return m.SeenLeg(uuid=f"leg-{offer}", kind="offer", call=offer.rpartition(".")[0], offer=offer)


def found_waiting(q: Quick, call: str) -> m.Arrived:
    """A start finds the caller on hold, as his channel tells."""
    return m.Arrived(leg=q.leg(call), arrival=f"arrival-{call}", new_call="c9", found=True, call=call, group="sales")


def found(call: str, offer: str, member: str) -> m.Connected:
    """A talk that a new process sees on the switch."""
    return m.Connected(call, offer, found=True, member=member, switch="a")


def test_a_talk_whose_offer_no_disk_has_kept_goes_on_and_counts() -> None:
    q = Quick(group(members=("anna", "jan")), members=(ANNA, JAN))
    call = q.arrive()
    engine = restarted(q)
    said = commands(engine, found(call, f"{call}.7", "jan"), q.now)
    assert [c.offer for c in said if isinstance(c, m.Withdraw)] == [f"{call}.1"], "anna's phone, and not his talk"
    engine.handle(m.Snapshot(switch="a", core="core1"), q.now)
    assert engine.state.people["jan"].holding == "talk"
    ended = engine.handle(m.TalkEnded(call, f"{call}.7", "hung up"), q.now + 60).records
    assert [r.reason for r in ended if isinstance(r, m.CallEnded)] == ["answered"]
    assert engine.state.people["jan"].holding == "free"


def test_a_talk_that_was_found_survives_one_more_restart() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    call = q.arrive()
    engine = restarted(q)
    kept = [(r, q.now) for r in engine.handle(found(call, f"{call}.2", "anna"), q.now).records]
    again = Engine(q.plan)
    again.restore([*q.stamped, *kept], q.now)
    assert again.state.calls[call].state == "talking"
    assert again.state.people["anna"].holds == f"{call}.2"


def test_a_talk_found_in_place_of_another_one_is_the_one_that_counts() -> None:
    q = Quick(group(members=("anna", "jan")), members=(ANNA, JAN))
    call = q.arrive()
    q.talk("anna")
    engine = restarted(q)
    engine.handle(found(call, f"{call}.2", "jan"), q.now)
    assert engine.state.calls[call].winner == f"{call}.2"
    assert engine.state.people["anna"].holding != "talk"


def test_a_talk_found_that_began_as_another_calls_is_known_by_its_own_name() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    q.duty("anna", "paused")
    call = q.arrive()
    engine = restarted(q)
    waiting = found_waiting(q, call)
    engine.handle(waiting, q.now)
    assert commands(engine, found(call, "c7.2", "anna"), q.now) == [
        m.Connect(call=call, leg=q.leg(call), offer="c7.2", taker=None)
    ]
    engine.handle(m.Connected(call, "c7.2"), q.now)
    assert engine.state.people["anna"].holding == "talk"
    engine.handle(m.TalkEnded(call, "c7.2", "hung up"), q.now)
    assert call not in engine.state.calls


def test_a_member_found_talking_to_a_caller_whom_nobody_recorded_is_not_rung_until_it_ends() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    engine = restarted(q)
    assert commands(engine, found("c9", "c9.1", "anna"), q.now) == []
    engine.handle(m.Snapshot(switch="a", core="core1", legs=(leg_of("c9.1"),)), q.now)
    arrival = m.Arrived(leg=m.Leg("a", "x"), arrival="x", new_call="c10", to="sales")
    assert not [c for c in commands(engine, arrival, q.now) if isinstance(c, m.Ring)]
    rung = commands(engine, m.TalkEnded("c9", "c9.1", "hung up"), q.now)
    assert [c.member for c in rung if isinstance(c, m.Ring)] == ["anna"]


def test_nor_when_the_records_have_him_in_another_talk_whose_end_they_have_lost() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    old = q.arrive()
    q.talk("anna")
    engine = restarted(q)
    engine.handle(found("c9", "c9.1", "anna"), q.now)
    for _ in range(2):
        engine.handle(m.Snapshot(switch="a", core="core1", legs=(leg_of("c9.1"),)), q.now)
    assert old not in engine.state.calls
    arrival = m.Arrived(leg=m.Leg("a", "x"), arrival="x", new_call="c10", to="sales")
    assert not [c for c in commands(engine, arrival, q.now) if isinstance(c, m.Ring)]
    rung = commands(engine, m.TalkEnded("c9", "c9.1", "hung up"), q.now)
    assert [c.member for c in rung if isinstance(c, m.Ring)] == ["anna"]


def test_nor_when_he_answered_one_call_and_the_records_have_him_picking_up_another() -> None:
    q = Quick(group(members=("anna",), pickup=True), group("support", members=("jan", "anna"), pickup=True, rings=1))
    call = q.arrive()
    q.arrive("support")
    q.give(m.Pickup(leg=m.Leg("a", "p"), user=ANNA.user, extension=JAN.extension))
    assert q.offers() == ["anna", "jan", "anna"]
    engine = restarted(q)
    waiting = found_waiting(q, call)
    engine.handle(waiting, q.now)
    engine.handle(m.Answered(f"{call}.1"), q.now)
    for _ in range(2):
        shown = (m.SeenLeg(uuid=q.leg(call).uuid, kind="caller", call=call), leg_of(f"{call}.1"))
        engine.handle(m.Snapshot(switch="a", core="core1", legs=shown), q.now)
    engine.handle(m.Connected(call, f"{call}.1"), q.now)
    assert engine.state.people["anna"].holds == f"{call}.1"
    assert engine.state.people["anna"].holding == "talk"


def test_he_is_free_too_when_that_talk_was_none_or_ends_unseen_after_one_more_restart() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    engine = restarted(q)
    engine.handle(found("c9", "c9.1", "anna"), q.now)
    kept = engine.checkpoint()
    engine.handle(m.ConnectFailed("c9", "c9.1", "the member hung up at once"), q.now)
    assert engine.state.people["anna"].holding == "free"
    again = Engine(q.plan)
    again.restore([(kept, q.now)], q.now)
    assert again.state.people["anna"].holding == "talk"
    for _ in range(2):
        again.handle(m.Snapshot(switch="a", core="core1"), q.now)
    assert again.state.people["anna"].holding == "free"


def test_no_id_of_an_offer_whose_legs_are_on_the_switch_is_used_again() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    q.duty("anna", "paused")
    call = q.arrive()
    engine = restarted(q)
    waiting = found_waiting(q, call)
    engine.handle(waiting, q.now)
    engine.handle(m.Snapshot(switch="a", core="core1", legs=(leg_of(f"{call}.{NUMBERS + 3}"),)), q.now)
    rung = commands(engine, m.Duty("anna", "in"), q.now)
    assert [c.offer for c in rung if isinstance(c, m.Ring)] == [f"{call}.{NUMBERS + 4}"]


@pytest.mark.parametrize("joined", [-5.0, 60.0], ids=["joined before", "joined by a clock that was ahead"])
@pytest.mark.parametrize("recorded", [True, False])
def test_nor_is_one_that_was_used_and_of_which_the_disk_has_kept_nothing(recorded: bool, joined: float) -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    q.duty("anna", "paused")
    call = q.arrive()
    q.advance(5)
    kept = q.stamped if recorded else []
    used = []
    for _ in range(3):  # each life rings anna, and nothing of it is written
        engine = Engine(q.plan)
        engine.restore(kept, q.now)
        engine.handle(m.Duty("anna", "in"), q.now)
        engine.handle(
            m.Arrived(
                leg=q.leg(call),
                arrival=f"arrival-{call}",
                new_call="c9",
                found=True,
                call=call,
                group="sales",
                joined=q.now + joined - len(used),
            ),
            q.now,
        )
        said = commands(engine, m.Snapshot(switch="a", core="core1"), q.now)
        used += [c.offer for c in said if isinstance(c, m.Ring)]
        q.now += 1.0
    assert len(set(used)) == 3


def test_a_restart_in_the_middle_of_a_to_all_pass_keeps_its_window() -> None:
    q = Quick(group(distribution="to-all", rings=4))
    q.duty("jan", "out")
    q.arrive()
    q.advance(8)
    engine = restarted(q)
    looks(engine, q.now)
    rings = [c for c in commands(engine, m.Duty("jan", "in"), q.now) if isinstance(c, m.Ring)]
    assert [(c.member, round(c.timeout, 3)) for c in rings] == [("jan", 12)]


def test_a_caller_whose_group_is_gone_after_a_restart_is_ended_and_not_forgotten() -> None:
    q = Quick(group(), group("support", members=()))
    call = q.arrive("support")
    engine = restarted(q, msgspec.structs.replace(q.plan, groups={"sales": group()}))
    now = q.now
    ended: list[m.CallEnded] = []
    steps = [engine.handle(m.Snapshot(switch="a", core="core1"), now)]
    while (due := engine.deadline()) is not None and due < now + 60:
        steps.append(engine.handle(m.Wake(), max(now, due)))
    ended = [r for step in steps for r in step.records if isinstance(r, m.CallEnded)]
    assert [(r.call, r.reason) for r in ended] == [(call, "group_removed")]


def test_a_rename_keeps_turns_and_callers() -> None:
    q = Quick(group(pickup=True))
    q.arrive()
    q.talk("anna")
    waiting = [q.arrive(), q.arrive(), q.arrive()]
    renamed = msgspec.structs.replace(
        q.plan,
        members={"hanna": msgspec.structs.replace(ANNA, id="hanna"), "jan": JAN, "ola": q.plan.members["ola"]},
        groups={"first": msgspec.structs.replace(group("first", members=("hanna", "jan", "ola")), extension="7000")},
    )
    names = (m.Renamed("member", "anna", "hanna"), m.Renamed("group", "sales", "first"))
    q.give(m.Configure(renamed, names))
    assert q.ended() == {}
    q.give(m.TalkEnded("c001", "c001.1"))
    assert q.rung()["hanna"] == waiting[2]


def test_a_rename_keeps_turns_and_callers_across_a_restart() -> None:
    q = Quick(group(members=("anna", "jan")), members=(ANNA, JAN))
    q.arrive()
    q.talk("anna")
    q.talk_ends("anna")
    q.other("anna", present=True)
    q.other("jan", present=True)
    waiting = q.arrive()
    renamed = msgspec.structs.replace(
        q.plan,
        members={"hanna": msgspec.structs.replace(ANNA, id="hanna"), "jan": JAN},
        groups={"first": msgspec.structs.replace(group("first", members=("hanna", "jan")), extension="7000")},
    )
    q.give(m.Configure(renamed, (m.Renamed("member", "anna", "hanna"), m.Renamed("group", "sales", "first"))))
    engine = restarted(q, renamed)
    rings = [c for c in looks(engine, q.now) if isinstance(c, m.Ring)]
    assert [(c.call, c.member) for c in rings] == [(waiting, "jan")], "whose turn is longer ago"


def test_a_renamed_group_whose_members_are_away_still_takes_its_step() -> None:
    q = Quick(group(members=("anna",), rings=4, offline=None, unanswered=Wait("sorry.wav")), members=(ANNA,))
    q.other("anna", present=True)
    call = q.arrive()
    q.advance(1).duty("anna", "out")
    q.advance(1)
    first = msgspec.structs.replace(q.plan.groups["sales"], id="first")
    plan = msgspec.structs.replace(q.plan, groups={"first": first})
    q.give(m.Configure(plan, (m.Renamed("group", "sales", "first"),)))
    q.advance(4)
    assert q.decided(call) == [("U1", "wait")]


def test_a_member_removed_from_a_group_while_he_rings_for_it_may_still_answer() -> None:
    q = Quick(group(members=("anna", "jan")), members=(ANNA, JAN))
    call = q.arrive()
    q.give(m.Configure(msgspec.structs.replace(q.plan, groups={"sales": group(members=("jan",))})))
    q.talk("anna")
    q.talk_ends("anna")
    assert q.ended() == {call: "answered"}


def test_a_new_member_is_in_and_rung_for_who_waits() -> None:
    q = Quick(group(members=()), members=(ANNA,))
    call = q.arrive()
    q.give(m.Configure(msgspec.structs.replace(q.plan, groups={"sales": group(members=("anna",))})))
    assert q.rung() == {"anna": call}


def test_the_same_snapshot_again_changes_nothing() -> None:
    q = Quick()
    call = q.arrive()
    assert q.snapshot(call, f"{call}.1") == m.Step()


def test_in_a_stall_nothing_is_decided_until_what_happened_meanwhile_has_come_in() -> None:
    q = Quick(group(members=("anna", "jan"), rings=2), members=(ANNA, JAN))
    call = q.arrive()
    q.instant(10)
    q.now += 3
    q.give(m.Stalled())
    q.answer("anna")
    q.give(m.CaughtUp())
    assert [c.offer for c in q.all(m.Connect)] == [f"{call}.1"], "she had picked up while we were held up"
    assert q.all(m.Withdraw) == []


def test_a_window_that_ended_in_a_stall_ends_right_after_it() -> None:
    q = Quick(group(members=("anna", "jan"), rings=2), members=(ANNA, JAN))
    call = q.arrive()
    q.instant(10)
    q.now += 3
    q.give(m.Stalled())
    second = q.arrive()
    assert q.rung() == {"anna": call}, "nobody is rung in it either"
    q.give(m.CaughtUp())
    q.give(m.Wake())
    assert "anna" in q.withdrawn()
    assert second in q.rung().values()


# --- who is found, and who isn't, after a start ---


def rings(commands: list[m.Command]) -> list[str]:
    return [c.call for c in commands if isinstance(c, m.Ring)]


def test_no_phone_begins_to_ring_for_a_caller_whom_a_start_has_not_found() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    q.other("anna", present=True)
    call = q.arrive()
    engine = restarted(q)
    assert (
        rings(
            commands(
                engine, m.Snapshot(switch="a", core="core1", legs=(m.SeenLeg(uuid="leg-c001", kind="caller"),)), q.now
            )
        )
        == []
    )
    found = m.Arrived(leg=q.leg(call), arrival=f"arrival-{call}", new_call="-", found=True, call=call, group="sales")
    assert rings(commands(engine, found, q.now)) == [call]


def test_a_start_asks_for_the_hold_of_every_caller_whom_it_has_not_found() -> None:
    q = Quick(group(members=()))
    call = q.arrive()
    engine = restarted(q)
    holds = [c.call for c in commands(engine, m.Snapshot(switch="a", core="core1"), q.now) if isinstance(c, m.Hold)]
    assert holds == [call]
    assert not [c for c in looks(restarted(q), q.now) if isinstance(c, m.Hold)], "those it has found are on hold"


def test_a_start_repeats_the_step_of_a_caller_whom_it_has_not_found() -> None:
    q = Quick(group(members=(), offline=HangUp("USER_BUSY"), unanswered=Wait()))
    q.arrive()
    step = commands(restarted(q), m.Snapshot(switch="a", core="core1"), q.now)
    assert [c.step for c in step if isinstance(c, m.Send)] == [HangUp("USER_BUSY")]


def test_an_offer_of_which_a_start_finds_nothing_costs_its_member_no_rest() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    call = q.arrive()
    engine = restarted(q)
    looks(engine, q.now)
    assert rings(
        commands(
            engine, m.Snapshot(switch="a", core="core1", legs=(m.SeenLeg(uuid="leg-c001", kind="caller"),)), q.now + 1
        )
    ) == [call]


def test_an_offer_that_a_start_has_found_and_lost_again_is_one_that_was_not_taken() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    q.arrive()
    engine = restarted(q)
    engine.handle(m.Ringing("c001.1"), q.now)
    looks(engine, q.now)
    seen = m.Snapshot(switch="a", core="core1", legs=(m.SeenLeg(uuid="leg-c001", kind="caller"),))
    assert rings(commands(engine, seen, q.now + 1)) == []
    assert engine.state.people["anna"].quiet_until > q.now


def test_who_was_in_no_step_but_in_the_fallback_is_recorded_so() -> None:
    q = Quick(group(members=(), offline=Voicemail("1000@lab"), unanswered=Wait()))
    call = q.arrive()
    q.give(m.CallerGone(q.leg(call), "FALLBACK"))
    assert q.ended() == {call: "fallback"}


def end_of(q: Quick) -> m.CallEnded:
    (end,) = [record for record in q.records if isinstance(record, m.CallEnded)]
    return end


def test_an_end_that_nobody_saw_is_recorded_with_the_last_moment_that_was_seen() -> None:
    q = Quick(group(members=()))
    call = q.arrive()
    q.advance(20).snapshot(call)
    q.advance(30).snapshot()
    q.advance(1).snapshot()
    assert (end_of(q).reason, end_of(q).unseen_since, end_of(q).waited) == ("lost", q.now - 31, 20)


def test_a_talk_whose_end_nobody_saw_has_lasted_as_long_as_it_was_seen() -> None:
    q = Quick(group(members=("anna",)), members=(ANNA,))
    call = q.arrive()
    q.talk("anna")
    q.advance(50).snapshot(call, "c001.1")
    q.advance(600).snapshot()
    q.advance(1).snapshot()
    assert (end_of(q).reason, end_of(q).talked, end_of(q).unseen_since) == ("answered", 50, q.now - 601)


def test_a_call_that_ended_while_nothing_ran_was_seen_until_the_last_record() -> None:
    q = Quick(group(members=()))
    call = q.arrive()
    q.advance(40).duty("anna", "out")
    last = q.now
    engine = restarted(q)
    ends = []
    for later in (100, 101):
        step = engine.handle(m.Snapshot(switch="a", core="core1"), last + later)
        ends += [record for record in step.records if isinstance(record, m.CallEnded)]
    assert [(end.call, end.reason, end.unseen_since) for end in ends] == [(call, "lost", last)]


def test_while_the_switch_was_out_of_reach_nobody_saw_its_calls() -> None:
    q = Quick(group(members=()))
    call = q.arrive()
    q.advance(10).give(m.SwitchDown("a"))
    down = q.now
    q.advance(40).duty("anna", "out")
    engine = restarted(q)
    ends = []
    for later in (100, 101):
        step = engine.handle(m.Snapshot(switch="a", core="core1"), down + later)
        ends += [record for record in step.records if isinstance(record, m.CallEnded)]
    assert [(end.call, end.unseen_since) for end in ends] == [(call, down)]


def test_a_caller_who_hangs_up_before_our_eyes_has_no_such_interval() -> None:
    q = Quick(group(members=()))
    q.gone(q.arrive())
    assert end_of(q).unseen_since is None
    q = Quick(group(members=()))
    call = q.arrive()
    arrived = q.now
    q.advance(5).give(m.CallerGone(q.leg(call), "LOST"))
    assert (end_of(q).reason, end_of(q).unseen_since) == ("abandoned", arrived)


def test_who_is_told_to_leave_and_arrives_again_is_told_again() -> None:
    q = Quick(group(members=(), unanswered=HangUp("USER_BUSY")))
    call = q.arrive()
    (first,) = q.all(m.Send)
    # The process that was to tell the switch died before it did; the caller is parked yet, and seen by the next one.
    q.give(m.Arrived(leg=q.leg(call), arrival=f"arrival-{call}", new_call="c999", to="sales"))
    assert q.all(m.Send) == [first, first]
    assert q.ended() == {}
