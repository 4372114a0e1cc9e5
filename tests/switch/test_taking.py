"""Taking a call: what is said on the dialplan's socket, in which order, and what waits for the hold."""

from __future__ import annotations

import re

import msgspec
import pytest

from fsqueue.engine.messages import Announce, Arrived, CallerGone, Drop, OtherCall, Refuse, Send, StepDone
from fsqueue.engine.model import HangUp, Voicemail
from fsqueue.switch.dialplan import WHY
from fsqueue.switch.messages import LinkUp, SocketClosed
from tests.switch.bench import CALLER, FACTS, Bench, leg


def variables(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split(" "))


def test_an_arrival_says_what_the_channel_says() -> None:
    b = Bench()
    busy, arrived = b.arrive(fsq_to="sales", fsq_priority="7", sip_auth_user="1001", sip_user_domain="lab")
    assert isinstance(busy, OtherCall)  # a member who calls a group himself is on the phone (M1)
    assert isinstance(arrived, Arrived)
    assert (arrived.to, arrived.dialled, arrived.priority, arrived.user) == ("sales", "7001", 7, "1001@lab")
    assert (arrived.caller.number, arrived.caller.name, arrived.caller.hidden) == ("5551", "Ewa", False)
    assert arrived.arrival == "arr-s1"
    assert not arrived.found


def test_an_arrival_with_an_older_calls_variables_is_a_new_visit_without_its_priority() -> None:
    (arrived,) = Bench().arrive(fsq_call="old", fsq_number="48221", fsq_priority="9", fsq_group="sales")
    assert isinstance(arrived, Arrived)
    assert (arrived.call, arrived.number, arrived.priority) == ("old", "48221", None)


def test_a_hidden_caller_is_known_as_hidden() -> None:
    (arrived,) = Bench().arrive(hide_number="true")
    assert isinstance(arrived, Arrived)
    assert arrived.caller.hidden


def test_a_caller_whose_number_says_anonymous_is_hidden_without_a_privacy_header() -> None:
    (arrived,) = Bench().arrive(caller_number="Anonymous")
    assert isinstance(arrived, Arrived)
    assert arrived.caller.hidden


def test_the_hand_over_is_said_in_the_order_that_works() -> None:
    b = Bench()
    b.arrive(fsq_to="sales")
    b.give(b.hold())
    ours, unset, answer, transfer, close = b.said()
    assert ours.startswith("multiset sofia_session_timeout=90 rtp_liberal_dtmf=true ")
    assert unset == "unset fsqueue_to"
    assert answer == "answer"
    assert transfer == "transfer fsqueue-hold XML fsqueue"
    assert close == "close"
    written = variables(ours.removeprefix("multiset "))
    assert written["transfer_after_bridge"] == "fsqueue-hold:XML:fsqueue"
    assert written["hangup_after_bridge"] == "false"
    assert written["uuid_bridge_continue_on_cancel"] == "true"
    assert written["playback_terminators"] == "none"
    assert written["destination_number"] == "7001"
    assert written["fsqueue_owner"] == "pbx"
    assert written["fsqueue_joined"] == "1795474358000000"
    assert written["presence_data"] == "fsq1|pbx|call|c1|sales|1795474358000000"
    assert written["fsqueue_music"] == "local_stream://jazz"


@pytest.mark.parametrize("mode", ["answer", "pre_answer", "ring_ready"])
def test_the_answer_mode_is_as_configured(mode: str) -> None:
    b = Bench(msgspec.structs.replace(FACTS, answer=mode))  # type: ignore[type-var]
    b.arrive()
    b.give(b.hold())
    assert b.said()[1] == mode


def test_who_is_answered_already_is_not_answered_again() -> None:
    b = Bench()
    b.arrive(answer_state="answered")
    b.give(b.hold())
    assert [line.split()[0] for line in b.said()] == ["multiset", "transfer", "close"]


def test_the_deadline_is_in_the_switchs_clock() -> None:
    b = Bench(link=False)
    b.skew = -5000.0
    b.give(LinkUp("core-1"))
    b.arrive()
    b.give(b.hold(deadline=b.now + 100))
    written = variables(b.said()[0].removeprefix("multiset "))
    assert abs(int(written["fsqueue_deadline"]) - (b.now + 100 - 5000)) <= 1


@pytest.mark.parametrize("music", ["${system(id)}", "/with space.wav", "a'b", ""])
def test_music_that_cannot_be_written_is_replaced_not_lost(music: str) -> None:
    b = Bench()
    b.arrive()
    b.give(b.hold(music=music))
    assert "fsqueue_music=local_stream://default" in b.said()[0]


def test_what_a_caller_dials_stays_data() -> None:
    b = Bench()
    b.arrive()
    b.give(b.hold(dialled="7001 ${system(id)} x=y"))
    assert re.search(r" destination_number=7001%20%24%7Bsystem%28id%29%7D%20x%3Dy ", b.said()[0])


