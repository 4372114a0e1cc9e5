"""What was measured of FreeSWITCH's offers and bridges, fact by fact: what each would cost, and that it costs nothing here.

One test for each, named after the fact, on the embedded switch; those that a real one can be brought to are scenarios of the
contract as well, which `ON_A_REAL_ONE` names.
"""

from __future__ import annotations

from random import Random

import pytest
from msgspec.structs import replace

from fsqueue.config.check import check_text
from fsqueue.simswitch.faults import Fault, Faults
from fsqueue.simswitch.people import Reaction
from fsqueue.switch.ids import job_uuid
from tests.contract import scenarios_freezing, scenarios_people, scenarios_restarts
from tests.contract.scenarios import SCENARIOS
from tests.virtual.stage import ANNA, CONFIG, SALES, SUPPORT, Stage

TALKS = Reaction(after=2.0, talk=6.0)

ON_A_REAL_ONE: dict[str, tuple[str, ...]] = {
    "a_bridge_at_the_answer_overtakes_park_and_job": ("answered-and-the-member-hangs-up", "two-members-answer-at-once"),
    "user_dial_strings_ring_the_first_contact_only": ("two-phones-of-one-member",),
    "a_dead_contact_keeps_the_others_from_nothing": ("two-phones-of-one-member",),
    "offers_fail_with_the_causes_of_their_jobs": (
        "busy-then-the-next-member", "declined-then-the-next-member", "no-answer-then-the-next-member",
        "window-as-the-phone-sees-it", "redirect-is-never-followed",
    ),
    "an_unregistered_user_gives_nothing_but_the_job": ("all-members-unregistered", "a-phone-registers-while-a-caller-waits"),
    "a_running_originate_survives_the_link": ("killed-with-everything-under-way", "restarted-with-everything-under-way"),
    "our_own_deadline_ends_an_offer": ("window-as-the-phone-sees-it",),
    "a_kill_before_the_channel_exists_says_no_such_channel": ("abandoned-while-ringing",),
    "a_withdrawn_phone_says_answered_elsewhere": ("to-all-answered-elsewhere", "pickup-by-code"),
    "after_a_kill_an_answer_is_nothing": ("two-members-answer-at-once", "answers-at-the-end-of-the-window"),
    "names_are_percent_decoded_into_the_header": ("hostile-names",),
    "who_holds_plays_the_music": ("hold-in-the-talk",),
    "a_member_who_hangs_up_at_once_costs_no_caller": (
        "member-gone-at-the-moment-of-answering", "member-gone-in-the-middle-of-bridging",
    ),
    "a_caller_who_hangs_up_around_the_bridge_leaves_no_member_behind": ("abandoned-while-ringing",),
    "bridging_a_caller_without_media_drops_him": (
        "ringback-until-a-member-answers", "pre-answer-until-a-member-answers",
    ),
    "a_talks_end_needs_nobody": ("ended-while-no-daemon-ran", "answered-and-the-caller-hangs-up"),
}  # fmt: skip


def test_every_scenario_that_is_named_exists() -> None:
    assert scenarios_freezing, scenarios_people
    assert scenarios_restarts
    known = {scenario.name for scenario in SCENARIOS}
    assert {name for names in ON_A_REAL_ONE.values() for name in names} <= known


def test_every_fact_that_is_named_has_its_test() -> None:
    assert {f"test_{name}" for name in ON_A_REAL_ONE} <= set(globals())


# --- offers ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_a_bridge_at_the_answer_overtakes_park_and_job(seed: int) -> None:
    """CHANNEL_PARK came for 24 of 67 member legs, and the job then said ORIGINATOR_CANCEL for an offer being bridged."""
    stage = Stage(seed=seed, answers={"1001": TALKS})
    stage.site.world.timing = replace(stage.site.world.timing, overtaken=1.0)
    stage.call()
    stage.wait(20.0)
    assert stage.reasons() == ["answered"]
    assert stage.wrong() == []


@pytest.mark.parametrize("late", [0.0, 0.05, 2.0, 8.0])
def test_the_job_comes_in_no_fixed_order(late: float) -> None:
    stage = Stage(answers={"1001": TALKS})
    stage.site.world.faults = Faults((Fault(kind="delay", of="BACKGROUND_JOB", seconds=late),))
    stage.call()
    stage.wait(20.0)
    assert stage.reasons() == ["answered"]
    assert stage.wrong() == []


