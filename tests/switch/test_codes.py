"""Codes that colleagues dial: pickup and duty, told by tones, and the bridge to who picked up."""

from __future__ import annotations

import msgspec
import pytest

from fsqueue.engine.messages import (
    Arrived,
    Confirm,
    Connected,
    ConnectFailed,
    DutyCode,
    OfferEnded,
    OtherCall,
    Pickup,
    Refuse,
    TalkEnded,
    Withdraw,
)
from fsqueue.switch.codes import CONFIRMED_TONE, REFUSED_TONE
from fsqueue.switch.messages import SwitchFacts
from tests.switch.bench import CALLER, FACTS, Bench, leg

TAKER = "4d6ab75b-c0ae-439b-bb1e-ba0132e424b0"
CODES: SwitchFacts = msgspec.structs.replace(FACTS, login_code="*41", logout_code="*42", pause_code="*8")


def dial(b: Bench, digits: str, **fields: str) -> list[object]:
    who = {"sip_auth_user": "1002", "sip_user_domain": "lab", **fields}
    return list(b.arrive(TAKER, "t1", destination=digits, **who))


def taken() -> Bench:
    b = Bench()
    b.waiting()
    dial(b, "*8")
    b.clear()
    b.connect("c1.5", taker=TAKER)
    return b


@pytest.mark.parametrize(("digits", "extension"), [("*8", ""), ("*81001", "1001")])
def test_the_pickup_code_and_what_stands_behind_it(digits: str, extension: str) -> None:
    assert dial(Bench(), digits) == [Pickup(leg=leg(TAKER), user="1002@lab", extension=extension)]


def test_what_the_dialplan_says_was_dialled_wins() -> None:
    assert dial(Bench(), "fsqueue-code", fsq_code="*81001") == [
        Pickup(leg=leg(TAKER), user="1002@lab", extension="1001")
    ]


@pytest.mark.parametrize(("digits", "duty"), [("*41", "in"), ("*42", "out"), ("*8", "paused")])
def test_duty_codes_are_looked_up_whole_before_the_pickup_code(digits: str, duty: str) -> None:
    assert dial(Bench(CODES), digits) == [DutyCode(leg(TAKER), "1002@lab", duty)]  # type: ignore[arg-type]


def test_a_site_that_names_the_group_itself_is_believed_over_the_digits() -> None:
    assert [type(i) for i in dial(Bench(), "*8", fsq_to="sales")] == [OtherCall, Arrived]


def test_the_realm_stands_in_where_the_switch_names_no_domain() -> None:
    (pickup,) = dial(Bench(), "*8", sip_user_domain="", sip_auth_realm="lab")
    assert isinstance(pickup, Pickup)
    assert pickup.user == "1002@lab"


def test_whom_the_switch_has_not_authenticated_hears_the_tone() -> None:
    b = Bench()
    assert dial(b, "*8", sip_auth_user="") == []
    assert b.said("t1") == ["answer", f"playback {REFUSED_TONE}", "hangup NORMAL_CLEARING", "close"]


def test_a_refused_code_hears_a_tone_and_is_hung_up_once() -> None:
    b = Bench()
    dial(b, "*8")
    b.give(Refuse(leg(TAKER), "nothing rings"), Refuse(leg(TAKER), "nothing rings"))
    assert b.said("t1") == ["answer", f"playback {REFUSED_TONE}", "hangup NORMAL_CLEARING", "close"]


def test_a_confirmed_code_hears_another_tone() -> None:
    b = Bench(CODES)
    dial(b, "*41")
    b.give(Confirm(leg(TAKER), "in"))
    assert b.said("t1")[1] == f"playback {CONFIRMED_TONE}"


def test_who_picks_up_is_answered_and_parked_and_then_bridged() -> None:
    b = taken()
    assert [line.split()[0] for line in b.said("t1")] == ["multiset", "answer", "park", "close"]
    assert "presence_data=fsq1|pbx|offer|c1.5|jan|" in b.said("t1")[0]
    assert not b.texts("uuid_bridge")
    b.see("CHANNEL_ANSWER", TAKER)
    assert b.texts("uuid_bridge") == [f"uuid_bridge {CALLER} {TAKER}"]
    assert b.bridge(TAKER) == [Connected("c1", "c1.5")]
    b.wait(3)
    assert b.see("CHANNEL_HANGUP", TAKER) == [TalkEnded("c1", "c1.5", "hung up")]


def test_who_picks_up_and_hangs_up_at_once_gives_the_caller_back() -> None:
    b = taken()
    assert b.see("CHANNEL_HANGUP", TAKER) == [ConnectFailed("c1", "c1.5", "the member hung up")]


def test_a_pickup_whose_leg_is_gone_fails() -> None:
    b = Bench()
    b.waiting()
    dial(b, "*8")
    b.see("CHANNEL_HANGUP", TAKER)
    assert [type(i) for i in b.connect("c1.5", taker=TAKER)] == [ConnectFailed]


def test_a_pickup_of_a_caller_who_hangs_up_is_withdrawn_with_its_leg() -> None:
    b = taken()
    b.see("CHANNEL_ANSWER", TAKER)
    b.see("CHANNEL_HANGUP")
    b.give(Withdraw("c1.5", "caller_gone"))
    assert f"uuid_kill {TAKER} NORMAL_CLEARING" in b.texts()
    assert b.see("CHANNEL_HANGUP", TAKER) == [OfferEnded("c1.5", "withdrawn")]


def test_the_caller_of_a_pickup_hangs_up_both_ways_clean() -> None:
    b = taken()
    b.see("CHANNEL_ANSWER", TAKER)
    b.bridge(TAKER)
    b.see("CHANNEL_HANGUP")
    assert b.see("CHANNEL_HANGUP", TAKER) == [TalkEnded("c1", "c1.5", "hung up")]