def test_nothing_moves_a_caller_before_his_hold_stands() -> None:
    b = Bench()
    b.arrive()
    b.give(b.hold())
    b.give(Announce("c1", leg(), "ivr/wait.wav"), Send("c1", leg(), Voicemail("1000@lab")))
    assert not b.texts("uuid_transfer")
    assert not b.texts("uuid_broadcast")
    b.see("fsqueue::hold", fsq_owner="pbx")
    assert b.texts("uuid_broadcast") == [f"uuid_broadcast {CALLER} ivr/wait.wav aleg"]
    assert b.texts("uuid_transfer") == [f"uuid_transfer {CALLER} 'voicemail:default lab 1000' inline"]


def test_no_hold_event_within_two_seconds_asks_whether_he_exists() -> None:
    b = Bench()
    b.arrive()
    b.give(b.hold())
    b.alive.remove(CALLER)
    assert b.wait(2.1) == [CallerGone(leg(), "LOST")]


def test_a_caller_who_exists_but_does_not_stand_is_brought_to_his_hold_again() -> None:
    b = Bench()
    b.arrive()
    b.give(b.hold())
    b.wait(4.1)
    assert b.texts("uuid_transfer") == [f"uuid_transfer {CALLER} fsqueue-hold XML fsqueue"]


def test_a_hold_for_who_waits_already_rewrites_his_variables() -> None:
    b = Bench()
    b.waiting()
    b.clear()
    b.give(b.hold(group="support"))
    (text,) = b.texts("uuid_setvar_multi")
    assert text.startswith(f"uuid_setvar_multi {CALLER} fsqueue_version=1;fsqueue_owner=pbx;")
    assert ";fsqueue_group=support;" in text


def test_commands_for_a_caller_who_is_gone_say_so() -> None:
    b = Bench()
    assert b.give(b.hold()) == [CallerGone(leg(), "LOST")]
    assert b.give(Send("c1", leg(), HangUp())) == [CallerGone(leg(), "LOST")]
    assert b.give(Drop(leg(), "NORMAL_CLEARING"), Refuse(leg(), "x")) == []


def test_refused_at_the_first_word_he_is_never_answered() -> None:
    b = Bench()
    b.arrive()
    b.give(Refuse(leg(), "no group; x=${y}"))
    assert b.said() == [
        f"multiset {WHY}=no%20group%3B%20x%3D%24%7By%7D",
        "transfer fsqueue-fallback XML fsqueue",
        "close",
    ]


def test_a_first_word_that_hangs_up_does_so_without_an_answer() -> None:
    b = Bench()
    b.arrive()
    b.give(Send("c1", leg(), HangUp("USER_BUSY")))
    assert b.said() == ["hangup USER_BUSY", "close"]
    assert b.see("CHANNEL_HANGUP", hangup_cause="USER_BUSY") == [StepDone(call="c1", ok=True, detail="USER_BUSY")]


def test_a_first_word_to_voicemail_takes_the_scheduled_fallback_back() -> None:
    b = Bench()
    b.arrive()
    b.give(Send("c1", leg(), Voicemail("1000@lab")))
    said = b.said()
    assert said[0] == "set fsqueue_unscheduled=${sched_del(${uuid})}"
    assert said[2] == "answer"
    assert said[-2:] == ["transfer 'voicemail:default lab 1000' inline", "close"]


def test_a_socket_that_closes_before_our_word_is_a_caller_gone() -> None:
    b = Bench()
    b.arrive()
    assert b.give(SocketClosed("s1")) == [CallerGone(leg(), "LOST")]


def test_a_socket_that_closes_after_the_hand_over_means_nothing() -> None:
    b = Bench()
    b.waiting()
    assert b.give(SocketClosed("s1")) == []


def test_a_caller_who_hangs_up_before_our_word_is_gone_and_his_session_closed() -> None:
    b = Bench()
    b.arrive()
    assert b.see("CHANNEL_HANGUP", hangup_cause="ORIGINATOR_CANCEL") == [CallerGone(leg(), "ORIGINATOR_CANCEL")]
    assert b.said() == ["close"]


def test_a_hang_up_is_told_once() -> None:
    b = Bench()
    b.waiting()
    assert len(b.see("CHANNEL_HANGUP") + b.see("CHANNEL_HANGUP_COMPLETE")) == 1


def test_a_dropped_caller_is_hung_up_with_the_cause() -> None:
    b = Bench()
    b.waiting()
    b.give(Drop(leg(), "USER_BUSY"))
    assert b.texts("uuid_kill") == [f"uuid_kill {CALLER} USER_BUSY"]


def test_whoever_goes_to_the_fallback_by_himself_is_gone() -> None:
    b = Bench()
    b.waiting()
    assert b.see("fsqueue::fallback") == [CallerGone(leg(), "FALLBACK")]
