"""The two ways by which the dialplan hands a call over, on a real FreeSWITCH: by its socket, and parked.

Two switches with a daemon each, alike but for `telephony.hand_over`, take the same callers in turn. What is looked at is the way
of an INVITE to the member's INVITE, and what a caller who waits costs the switch: memory, and CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import gevent

from scripts.bench_figures import cpu_seconds, milliseconds, percentile, ratio, resident_bytes
from scripts.bench_phones import Street, Times
from tests.contract.freeswitch import DOMAIN, FreeSwitch, Site, find
from tests.contract.lab import WAYS, Lab, RealBoard, Way

USERS = tuple(str(number) for number in range(1001, 1041))
"""So many that somebody is always free: what is measured is the way to him, not the wait for him."""

RATE = 10.0
"""Calls a second."""

CALLS = 50
"""Of one round."""

ROUNDS = 4
WAITING = 100
"""Callers who wait."""

IDLE_SECONDS = 20.0
BUSY, EMPTY = "7000", "7001"
"""A group that answers, and one with nobody who could."""

WARM_UP = 20
"""Calls before anything is measured: what the switch needs once, it has then."""

LIMIT = 0.5
"""The memory of a caller who was parked, against that of one who came by the socket."""


def _config() -> str:
    members = "".join(f'[members.m{user}]\ndial = "user/{user}@{DOMAIN}"\n' for user in USERS)
    return f"""
[telephony]
rest_seconds = 0
{members}
[members.nobody]
dial = "user/1999@{DOMAIN}"
[groups.busy]
extension = "{BUSY}"
members = {[f"m{user}" for user in USERS]!r}
[groups.empty]
extension = "{EMPTY}"
members = ["nobody"]
"""


class Scene:
    """One switch whose calls come by one way, its phones, and the daemon."""

    def __init__(self, lab: Lab, switch: FreeSwitch) -> None:
        """Register the phones, then start the daemon, so that it finds them."""
        self.switch = switch
        self.street = Street(switch.internal, switch.external, switch.esl, switch.password, USERS)
        lab.start_daemon()
        self.street.load(BUSY, RATE, WARM_UP, Random(0))


@contextmanager
def scene(program: Path, way: Way) -> Iterator[Scene]:
    """Set everything up, and take it down."""
    board = RealBoard(program, Site(users=USERS, loglevel="warning"))
    lab = Lab(board, way)
    try:
        lab.start(_config(), daemon=False)
        stage = Scene(lab, board.switch)
        try:
            yield stage
        finally:
            stage.street.close()
    finally:
        lab.close()


def calls(stages: dict[Way, Scene], rounds: int, number: int) -> dict[Way, Times]:
    """Return what calls took, by way; they take turns."""
    found = {way: Times() for way in stages}
    for nth in range(rounds):
        for way, stage in stages.items():
            taken = stage.street.load(BUSY, RATE, number, Random(nth))
            found[way].invite += taken.invite
            found[way].bridge += taken.bridge
            found[way].calls += taken.calls
    return found


def waiting(stage: Scene, callers: int, seconds: float) -> dict[str, float]:
    """Return what so many waiting callers cost the switch: memory of each in kB, and CPU in per cent of a core."""
    pid = stage.switch.pid
    before = resident_bytes(pid)
    for _ in range(callers):
        gevent.spawn(stage.street.dial, EMPTY)
        gevent.sleep(0.03)
    gevent.sleep(3.0)
    memory = (resident_bytes(pid) - before) / callers / 1000
    began = cpu_seconds(pid)
    gevent.sleep(seconds)
    cpu = (cpu_seconds(pid) - began) / seconds * 100
    stage.street.hang_up()
    return {"kB": round(memory), "cpu_percent": round(cpu, 1)}


def run(
    freeswitch: str,
    rounds: int = ROUNDS,
    number: int = CALLS,
    callers: int = WAITING,
    seconds: float = IDLE_SECONDS,
) -> dict[str, Any]:
    """Measure on the FreeSWITCH at the path *freeswitch*."""
    program = find(freeswitch)
    with ExitStack() as stack:
        stages = {way: stack.enter_context(scene(program, way)) for way in WAYS}
        version = stages["socket"].switch.version
        found = calls(stages, rounds, number)
        idle = {way: waiting(stage, callers, seconds) for way, stage in stages.items()}
    figures = {f"INVITE to INVITE, p{percent}": _beside(found, percent) for percent in (50, 95)}
    for key, what in (("kB", "memory of a waiting caller, kB"), ("cpu_percent", f"CPU with {callers} waiting, %")):
        socket, parked = idle["socket"][key], idle["park"][key]
        figures[what] = {"socket": socket, "park": parked, "ratio": ratio(parked, socket)}
    memory = figures["memory of a waiting caller, kB"]["ratio"]
    unserved = {way: times.lost for way, times in found.items()}
    return {
        "freeswitch": version,
        "calls_per_second": RATE,
        "reference": "the same daemon and callers, handed over by the socket, in turn",
        "ratio_is": "parked to socket; the one with a limit is the memory of a waiting caller",
        "figures": figures,
        "milliseconds": {way: milliseconds(times.invite) for way, times in found.items()},
        "unserved": unserved,
        "ratio": memory,
        "limit": LIMIT,
        "passed": memory <= LIMIT and not any(unserved.values()),
    }


def _beside(found: dict[Way, Times], percent: int) -> dict[str, float]:
    socket, parked = (percentile(found[way].invite, percent) for way in WAYS)
    return {"socket_ms": round(socket * 1e3, 1), "park_ms": round(parked * 1e3, 1), "ratio": ratio(parked, socket)}
