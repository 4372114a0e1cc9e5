"""Calls that are handed over parked: taken at their event, told over the link, and never fetched from the fallback."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fsqueue.engine.messages import (
    Arrived,
    CallerGone,
    Confirm,
    Connected,
    Drop,
    DutyCode,
    Hold,
    Input,
    OtherCall,
    Pickup,
    Refuse,
    Send,
    StepDone,
)
from fsqueue.engine.model import HangUp, Voicemail
from fsqueue.switch.codes import CONFIRMED_TONE, REFUSED_TONE
from fsqueue.switch.dialplan import KNOCK, WHY
from fsqueue.switch.messages import Execute, LinkDown, LinkUp
from tests.switch.bench import CALLER, FACTS, Bench, event, leg

TAKER = "4d6ab75b-c0ae-439b-bb1e-ba0132e424b0"
MEMBER = {"sip_auth_user": "1002", "sip_user_domain": "lab"}


def park(b: Bench, uuid: str = CALLER, **fields: str) -> list[Input]:
    """A call says that it is parked."""
    if uuid not in b.alive:
        b.alive.append(uuid)
    shown: dict[str, Any] = {
        "direction": "inbound",
        "answer_state": "ringing",
        "caller_number": "5551",
        "caller_name": "Ewa",
        "destination": "7001",
        "fsq_owner": "pbx",
        "fsq_arrival": "arr-1",
        **fields,
    }
    return b.give(event("fsqueue::arrival", uuid, **shown))


def parked(b: Bench, uuid: str = CALLER, **values: str) -> None:
    """From now on the switch shows that the channel is parked."""
    b.alive.append(uuid)
    b.rows.append({"uuid": uuid, "direction": "inbound", "state": "CS_EXECUTE", "dest": "7001", "context": "fsqueue",
                   "application": "park"})  # fmt: skip
    b.dumps[uuid] = {
        "Event-Name": "CHANNEL_DATA",
        "Unique-ID": uuid,
        "Channel-State": "CS_EXECUTE",
        "Answer-State": "ringing",
        "Caller-Context": "fsqueue",
        "Caller-Destination-Number": "7001",
        "Caller-Caller-ID-Number": "5551",
        "variable_fsqueue_owner": "pbx",
        "variable_fsqueue_arrival": "arr-1",
        "variable_current_application": "park",
        **values,
    }


def words(b: Bench) -> list[str]:
    """The commands that concern channels, as said."""
    return [text for text in b.texts() if text.startswith(("uuid_set", "uuid_transfer", "uuid_kill", "sched_del"))]


def hold(b: Bench, **changes: Any) -> Hold:
    return b.hold(arrival="arr-1", **changes)


def test_a_parked_call_arrives_at_its_event_with_what_its_channel_says() -> None:
    (arrived,) = park(Bench(), fsq_to="sales", fsq_priority="7")
    assert isinstance(arrived, Arrived)
    assert (arrived.arrival, arrived.to, arrived.dialled, arrived.priority) == ("arr-1", "sales", "7001", 7)
    assert (arrived.caller.number, arrived.found) == ("5551", False)


def test_a_parked_call_of_another_installation_is_not_ours() -> None:
    assert park(Bench(), fsq_owner="elsewhere") == []


def test_an_arrival_is_taken_in_once_however_often_it_is_seen() -> None:
    b = Bench()
    park(b)
    assert park(b) == []
    parked(b)
    b.clear()
    b.wait(2.0)  # the second look of the link finds him in the table too
    assert b.got(Arrived) == []


def test_he_is_handed_to_his_hold_by_two_commands_and_his_variables_come_first() -> None:
    b = Bench()
    park(b, fsq_to="sales")
    b.give(hold(b))
    written, moved = words(b)
    assert written.startswith(f"uuid_setvar_multi {CALLER} sofia_session_timeout=90;rtp_liberal_dtmf=true;")
    values = dict(pair.split("=", 1) for pair in written.split(" ", 2)[2].split(";"))
    assert values["transfer_after_bridge"] == "fsqueue-hold:XML:fsqueue"
    assert values["destination_number"] == "7001"
    assert values["presence_data"].startswith("fsq1|pbx|call|c1|sales|")
    assert values["fsqueue_to"] == ""  # taken once
    assert moved == f"uuid_transfer {CALLER} 'answer,transfer:fsqueue-hold XML fsqueue' inline"
    assert not [command for command in b.out if isinstance(command, Execute)]


@pytest.mark.parametrize("mode", ["pre_answer", "ring_ready"])
def test_the_answer_mode_is_as_configured(mode: str) -> None:
    b = Bench(msgspec.structs.replace(FACTS, answer=mode))  # type: ignore[type-var]
    park(b)
    b.give(hold(b))
    assert f"'{mode},transfer:fsqueue-hold XML fsqueue' inline" in words(b)[1]


def test_who_is_answered_already_is_only_moved() -> None:
    b = Bench()
    park(b, answer_state="answered")
    b.give(hold(b))
    assert words(b)[1] == f"uuid_transfer {CALLER} fsqueue-hold XML fsqueue"
    assert "sofia_session_timeout" not in words(b)[0]


def test_what_a_caller_dials_is_written_as_data() -> None:
    b = Bench()
    park(b)
    b.give(hold(b, dialled="7001 ${system(id)};x=y"))
    assert ";destination_number=7001%20%24%7Bsystem%28id%29%7D%3Bx%3Dy;" in words(b)[0]


def test_his_hold_tells_when_he_stands_and_not_before() -> None:
    b = Bench()
    park(b)
    b.give(hold(b), Send("c1", leg(), Voicemail("1000@lab")))
    assert not b.texts(f"uuid_transfer {CALLER} 'voicemail")
    b.see("fsqueue::hold", fsq_owner="pbx", fsq_call="c1")
    assert b.texts(f"uuid_transfer {CALLER} 'voicemail:default lab 1000' inline")


def test_refused_he_goes_to_the_fallback_with_the_reason_and_is_never_answered() -> None:
    b = Bench()
    park(b)
    b.give(Refuse(leg(), "no group; x=${y}"))
    assert words(b) == [
        f"uuid_setvar_multi {CALLER} {WHY}=no%20group%3B%20x%3D%24%7By%7D",
        f"uuid_transfer {CALLER} fsqueue-fallback XML fsqueue",
    ]
    b.see("fsqueue::fallback")
    assert len(words(b)) == 2  # he is not ours any more


def test_a_first_word_that_hangs_up_does_so_without_an_answer() -> None:
    b = Bench()
    park(b)
    b.give(Send("c1", leg(), HangUp("USER_BUSY")))
    assert words(b) == [f"uuid_kill {CALLER} USER_BUSY"]
    assert b.see("CHANNEL_HANGUP", hangup_cause="USER_BUSY") == [StepDone(call="c1", ok=True, detail="USER_BUSY")]


def test_a_first_word_to_voicemail_takes_the_scheduled_fallback_back() -> None:
    b = Bench()
    park(b)
    b.give(Send("c1", leg(), Voicemail("1000@lab")))
    assert words(b)[0] == f"sched_del {CALLER}"
    assert words(b)[-1] == f"uuid_transfer {CALLER} 'answer,voicemail:default lab 1000' inline"


def test_a_caller_who_hangs_up_before_our_word_is_gone_once() -> None:
    b = Bench()
    park(b)
    assert b.see("CHANNEL_HANGUP", hangup_cause="ORIGINATOR_CANCEL") == [CallerGone(leg(), "ORIGINATOR_CANCEL")]
    assert b.give(hold(b)) == [CallerGone(leg(), "LOST")]  # the engine's word crossed it
    assert not b.texts("uuid_transfer")


def test_whom_the_dialplan_takes_to_the_fallback_before_our_word_is_gone() -> None:
    b = Bench()
    park(b)
    assert b.see("fsqueue::fallback") == [CallerGone(leg(), "FALLBACK")]


def test_an_empty_call_of_doctors_is_told_that_it_got_through_and_is_nobodys_call() -> None:
    b = Bench()
    assert park(b, fsq_to=KNOCK) == []
    assert f"{WHY}=doctor" in words(b)[0]


# --- standing still ------------------------------------------------------------------------------------------------------


def test_an_event_read_late_counts_only_if_the_call_is_parked_yet() -> None:
    b = Bench()
    long_ago = str(int((b.now - 4.0) * 1_000_000))
    b.dumps[CALLER] = {}
    assert park(b, timestamp=long_ago) == []
    parked(b)
    assert [type(one) for one in park(b, timestamp=long_ago)] == [Arrived]


@pytest.mark.parametrize(
    "gone",
    [{"variable_current_application": "voicemail"}, {"Caller-Context": "default"}, {"variable_fsqueue_arrival": "x"}],
)
def test_a_word_said_late_fetches_nobody_from_where_he_is_now(gone: dict[str, str]) -> None:
    b = Bench()
    park(b)
    parked(b, **gone)
    b.now += 5.0
    assert b.give(hold(b)) == [CallerGone(leg(), "FALLBACK")]
    assert words(b) == []


def test_a_word_said_late_is_said_to_who_is_parked_yet() -> None:
    b = Bench()
    park(b)
    parked(b)
    b.now += 3.0
    b.give(hold(b))
    assert [text.split()[0] for text in words(b)] == ["uuid_setvar_multi", "uuid_transfer"]


def test_a_word_for_which_there_is_no_link_is_said_when_there_is_one_again() -> None:
    b = Bench()
    park(b)
    b.give(LinkDown(), hold(b))
    assert words(b) == []
    parked(b)
    b.give(LinkUp("core-1"))
    assert [text.split()[0] for text in words(b)] == ["uuid_setvar_multi", "uuid_transfer"]


def test_a_later_word_counts_alone_where_the_first_could_not_be_said() -> None:
    b = Bench()
    park(b)
    b.give(LinkDown(), hold(b), Drop(leg(), "USER_BUSY"))
    parked(b)
    b.give(LinkUp("core-1"))
    assert words(b) == [f"uuid_kill {CALLER} USER_BUSY"]


def test_who_has_hung_up_while_there_was_no_link_is_lost_once() -> None:
    b = Bench()
    park(b)
    b.give(LinkDown(), hold(b))
    b.alive.remove(CALLER)
    b.clear()
    b.give(LinkUp("core-1"))
    assert b.got(CallerGone) == [CallerGone(leg(), "LOST")]


# --- the link comes up ---------------------------------------------------------------------------------------------------


def test_who_was_parked_while_there_was_no_link_is_found_in_the_table() -> None:
    b = Bench(link=False)
    parked(b)
    b.give(LinkUp("core-1"))
    (arrived,) = b.got(Arrived)
    assert (arrived.arrival, arrived.dialled, arrived.found) == ("arr-1", "7001", False)
    b.give(hold(b))
    assert words(b)[-1].startswith(f"uuid_transfer {CALLER} 'answer")


def test_a_parked_code_that_is_found_in_the_table_is_no_other_call_of_who_dials_it() -> None:
    b = Bench(link=False)
    b.answers["eval"] = "1002@lab"
    parked(
        b,
        TAKER,
        **{"Caller-Destination-Number": "*8", "variable_sip_auth_username": "1002", "variable_domain_name": "lab"},
    )
    b.give(LinkUp("core-1"))
    assert [one.user for one in b.got(Pickup)] == ["1002@lab"]
    assert b.got(OtherCall) == []


def test_who_was_not_yet_in_the_table_is_found_by_the_second_look() -> None:
    b = Bench(link=False)
    b.give(LinkUp("core-1"))
    parked(b)
    b.wait(1.1)
    assert len(b.got(Arrived)) == 1


def test_a_caller_who_was_transferred_and_parked_meanwhile_is_a_new_visit() -> None:
    b = Bench(link=False)
    parked(b, variable_fsqueue_call="old", variable_fsqueue_group="support")
    b.rows[0]["presence_data"] = "fsq1|pbx|call|old|support|1"
    b.give(LinkUp("core-1"))
    (arrived,) = b.got(Arrived)
    assert (arrived.call, arrived.found) == ("old", False)


@pytest.mark.parametrize(
    "values",
    [
        {"variable_fsqueue_owner": "elsewhere"},
        {"variable_fsqueue_arrival": ""},
        {"variable_fsqueue_offer": "c1.5"},  # he has picked a call up, and waits to be bridged
        {"variable_current_application": "playback"},
    ],
)
def test_whoever_else_is_parked_there_is_left_alone(values: dict[str, str]) -> None:
    b = Bench(link=False)
    parked(b, **values)
    b.give(LinkUp("core-1"))
    b.wait(2.0)
    assert b.got(Arrived) == []


# --- transfers -----------------------------------------------------------------------------------------------------------


def test_a_caller_transferred_to_a_group_is_a_new_visit_and_waits_for_whom_he_takes_over() -> None:
    b = Bench()
    member = b.talking()
    b.wait(3)
    assert park(b, fsq_arrival="arr-2", fsq_call="c1", sip_referred_by="<sip:1001@lab>") == []
    (arrived,) = [one for one in b.see("CHANNEL_HANGUP", member, endpoint_disposition="BLIND_TRANSFER")
                  if isinstance(one, Arrived)]  # fmt: skip
    assert (arrived.arrival, arrived.call) == ("arr-2", "c1")


def test_a_transferred_caller_who_hangs_up_at_once_does_not_arrive() -> None:
    b = Bench()
    b.talking()
    b.wait(3)
    park(b, fsq_arrival="arr-2", fsq_call="c1", sip_referred_by="<sip:1001@lab>")
    b.see("CHANNEL_HANGUP")
    b.clear()
    b.wait(2)
    assert b.got(Arrived) == []


# --- codes ---------------------------------------------------------------------------------------------------------------


def test_a_parked_pickup_is_answered_and_parked_anew_and_then_bridged() -> None:
    b = Bench()
    b.waiting()
    assert park(b, TAKER, destination="*8", **MEMBER) == [Pickup(leg=leg(TAKER), user="1002@lab", extension="")]
    b.clear()
    b.connect("c1.5", taker=TAKER)
    written, moved = words(b)
    assert (
        "fsqueue_offer=c1.5;presence_data=fsq1|pbx|offer|c1.5|jan|;hangup_after_bridge=true;park_timeout=20" in written
    )
    assert moved == f"uuid_transfer {TAKER} 'answer,park' inline"
    assert not b.texts("uuid_bridge")
    b.see("CHANNEL_ANSWER", TAKER)
    assert b.texts("uuid_bridge") == [f"uuid_bridge {CALLER} {TAKER}"]
    assert b.bridge(TAKER) == [Connected("c1", "c1.5")]


def test_parked_codes_are_told_by_tones_and_hung_up() -> None:
    b = Bench(msgspec.structs.replace(FACTS, login_code="*41"))
    assert park(b, TAKER, destination="*41", **MEMBER) == [DutyCode(leg(TAKER), "1002@lab", "in")]
    b.give(Confirm(leg(TAKER), "in"))
    assert words(b) == [
        f"uuid_transfer {TAKER} 'm:^:answer^playback:{CONFIRMED_TONE}^hangup:NORMAL_CLEARING' inline",
    ]


def test_a_parked_code_of_somebody_unknown_hears_the_other_tone_once() -> None:
    b = Bench()
    assert park(b, TAKER, destination="*8") == []
    b.give(Refuse(leg(TAKER), "nothing rings"))
    (said,) = words(b)
    assert REFUSED_TONE in said


def test_nothing_is_remembered_of_parked_calls_that_are_over() -> None:
    b = Bench()
    park(b)
    b.give(hold(b))
    b.see("CHANNEL_HANGUP")
    park(b, TAKER, destination="*8", fsq_arrival="arr-2", **MEMBER)
    b.see("CHANNEL_HANGUP", TAKER)
    assert not any(b.core.sizes().values())
