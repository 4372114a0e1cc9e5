"""Registrations and other calls of members (M1)."""

from __future__ import annotations

import pytest

from fsqueue.engine.messages import OtherCall, Reach
from fsqueue.switch.messages import LinkUp, NewFacts, Phone, SwitchFacts
from tests.switch.bench import FACTS, Bench, event, leg

OTHER = "79f3fd1f-0a7f-4118-8163-3dbf82848d52"


def test_every_members_registrations_are_known_before_the_first_snapshot() -> None:
    b = Bench(link=False)
    b.contacts.pop("1002@lab")
    names = [type(given).__name__ for given in b.give(LinkUp("core-1"))]
    assert names == ["Reach", "Reach", "Reach", "Snapshot"]
    said = {given.member: given.reachable for given in b.got(Reach)}
    assert said == {"anna": True, "jan": False, "desk": True}


@pytest.mark.parametrize(
    "hint",
    [
        event("sofia::register", from_user="1001", from_host="lab"),
        event("sofia::unregister", from_user="1001", from_host="lab", contact=""),
        event("sofia::expire", reg_user="1001", reg_host="lab"),
        event("sofia::sip_user_state", from_user="1001", from_host="lab", ping_status="UNREACHABLE"),
    ],
)
def test_an_event_that_hints_at_a_change_is_not_believed_but_asked_about(hint: object) -> None:
    b = Bench()
    b.contacts.clear()
    assert b.give(hint) == [Reach("main", "anna", reachable=False)]  # type: ignore[arg-type]
    assert b.texts("sofia_contact") == ["sofia_contact */1001@lab"]


def test_registrations_of_strangers_and_of_other_domains_are_nobodys() -> None:
    b = Bench()
    b.give(
        event("sofia::register", from_user="9", from_host="lab"),
        event("sofia::register", from_user="1001", from_host="x"),
    )
    assert b.out == []


def test_new_members_are_asked_about() -> None:
    b = Bench()
    b.give(NewFacts(SwitchFacts(owner="pbx", phones={"jan": FACTS.phones["jan"]})))
    assert b.inputs == [Reach("main", "jan", reachable=True)]


def test_a_call_to_a_member_is_his_other_call_until_it_ends() -> None:
    b = Bench()
    assert b.see("CHANNEL_CREATE", OTHER, direction="outbound", presence_id="1001@lab") == [
        OtherCall(leg(OTHER), "anna", present=True)
    ]
    assert b.see("CHANNEL_ANSWER", OTHER, direction="outbound", presence_id="1001@lab") == []
    assert b.see("CHANNEL_HANGUP", OTHER, direction="outbound", presence_id="1001@lab") == [
        OtherCall(leg(OTHER), "anna", present=False)
    ]
    assert b.see("CHANNEL_HANGUP_COMPLETE", OTHER, direction="outbound", presence_id="1001@lab") == []


def test_a_call_by_a_member_is_known_by_whom_the_switch_authenticated() -> None:
    b = Bench()
    shown = {"direction": "inbound", "sip_auth_user": "1001", "sip_auth_realm": "lab", "destination": "6100"}
    assert b.see("CHANNEL_CREATE", OTHER, **shown) == [OtherCall(leg(OTHER), "anna", present=True)]


def test_what_a_caller_says_of_himself_makes_no_other_call() -> None:
    b = Bench()
    shown = {
        "direction": "inbound",
        "presence_id": "1001@lab",
        "caller_number": "1001",
        "channel_name": "sofia/internal/1001@lab",
    }
    assert b.see("CHANNEL_CREATE", OTHER, **shown) == []


def test_our_own_legs_are_no_other_calls() -> None:
    b = Bench()
    uuid = b.ringing()
    assert b.got(OtherCall) == []
    late = {"direction": "outbound", "presence_id": "1001@lab", "fsq_owner": "pbx"}
    b.see("CHANNEL_HANGUP", uuid, **late)
    assert b.see("CHANNEL_HANGUP_COMPLETE", uuid, **late) == b.see("CHANNEL_PARK", uuid, **late) == []


def test_a_leg_that_turns_out_to_be_ours_is_no_other_call_any_more() -> None:
    b = Bench()
    shown = {"direction": "inbound", "sip_auth_user": "1001", "sip_auth_realm": "lab", "destination": "7001"}
    b.see("CHANNEL_CREATE", OTHER, **shown)
    assert b.see("CHANNEL_PARK", OTHER, fsq_owner="pbx", **shown) == [OtherCall(leg(OTHER), "anna", present=False)]


