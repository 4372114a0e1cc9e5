"""The rules of the queue as callers and members meet them: limits, windows, order, codes, what is shown and heard.

Beside `scenarios`, which has a call's way from the hand-over to its end.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import gevent

from fsqueue.simswitch.people import Reaction, Sighting
from tests.contract.freeswitch import DOMAIN
from tests.contract.lab import Lab, RealBoard
from tests.contract.rawesl import Switch
from tests.contract.scenarios import (
    ANNA,
    BUSY,
    JAN,
    LONG_RINGS,
    OLA,
    SALES,
    SILENT,
    SUPPORT,
    at,
    check,
    config,
    in_time,
    phone,
    scenario,
)

TALKS = Reaction(after=0.5, talk=3.0)
SAMPLE_MENU = Path(__file__).parent.parent.parent / "dialplan" / "sample-ivr.xml"
MENU_NUMBER = "48221234500"
WINDOW = 4.0
"""Seconds of a window in `config`: two rings of two seconds."""


def with_telephony(text: str, keys: str) -> str:
    """A configuration with more keys in its table `telephony`."""
    return text.replace("[telephony]\n", f"[telephony]\n{keys}\n", 1)


def reasons(lab: Lab, wanted: int) -> list[str]:
    """The reasons of the first `wanted` ends, in order, once there are so many."""
    lab.until(lambda: len(lab.records("CallEnded")) >= wanted, 10.0, f"{wanted} calls have their end in the journal")
    return [end["reason"] for end in lab.records("CallEnded")]


def heard_on_hold(lab: Lab) -> list[str]:
    """What the switch itself says that it plays to callers now."""
    with Switch(lab.board.esl, lab.board.password) as switch:
        rows = json.loads(switch.api("show channels as json")).get("rows") or []
    return [row["application_data"] for row in rows if row["application"] == "playback"]


def told(lab: Lab, caller: str, code: int) -> None:
    """Hold that a caller's phone was refused with this SIP code; the embedded switch speaks no SIP and has the cause alone."""
    board = lab.board
    if isinstance(board, RealBoard):
        lab.until(lambda: board.code(caller), 2.0, f"{caller}'s INVITE has its final response")
        check(board.code(caller) == code, f"{caller} was told {board.code(caller)}, not {code}")


# --- limits and ends


@scenario("Who finds a full group is told busy and never answered (S1, full)")
def full_is_busy(lab: Lab) -> None:
    lab.start(config("max_waiting = 1"), phone(ANNA, SILENT), phone(JAN, SILENT))
    first = lab.call(SALES, number="600100201")
    lab.saw(first, "music")
    second = lab.call(SALES, number="600100202")
    lab.saw(second, "gone", 4.0, detail="USER_BUSY by the switch")
    told(lab, second, 486)
    check(not lab.sightings(second, "answered"), "he was answered before he was refused")
    lab.board.hang_up(first)
    lab.saw(first, "gone", detail="by himself")
    check(reasons(lab, 2) == ["full", "abandoned"], str(reasons(lab, 2)))


@scenario("Who calls while nobody is there is told so by the cause, and never answered (U1)")
def nobody_there_is_unavailable(lab: Lab) -> None:
    lab.start(config(step='action = "hangup"'), phone(ANNA, registered=False), phone(JAN, registered=False))
    caller = lab.call(SALES)
    lab.saw(caller, "gone", 5.0, detail="SUBSCRIBER_ABSENT by the switch")
    told(lab, caller, 480)
    check(not lab.sightings(caller, "answered"), "he was answered before he was refused")
    check(lab.ended()["reason"] == "offline", "offline")


# --- windows


@scenario("A phone rings for the configured window, to within 0.2 s as the phone sees it (D1)")
def window_as_the_phone_sees_it(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, SILENT), phone(JAN, SILENT))
    caller = lab.call(SALES)
    seconds = []
    for user in (ANNA, JAN):
        rang = lab.saw(at(user), "ringing", 8.0)
        seconds.append(lab.saw(at(user), "cancelled", 8.0).t - rang.t)
    words = f"{caller}'s windows lasted {seconds}, not {WINDOW}"
    in_time(lab, all(abs(one - WINDOW) <= 0.2 for one in seconds), words)
    lab.board.hang_up(caller)
    lab.ended()


