"""The daemon's clock: epoch seconds, anchored once and advanced by the monotonic clock.

A jump of the system's clock (NTP, daylight saving, an administrator) must end no call and ring no phone, so the epoch
is read once, and everything after it is counted by a clock that only goes forward.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Call it for the time. *speed* above 1 makes time pass faster, for the demo and for tests over real sockets."""

    def __init__(
        self,
        speed: float = 1.0,
        epoch: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Anchor at what *epoch* says now; *speed* is above 0."""
        if speed <= 0:
            raise ValueError(f"a clock's speed is above 0, not {speed}")
        self.speed = speed
        self._monotonic = monotonic
        self._epoch = epoch()
        self._started = monotonic()

    def __call__(self) -> float:
        """Return the time in epoch seconds."""
        return self._epoch + (self._monotonic() - self._started) * self.speed

    def real(self, seconds: float) -> float:
        """Return how many real seconds *seconds* of this clock take."""
        return seconds / self.speed
