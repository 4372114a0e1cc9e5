"""Bridging: in which order, what confirms it, and that neither a caller nor a member is lost when it fails."""

from __future__ import annotations

import msgspec
import pytest

from fsqueue.engine.messages import (
    Arrived,
    CallerGone,
    Connect,
    Connected,
    ConnectFailed,
    Input,
    OfferEnded,
    OtherCall,
    TalkEnded,
    Withdraw,
)
from fsqueue.switch.ids import leg_uuid
from fsqueue.switch.messages import LinkDown, LinkUp
from fsqueue.switch.talks import SETTLE_SECONDS
from tests.switch.bench import CALLER, FACTS, Bench, leg

U = leg_uuid("pbx", "c1.1", 0)
FLIP = f"uuid_setvar_multi {CALLER} transfer_after_bridge=;hangup_after_bridge=true"


def asked() -> Bench:
    b = Bench()
    b.waiting()
    b.answered()
    b.connect()
    b.clear()
    return b


def up(stood: float = 0.0) -> Bench:
    b = Bench()
    b.talking()
    b.wait(stood)
    b.clear()
    return b


def test_the_bridge_is_caller_then_member_and_nothing_before_it() -> None:
    b = Bench()
    b.waiting()
    b.answered()
    b.clear()
    b.connect()
    assert b.texts("uuid_") == [f"uuid_bridge {CALLER} {U}"]


def test_a_caller_without_media_is_pre_answered_first() -> None:
    b = Bench(msgspec.structs.replace(FACTS, answer="ring_ready"))
    b.waiting()
    b.answered()
    b.clear()
    b.connect()
    assert b.texts("uuid_") == [f"uuid_pre_answer {CALLER}", f"uuid_bridge {CALLER} {U}"]


@pytest.mark.parametrize("sign", ["park", "job", "neither"])
def test_the_bridge_waits_for_the_end_of_the_members_originate(sign: str) -> None:
    b = Bench()
    b.waiting()
    b.answered()
    b.clear()
    b._take(Connect(call="c1", leg=leg(), offer="c1.1"))
    assert b.texts("uuid_bridge") == []
    if sign == "park":
        b.see("CHANNEL_PARK", U)
    elif sign == "job":
        b.job("c1.1", f"+OK {U}")
    else:
        b.wait(SETTLE_SECONDS)
    assert b.texts("uuid_bridge") == [f"uuid_bridge {CALLER} {U}"]
    b.see("CHANNEL_PARK", U)
    b.wait(SETTLE_SECONDS)
    assert len(b.texts("uuid_bridge")) == 1


def test_a_member_whose_originate_is_over_is_bridged_at_once() -> None:
    b = Bench()
    b.waiting()
    b.answered()
    b.see("CHANNEL_PARK", U)
    b.clear()
    b._take(Connect(call="c1", leg=leg(), offer="c1.1"))
    assert b.texts("uuid_bridge") == [f"uuid_bridge {CALLER} {U}"]


def test_the_bridge_waits_for_the_hold() -> None:
    b = Bench()
    b.arrive()
    b.give(b.hold())
    b.answered()
    b.connect()
    assert not b.texts("uuid_bridge")
    b.see("fsqueue::hold")
    assert b.texts("uuid_bridge") == [f"uuid_bridge {CALLER} {U}"]


def test_a_hold_that_never_stands_does_not_keep_the_member() -> None:
    b = Bench()
    b.arrive()
    b.give(b.hold())
    b.answered()
    b.connect()
    assert [type(i) for i in b.wait(6.1)] == [ConnectFailed]
    assert f"uuid_kill {U} NORMAL_CLEARING" in b.texts()
    b.see("fsqueue::hold")
    assert not b.texts("uuid_bridge")


def test_only_channel_bridge_for_the_pair_confirms() -> None:
    b = asked()
    assert b.inputs == []
    assert b.see("CHANNEL_BRIDGE", CALLER, bridge_a=CALLER, bridge_b="other") == []
    assert b.bridge(U) == [Connected("c1", "c1.1")]
    assert b.bridge(U) == []


