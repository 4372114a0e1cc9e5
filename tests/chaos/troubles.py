"""What is done to a daemon that is a process, to its wire and to its switch; the same on both switches."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

import gevent

from .boards import Breakable
from .process_run import Stage

KILL = "kill -9"
SWITCH = "switch killed and restarted"

NOTICES = 2.0
"""Seconds in which a daemon whose link was cut is back on a new one."""

LONGEST_DELAY = 6.0
"""Seconds that it waits at most before it tries again."""


class Troubles:
    """Does one trouble after the other to the daemon of *stage*."""

    def __init__(self, stage: Stage, board: Breakable, rng: Random) -> None:
        """Prepare; nothing is done yet."""
        self._stage, self._board, self._rng = stage, board, rng
        self._kinds: dict[str, Callable[[], object]] = {
            KILL: self._kill,
            "SIGSTOP": lambda: stage.stop(rng.choice((rng.uniform(0.2, 2), rng.uniform(2, 9)))),
            "link cut": self._cut,
            "link half-open": self._half_open,
            "link slow": self._slow,
            "event socket unreachable": self._unreachable,
            SWITCH: self._crash,
            "disk full": lambda: stage.fill_disk(rng.uniform(0.3, 4)),
            "disk full, then kill -9": lambda: stage.fill_disk_and_kill(rng.uniform(0.3, 4)),
        }

    @property
    def kinds(self) -> tuple[str, ...]:
        """All there are."""
        return tuple(self._kinds)

    def do(self, kind: str) -> None:
        """Do one of this kind, and see it through to its end."""
        self._stage.fault(kind, self._kinds[kind])

    def _kill(self) -> None:
        self._stage.kill(self._rng.choice((0.0, self._rng.uniform(0, 4))))

    def _cut(self) -> None:
        self._board.proxy.cut()
        gevent.sleep(NOTICES)

    def _half_open(self) -> None:
        """Nothing passes for a while; it may be long enough for the daemon's ping to find out."""
        self._board.proxy.silence()
        gevent.sleep(self._rng.choice((self._rng.uniform(0.3, 3), self._rng.uniform(3, 18))))
        if self._rng.random() < 0.5:
            self._board.proxy.cut()
        self._board.proxy.well()
        gevent.sleep(NOTICES)

    def _slow(self) -> None:
        self._board.proxy.delay = self._rng.uniform(0.02, 0.4)
        gevent.sleep(self._rng.uniform(2, 8))
        self._board.proxy.well()
        gevent.sleep(NOTICES)

    def _unreachable(self) -> None:
        self._board.proxy.refusing = True
        self._board.proxy.cut()
        gevent.sleep(self._rng.uniform(1, 8))
        self._board.proxy.well()
        gevent.sleep(LONGEST_DELAY)

    def _crash(self) -> None:
        self._stage.restarts.append(time.time())
        self._board.crash()
        gevent.sleep(LONGEST_DELAY)
