"""What was wrong in a run, from what callers and phones saw; the journal is then held against that.

Nobody can act on what he can't see: while the daemon was dead, stopped or cut off, and for some seconds after, phones may
ring for who is gone. Nothing else is excused, and nothing at all that loses a caller.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter

import msgspec

from fsqueue.engine.messages import ANSWERED, CallEnded, CallOpened, Offered, Record, Relegged
from fsqueue.simswitch.people import CallerScript, Sighting
from fsqueue.simswitch.witness import Violation, violations

from .load import COLLEAGUES, LINE, LINE_PHONES, RECEPTION, phone_of

TOLERANCE = 0.4
"""Seconds between two sightings of one thing on a switch that is not slowed down."""

AFTER = 2.5
"""Seconds after the daemon sees again in which it has put right what happened meanwhile."""

RESCUE = 7.0
"""Seconds in which the dialplan rescues who is not in his hold."""

TAKEN = 1.0
"""Seconds in which a daemon has taken who arrives, or dies over it: a disk that fails holds him up for 0.2 s."""

LONGEST_BRIDGE = 6.5
"""Seconds after which a bridge that never came about, as a few in a thousand do, is given up and the member let go."""

ASKED_AFTER = 1.0
"""Seconds after a bridge that never came about in which its caller is asked for: he may not be rung for before it is known
where he is, since not his member's end but his own hold proves that he is back."""

GAP = 0.05
"""Seconds of silence that are no break in the music: a change of what is heard takes the switch 8 ms."""

TUNES_REST = 0.5
"""The same for callers who hear a real tune, silent for so long at the end of its file; it is half the tolerance where
sightings are less exact than that."""

LONGEST_STAY = 3600.0
"""Seconds after which nobody is there any more."""

Span = tuple[float, float]
by_dialled = attrgetter("dialled")


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """A violation: what, when (epoch seconds), to whom."""

    kind: str
    t: float
    who: str
    detail: str


@dataclass
class Run:
    """What a run left behind."""

    sightings: Sequence[Sighting]
    records: Sequence[tuple[Record, float]]
    blind: Sequence[Span]
    """When the daemon could not see the switch."""
    slow: Sequence[Span] = ()
    """When the switch was slow or late."""
    unwritten: Sequence[Span] = ()
    """Of these times the records are lost: the disk failed and the daemon was killed."""
    restarts: Sequence[float] = ()
    """When the switch was restarted, and took all calls with it."""
    dead: Sequence[Span] = ()
    """When there was no daemon."""
    away: Sequence[tuple[str, float, float]] = ()
    """Phones that were unregistered, or whose users were logged out: whose, from, to."""
    handed: Sequence[str] = ()
    """Callers whom somebody transferred."""
    scripts: Sequence[CallerScript] = ()
    end: float | None = None
    gap: float = GAP
    """Seconds of silence that are no break in the music."""
    tolerance: float = TOLERANCE
    """Seconds between two sightings of one thing; more where the machine's own time counts."""
    excused: list[Span] = field(init=False)
    slowed: list[Span] = field(init=False)

    def __post_init__(self) -> None:
        """Join the times in which nothing can be held against the daemon."""
        spans = [(a, b + AFTER) for a, b in self.blind] + [(a, b + AFTER) for a, b in self.slow]
        self.excused, self.slowed = joined(spans), joined(self.slow)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return *spans* in order, those that touch made one."""
    result: list[Span] = []
    for begin, end in sorted(spans):
        if result and begin <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((begin, end))
    return result


def overlaps(spans: Sequence[Span], begin: float, end: float) -> bool:
    """Whether any of *spans*, which are in order and apart (`joined`), has a moment between *begin* and *end*."""
    at = bisect_right(spans, end, key=itemgetter(0))
    return at > 0 and spans[at - 1][1] >= begin


def longest_outside(spans: Sequence[Span], begin: float, end: float) -> float:
    """Return the longest stretch of *begin* to *end* in seconds that lies in none of *spans*, which are in order."""
    longest, at = 0.0, begin
    for a, b in spans[max(0, bisect_right(spans, begin, key=itemgetter(0)) - 1) :]:
        if a >= end:
            break
        if b <= at:
            continue
        longest = max(longest, a - at)
        at = max(at, b)
    return max(longest, end - at)


def judge(run: Run) -> list[Wrong]:
    """Return everything that was wrong, in order of time."""
    calls = _calls(run)
    found = [
        *_seen(run),
        *_ends(run),
        *_recorded(run, calls),
        *_truthful(run, calls),
        *_order(run, calls),
        *_resumed(run, calls),
        *_music(run),
    ]
    return sorted(found, key=lambda one: (one.t, one.kind, one.who, one.detail))


# --- what callers and phones saw ----------------------------------------------------------------------------------------


def _seen(run: Run) -> Iterable[Wrong]:
    for one in violations(_ours(run.sightings), tolerance=run.tolerance, end=run.end, patience=LONGEST_BRIDGE):
        if not _excused(run, one):
            yield Wrong(kind=one.kind, t=one.t, who=one.who, detail=one.detail)


def _ours(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Leave out what is none of our doing.

    A colleague who is no member is rung by the site's own dialplan. Dialling a code is no call of one's own (P1) until
    somebody is heard.
    """
    strangers = tuple(f"{name}@lab" for name in COLLEAGUES)
    codes: dict[str, bool] = {}
    kept = []
    for seen in sorted(sightings, key=lambda one: one.t):
        if seen.what == "dialled" and seen.detail.startswith("*"):
            codes[seen.leg] = False
        if seen.what == "connected" and seen.leg in codes:
            codes[seen.leg] = True
        if codes.get(seen.leg, True) and not (seen.side == "phone" and seen.who in strangers):
            kept.append(seen)
    return kept


