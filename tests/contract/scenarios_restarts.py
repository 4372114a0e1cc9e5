"""What a daemon that ends, dies or is stopped leaves behind, and what the next one makes of it: nothing is ever lost."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable

import gevent

from fsqueue.simswitch.people import Reaction
from tests.contract.lab import Lab, RealBoard
from tests.contract.scenarios import ANNA, JAN, LONG_RINGS, SALES, SILENT, at, check, config, in_time, phone, scenario
from tests.contract.scenarios_people import ends, stands

LEASE, LAP = 60.0, 30.0
"""Seconds that callers on hold go on waiting for a daemon that is gone, and between two looks whether it is."""

SOON = 2.0
"""Seconds from a new start to the offer of a call that would have been offered."""

GAP = 0.5
"""Seconds without a packet that nobody calls a gap on a machine that runs a switch, phones and tests."""


@scenario("Drained, fsqueue takes no new calls, brings those there are to their end, and ends itself with exit code 0")
def drained(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(after=0.3, talk=4.0)), phone(JAN, SILENT, registered=False))
    talks = lab.call(SALES, number="600100201")
    lab.saw(talks, "connected", peer=at(ANNA))
    waits = lab.call(SALES, number="600100202")
    lab.saw(waits, "music")
    lab.drain_daemon()
    refused = lab.call(SALES, number="600100203")
    lab.saw(refused, "gone", 5.0, detail="NORMAL_TEMPORARY_FAILURE by the switch")
    check(not lab.sightings(refused, "answered"), "the new caller was not answered")
    lab.saw(waits, "connected", 20.0, peer=at(ANNA))
    lab.saw(waits, "gone", 15.0)
    check(lab.daemon_exits(10.0) == 0, "exit code 0")
    found = {end["reason"] for end in ends(lab, 3)}
    check(found == {"answered", "fallback"}, str(found))


def everything_under_way(lab: Lab, end_daemon: Callable[[], None]) -> None:
    """A talk, a ringing phone and a waiting caller live through a restart as they were."""
    lab.start(LONG_RINGS, phone(ANNA, Reaction(after=0.3)), phone(JAN, SILENT))
    talks = lab.call(SALES, number="600100201")
    lab.saw(talks, "connected", peer=at(ANNA))
    rung = lab.call(SALES, number="600100202")
    rang = lab.saw(at(JAN), "ringing", peer=rung)
    waits = lab.call(SALES, number="600100203")
    for caller in (rung, waits):
        lab.saw(caller, "music")
    gevent.sleep(2.5)
    _gap(lab, waits)
    end_daemon()
    gevent.sleep(0.5)
    lab.start_daemon()
    gevent.sleep(1.5)
    gap = _gap(lab, waits)
    check(gap < GAP, f"the caller on hold heard nothing for {gap:.2f} s")
    lab.measured.append(f"longest time without a packet {gap * 1000:.0f} ms")
    for who, what in ((at(ANNA), "ended"), (at(JAN), "cancelled"), (waits, "gone"), (rung, "gone"), (talks, "gone")):
        check(not lab.sightings(who, what), f"{who} is as he was")
    check(not lab.sightings(waits, "silence"), "no silence")
    expected = {talks: "talking", rung: "waiting", waits: "waiting"}
    lab.until(lambda: _shown(lab) == expected, 5.0, f"{_shown(lab)} is shown as {expected}")
    lab.board.answer(JAN)
    lab.saw(rung, "connected", 5.0, peer=at(JAN))
    check(lab.saw(at(JAN), "answered").leg == rang.leg, "it is the same ring")
    lab.board.hang_up(ANNA)
    lab.saw(waits, "connected", peer=at(ANNA))
    stands(lab, "anna")
    for user in (ANNA, JAN):
        lab.board.hang_up(user)
    found = ends(lab, 3, 30.0)
    check({end["reason"] for end in found} == {"answered"}, str(found))


def _shown(lab: Lab) -> dict[str, str]:
    """Each caller's state as the daemon shows it to people now."""
    return {call.caller.number: call.state for call in lab.status().calls}


def _gap(lab: Lab, caller: str) -> float:
    """The longest gap so far; where there is no RTP sightings alone tell."""
    return lab.board.gap(caller) if isinstance(lab.board, RealBoard) else 0.0