def test_user_dial_strings_ring_the_first_contact_only() -> None:
    """So every contact is asked for, and rung by an originate and a uuid of its own."""
    stage = Stage(contacts=3)
    stage.call()
    stage.wait(1.0)
    assert len(stage.commands("originate ")) == 3
    assert len({text.partition("origination_uuid=")[2][:36] for text in stage.commands("originate ")}) == 3
    assert not [text for text in stage.commands("originate ") if "}user/" in text]
    assert len(stage.saw(ANNA, "ringing")) == 3


def test_a_dead_contact_keeps_the_others_from_nothing() -> None:
    """A phone rebooted on another port leaves a dead contact behind; what is there rings, and is answered."""
    stage = Stage(contacts=2, answers={"1001": TALKS})
    stage.phones[ANNA][0].contact = "sip:1001@127.0.0.1:1"
    stage.call()
    stage.wait(20.0)
    assert stage.reasons() == ["answered"]


def test_user_directory_variables_are_set_by_us() -> None:
    """`sofia/…` brings none: lamps, pickup and `show channels` need to know whose leg it is."""
    stage = Stage()
    stage.call()
    stage.wait(1.0)
    (text,) = stage.commands("originate ")
    assert "presence_id=1001@lab,dialed_user=1001,dialed_domain=lab" in text


CAUSES = {
    486: ("busy", "USER_BUSY"), 603: ("declined", "CALL_REJECTED"), 480: ("no_answer", "NO_USER_RESPONSE"),
    404: ("unreachable", "UNALLOCATED_NUMBER"), 503: ("unreachable", "NORMAL_TEMPORARY_FAILURE"),
}  # fmt: skip


@pytest.mark.parametrize("code", CAUSES)
def test_offers_fail_with_the_causes_of_their_jobs(code: int) -> None:
    stage = Stage(answers={"1001": Reaction(kind="reject", code=code, after=0.3)})
    stage.call(patience=3.0)
    stage.wait(10.0)
    assert stage.outcomes()[0] == CAUSES[code][0]


def test_a_phone_that_nobody_answers_ends_its_offer_as_not_answered() -> None:
    stage = Stage()
    stage.call(patience=25.0)
    stage.wait(17.0)
    assert stage.outcomes() == ["no_answer"]


def test_a_switch_at_its_limit_is_nobodys_fault() -> None:
    """DESTINATION_OUT_OF_ORDER without any channel event: back off, blame nobody, and ring when it takes calls again."""
    stage = Stage(answers={"1001": TALKS})
    stage.call()
    stage.wait(0.012)
    stage.site.world.refusing = True
    stage.wait(3.0)
    assert {*stage.outcomes()} == {"failed"}
    assert stage.daemon.engine.state.people["m1"].untaken == 0
    stage.site.world.refusing = False
    stage.wait(20.0)
    assert stage.reasons() == ["answered"]
    assert stage.wrong() == []


def test_an_unregistered_user_gives_nothing_but_the_job() -> None:
    stage = Stage()
    (phone,) = stage.phones[ANNA]
    stage.site.world.faults = Faults((Fault(kind="drop", of="*"),))  # nobody says that he is gone
    stage.site.world.registrar.unregister(phone)
    stage.wait(0.5)
    stage.site.world.faults = Faults()
    stage.call(patience=10.0)
    stage.wait(12.0)
    assert stage.outcomes() == ["unreachable"]
    assert stage.untrue() == []


def test_sometimes_no_job_arrives() -> None:
    stage = Stage(answers={"1001": Reaction(kind="reject", after=0.5)})
    stage.site.world.faults = Faults((Fault(kind="drop", of="BACKGROUND_JOB"),))
    stage.call(patience=20.0)
    stage.wait(25.0)
    assert stage.outcomes()[0] == "busy", "its channel's end tells"
    assert stage.wrong() == []


def test_neither_job_nor_channel_is_timed_out() -> None:
    stage = Stage()
    stage.site.world.faults = Faults((Fault(kind="drop", of="*"),))
    stage.call(patience=60.0)
    stage.wait(2.0)
    stage.site.world.faults = Faults()
    for leg in list(stage.site.world.legs.values()):
        if leg.direction == "outbound":
            stage.site.world.faults = Faults((Fault(kind="drop", of="*"),))
            stage.phones[ANNA][0].reject(486)
            stage.wait(0.5)
            stage.site.world.faults = Faults()
    stage.wait(40.0)
    assert stage.untrue() == []
    stage.slow.append((stage.now - 60.0, stage.now))
    assert stage.wrong() == []