_SECONDS = re.compile(r"(\d+\.\d+) s\b")

FORGIVEN = ("ringing for nobody", "two calls on one phone", "nobody on the line")
"""What may happen while nobody sees it. "lost caller", "no end" and "two phones keep one caller" never may."""


def _excused(run: Run, one: Violation) -> bool:
    if one.kind == "lost caller" and "heard nothing" in one.detail:
        # A slow switch is silent itself.
        found = _SECONDS.search(one.detail)
        if found is not None and float(found[1]) < RESCUE and (one.who in run.handed or _was_being_taken(run, one)):
            # On his way to us, out of a talk or answered and not yet in his hold, when nobody was there to take him, or who
            # was died over it: the dialplan rescues him.
            return overlaps(run.excused, one.t, one.t + TAKEN)
        return found is not None and longest_outside(run.slowed, one.t, one.t + float(found[1])) < run.tolerance
    if one.kind == "lost caller" and any(abs(one.t - t) <= run.tolerance for t in run.restarts):
        return True  # all calls end with their switch
    if one.kind not in FORGIVEN:
        return False
    if one.kind == "two calls on one phone" and not _dialled(run, one):
        return overlaps(run.excused, one.t, one.t)  # the ring itself is what was wrong
    found = _SECONDS.search(one.detail)
    length = float(found[1]) if found else 0.0
    slack = run.tolerance + (LONGEST_BRIDGE if one.kind == "nobody on the line" else 0.0)
    return longest_outside(run.excused, one.t, one.t + length) <= slack


def _was_being_taken(run: Run, one: Violation) -> bool:
    """Whether the silence of a caller is the first thing that he heard: the daemon died while it handed him to his hold."""
    heard = [
        seen
        for seen in run.sightings
        if seen.who == one.who and seen.side == "caller" and seen.what in ("music", "silence", "connected")
    ]
    silence = next((seen for seen in heard if seen.what == "silence" and seen.t == one.t), None)
    return silence is not None and not any(seen.leg == silence.leg and seen.t < one.t for seen in heard)


def _dialled(run: Run, one: Violation) -> bool:
    """Whether it began with a call of his own: then the ring was right, and had to be taken back as soon as that was seen."""
    return any(
        seen.who == one.who and seen.side == "caller" and seen.what == "dialled" and seen.t == one.t
        for seen in run.sightings
    )


# --- the callers' calls ---------------------------------------------------------------------------------------------------


