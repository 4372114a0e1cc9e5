"""A run on a real FreeSWITCH with SIP phones and callers: kills at random moments of a running load, and what else can be done."""

from __future__ import annotations

import time
from random import Random

import gevent

from tests.contract.freeswitch import find

from .boards import Real
from .process_run import Stage
from .troubles import KILL, SWITCH, Troubles
from .virtual_run import Report

CALL_GAP = 1.5
FAULT_GAP = 4.0

OTHERS = {"SIGSTOP": 0.25, "link cut": 0.25, "link half-open": 0.1, "link slow": 0.1}
OTHERS |= {"event socket unreachable": 0.1, "disk full": 0.1, "disk full, then kill -9": 0.05, SWITCH: 0.05}
"""How many there are of each other trouble for one kill; at least one."""


def troubles_of(rng: Random, kills: int) -> list[str]:
    """Return what is done, in a random order: *kills* kills, and the others with them."""
    kinds = [KILL] * kills
    for kind, share in OTHERS.items():
        kinds += [kind] * max(1, round(kills * share))
    rng.shuffle(kinds)
    return kinds


def run(place: str, seed: int, kills: int, broken: str = "") -> Report:
    """Kill the daemon *kills* times under load, on the FreeSWITCH at *place*; *broken* names the rule that it breaks.

    Raises:
        NotInstalledError: there is none.
    """
    rng, began = Random(seed), time.time()
    board = Real(find(place))
    stage = Stage(board, Random(rng.random()), gap=CALL_GAP, broken=broken)
    troubles = Troubles(stage, board, rng)
    for kind in troubles_of(rng, kills):
        gevent.sleep(0.5 + rng.expovariate(1.0 / FAULT_GAP))
        troubles.do(kind)
    board.proxy.well()
    gevent.sleep(3.0)
    stage.settle()
    return stage.report("freeswitch", seed, began)
