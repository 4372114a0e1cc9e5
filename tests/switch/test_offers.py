"""Offers: how phones are rung, what ends an offer and as what, and that a withdrawn one never answers."""

from __future__ import annotations

import re

import msgspec
import pytest

from fsqueue.engine.messages import Answered, Caller, OfferEnded, Reach, Ringing, Withdraw
from fsqueue.switch import dialling
from fsqueue.switch.ids import job_uuid, leg_uuid
from fsqueue.switch.messages import Api, BgApi, Foreseen, LinkDown, LinkUp, Phone, Reply, SwitchFacts
from fsqueue.switch.whereabouts import FRESH_SECONDS
from tests.switch.bench import FACTS, Bench

U = leg_uuid("pbx", "c1.1", 0)
V = leg_uuid("pbx", "c1.1", 1)


def braces(text: str) -> dict[str, str]:
    found = re.match(r"originate \{(.*?)\}", text)
    assert found
    return dict(pair.split("=", 1) for pair in found[1].split(","))


def test_a_member_is_rung_at_his_contact_with_our_uuid_and_our_job() -> None:
    b = Bench()
    b.give(b.ring())
    assert b.texts("sofia_contact") == ["sofia_contact */1001@lab"]
    (command,) = [c for c in b.out if isinstance(c, BgApi)]
    assert command.job == job_uuid(U)
    assert command.text.endswith("}sofia/internal/sip:1001@127.0.0.1:7001 &park()")
    said = braces(command.text)
    assert said["origination_uuid"] == U
    assert said["ignore_early_media"] == "true"
    assert said["outbound_redirect_fatal"] == "true"
    assert int(said["originate_timeout"]) > 20
    assert int(said["park_timeout"]) > 0
    assert (said["presence_id"], said["dialed_user"], said["dialed_domain"]) == ("1001@lab", "1001", "lab")
    assert said["presence_data"] == "fsq1|pbx|offer|c1.1|anna|"
    assert said["loopback_bowout"] == "false"
    assert "park_after_bridge" not in command.text


def test_the_shown_name_has_the_prefix_and_is_inert() -> None:
    b = Bench()
    b.give(b.ring(prefix="[Sales] ", caller=Caller("+48 5551", 'a%0D%0AX: "${x}",')))
    said = braces(b.texts("originate")[0])
    assert said["origination_caller_id_number"] == "+485551"
    assert said["origination_caller_id_name"] == "%5BSales%5D%20a%250D%250AX%3A%20%27%24%7Bx%7D%27%2C"


def test_a_hidden_caller_stays_hidden() -> None:
    b = Bench()
    b.give(b.ring(caller=Caller("5551", "Ewa", hidden=True)))
    text = b.texts("originate")[0]
    assert "5551" not in text
    assert "Ewa" not in text
    assert "hide_number" in braces(text)["origination_privacy"]


def test_the_numbers_music_stands_on_the_members_leg() -> None:
    b = Bench()
    b.give(b.ring(music="local_stream://jazz"))
    assert braces(b.texts("originate")[0])["hold_music"] == "local_stream://jazz"


def test_every_phone_of_a_member_rings_with_a_uuid_of_its_own_and_the_first_that_answers_wins() -> None:
    b = Bench()
    b.contacts["1001@lab"] = "sofia/internal/sip:1001@a,sofia/internal/sip:1001@b"
    b.give(b.ring())
    assert [braces(text)["origination_uuid"] for text in b.texts("originate")] == [U, V]
    b.see("CHANNEL_CREATE", U)
    b.see("CHANNEL_CREATE", V)
    assert b.see("CHANNEL_PROGRESS", U) == [Ringing("c1.1")]
    assert b.see("CHANNEL_PROGRESS", V) == []
    assert b.see("CHANNEL_ANSWER", V) == [Answered("c1.1")]
    assert b.texts("uuid_kill") == [f"uuid_kill {U} LOSE_RACE"]
    assert b.see("CHANNEL_ANSWER", U) == []
    assert b.see("CHANNEL_HANGUP", U, hangup_cause="LOSE_RACE") == []


