"""What a new process makes of what a killed one left half done on the switch."""

from __future__ import annotations

from fsqueue.engine.messages import (
    Answered,
    Arrived,
    CallerGone,
    Connect,
    Connected,
    ConnectFailed,
    OtherCall,
    Ringing,
    Snapshot,
)
from fsqueue.switch.messages import Api, LinkUp
from fsqueue.switch.talks import LEFT_SECONDS, SETTLE_SECONDS

from .bench import ANNA, CALLER, Bench, leg

MEMBER = "11111111-2222-4333-8444-555555555555"
OTHER = "11111111-2222-4333-8444-666666666666"


def waiting_row(**fields: str) -> dict[str, str]:
    row = {"uuid": CALLER, "direction": "inbound", "state": "CS_EXECUTE", "dest": "fsqueue-hold", "callstate": "ACTIVE"}
    return row | {"application": "playback", "presence_data": "fsq1|pbx|call|c1|sales|1"} | fields


def member_row(uuid: str = MEMBER, **fields: str) -> dict[str, str]:
    row = {"uuid": uuid, "direction": "outbound", "state": "CS_CONSUME_MEDIA", "callstate": "RINGING"}
    return row | {"presence_data": "fsq1|pbx|offer|c1.1|anna|"} | fields


def dump(**fields: str) -> dict[str, str]:
    found = {"Unique-ID": CALLER, "Channel-State": "CS_EXECUTE", "Answer-State": "answered"}
    found |= {"variable_fsqueue_owner": "pbx", "variable_fsqueue_call": "c1", "variable_fsqueue_arrival": "a1"}
    return found | fields


def successor(*rows: dict[str, str]) -> Bench:
    """A bench whose first snapshot shows *rows*."""
    bench = Bench(link=False)
    bench.rows = list(rows)
    bench.alive = [row["uuid"] for row in rows]
    bench.dumps = {CALLER: dump()}
    bench.give(LinkUp("core-1"))
    return bench


def kinds(bench: Bench, *wanted: type) -> list[str]:
    return [type(given).__name__ for given in bench.inputs if isinstance(given, wanted)]


def test_a_phone_that_was_answered_while_nobody_looked_is_told_after_its_caller_is_known() -> None:
    bench = successor(waiting_row(), member_row(callstate="ACTIVE", state="CS_PARK"))
    assert kinds(bench, Arrived, Answered, Snapshot)[:3] == ["Arrived", "Answered", "Snapshot"]


def test_a_phone_that_still_rings_is_told_so_that_one_nobody_knows_is_let_go() -> None:
    bench = successor(waiting_row(), member_row())
    assert kinds(bench, Ringing, Answered) == ["Ringing"]


def test_the_other_phones_of_an_answered_offer_are_killed() -> None:
    bench = successor(waiting_row(), member_row(OTHER), member_row(callstate="ACTIVE", state="CS_PARK"))
    assert any(isinstance(c, Api) and c.text == f"uuid_kill {OTHER} LOSE_RACE" for c in bench.out)


def test_a_talk_that_a_predecessor_connected_is_told_as_found() -> None:
    talking = waiting_row(state="CS_SOFT_EXECUTE", application="uuid_bridge", application_data=MEMBER)
    bench = successor(talking, member_row(callstate="ACTIVE", state="CS_EXCHANGE_MEDIA"))
    assert [given for given in bench.inputs if isinstance(given, Connected)] == [
        Connected("c1", "c1.1", True, "anna", "main")
    ]
    assert kinds(bench, Answered) == []


def test_a_caller_who_is_back_from_such_a_talk_is_found_on_hold() -> None:
    talking = waiting_row(state="CS_SOFT_EXECUTE", application="uuid_bridge", application_data=MEMBER)
    bench = successor(talking, member_row(callstate="ACTIVE", state="CS_EXCHANGE_MEDIA"))
    bench.see("CHANNEL_HANGUP", MEMBER)
    bench.clear()
    bench.see("fsqueue::hold", fsq_owner="pbx", fsq_call="c1")
    assert kinds(bench, ConnectFailed, Arrived) == ["ConnectFailed", "Arrived"]
    assert bench.got(Arrived)[0].found


def test_a_late_table_does_not_bring_back_a_talk_whose_end_was_heard() -> None:
    talking = waiting_row(state="CS_SOFT_EXECUTE", application="uuid_bridge", application_data=MEMBER)
    bench = successor(talking, member_row(callstate="ACTIVE", state="CS_EXCHANGE_MEDIA"))
    bench.mute = True  # the answer to what is asked about him is under way
    bench.see("CHANNEL_HANGUP", MEMBER)
    bench.see("fsqueue::hold", fsq_owner="pbx", fsq_call="c1")
    bench.mute = False
    bench.clear()
    bench.wait(1.0)
    assert bench.texts("show channels like")
    assert kinds(bench, Connected) == []


def test_a_caller_whom_the_late_channel_table_still_shows_after_his_end_is_gone() -> None:
    bench = Bench(link=False)
    bench.rows = [waiting_row()]
    bench.give(LinkUp("core-1"))
    assert kinds(bench, CallerGone, Snapshot)[:2] == ["CallerGone", "Snapshot"]