def test_a_bridge_without_the_bridge_headers_goes_by_the_other_leg() -> None:
    b = asked()
    assert b.see("CHANNEL_BRIDGE", CALLER, other_leg=U) == [Connected("c1", "c1.1")]


def test_a_confirmation_four_seconds_late_still_counts() -> None:
    b = asked()
    assert b.wait(4.5) == []
    assert b.bridge(U) == [Connected("c1", "c1.1")]


def test_a_connect_given_twice_bridges_once() -> None:
    b = asked()
    b.connect()
    assert not b.texts("uuid_bridge")


def test_an_unconfirmed_bridge_kills_the_member_first_and_then_asks_for_the_caller() -> None:
    b = asked()
    failed = b.wait(7.1)
    assert failed == [ConnectFailed("c1", "c1.1", "the bridge was not confirmed")]
    texts = b.texts()
    assert f"uuid_exists {CALLER}" in texts[texts.index(f"uuid_kill {U} NORMAL_CLEARING") :]


WHERE = f"eval uuid:{CALLER} ${{Caller-Destination-Number}}"


def unseen(b: Bench, place: str) -> list[Input]:
    """While there is no link the member leaves the talk, and the caller is at *place* then."""
    b.give(LinkDown())
    b.alive.remove(U)
    b.answers[WHERE] = place
    b.rows = [{"uuid": CALLER, "direction": "inbound", "state": "CS_EXECUTE", "dest": place, "application": "bridge"}]
    b.rows[0]["presence_data"] = "fsq1|pbx|call|c1|sales|1"
    b.clear()
    b.give(LinkUp("core-1"))
    b.wait(40)
    return [given for given in b.inputs if isinstance(given, Connected | ConnectFailed | TalkEnded | CallerGone)]


def test_a_caller_whom_his_member_sent_to_a_colleague_while_nobody_saw_it_has_been_talked_to() -> None:
    assert unseen(up(), "1019") == [TalkEnded("c1", "c1.1", "transferred")]


def test_so_has_one_whose_bridge_nobody_saw_either() -> None:
    assert unseen(asked(), "1019") == [Connected("c1", "c1.1"), TalkEnded("c1", "c1.1", "transferred")]


def test_a_caller_whose_member_left_while_nobody_saw_it_and_who_is_in_his_hold_waits_on() -> None:
    assert [type(given) for given in unseen(up(), "fsqueue-hold")] == [ConnectFailed]


def test_he_is_asked_for_as_soon_as_the_link_is_back() -> None:
    b = up()
    b.give(LinkDown())
    b.alive.remove(U)
    b.give(LinkUp("core-1"))
    assert [given for given in b.inputs if isinstance(given, ConnectFailed)]


def test_a_caller_who_is_in_the_fallback_by_then_is_gone() -> None:
    assert [given.cause for given in unseen(up(), "fsqueue-fallback") if isinstance(given, CallerGone)] == ["FALLBACK"]


def test_a_refused_bridge_kills_the_member_and_keeps_the_caller_waiting() -> None:
    b = Bench()
    b.waiting()
    b.answered()
    b.alive.remove(U)
    b.clear()
    assert b.connect() == [ConnectFailed("c1", "c1.1", "-ERR Invalid uuid")]
    assert f"uuid_kill {U} NORMAL_CLEARING" in b.texts()
    b.answered("c1.2", "jan")
    b.clear()
    b.connect("c1.2")
    assert b.texts("uuid_bridge") == [f"uuid_bridge {CALLER} {leg_uuid('pbx', 'c1.2', 0)}"]


def test_a_member_who_hangs_up_before_the_bridge_gives_the_caller_back_when_his_hold_says_so() -> None:
    b = asked()
    assert b.see("CHANNEL_HANGUP", U) == []
    b.wait(1)
    assert b.see("fsqueue::hold") == [ConnectFailed("c1", "c1.1", "the member hung up")]


