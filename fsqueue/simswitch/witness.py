"""Whether what callers and phones saw is what must always hold: nobody lost, one call per phone, no phone ringing for nobody.

Computed from sightings alone, never from what the daemon or the switch says of itself. A sighting of the embedded switch and one of a
real SIP phone are judged alike; how much later than another one side of a wire may notice something is the tolerance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import msgspec

from fsqueue.simswitch.people import Sighting

Kind = Literal[
    "lost caller",
    "no end",
    "two ends",
    "two calls on one phone",
    "ringing for nobody",
    "two phones keep one caller",
    "nobody on the line",
]

FOREVER = float("inf")


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must not happen, and did: at `t` (epoch seconds), to `who`."""

    kind: Kind
    t: float
    who: str
    detail: str


Span = tuple[float, float]
"""A stretch of time: from, to (epoch seconds)."""


@dataclass
class _Call:
    """One call as its caller saw it."""

    who: str
    leg: str
    dialled: float
    ends: list[Sighting] = field(default_factory=list)
    heard: list[tuple[float, str, str]] = field(default_factory=list)

    def end(self) -> float:
        return self.ends[0].t if self.ends else FOREVER

    def spans(self, what: str, until: float) -> list[Span]:
        """Return when he heard `what`: up to the next thing he heard, his end, or the end of the run."""
        return [span for heard, _, span in self._hearing(until) if heard == what]

    def talks(self, until: float) -> list[tuple[str, Span]]:
        """Return which legs he heard, and when."""
        return [(leg, span) for heard, leg, span in self._hearing(until) if heard == "connected"]

    def _hearing(self, until: float) -> list[tuple[str, str, Span]]:
        stop = min(self.end(), until)
        changes = [*self.heard, (stop, "", "")]
        return [(what, leg, (t, max(t, after))) for (t, what, leg), (after, _, _) in pairwise(changes)]


@dataclass
class _Ring:
    """One call as a phone saw it."""

    who: str
    leg: str
    shown: str
    rang: float
    answered: float = FOREVER
    over: float = FOREVER
    with_leg: str = ""
    with_since: float = FOREVER
    connected: float = FOREVER
    alone: float = FOREVER
    by_phone: bool = False

    def talk(self, until: float) -> Span:
        """Return when the last one who was heard was heard, an empty stretch if nobody was."""
        stop = min(self.over, until)
        return (min(self.with_since, stop), stop)


def violations(
    sightings: Iterable[Sighting],
    *,
    tolerance: float,
    end: float | None = None,
    settled: float = 2.0,
    at_once: float = 1.0,
    patience: float = 5.0,
) -> list[Violation]:
    """Return what was wrong in a run, in order of time. All parameters are seconds, 0 or more.

    `tolerance`: how far two sightings of one thing may lie apart, the daemon's own reaction included. `end`: the run's end (epoch
    seconds; None: the last sighting). `settled`: a talk that the phone ends within so many seconds has not been one, and its caller
    must not be dropped; he is if the switch ends his call within `at_once` of that. `patience`: how much longer than the tolerance a
    phone that has answered may hear nobody (it may be asked for a key).
    """
    ordered = sorted(sightings, key=lambda one: one.t)
    until = end if end is not None else (ordered[-1].t if ordered else 0.0)
    calls, rings = _calls(ordered), _rings(ordered)
    found = [
        *_ends(calls, until),
        *_silences(calls, tolerance, until),
        *_drops(calls, rings, settled, at_once),
        *_two_calls(rings, tolerance, until),
        *_rung_in_own_call(calls, rings, tolerance, until),
        *_for_nobody(calls, rings, tolerance, until),
        *_kept_twice(calls, rings, tolerance, until),
        *_taken_away(calls, rings),
        *_left_alone(rings, tolerance + patience, until),
    ]
    return sorted(found, key=lambda one: (one.t, one.kind, one.who))


def _calls(ordered: Sequence[Sighting]) -> list[_Call]:
    calls: dict[tuple[str, str], _Call] = {}
    for seen in ordered:
        if seen.side != "caller":
            continue
        call = calls.setdefault((seen.who, seen.leg), _Call(seen.who, seen.leg, seen.t))
        if seen.what == "gone":
            call.ends.append(seen)
        elif seen.what in ("music", "silence", "connected"):
            call.heard.append((seen.t, seen.what, seen.peer_leg))
    return list(calls.values())


