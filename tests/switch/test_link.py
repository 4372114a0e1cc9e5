"""The link: lease, snapshots, adoption, and what a lost link or a restarted switch means."""

from __future__ import annotations

from fsqueue.engine.messages import (
    Arrived,
    CallerGone,
    Connected,
    ConnectFailed,
    OfferEnded,
    SeenLeg,
    Snapshot,
    SwitchDown,
    SwitchRestarted,
    TalkEnded,
    Withdraw,
)
from fsqueue.switch.filters import EVENTS, SUBCLASSES, filters
from fsqueue.switch.ids import CallIds, leg_uuid
from fsqueue.switch.messages import Api, CloseSession, LinkDown, LinkUp, Phone, Reply, SwitchFacts
from tests.switch.bench import CALLER, START, Bench, event, leg

U = leg_uuid("pbx", "c1.1", 0)


def on_hold(uuid: str, call: str, group: str = "sales") -> dict[str, str]:
    return {
        "uuid": uuid,
        "direction": "inbound",
        "state": "CS_EXECUTE",
        "dest": "fsqueue-hold",
        "application": "playback",
        "presence_data": f"fsq1|pbx|call|{call}|{group}|1",
    }


def variables(uuid: str, call: str) -> dict[str, str]:
    return {
        "Unique-ID": uuid,
        "Answer-State": "answered",
        "Caller-Caller-ID-Number": "5551",
        "variable_fsqueue_owner": "pbx",
        "variable_fsqueue_call": call,
        "variable_fsqueue_arrival": f"arr-{call}",
        "variable_fsqueue_group": "sales",
        "variable_fsqueue_number": "4822",
        "variable_fsqueue_priority": "-3",
        "variable_fsqueue_joined": "1795474300250000",
        "variable_fsqueue_entered": "1795474310000000",
    }


# --- the lease


def test_the_lease_is_written_before_anything_else() -> None:
    b = Bench(link=False)
    b.give(LinkUp("core-1"))
    assert b.texts()[:2] == [f"hash insert/fsqueue/alive-pbx/{int(START) + 60}", "strepoch"]


def test_the_lease_is_in_the_switchs_clock() -> None:
    b = Bench(link=False)
    b.skew = 7200.0
    b.give(LinkUp("core-1"))
    last = b.texts("hash insert")[-1]
    assert abs(int(last.rpartition("/")[2]) - (START + 7260)) <= 1


def test_the_lease_is_renewed_every_ten_seconds_while_the_link_is_up() -> None:
    b = Bench()
    b.wait(30.5)
    assert len(b.texts("hash insert")) == 3
    b.give(LinkDown())
    b.clear()
    b.wait(30)
    assert not b.texts()


# --- snapshots and adoption


def test_a_waiting_caller_whom_we_do_not_know_arrives_with_what_his_channel_says() -> None:
    b = Bench(link=False)
    b.rows, b.dumps = [on_hold(CALLER, "c7")], {CALLER: variables(CALLER, "c7")}
    b.alive = [CALLER]
    b.give(LinkUp("core-1"))
    (arrived,) = b.got(Arrived)
    assert arrived.found
    assert (arrived.call, arrived.group, arrived.number, arrived.arrival) == ("c7", "sales", "4822", "arr-c7")
    assert (arrived.joined, arrived.entered, arrived.priority) == (1795474300.25, 1795474310.0, -3)
    assert isinstance(b.inputs[-1], Snapshot)
    assert b.inputs[-1] == Snapshot(
        switch="main", core="core-1", legs=(SeenLeg(uuid=CALLER, kind="caller", call="c7"),)
    )


def test_an_adopted_caller_stands_already() -> None:
    b = Bench(link=False)
    b.rows, b.dumps, b.alive = [on_hold(CALLER, "c1")], {CALLER: variables(CALLER, "c1")}, [CALLER]
    b.give(LinkUp("core-1"))
    b.answered()
    b.connect()
    assert b.texts("uuid_bridge")


def test_a_known_caller_is_not_adopted_again() -> None:
    b = Bench()
    b.waiting()
    b.rows = [on_hold(CALLER, "c1")]
    b.clear()
    b.wait(60)
    assert b.got(Arrived) == []
    assert not b.texts("uuid_dump")


def test_a_hold_we_do_not_know_is_adopted_at_its_event() -> None:
    b = Bench()
    seen = {"fsq_owner": "pbx", "fsq_call": "c9", "fsq_arrival": "a9", "fsq_group": "sales", "answer_state": "answered"}
    assert [type(i) for i in b.see("fsqueue::hold", CALLER, **seen)] == [Arrived]
    assert b.see("fsqueue::hold", CALLER, **seen) == []