def test_a_number_is_dialled_by_outbound_with_the_own_caller_id_where_asked() -> None:
    facts: SwitchFacts = msgspec.structs.replace(FACTS, caller_id_number="+4822", caller_id_name="Firm")
    b = Bench(facts)
    b.give(b.ring(member="", number="+48 600", caller_id="own", caller=Caller("5551", "Ewa")))
    (text,) = b.texts("originate")
    assert "}sofia/gateway/provider/+48600 &park()" in text
    assert braces(text)["origination_caller_id_number"] == "+4822"
    assert braces(text)["origination_caller_id_name"] == "Firm"


def test_a_dial_string_without_registration_is_dialled_as_it_is() -> None:
    b = Bench()
    b.give(b.ring(member="desk"))
    assert not b.texts("sofia_contact")
    assert "}sofia/gateway/pbx/200 &park()" in b.texts("originate")[0]


def test_who_is_not_registered_is_unreachable_and_said_so() -> None:
    b = Bench()
    b.contacts.clear()
    assert b.give(b.ring()) == [
        Reach("main", "anna", reachable=False),
        OfferEnded("c1.1", "unreachable", "not registered"),
    ]
    assert not b.texts("originate")


@pytest.mark.parametrize("ring", [{"member": "nobody"}, {"member": "", "number": "+"}])
def test_what_cannot_be_dialled_is_unreachable(ring: dict[str, str]) -> None:
    b = Bench()
    (ended,) = b.give(b.ring(**ring))
    assert isinstance(ended, OfferEnded)
    assert ended.outcome == "unreachable"


def test_a_dial_string_that_would_be_another_command_is_not_dialled() -> None:
    facts: SwitchFacts = msgspec.structs.replace(
        FACTS, phones={"x": Phone(member="x", dial="sofia/a\nb", registers=False)}
    )
    b = Bench(facts)
    assert [type(i) for i in b.give(b.ring(member="x"))] == [OfferEnded]


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [
        ("USER_BUSY", "busy"),
        ("CALL_REJECTED", "declined"),
        ("NO_ANSWER", "no_answer"),
        ("NO_USER_RESPONSE", "no_answer"),
        ("UNALLOCATED_NUMBER", "unreachable"),
        ("NORMAL_TEMPORARY_FAILURE", "unreachable"),
        ("NORMAL_CLEARING", "declined"),
        ("INCOMPATIBLE_DESTINATION", "unreachable"),
    ],
)
@pytest.mark.parametrize("job_first", [True, False])
def test_how_an_offer_fails_is_told_once_by_job_or_hang_up(cause: str, outcome: str, job_first: bool) -> None:
    b = Bench()
    b.ringing()
    b.clear()
    if job_first:
        b.job("c1.1", f"-ERR {cause}")
    b.see("CHANNEL_HANGUP", U, hangup_cause=cause)
    b.job("c1.1", f"-ERR {cause}")
    assert b.inputs == [OfferEnded("c1.1", outcome, cause)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("-ERR USER_NOT_REGISTERED", "unreachable"),
        ("-ERR SUBSCRIBER_ABSENT", "unreachable"),
        ("-ERR DESTINATION_OUT_OF_ORDER", "failed"),
    ],
)
def test_a_job_without_any_channel_event_ends_the_offer(body: str, outcome: str) -> None:
    b = Bench()
    b.give(b.ring())
    (ended,) = b.job("c1.1", body)
    assert isinstance(ended, OfferEnded)
    assert ended.outcome == outcome


def test_a_jobs_error_counts_only_before_the_answer() -> None:
    b = Bench()
    b.waiting()
    b.answered()
    assert b.job("c1.1", "-ERR ORIGINATOR_CANCEL") == []
    assert b.connect() == []
    assert b.texts("uuid_bridge")


