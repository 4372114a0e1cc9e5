"""Figures over a time range: by group, member, number, day or hour.

One rule makes all of them agree: a call, and all offers, visits and talks of it, belong to the moment it came. So calls =
answered + missed + in progress in every report of the same range, whatever it is laid out by, and in the missed list.

**Service level** = answered within T ÷ (answered + missed): of all calls that have ended, the share that was answered within
T, the `service_level_seconds` of the group a call was in last. Who hung up sooner counts against it, as anybody does who
was not answered; the same formula stands behind the figures of today in the status.

**Wait** is from joining the first group to the talk, or to the end. **p50** and **p95** are the smallest values that at least 50
and 95 % of the calls don't exceed. In a group's row stand the calls that ended there, and besides, as `passed_on`, those that
went on to another group.
"""

from __future__ import annotations

import bisect
import dataclasses
import datetime
import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

from fsqueue.journal.history import queries, times
from fsqueue.journal.history.forgetting import spellings
from fsqueue.journal.history.queries import Range

By = Literal["group", "number", "day", "hour"]

SERVICE_LEVEL_SECONDS = 20.0
"""T where a group has none, or the call came to no group."""

NOT_TAKEN = ("declined", "busy", "no_answer", "failed", "lost")
"""How an offer ends that rang and was not taken (M2); one that was withdrawn, or could not be rung, is nobody's fault."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took, in seconds; all 0 where `count` is."""

    count: int = 0
    total: float = 0.0
    average: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    longest: float = 0.0


class CallFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One row; offered = answered + missed + passed_on + in_progress."""

    key: str
    offered: int
    answered: int
    missed: int
    passed_on: int
    """To another group; 0 but in a group's row."""
    in_progress: int
    missed_by_reason: dict[str, int]
    service_level: float | None
    """0 to 1; None where nobody counts for it."""
    wait: Spread
    """Of answered and missed calls."""
    talk: Spread
    """Of answered calls."""
    rung: int
    """Offers made to members and numbers."""
    not_taken: int
    """Offers that rang and were not taken."""