def _rings(ordered: Sequence[Sighting]) -> list[_Ring]:
    rings: dict[tuple[str, str], _Ring] = {}
    for seen in ordered:
        if seen.side != "phone":
            continue
        ring = rings.setdefault((seen.who, seen.leg), _Ring(seen.who, seen.leg, seen.peer, seen.t))
        if seen.what == "answered":
            ring.answered = seen.t
        elif seen.what == "connected":
            ring.connected = min(ring.connected, seen.t)
            if ring.with_leg != (seen.peer_leg or seen.peer):
                ring.with_leg, ring.with_since = seen.peer_leg or seen.peer, seen.t
            ring.alone = FOREVER
        elif seen.what == "alone":
            ring.alone = min(ring.alone, seen.t)
        elif seen.what in ("cancelled", "refused", "ended"):
            ring.over = min(ring.over, seen.t)
            ring.by_phone = seen.what == "ended" and "himself" in seen.detail
    return list(rings.values())


def _ends(calls: Sequence[_Call], until: float) -> Iterable[Violation]:
    for call in calls:
        if not call.ends:
            yield Violation(kind="no end", t=until, who=call.who, detail="his call has no end")
        if len(call.ends) > 1:
            words = ", ".join(one.detail for one in call.ends)
            yield Violation(
                kind="two ends",
                t=call.ends[1].t,
                who=call.who,
                detail=f"his call ended {len(call.ends)} times: {words}",
            )


def _silences(calls: Sequence[_Call], tolerance: float, until: float) -> Iterable[Violation]:
    for call in calls:
        for begin, stop in call.spans("silence", until):
            if stop - begin > tolerance:
                yield Violation(
                    kind="lost caller",
                    t=begin,
                    who=call.who,
                    detail=f"he heard nothing for {stop - begin:.2f} s: no music, nobody",
                )


def _drops(calls: Sequence[_Call], rings: Sequence[_Ring], settled: float, at_once: float) -> Iterable[Violation]:
    """A phone that answered for him and left at once must not take him along."""
    about: dict[tuple[str, str], list[_Ring]] = {}
    for ring in rings:
        about.setdefault(("with", ring.with_leg) if ring.with_leg else ("shown", ring.shown), []).append(ring)
    for call in calls:
        if not call.ends or "the switch" not in call.ends[0].detail:
            continue
        heard = [("with", name) for name in dict.fromkeys((call.leg, call.who))]
        for ring in [ring for key in (*heard, ("shown", call.who)) for ring in about.get(key, ())]:
            since = ring.answered if ring.connected == FOREVER else ring.connected
            short = ring.by_phone and ring.over - since < settled
            came_back = any(what == "music" and t >= since for t, what, _ in call.heard)
            if short and not came_back and call.end() - since >= 0 and abs(call.end() - ring.over) <= at_once:
                words = f"dropped when {ring.who} hung up {ring.over - since:.2f} s after answering"
                yield Violation(kind="lost caller", t=call.end(), who=call.who, detail=words)
                break


def _two_calls(rings: Sequence[_Ring], tolerance: float, until: float) -> Iterable[Violation]:
    """A phone is rung only when it has nothing else; several phones of one user may ring for one caller, but not both talk."""
    by_user: dict[str, list[_Ring]] = {}
    for ring in rings:
        by_user.setdefault(ring.who, []).append(ring)
    for who, own in by_user.items():
        for index, first in enumerate(own):
            for second in own[index + 1 :]:
                if second.rang > min(first.over, until):
                    break  # they are in the order in which they began to ring
                if first.shown == second.shown:
                    begin = max(first.answered, second.answered)
                    overlap = min(first.over, second.over, until) - begin
                else:
                    # However soon the second one is refused: it should not have rung.
                    begin = second.rang
                    overlap = min(first.over, until) - begin
                if overlap > tolerance:
                    words = f"rung for {second.shown} while it had {first.shown}, who stayed {overlap:.2f} s more"
                    yield Violation(kind="two calls on one phone", t=begin, who=who, detail=words)