@scenario("A phone that redirects is not followed: the offer is over and the next member rings (S2)")
def redirect_is_never_followed(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(kind="reject", code=302, after=0.2)), phone(JAN, TALKS))
    caller = lab.call(SALES)
    refused = lab.saw(at(ANNA), "refused", detail="302")
    rang = lab.saw(at(JAN), "ringing")
    in_time(lab, rang.t - refused.t < 1.0, f"{rang.t - refused.t:.1f} s from one phone to the next")
    lab.saw(caller, "connected", peer=at(JAN))
    check(lab.ended()["member"] == "jan", "Jan has the call")


@scenario("A phone that is busy at once costs the caller no time (D1)")
def busy_at_once(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(kind="reject", code=486, after=0, ringing=False)), phone(JAN, TALKS))
    caller = lab.call(SALES)
    dialled = lab.saw(caller, "dialled")
    rang = lab.saw(at(JAN), "ringing")
    in_time(lab, rang.t - dialled.t < 1.5, f"the next phone rang {rang.t - dialled.t:.1f} s after the caller dialled")
    lab.saw(caller, "connected", peer=at(JAN))
    lab.ended()


@scenario("Answers that cross the end of their window connect or end, and leave no phone in a call with nobody (D1)")
def answers_at_the_end_of_the_window(lab: Lab) -> None:
    answers = tuple(Reaction(after=WINDOW + more, talk=1.0, stays=8.0) for more in (-0.05, 0.0, 0.05))
    lab.start(config('distribution = "to-all"\nmax_wait_seconds = 30'), phone(ANNA, *answers), phone(JAN))
    lab.board.register(JAN, present=False)
    caller = lab.call(SALES, patience=16.0)
    lab.saw(caller, "gone", 25.0)
    for rang in lab.sightings(at(ANNA), "ringing"):
        lab.until(lambda leg=rang.leg: _over(lab, leg), 3.0, "each ring has an end")  # type: ignore[misc]
    lab.ended()


def _over(lab: Lab, leg: str) -> list[Sighting]:
    return [seen for seen in lab.sightings(at(ANNA)) if seen.leg == leg and seen.what in ("ended", "cancelled")]


# --- distribution


@scenario("In order each call begins with the first of the list again (D3)")
def in_order_begins_with_the_first(lab: Lab) -> None:
    step = 'action = "hangup"'
    lab.start(config('distribution = "in-order"', step=step), phone(ANNA, TALKS), phone(JAN, TALKS))
    for number in ("600100201", "600100202"):
        caller = lab.call(SALES, number=number)
        lab.saw(caller, "connected", peer=at(ANNA))
        lab.saw(caller, "gone")
    check(not lab.sightings(at(JAN)), "the second in the list was rung")
    check(reasons(lab, 2) == ["answered", "answered"], str(reasons(lab, 2)))


@scenario("Evenly, the turn goes on where it was when the daemon is started again (D2)")
def evenly_across_a_restart(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, TALKS), phone(JAN, TALKS))
    first = lab.call(SALES, number="600100201")
    lab.saw(first, "connected", peer=at(ANNA))
    lab.saw(first, "gone")
    reasons(lab, 1)
    lab.stop_daemon()
    lab.start_daemon()
    second = lab.call(SALES, number="600100202")
    lab.saw(second, "connected", peer=at(JAN))
    lab.saw(second, "gone")
    check(len(lab.sightings(at(ANNA), "ringing")) == 1, "Anna was rung again")
    reasons(lab, 2)