def test_a_running_originate_survives_the_link() -> None:
    """Its job is broadcast to whoever listens then: after a reconnect it is asked for before anything is tried again."""
    stage = Stage(answers={"1001": Reaction(after=8.0, talk=5.0)})
    stage.call()
    stage.until(lambda: stage.offer_state() == "ringing")
    for _ in range(3):
        assert stage.daemon.link.wire is not None
        stage.daemon.link.wire.cut()
        stage.wait(2.0)
    stage.wait(20.0)
    assert len(stage.commands("originate ")) == 1
    assert len(stage.saw(ANNA, "ringing")) == 1
    assert stage.reasons() == ["answered"]


def test_our_own_deadline_ends_an_offer() -> None:
    """`originate_timeout` is checked about once a second; it is the safety net, some seconds behind ours."""
    stage = Stage()
    stage.call(patience=60.0)
    stage.wait(20.0)
    (text,) = stage.commands("originate ")[:1]
    assert "originate_timeout=17" in text, "15 s, and two more"
    (rang,), (stopped,) = stage.saw(ANNA, "ringing")[:1], stage.saw(ANNA, "cancelled")[:1]
    assert 14.8 < stopped - rang < 15.2


def test_a_183_of_a_phone_is_no_answer() -> None:
    stage = Stage()
    stage.call()
    stage.wait(1.0)
    assert all("ignore_early_media=true" in text for text in stage.commands("originate "))


@pytest.mark.parametrize("after", [0.0, 0.005, 0.021, 0.024, 0.03, 0.05])
def test_a_kill_before_the_channel_exists_says_no_such_channel(after: float) -> None:
    """And the phone would ring on: it is killed again at CHANNEL_CREATE."""
    stage = Stage()
    stage.site.world.timing = replace(stage.site.world.timing, create=0.03)
    caller = stage.call()
    stage.until(lambda: stage.commands("originate "))
    stage.wait(after)
    caller.hang_up()
    stage.wait(1.0)
    assert len(stage.saw(ANNA, "ringing")) == len(stage.saw(ANNA, "cancelled"))
    assert stage.wrong() == []


def test_a_withdrawn_phone_says_answered_elsewhere() -> None:
    stage = Stage(contacts=2, answers={"1001": TALKS})
    stage.call()
    stage.wait(20.0)
    assert "LOSE_RACE" in stage.commands("uuid_kill ")[0]
    (elsewhere,) = [s.detail for s in stage.site.world.sightings if s.what == "cancelled"]
    assert elsewhere == "completed elsewhere"


@pytest.mark.parametrize("before", [0.0, 0.002, 0.009, 0.011, 0.02])
def test_after_a_kill_an_answer_is_nothing(before: float) -> None:
    """CHANNEL_ANSWER, CHANNEL_PARK and +OK came for 112 of 200 legs killed as they were answered."""
    stage = Stage(answers={"1001": Reaction(after=2.0)})
    caller = stage.call()
    stage.until(lambda: stage.saw(ANNA, "ringing"))
    stage.wait(2.0 - before)
    caller.hang_up()
    stage.wait(5.0)
    assert not stage.talked()
    assert stage.wrong() == []


def test_members_legs_have_a_park_timeout_and_nothing_that_parks_them_again() -> None:
    """With park_after_bridge 43 of 200 stayed parked for ever."""
    stage = Stage(answers={"1001": TALKS})
    stage.call()
    stage.wait(20.0)
    (text,) = stage.commands("originate ")
    assert "park_timeout=20" in text
    assert not [text for text in stage.said if "park_after_bridge" in text or "park_on_cancel" in text]


def test_a_member_whose_bridge_never_comes_is_not_parked_for_ever() -> None:
    stage = Stage(answers={"1001": Reaction(after=2.0)})
    stage.call()
    stage.until(lambda: stage.saw(ANNA, "answered"))
    stage.site.kill()
    stage.wait(25.0)
    assert [leg for leg in stage.site.world.legs.values() if leg.direction == "outbound"] == []


def test_names_are_percent_decoded_into_the_header() -> None:
    stage = Stage()
    stage.site.world.call(_named("a%0D%0AX-Evil%3A 1'\"{}$|,"))
    stage.wait(1.0)
    (text,) = stage.commands("originate ")
    name = text.partition("origination_caller_id_name=")[2].partition("}")[0]
    assert not set(name) & set("\r\n'\"{}$|, ")
    assert "%0D" not in name.upper()


def _named(name: str):
    from fsqueue.simswitch.people import CallerScript

    return CallerScript(number="600100900", name=name, to=SALES, patience=20.0)


