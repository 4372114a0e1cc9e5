"""When a repeated complaint is worth another line in the log: when it changes, or once a minute."""

from __future__ import annotations


class Complaints:
    """Remembers what was complained about last. One for each thing that can go on failing."""

    def __init__(self, quiet: float = 60.0) -> None:
        """Let the same complaint through once in *quiet* seconds."""
        self._quiet = quiet
        self._last: tuple[str, float] | None = None

    def due(self, kind: str, now: float) -> bool:
        """Whether to log a complaint of this *kind* at *now* (seconds, any monotonic clock); if so it counts as logged."""
        if self._last is not None and self._last[0] == kind and now - self._last[1] < self._quiet:
            return False
        self._last = (kind, now)
        return True

    def settled(self) -> None:
        """The trouble is over: the next complaint is news again."""
        self._last = None