def test_a_member_who_was_sent_on_to_somebody_else_is_on_the_phone_whatever_we_have_written_on_his_channel() -> None:
    b = Bench(link=False)
    b.rows = [{"uuid": OTHER, "direction": "inbound", "application": "bridge"}]
    b.rows[0]["presence_data"] = "fsq1|pbx|call|c1|sales|1"
    b.answers = {f"eval uuid:{OTHER}": "1001@lab"}
    b.alive = [OTHER]
    b.give(LinkUp("core-1"))
    assert OtherCall(leg(OTHER), "anna", present=True) in b.inputs
    shown = {"direction": "inbound", "fsq_owner": "pbx", "fsq_call": "c1"}
    assert b.see("CHANNEL_ANSWER", OTHER, **shown) == b.see("CHANNEL_BRIDGE", OTHER, **shown) == []
    assert OtherCall(leg(OTHER), "anna", present=False) in b.see("CHANNEL_HANGUP", OTHER, **shown)


def test_dialling_one_of_our_codes_is_no_other_call() -> None:
    b = Bench()
    shown = {"direction": "inbound", "sip_auth_user": "1001", "sip_auth_realm": "lab"}
    assert b.see("CHANNEL_CREATE", OTHER, destination="*81002", **shown) == []


def test_calls_that_began_before_the_link_are_asked_for() -> None:
    b = Bench(link=False)
    b.rows = [
        {"uuid": OTHER, "direction": "outbound", "presence_id": "1001@lab"},
        {"uuid": "by-jan", "direction": "inbound", "presence_id": "1001@lab"},
    ]
    b.answers["eval uuid:by-jan"] = "1002@lab"
    b.alive = [OTHER, "by-jan"]
    b.give(LinkUp("core-1"))
    assert b.got(OtherCall) == [
        OtherCall(leg(OTHER), "anna", present=True),
        OtherCall(leg("by-jan"), "jan", present=True),
    ]


def test_a_call_that_began_just_before_the_link_is_seen_although_the_channel_table_is_late() -> None:
    b = Bench(link=False)
    b.alive = [OTHER, "by-jan"]
    b.answers["eval uuid:by-jan"] = "1002@lab"
    b.give(LinkUp("core-1"))
    b.rows = [
        {"uuid": OTHER, "direction": "outbound", "presence_id": "1001@lab"},
        {"uuid": "by-jan", "direction": "inbound"},
    ]
    b.wait(1.1)
    assert [(seen.member, seen.present) for seen in b.got(OtherCall)] == [("anna", True), ("jan", True)]


def test_a_call_that_the_channel_table_still_shows_after_its_end_is_nobodys() -> None:
    b = Bench(link=False)
    b.rows = [{"uuid": OTHER, "direction": "outbound", "presence_id": "1001@lab"}]
    b.give(LinkUp("core-1"))
    b.wait(1.1)
    assert b.got(OtherCall) == []


def test_an_other_call_whose_end_was_missed_ends_at_the_next_snapshot() -> None:
    b = Bench()
    b.see("CHANNEL_CREATE", OTHER, direction="outbound", presence_id="1001@lab")
    b.alive.remove(OTHER)
    assert OtherCall(leg(OTHER), "anna", present=False) in b.wait(31)


def test_with_every_periodic_snapshot_some_members_are_asked_for_in_turn() -> None:
    phones = {f"m{n}": Phone(member=f"m{n}", dial=f"user/{n}@lab", user=f"{n}@lab") for n in range(120)}
    b = Bench(facts=SwitchFacts(owner="pbx", phones=phones))
    b.wait(1.5)
    asked = []
    for _ in range(3):
        b.clear()
        b.wait(30.0)
        asked.append(b.texts("sofia_contact"))
    assert [len(texts) for texts in asked] == [50, 50, 50]
    assert {*asked[0], *asked[1], *asked[2]} == {f"sofia_contact */{n}@lab" for n in range(120)}


def test_a_call_that_a_member_began_just_before_the_link_is_found_by_the_second_look() -> None:
    b = Bench(link=False)
    b.give(LinkUp("core-1"))
    assert b.got(OtherCall) == []
    b.answers["eval"] = "1001@lab"
    b.alive.append(OTHER)
    b.rows.append({"uuid": OTHER, "direction": "inbound", "state": "CS_EXECUTE", "dest": "9999", "context": "default"})
    b.wait(1.1)
    assert b.got(OtherCall) == [OtherCall(leg(OTHER), "anna", present=True)]