def test_an_offer_to_two_phones_ends_when_both_have_with_what_the_person_did() -> None:
    b = Bench()
    b.contacts["1001@lab"] = "sofia/internal/sip:1001@a,sofia/internal/sip:1001@b"
    b.give(b.ring())
    b.see("CHANNEL_CREATE", U)
    assert b.see("CHANNEL_HANGUP", U, hangup_cause="CALL_REJECTED") == []
    assert b.job("c1.1", "-ERR NORMAL_TEMPORARY_FAILURE", 1) == [OfferEnded("c1.1", "declined", "CALL_REJECTED")]


def test_a_ring_given_twice_rings_once() -> None:
    b = Bench()
    b.give(b.ring(), b.ring())
    assert len(b.texts("originate")) == 1


def test_picked_up_and_hung_up_before_the_bridge_is_declined() -> None:
    b = Bench()
    b.answered()
    assert b.see("CHANNEL_HANGUP", U) == [OfferEnded("c1.1", "declined", "NORMAL_CLEARING")]


# --- withdrawing


@pytest.mark.parametrize(
    ("why", "cause"),
    [("elsewhere", "LOSE_RACE"), ("timeout", "ORIGINATOR_CANCEL"), ("caller_gone", "ORIGINATOR_CANCEL")],
)
def test_a_withdrawn_phone_shows_what_became_of_the_call(why: str, cause: str) -> None:
    b = Bench()
    b.ringing()
    b.give(Withdraw("c1.1", why))  # type: ignore[arg-type]
    assert b.texts("uuid_kill") == [f"uuid_kill {U} {cause}"]
    assert b.see("CHANNEL_HANGUP", U, hangup_cause=cause) == [OfferEnded("c1.1", "withdrawn", cause)]


def test_a_kill_before_the_channel_exists_is_repeated_at_its_creation() -> None:
    b = Bench()
    b.give(b.ring(), Withdraw("c1.1", "elsewhere"))
    assert b.inputs == []
    b.see("CHANNEL_CREATE", U)
    assert b.texts("uuid_kill") == [f"uuid_kill {U} LOSE_RACE"] * 2


def test_a_kill_without_effect_is_repeated_by_time() -> None:
    b = Bench()
    b.ringing()
    b.give(Withdraw("c1.1", "timeout"))
    b.wait(1.1)
    assert len(b.texts("uuid_kill")) >= 2


def test_an_answer_after_the_withdrawal_is_never_passed_on() -> None:
    b = Bench()
    b.ringing()
    b.give(Withdraw("c1.1", "timeout"))
    assert b.see("CHANNEL_ANSWER", U) + b.see("CHANNEL_PARK", U) + b.job("c1.1", f"+OK {U}") == []
    assert b.see("CHANNEL_HANGUP", U) == [OfferEnded("c1.1", "withdrawn", "NORMAL_CLEARING")]


def test_withdrawn_while_the_contacts_are_asked_for_nothing_rings() -> None:
    b = Bench()
    b.mute = True
    b.give(b.ring(), Withdraw("c1.1", "timeout"))
    b.mute = False
    (asked,) = [c for c in b.out if isinstance(c, Api)]
    assert b.give(Reply(asked.ref, b.contacts["1001@lab"])) == [OfferEnded("c1.1", "withdrawn", "")]
    assert not b.texts("originate")


def test_where_to_ring_is_asked_while_the_offer_is_written_down_and_not_again() -> None:
    b = Bench()
    b.give(Foreseen(b.ring()))
    assert b.texts("sofia_contact") == ["sofia_contact */1001@lab"]
    assert not b.texts("originate")
    b.give(b.ring())
    assert len(b.texts("originate")) == len(b.texts("sofia_contact")) == 1
    assert b.core.sizes()["questions"] == 0


