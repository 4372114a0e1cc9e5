"""Each thing that must never happen is noticed when it does, and a good run is not accused."""

from __future__ import annotations

from typing import Any

from fsqueue.simswitch.people import Sighting
from fsqueue.simswitch.witness import violations

TOLERANCE = 0.3


def caller(t: float, what: str, who: str = "5551", leg: str = "c", **more: Any) -> Sighting:
    return Sighting(t=t, who=who, what=what, leg=leg, side="caller", **more)  # type: ignore[arg-type]


def phone(t: float, what: str, who: str = "1001@lab", leg: str = "m1", peer: str = "5551", **more: Any) -> Sighting:
    return Sighting(t=t, who=who, what=what, leg=leg, side="phone", peer=peer, **more)  # type: ignore[arg-type]


def kinds(*sightings: Sighting, end: float = 100.0) -> list[str]:
    return [one.kind for one in violations(sightings, tolerance=TOLERANCE, end=end)]


GOOD = (
    caller(0, "dialled"),
    caller(0.1, "answered"),
    caller(0.1, "music"),
    phone(1, "ringing"),
    phone(3, "answered"),
    caller(3.1, "connected", peer="1001@lab"),
    phone(3.1, "connected", peer_leg="c"),
    phone(20, "ended", detail="NORMAL_CLEARING by himself"),
    caller(20.05, "gone", detail="NORMAL_CLEARING by the switch"),
)


def test_a_good_call_is_no_violation() -> None:
    assert kinds(*GOOD) == []


def test_a_call_without_an_end_is_one() -> None:
    assert kinds(*GOOD[:3]) == ["no end"]


def test_a_call_with_two_ends_is_one() -> None:
    assert kinds(*GOOD, caller(21, "gone", detail="again")) == ["two ends"]


def test_silence_is_a_lost_caller() -> None:
    seen = (*GOOD[:3], caller(5, "silence"), caller(9, "gone", detail="NORMAL_CLEARING by himself"))
    assert kinds(*seen) == ["lost caller"]


def test_silence_within_the_tolerance_is_none() -> None:
    seen = (
        *GOOD[:3],
        caller(5, "silence"),
        caller(5.2, "music"),
        caller(9, "gone", detail="NORMAL_CLEARING by himself"),
    )
    assert kinds(*seen) == []


def test_a_caller_dropped_because_a_phone_left_at_once_is_lost() -> None:
    seen = (
        *GOOD[:5],
        phone(3.08, "ended", detail="NORMAL_CLEARING by himself"),
        caller(3.1, "gone", detail="NORMAL_CLEARING by the switch"),
    )
    assert kinds(*seen) == ["lost caller"]


def test_a_caller_who_is_back_on_the_music_when_a_phone_left_at_once_is_not_lost() -> None:
    seen = (
        *GOOD[:5],
        phone(3.08, "ended", detail="NORMAL_CLEARING by himself"),
        caller(3.1, "music"),
        caller(30, "gone", detail="NO_ANSWER by the switch"),
    )
    assert kinds(*seen) == []


def test_a_phone_rung_while_it_talks_has_two_calls() -> None:
    second = (
        caller(5, "dialled", who="5552", leg="c2"),
        phone(6, "ringing", leg="m2", peer="5552"),
        phone(7, "refused", leg="m2", peer="5552"),
        caller(8, "gone", who="5552", leg="c2", detail="NORMAL_CLEARING by himself"),
    )
    assert kinds(*GOOD, *second) == ["two calls on one phone"]


def test_two_phones_of_one_member_may_ring_for_one_caller_but_not_both_talk() -> None:
    twin = (phone(1, "ringing", leg="m2"), phone(3, "cancelled", leg="m2", detail="completed elsewhere"))
    assert kinds(*GOOD, *twin) == []
    both = (
        phone(1, "ringing", leg="m2"),
        phone(3.1, "answered", leg="m2"),
        phone(5, "ended", leg="m2", detail="by himself"),
    )
    assert kinds(*GOOD, *both) == ["two calls on one phone"]