@dataclass
class Call:
    """An outside caller's call, as he saw it."""

    who: str
    leg: str
    to: str
    dialled: float
    music: float | None = None
    gone: float | None = None
    by: str = ""
    talks: list[Span] = field(default_factory=list)
    rung: list[tuple[float, float, str]] = field(default_factory=list)
    """When phones rang for him: from, to, whose."""
    picked_up: list[float] = field(default_factory=list)
    """When one of them was picked up."""

    def waits(self, at: float) -> bool:
        """Whether he hears music at that moment."""
        return (
            self.music is not None
            and self.music < at
            and (self.gone is None or self.gone > at)
            and not any(a <= at <= b for a, b in self.talks)
        )


def _calls(run: Run) -> dict[str, Call]:
    """Return outside callers' calls by leg."""
    calls: dict[str, Call] = {}
    names: dict[str, Call] = {}
    open_talk: dict[str, float] = {}
    ringing: dict[str, _Ringing] = {}
    for seen in sorted(run.sightings, key=lambda one: one.t):
        if seen.side == "phone":
            _phone(seen, names, ringing)
            continue
        if seen.what == "dialled":
            if "@" not in seen.who:
                # Who dials without the plus, as callers of processes do, stands in the same line.
                to = "+" + seen.detail.removeprefix("+")
                calls[seen.leg] = names[seen.who] = Call(seen.who, seen.leg, to, seen.t)
            continue
        call = calls.get(seen.leg)
        if call is None:
            continue
        if seen.leg in open_talk:
            call.talks.append((open_talk.pop(seen.leg), seen.t))
        if seen.what == "music" and call.music is None:
            call.music = seen.t
        elif seen.what == "connected":
            open_talk[seen.leg] = seen.t
        elif seen.what == "gone":
            call.gone, call.by = seen.t, seen.detail
    return calls


@dataclass
class _Ringing:
    """A phone that rings for a caller, or was picked up for him and hears nobody yet."""

    since: float
    who: str
    call: Call
    picked_up: bool = False


def _phone(seen: Sighting, names: dict[str, Call], ringing: dict[str, _Ringing]) -> None:
    if seen.what == "ringing":
        call = names.get(seen.peer)
        if call is not None:
            ringing[seen.leg] = _Ringing(seen.t, seen.who, call)
    elif seen.what == "answered" and seen.leg in ringing:
        ringing[seen.leg].picked_up = True
        ringing[seen.leg].call.picked_up.append(seen.t)
    elif seen.what in ("connected", "cancelled", "refused", "ended") and seen.leg in ringing:
        one = ringing.pop(seen.leg)
        missed = one.picked_up and seen.what == "ended"
        one.call.rung.append((one.since, seen.t + (ASKED_AFTER if missed else 0.0), one.who))


# --- the journal against what was seen --------------------------------------------------------------------------------------


def _ends(run: Run) -> Iterable[Wrong]:
    """Every call that was opened has exactly one end."""
    opened: dict[str, float] = {}
    ends: dict[str, int] = {}
    for record, t in run.records:
        if isinstance(record, CallOpened):
            opened[record.call] = t
        elif isinstance(record, CallEnded):
            ends[record.call] = ends.get(record.call, 0) + 1
    for call, t in opened.items():
        count = ends.get(call, 0)
        if count > 1 or (not count and not any(b >= t for _, b in run.unwritten)):
            yield Wrong(kind="ends", t=t, who=call, detail=f"{count} recorded ends")


def _of_caller(run: Run) -> dict[str, list[CallEnded | None]]:
    """Return the recorded calls' ends by their callers' numbers: a SIP phone does not know the switch's names of its calls."""
    of_call: dict[str, list[str]] = {}
    ends: dict[str, CallEnded] = {}
    for record, _ in run.records:
        if isinstance(record, CallOpened | Relegged):
            of_call.setdefault(record.call, []).append(record.caller.number)
        elif isinstance(record, CallEnded):
            ends[record.call] = record
    result: dict[str, list[CallEnded | None]] = {}
    for call, numbers in of_call.items():
        for number in numbers:
            result.setdefault(number, []).append(ends.get(call))
    return result