def test_a_member_whose_leg_is_gone_when_the_bridge_fails_is_free_as_soon_as_his_offer_is_taken_back() -> None:
    """Else he would be held for the ten seconds after which an offer's end counts as lost."""
    b = asked()
    b.see("CHANNEL_HANGUP", U)
    assert [type(i) for i in b.see("fsqueue::hold")] == [ConnectFailed]
    assert b.give(Withdraw("c1.1", "elsewhere")) == [OfferEnded("c1.1", "withdrawn", "its leg is gone already")]


def test_a_lap_that_began_before_the_bridge_is_no_return() -> None:
    b = asked()
    assert b.see("fsqueue::hold") == []
    assert b.bridge(U) == [Connected("c1", "c1.1")]


def test_a_return_that_nobody_announces_is_asked_for() -> None:
    b = asked()
    b.see("CHANNEL_HANGUP", U)
    assert b.wait(4.1) == [ConnectFailed("c1", "c1.1", "the member hung up")]


def test_the_next_member_is_bridged_only_when_the_caller_is_back() -> None:
    b = asked()
    b.see("CHANNEL_HANGUP", U)
    b.answered("c1.2", "jan")
    b.connect("c1.2")
    assert not b.texts("uuid_bridge")


def test_a_caller_who_hangs_up_around_the_bridge_has_his_member_killed() -> None:
    b = asked()
    assert b.see("CHANNEL_HANGUP") == [CallerGone(leg(), "NORMAL_CLEARING")]
    assert b.texts("uuid_kill") == [f"uuid_kill {U} NORMAL_CLEARING"]
    b.give(Withdraw("c1.1", "caller_gone"))
    assert b.see("CHANNEL_HANGUP", U) == [OfferEnded("c1.1", "withdrawn", "NORMAL_CLEARING")]


def test_a_connect_for_a_caller_who_is_gone_says_so_and_kills_the_member() -> None:
    b = Bench()
    b.waiting()
    b.answered()
    b.see("CHANNEL_HANGUP")
    b.clear()
    assert b.connect() == [CallerGone(leg(), "LOST")]
    assert b.texts("uuid_kill") == [f"uuid_kill {U} NORMAL_CLEARING"]


def test_a_connect_for_a_member_who_is_gone_fails_at_once() -> None:
    b = Bench()
    b.waiting()
    b.answered()
    b.see("CHANNEL_HANGUP", U)
    assert [type(i) for i in b.connect()] == [ConnectFailed]
    assert not b.texts("uuid_bridge")


def test_a_withdrawal_while_the_bridge_is_asked_for_gives_the_caller_back_silently() -> None:
    b = asked()
    b.give(Withdraw("c1.1", "step"))
    assert b.see("CHANNEL_HANGUP", U) == [OfferEnded("c1.1", "withdrawn", "NORMAL_CLEARING")]
    assert b.see("fsqueue::hold") == []


# --- the talk


def test_a_talk_that_stood_two_seconds_needs_nobody_for_its_end() -> None:
    b = up()
    b.wait(1.9)
    assert FLIP not in b.texts()
    b.wait(0.2)
    assert FLIP in b.texts()


def test_a_member_gone_within_two_seconds_has_not_taken_the_call() -> None:
    b = up(1.5)
    assert b.see("CHANNEL_HANGUP", U) == []
    assert b.see("fsqueue::hold") == [ConnectFailed("c1", "c1.1", "the member hung up at once")]
    assert FLIP not in b.texts()


def test_the_hold_may_speak_before_the_members_hang_up_is_heard() -> None:
    b = up(1.0)
    assert [type(i) for i in b.see("fsqueue::hold")] == [ConnectFailed]
    assert b.see("CHANNEL_HANGUP", U) == []


def test_a_flip_that_came_too_late_does_not_lose_the_caller() -> None:
    b = Bench()
    b.talking()
    b.mute = True
    b.wait(2.1)
    b.mute = False
    b.see("CHANNEL_HANGUP", U)
    assert [type(i) for i in b.see("fsqueue::hold")] == [ConnectFailed]


