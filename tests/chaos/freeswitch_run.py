"""A run on a real FreeSWITCH with SIP phones and callers: the daemon is killed at random moments of a running load."""

from __future__ import annotations

import time
from random import Random

import gevent

from tests.contract.freeswitch import find
from tests.contract.lab import RealBoard

from .process_run import Stage
from .virtual_run import Report

CALL_GAP = 1.5
KILL_GAP = 5.0


def run(place: str, seed: int, kills: int) -> Report:
    """Kill the daemon *kills* times under load, on the FreeSWITCH at *place*.

    Raises:
        NotInstalledError: there is none.
    """
    rng, began = Random(seed), time.time()
    stage = Stage(RealBoard(find(place)), Random(rng.random()), gap=CALL_GAP)
    for _ in range(kills):
        gevent.sleep(1.0 + rng.expovariate(1.0 / KILL_GAP))
        stage.fault("kill -9", lambda: stage.kill(rng.choice((0.0, rng.uniform(0, 3)))))
    gevent.sleep(3.0)
    stage.settle()
    return stage.report("freeswitch", seed, began)