def test_a_ring_waits_for_the_answer_to_what_was_asked_ahead() -> None:
    b = Bench()
    b.mute = True
    b.give(Foreseen(b.ring()), b.ring())
    assert not b.texts("originate")
    (asked,) = [c for c in b.out if isinstance(c, Api)]
    b.give(Reply(asked.ref, b.contacts["1001@lab"]))
    assert len(b.texts("originate")) == 1


def test_an_answer_from_before_we_were_held_up_is_not_rung_by() -> None:
    b = Bench()
    b.give(Foreseen(b.ring()))
    b.now += FRESH_SECONDS + 0.1
    b.contacts["1001@lab"] = "sofia/internal/sip:1001@127.0.0.1:7999"
    b.give(b.ring())
    assert len(b.texts("sofia_contact")) == 2
    (text,) = b.texts("originate")
    assert "7999" in text


def test_an_answer_from_before_the_link_dropped_is_not_rung_by() -> None:
    b = Bench()
    b.give(Foreseen(b.ring()), LinkDown(), LinkUp("core-1"))
    b.clear()
    b.give(b.ring())
    assert b.texts("sofia_contact") == ["sofia_contact */1001@lab"]
    assert len(b.texts("originate")) == 1


def test_what_needs_no_asking_is_not_asked_ahead() -> None:
    b = Bench()
    b.give(Foreseen(b.ring(member="desk")), Foreseen(b.ring("c1.2", member="", number="600100")))
    b.give(Foreseen(b.ring("c1.3", member="nobody")))
    assert b.texts() == []
    assert b.core.sizes()["questions"] == 0


def test_a_caller_is_held_once_his_phone_is_rung() -> None:
    b = Bench()
    b.arrive()
    b.mute = True
    b.give(b.ring(), b.hold())
    assert b.said() == []
    (asked,) = [c for c in b.out if isinstance(c, Api) and c.text.startswith("sofia_contact")]
    b.give(Reply(asked.ref, b.contacts["1001@lab"]))
    assert b.said()
    order = [type(c).__name__ for c in b.out]
    assert order.index("BgApi") < order.index("Execute")


def test_a_caller_is_held_soon_where_the_switch_does_not_say_where_to_ring() -> None:
    b = Bench()
    b.arrive()
    b.mute = True
    b.give(b.ring(), b.hold())
    b.wait(0.01)
    assert b.said()


def test_nothing_comes_between_a_hold_and_what_the_rules_say_next() -> None:
    b = Bench()
    b.arrive()
    b.mute = True
    b.give(b.ring(), b.hold(), Withdraw("c1.1", "caller_gone"))
    assert b.said()


def test_a_withdrawal_given_twice_ends_the_offer_once() -> None:
    b = Bench()
    b.ringing()
    b.give(Withdraw("c1.1", "timeout"), Withdraw("c1.1", "elsewhere"))
    b.see("CHANNEL_HANGUP", U)
    b.give(Withdraw("c1.1", "timeout"))
    assert len(b.got(OfferEnded)) == 1


def test_an_offer_of_a_predecessor_is_killed_by_its_derived_uuids() -> None:
    b = Bench()
    assert b.give(Withdraw("c0.3", "timeout")) == [OfferEnded("c0.3", "withdrawn", "not known")]
    assert f"uuid_kill {leg_uuid('pbx', 'c0.3', 0)} ORIGINATOR_CANCEL" in b.texts()


# --- technical timers


def test_a_lost_job_is_found_out_and_the_offer_lost() -> None:
    b = Bench()
    b.give(b.ring())
    assert b.wait(5.9) == [], "asked after five seconds, and once more"
    assert b.wait(0.2) == [OfferEnded("c1.1", "lost", "LOST")]


def test_a_phone_that_exists_without_events_is_not_lost() -> None:
    b = Bench()
    b.give(b.ring())
    b.alive.append(U)
    assert b.wait(6) == []


def test_an_originate_that_outlives_its_time_is_killed_and_ended() -> None:
    b = Bench()
    b.ringing()
    b.wait(24.1)
    assert b.texts("uuid_kill")
    b.alive.remove(U)
    assert [type(given) for given in b.wait(2)] == [OfferEnded]


