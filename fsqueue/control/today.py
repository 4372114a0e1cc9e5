"""Today's figures, counted in memory from the ends of calls; at midnight, local time, they begin anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fsqueue.control.protocol import Figures
from fsqueue.engine.messages import ANSWERED, CallEnded, Reason


def local_day(t: float) -> str:
    """Return the local date at *t* (epoch seconds): ``2026-03-29``."""
    return time.strftime("%Y-%m-%d", time.localtime(t))


@dataclass(slots=True)
class _Count:
    calls: int = 0
    answered: int = 0
    within: int = 0
    waited: float = 0.0
    longest: float = 0.0
    by_reason: dict[Reason, int] = field(default_factory=dict)

    def add(self, ended: CallEnded, service_level: float) -> None:
        answered = ended.reason in ANSWERED
        self.calls += 1
        self.answered += answered
        self.within += answered and ended.waited <= service_level
        self.waited += ended.waited
        self.longest = max(self.longest, ended.waited)
        self.by_reason[ended.reason] = self.by_reason.get(ended.reason, 0) + 1

    def figures(self) -> Figures:
        if not self.calls:
            return Figures()
        return Figures(
            calls=self.calls,
            answered=self.answered,
            missed=self.calls - self.answered,
            within=self.within,
            service_level=round(self.within / self.calls, 4),
            wait_average=round(self.waited / self.calls, 3),
            wait_longest=round(self.longest, 3),
            by_reason=dict(sorted(self.by_reason.items())),
        )


class Today:
    """Counts what ended on the newest day it was told of. A call counts in the group it was in last."""

    def __init__(self, day: Callable[[float], str] = local_day) -> None:
        """Begin at nothing; *day* names the day of a moment in epoch seconds."""
        self._day_of = day
        self._day = ""
        self._all = _Count()
        self._groups: dict[str, _Count] = {}

    def take(self, ended: CallEnded, t: float, service_level: float) -> None:
        """Count a call that ended at *t* (epoch seconds); *service_level* is its group's, in seconds.

        One that ended before the newest day is passed over: that day is gone.
        """
        day = self._day_of(t)
        if day < self._day:
            return
        self._turn(day)
        self._all.add(ended, service_level)
        if ended.group:
            self._groups.setdefault(ended.group, _Count()).add(ended, service_level)

    def figures(self, now: float) -> Figures:
        """Return what ended on the day of *now* (epoch seconds), in all groups and in none."""
        return self._all.figures() if self._is_today(now) else Figures()

    def of_group(self, group: str, now: float) -> Figures:
        """Return what ended in *group* on the day of *now* (epoch seconds)."""
        count = self._groups.get(group)
        return count.figures() if count is not None and self._is_today(now) else Figures()

    def rename(self, old: str, new: str) -> None:
        """Keep the figures of a group whose id has changed."""
        if old in self._groups:
            self._groups[new] = self._groups.pop(old)

    def _is_today(self, now: float) -> bool:
        day = self._day_of(now)
        if day < self._day:
            self._turn(day)  # the clock was set back: what counted for a day that is still to come does so no longer
        return day == self._day

    def _turn(self, day: str) -> None:
        if day != self._day:
            self._day, self._all, self._groups = day, _Count(), {}