@scenario("To all: a phone that registers during the ring joins it for what is left (D4)")
def a_joiner_rings_for_what_is_left(lab: Lab) -> None:
    text = config('distribution = "to-all"').replace("rings = 2", "rings = 4")
    lab.start(text, phone(ANNA, SILENT), phone(JAN, SILENT, registered=False))
    caller = lab.call(SALES)
    lab.saw(at(ANNA), "ringing")
    gevent.sleep(LATER)
    registers = time.time()
    lab.board.register(JAN, present=True)
    joined = lab.saw(at(JAN), "ringing", 2.0)
    over, his = lab.saw(at(ANNA), "cancelled"), lab.saw(at(JAN), "cancelled")
    check(joined.t < over.t, "his phone rang only after the first one's window")
    in_time(lab, joined.t - registers < 2.0, f"joined after {joined.t - registers:.1f} s")
    # A window of his own would end as much later as he has come later.
    check(abs(his.t - over.t) < LATER / 2, f"the joiner's phone stopped {his.t - over.t:+.1f} s after the first")
    in_time(lab, abs(his.t - over.t) < 0.3, f"the joiner's phone stopped {his.t - over.t:+.1f} s after the first")
    lab.board.hang_up(caller)
    lab.ended()


LATER = 2.5
"""Seconds after the first phone at which a second one registers, in a window of eight."""


# --- codes


@scenario("A member logs out, in and pauses by code: he hears it, and is rung or not accordingly (M1)")
def duty_by_codes(lab: Lab) -> None:
    text = with_telephony(config(), 'login_code = "*41"\nlogout_code = "*42"\npause_code = "*43"')
    lab.start(text, phone(ANNA, TALKS), phone(JAN, TALKS))
    dial_code(lab, "*42")
    first = lab.call(SALES, number="600100201")
    lab.saw(first, "connected", peer=at(JAN))
    lab.saw(first, "gone")
    dial_code(lab, "*41", 2)
    second = lab.call(SALES, number="600100202")
    lab.saw(second, "connected", peer=at(ANNA))
    lab.saw(second, "gone")
    dial_code(lab, "*43", 3)
    dial_code(lab, "*43", 4)
    duties = [one["duty"] for one in lab.records("MemberChanged") if one["member"] == "anna" and one.get("duty")]
    check(duties[-4:] == ["out", "in", "paused", "in"], f"Anna's duty went {duties}")


def dial_code(lab: Lab, code: str, times: int = 1) -> None:
    """Let Anna dial a code from her phone; wait until she has heard a tone and been hung up."""
    anna = lab.call(code, number=ANNA, name="Anna", user=at(ANNA))
    lab.saw(anna, "answered", times=times)
    lab.saw(anna, "gone", times=times, detail="NORMAL_CLEARING by the switch")


@scenario("The pickup code with a colleague's extension takes the call that rings at that one (P1)")
def pickup_of_one_colleague(lab: Lab) -> None:
    lab.start(
        LONG_RINGS.replace('members = ["anna", "jan"]', 'members = ["anna", "jan", "ola"]'),
        phone(ANNA, SILENT),
        phone(JAN, SILENT, registered=False),
        phone(OLA, SILENT),
    )
    first = lab.call(SALES, number="600100201")
    lab.saw(at(ANNA), "ringing", peer=first)
    second = lab.call(SALES, number="600100202")
    lab.saw(at(OLA), "ringing", peer=second)
    colleague = lab.call(f"*8{OLA}", number=JAN, name="Jan", user=at(JAN), talk=3.0)
    lab.saw(colleague, "connected", peer=second)
    lab.saw(at(OLA), "cancelled", detail="completed elsewhere")
    lab.saw(second, "gone")
    lab.board.hang_up(first)
    reasons(lab, 2)