def test_who_holds_plays_the_music() -> None:
    """hold_music is taken from the leg that holds, so the number's music is on the member's."""
    stage = Stage()
    stage.call()
    stage.wait(1.0)
    assert all("hold_music=local_stream://default" in text for text in stage.commands("originate "))


def test_a_loopback_dial_string_is_warned_of() -> None:
    checked = check_text(CONFIG.replace('"user/1001@lab"', '"loopback/1001"'), "x.toml")
    assert [p for p in checked.problems if p.severity == "warning" and "loopback" in str(p)]


def test_no_uuid_is_used_twice() -> None:
    stage = Stage(answers={"1001": Reaction(kind="reject", after=0.2)})
    stage.call(patience=60.0)
    stage.wait(62.0)
    uuids = [text.partition("origination_uuid=")[2][:36] for text in stage.commands("originate ")]
    assert len(uuids) > 5
    assert len(set(uuids)) == len({job_uuid(uuid) for uuid in uuids}) == len(uuids)


# --- bridges --------------------------------------------------------------------------------------------------------------


def test_the_caller_comes_first_and_nothing_breaks_him_off_before() -> None:
    """The other order killed 6 of 300 callers at once; uuid_break drops him into what is for "fsqueue is down"."""
    stage = Stage(answers={"1001": TALKS})
    caller = stage.call()
    stage.wait(20.0)
    (bridge,) = stage.commands("uuid_bridge ")
    assert caller.leg is not None
    assert bridge.split()[1] == caller.leg.uuid
    assert not stage.commands("uuid_break")
    assert not [text for text in stage.said if "intercept" in text]


@pytest.mark.parametrize("stays", [0.0, 0.01, 0.03, 0.05, 0.06, 0.08, 0.1, 0.15, 0.5, 1.5])
def test_a_member_who_hangs_up_at_once_costs_no_caller(stays: float) -> None:
    """1,000 members who hung up 0 to 150 ms after answering: no caller dropped, each hears music again by himself."""
    stage = Stage(answers={"1001": Reaction(after=1.0, stays=stays)})
    caller = stage.call(patience=60.0)
    stage.wait(50.0)
    assert len(stage.saw(ANNA, "answered")) > 3, "he is asked again and again"
    assert not stage.saw(caller.who, "gone")
    assert stage.wrong() == []


def test_transfer_after_bridge_is_used_up_by_its_first_use() -> None:
    """The hold sets it again, or the second short talk hangs the caller up (6 of 30)."""
    stage = Stage(answers={"1001": Reaction(after=1.0, stays=0.6)})
    caller = stage.call(patience=60.0)
    stage.wait(55.0)
    assert len(stage.commands("uuid_bridge ")) > 3
    assert not stage.saw(caller.who, "gone")


@pytest.mark.parametrize("late", [1.0, 4.0, 5.5])
def test_a_confirmation_may_be_four_seconds_late(late: float) -> None:
    stage = Stage(answers={"1001": Reaction(after=2.0, talk=20.0)})
    stage.site.world.faults = Faults((Fault(kind="delay", of="CHANNEL_BRIDGE", seconds=late),))
    stage.call()
    stage.wait(40.0)
    assert stage.reasons() == ["answered"]
    assert len(stage.commands("uuid_bridge ")) == 1
    assert not stage.commands("uuid_kill ")


@pytest.mark.parametrize("seed", range(6))
def test_an_ok_promises_nothing(seed: int) -> None:
    """A bridge that meets the end of the member's originate is lost without a word, and the caller is silent."""
    stage = Stage(seed=seed, answers={"1001": Reaction(after=2.0, talk=5.0)})
    stage.site.world.timing = replace(stage.site.world.timing, meets=0.05, lost=1.0)
    stage.call(patience=50.0)
    stage.wait(12.0)
    stage.site.world.timing = replace(stage.site.world.timing, lost=0.0)
    stage.wait(30.0)
    bridges, kills = (
        stage.said.index(stage.commands("uuid_bridge ")[0]),
        stage.said.index(stage.commands("uuid_kill ")[0]),
    )
    assert bridges < kills < stage.said.index(stage.commands("originate ")[1]), "the member first, then the next offer"
    assert stage.reasons() == ["answered"]


def test_a_missed_bridge_kills_the_member_before_anything_else() -> None:
    stage = Stage(answers={"1001": Reaction(after=2.0)})
    stage.call(patience=60.0)
    stage.until(lambda: stage.saw(ANNA, "answered"))
    stage.site.world.faults = Faults((Fault(kind="drop", of="CHANNEL_BRIDGE"),))
    stage.wait(7.0)
    member = stage.commands("uuid_bridge ")[0].split()[2]
    assert stage.commands("uuid_kill ")[0].startswith(f"uuid_kill {member} ")


