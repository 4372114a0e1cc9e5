"""Each of the judge's rules can fail, and what excuses somebody excuses nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fsqueue.engine.messages import CallEnded, Caller, CallOpened, Leg, Offered, Reason, Record
from fsqueue.simswitch.people import Sighting

from .judge import ASKED_AFTER, GAP, LONGEST_BRIDGE, TUNES_REST, Run, Wrong, held_over, judge
from .load import LINE, LINE_PHONES

ANNA, JAN = LINE_PHONES[:2]
EWA, OLA = "+48600000001", "+48600000002"


def caller(t: float, what: Any, who: str = EWA, **more: str) -> Sighting:
    return Sighting(t=t, who=who, what=what, leg=f"leg-{who}", side="caller", **more)


def phone(t: float, what: Any, who: str = ANNA, for_: str = EWA, **more: str) -> Sighting:
    return Sighting(t=t, who=who, what=what, leg=f"leg-{who}-{for_}", side="phone", peer=for_, **more)


def waits(since: float, until: float, who: str = EWA) -> list[Sighting]:
    """Somebody dials the line, hears music, and hangs up."""
    gone = caller(until, "gone", who, detail="NORMAL_CLEARING by himself")
    return [caller(since, "dialled", who, detail=LINE), caller(since + 0.1, "music", who), gone]


def talks(since: float, until: float, who: str = EWA, with_: str = ANNA) -> list[Sighting]:
    """Somebody is rung for, and talked to, before he hangs up."""
    leg = f"leg-{with_}-{who}"
    return [
        phone(since - 2, "ringing", with_, who),
        phone(since - 0.1, "answered", with_, who),
        phone(since, "connected", with_, who, peer_leg=f"leg-{who}"),
        caller(since, "connected", who, peer=with_, peer_leg=leg),
        phone(until, "ended", with_, who, detail="NORMAL_CLEARING by the switch"),
    ]


def opened(who: str = EWA, t: float = 100.0) -> tuple[Record, float]:
    said: dict[str, Any] = {"number": "", "dialled": LINE, "music": "", "priority": None, "joined": t}
    leg = Leg("main", f"leg-{who}")
    return CallOpened(call=f"call-{who}", leg=leg, arrival=who, caller=Caller(number=who), **said), t


def ended(reason: Reason, who: str = EWA, t: float = 200.0) -> tuple[Record, float]:
    return CallEnded(call=f"call-{who}", reason=reason, waited=1.0), t


def abandoned(who: str = EWA) -> list[tuple[Record, float]]:
    return [opened(who), ended("abandoned", who)]


def wrong(sightings: list[Sighting], records: list[tuple[Record, float]], **run: Any) -> list[Wrong]:
    return judge(Run(sightings=sightings, records=records, blind=run.pop("blind", ()), end=400.0, **run))


def kinds(sightings: list[Sighting], records: list[tuple[Record, float]], **run: Any) -> list[str]:
    return [one.kind for one in wrong(sightings, records, **run)]


def test_a_call_that_was_seen_and_recorded_as_it_was_is_no_violation() -> None:
    assert wrong(waits(100, 130), abandoned()) == []
    assert wrong([*waits(100, 130), *talks(110, 130)], [opened(), ended("answered")]) == []


def test_a_caller_in_silence_is_lost_whoever_could_see_it() -> None:
    story = [*waits(100, 130), caller(110, "silence"), caller(115, "music")]
    assert "lost caller" in kinds(story, abandoned())
    assert "lost caller" in kinds(story, abandoned(), blind=[(90.0, 140.0)])
    assert kinds(story, abandoned(), slow=[(105.0, 116.0)]) == []


def test_a_caller_without_an_end_has_none_whoever_could_see_it() -> None:
    assert "no end" in kinds(waits(100, 130)[:2], abandoned(), blind=[(90.0, 400.0)])


def test_two_phones_that_keep_one_caller_are_excused_by_nothing() -> None:
    story = [*waits(100, 130), *talks(110, 130), *talks(112, 130, with_=JAN)]
    blind = [(90.0, 140.0)]
    assert "two phones keep one caller" in kinds(story, [opened(), ended("answered")], blind=blind)


def test_a_phone_that_rings_for_who_is_gone_is_excused_only_while_nobody_saw_it() -> None:
    story = [*waits(100, 130), phone(120, "ringing"), phone(140, "cancelled")]
    assert kinds(story, abandoned()) == ["ringing for nobody"]
    assert kinds(story, abandoned(), blind=[(129.0, 138.0)]) == []
    assert kinds(story, abandoned(), blind=[(129.0, 133.0)]) == ["ringing for nobody"]


def test_a_phone_rung_in_a_call_is_excused_only_if_it_began_to_ring_while_nobody_saw_it() -> None:
    story = [*waits(100, 130), *talks(110, 130), *waits(115, 130, OLA), phone(120, "ringing", for_=OLA)]
    story.append(phone(125, "cancelled", for_=OLA))
    records = [opened(), ended("answered"), *abandoned(OLA)]
    assert "two calls on one phone" in kinds(story, records)
    assert kinds(story, records, blind=[(119.0, 121.0)]) == []
    assert "two calls on one phone" in kinds(story, records, blind=[(121.0, 126.0)])


def test_a_phone_that_hears_nobody_is_let_go_in_the_time_of_the_longest_bridge() -> None:
    for length, found in ((LONGEST_BRIDGE - 1, []), (LONGEST_BRIDGE + 3, ["nobody on the line"])):
        story = [*waits(100, 130), phone(105, "ringing"), phone(106, "answered")]
        story.append(phone(106 + length, "ended", detail="NORMAL_CLEARING by the switch"))
        assert kinds(story, abandoned()) == found


@pytest.mark.parametrize("ends", [0, 2])
def test_a_recorded_call_has_one_recorded_end(ends: int) -> None:
    assert "ends" in kinds(waits(100, 130), [opened(), *[ended("abandoned")] * ends])


def test_a_caller_whom_the_journal_does_not_know_is_excused_only_if_nobody_could_take_him() -> None:
    assert kinds(waits(100, 130), []) == ["not recorded"]
    assert kinds(waits(100, 130), [], blind=[(99.0, 106.0)]) == []
    assert kinds(waits(100, 130), [], blind=[(115.0, 125.0)]) == ["not recorded"]


def test_a_call_is_recorded_as_lost_only_if_nobody_saw_its_end() -> None:
    lost = [opened(), ended("lost")]
    assert kinds(waits(100, 130), lost) == ["lost"]
    assert kinds(waits(100, 130), lost, blind=[(129.0, 131.0)]) == []


def test_an_answered_call_was_heard_by_somebody() -> None:
    assert kinds(waits(100, 130), [opened(), ended("answered")]) == ["not true"]


def test_a_bridge_of_the_moment_in_which_the_switch_died_may_have_been_heard_by_nobody() -> None:
    story = [*waits(100, 130)[:2], caller(110, "gone", detail="SWITCH_GONE by the switch")]
    answered = [opened(), ended("answered")]
    assert kinds(story, answered, restarts=[110.0]) == []
    assert kinds(story, answered, restarts=[125.0]) == ["not true"]


def test_who_hangs_up_in_the_moment_in_which_somebody_picks_up_may_have_been_answered() -> None:
    answered = [opened(), ended("answered")]
    for picked, found in ((129.95, []), (128.0, ["not true"])):
        story = [*waits(100, 130), phone(125, "ringing"), phone(picked, "answered")]
        story.append(phone(130.05, "ended", detail="NORMAL_CLEARING by the switch"))
        assert kinds(story, answered) == found


def test_a_caller_who_talked_is_recorded_as_answered() -> None:
    story = [*waits(100, 130), *talks(110, 130)]
    assert kinds(story, abandoned()) == ["not true"]
    assert kinds(story, abandoned(), blind=[(129.0, 131.0)]) == []


def line_of_two() -> list[Sighting]:
    """Ewa waits; Ola, who came later, is rung first."""
    return [*waits(100, 130), *waits(110, 130, OLA), phone(115, "ringing", for_=OLA), phone(118, "refused", for_=OLA)]


def test_a_later_caller_is_rung_first_only_if_the_earlier_is_being_rung_or_had_that_member() -> None:
    both = [*abandoned(), *abandoned(OLA)]
    assert kinds(line_of_two(), both) == ["order"]
    rings = [phone(112, "ringing", JAN), phone(119, "refused", JAN)]
    assert kinds([*line_of_two(), *rings], both) == []
    had: tuple[Record, float] = (
        Offered(offer="x.1", call=f"call-{EWA}", group="line", member="m9", number="", until=0.0, rule="D2"),
        104.0,
    )
    assert kinds(line_of_two(), [*both[:1], had, *both[1:]]) == []


def test_who_dials_without_the_plus_stands_in_the_same_line() -> None:
    bare = [msgspec.structs.replace(seen, detail=seen.detail.removeprefix("+")) for seen in line_of_two()]
    assert kinds(bare, [*abandoned(), *abandoned(OLA)]) == ["order"]


def test_who_was_picked_up_for_and_not_connected_is_behind_nobody_until_he_has_been_asked_for() -> None:
    both = [*abandoned(), *abandoned(OLA)]
    for ended_at, found in ((115 - ASKED_AFTER + 0.2, []), (115 - ASKED_AFTER - 0.6, ["order"])):
        missed = [phone(105, "ringing", JAN), phone(108, "answered", JAN)]
        missed.append(phone(ended_at, "ended", JAN, detail="NORMAL_CLEARING by the switch"))
        assert kinds([*line_of_two(), *missed], both) == found


def test_who_waits_while_a_phone_is_idle_is_rung_for_as_soon_as_the_daemon_sees_again() -> None:
    blind = [(90.0, 102.0), (105.0, 112.0), (390.0, 400.0)]
    assert set(kinds(waits(101, 130), abandoned(), blind=blind)) == {"not resumed"}
    rung = [phone(113, "ringing"), phone(120, "refused")]
    assert kinds([*waits(101, 130), *rung], abandoned(), blind=blind) == []


def test_a_phone_that_has_long_been_in_a_call_of_its_own_is_not_idle() -> None:
    blind = [(90.0, 102.0), (105.0, 112.0), (390.0, 400.0)]
    own = [caller(20, "dialled", who, detail="9999") for who in LINE_PHONES]
    own += [caller(150, "gone", who, detail="NORMAL_CLEARING by himself") for who in LINE_PHONES]
    assert kinds([*waits(101, 130), *own], abandoned(), blind=blind) == []


def test_who_dials_while_he_is_rung_is_let_go_as_soon_as_the_daemon_can_see_it() -> None:
    own = [caller(120, "dialled", ANNA, detail="9999"), caller(135, "gone", ANNA, detail="NORMAL_CLEARING by himself")]
    story = [*waits(100, 130), *own, phone(118, "ringing"), phone(126, "refused")]
    assert "two calls on one phone" in kinds(story, abandoned())
    assert kinds(story, abandoned(), blind=[(120.1, 125.0)]) == []
    assert "two calls on one phone" in kinds(story, abandoned(), blind=[(121.0, 125.0)])


def test_who_never_reached_his_hold_is_recorded_as_lost_only_if_nobody_saw_his_end() -> None:
    story = [caller(100, "dialled", detail=LINE), caller(106, "gone", detail="NORMAL_TEMPORARY_FAILURE by the switch")]
    lost = [opened(), ended("lost")]
    assert kinds(story, lost, blind=[(100.1, 106.0)]) == []
    assert kinds(story, lost, blind=[(100.1, 101.0)]) == ["lost"], "who comes after him fetches him"


def test_silence_before_the_hold_is_the_dialplans_to_end_when_the_daemon_died_in_it() -> None:
    rescued = [caller(100, "dialled", detail=LINE), caller(100.1, "answered"), caller(100.2, "silence")]
    rescued.append(caller(106, "gone", detail="NORMAL_TEMPORARY_FAILURE by the switch"))
    records = [opened(), ended("lost")]
    assert kinds(rescued, records, blind=[(100.2, 103.0)]) == []
    assert "lost caller" in kinds(rescued, records)
    assert "lost caller" in kinds(rescued, records, blind=[(103.0, 106.0)]), "somebody was there to take him"
    later = [*rescued[:2], caller(100.1, "music"), *rescued[2:]]
    assert "lost caller" in kinds(later, records, blind=[(100.2, 103.0)])


def test_music_that_stops_when_the_daemon_is_killed_is_a_violation_however_short_the_daemon_was_away() -> None:
    story = [*waits(100, 130), caller(110.5, "silence"), caller(111.8, "music")]
    assert "music stopped" in kinds(story, abandoned(), tolerance=2.0, dead=[(110.0, 111.0)])
    assert kinds(story, abandoned(), tolerance=2.0, dead=[(113.0, 114.0)]) == []


@pytest.mark.parametrize(("gap", "found"), [(GAP, ["music stopped"]), (TUNES_REST, [])])
def test_only_a_real_tune_has_rests(gap: float, found: list[str]) -> None:
    story = [*waits(100, 130), caller(110.5, "silence"), caller(110.7, "music")]
    assert kinds(story, abandoned(), gap=gap, dead=[(110.0, 111.0)]) == found


def test_callers_on_hold_over_kills_are_counted_once_for_each() -> None:
    sightings = [*waits(100, 130), *waits(105, 140, OLA), *talks(120, 130)]
    run = Run(sightings=sightings, records=[], blind=(), dead=[(110.0, 111.0), (125.0, 126.0)])
    assert [(held.who, held.t) for held in held_over(run)] == [(EWA, 110.0), (OLA, 110.0), (OLA, 125.0)]


def test_a_caller_whose_switch_was_killed_ends_with_it() -> None:
    story = [*waits(100, 130)[:2], caller(110, "gone", detail="SWITCH_GONE by the switch"), phone(105, "ringing")]
    story += [phone(109, "answered"), phone(110, "ended", detail="SWITCH_GONE by himself")]
    lost = [opened(), ended("lost")]
    assert "lost caller" in kinds(story, lost)
    assert kinds(story, lost, restarts=[110.0], blind=[(109.9, 114.0)]) == []