@pytest.mark.parametrize("how", ["he came back", "he was transferred", "a predecessor was to say it"])
def test_an_earlier_talks_end_that_comes_about_late_is_not_that_of_the_next_talk(how: str) -> None:
    b, call = Bench(), "c1"
    if how == "a predecessor was to say it":
        b.alive.append(CALLER)
        b.see("fsqueue::hold", fsq_owner="pbx", fsq_call="c1", answer_state="answered")
    else:
        b.talking()
        b.mute = True  # the link stands still, and the switch does what it was told only after his hold's lap
        b.wait(2.1)
        b.mute = False
        if how == "he was transferred":
            b.arrive(session="s2", fsq_call="c1", sip_referred_by="<sip:1001@lab>", answer_state="answered")
        b.see("CHANNEL_HANGUP", U)
        if how == "he was transferred":
            call = "c2"
            b.give(b.hold(call=call))
        b.see("fsqueue::hold", fsq_owner="pbx", fsq_call=call)
    member = b.answered(f"{call}.2", "jan")
    b.clear()
    b.connect(f"{call}.2", call)
    returns = "transfer_after_bridge=fsqueue-hold:XML:fsqueue;hangup_after_bridge=false"
    assert b.texts("uuid_") == [f"uuid_setvar_multi {CALLER} {returns}", f"uuid_bridge {CALLER} {member}"]


def test_the_members_hang_up_ends_the_talk() -> None:
    b = up(3)
    assert b.see("CHANNEL_HANGUP", U) == [TalkEnded("c1", "c1.1", "hung up")]
    assert b.see("CHANNEL_HANGUP") == [CallerGone(leg(), "NORMAL_CLEARING")]


def test_the_callers_hang_up_ends_the_talk_and_frees_the_member_at_his_own() -> None:
    b = up(3)
    assert b.see("CHANNEL_HANGUP") == [CallerGone(leg(), "NORMAL_CLEARING")]
    assert b.see("CHANNEL_HANGUP", U) == [TalkEnded("c1", "c1.1", "hung up")]


def test_a_caller_who_hangs_up_at_once_was_in_a_talk() -> None:
    b = up(0.5)
    assert b.see("CHANNEL_HANGUP") == [CallerGone(leg(), "NORMAL_CLEARING")]
    assert b.see("CHANNEL_HANGUP", U) == [TalkEnded("c1", "c1.1", "hung up")]


def test_both_gone_within_two_seconds_ends_the_talk_too() -> None:
    b = up(0.5)
    b.see("CHANNEL_HANGUP", U)
    assert b.see("CHANNEL_HANGUP") == [
        TalkEnded("c1", "c1.1", "the member hung up at once"),
        CallerGone(leg(), "NORMAL_CLEARING"),
    ]


@pytest.mark.parametrize("stood", [0.5, 3.0])
def test_a_blind_transfer_ends_the_talk_and_the_variables_are_flipped(stood: float) -> None:
    b = up(stood)
    assert b.see("CHANNEL_HANGUP", U, endpoint_disposition="BLIND_TRANSFER") == [TalkEnded("c1", "c1.1", "transferred")]
    assert (FLIP in b.texts()) is (stood < 2)


def test_who_comes_back_to_the_hold_after_a_talk_that_counted_is_hung_up() -> None:
    b = up(3)
    b.see("CHANNEL_HANGUP", U)
    assert b.see("fsqueue::hold") == []
    assert b.texts("uuid_kill") == [f"uuid_kill {CALLER} NORMAL_CLEARING"]


def test_a_caller_transferred_to_a_group_is_a_new_visit_that_no_late_event_ends() -> None:
    b = up(3)
    b.see("CHANNEL_HANGUP", U, endpoint_disposition="BLIND_TRANSFER")
    (arrived,) = b.arrive(session="s2", fsq_call="c1", sip_referred_by="<sip:1001@lab>", answer_state="answered")
    assert isinstance(arrived, Arrived)
    assert arrived.call == "c1"
    b.give(b.hold(call="c2"))
    assert b.see("CHANNEL_UNBRIDGE", CALLER, bridge_a=CALLER, bridge_b=U) == []
    b.see("fsqueue::hold")
    b.answered("c2.1", "jan")
    b.clear()
    b.connect("c2.1", "c2")
    assert len(b.texts("uuid_bridge")) == 1


