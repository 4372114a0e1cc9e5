"""Virtual time: what is due when, in one order that is the same every time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Timer:
    """One thing that is due at `at` (epoch seconds of the world) unless it is cancelled before."""

    __slots__ = ("act", "at")

    def __init__(self, at: float, act: Callable[[], None]) -> None:
        """Do `act` at `at`."""
        self.at = at
        self.act: Callable[[], None] | None = act

    def cancel(self) -> None:
        """Make it never happen; harmless when it has."""
        self.act = None


class Agenda:
    """A clock that moves only when told to, and what happens on its way."""

    def __init__(self, now: float) -> None:
        """Begin at `now` (epoch seconds)."""
        self.now = now
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()

    def after(self, seconds: float, act: Callable[[], None]) -> Timer:
        """Do `act` in `seconds` (0 or more); what is due at one instant happens in the order it was asked for."""
        timer = Timer(self.now + max(0.0, seconds), act)
        heapq.heappush(self._heap, (timer.at, next(self._order), timer))
        return timer

    def deadline(self) -> float | None:
        """Return when the next thing is due, None when nothing is."""
        while self._heap and self._heap[0][2].act is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def advance(self, to: float) -> None:
        """Let everything happen that is due up to `to`, in order; time never goes back."""
        while (due := self.deadline()) is not None and due <= to:
            timer = heapq.heappop(self._heap)[2]
            self.now = max(self.now, timer.at)
            act, timer.act = timer.act, None
            if act is not None:
                act()
        self.now = max(self.now, to)
