"""What was measured on FreeSWITCH 1.11 and cost callers there, holds on the embedded switch too."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest

from fsqueue.esl.framing import Command
from fsqueue.simswitch.people import CallerScript, Reaction
from fsqueue.simswitch.timing import Timing

from .conftest import Client, Lab, LabMaker

CALM = Timing(heartbeat=0, overtaken=0)


def uuid(lab: Lab, nth: int = 0) -> str:
    leg = lab.world.callers[nth].leg
    assert leg is not None
    return leg.uuid


def seen(lab: Lab, who: str) -> list[str]:
    return [one.what for one in lab.world.sightings if one.who == who]


def ends(lab: Lab, leg: str = "") -> list[str]:
    return [
        e["Hangup-Cause"]
        for e in lab.client.events
        if e["Event-Name"] == "CHANNEL_HANGUP" and leg in ("", e["Unique-ID"])
    ]


# Taking a call.


@pytest.mark.parametrize(
    "serve",
    [
        lambda _client: None,
        lambda client: client.session.close(),
        lambda client: client.send("connect") and client.session.close(),
    ],
    ids=["mute", "closes at once", "dies with its connect"],
)
def test_a_daemon_that_is_mute_or_dies_keeps_a_caller_only_until_the_scheduled_fallback(
    make_lab: LabMaker, serve: Callable[[Client], None]
) -> None:
    lab = make_lab(serve=serve)
    lab.call()
    lab.run(5)
    assert ends(lab) == []
    lab.run(1.5)
    assert ends(lab) == ["NORMAL_TEMPORARY_FAILURE"]


def test_a_daemon_that_dies_a_moment_after_its_connect_leaves_him_to_the_dialplan_at_once(make_lab: LabMaker) -> None:
    def serve(client: Client) -> None:
        client.send("connect")
        lab.world.agenda.after(0.005, client.session.close)

    lab = make_lab(serve=serve)
    lab.call()
    lab.run(1)
    assert ends(lab) == ["NORMAL_TEMPORARY_FAILURE"]


def test_what_it_had_said_before_is_done_first(make_lab: LabMaker) -> None:
    def serve(client: Client) -> None:
        client.send("connect")
        client.execute("transfer", "'park:' inline")
        lab.world.agenda.after(0.005, client.session.close)

    lab = make_lab(serve=serve)
    lab.call()
    lab.run(1)
    assert ends(lab) == []


def test_without_that_schedule_he_is_parked_for_ever(make_lab: LabMaker) -> None:
    def serve(client: Client) -> None:
        client.send("connect")
        assert client.session.leg is not None
        lab.client.send(f"api sched_del {client.session.leg.uuid}")
        client.session.close()

    lab = make_lab(serve=serve)
    lab.call()
    lab.run(85)
    assert ends(lab) == []


def test_with_nobody_listening_the_dialplan_goes_on(make_lab: LabMaker) -> None:
    lab = make_lab(serve=None)
    lab.call()
    lab.run(1)
    assert ends(lab) == ["NORMAL_TEMPORARY_FAILURE"]


# A call that is handed over parked.


def test_a_parked_call_says_so_before_the_park_and_is_taken_by_two_commands(make_lab: LabMaker) -> None:
    lab = make_lab(hand_over="park", timing=CALM)
    lab.call()
    assert lab.until("fsqueue::arrival")["Caller-Destination-Number"] == "7001"
    told = f"x=1;fsqueue_deadline={int(lab.world.now) + 600};fsqueue_music=local_stream://default"
    assert lab.client.send(f"api uuid_setvar_multi {uuid(lab)} {told}").startswith("+OK")
    assert lab.client.send(
        f"api uuid_transfer {uuid(lab)} 'answer,transfer:fsqueue-hold XML fsqueue' inline"
    ).startswith("+OK")
    hold = lab.until("fsqueue::hold")
    assert (hold["Answer-State"], hold["variable_x"]) == ("answered", "1")
    assert [line.split()[0] for line in lab.told()] == [
        "CHANNEL_CREATE",
        "fsqueue::arrival",
        "CHANNEL_PARK",
        "CHANNEL_ANSWER",
        "fsqueue::hold",
    ]
    lab.run(60)
    assert ends(lab) == []  # the hold has taken the schedule back


def test_a_parked_call_that_nobody_takes_goes_to_the_fallback_unanswered(make_lab: LabMaker) -> None:
    lab = make_lab(hand_over="park", timing=CALM)
    lab.call()
    lab.run(5.5)
    assert ends(lab) == []
    lab.run(1)
    assert ends(lab) == ["NORMAL_TEMPORARY_FAILURE"]
    assert "answered" not in seen(lab, "5551")


def test_a_parked_code_that_nobody_takes_ends_by_its_own_time(make_lab: LabMaker) -> None:
    lab = make_lab(hand_over="park", timing=CALM)
    lab.call(to="*90")
    lab.run(7)
    assert ends(lab) == ["NORMAL_TEMPORARY_FAILURE"]


def test_without_a_lease_nobody_is_parked(make_lab: LabMaker) -> None:
    lab = make_lab(hand_over="park", timing=CALM)
    lab.client.send("api hash delete/fsqueue/alive-fsqueue")
    lab.call()
    lab.run(0.5)
    assert ends(lab) == ["NORMAL_TEMPORARY_FAILURE"]


def test_the_table_shows_a_parked_call_where_it_is(make_lab: LabMaker) -> None:
    lab = make_lab(hand_over="park", timing=CALM)
    lab.call()
    lab.run(0.5)
    (row,) = json.loads(lab.client.send("api show channels as json"))["rows"]
    assert (row["state"], row["application"], row["context"], row["dest"]) == ("CS_EXECUTE", "park", "fsqueue", "7001")
    dump = json.loads(lab.client.send(f"api uuid_dump {uuid(lab)} json"))
    assert (dump["variable_current_application"], dump["Answer-State"]) == ("park", "ringing")


def test_an_unknown_application_says_ok_and_hangs_up_the_call(make_lab: LabMaker) -> None:
    def serve(client: Client) -> None:
        client.send("connect")
        assert client.execute("no_such_application") == "+OK"

    lab = make_lab(serve=serve)
    lab.call()
    lab.run(1)
    assert ends(lab) == ["DESTINATION_OUT_OF_ORDER"]


def test_a_caller_who_is_gone_still_takes_every_message(make_lab: LabMaker) -> None:
    def serve(client: Client) -> None:
        client.send("linger")
        client.send("connect")
        lab.world.callers[0].hang_up()
        assert client.execute("answer") == "+OK"

    lab = make_lab(serve=serve)
    lab.call()
    lab.run(1)
    assert ends(lab) == ["ORIGINATOR_CANCEL"]


def test_the_connect_reply_has_the_call_url_encoded_and_no_length(make_lab: LabMaker) -> None:
    raw: list[bytes] = []

    def serve(client: Client) -> None:
        client.session.take(Command("connect"))
        raw.extend(client.session.outbox)

    lab = make_lab(serve=serve)
    lab.world.call(CallerScript(number="5551", name="a%0Ab: c", to="7001"))
    lab.run(0.1)
    text = raw[0].decode()
    assert "Caller-Caller-ID-Name: a%0Ab%3A%20c\n" in text
    assert text.endswith("Content-Type: command/reply\nReply-Text: %2BOK%0A\nSocket-Mode: async\nControl: full\n\n")
    assert "Content-Length" not in text


def test_an_unauthenticated_colleague_is_named_by_nothing_but_his_from_header(lab: Lab) -> None:
    lab.phone("1003", auth=False)
    lab.world.call(CallerScript(number="1003", name="x", to="7001", user="1003@lab"))
    created = lab.until("CHANNEL_CREATE")
    assert created["Channel-Presence-ID"] == "1003@lab"
    assert "variable_sip_auth_username" not in created


# The hold.


def test_a_hold_says_so_every_lap_of_30_seconds(lab: Lab) -> None:
    lab.waiting()
    began = lab.world.now
    lab.until("fsqueue::hold", seconds=40)
    assert 30 <= lab.world.now - began < 30.1


def test_a_hold_ends_in_the_fallback_when_the_lease_or_the_callers_own_deadline_is_over(lab: Lab) -> None:
    caller = lab.waiting()
    assert caller.leg is not None
    caller.leg.variables["fsqueue_deadline"] = str(int(lab.world.now) + 20)
    lab.run(35)
    assert ends(lab) == ["NORMAL_TEMPORARY_FAILURE"]
    assert any(e.get("Event-Subclass") == "fsqueue::fallback" for e in lab.client.events)


def test_music_that_cant_be_played_never_makes_more_than_one_lap_a_second(lab: Lab) -> None:
    caller = lab.waiting()
    assert caller.leg is not None
    caller.leg.variables["fsqueue_music"] = "/no/such/file.wav"
    lab.run(100)
    laps = [
        float(e["Event-Date-Timestamp"]) / 1e6 for e in lab.client.events if e.get("Event-Subclass") == "fsqueue::hold"
    ]
    assert len(laps) > 3
    assert all(later - earlier >= 1 for earlier, later in pairwise(laps))


def test_keys_start_a_new_lap_unless_the_terminators_are_none(lab: Lab) -> None:
    caller = lab.waiting()
    assert caller.leg is not None
    lab.run(5)
    caller.press("*")
    lab.run(1)
    assert len([line for line in lab.told() if line.startswith("fsqueue::hold")]) == 1
    caller.leg.variables.pop("playback_terminators")
    caller.press("*")
    lab.run(1)
    assert len([line for line in lab.told() if line.startswith("fsqueue::hold")]) == 2


@pytest.mark.parametrize("words", ["uuid_transfer {c} hangup:USER_BUSY inline", "uuid_bridge {c} m1"])
def test_a_command_that_moves_a_caller_before_his_hold_stands_is_lost_without_an_error(
    make_lab: LabMaker, words: str
) -> None:
    def serve(client: Client) -> None:
        client.hand_over()
        assert lab.client.send("api " + words.format(c=uuid(lab))).startswith("+OK")

    lab = make_lab(serve=serve)
    lab.offer("m1", lab.phone("1001", Reaction(after=0)))
    lab.until("CHANNEL_PARK", "m1")
    lab.call()
    lab.until("fsqueue::hold")
    lab.run(5)
    assert ends(lab) == []
    assert not any("CHANNEL_BRIDGE" in line for line in lab.told())


def test_the_same_command_at_the_first_hold_event_works(lab: Lab) -> None:
    lab.waiting()
    lab.client.send(f"api uuid_transfer {uuid(lab)} hangup:USER_BUSY inline")
    lab.run(1)
    assert ends(lab) == ["USER_BUSY"]


def test_a_comma_in_an_inline_argument_splits_it_and_the_call_is_hung_up(lab: Lab) -> None:
    lab.waiting()
    lab.client.send(f"api uuid_transfer {uuid(lab)} 'set:a=b,c' inline")
    lab.run(1)
    assert ends(lab) == ["DESTINATION_OUT_OF_ORDER"]


def test_a_pre_answered_caller_is_answered_by_the_bridge(make_lab: LabMaker) -> None:
    def serve(client: Client) -> None:
        client.send("connect")
        client.execute("pre_answer")
        client.execute("multiset", "fsqueue_deadline=1900000000 fsqueue_music=local_stream://x")
        client.execute("transfer", "fsqueue-hold XML fsqueue")

    lab = make_lab(serve=serve, answer="pre_answer")
    lab.waiting()
    assert "answered" not in seen(lab, "5551")
    lab.offer("m1", lab.phone("1001", Reaction(after=0)))
    lab.until("CHANNEL_ANSWER", "m1")
    lab.client.send(f"api uuid_bridge {uuid(lab)} m1")
    lab.until("CHANNEL_BRIDGE")
    assert seen(lab, "5551")[-2:] == ["answered", "connected"]


def test_a_caller_who_only_hears_ringing_is_dropped_by_a_bridge_unless_pre_answered(make_lab: LabMaker) -> None:
    def serve(client: Client) -> None:
        client.send("connect")
        client.execute("ring_ready")
        client.execute("set", "fsqueue_deadline=1900000000")
        client.execute("transfer", "fsqueue-hold XML fsqueue")

    for saved in (False, True):
        lab = make_lab(serve=serve, answer="ring_ready")
        lab.waiting()
        lab.offer("m1", lab.phone("1001", Reaction(after=0)))
        lab.until("CHANNEL_ANSWER", "m1")
        if saved:
            assert lab.client.send(f"api uuid_pre_answer {uuid(lab)}").startswith("+OK")
        lab.client.send(f"api uuid_bridge {uuid(lab)} m1")
        lab.run(1)
        assert any("CHANNEL_BRIDGE" in line for line in lab.told()) is saved
        assert bool(ends(lab, uuid(lab))) is not saved


# Offers.


def test_a_kill_before_the_channel_exists_lets_the_phone_ring_on(lab: Lab) -> None:
    lab.offer("m1", lab.phone("1001"))
    assert lab.client.send("api uuid_kill m1 LOSE_RACE") == "-ERR No such channel!\n"
    lab.run(3)
    assert seen(lab, "1001@lab") == ["ringing"]
    lab.client.send("api uuid_kill m1 LOSE_RACE")
    lab.run(1)
    assert [s.detail for s in lab.world.sightings if s.what == "cancelled"] == ["completed elsewhere"]


def test_a_user_dial_string_rings_the_first_contact_only(lab: Lab) -> None:
    lab.phone("1001", contacts=2)
    lab.client.send("bgapi originate {origination_uuid=m1}user/1001@lab &park()", "Job-UUID: j")
    lab.run(1)
    created = lab.until("CHANNEL_HANGUP", seconds=70)
    assert (created["variable_dialed_user"], created["Channel-Presence-ID"]) == ("1001", "1001@lab")
    assert seen(lab, "1001@lab") == ["ringing", "cancelled"]


def test_a_contact_with_the_separator_in_it_rings_somebody_else_without_our_variables(lab: Lab) -> None:
    lab.phone("1001")
    lab.phone("1002")
    contact = lab.client.send("api sofia_contact */1001@lab").strip() + ";x=:_:user/1002@lab"
    lab.client.send(f"bgapi originate {{origination_uuid=m1,fsqueue_owner=fsqueue}}{contact} &park()", "Job-UUID: j")
    lab.run(1)
    assert seen(lab, "1002@lab") == ["ringing"]
    stranger = next(leg for leg in lab.world.legs.values() if leg.uuid != "m1")
    assert "fsqueue_owner" not in stranger.variables


def test_a_name_keeps_the_backslashes_of_sip_and_loses_its_percents_and_dollars(lab: Lab) -> None:
    lab.world.call(CallerScript(number="5551", name='a "b" %41${x}\t%00c', to="7001"))
    lab.run(0.01)
    assert next(iter(lab.world.legs.values())).caller_name == 'a \\"b\\" A%{x} '


@pytest.mark.parametrize(
    ("dial", "cause"),
    [
        ("user/nobody@lab", "SUBSCRIBER_ABSENT"),
        ("user/1001@lab", "USER_NOT_REGISTERED"),
        ("error/user_not_registered", "USER_NOT_REGISTERED"),
    ],
)
def test_who_cant_be_rung_gives_the_job_alone(lab: Lab, dial: str, cause: str) -> None:
    lab.phone("1001", registered=False)
    lab.client.send(f"bgapi originate {{origination_uuid=m1}}{dial} &park()", "Job-UUID: j")
    assert lab.until("BACKGROUND_JOB")["_body"] == f"-ERR {cause}\n"
    assert not any("CHANNEL" in line for line in lab.told())


def test_a_switch_that_refuses_calls_says_out_of_order_and_503(lab: Lab) -> None:
    lab.client.send("api fsctl pause")
    lab.offer("m1", lab.phone("1001"))
    assert lab.until("BACKGROUND_JOB")["_body"] == "-ERR DESTINATION_OUT_OF_ORDER\n"
    lab.call()
    lab.run(1)
    assert [s.detail for s in lab.world.sightings if s.what == "gone"] == ["NORMAL_TEMPORARY_FAILURE by the switch"]


def test_a_redirect_is_not_followed(lab: Lab) -> None:
    lab.offer("m1", lab.phone("1001", Reaction(kind="reject", after=0.5, code=302)), outbound_redirect_fatal="true")
    assert lab.until("BACKGROUND_JOB")["_body"] == "-ERR REQUESTED_CHAN_UNAVAIL\n"


def test_a_park_timeout_ends_a_member_whom_nobody_fetches(lab: Lab) -> None:
    lab.offer("m1", lab.phone("1001", Reaction(after=0)), park_timeout="5:ALLOTTED_TIMEOUT")
    lab.until("CHANNEL_PARK", "m1")
    lab.run(6)
    assert ends(lab) == ["ALLOTTED_TIMEOUT"]


def test_a_park_timeout_does_not_run_in_a_talk(lab: Lab) -> None:
    lab.waiting()
    lab.offer("m1", lab.phone("1001", Reaction(after=0)), park_timeout="5")
    lab.until("CHANNEL_PARK", "m1")
    lab.client.send(f"api uuid_bridge {uuid(lab)} m1")
    lab.run(20)
    assert ends(lab) == []


def test_names_are_percent_decoded_on_their_way_to_the_phone(lab: Lab) -> None:
    lab.offer("m1", lab.phone("1001"), origination_caller_id_name="a%0D%0AX-Evil%3A 1")
    lab.run(1)
    assert [s.detail for s in lab.world.sightings if s.what == "ringing"] == ["a\r\nX-Evil: 1"]


def test_a_running_offer_survives_the_link_and_its_job_is_told_to_whoever_listens_then(lab: Lab) -> None:
    lab.offer("m1", lab.phone("1001", Reaction(after=1)))
    lab.client.session.close()
    other = Client(lab.world.open())
    other.send("auth ClueCon")
    other.send("event json BACKGROUND_JOB")
    lab.run(3)
    assert [event["_body"] for event in other.events] == ["+OK m1\n"]


# Bridging.


def test_a_bridge_that_overtakes_the_park_mostly_swallows_it_and_its_job_tells_of_a_cancel(make_lab: LabMaker) -> None:
    parks = jobs = 0
    for seed in range(67):
        lab = make_lab(timing=Timing(heartbeat=0), seed=seed)
        lab.waiting()
        lab.offer("m1", lab.phone("1001", Reaction(after=0)))
        lab.until("CHANNEL_ANSWER", "m1")
        lab.client.send(f"api uuid_bridge {uuid(lab)} m1")
        lab.until("CHANNEL_BRIDGE")
        parks += any(line.startswith("CHANNEL_PARK M1") for line in lab.told())
        jobs += "BACKGROUND_JOB -ERR ORIGINATOR_CANCEL" in lab.told()
    assert parks + jobs == 67
    assert 12 <= parks <= 36


def test_a_missed_bridge_leaves_the_member_silent_without_event_or_timer(make_lab: LabMaker) -> None:
    def serve(client: Client) -> None:
        client.hand_over()
        lab.client.send(f"api uuid_bridge {uuid(lab)} m1")

    lab = make_lab(serve=serve)
    lab.offer("m1", lab.phone("1001", Reaction(after=0)), park_timeout="5")
    lab.until("CHANNEL_PARK", "m1")
    lab.call()
    lab.until("fsqueue::hold")
    told = len(lab.told())
    lab.run(25)
    assert len(lab.told()) == told
    assert lab.client.send("api uuid_exists m1") == "true"


def test_members_who_hang_up_around_the_bridge_never_take_the_caller_along(make_lab: LabMaker) -> None:
    for milliseconds in range(0, 160, 5):
        lab = make_lab()
        lab.waiting()
        lab.offer("m1", lab.phone("1001", Reaction(after=0.1, stays=milliseconds / 1000)))
        event = lab.until("CHANNEL_ANSWER" if milliseconds > 15 else "CHANNEL_HANGUP", "m1")
        if event["Event-Name"] == "CHANNEL_ANSWER":
            lab.client.send(f"api uuid_bridge {uuid(lab)} m1")
        lab.run(35)
        assert ends(lab, uuid(lab)) == []
        assert seen(lab, "5551")[-1] == "music"


def test_a_transfer_after_bridge_is_used_up_and_set_again_by_the_hold(lab: Lab) -> None:
    lab.waiting()
    for turn in ("m1", "m2", "m3"):
        lab.offer(turn, lab.phone(f"10{turn}", Reaction(after=0, stays=0.3)))
        lab.until("CHANNEL_ANSWER", turn)
        lab.client.send(f"api uuid_bridge {uuid(lab)} {turn}")
        lab.until("CHANNEL_BRIDGE")
        lab.until("fsqueue::hold")
    assert ends(lab, uuid(lab)) == []


def test_without_transfer_after_bridge_the_end_of_a_talk_hangs_him_up(lab: Lab) -> None:
    caller = lab.waiting()
    assert caller.leg is not None
    lab.offer("m1", lab.phone("1001", Reaction(after=0, stays=0.3)))
    lab.until("CHANNEL_ANSWER", "m1")
    lab.client.send(f"api uuid_bridge {uuid(lab)} m1")
    lab.client.send(f"api uuid_setvar {uuid(lab)} transfer_after_bridge")
    lab.run(1)
    assert ends(lab, uuid(lab)) == ["NORMAL_CLEARING"]


def test_park_after_bridge_wins(lab: Lab) -> None:
    caller = lab.waiting()
    assert caller.leg is not None
    caller.leg.variables["park_after_bridge"] = "true"
    lab.offer("m1", lab.phone("1001", Reaction(after=0, stays=0.3)))
    lab.until("CHANNEL_ANSWER", "m1")
    lab.client.send(f"api uuid_bridge {uuid(lab)} m1")
    assert lab.until("CHANNEL_PARK", uuid(lab))["Unique-ID"] == uuid(lab)


def test_the_wrong_order_of_a_bridge_kills_a_caller_whose_member_hangs_up(lab: Lab) -> None:
    lab.waiting()
    lab.offer("m1", lab.phone("1001", Reaction(after=0, stays=0.04)))
    lab.until("CHANNEL_ANSWER", "m1")
    lab.client.send(f"api uuid_bridge m1 {uuid(lab)}")
    lab.run(1)
    assert ends(lab, uuid(lab)) == ["NORMAL_CLEARING"]


def test_a_missed_bridge_in_the_wrong_order_hangs_up_both_20_seconds_later(make_lab: LabMaker) -> None:
    def serve(client: Client) -> None:
        client.hand_over()
        lab.client.send(f"api uuid_bridge m1 {uuid(lab)}")

    lab = make_lab(serve=serve)
    lab.offer("m1", lab.phone("1001", Reaction(after=0)))
    lab.until("CHANNEL_PARK", "m1")
    lab.call()
    lab.run(19)
    assert ends(lab) == []
    lab.run(3)
    assert sorted(ends(lab)) == ["NORMAL_CLEARING", "NORMAL_CLEARING"]


def test_of_two_bridges_to_one_caller_both_say_ok_and_one_member_is_left_silent(lab: Lab) -> None:
    lab.waiting()
    for name in ("m1", "m2"):
        lab.offer(name, lab.phone(f"10{name}", Reaction(after=0)))
    lab.until("CHANNEL_PARK", "m2")
    assert lab.client.send(f"api uuid_bridge {uuid(lab)} m1") == "+OK m1\n"
    assert lab.client.send(f"api uuid_bridge {uuid(lab)} m2") == "+OK m2\n"
    assert lab.until("CHANNEL_BRIDGE")["Bridge-B-Unique-ID"] == "m2"
    lab.run(5)
    assert ends(lab) == []
    assert lab.world.legs["m1"].bridge is None


def test_a_third_party_bridged_to_a_talking_caller_cuts_the_first(lab: Lab) -> None:
    lab.waiting()
    for name in ("m1", "m2"):
        lab.offer(name, lab.phone(f"10{name}", Reaction(after=0)))
    lab.until("CHANNEL_PARK", "m2")
    lab.client.send(f"api uuid_bridge {uuid(lab)} m1")
    lab.until("CHANNEL_BRIDGE")
    lab.client.send(f"api uuid_bridge {uuid(lab)} m2")
    lab.run(1)
    assert ends(lab, "m1") == ["NORMAL_CLEARING"]
    assert seen(lab, "5551")[-1] == "connected"


# Members, snapshots, events.


def test_registrations_are_told_with_their_own_names_for_each_kind(lab: Lab) -> None:
    phone = lab.phone("1001", contacts=2)
    registrar = lab.world.registrar
    registrar.unregister(phone)
    registrar.expire(registrar.phones["1001@lab"][1])
    lab.run(0.1)
    told = [(e["Event-Subclass"], e.get("from-user", ""), e.get("user", "")) for e in lab.client.events]
    assert told == [
        ("sofia::register", "1001", ""),
        ("sofia::register", "1001", ""),
        ("sofia::unregister", "1001", ""),
        ("sofia::expire", "", "1001"),
    ]
    assert lab.client.send("api sofia_contact */1001@lab") == "error/user_not_registered"


def test_a_colleagues_other_call_shows_by_the_presence_id_of_the_phone_it_rings(lab: Lab) -> None:
    lab.phone("1001")
    lab.phone("1002")
    lab.world.call(CallerScript(number="1002", name="x", to="1001", user="1002@lab"))
    first, second = lab.until("CHANNEL_CREATE"), lab.until("CHANNEL_CREATE")
    assert (first["Call-Direction"], first["variable_sip_auth_username"]) == ("inbound", "1002")
    assert (second["Call-Direction"], second["Channel-Presence-ID"]) == ("outbound", "1001@lab")


def test_filters_are_alternatives_and_drop_everything_else_jobs_too(lab: Lab) -> None:
    assert (
        lab.client.send("filter variable_fsqueue_owner fsqueue")
        == "+OK filter added. [variable_fsqueue_owner]=[fsqueue]"
    )
    lab.client.send("filter Channel-Presence-ID /^(1001|1002)@/")
    lab.waiting()
    assert [line.split()[0] for line in lab.told()] == ["CHANNEL_PARK", "CHANNEL_ANSWER", "fsqueue::hold"]
    lab.offer("m1", lab.phone("1001", Reaction(kind="reject", after=0)))
    lab.offer("m2", lab.phone("1005", Reaction(kind="reject", after=0)), presence_id="1005@lab")
    lab.run(1)
    assert [line.split()[:2] for line in lab.told()[3:]] == [
        ["CHANNEL_CREATE", "M1"],
        ["CHANNEL_HANGUP", "M1"],
        ["CHANNEL_HANGUP_COMPLETE", "M1"],
    ]


def test_keys_and_jobs_carry_no_variables(lab: Lab) -> None:
    lab.waiting(keys=((0.1, "1"),))
    assert not any(name.startswith("variable_") for name in lab.until("DTMF"))


def test_the_channel_table_is_behind_the_events(lab: Lab) -> None:
    lab.waiting()
    assert lab.client.send("api show channels like fsq1| as json") == '{"row_count": 0}\n'
    lab.run(1)
    (row,) = json.loads(lab.client.send("api show channels like fsq1| as json"))["rows"]
    assert (row["state"], row["application"], row["presence_data"]) == ("CS_EXECUTE", "playback", "fsq1|pbx|c1|sales|1")


def test_the_channel_table_tells_talking_callers_from_waiting_ones(lab: Lab) -> None:
    lab.waiting()
    lab.offer("m1", lab.phone("1001", Reaction(after=0)))
    lab.until("CHANNEL_PARK", "m1")
    lab.client.send(f"api uuid_bridge {uuid(lab)} m1")
    lab.run(1)
    rows = {row["uuid"]: row for row in json.loads(lab.client.send("api show channels as json"))["rows"]}
    assert (rows[uuid(lab)]["state"], rows[uuid(lab)]["application"]) == ("CS_SOFT_EXECUTE", "uuid_bridge")
    assert rows["m1"]["state"] == "CS_EXCHANGE_MEDIA"


def test_a_restarted_switch_has_another_core_and_no_calls(lab: Lab) -> None:
    lab.waiting()
    core = lab.world.core
    lab.world.crash()
    assert lab.client.session.closed
    again = Client(lab.world.open())
    again.send("auth ClueCon")
    assert again.send("api global_getvar core_uuid") == lab.world.core != core
    assert again.send("api hash select/fsqueue/alive-fsqueue") == "-ERR no reply\n"
    assert seen(lab, "5551")[-1] == "gone"


def test_a_transferring_caller_brings_the_members_leg_to_our_socket(lab: Lab) -> None:
    lab.waiting()
    lab.offer("m1", lab.phone("1001", Reaction(after=0)))
    lab.until("CHANNEL_ANSWER", "m1")
    lab.client.send(f"api uuid_bridge {uuid(lab)} m1")
    lab.until("CHANNEL_BRIDGE")
    lab.world.callers[0].transfer("7002")
    lab.run(0.1)
    arrived = lab.arrivals[-1].session.leg
    assert arrived is not None
    assert (arrived.uuid, arrived.direction) == ("m1", "outbound")
    assert ends(lab) == ["NORMAL_CLEARING"]


def test_a_transfer_after_bridge_is_used_up_where_nobody_sets_it_again(lab: Lab) -> None:
    condition = (
        '<condition field="destination_number" expression="^elsewhere$"><action application="park"/></condition>'
    )
    lab.world.dialplan.include(f'<include><extension name="elsewhere">{condition}</extension></include>', "aside")
    lab.waiting()
    lab.offer("m1", lab.phone("1001", Reaction(after=0, stays=0.3)))
    lab.until("CHANNEL_ANSWER", "m1")
    lab.client.send(f"api uuid_bridge {uuid(lab)} m1")
    lab.client.send(f"api uuid_setvar {uuid(lab)} transfer_after_bridge elsewhere:XML:aside")
    lab.run(1)
    assert lab.client.send(f"api uuid_getvar {uuid(lab)} transfer_after_bridge") == "_undef_"
    assert ends(lab, uuid(lab)) == []


@pytest.mark.parametrize("flipped", [True, False])
def test_who_was_transferred_before_the_variables_were_flipped_comes_back_after_his_talk_with_the_colleague(
    lab: Lab, flipped: bool
) -> None:
    lab.waiting()
    phone = lab.phone("1001", Reaction(after=0))
    lab.phone("1002", Reaction(after=0.5, talk=3))
    lab.offer("m1", phone)
    lab.until("CHANNEL_ANSWER", "m1")
    lab.client.send(f"api uuid_bridge {uuid(lab)} m1")
    lab.until("CHANNEL_BRIDGE")
    phone.transfer("1002")
    left = lab.until("CHANNEL_HANGUP", "m1")
    assert left["variable_endpoint_disposition"] == "BLIND_TRANSFER"
    if flipped:
        lab.client.send(f"api uuid_setvar_multi {uuid(lab)} transfer_after_bridge=;hangup_after_bridge=true")
    assert lab.until("CHANNEL_BRIDGE")["variable_sip_h_Referred-By"] == "<sip:1001@lab>"
    lab.run(10)
    assert bool(ends(lab, uuid(lab))) is flipped
    assert seen(lab, "5551")[-1] == ("gone" if flipped else "music")


def test_a_caller_whose_bridge_is_missed_in_a_laps_first_second_says_soon_that_he_is_back(lab: Lab) -> None:
    """His playback was broken off, so the lap takes his music for unplayable: that lap too must say that he holds."""
    lab.waiting()
    lab.offer("m1", lab.phone("1001", Reaction(after=0, stays=0.15)))
    lab.until("CHANNEL_ANSWER", "m1")
    lab.client.send(f"api uuid_bridge {uuid(lab)} m1")
    began = lab.world.now
    lab.until("CHANNEL_HANGUP", "m1")
    lab.until("fsqueue::hold")
    assert lab.world.now - began < 3.0


def test_a_bridge_that_meets_the_end_of_the_originate_is_lost_and_killing_the_member_frees_the_caller(lab: Lab) -> None:
    lab.world.timing = msgspec.structs.replace(lab.world.timing, lost=1.0)
    lab.waiting()
    lab.run(2)
    lab.offer("m1", lab.phone("1001", Reaction(after=0)))
    lab.until("CHANNEL_ANSWER", "m1")
    assert lab.client.send(f"api uuid_bridge {uuid(lab)} m1").startswith("+OK")
    lab.run(3)
    assert not any(event["Event-Name"] == "CHANNEL_BRIDGE" for event in lab.client.events)
    assert seen(lab, "5551")[-1] == "silence"
    lab.client.send("api uuid_kill m1")
    lab.until("fsqueue::hold")
    lab.run(0.1)
    assert seen(lab, "5551")[-1] == "music"


def test_a_few_milliseconds_later_the_same_bridge_stands(lab: Lab) -> None:
    lab.world.timing = msgspec.structs.replace(lab.world.timing, lost=1.0)
    lab.waiting()
    lab.run(2)
    lab.offer("m1", lab.phone("1001", Reaction(after=0)))
    lab.until("CHANNEL_ANSWER", "m1")
    lab.run(0.005)
    lab.client.send(f"api uuid_bridge {uuid(lab)} m1")
    lab.until("CHANNEL_BRIDGE")
