"""Whether this process was held up, and whether the switches have been heard since: a fact of the process, one for all its parts.

A process that was stopped, starved or suspended wakes with timers that are long due and with everything that happened
meanwhile still unread. Read late, it nevertheless comes before what the clock says: a bridge whose CHANNEL_BRIDGE lies in
the socket has not failed, and a caller whose hang-up lies there must not be rung for. So after a stall nothing is decided by
time until each switch has answered something that it was asked then. Whichever loop wakes first finds the stall for all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

log = logging.getLogger(__name__)

STALL = 1.0
"""Real seconds that a loop may wake late before it counts as a stall."""

CATCH_UP = 5.0
"""Real seconds to wait after a stall for a switch's answer; one that doesn't answer is found by its ping."""

Probe = Callable[[Callable[[], None]], bool]
"""Asks a switch something and calls back once its answer, and all that was said before it, has been taken in; False when
there is nobody to ask. A link that drops is an answer too: nothing more comes by it."""


class Stalls:
    """Give each switch's probe to `watch`; then each loop says `woke`, and asks `catching_up` before it goes by the clock."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin in the midst of things; *monotonic* is in real seconds."""
        self._monotonic = monotonic
        self._probes: dict[str, Probe] = {}
        self._told: list[Callable[[], None]] = []
        self._unheard: dict[str, None] = {}
        self._round = 0
        self._last = float("-inf")
        self.until = 0.0
        """When the last stall is taken for over, answers or not (monotonic seconds)."""

    def watch(self, switch: str, probe: Probe) -> None:
        """Ask *switch* by *probe* after each stall."""
        self._probes[switch] = probe

    def when_over(self, told: Callable[[], None]) -> None:
        """Call *told* as soon as the last switch has answered; running out of patience is told to nobody."""
        self._told.append(told)

    def woke(self, planned: float) -> None:
        """Take note that a loop has woken which meant to do so at *planned* (monotonic seconds) at the latest."""
        now = self._monotonic()
        late = now - max(planned, self._last)
        if late <= STALL:
            return
        self._last, self.until = now, now + CATCH_UP
        self._round += 1  # answers to what was asked before this stall say nothing of it
        self._unheard = dict.fromkeys(self._probes)
        for switch, probe in self._probes.items():
            if not probe(partial(self._heard, switch, self._round)):
                self._unheard.pop(switch, None)
        if self._unheard:
            log.warning("held up for %.1f s; deciding nothing until the switches have answered", late)

    def catching_up(self, switch: str = "") -> bool:
        """Whether *switch* has still to be heard; without one, whether any has."""
        if self._unheard and self._monotonic() >= self.until:
            self._unheard.clear()
        return switch in self._unheard if switch else bool(self._unheard)

    def _heard(self, switch: str, of_round: int) -> None:
        if of_round != self._round or switch not in self._unheard:
            return
        del self._unheard[switch]
        if not self._unheard:
            for told in self._told:
                told()
