"""One call told in plain words, with the reasons: what somebody asks the next morning.

``16:04:11 in line of sales`` … ``16:05:11 voicemail 1000@example.com (U2): anna: rang 20 s, not answered; jan: talking``
"""

from __future__ import annotations

import datetime

import msgspec

from fsqueue.journal.history.queries import CallDetails, DecisionRow, OfferRow, TalkRow, VisitRow
from fsqueue.journal.words import clean, seconds

_RULES = {
    "U1": "all members were away (U1)",
    "U2": "passed over, nobody took it (U2)",
    "U4": "waited too long (U4)",
    "full": "the line was full",
}

_OUTCOMES = {
    "taken": "answered",
    "declined": "declined",
    "busy": "busy",
    "no_answer": "not answered",
    "unreachable": "could not be reached",
    "failed": "the connection failed",
    "withdrawn": "withdrawn",
    "lost": "lost sight of",
}

_TOLD_ELSEWHERE = ("taken", "withdrawn", "failed")
"""Ends of offers that the talk, the decision or the call's own end tells of."""

TOGETHER = 1.0
"""Seconds within which the same thing, happening to several members, is said once."""

_ENDS = {
    "answered": "answered",
    "forwarded": "answered where it was forwarded to",
    "voicemail": "sent to voicemail",
    "abandoned": "the caller hung up",
    "no_answer": "nobody took it",
    "offline": "nobody was there",
    "timed_out": "it had waited too long",
    "full": "the line was full",
    "step_failed": "what was to be done with it failed",
    "ended_by_staff": "ended by staff",
    "group_removed": "its group was removed",
    "fallback": "not taken; the dialplan's fallback got it",
    "lost": "lost sight of",
}


class Line(msgspec.Struct, frozen=True):
    """What happened at one moment *t* (epoch seconds), printable."""

    t: float
    text: str


def tell(details: CallDetails) -> list[Line]:
    """Return what happened to the call, in order of time."""
    call = details.call
    told = [Line(call.came, f"arrived, dialled {call.dialled or 'an extension'}")]
    told += _visits(details)
    if call.ended is not None:
        if call.unseen_since is not None:
            told.append(Line(min(call.ended, call.unseen_since), "seen for the last time; nobody saw the end"))
        told.append(Line(call.ended, _end(details)))
    if details.called_back is not None:
        back = details.called_back
        by = f" by {back.by}" if back.by else ""
        told.append(Line(back.t, f"called back{by}" + (f": {back.note}" if back.note else "")))
    return [Line(line.t, clean(line.text)) for line in told]


def _visits(details: CallDetails) -> list[Line]:
    """Tell visit by visit, since a visit's last decision and the next one's beginning are one moment."""
    told: list[Line] = []
    starts = [visit.entered for visit in details.visits]
    for n, visit in enumerate(details.visits):
        told.append(Line(visit.entered, f"in line of {visit.group}"))

        def here(group: str, t: float, n: int = n, visit: VisitRow = visit) -> bool:
            following = next((at for at in range(n + 1, len(starts)) if details.visits[at].group == visit.group), None)
            return group == visit.group and t >= starts[n] and (following is None or t < starts[following])

        events = _offers(tuple(o for o in details.offers if here(o.group, o.began)))
        events += [_talk(t) for t in details.talks if here(t.group, t.began)]
        events += [Line(d.t, _decision(d, details)) for d in details.decisions if here(d.group, d.t)]
        told += sorted(events, key=lambda line: line.t)
    return told


def _talk(talk: TalkRow) -> Line:
    if talk.stood:
        return Line(talk.began, f"talks with {talk.member or 'the number it was forwarded to'}")
    ended = talk.ended or talk.began
    return Line(ended, f"{talk.member} left after {seconds(ended - talk.began)}; the caller waits on")


def text(details: CallDetails, zone: datetime.tzinfo) -> str:
    """Return the story as lines with the time of day in *zone*, the date first."""
    call = details.call
    number = "a hidden number" if call.hidden else call.caller_number or "an unknown number"
    name = f" ({clean(call.caller_name)})" if call.caller_name and not call.hidden else ""
    came = datetime.datetime.fromtimestamp(call.came, zone)
    lines = [f"{call.id}  {clean(number)}{name}  {came:%Y-%m-%d %Z}"]
    for line in tell(details):
        at = datetime.datetime.fromtimestamp(line.t, zone)
        lines.append(f"  {at:%H:%M:%S}  {line.text}")
    return "\n".join(lines) + "\n"


def _offers(offers: tuple[OfferRow, ...]) -> list[Line]:
    """Say who rang and how it ended; what happens to several within a second (`to-all`) is one line."""
    events: list[tuple[float, str, str]] = []
    for offer in offers:
        who = offer.member or offer.number
        events.append((offer.began, {"S2": "forwarded: rings", "P1": "picked up by"}.get(offer.rule, "rings"), who))
        if offer.ended is not None and offer.outcome not in _TOLD_ELSEWHERE:
            events.append((offer.ended, _rang(offer), who))
    lines: list[Line] = []
    whom: dict[str, list[str]] = {}
    begun: dict[str, float] = {}
    for t, what, who in sorted(events):
        if what in begun and t - begun[what] <= TOGETHER:
            whom[what].append(who)
            continue
        lines += [_together(begun[what], what, whom[what])] if what in begun else []
        begun[what], whom[what] = t, [who]
    return lines + [_together(t, what, whom[what]) for what, t in begun.items()]


def _together(t: float, what: str, whom: list[str]) -> Line:
    names = ", ".join(whom)
    return Line(t, f"{what} {names}" if what.endswith(("rings", "by")) else f"{names}: {what}")


def _rang(offer: OfferRow) -> str:
    rang = "" if offer.ended is None else f"rang {seconds(offer.ended - offer.began)}, "
    return rang + _OUTCOMES.get(offer.outcome, "rings")


def _decision(decision: DecisionRow, details: CallDetails) -> str:
    entered = max((v.entered for v in details.visits if v.entered <= decision.t), default=0.0)
    rung = {o.member: o for o in details.offers if o.group == decision.group and entered <= o.began <= decision.t}
    because = "; ".join(
        f"{member}: {_rang(rung[member]) if member in rung else doing}" for member, doing in decision.because.items()
    )
    why = _RULES.get(decision.rule, decision.rule)
    return f"{why} → {decision.action}" + (f": {because}" if because else "")


def _end(details: CallDetails) -> str:
    call = details.call
    told = f"ended: {_ENDS.get(call.reason, call.reason)}, waited {seconds(call.waited)}"
    if call.talked:
        told += f", talked {seconds(call.talked)}" + (f" with {call.member}" if call.member else "")
    return told + (f" ({call.detail})" if call.detail else "")