@scenario("A pickup where the group doesn't allow it hears a tone and is hung up; the phone rings on (P1)")
def pickup_refused(lab: Lab) -> None:
    # Another group allows it, or the code would not be in the dialplan at all.
    elsewhere = LONG_RINGS.replace("pickup = true", "").replace('members = ["ola"]', 'members = ["ola"]\npickup = true')
    lab.start(elsewhere, phone(ANNA, SILENT), phone(JAN, registered=False))
    caller = lab.call(SALES)
    lab.saw(at(ANNA), "ringing")
    colleague = lab.call("*8", number=JAN, name="Jan", user=at(JAN))
    lab.saw(colleague, "answered", 3.0)
    lab.saw(colleague, "gone", 8.0, detail="NORMAL_CLEARING by the switch")
    check(not lab.sightings(colleague, "connected"), "he got the call")
    check(not lab.sightings(at(ANNA), "cancelled"), "the phone rings on")
    lab.board.hang_up(caller)
    lab.saw(caller, "gone", detail="by himself")
    check(lab.ended()["reason"] == "abandoned", "abandoned")


# --- forwards


def _forward(more: str, timeout: int = 8) -> str:
    return f'action = "forward"\nnumber = "{OLA}"\ntimeout_seconds = {timeout}\n{more}'


@scenario("A forward that asks for a key connects only who presses it (S2)")
def forward_accepted_by_key(lab: Lab) -> None:
    # He presses it again, as people do: on a busy machine the question may come later than his first key.
    accepts = Reaction(after=0.5, talk=3.0, keys=((1.3, "1"), (3.0, "1"), (5.0, "1")))
    away = phone(ANNA, registered=False), phone(JAN, registered=False)
    lab.start(config(step=_forward('key = "1"')), *away, phone(OLA, accepts))
    caller = lab.call(SALES)
    answered = lab.saw(at(OLA), "answered")
    connected = lab.saw(caller, "connected", peer=at(OLA))
    check(
        connected.t - answered.t > 1.0, f"connected {connected.t - answered.t:.1f} s after the answer, before the key"
    )
    lab.saw(caller, "gone")
    check(lab.ended()["reason"] == "forwarded", "forwarded")


@scenario("A forward that asks for a key and gets none is not taken: a mobile's mailbox is no answer (S2)")
def forward_without_its_key(lab: Lab) -> None:
    away = phone(ANNA, registered=False), phone(JAN, registered=False)
    lab.start(config(step=_forward('key = "1"', timeout=2)), *away, phone(OLA, Reaction(after=0.5)))
    caller = lab.call(SALES)
    lab.saw(at(OLA), "answered")
    lab.saw(caller, "gone", 20.0, detail="by the switch")
    check(not lab.sightings(caller, "connected"), "he was connected with a mailbox")
    check(lab.ended()["reason"] == "no_answer", "no_answer")


@scenario("A forward to a member is one offer to him, and connects (S2)")
def forward_to_a_member(lab: Lab) -> None:
    away = phone(ANNA, registered=False), phone(JAN, registered=False)
    lab.start(config(step='action = "forward"\nmember = "ola"'), *away, phone(OLA, TALKS))
    caller = lab.call(SALES)
    lab.saw(caller, "connected", peer=at(OLA))
    lab.saw(caller, "gone")
    check(lab.ended()["member"] == "ola", "Ola has the call")


# --- what is shown and heard


@scenario("An anonymous caller stays anonymous on the member's phone and on a forward")
def anonymous_stays_anonymous(lab: Lab) -> None:
    phones = phone(ANNA, BUSY), phone(JAN, registered=False), phone(OLA, TALKS)
    lab.start(config('distribution = "in-order"', step=_forward("")), *phones)
    caller = lab.call(SALES, number="anonymous", name="Anonymous")
    for user in (ANNA, OLA):
        seen = lab.saw(at(user), "ringing")
        check((seen.peer, seen.detail) == ("anonymous", "Anonymous"), f"{user} sees {seen.detail!r} <{seen.peer}>")
        headers = lab.board.headers(user)
        hidden = [value for name, value in headers if name == "Remote-Party-ID" and "privacy=full" in value]
        check(hidden or not headers, f"nothing says that he is hidden: {headers}")
    lab.saw(caller, "gone")
    lab.ended()