def _recorded(run: Run, calls: dict[str, Call]) -> Iterable[Wrong]:
    """Every caller who had a chance to be seen is in the journal; `lost` only where nobody saw his end."""
    recorded = _of_caller(run)
    excused = joined([*run.excused, *run.unwritten])
    for call in calls.values():
        gone = call.gone if call.gone is not None else float("inf")
        if call.who not in recorded:
            if gone - call.dialled > 0.3 and not overlaps(excused, call.dialled - 1.0, call.dialled + RESCUE):
                yield Wrong(kind="not recorded", t=call.dialled, who=call.who, detail=f"ended {call.by}")
            continue
        for end in recorded[call.who]:
            if end is not None and end.reason == "lost" and not overlaps(excused, gone - 1.0, gone + 0.1):
                detail = f"recorded as lost ({end.detail}), ended {call.by} {gone - call.dialled:.1f} s after dialling"
                yield Wrong(kind="lost", t=call.dialled, who=call.who, detail=detail)


def _truthful(run: Run, calls: dict[str, Call]) -> Iterable[Wrong]:
    """Who is recorded as answered heard somebody, and who talked is recorded as answered."""
    recorded = _of_caller(run)
    for call in calls.values():
        ends = [end for end in recorded.get(call.who, ()) if end is not None]
        answered = [end for end in ends if end.reason in ANSWERED]
        if answered and not call.talks and not _too_short_to_hear(run, call):
            yield Wrong(kind="not true", t=call.dialled, who=call.who, detail="recorded as answered, heard nobody")
        long = [(a, b) for a, b in call.talks if b - a > 2.5 + run.tolerance]
        excused = joined([*run.excused, *run.unwritten])
        seen = long and not overlaps(excused, long[0][0] - 1.0, long[0][1] + 1.0) and call.who not in run.handed
        if seen and ends and not answered:
            detail = f"talked {long[0][1] - long[0][0]:.1f} s, recorded as {ends[-1].reason} ({ends[-1].detail})"
            yield Wrong(kind="not true", t=call.dialled, who=call.who, detail=detail)


def _too_short_to_hear(run: Run, call: Call) -> bool:
    """Whether he, or his switch, was gone in the moment in which somebody picked up: the bridge was confirmed, and not heard."""
    if call.gone is None:
        return False
    died = any(abs(call.gone - t) <= run.tolerance for t in run.restarts)
    return died or any(0.0 <= call.gone - t <= run.tolerance / 4 for t in call.picked_up)


# --- the order of the line --------------------------------------------------------------------------------------------------


def _order(run: Run, calls: dict[str, Call]) -> Iterable[Wrong]:
    """A later caller is rung first only where the earlier one is being rung, or had that member already (L1)."""
    offered = _offered(run)
    for group, limit in ((LINE, 400.0), (RECEPTION, 200.0)):
        line = [call for call in calls.values() if call.to == group and call.who not in run.handed]
        for later in line:
            for rang, _, phone in later.rung:
                since = bisect_left(line, rang - limit, key=by_dialled)
                ahead = line[since : bisect_left(line, later.dialled, key=by_dialled)]
                earlier = _passed_over(ahead, later, rang, phone, limit, offered, run.tolerance)
                if earlier is not None and not overlaps(run.excused, rang - run.tolerance, rang):
                    detail = f"rung at {phone} before {earlier.who}, who waited {rang - earlier.dialled:.1f} s"
                    yield Wrong(kind="order", t=rang, who=later.who, detail=detail)


def _offered(run: Run) -> dict[tuple[str, str], bool]:
    """Return which callers were offered to which phones, rung or not: one who was let go at once has had his turn."""
    callers: dict[str, str] = {}
    offered: dict[tuple[str, str], bool] = {}
    for record, _ in run.records:
        if isinstance(record, CallOpened):
            callers[record.call] = record.caller.number
        elif isinstance(record, Offered):
            offered[callers.get(record.call, ""), phone_of(record.member)] = True
    return offered


