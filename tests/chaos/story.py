"""What led to a violation, for whoever has to find the fault: what those concerned saw, what was recorded, what was done."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fsqueue.engine.messages import Checkpoint, ConfigTaken, Record, TurnUsed
from fsqueue.journal.words import Names, line
from fsqueue.simswitch.people import Sighting

from .judge import Span, Wrong

BEFORE, AFTER = 30.0, 10.0
"""Seconds around a violation that are told."""

_NAMED = re.compile(r"\+?\d{6,}|\d{4}@lab|\bm\d+\b")
_LENGTH = re.compile(r"(\d+\.\d+) s\b")

Told = tuple[float, str]


def story(
    wrong: Wrong,
    sightings: Sequence[Sighting],
    records: Sequence[tuple[Record, float]],
    done: Iterable[Told] = (),
    blind: Iterable[Span] = (),
) -> str:
    """Return the lines around *wrong*, in order of time; *done* are the faults, *blind* when nobody saw the switch."""
    length = _LENGTH.search(wrong.detail)
    begin, end = wrong.t - BEFORE, wrong.t + AFTER + (float(length[1]) if length else 0.0)
    names = {wrong.who, *_NAMED.findall(wrong.detail)} - {""}
    near = [seen for seen in sightings if begin <= seen.t <= end]
    legs = {leg for seen in near if names & {seen.who, seen.peer} for leg in (seen.leg, seen.peer_leg) if leg}
    lines = [(seen.t, _seen(seen)) for seen in near if legs & {seen.leg, seen.peer_leg}]
    lines += _recorded(records, names, begin, end)
    lines += [(t, f"!! {what}") for t, what in done if begin <= t <= end]
    for a, b in blind:
        if a <= end and begin <= b:
            lines += [(a, "!! nobody sees the switch"), (b, "!! somebody sees the switch again")]
    told = [f"{t - wrong.t:+9.3f}  {text}" for t, text in sorted(lines)]
    return "\n".join([f"--- {wrong.kind}: {wrong.who} {wrong.detail} (at {wrong.t:.3f})", *told, ""])


def _seen(seen: Sighting) -> str:
    what = " ".join(word for word in (seen.what, seen.peer, seen.detail) if word)
    return f"{seen.who} sees: {what} [{seen.leg[:8]}]"


def _recorded(records: Sequence[tuple[Record, float]], names: set[str], begin: float, end: float) -> Iterable[Told]:
    """Return the records of every call of those concerned, in words."""
    known = Names()
    calls: dict[str, None] = {}
    told: list[tuple[float, str, str]] = []
    for record, t in records:
        text = line(record, known)
        known.learn(record)
        if isinstance(record, Checkpoint | ConfigTaken | TurnUsed):
            continue
        call = getattr(record, "call", "")
        if call and any(name in text for name in names):
            calls[call] = None
        if begin <= t <= end:
            told.append((t, call or getattr(record, "member", ""), text))
    return [(t, f"   {text}") for t, whose, text in told if whose in calls or whose in names]