# --- a key to accept


def test_a_key_is_asked_for_and_only_it_is_an_answer() -> None:
    b = Bench()
    b.give(b.ring(member="", number="600", key="1"))
    assert re.search(
        r" 'm:\^:play_and_get_digits:1 1 3 5000 # tone_stream://\S+ \S+ digit 1 3000\^park' inline$",
        b.texts("originate")[0],
    )
    b.see("CHANNEL_CREATE", U)
    assert b.see("CHANNEL_ANSWER", U) == []
    assert b.see("CHANNEL_PARK", U, accept_digit="1") == [Answered("c1.1")]


@pytest.mark.parametrize(
    ("prompt", "heard"),
    [
        ("/prompts/press,1.wav", "/prompts/press,1.wav"),
        ("/prompts/$x", dialling.ACCEPT_TONES),
        ("", dialling.ACCEPT_TONES),
    ],
)
def test_who_is_asked_for_a_key_hears_the_steps_prompt_or_tones_where_none_can_be_played(
    prompt: str, heard: str
) -> None:
    b = Bench()
    b.give(b.ring(member="", number="600", key="1", prompt=prompt))
    assert f" # {heard} " in b.texts("originate")[0]


def test_keys_sent_by_sip_info_are_heard_where_one_is_asked_for() -> None:
    b = Bench()
    b.give(b.ring(member="", number="600", key="1"))
    assert braces(b.texts("originate")[0])["rtp_liberal_dtmf"] == "true"


@pytest.mark.parametrize("digit", ["", "2"])
def test_without_the_key_the_leg_is_killed(digit: str) -> None:
    b = Bench()
    b.give(b.ring(member="", number="600", key="1"))
    b.see("CHANNEL_CREATE", U)
    b.see("CHANNEL_ANSWER", U)
    assert b.see("CHANNEL_PARK", U, accept_digit=digit) == []
    assert b.texts("uuid_kill") == [f"uuid_kill {U} NORMAL_CLEARING"]
    (ended,) = b.see("CHANNEL_HANGUP", U)
    assert isinstance(ended, OfferEnded)
    assert ended.outcome == "declined"


def test_a_phone_killed_for_outliving_its_time_does_not_answer_any_more() -> None:
    b = Bench()
    b.ringing()
    b.wait(24.1)
    assert b.see("CHANNEL_ANSWER", U) == []


def test_a_leg_that_shows_after_its_offer_was_given_up_is_killed() -> None:
    b = Bench()
    b.give(b.ring())
    b.wait(6.1)
    b.clear()
    uuid = leg_uuid("pbx", "c1.1", 0)
    assert b.see("CHANNEL_CREATE", uuid, direction="outbound", fsq_owner="pbx", fsq_offer="c1.1") == []
    assert b.texts("uuid_kill") == [f"uuid_kill {uuid} LOSE_RACE"]


def test_a_leg_of_an_offer_that_this_process_does_not_know_is_let_be() -> None:
    b = Bench()
    b.see("CHANNEL_CREATE", "other", direction="outbound", fsq_owner="pbx", fsq_offer="c9.1")
    b.see("CHANNEL_CREATE", "another", direction="outbound", fsq_owner="strangers", fsq_offer="c1.1")
    assert not b.texts("uuid_kill")


# --- when an answer may come


def test_there_is_news_to_wait_for_from_an_originate_to_its_end() -> None:
    b = Bench()
    assert not b.core.ringing
    b.give(b.ring())
    assert b.core.ringing
    b.see("CHANNEL_CREATE", U)
    b.see("CHANNEL_ANSWER", U)
    assert b.core.ringing, "the bridge waits for its end"
    b.see("CHANNEL_PARK", U)
    assert not b.core.ringing
    b.give(b.ring("c2.1", "jan"))
    assert b.core.ringing
    b.job("c2.1", "-ERR NO_ANSWER")
    assert not b.core.ringing