def _passed_over(
    line: Sequence[Call],
    later: Call,
    at: float,
    phone: str,
    limit: float,
    offered: dict[tuple[str, str], bool],
    tolerance: float,
) -> Call | None:
    for earlier in line:
        if earlier.music is None or earlier.music >= later.dialled:
            continue
        waits = earlier.waits(at - tolerance) and earlier.waits(at + tolerance)
        busy = any(a <= at + tolerance and at - tolerance <= b for a, b, _ in earlier.rung)
        had = (earlier.who, phone) in offered or any(a <= at and who == phone for a, _, who in earlier.rung)
        if waits and not busy and not had and at < earlier.dialled + limit - 7.0:
            return earlier
    return None


def _resumed(run: Run, calls: dict[str, Call]) -> Iterable[Wrong]:
    """Within two seconds of seeing again, a phone that is idle rings for a caller who waits."""
    line = [call for call in calls.values() if call.to == LINE]
    busy = _busy(run)
    for index, (_, back) in enumerate(run.blind[:-1]):
        until = back + AFTER
        if run.blind[index + 1][0] < until or overlaps(run.slowed, back - AFTER, until):
            continue
        lately = line[bisect_left(line, back - LONGEST_STAY, key=by_dialled) : bisect_left(line, until, key=by_dialled)]
        waiting = [call for call in lately if call.waits(back - 5.0) and call.waits(until) and not call.rung]
        if not waiting or any(a < until and b > back for call in lately for a, b, _ in call.rung):
            continue
        for phone in LINE_PHONES:
            away = any(who == phone and a < until and b + 5.0 > back - 40.0 for who, a, b in run.away)
            if not away and not overlaps(busy.get(phone, []), back - 40.0, until):
                detail = f"{phone} was idle and {len(waiting)} waited"
                yield Wrong(kind="not resumed", t=back, who=waiting[0].who, detail=detail)


def _busy(run: Run) -> dict[str, list[Span]]:
    """Return when each phone had a call, made by itself or not: from the first to the last that was seen of it."""
    legs: dict[tuple[str, str], list[Sighting]] = {}
    for seen in sorted(run.sightings, key=lambda one: one.t):
        legs.setdefault((seen.who, seen.leg), []).append(seen)
    busy: dict[str, list[Span]] = {}
    for (who, _), all_seen in legs.items():
        over = all_seen[-1].what in ("gone", "ended", "cancelled", "refused")
        busy.setdefault(who, []).append((all_seen[0].t, all_seen[-1].t if over else float("inf")))
    return {who: joined(spans) for who, spans in busy.items()}


# --- music over a kill --------------------------------------------------------------------------------------------------------


class Held(msgspec.Struct, frozen=True):
    """A caller on hold at the moment of a kill, and how long (seconds) the first silence was that he heard of it."""

    who: str
    t: float
    silence: float


def held_over(run: Run) -> list[Held]:
    """Return who waited with music when the daemon died, the same caller once for each time."""
    heard: dict[str, list[Sighting]] = {}
    for seen in sorted(run.sightings, key=lambda one: one.t):
        if seen.side == "caller" and seen.what in ("music", "silence", "connected", "gone"):
            heard.setdefault(seen.leg, []).append(seen)
    found, stories = [], list(heard.values())
    for died, back in run.dead:
        if overlaps(run.slowed, died, back) or any(died - AFTER <= t <= back for t in run.restarts):
            continue
        begun = [bisect_left(stories, t, key=lambda changes: changes[0].t) for t in (died - LONGEST_STAY, died)]
        for changes in stories[begun[0] : begun[1]]:
            before = [seen for seen in changes if seen.t <= died]
            if before and before[-1].what == "music":
                found.append(Held(before[-1].who, died, _silence([seen for seen in changes if seen.t > died], back)))
    return found


def _silence(after: Sequence[Sighting], back: float) -> float:
    """Return how long it was silent, if silence is what came next while there was no daemon."""
    if not after or after[0].what != "silence" or after[0].t > back:
        return 0.0
    return after[1].t - after[0].t if len(after) > 1 else float("inf")


def _music(run: Run) -> Iterable[Wrong]:
    """Who waits hears music, whether there is a daemon or not."""
    for held in held_over(run):
        if held.silence > run.gap:
            detail = f"his music stopped for {held.silence:.2f} s when the daemon was killed"
            yield Wrong(kind="music stopped", t=held.t, who=held.who, detail=detail)
