"""A drain: no new calls are taken, and this process ends when the last one is over, or a limit has come.

That no new calls are taken is the engine's rule; here it is only watched when that has come to its end. It lives and dies
with this process: a daemon that is started takes calls.
"""

from __future__ import annotations

from collections.abc import Callable

import gevent
from gevent.event import Event

from fsqueue.clock import Clock

LOOK = 0.1
"""Real seconds between two looks whether a call is left."""

LAST_WORDS = 0.5
"""Real seconds in which nothing must be left: what ended a call a moment ago is still being written, and told the switch."""


class Drainage:
    """Watches a drain to its end, once it has begun; `over` is set then."""

    def __init__(self, left: Callable[[], int], clock: Clock) -> None:
        """*left* tells how many calls, and legs of such, there are."""
        self.over = Event()
        self.since: float | None = None
        """Epoch seconds of the daemon's clock; None while calls are taken."""
        self.until: float | None = None
        self.by = ""
        self._left = left
        self._clock = clock
        self._watching: gevent.Greenlet[[], None] | None = None

    def begin(self, by: str, timeout: float | None) -> None:
        """Watch for the end; *timeout* seconds from now it has come in any case. Begun already, it gets this limit."""
        now = self._clock()
        self.until = None if timeout is None else now + timeout
        if self.since is None:
            self.since, self.by = now, by
            self._watching = gevent.spawn(self._watch)

    def cancel(self) -> None:
        """Don't end."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.kill()
        self.since, self.until, self.by = None, None, ""

    def in_words(self) -> str:
        """Return how it stands, in one line; empty while calls are taken."""
        if self.since is None:
            return ""
        left = self._left()
        return f"draining, {left} left" if left else "draining, nothing left"

    def _watch(self) -> None:
        quiet = 0.0
        while quiet < LAST_WORDS and (self.until is None or self._clock() < self.until):
            gevent.sleep(LOOK)
            quiet = 0.0 if self._left() else quiet + LOOK
        self.over.set()