def test_a_phone_that_rings_on_after_its_caller_has_gone_rings_for_nobody() -> None:
    seen = (
        *GOOD[:4],
        caller(2, "gone", detail="NORMAL_CLEARING by himself"),
        phone(6, "cancelled", detail="ORIGINATOR_CANCEL"),
    )
    assert kinds(*seen) == ["ringing for nobody"]


def test_a_phone_that_rings_on_within_the_tolerance_does_not() -> None:
    seen = (
        *GOOD[:4],
        caller(2, "gone", detail="NORMAL_CLEARING by himself"),
        phone(2.2, "cancelled", detail="ORIGINATOR_CANCEL"),
    )
    assert kinds(*seen) == []


def test_a_phone_that_rings_on_while_its_caller_talks_to_another_rings_for_nobody() -> None:
    other = (phone(1, "ringing", who="1002@lab", leg="m2"), phone(9, "cancelled", who="1002@lab", leg="m2"))
    assert kinds(*GOOD, *other) == ["ringing for nobody"]


def test_a_phone_may_ring_for_a_caller_who_came_back_from_a_failed_bridge() -> None:
    seen = (
        *GOOD[:7],
        phone(3.5, "ended", detail="NORMAL_CLEARING by himself"),
        caller(3.6, "music"),
        phone(4, "ringing", who="1002@lab", leg="m2"),
        phone(9, "cancelled", who="1002@lab", leg="m2"),
        caller(9.1, "gone", detail="NO_ANSWER by the switch"),
    )
    assert kinds(*seen) == []


def test_a_phone_that_shows_an_unknown_number_may_ring_while_anybody_waits() -> None:
    assert kinds(*GOOD[:3], phone(1, "ringing", peer="4800"), phone(2, "cancelled"), GOOD[-1]) == []
    alone = (phone(30, "ringing", leg="m9", peer="4800"), phone(40, "cancelled", leg="m9"))
    assert kinds(*GOOD, *alone) == ["ringing for nobody"]


def test_two_phones_that_hear_one_caller_keep_him() -> None:
    thief = (
        phone(1, "ringing", who="1002@lab", leg="m2"),
        phone(3, "answered", who="1002@lab", leg="m2"),
        phone(3.1, "connected", who="1002@lab", leg="m2", peer_leg="c"),
        phone(9, "ended", who="1002@lab", leg="m2", detail="by himself"),
    )
    assert kinds(*GOOD, *thief) == ["two phones keep one caller"]


def test_a_phone_that_came_back_from_hold_has_not_taken_the_caller_from_itself() -> None:
    seen = (
        *GOOD[:5],
        caller(3.1, "connected", peer="1001@lab", peer_leg="m1"),
        phone(3.1, "connected", peer_leg="c"),
        caller(5, "music"),
        caller(6, "connected", peer="1001@lab", peer_leg="m1"),
        phone(6.5, "ended", detail="NORMAL_CLEARING by the switch"),
        caller(6.5, "gone", detail="NORMAL_CLEARING by himself"),
    )
    assert kinds(*seen) == []


def test_a_colleague_who_was_asked_first_keeps_the_caller_only_from_when_they_are_joined() -> None:
    asked = {"who": "1003@lab", "leg": "m3", "peer": "1001"}
    seen = (
        caller(8, "dialled", who="1001@lab", leg="a"),
        phone(9, "ringing", **asked),
        phone(10, "answered", **asked),
        caller(10.1, "connected", who="1001@lab", leg="a", peer="1003@lab", peer_leg="m3"),
        phone(10.1, "connected", peer_leg="a", **asked),
        caller(20, "gone", who="1001@lab", leg="a", detail="NORMAL_CLEARING by the switch"),
        phone(20.05, "connected", peer_leg="c", **asked),
        caller(20.05, "connected", peer="1003@lab", peer_leg="m3"),
        phone(25, "ended", detail="NORMAL_CLEARING by the switch", **asked),
        caller(25, "gone", detail="NORMAL_CLEARING by himself"),
    )
    assert kinds(*GOOD[:-1], *seen) == []


def test_a_colleague_who_picks_up_a_call_that_a_phone_has_keeps_it_too() -> None:
    colleague = (
        caller(4, "dialled", who="1002@lab", leg="p"),
        caller(5, "connected", who="1002@lab", leg="p", peer="5551", peer_leg="c"),
        caller(9, "gone", who="1002@lab", leg="p", detail="NORMAL_CLEARING by himself"),
    )
    assert kinds(*GOOD, *colleague) == ["two phones keep one caller"]


