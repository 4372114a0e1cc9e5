"""Takes the system's clock over when it has been set, or the machine was suspended: when nobody is in a call.

Until then the daemon goes on by its own clock, so that no window, wait or rest is shorter or longer; what is shown and
written down has that clock's times. Without this a machine that starts with a wrong clock would have a wrong history until
somebody starts the daemon anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import gevent

from fsqueue.clock import Clock
from fsqueue.esl.complaints import Complaints

log = logging.getLogger(__name__)

LOOK_EVERY = 10.0
"""Seconds between two looks at the system's clock."""

SMALL = 1.0
"""Seconds that may lie between the two clocks: less is not worth a step in anybody's times."""

FAR = 60.0
"""Seconds between them that somebody should know of while they can't be brought together."""


class Timekeeper:
    """Brings a daemon's clock and the system's together."""

    def __init__(self, clock: Clock, folder: Path, idle: Callable[[], bool], shift: Callable[[float], None]) -> None:
        """*idle* tells whether no rule waits for any time; *shift* moves all else that does by some seconds."""
        self._clock, self._folder, self._idle, self._shift = clock, folder, idle, shift
        self._complaints = Complaints(quiet=3600.0)

    def run(self) -> None:
        """Look for ever; in a greenlet of its own."""
        while True:
            gevent.sleep(LOOK_EVERY)
            self.look()

    def look(self) -> None:
        """Look once."""
        seconds = self._clock.behind()
        if abs(seconds) <= SMALL:
            return
        words = f"the system's clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} ours: it was set, or the machine was suspended"
        if self._idle():
            self._clock.step(seconds)
            self._shift(seconds)
            self._clock.keep(self._folder)
            self._complaints.settled()
            log.warning("%s; taken over, since nobody is in a call", words)
        elif abs(seconds) > FAR and self._complaints.due("far", self._clock()):
            log.warning("%s; it is taken over when nobody is in a call, until then times are ours", words)