@scenario("A restart leaves a talk, a ringing phone and a caller on hold as they were, with music throughout")
def restarted_with_everything_under_way(lab: Lab) -> None:
    everything_under_way(lab, lab.stop_daemon)


@scenario("So does kill -9")
def killed_with_everything_under_way(lab: Lab) -> None:
    everything_under_way(lab, lab.kill_daemon)


@scenario("Who could be offered is offered within two seconds of the new start, in the order of joining")
def offered_soon_after_a_start(lab: Lab) -> None:
    phones = phone(ANNA, Reaction(after=0.5, talk=3.0), registered=False), phone(JAN, SILENT, registered=False)
    lab.start(config(), *phones)
    first = lab.call(SALES, number="600100201")
    lab.saw(first, "music")
    second = lab.call(SALES, number="600100202")
    lab.saw(second, "music")
    lab.kill_daemon()
    lab.board.register(ANNA, present=True)
    gevent.sleep(1.0)
    lab.start_daemon()
    rang = lab.saw(at(ANNA), "ringing", 5.0, peer=first)
    took = rang.t - lab.took_calls_at()
    words = f"{took:.2f} s from the start to the ring, {rang.t - lab.started_at:.2f} s with Python's own"
    lab.measured.append(words)
    in_time(lab, took < SOON, words)  # tests/virtual/test_starts.py has the rule on virtual time
    lab.saw(second, "connected", 20.0, peer=at(ANNA))
    lab.saw(second, "gone", 10.0)
    ends(lab, 2)


@scenario("What ended while no daemon ran is recorded: who waited as lost, a talk as answered, both with the interval")
def ended_while_no_daemon_ran(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(after=0.3)), phone(JAN, SILENT, registered=False))
    talks = lab.call(SALES, number="600100201")
    lab.saw(talks, "connected", peer=at(ANNA))
    waits = lab.call(SALES, number="600100202")
    lab.saw(waits, "music")
    gevent.sleep(3.0)
    died = time.time()
    lab.kill_daemon()
    lab.board.hang_up(waits)
    lab.board.hang_up(ANNA)
    lab.saw(talks, "gone", 5.0)
    lab.start_daemon()
    found = {end["reason"]: end for end in ends(lab, 2)}
    check(set(found) == {"lost", "answered"}, str(found))
    for end in found.values():
        since = end["unseen_since"]
        check(since is not None and died - 10.0 < since <= died + 0.1, f"unseen since {since}, died at {died}: {end}")
    lab.until(lambda: lab.members()["anna"] == "available", 6.0, "Anna is available")


@scenario(
    "If fsqueue stays away, every caller is in the dialplan's fallback within lease and one lap; none waits for ever",
    real_only="tests/virtual shows it on the embedded switch, without waiting for a minute and a half",
)
def daemon_stays_away(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, registered=False), phone(JAN, registered=False))
    callers = [lab.call(SALES, number=f"60010020{n}") for n in range(4)]
    for caller in callers:
        lab.saw(caller, "music")
        gevent.sleep(3.0)
    died = time.time()
    lab.kill_daemon()
    for caller in callers:
        gone = lab.saw(caller, "gone", LEASE + LAP + 15.0, detail="by the switch")
        check(gone.t - died < LEASE + LAP + 2.0, f"{caller} was kept for {gone.t - died:.1f} s")
        check(gone.t - died > LEASE - 15.0, f"{caller} was given up after {gone.t - died:.1f} s")
        lab.measured.append(f"{gone.t - died:.1f} s")
    lab.start_daemon()
    found = ends(lab, 4)
    check({end["reason"] for end in found} == {"lost"}, str(found))


@scenario(
    "A daemon that is stopped keeps nobody from the fallback, and when it goes on no phone rings for who has gone"
)
def stopped_and_continued(lab: Lab) -> None:
    lab.start(LONG_RINGS, phone(ANNA, SILENT), phone(JAN, registered=False))
    rung = lab.call(SALES, number="600100201")
    lab.saw(at(ANNA), "ringing", peer=rung)
    waits = lab.call(SALES, number="600100202")
    lab.saw(waits, "music")
    lab.forgiven.append("ringing for nobody")
    lab.pause_daemon()
    new = lab.call(SALES, number="600100203")
    gevent.sleep(1.0)
    lab.board.hang_up(rung)
    lab.board.hang_up(waits)
    lab.saw(new, "gone", 9.0, detail="NORMAL_TEMPORARY_FAILURE by the switch")
    lab.continue_daemon()
    went_on = time.time()
    lab.saw(at(ANNA), "cancelled", 5.0)
    gevent.sleep(4.0)
    late = [one for one in lab.sightings(at(ANNA), "ringing") if one.t > went_on]
    check(not late, f"rang for {[one.peer for one in late]}")
    lab.until(lambda: not lab.status().calls, 8.0, "no call is left")