@scenario("The group's prefix stands before the caller's name on the member's phone")
def prefix_before_the_name(lab: Lab) -> None:
    lab.start(config('prefix = "Sales: "'), phone(ANNA, TALKS), phone(JAN, registered=False))
    caller = lab.call(SALES, name="Ala")
    seen = lab.saw(at(ANNA), "ringing", peer=caller)
    check(seen.detail == "Sales: Ala", f"shown as {seen.detail!r}")
    lab.saw(caller, "gone")
    lab.ended()


@scenario("Who dialled a number hears its music, who came by the group's extension the common one (N1, N3)")
def music_of_the_number(lab: Lab) -> None:
    lab.start(config(support='action = "wait"'), phone(OLA, SILENT))
    outside = lab.call(SUPPORT, number="600100201")
    lab.saw(outside, "music")
    lab.until(lambda: heard_on_hold(lab) == ["local_stream://jazz"], 2.0, "the number's music plays")
    lab.board.hang_up(outside)
    lab.saw(outside, "gone")
    inside = lab.call("7002", number=JAN, name="Jan", user=at(JAN))
    lab.saw(inside, "music")
    lab.until(lambda: heard_on_hold(lab) == ["local_stream://default"], 2.0, "the common music plays")
    lab.board.hang_up(inside)
    lab.saw(inside, "gone")
    check(reasons(lab, 2) == ["abandoned", "abandoned"], str(reasons(lab, 2)))


# --- the line


@scenario("A later caller of higher priority is rung for before earlier ones (L1)")
def a_later_important_caller_first(lab: Lab) -> None:
    important = '[numbers."+48221000003"]\ngroup = "sales"\npriority = 10'
    ordinary, urgent = _while_anna_talks(lab, config(more=important), lambda: lab.call("+48221000003", number=URGENT))
    first, second = lab.saw(urgent, "connected", 12.0), lab.saw(ordinary, "connected", 20.0)
    check(first.t < second.t, "the ordinary caller was connected first")
    lab.saw(ordinary, "gone", 12.0)
    reasons(lab, 3)


URGENT = "600100203"


def _while_anna_talks(lab: Lab, text: str, important: Callable[[], str]) -> tuple[str, str]:
    """Let an ordinary caller wait for Anna, and an important one after him, before her talk ends; return the two."""
    later = Reaction(after=0.5, talk=4.0)
    lab.start(text, phone(ANNA, Reaction(after=0.5), later, later), phone(JAN, registered=False))
    talking = lab.call(SALES, number="600100201")
    lab.saw(talking, "connected", peer=at(ANNA))
    ordinary = lab.call(SALES, number="600100202")
    lab.saw(ordinary, "music")
    urgent = important()
    lab.saw(urgent, "music")
    lab.board.hang_up(talking)
    return ordinary, urgent


@scenario("After a talk a member is left alone for his wrap-up (M2)")
def wrap_up(lab: Lab) -> None:
    lab.start(config("wrap_up_seconds = 3"), phone(ANNA, Reaction(after=0.3, talk=2.5)), phone(JAN, registered=False))
    first = lab.call(SALES, number="600100201")
    lab.saw(first, "connected")
    second = lab.call(SALES, number="600100202")
    ended = lab.saw(at(ANNA), "ended")
    rang = lab.saw(at(ANNA), "ringing", peer=second)
    words = f"rung {rang.t - ended.t:.1f} s after his talk, where wrap-up is 3"
    check(rang.t - ended.t > 2.8, words)
    in_time(lab, rang.t - ended.t < 3.8, words)
    lab.saw(second, "gone")
    reasons(lab, 2)


@scenario("A member in another call of his own is not rung (M1)")
def a_member_in_another_call_is_not_rung(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, TALKS), phone(JAN, TALKS), phone(OLA, Reaction(after=0.2)))
    private = lab.call(
        "7002",
        number=ANNA,
        name="Anna",
        user=at(ANNA),
    )
    lab.saw(private, "connected", peer=at(OLA))
    caller = lab.call(SALES)
    lab.saw(caller, "connected", peer=at(JAN))
    check(not lab.sightings(at(ANNA), "ringing"), "Anna was rung in her own call")
    lab.board.hang_up(private)
    lab.saw(caller, "gone")
    reasons(lab, 2)