def test_holds_of_another_owner_are_left_alone() -> None:
    b = Bench()
    assert b.see("fsqueue::hold", CALLER, fsq_owner="other", fsq_call="c9") == []
    b.rows = [{**on_hold(CALLER, "c9"), "presence_data": "fsq1|other|call|c9|sales|1"}]
    b.wait(2)
    assert not b.texts("uuid_dump")


def test_a_callers_name_that_looks_like_our_mark_is_not_one() -> None:
    b = Bench()
    b.rows = [{"uuid": CALLER, "cid_name": "fsq1|pbx|call|x|y|1", "presence_data": "", "state": "CS_EXECUTE"}]
    b.wait(2)
    assert b.got(Snapshot)[-1].legs == ()


def test_a_snapshot_comes_at_once_again_after_a_second_and_then_periodically() -> None:
    b = Bench(link=False)
    b.give(LinkUp("core-1"))
    assert len(b.got(Snapshot)) == 1
    b.wait(1.1)
    assert len(b.got(Snapshot)) == 2
    b.wait(30)
    assert len(b.got(Snapshot)) == 3


def test_two_tables_that_a_slow_link_answers_together_are_one_sight() -> None:
    b = Bench(link=False)
    b.mute = True
    b.give(LinkUp("core-1"))
    b.wait(5)
    asked = [c for c in b.out if isinstance(c, Api) and c.text.startswith("show channels")]
    assert len(asked) == 2
    b.mute = False
    for command in asked:
        b.give(Reply(command.ref, b.answer(command.text)))
    b.clear()
    b.wait(0.9)
    assert b.texts("show channels") == []
    b.wait(0.2)
    assert len(b.texts("show channels")) == 2


def test_a_caller_missing_in_a_snapshot_is_gone_only_when_the_switch_says_so() -> None:
    b = Bench()
    b.waiting()
    b.wait(31)
    assert b.got(CallerGone) == []
    b.alive.remove(CALLER)
    assert CallerGone(leg(), "LOST") in b.wait(31)


def test_legs_that_we_know_are_in_the_snapshot_also_when_the_table_is_behind() -> None:
    b = Bench()
    b.waiting()
    b.ringing()
    b.wait(1.5)
    assert b.got(Snapshot)[-1].legs == (
        SeenLeg(uuid=CALLER, kind="caller", call="c1"),
        SeenLeg(uuid=U, kind="offer", call="c1", offer="c1.1"),
    )


def test_a_talk_of_a_predecessor_is_followed_to_its_end() -> None:
    b = Bench(link=False)
    talking = {**on_hold(CALLER, "c1"), "state": "CS_SOFT_EXECUTE", "application": "uuid_bridge", "application_data": U}
    member = {"uuid": U, "state": "CS_EXCHANGE_MEDIA", "presence_data": "fsq1|pbx|offer|c1.1|anna|"}
    b.rows, b.alive = [talking, member], [CALLER, U]
    b.give(LinkUp("core-1"))
    assert b.got(Arrived) == []
    b.wait(3)
    assert b.see("CHANNEL_HANGUP", U) == [TalkEnded("c1", "c1.1", "hung up")]
    assert b.see("CHANNEL_HANGUP") == [CallerGone(leg(), "NORMAL_CLEARING")]


def test_a_phone_that_a_predecessor_rings_can_be_withdrawn() -> None:
    b = Bench(link=False)
    b.rows = [{"uuid": U, "state": "CS_CONSUME_MEDIA", "presence_data": "fsq1|pbx|offer|c1.1|anna|"}]
    b.alive = [U]
    b.give(LinkUp("core-1"))
    b.give(Withdraw("c1.1", "timeout"))
    assert f"uuid_kill {U} ORIGINATOR_CANCEL" in b.texts()
    assert b.see("CHANNEL_HANGUP", U, hangup_cause="ORIGINATOR_CANCEL") == [
        OfferEnded("c1.1", "withdrawn", "ORIGINATOR_CANCEL")
    ]


# --- a link that drops


def test_a_lost_link_is_told_once_and_nothing_is_asked_meanwhile() -> None:
    b = Bench()
    b.waiting()
    b.clear()
    assert b.give(LinkDown(), LinkDown()) == [SwitchDown("main")]
    b.give(b.hold(group="support"))
    b.wait(20)
    assert b.out == []


def test_an_offer_that_ended_while_the_link_was_down_is_found_out() -> None:
    b = Bench()
    b.ringing()
    b.give(LinkDown())
    b.alive.remove(U)
    assert OfferEnded("c1.1", "lost", "LOST") in b.give(LinkUp("core-1"))


