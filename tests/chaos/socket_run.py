"""A run over real sockets: the daemon as a process, the embedded switch in this one, and a wire between the two."""

from __future__ import annotations

import time
from random import Random

import gevent

from .boards import Embedded
from .process_run import Stage
from .troubles import KILL, SWITCH, Troubles
from .virtual_run import Report

CALL_GAP = 1.2
FAULT_GAP = 3.0

WEIGHTS = {KILL: 6, "SIGSTOP": 4, "link cut": 4, "link half-open": 3, "link slow": 2}
WEIGHTS |= {"event socket unreachable": 2, SWITCH: 1, "disk full": 2, "disk full, then kill -9": 1}


def run(seed: int, minutes: float, broken: str = "") -> Report:
    """Keep a daemon in trouble for so many *minutes*, and then judge; *broken* names the rule that it breaks."""
    rng, began = Random(seed), time.time()
    board = Embedded()
    stage = Stage(board, Random(rng.random()), gap=CALL_GAP, broken=broken)
    troubles = Troubles(stage, board, rng)
    end = time.monotonic() + minutes * 60.0
    while time.monotonic() < end:
        gevent.sleep(rng.expovariate(1.0 / FAULT_GAP))
        troubles.do(rng.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))[0])
    board.proxy.well()
    gevent.sleep(3.0)
    stage.settle()
    return stage.report("sockets", seed, began)
