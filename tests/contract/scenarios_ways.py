"""The two ways by which the dialplan hands a call over, at the moments at which they could differ.

All other scenarios run by either way, too: `scripts/contract --way park`.
"""

from __future__ import annotations

import time

import gevent

from fsqueue.simswitch.people import Reaction
from tests.contract.lab import Lab
from tests.contract.scenarios import ANNA, BUSY, JAN, SALES, SILENT, at, check, config, phone, scenario
from tests.contract.scenarios_people import TALKS, ends
from tests.contract.scenarios_rules import with_telephony

FALLBACK_SECONDS = 6.0
RECEPTION = "1010"
"""A desk of the site's, no member."""


@scenario("A call is taken by whichever way it comes: the dialplan may lag behind the configuration")
def the_other_way_than_configured(lab: Lab) -> None:
    text = with_telephony(config(), 'login_code = "*41"')
    lab.start(text, phone(ANNA, TALKS), phone(JAN, registered=False), installed=lab.other_way)
    caller = lab.call(SALES, talk=2.5)
    lab.saw(caller, "connected", peer=at(ANNA))
    lab.saw(caller, "gone", detail="by himself")
    colleague = lab.call("*41", number=ANNA, name="Anna", user=at(ANNA))
    lab.saw(colleague, "gone", detail="by the switch")
    check(lab.ended()["reason"] == "answered", "answered")


@scenario("Callers who hang up within some milliseconds leave nothing behind, and ring nobody's phone for long")
def gone_at_once(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, SILENT), phone(JAN, registered=False))
    for index in range(8):
        caller = lab.call(SALES, number=f"60010020{index}", patience=0.01 * (index + 1))
        lab.saw(caller, "gone", detail="by himself")
    lab.until(lambda: lab.board.legs() == 0, 5.0, "no leg is left on the switch")
    gevent.sleep(0.5)
    lab.until(lambda: len(lab.records("CallEnded")) >= len(lab.records("CallOpened")), 5.0, "each call has its end")
    opened, ended = len(lab.records("CallOpened")), [end["reason"] for end in lab.records("CallEnded")]
    check(len(ended) == opened and set(ended) <= {"abandoned"}, f"{opened} opened, ended as {ended}")
    ringing, over = len(lab.sightings(at(ANNA), "ringing")), len(lab.sightings(at(ANNA), "cancelled"))
    check(ringing == over, f"{ringing} rings, {over} of them cancelled")


@scenario("Who comes while the daemon starts is taken by it in time, or is in the fallback: nobody hangs in between")
def arriving_while_the_daemon_is_away(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, TALKS), phone(JAN, registered=False))
    lab.kill_daemon()
    caller = lab.call(SALES, talk=2.0)
    dialled = lab.saw(caller, "dialled")
    lab.start_daemon()
    while_he_waits = time.time() - dialled.t < FALLBACK_SECONDS / 2  # on a busy machine a start may take longer
    lab.saw(caller, "gone", FALLBACK_SECONDS + 8.0)
    if lab.sightings(caller, "connected"):
        lab.saw(caller, "connected", peer=at(ANNA))
        check(ends(lab, 1)[0]["reason"] == "answered", "answered")
    else:
        check(lab.way == "socket" or not while_he_waits, "he was in the fallback, and the daemon was there in time")
        lab.saw(caller, "gone", detail="NORMAL_TEMPORARY_FAILURE by the switch")


@scenario("A daemon that wakes up late fetches nobody from where the fallback has taken him")
def waking_up_too_late(lab: Lab) -> None:
    text = with_telephony(config(), f'fallback = "{RECEPTION}"')
    lab.start(text, phone(ANNA, TALKS), phone(JAN, registered=False), phone(RECEPTION, Reaction(after=0.2)))
    lab.pause_daemon()
    caller = lab.call(SALES)
    lab.saw(caller, "connected", FALLBACK_SECONDS + 5, peer=at(RECEPTION))
    lab.continue_daemon()
    gevent.sleep(3.0)
    check(not lab.sightings(at(ANNA), "answered"), "Anna is not connected with somebody who is gone")
    check(not lab.sightings(caller, "gone"), "he still talks to the reception")
    check(len(lab.sightings(caller, "connected")) == 1, "and to nobody else")
    check(not lab.records("CallOpened"), f"he is no caller of ours: {lab.records('CallOpened')}")
    lab.board.hang_up(caller)


@scenario("A daemon that wakes up in time takes who has arrived meanwhile")
def waking_up_in_time(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, BUSY, TALKS), phone(JAN, registered=False))
    lab.pause_daemon()
    caller = lab.call(SALES)
    gevent.sleep(2.0)
    lab.continue_daemon()
    lab.saw(caller, "connected", 12.0, peer=at(ANNA))
    lab.board.hang_up(caller)
    check(ends(lab, 1)[0]["reason"] == "answered", "one call, answered")


@scenario("A caller who is refused is told so by the cause of his number's end, unanswered, and is in the missed list")
def refused_before_the_answer(lab: Lab) -> None:
    text = config().replace("[groups.sales]\n", "[groups.sales]\nmax_waiting = 1\n", 1)
    text += '[groups.sales.full]\naction = "hangup"\n'
    lab.start(text, phone(ANNA, SILENT), phone(JAN, registered=False))
    first = lab.call(SALES)
    lab.saw(first, "music")
    second = lab.call(SALES, number="600100201")
    lab.saw(second, "gone", 4.0, detail="USER_BUSY by the switch")
    check(not lab.sightings(second, "answered"), "he was not answered")
    lab.board.hang_up(first)
    check({end["reason"] for end in ends(lab, 2)} == {"full", "abandoned"}, "full, and abandoned")