def test_a_busy_phone_that_refuses_at_once_was_rung_all_the_same() -> None:
    second = (
        caller(5, "dialled", who="5552", leg="c2"),
        phone(6, "ringing", leg="m2", peer="5552"),
        phone(6.02, "refused", leg="m2", peer="5552"),
        caller(8, "gone", who="5552", leg="c2", detail="NORMAL_CLEARING by himself"),
    )
    assert kinds(*GOOD, *second) == ["two calls on one phone"]


def test_a_phone_may_be_rung_the_moment_its_last_call_ends() -> None:
    second = (
        caller(5, "dialled", who="5552", leg="c2"),
        phone(19.9, "ringing", leg="m2", peer="5552"),
        phone(21, "refused", leg="m2", peer="5552"),
        caller(22, "gone", who="5552", leg="c2", detail="NORMAL_CLEARING by himself"),
    )
    assert kinds(*GOOD, *second) == []


def test_a_caller_taken_away_from_the_phone_that_had_him_was_connected_twice() -> None:
    thief = (
        phone(1, "ringing", who="1002@lab", leg="m2"),
        phone(3, "answered", who="1002@lab", leg="m2"),
        caller(5, "connected", peer="1002@lab", peer_leg="m2"),
        phone(5, "connected", who="1002@lab", leg="m2", peer_leg="c"),
        phone(9, "ended", who="1002@lab", leg="m2", detail="by himself"),
    )
    cut = phone(5, "ended", detail="NORMAL_CLEARING by the switch")
    connected = caller(3.1, "connected", peer="1001@lab", peer_leg="m1")
    gone = caller(9.1, "gone", detail="NORMAL_CLEARING by the switch")
    assert kinds(*GOOD[:5], connected, GOOD[6], *thief, cut, gone) == ["two phones keep one caller"]


def test_a_phone_that_answers_and_hears_nobody_is_left_alone() -> None:
    seen = (
        *GOOD[:5],
        caller(3.2, "gone", detail="NORMAL_CLEARING by himself"),
        phone(20, "ended", detail="by himself"),
    )
    assert kinds(*seen) == ["nobody on the line"]


def test_a_phone_whose_caller_is_gone_and_that_is_kept_is_left_alone() -> None:
    seen = (
        *GOOD[:7],
        caller(6, "gone", detail="NORMAL_CLEARING by himself"),
        phone(6, "alone"),
        phone(20, "ended", detail="by himself"),
    )
    assert kinds(*seen) == ["nobody on the line"]


def own_call(begin: float, end: float) -> tuple[Sighting, ...]:
    gone = caller(end, "gone", who="1001@lab", leg="o", detail="NORMAL_CLEARING by himself")
    return (caller(begin, "dialled", who="1001@lab", leg="o"), gone)


def test_who_is_in_a_call_of_his_own_is_not_rung() -> None:
    assert kinds(*GOOD, *own_call(0.5, 2.5)) == ["two calls on one phone"]
    assert kinds(*GOOD, *own_call(0.5, 1.2)) == []


def test_who_dialled_a_moment_before_he_was_rung_is_let_be_as_soon() -> None:
    rung = (caller(0, "dialled"), caller(0.1, "music"), phone(5, "ringing"))
    assert kinds(*rung, phone(5.2, "cancelled"), caller(20, "gone"), *own_call(4.9, 15)) == []
    assert kinds(*rung, phone(7, "cancelled"), caller(20, "gone"), *own_call(4.9, 15)) == ["two calls on one phone"]


def test_who_makes_a_call_while_he_is_rung_is_withdrawn() -> None:
    assert kinds(*GOOD, *own_call(1.5, 2.9)) == ["two calls on one phone"]
    assert kinds(*GOOD, *own_call(2.8, 4)) == []
    assert kinds(*GOOD, *own_call(1.5, 1.6)) == [], "his own call is over: he may be rung on"


def test_who_makes_a_call_in_a_talk_may() -> None:
    assert kinds(*GOOD, *own_call(10, 15)) == []
