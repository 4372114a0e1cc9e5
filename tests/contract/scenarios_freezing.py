"""What a daemon in trouble does to FreeSWITCH: nothing. A client that stops reading freezes the whole switch (measured), so
ours asks for nothing but its own events, never waits for a disk where it reads, and is ended when it is stuck.
"""

from __future__ import annotations

import time
from pathlib import Path

import gevent

from fsqueue.simswitch.people import Reaction
from tests.contract.held import held, threads
from tests.contract.lab import FailedError, Lab
from tests.contract.rawesl import Switch
from tests.contract.scenarios import ANNA, JAN, SALES, SILENT, at, check, config, in_time, phone, scenario
from tests.contract.scenarios_people import ends
from tests.contract.supervisor import Supervisor

DROWNS = 20.0
"""Seconds of events that come as fast as FreeSWITCH takes them from a client."""

ANSWERS = 2.0
"""Seconds in which FreeSWITCH has to answer an API command on a machine that is busy otherwise."""

STOPPED = 65.0
"""Seconds."""

WATCHDOG = 4.0
"""Seconds of this supervisor; the unit's is 20."""

NEEDS_A_REAL_ONE = "what a full queue does is FreeSWITCH's own doing"


class Noise:
    """Events of other people's: `subclass` says whether the daemon has asked for such."""

    def __init__(self, lab: Lab, subclass: str, *headers: str) -> None:
        self._switch = Switch(lab.board.esl, lab.board.password)
        self._lines = ("sendevent CUSTOM", f"Event-Subclass: {subclass}", *headers)
        self.sent = 0

    def make(self, count: int, at_once: int = 200) -> None:
        """Send so many, a bundle at a time, and wait until FreeSWITCH has taken each bundle."""
        text = ("\n".join(self._lines) + "\n\n").encode()
        for _ in range(0, count, at_once):
            self._switch.sock.sendall(text * at_once)
            for _ in range(at_once):
                if self._switch.replies.get(timeout=30.0) is None:
                    raise FailedError("FreeSWITCH hung up")
            self.sent += at_once

    def close(self) -> None:
        """Close the connection."""
        self._switch.close()


def answers(lab: Lab) -> float:
    """How long FreeSWITCH takes to log a client in and to answer it."""
    began = time.monotonic()
    lab.api("status")
    return time.monotonic() - began


@scenario(
    "Stopped for a minute under other people's load, the daemon does not freeze FreeSWITCH, and goes on afterwards",
    real_only=NEEDS_A_REAL_ONE,
)
def a_stopped_daemon_does_not_freeze_the_switch(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(after=0.3, talk=3.0)), phone(JAN, registered=False))
    noise = Noise(lab, "site::noise", f"filler: {'x' * 500}")
    lab.pause_daemon()
    began, slowest, calls = time.monotonic(), 0.0, 0
    while time.monotonic() - began < STOPPED:
        noise.make(200)
        slowest = max(slowest, answers(lab))
        if time.monotonic() - began > 8.0 * calls:
            caller = lab.call(SALES, number=f"6001{calls:05}")
            lab.until(lambda who=caller: _progress(lab, who), 9.0, f"the INVITE of {caller} is answered")  # type: ignore[misc]
            calls += 1
        gevent.sleep(0.05)
    check(slowest < ANSWERS, f"an API command took {slowest:.1f} s")
    noise.close()
    lab.continue_daemon()
    gevent.sleep(2.0)
    caller = lab.call(SALES, number="600100299")
    lab.saw(caller, "connected", 10.0, peer=at(ANNA))
    lab.saw(caller, "gone", 10.0)
    lab.measured.append(
        f"stopped for {STOPPED:g} s: {noise.sent} events of others, {calls} INVITEs answered, slowest API {slowest:.2f} s"
    )


def _progress(lab: Lab, caller: str) -> bool:
    """His INVITE got a final answer: the fallback's."""
    return bool(lab.sightings(caller, "gone"))


@scenario(
    "Drowned in events that it has asked for, the daemon neither freezes FreeSWITCH nor grows, and serves callers again",
    real_only=NEEDS_A_REAL_ONE,
)
def drowned_in_events(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(after=0.3, talk=3.0)), phone(JAN, registered=False))
    before = _memory(lab.daemon_pid)
    noise = Noise(lab, "fsqueue::hold", "variable_fsqueue_owner: somebody-else", f"filler: {'x' * 500}")
    began, slowest = time.monotonic(), 0.0
    while time.monotonic() - began < DROWNS:
        noise.make(200)
        slowest = max(slowest, answers(lab))
    took = time.monotonic() - began
    caller = lab.call(SALES)
    lab.saw(caller, "connected", 20.0, peer=at(ANNA))
    lab.saw(caller, "gone", 10.0)
    grown = _memory(lab.daemon_pid) - before
    check(slowest < ANSWERS, f"an API command took {slowest:.1f} s")
    check(grown < 64, f"grew by {grown:.0f} MB")
    noise.close()
    lab.measured.append(f"{noise.sent} events in {took:.1f} s, slowest API {slowest:.2f} s, grown by {grown:.1f} MB")


def _memory(process: int) -> float:
    """Resident megabytes."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096 / 1e6


@scenario("While the disk hangs calls are taken, rung and connected, FreeSWITCH is read, and the records come later")
def a_hanging_disk_holds_up_nobody(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(after=0.3, talk=3.0)), phone(JAN, SILENT, registered=False))
    _, others = threads(lab.daemon_pid)
    with held(others):  # whoever of the daemon touches a disk: the journal's threads, the log's, the pool's
        slowest = 0.0
        for n in range(3):
            caller = lab.call(SALES, number=f"60010020{n}")
            lab.saw(caller, "connected", 10.0, peer=at(ANNA), times=1)
            lab.saw(caller, "gone", 10.0)
            slowest = max(slowest, answers(lab))
        check(not lab.records("CallEnded"), "nothing of it is on the disk")
        in_time(lab, slowest < ANSWERS, f"an API command took {slowest:.1f} s")
    found = ends(lab, 3)
    check({end["reason"] for end in found} == {"answered"}, str(found))


@scenario(
    "A daemon that is stuck says no more that it is alive, is ended for it, and the next one goes on with its callers"
)
def a_stuck_daemon_is_ended_by_its_watchdog(lab: Lab) -> None:
    supervisor = Supervisor(lab.folder / "notify", WATCHDOG)
    lab.start(
        config(),
        phone(ANNA, Reaction(after=0.3, talk=3.0), registered=False),
        phone(JAN, registered=False),
        daemon=False,
    )
    lab.start_daemon(**supervisor.environ)
    caller = lab.call(SALES)
    lab.saw(caller, "music")
    check(supervisor.watch(lab.daemon_pid, WATCHDOG + 2.0) == 0.0, "it says that it is alive")
    main, _ = threads(lab.daemon_pid)
    with held(main):  # the rules stand still, everything else of the process goes on
        silent = supervisor.watch(lab.daemon_pid, 3 * WATCHDOG)
    check(silent > WATCHDOG, "it went on saying that it is alive")
    lab.daemon_exits(5.0)
    lab.board.register(ANNA, present=True)
    lab.start_daemon(**supervisor.environ)
    lab.saw(caller, "connected", 10.0, peer=at(ANNA))
    lab.saw(caller, "gone", 10.0)
    check(lab.ended()["reason"] == "answered", "he was answered")
    supervisor.close()