@scenario("With ring_ready a caller is not answered before a member answers, and then talks to him")
def ringback_until_a_member_answers(lab: Lab) -> None:
    _answered_only_by_a_member(lab, "ring_ready")


@scenario("With pre_answer a caller hears music without being answered, until a member answers")
def pre_answer_until_a_member_answers(lab: Lab) -> None:
    _answered_only_by_a_member(lab, "pre_answer")


def _answered_only_by_a_member(lab: Lab, how: str) -> None:
    text = with_telephony(config(), f'answer = "{how}"')
    lab.start(text, phone(ANNA, Reaction(after=1.5, talk=3.0)), phone(JAN, registered=False))
    caller = lab.call(SALES)
    picked_up = lab.saw(at(ANNA), "answered")
    answered = lab.saw(caller, "answered")
    check(answered.t > picked_up.t - 0.1, f"he was answered {picked_up.t - answered.t:.1f} s before the member")
    lab.saw(caller, "connected", peer=at(ANNA))
    lab.saw(caller, "gone")
    check(lab.ended()["reason"] == "answered", "answered")


@scenario("A call that its site calls important is rung for before earlier ones (L1)")
def importance_from_the_dialplan(lab: Lab) -> None:
    marked = {"fsqueue_priority": "10"}
    ordinary, urgent = _while_anna_talks(lab, config(), lambda: lab.call(SALES, number=URGENT, variables=marked))
    first, second = lab.saw(urgent, "connected", 12.0), lab.saw(ordinary, "connected", 20.0)
    check(first.t < second.t, "the ordinary caller was connected first")
    lab.saw(ordinary, "gone", 12.0)
    reasons(lab, 3)


@scenario("To all: the next caller rings when the first has been answered, not before (D4)")
def to_all_rings_for_one_caller_at_a_time(lab: Lab) -> None:
    lab.start(config('distribution = "to-all"'), phone(ANNA, Reaction(after=2.0, talk=4.0)), phone(JAN, SILENT))
    first = lab.call(SALES, number="600100201")
    lab.saw(at(JAN), "ringing", peer=first)
    second = lab.call(SALES, number="600100202")
    answered = lab.saw(at(ANNA), "answered")
    lab.saw(first, "connected", peer=at(ANNA))
    rang = lab.saw(at(JAN), "ringing", peer=second)
    check(rang.t >= answered.t, f"rang for the second {answered.t - rang.t:.1f} s before the first was answered")
    lab.board.hang_up(second)
    lab.saw(second, "gone", 12.0)
    lab.saw(first, "gone", 12.0)
    reasons(lab, 2)


# --- steps and their failing cases


@scenario("Who has waited for as long as the group allows is sent away, and what rings for him stops (U4)")
def waited_long_enough(lab: Lab) -> None:
    lab.start(config("max_wait_seconds = 7"), phone(ANNA, SILENT), phone(JAN, SILENT))
    caller = lab.call(SALES)
    dialled = lab.saw(caller, "dialled")
    rang = lab.saw(at(JAN), "ringing")
    gone = lab.saw(caller, "gone", detail="by the switch")
    words = f"gone after {gone.t - dialled.t:.1f} s where he may wait 7"
    check(gone.t - dialled.t > 6.8, words)
    in_time(lab, gone.t - dialled.t < 8.0, words)
    stopped = lab.saw(at(JAN), "cancelled")
    check(stopped.t > rang.t, "his phone had rung")
    check(lab.ended()["reason"] == "timed_out", f"ended as {lab.ended()['reason']}")