class CallReport(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of calls; in `total` every call counts once."""

    by: By
    start: float
    end: float
    rows: tuple[CallFigures, ...]
    total: CallFigures


class MemberFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One member; rung = answered + not_taken + withdrawn + unreachable + in_progress. Times are seconds."""

    key: str
    rung: int
    answered: int
    not_taken: int
    not_taken_by_outcome: dict[str, int]
    withdrawn: int
    unreachable: int
    in_progress: int
    ring: Spread
    """From ringing to the talk, of those he answered."""
    talk: Spread
    """Of the calls he answered."""
    seconds_in: float
    """Logged in, whatever he did then; like the other four by the clock, cut to the range."""
    seconds_paused: float
    seconds_out: float
    seconds_ringing: float
    seconds_talking: float


class MemberReport(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of members, by their ids."""

    start: float
    end: float
    rows: tuple[MemberFigures, ...]
    total: MemberFigures


def spread(values: Iterable[float]) -> Spread:
    """Return how *values*, in seconds, are spread."""
    ordered = sorted(values)
    if not ordered:
        return Spread()
    count, total = len(ordered), math.fsum(ordered)
    return Spread(
        count=count,
        total=total,
        average=total / count,
        p50=ordered[math.ceil(0.50 * count) - 1],
        p95=ordered[math.ceil(0.95 * count) - 1],
        longest=ordered[-1],
    )


def service_level(ended: int, answered_within: int) -> float | None:
    """Return answered within T ÷ (answered + missed), 0 to 1; None where no call has *ended*."""
    return answered_within / ended if ended else None


# --- calls --------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class _Tally:
    answered: int = 0
    missed: int = 0
    passed_on: int = 0
    in_progress: int = 0
    answered_within: int = 0
    reasons: dict[str, int] = dataclasses.field(default_factory=dict)
    waits: list[float] = dataclasses.field(default_factory=list)
    talks: list[float] = dataclasses.field(default_factory=list)
    rung: int = 0
    not_taken: int = 0

    def take(self, outcome: str, reason: str, waited: float, talked: float, within: float) -> None:
        """Count one call or visit; *within* is T."""
        if outcome == "answered":
            self.answered += 1
            self.answered_within += waited <= within
            self.talks.append(talked)
        elif outcome == "missed":
            self.missed += 1
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
        elif outcome == "passed_on":
            self.passed_on += 1
            return
        else:
            self.in_progress += 1
            return
        self.waits.append(waited)

    def ring(self, outcome: str) -> None:
        """Count one offer."""
        self.rung += 1
        self.not_taken += outcome in NOT_TAKEN

    def figures(self, key: str) -> CallFigures:
        ended = self.answered + self.missed
        return CallFigures(
            key=key,
            offered=ended + self.passed_on + self.in_progress,
            answered=self.answered,
            missed=self.missed,
            passed_on=self.passed_on,
            in_progress=self.in_progress,
            missed_by_reason=dict(sorted(self.reasons.items())),
            service_level=service_level(ended, self.answered_within),
            wait=spread(self.waits),
            talk=spread(self.talks),
            rung=self.rung,
            not_taken=self.not_taken,
        )


_CALLS = """
SELECT came, number, grp, CASE WHEN ended IS NULL THEN '' WHEN missed THEN 'missed' ELSE 'answered' END,
    reason, waited, talked FROM calls WHERE came >= :start AND came < :end
    AND (:group = '' OR grp = :group) AND (:number = '' OR number = :number)
"""
_VISITS = """
SELECT v.grp, v.outcome, c.reason, c.waited, c.talked FROM visits v JOIN calls c ON c.id = v.call
WHERE v.came >= :start AND v.came < :end
    AND (:group = '' OR v.grp = :group) AND (:number = '' OR c.number = :number)
UNION ALL
SELECT '', CASE WHEN c.ended IS NULL THEN '' ELSE 'missed' END, c.reason, c.waited, c.talked FROM calls c
WHERE c.came >= :start AND c.came < :end AND NOT EXISTS (SELECT 1 FROM visits v WHERE v.call = c.id)
    AND :group = '' AND (:number = '' OR c.number = :number)
"""
_OFFERS = """
SELECT o.came, c.number, o.grp, o.outcome FROM offers o JOIN calls c ON c.id = o.call
WHERE o.came >= :start AND o.came < :end AND (:group = '' OR o.grp = :group) AND (:number = '' OR c.number = :number)
"""


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls a report is about, in its range; empty fields choose all."""

    range: Range
    group: str = ""
    """Calls that ended, or are, in this group (and with ``by="group"`` its row alone), and the offers made in it."""
    number: str = ""
    """Calls to this number, in any spelling."""

    def values(self) -> dict[str, str | float]:
        """Return it as the statements take it."""
        number = spellings(self.number)[0] if self.number else ""
        return {"start": self.range.start, "end": self.range.end, "group": self.group, "number": number}


def calls(
    db: sqlite3.Connection, chosen: Chosen, by: By, zone: datetime.tzinfo, levels: Mapping[str, float] | None = None
) -> CallReport:
    """Return the figures of the *chosen* calls, laid out *by* one thing.

    *levels* are the groups' `service_level_seconds`. Days and hours are those of *zone*, each of the range's, empty ones too; of
    groups and numbers those that had calls. Calls that came to no group are in the row with an empty key.
    """
    levels = levels or {}
    rows, total = _by_calls(db, chosen, by, zone, levels)
    if by == "group":
        rows = _by_group(db, chosen, levels)
    for came, number, group, outcome in db.execute(_OFFERS, chosen.values()):
        total.ring(outcome)
        _row(rows, by, came, number, group).ring(outcome)
    ordered = rows.items() if isinstance(rows, _Buckets) else sorted(rows.items())
    return CallReport(
        by=by,
        start=chosen.range.start,
        end=chosen.range.end,
        rows=tuple(tally.figures(key) for key, tally in ordered),
        total=total.figures("total"),
    )


class _Buckets(dict[str, _Tally]):
    """A tally for each part of the range, found by a moment."""

    def __init__(self, parts: list[tuple[str, Range]]) -> None:
        super().__init__((name, _Tally()) for name, _ in parts)
        self._names = [name for name, _ in parts]
        self._starts = [part.start for _, part in parts]

    def at(self, t: float) -> _Tally:
        return self[self._names[bisect.bisect_right(self._starts, t) - 1]]


_PARTS: dict[str, Callable[[Range, datetime.tzinfo], list[tuple[str, Range]]]] = {
    "day": times.days,
    "hour": times.hours,
}


def _by_calls(
    db: sqlite3.Connection, chosen: Chosen, by: By, zone: datetime.tzinfo, levels: Mapping[str, float]
) -> tuple[dict[str, _Tally], _Tally]:
    parts = _PARTS.get(by)
    rows: dict[str, _Tally] = _Buckets(parts(chosen.range, zone)) if parts else {}
    total = _Tally()
    for came, number, group, outcome, reason, waited, talked in db.execute(_CALLS, chosen.values()):
        level = levels.get(group, SERVICE_LEVEL_SECONDS)
        total.take(outcome, reason, waited, talked, level)
        _row(rows, by, came, number, group).take(outcome, reason, waited, talked, level)
    return rows, total


def _row(rows: dict[str, _Tally], by: By, came: float, number: str, group: str) -> _Tally:
    if isinstance(rows, _Buckets):
        return rows.at(came)
    return rows.setdefault(number if by == "number" else group, _Tally())


def _by_group(db: sqlite3.Connection, chosen: Chosen, levels: Mapping[str, float]) -> dict[str, _Tally]:
    rows: dict[str, _Tally] = {}
    for group, outcome, reason, waited, talked in db.execute(_VISITS, chosen.values()):
        tally = rows.setdefault(group, _Tally())
        tally.take(outcome, reason, waited, talked, levels.get(group, SERVICE_LEVEL_SECONDS))
    return rows


# --- members ------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class _MemberTally:
    rung: int = 0
    answered: int = 0
    in_progress: int = 0
    outcomes: dict[str, int] = dataclasses.field(default_factory=dict)
    rings: list[float] = dataclasses.field(default_factory=list)
    talks: list[float] = dataclasses.field(default_factory=list)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    def take(self, outcome: str, rang: float) -> None:
        self.rung += 1
        if outcome == "taken":
            self.answered += 1
            self.rings.append(rang)
        elif outcome:
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        else:
            self.in_progress += 1

    def add(self, other: _MemberTally) -> None:
        self.rung += other.rung
        self.answered += other.answered
        self.in_progress += other.in_progress
        self.rings += other.rings
        self.talks += other.talks
        for outcome, count in other.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count
        for state, seconds in other.seconds.items():
            self.seconds[state] = self.seconds.get(state, 0.0) + seconds

    def figures(self, key: str) -> MemberFigures:
        not_taken = {outcome: n for outcome, n in sorted(self.outcomes.items()) if outcome in NOT_TAKEN}
        return MemberFigures(
            key=key,
            rung=self.rung,
            answered=self.answered,
            not_taken=sum(not_taken.values()),
            not_taken_by_outcome=not_taken,
            withdrawn=self.outcomes.get("withdrawn", 0),
            unreachable=self.outcomes.get("unreachable", 0),
            in_progress=self.in_progress,
            ring=spread(self.rings),
            talk=spread(self.talks),
            seconds_in=self.seconds.get("in", 0.0),
            seconds_paused=self.seconds.get("paused", 0.0),
            seconds_out=self.seconds.get("out", 0.0),
            seconds_ringing=self.seconds.get("ringing", 0.0),
            seconds_talking=self.seconds.get("talking", 0.0),
        )


_MEMBER_OFFERS = """
SELECT member, outcome, coalesce(answered, ended, began) - began FROM offers
WHERE came >= :start AND came < :end AND member <> '' AND (:group = '' OR grp = :group)
    AND (:number = '' OR call IN (SELECT id FROM calls WHERE number = :number AND came >= :start AND came < :end))
"""
_MEMBER_TALKS = """
SELECT member, talked FROM calls WHERE came >= :start AND came < :end AND NOT missed AND ended IS NOT NULL AND member <> ''
    AND (:group = '' OR grp = :group) AND (:number = '' OR number = :number)
"""


def members(db: sqlite3.Connection, chosen: Chosen, now: float) -> MemberReport:
    """Return the figures of the members: offers and talks of the *chosen* calls, states cut to the range.

    States are those of the member, in all groups; a state that lasts is counted up to *now*, in epoch seconds.
    """
    rows: dict[str, _MemberTally] = {}
    for member, outcome, rang in db.execute(_MEMBER_OFFERS, chosen.values()):
        rows.setdefault(member, _MemberTally()).take(outcome, rang)
    for member, talked in db.execute(_MEMBER_TALKS, chosen.values()):
        rows.setdefault(member, _MemberTally()).talks.append(talked)
    within = chosen.range
    for row in queries.states(db, within):
        seconds = rows.setdefault(row.member, _MemberTally()).seconds
        end = min(within.end, max(now, row.began) if row.ended is None else row.ended)
        length = max(0.0, end - max(row.began, within.start))
        seconds[row.state] = seconds.get(row.state, 0.0) + length
    total = _MemberTally()
    for _, tally in sorted(rows.items()):
        total.add(tally)
    return MemberReport(
        start=within.start,
        end=within.end,
        rows=tuple(tally.figures(key) for key, tally in sorted(rows.items())),
        total=total.figures("total"),
    )
