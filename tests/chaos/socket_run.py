"""A run over real sockets: the daemon as a process, the embedded switch in this one, and a proxy between the two."""

from __future__ import annotations

import time
from random import Random

import gevent

from fsqueue.config.model import Configuration
from tests.contract.lab import EmbeddedBoard

from .process_run import Stage
from .proxy import Proxy
from .virtual_run import Report

CALL_GAP = 1.2
FAULT_GAP = 4.0


class _ProxiedBoard(EmbeddedBoard):
    """The embedded switch behind a wire that can be cut."""

    def start(self, configuration: Configuration) -> None:
        super().start(configuration)
        self.proxy = Proxy(super().esl)
        self.proxy.start()

    @property
    def esl(self) -> int:
        return self.proxy.port

    def crash(self) -> None:
        """Restart the switch: every call is gone, every connection breaks."""
        self._shell.settle()
        self._world.crash()
        self._shell.settle()

    def stop(self) -> None:
        self.proxy.stop()
        super().stop()


def run(seed: int, minutes: float) -> Report:
    """Keep a daemon in trouble for so many *minutes*, and then judge."""
    rng, began = Random(seed), time.time()
    board = _ProxiedBoard()
    stage = Stage(board, Random(rng.random()), gap=CALL_GAP)
    end = time.monotonic() + minutes * 60.0
    while time.monotonic() < end:
        gevent.sleep(rng.expovariate(1.0 / FAULT_GAP))
        _fault(stage, board, rng)
    stage.settle()
    return stage.report("sockets", seed, began)


def _fault(stage: Stage, board: _ProxiedBoard, rng: Random) -> None:
    kind = rng.choices(("kill", "stop", "cut", "half-open", "unreachable", "restart", "disk"), (6, 4, 4, 3, 2, 1, 2))[0]
    if kind == "kill":
        stage.fault("kill -9", lambda: stage.kill(rng.choice((0.0, rng.uniform(0, 4)))))
    elif kind == "stop":
        stage.fault("SIGSTOP", lambda: stage.stop(rng.uniform(0.3, 8)))
    elif kind == "cut":
        stage.fault("link cut", lambda: _then(board.proxy.cut, 1.5))
    elif kind == "half-open":
        stage.fault("link half-open", lambda: _half_open(board.proxy, rng.uniform(1, 10)))
    elif kind == "unreachable":
        stage.fault("event socket unreachable", lambda: _unreachable(board.proxy, rng.uniform(1, 6)))
    elif kind == "restart":
        stage.restarts.append(time.time())
        stage.fault("switch restarted", lambda: _then(board.crash, 2.0))
    else:
        stage.fault("disk full", lambda: stage.fill_disk(rng.uniform(0.5, 4)))


def _then(do: object, seconds: float) -> None:
    if callable(do):
        do()
    gevent.sleep(seconds)


def _half_open(proxy: Proxy, seconds: float) -> None:
    proxy.silence()
    gevent.sleep(seconds)
    proxy.cut()
    gevent.sleep(1.5)


def _unreachable(proxy: Proxy, seconds: float) -> None:
    proxy.refusing = True
    proxy.cut()
    gevent.sleep(seconds)
    proxy.refusing = False
    gevent.sleep(6.0)  # the longest that it waits before it tries again