@scenario("A mailbox that does not exist ends the call as a failed step, never in silence (S3)")
def voicemail_without_a_mailbox(lab: Lab) -> None:
    step = f'action = "voicemail"\nmailbox = "9999@{DOMAIN}"'
    lab.start(config(step=step), phone(ANNA, registered=False), phone(JAN, registered=False))
    caller = lab.call(SALES, patience=10.0)
    lab.saw(caller, "gone", 12.0, detail="by the switch")
    check(lab.ended()["reason"] == "step_failed", f"ended as {lab.ended()['reason']}")


@scenario("A forward to somebody who can't be reached ends the call as not answered (S2)")
def forward_to_nobody(lab: Lab) -> None:
    lab.start(config(step=_forward("")), phone(ANNA, registered=False), phone(JAN, registered=False))
    caller = lab.call(SALES)
    lab.saw(caller, "gone", 12.0, detail="by the switch")
    check(lab.ended()["reason"] == "no_answer", f"ended as {lab.ended()['reason']}")


@scenario("A forward shows the company's own number where the step says so (S2)")
def forward_with_the_companys_number(lab: Lab) -> None:
    text = with_telephony(config(step=_forward('caller_id = "own"')), 'caller_id_number = "48221000000"')
    away = phone(ANNA, registered=False), phone(JAN, registered=False)
    lab.start(text, *away, phone(OLA, TALKS))
    caller = lab.call(SALES)
    seen = lab.saw(at(OLA), "ringing")
    check(seen.peer == "48221000000", f"the forward shows {seen.peer}")
    lab.saw(caller, "gone")
    check(lab.ended()["reason"] == "forwarded", "forwarded")


@scenario("Who finds a full group is sent where its full step says (S1)")
def full_goes_to_another_group(lab: Lab) -> None:
    full = '[groups.sales.full]\naction = "group"\ngroup = "support"'
    lab.start(config("max_waiting = 1", more=full), phone(ANNA, SILENT), phone(JAN, SILENT), phone(OLA, TALKS))
    first = lab.call(SALES, number="600100201")
    lab.saw(first, "music")
    second = lab.call(SALES, number="600100202")
    lab.saw(second, "connected", peer=at(OLA))
    lab.saw(second, "gone")
    lab.board.hang_up(first)
    lab.saw(first, "gone")
    check(reasons(lab, 2) == ["answered", "abandoned"], str(reasons(lab, 2)))


@scenario("A member who has not taken several offers in a row is paused, and rung no more (M1)")
def paused_after_offers_not_taken(lab: Lab) -> None:
    text = config().replace('name = "Anna"\n', 'name = "Anna"\npause_after = 2\n')
    lab.start(text, phone(ANNA, BUSY), phone(JAN, SILENT, registered=False))
    caller = lab.call(SALES)
    lab.saw(at(ANNA), "refused", times=2)
    gevent.sleep(6.0)
    lab.board.hang_up(caller)
    lab.saw(caller, "gone", detail="by himself")
    rung = len(lab.sightings(at(ANNA), "ringing"))
    check(rung == 2, f"Anna was rung {rung} times")
    duties = [one["duty"] for one in lab.records("MemberChanged") if one["member"] == "anna" and one.get("duty")]
    check(duties[-1:] == ["paused"], f"Anna's duty went {duties}")
    lab.ended()


# --- a menu before the groups


@scenario("A caller reaches a group by a key of the sample menu (N2)", real_only="the embedded switch has no menus")
def menu_leads_to_a_group(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, TALKS), phone(JAN, registered=False))
    assert isinstance(lab.board, RealBoard)
    _install_menu(lab.board)
    caller = lab.call(MENU_NUMBER, keys=((2.0, "1"),), patience=20.0)
    lab.saw(caller, "connected", peer=at(ANNA))
    lab.saw(caller, "gone")
    check(lab.ended()["reason"] == "answered", "answered")