MOMENTS = (0.0, 0.004, 0.012, 0.03)
"""Seconds from a call's first record to its daemon's death: before the first word, between any two, and after the last."""


@scenario(
    "Who is being taken from the dialplan as the daemon dies is fetched by the next one, or in the fallback by then"
)
def killed_while_calls_are_taken(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(after=0.5, talk=3.0), registered=False), phone(JAN, registered=False))
    fetched = []
    for n, moment in enumerate(MOMENTS):
        caller = lab.call(SALES, number=f"60010020{n}")
        end = time.monotonic() + 5.0
        while len(lab.records("CallOpened")) <= n and time.monotonic() < end:
            gevent.sleep(0.0005)
        gevent.sleep(moment)
        lab.kill_daemon()
        lab.start_daemon()
        lab.until(lambda who=caller: _settled(lab, who), 8.0, f"{caller} is on hold, or in the fallback")  # type: ignore[misc]
        if lab.sightings(caller, "gone"):
            lab.saw(caller, "gone", detail="NORMAL_TEMPORARY_FAILURE by the switch")
        else:
            fetched.append(caller)
    lab.measured.append(f"{len(fetched)} of {len(MOMENTS)} served, the others in the fallback")
    lab.board.register(ANNA, present=True)
    for caller in fetched:
        lab.saw(caller, "connected", 20.0, peer=at(ANNA))
        lab.saw(caller, "gone", 10.0)
    found = ends(lab, len(MOMENTS))
    answered = sum(end["reason"] == "answered" for end in found)
    check(answered == len(fetched), f"{fetched} were served: {found}")


def _settled(lab: Lab, caller: str) -> bool:
    return bool(lab.sightings(caller, "music") or lab.sightings(caller, "gone"))


VERSIONS: dict[str, str] = {
    "600100201": "fsqueue_version=0;fsqueue_entered=;fsqueue_priority=;fsqueue_music=;fsqueue_number=",
    "600100202": "fsqueue_version=7;fsqueue_skills=a%7Cb;fsqueue_joined_by=x;{presence}|more|fields",
    "600100203": "fsqueue_version=7;{presence_of_7}",
}
"""What another version may have written: too little, more than we know, and under another mark."""


@scenario("Channels with an older or a newer version's variables are taken over, in the order of joining")
def channels_of_other_versions(lab: Lab) -> None:
    phones = phone(ANNA, Reaction(after=0.3, talk=3.0), registered=False), phone(JAN, registered=False)
    lab.start(config(), *phones)
    began = {}
    for caller in VERSIONS:
        lab.call(SALES, number=caller)
        began[caller] = lab.saw(
            caller, "music"
        ).t  # the first one's may take half a second on a switch that has just started
    lab.kill_daemon()
    rows = json.loads(lab.api("show channels as json"))["rows"]
    for row in rows:
        presence = f"presence_data={row['presence_data']}"
        of_7 = presence.replace("fsq1|", "fsq7|")
        text = VERSIONS[row["cid_num"]].format(presence=presence, presence_of_7=of_7)
        answer = lab.api(f"uuid_setvar_multi {row['uuid']} {text}")
        check(answer.startswith("+OK"), answer)
    shutil.rmtree(lab.folder / "state")  # only their channels tell of them
    lab.board.register(ANNA, present=True)
    gevent.sleep(1.0)
    lab.start_daemon()
    for caller in VERSIONS:
        talks = lab.saw(caller, "connected", 20.0, peer=at(ANNA))
        silent = [seen for seen in lab.sightings(caller, "silence") if began[caller] < seen.t < talks.t]
        check(not silent, f"he heard nothing: {silent}")
        lab.saw(caller, "gone", 10.0)
    found = ends(lab, 3)
    check({end["reason"] for end in found} == {"answered"}, str(found))