def test_an_offer_withdrawn_while_the_link_was_down_is_killed_when_it_is_back() -> None:
    b = Bench()
    b.ringing()
    b.give(LinkDown(), Withdraw("c1.1", "timeout"))
    b.clear()
    b.give(LinkUp("core-1"))
    assert f"uuid_kill {U} ORIGINATOR_CANCEL" in b.texts()


def test_an_offer_whose_contacts_were_asked_for_when_the_link_dropped_has_failed() -> None:
    b = Bench()
    b.mute = True
    b.give(b.ring())
    assert b.give(LinkDown())[0] == OfferEnded("c1.1", "failed", "no link to the switch")


def test_nothing_is_rung_without_a_link() -> None:
    b = Bench(link=False)
    assert [type(i) for i in b.give(b.ring())] == [OfferEnded]


def bridging_without_link() -> Bench:
    b = Bench()
    b.waiting()
    b.answered()
    b.connect()
    b.give(LinkDown())
    b.wait(20)
    b.clear()
    return b


def test_a_bridge_that_came_about_while_the_link_was_down_is_a_talk() -> None:
    b = bridging_without_link()
    b.rows = [
        {**on_hold(CALLER, "c1"), "state": "CS_SOFT_EXECUTE", "application": "uuid_bridge", "application_data": U}
    ]
    assert Connected("c1", "c1.1") in b.give(LinkUp("core-1"))
    assert not b.texts("uuid_kill")


def test_a_bridge_that_nobody_sees_after_the_link_is_back_has_failed() -> None:
    b = bridging_without_link()
    b.give(LinkUp("core-1"))
    assert b.wait(11) == [ConnectFailed("c1", "c1.1", "the bridge was not confirmed")]
    assert f"uuid_kill {U} NORMAL_CLEARING" in b.texts()


def test_a_member_who_hung_up_while_the_link_was_down_is_free() -> None:
    b = Bench()
    b.talking()
    b.wait(3)
    b.give(LinkDown())
    b.alive.remove(U)
    assert TalkEnded("c1", "c1.1", "hung up") in b.give(LinkUp("core-1"))


def test_a_restarted_switch_has_none_of_our_legs() -> None:
    b = Bench()
    b.waiting()
    b.ringing()
    b.arrive("late", "s2")
    b.give(LinkDown())
    b.clear()
    b.alive.clear()
    b.give(LinkUp("core-2"))
    assert b.inputs[0] == SwitchRestarted("main", "core-2"), "before anything that arrives on the new one"
    assert b.got(Snapshot) == [Snapshot(switch="main", core="core-2", legs=())]
    assert CloseSession("s2") in b.out
    assert b.see("CHANNEL_HANGUP") == []


# --- filters and ids


def test_filters_name_our_legs_the_jobs_and_the_members() -> None:
    facts = SwitchFacts(
        owner="pbx",
        phones={
            "b": Phone(member="b", dial="user/1002@lab", user="1002@lab"),
            "a": Phone(member="a", dial="user/10.1@lab", user="10.1@lab"),
            "c": Phone(member="c", dial="sofia/gateway/x/1", registers=False),
        },
    )
    assert filters(facts) == (
        ("variable_fsqueue_owner", "pbx"),
        ("Event-Name", "BACKGROUND_JOB"),
        ("Event-Subclass", "/^(sofia|fsqueue|vm)::/"),
        ("Channel-Presence-ID", r"/^(10\.1|1002)@/"),
        ("variable_sip_auth_username", r"/^(10\.1|1002)$/"),
    )


def test_without_members_there_is_no_filter_that_would_match_everybody() -> None:
    assert len(filters(SwitchFacts())) == 3


def test_every_event_that_the_core_reads_is_subscribed_to() -> None:
    assert {"CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_PARK", "CHANNEL_BRIDGE", "CHANNEL_HANGUP"} <= set(EVENTS)
    assert {"fsqueue::hold", "fsqueue::fallback", "sofia::register"} <= set(SUBCLASSES)
    assert "CUSTOM" not in EVENTS


def test_call_ids_sort_by_time_and_are_never_the_same() -> None:
    ids = CallIds()
    made = [ids(now) for now in (5.0, 5.0, 4.0, 6.0, START)]
    assert made == sorted(made)
    assert len({*made}) == 5
    assert {len(one) for one in made} == {13}


def test_events_of_nobody_are_passed_over() -> None:
    b = Bench()
    for name in (
        "CHANNEL_ANSWER",
        "CHANNEL_BRIDGE",
        "CHANNEL_HANGUP",
        "BACKGROUND_JOB",
        "vm::maintenance",
        "HEARTBEAT",
    ):
        assert b.give(event(name, "stranger")) == []
    assert b.out == []