def _install_menu(board: RealBoard) -> None:
    """Do what the sample's first lines tell the site to do. Our phones send keys by SIP INFO: `dtmf_type` lets them in."""
    folder = board.switch.folder
    (folder / "sounds" / "ivr").mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "music" / "default" / "tune.wav", folder / "sounds" / "ivr" / "company.wav")
    (folder / "conf" / "ivr_menus").mkdir()
    shutil.copy(SAMPLE_MENU, folder / "conf" / "ivr_menus" / "company.xml")
    menus = '<configuration name="ivr.conf"><menus>\n<X-PRE-PROCESS cmd="include" data="ivr_menus/*.xml"/>\n</menus></configuration>'
    put_after(folder / "conf" / "freeswitch.xml", '<section name="configuration">', menus)
    extension = f"""
<extension name="company-menu">
<condition field="destination_number" expression="^{MENU_NUMBER}$">
<action application="set" data="sound_prefix={folder}/sounds"/>
<action application="set" data="dtmf_type=info"/>
<action application="answer"/>
<action application="sleep" data="500"/>
<action application="ivr" data="company"/>
</condition>
</extension>
"""
    put_after(folder / "conf" / "dialplan" / "site.xml", '<context name="public">', extension)
    with Switch(board.esl, board.password) as switch:
        check(switch.api("reloadxml").startswith("+OK"), "the switch takes the menu")


def put_after(place: Path, mark: str, text: str) -> None:
    """Put a text after the first of a mark in a file."""
    whole = place.read_text()
    check(mark in whole, f"{place.name} has {mark}")
    place.write_text(whole.replace(mark, f"{mark}\n{text}", 1))


@scenario("No more forwards stand at a time than the file allows: the next caller's is not taken (S2)")
def forwards_are_capped(lab: Lab) -> None:
    away = phone(ANNA, registered=False), phone(JAN, registered=False)
    lab.start(with_telephony(config(step=_forward("")), "max_forwards = 1"), *away, phone(OLA))
    first = lab.call(SALES, number="600100201")
    lab.saw(first, "connected", peer=at(OLA))
    second = lab.call(SALES, number="600100202")
    lab.saw(second, "gone", 5.0, detail="by the switch")
    check(len(lab.sightings(at(OLA), "ringing")) == 1, "a second forward was dialled")
    lab.board.hang_up(first)
    lab.saw(first, "gone")
    check(sorted(reasons(lab, 2)) == ["forwarded", "no_answer"], str(reasons(lab, 2)))


@scenario("A caller who hangs up while his forward rings is abandoned, and it stops (S2)")
def abandoned_while_the_forward_rings(lab: Lab) -> None:
    away = phone(ANNA, registered=False), phone(JAN, registered=False)
    lab.start(config(step=_forward("", timeout=60)), *away, phone(OLA, SILENT))
    caller = lab.call(SALES)
    lab.saw(at(OLA), "ringing")
    gevent.sleep(1.0)
    lab.board.hang_up(caller)
    gone = lab.saw(caller, "gone", detail="by himself")
    in_time(lab, lab.saw(at(OLA), "cancelled").t - gone.t < 1.0, "the forward rang on")
    check(lab.ended()["reason"] == "abandoned", f"ended as {lab.ended()['reason']}")


@scenario("A member who is logged out may still pick a colleague's call up, and stays logged out (P1)")
def pickup_by_one_who_is_logged_out(lab: Lab) -> None:
    text = with_telephony(LONG_RINGS, 'logout_code = "*42"')
    lab.start(text, phone(ANNA, TALKS), phone(JAN, SILENT))
    dial_code(lab, "*42")
    caller = lab.call(SALES, number="600100201")
    lab.saw(at(JAN), "ringing", peer=caller)
    lab.call("*8", number=ANNA, name="Anna", user=at(ANNA), talk=3.0)
    lab.saw(at(ANNA), "connected", peer=caller)
    lab.saw(at(JAN), "cancelled", detail="completed elsewhere")
    end = lab.ended()
    check((end["reason"], end["member"]) == ("answered", "anna"), str(end))
    check(not lab.sightings(at(ANNA), "ringing"), "Anna was rung")