def test_a_new_arrival_before_the_members_hang_up_still_frees_him() -> None:
    b = up(3)
    b.arrive(session="s2", fsq_call="c1")
    assert b.see("CHANNEL_HANGUP", U) == [TalkEnded("c1", "c1.1", "hung up")]


def test_a_member_whom_the_caller_transfers_arrives_as_a_caller() -> None:
    b = up(3)
    ended, busy, arrived = b.arrive(U, "s2", direction="outbound", answer_state="answered")
    assert busy == OtherCall(leg(U), "anna", present=True)
    assert ended == TalkEnded("c1", "c1.1", "transferred by the caller")
    assert isinstance(arrived, Arrived)
    assert arrived.user == "1001@lab"
    assert b.see("CHANNEL_HANGUP") == [CallerGone(leg(), "NORMAL_CLEARING")]
    b.give(b.hold(U, "c2"))
    b.see("fsqueue::hold", U)
    assert CallerGone(leg(U), "NORMAL_CLEARING") in b.see("CHANNEL_HANGUP", U)


def test_an_attended_transfer_to_a_waiting_call_takes_it_over() -> None:
    b = up(3)
    waits = "4b84964e-7fb9-471b-8eab-1371e7f61df6"
    b.waiting(waits, "s2", "c2")
    assert b.see("CHANNEL_HANGUP", waits, hangup_cause="ATTENDED_TRANSFER") == []
    assert b.arrive(session="s3", fsq_call="c1", sip_referred_by="<sip:1001@lab>", answer_state="answered") == []
    arrived, ended = b.see("CHANNEL_UNHOLD", U, refer_uuid=waits) + b.see("CHANNEL_HANGUP", U, refer_uuid=waits)
    assert isinstance(arrived, Arrived)
    assert (arrived.takes, arrived.call) == ("c2", "c1")
    assert ended == TalkEnded("c1", "c1.1", "transferred")
    assert b.wait(2) == []


def test_an_attended_transfer_from_a_waiting_call_that_nobody_takes_over_ends_it() -> None:
    b = Bench()
    b.waiting()
    b.see("CHANNEL_HANGUP", CALLER, hangup_cause="ATTENDED_TRANSFER")
    assert b.wait(1.1) == [CallerGone(leg(), "ATTENDED_TRANSFER")]


def test_an_arrival_by_transfer_does_not_wait_for_ever_for_who_sent_it() -> None:
    b = up(3)
    b.arrive(session="s2", fsq_call="c1", sip_referred_by="<sip:1001@lab>")
    assert [type(i) for i in b.wait(0.6)] == [Arrived]


@pytest.mark.parametrize(
    ("cause", "disposition"),
    [
        ("ATTENDED_TRANSFER", ""),
        pytest.param("NORMAL_CLEARING", "ATTENDED_TRANSFER", id="the-talk-had-stood"),
        pytest.param("NORMAL_CLEARING", "BLIND_TRANSFER", id="the-caller-sent-him-on"),
    ],
)
def test_a_member_whose_caller_was_handed_on_to_somebody_else_is_not_free(cause: str, disposition: str) -> None:
    b = up(3)
    assert b.see("CHANNEL_HANGUP", CALLER, hangup_cause=cause, endpoint_disposition=disposition) == [
        OtherCall(leg(U), "anna", present=True),
        CallerGone(leg(), cause),
    ]
    assert not b.texts("uuid_kill")
    assert b.see("CHANNEL_HANGUP", U) == [
        OtherCall(leg(U), "anna", present=False),
        TalkEnded("c1", "c1.1", "hung up"),
    ]


def test_the_hold_of_a_talk_that_counted_hangs_its_caller_up_also_before_the_members_hang_up_is_heard() -> None:
    b = up(3)
    assert b.see("fsqueue::hold") == []
    assert b.texts("uuid_kill") == [f"uuid_kill {CALLER} NORMAL_CLEARING"]