def _rung_in_own_call(
    calls: Sequence[_Call], rings: Sequence[_Ring], tolerance: float, until: float
) -> Iterable[Violation]:
    """Who is in a call that he made himself is not rung, and who makes one while we ring him is let be. What he does in a talk is his."""
    own: dict[str, list[_Call]] = {}
    for call in calls:
        own.setdefault(call.who, []).append(call)
    for ring in rings:
        for call in own.get(ring.who, ()):
            rings_until = min(ring.answered, ring.over, until)
            begin = max(ring.rang, call.dialled)
            # Whoever dialled within the tolerance before it could not be known yet: then it must end as soon.
            known = call.dialled < ring.rang - tolerance
            overlap = min(call.end(), until if known else rings_until) - begin
            if begin <= min(rings_until, call.end()) and overlap > tolerance:
                words = f"rung for {ring.shown} in a call of his own, for {overlap:.2f} s more"
                yield Violation(kind="two calls on one phone", t=begin, who=ring.who, detail=words)


def _for_nobody(calls: Sequence[_Call], rings: Sequence[_Ring], tolerance: float, until: float) -> Iterable[Violation]:
    """A phone may ring while the caller it shows is waiting; where it shows another number, while anybody is."""
    waiting: dict[str, list[Span]] = {}
    for call in calls:
        waiting.setdefault(call.who, []).extend(_waits(call, until))
        waiting.setdefault("", []).extend(_waits(call, until))
    for ring in rings:
        stop = min(ring.answered, ring.over, until)
        spans = waiting.get(ring.shown) or waiting.get("", [])
        for begin, alone in _outside((ring.rang, stop), spans):
            if alone - begin > tolerance:
                yield Violation(
                    kind="ringing for nobody",
                    t=begin,
                    who=ring.who,
                    detail=f"rang {alone - begin:.2f} s for {ring.shown}, who didn't wait",
                )
                break


def _waits(call: _Call, until: float) -> list[Span]:
    return _outside((call.dialled, min(call.end(), until)), call.spans("connected", until))


def _outside(span: Span, others: Iterable[Span]) -> list[Span]:
    """Return what is left of `span` without the `others`."""
    left: list[Span] = []
    at, stop = span
    for begin, end in sorted(others):
        if begin > at and min(begin, stop) > at:
            left.append((at, min(begin, stop)))
        at = max(at, end)
    if at < stop:
        left.append((at, stop))
    return left


def _kept_twice(calls: Sequence[_Call], rings: Sequence[_Ring], tolerance: float, until: float) -> Iterable[Violation]:
    """Whoever hears a caller keeps him: a phone that was rung, or a colleague who picked the call up."""
    callers = {name: call.leg for call in calls for name in (call.who, call.leg)}
    keeping: dict[str, list[tuple[str, Span]]] = {}
    for ring in rings:
        if ring.with_leg in callers:
            keeping.setdefault(callers[ring.with_leg], []).append((ring.who, ring.talk(until)))
    for call in calls:
        for leg, span in call.talks(until):
            if leg in callers:
                keeping.setdefault(callers[leg], []).append((call.who, span))
    for caller, kept in keeping.items():
        for index, (one, first) in enumerate(kept):
            for other, second in kept[index + 1 :]:
                begin = max(first[0], second[0])
                overlap = min(first[1], second[1]) - begin
                if overlap > tolerance:
                    who = next(call.who for call in calls if call.leg == caller)
                    yield Violation(
                        kind="two phones keep one caller",
                        t=begin,
                        who=who,
                        detail=f"{one} and {other} for {overlap:.2f} s",
                    )


def _taken_away(calls: Sequence[_Call], rings: Sequence[_Ring]) -> Iterable[Violation]:
    """Two phones answered for one caller, both got him, and the switch cut the first off; a transfer rings the second only later."""
    by_leg = {ring.leg: ring for ring in rings}
    for call in calls:
        talks = call.talks(FOREVER)
        for (one, _), (two, span) in pairwise(talks):
            first, second = by_leg.get(one), by_leg.get(two)
            if first is None or second is None or first is second or first.by_phone or second.shown != call.who:
                continue
            if second.answered <= first.over and abs(first.over - span[0]) <= 1.0:
                words = f"{first.who} was cut off, {second.who} got him too"
                yield Violation(kind="two phones keep one caller", t=span[0], who=call.who, detail=words)


def _left_alone(rings: Sequence[_Ring], longest: float, until: float) -> Iterable[Violation]:
    """Whoever answers is connected, or let go."""
    for ring in rings:
        begin = ring.alone if ring.connected != FOREVER else ring.answered
        stop = min(ring.over, until)
        if stop - begin > longest:
            words = f"answered for {ring.shown} and heard nobody for {stop - begin:.2f} s"
            yield Violation(kind="nobody on the line", t=begin, who=ring.who, detail=words)