@pytest.mark.parametrize("after", [0.0, 0.004, 0.006, 0.02, 0.04, 0.055, 0.07])
def test_a_caller_who_hangs_up_around_the_bridge_leaves_no_member_behind(after: float) -> None:
    """-ERR Invalid uuid, or +OK for a caller who is just going: the member would stay up, silent or parked."""
    stage = Stage(answers={"1001": Reaction(after=2.0)})
    caller = stage.call()
    stage.until(lambda: stage.offer_state() == "answered")
    stage.wait(after)
    caller.hang_up()
    stage.wait(2.0)
    assert stage.site.world.legs == {}
    assert stage.wrong() == []


def test_a_caller_who_is_gone_before_the_bridge_is_asked_for_frees_his_member() -> None:
    stage = Stage(answers={"1001": Reaction(after=2.0)})
    caller = stage.call()
    stage.site.world.faults = Faults((Fault(kind="delay", of="CHANNEL_HANGUP", seconds=1.0),))
    stage.until(lambda: stage.offer_state() == "answered")
    caller.hang_up()
    stage.wait(3.0)
    assert stage.site.world.legs == {}
    assert stage.daemon.engine.state.people["m1"].holding == "free"


def test_one_command_that_moves_a_caller_at_a_time() -> None:
    """Two bridges to one caller both say +OK, and a third party bridged to a talking one cuts the first."""
    stage = Stage(contacts=2, answers={"1001": Reaction(after=1.5, stays=0.05)})
    stage.call(patience=40.0)
    stage.wait(45.0)
    moving = [text for text in stage.said if text.startswith(("uuid_bridge", "uuid_transfer"))]
    kills = {text.split()[1] for text in stage.commands("uuid_kill ")}
    gone = {s.leg for s in stage.site.world.sightings if s.what == "ended"}
    for text in moving[:-1]:
        assert text.split()[2] in kills | gone, "the one before is over when the next is asked for"


def test_bridging_a_caller_without_media_drops_him() -> None:
    stage = Stage(answers={"1001": TALKS})
    stage.daemon.core._ctx.facts = replace(stage.daemon.core._ctx.facts, answer="ring_ready")
    stage.call()
    stage.wait(20.0)
    order = [text.split()[0] for text in stage.said if text.startswith(("uuid_pre_answer", "uuid_bridge"))]
    assert order == ["uuid_pre_answer", "uuid_bridge"]
    assert stage.reasons() == ["answered"]


def test_a_talks_end_needs_nobody() -> None:
    """Its variables are turned once it has stood for two seconds: then its end ends the caller, daemon or not."""
    stage = Stage(answers={"1001": Reaction(after=2.0, talk=10.0)})
    caller = stage.call()
    stage.until(lambda: (talk := stage.talk()) is not None and talk.flipped)
    stage.site.kill()
    stage.wait(12.0)
    assert stage.saw(caller.who, "gone")
    assert stage.site.world.legs == {}


def test_a_bridge_is_known_by_its_pair() -> None:
    """CHANNEL_BRIDGE comes once, for either side; said twice it is one talk."""
    stage = Stage(answers={"1001": TALKS})
    stage.site.world.faults = Faults((Fault(kind="duplicate", of="CHANNEL_BRIDGE", seconds=0.5),), Random(1))
    stage.call()
    stage.wait(20.0)
    assert [type(record).__name__ for record in stage.records()].count("Talking") == 1
    assert stage.reasons() == ["answered"]


def test_four_members_who_answer_together_cost_no_caller() -> None:
    """By `intercept` they cost 15 of 50."""
    for seed in range(4):
        stage = Stage(seed=seed, contacts=4, answers={"1001": TALKS})
        stage.call()
        for phone in stage.phones[ANNA]:
            stage.site.world.agenda.after(1.5, phone.answer)
        stage.wait(20.0)
        assert stage.reasons() == ["answered"]
        assert stage.wrong() == []


def test_after_a_step_no_bridge() -> None:
    """A forward that is answered as its caller is sent on: one of both, never both."""
    for after in (9.9, 10.0, 10.02, 10.05):
        stage = Stage(answers={"1002": Reaction(after=after)})
        stage.call(SUPPORT, patience=90.0)
        assert stage.wrong() == []