def test_the_end_of_a_caller_whom_a_predecessor_was_just_taking_is_told_since_the_engine_may_know_him() -> None:
    bench = Bench()
    told = bench.see("CHANNEL_HANGUP", CALLER, fsq_owner="pbx", direction="inbound", hangup_cause="NORMAL_CLEARING")
    assert told == [CallerGone(leg(), "NORMAL_CLEARING")]
    assert bench.see("fsqueue::fallback", CALLER, fsq_owner="pbx") == [CallerGone(leg(), "FALLBACK")]
    assert bench.see("CHANNEL_HANGUP", MEMBER, fsq_owner="pbx", direction="outbound") == []


def test_a_member_who_called_a_group_and_is_in_its_mailbox_is_on_the_phone_until_he_hangs_up() -> None:
    bench = Bench(link=False)
    bench.answers[f"eval uuid:{CALLER}"] = "1001@lab"
    bench.rows = [waiting_row(application="voicemail", dest="7002")]
    bench.alive = [CALLER]
    bench.give(LinkUp("core-1"))
    assert [given for given in bench.inputs if isinstance(given, OtherCall)] == [OtherCall(leg(), ANNA.member, True)]
    bench.clear()
    for name in ("CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE"):
        bench.see(name, CALLER, fsq_owner="pbx")
    assert [given for given in bench.inputs if isinstance(given, OtherCall)] == [OtherCall(leg(), ANNA.member, False)]


def test_a_member_who_talks_as_a_caller_of_ours_is_on_the_phone() -> None:
    talking = waiting_row(state="CS_SOFT_EXECUTE", application="uuid_bridge", application_data=MEMBER)
    bench = Bench(link=False)
    bench.answers[f"eval uuid:{CALLER}"] = "1001@lab"
    bench.rows, bench.alive = [talking], [CALLER]
    bench.give(LinkUp("core-1"))
    assert OtherCall(leg(), ANNA.member, present=True) in bench.inputs


def test_a_bridge_for_a_predecessors_leg_waits_until_what_he_said_last_is_seen() -> None:
    bench = successor(waiting_row(), member_row(callstate="ACTIVE", state="CS_PARK"))
    bench.out.clear()
    bench.give(Connect(call="c1", leg=leg(), offer="c1.1"))
    bench.wait(LEFT_SECONDS - SETTLE_SECONDS - 0.1)
    assert not any(isinstance(c, Api) and c.text.startswith("uuid_bridge") for c in bench.out)
    bench.wait(0.2)
    assert any(isinstance(c, Api) and c.text == f"uuid_bridge {CALLER} {MEMBER}" for c in bench.out)


def test_a_bridge_that_a_predecessor_said_is_not_said_again() -> None:
    bench = successor(waiting_row(), member_row(callstate="ACTIVE", state="CS_PARK"))
    bench.out.clear()
    bench.give(Connect(call="c1", leg=leg(), offer="c1.1"))
    bench.see("CHANNEL_BRIDGE", CALLER, bridge_a=CALLER, bridge_b=MEMBER)
    bench.wait(LEFT_SECONDS + 1)
    assert not any(isinstance(c, Api) and c.text.startswith("uuid_bridge") for c in bench.out)
    assert kinds(bench, Connected, ConnectFailed) == ["Connected"]


def test_a_caller_whom_only_the_engine_knows_is_gone_only_if_the_switch_says_so() -> None:
    bench = successor()
    bench.inputs.clear()
    bench.alive = [CALLER]
    bench.give(Connect(call="c1", leg=leg(), offer="c1.1"))
    assert kinds(bench, CallerGone, ConnectFailed) == ["ConnectFailed"]
    bench.alive = []
    bench.give(Connect(call="c1", leg=leg(), offer="c1.1"))
    assert kinds(bench, CallerGone, ConnectFailed) == ["ConnectFailed", "CallerGone"]


def test_a_caller_who_has_left_his_hold_since_the_table_was_made_is_not_taken_for_waiting() -> None:
    bench = Bench(link=False)
    bench.rows, bench.alive = [waiting_row()], [CALLER]
    bench.dumps = {CALLER: dump(**{"Channel-State": "CS_SOFT_EXECUTE"})}
    bench.give(LinkUp("core-1"))
    assert kinds(bench, Arrived) == []


def test_whom_a_predecessor_was_just_taking_is_looked_for_and_not_absent() -> None:
    bench = successor()
    bench.alive = [CALLER]
    bench.answers = {f"uuid_getvar {CALLER}": "socket"}
    bench.give(bench.hold())
    bench.wait(1.1)
    first, second = bench.got(Snapshot)
    assert (first.legs, [(one.uuid, one.kind) for one in second.legs]) == ((), [(CALLER, "sought")])
    bench.wait(2.5)
    assert bench.got(Snapshot)[-1].legs == (), "he has not come to his hold, and nobody looks for him any more"
