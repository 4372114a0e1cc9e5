"""One readable line for each thing that happens, made from its record: what the daemon logs and people are shown.

What callers send is data: a name or a number can't leave its place in the line, end it, or reach a terminal as an escape.
"""

from __future__ import annotations

import dataclasses
from functools import singledispatch

from fsqueue.engine.messages import (
    CalledBack,
    CallEnded,
    Caller,
    CallOpened,
    Checkpoint,
    ConfigTaken,
    Decided,
    DrainChanged,
    Forgotten,
    MemberChanged,
    OfferAnswered,
    Offered,
    OfferOver,
    Outcome,
    Reason,
    Record,
    Relegged,
    Requeued,
    Sent,
    SwitchChanged,
    Talking,
    TalkOver,
    TurnUsed,
    VisitBegan,
)
from fsqueue.journal.entries import Gap, Unknown

NAME_LENGTH = 60
"""Characters of a caller's name or number that are shown."""

_DECIDED_REASONS: tuple[Reason, ...] = ("voicemail", "no_answer", "offline", "timed_out", "full", "step_failed")
"""Ends that a rule led to: its decision is repeated with them."""

_OUTCOMES: dict[Outcome, str] = {
    "declined": "declined",
    "busy": "was busy",
    "no_answer": "did not answer",
    "unreachable": "could not be reached",
    "failed": "was not connected: the bridge or the switch failed,",
    "withdrawn": "was withdrawn",
    "lost": "was lost sight of",
}

_BRACKETS = str.maketrans("()→", "[]>")


@dataclasses.dataclass
class CallWords:
    """What later lines about a call need of its earlier records."""

    caller: Caller = dataclasses.field(default_factory=Caller)
    group: str = ""
    offers: dict[str, str] = dataclasses.field(default_factory=dict)
    """Whom each offer rings: a member's id, or a number."""
    decided: str = ""


@dataclasses.dataclass
class Names:
    """Who is meant by the ids in records: filled by `learn` with every record, in order; ended calls are forgotten."""

    calls: dict[str, CallWords] = dataclasses.field(default_factory=dict)

    def of(self, call: str) -> CallWords:
        """Return what is known of *call*; nothing of one whose beginning was not seen."""
        return self.calls.get(call) or CallWords()

    def learn(self, record: Record | Gap | Unknown) -> None:
        """Take in *record*, after its line was made."""
        match record:
            case CallOpened() | Relegged():
                self.calls.setdefault(record.call, CallWords()).caller = record.caller
            case VisitBegan():
                self.calls.setdefault(record.call, CallWords()).group = record.group
            case Offered():
                known = self.calls.setdefault(record.call, CallWords())
                known.offers[record.offer] = record.member or record.number
            case OfferOver():
                self.of(record.call).offers.pop(record.offer, None)
            case Decided():
                self.calls.setdefault(record.call, CallWords()).decided = _decision(record)
            case CallEnded():
                self.calls.pop(record.call, None)
            case _:
                pass


def line(record: Record | Gap | Unknown, names: Names) -> str:
    """Return *record* in words: one line, without a line feed, all of it printable."""
    return clean(words(record, names))


def clean(text: str) -> str:
    r"""Return *text* with everything that is no visible character written out (``\x1b``)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def seconds(value: float) -> str:
    """Return a number of seconds as people say it: ``0.4 s``, ``7 s``, ``42 s``."""
    return f"{value:.1f}".removesuffix(".0") + " s" if value < 10 else f"{value:.0f} s"


@singledispatch
def words(record: object, _names: Names) -> str:
    """Say what *record* means; every kind of record has its own function below."""
    raise TypeError(f"there are no words for {type(record).__name__}")


@words.register
def _opened(record: CallOpened, _names: Names) -> str:
    dialled = _theirs(record.dialled) or "an extension"
    if record.found:
        return f"{_who(record.call, record.caller)}: found waiting, had dialled {dialled}"
    return f"{_who(record.call, record.caller)}: arrived, dialled {dialled}"


@words.register
def _began(record: VisitBegan, names: Names) -> str:
    where = f"{_call(record.call, names)} → {record.group}"
    return f"{where}: in line" if record.n == 1 else f"{where}: in line (group {record.n} of this call)"


@words.register
def _relegged(record: Relegged, names: Names) -> str:
    before = names.of(record.call).caller
    if record.caller == before:
        return f"{_call(record.call, names)}: found again"
    return f"{_call(record.call, names)}: now {_party(record.caller)} waits in this place"


@words.register
def _offered(record: Offered, names: Names) -> str:
    if record.member:
        doing = {"S2": "forwarded, rings", "P1": "is picked up by"}.get(record.rule, "rings")
        return f"{_at(record.call, record.group, names)}: {doing} {record.member}"
    return f"{_at(record.call, record.group, names)}: forwarded, rings {record.number}"


@words.register
def _answered(record: OfferAnswered, names: Names) -> str:
    return f"{_call(record.call, names)}: {_target(record.call, record.offer, names)} picked up"


@words.register
def _over(record: OfferOver, names: Names) -> str:
    who = record.member or _target(record.call, record.offer, names)
    cause = f" ({_theirs(record.cause)})" if record.cause else ""
    return f"{_call(record.call, names)}: {who} {_OUTCOMES[record.outcome]} after {seconds(record.seconds)}{cause}"


@words.register
def _decided(record: Decided, names: Names) -> str:
    return f"{_at(record.call, record.group, names)}: {_decision(record)}"


@words.register
def _sent(record: Sent, names: Names) -> str:
    return f"{_call(record.call, names)}: sent to {_theirs(record.step)}"


@words.register
def _requeued(record: Requeued, names: Names) -> str:
    why = f": {_theirs(record.why)}" if record.why else ""
    return f"{_call(record.call, names)}: back at his place, the bridge to {_target(record.call, record.offer, names)} failed{why}"


@words.register
def _talking(record: Talking, names: Names) -> str:
    who = record.member or _target(record.call, record.offer, names)
    return f"{_call(record.call, names)}: answered by {who} after {seconds(record.waited)}"


@words.register
def _talk_over(record: TalkOver, names: Names) -> str:
    return f"{_call(record.call, names)}: {record.member or _target(record.call, record.offer, names)} is free of it"


@words.register
def _ended(record: CallEnded, names: Names) -> str:
    text = f"{_call(record.call, names)}: ended, {record.reason} after {seconds(record.waited)}"
    if record.member:
        text += f", talked {seconds(record.talked)} with {record.member}"
    decided = names.of(record.call).decided
    if decided and record.reason in _DECIDED_REASONS:
        text += f": {decided}"
    if record.unseen_since is not None:
        text += ", its end not seen"
    return text + (f" ({_theirs(record.detail)})" if record.detail else "")


@words.register
def _member(record: MemberChanged, _names: Names) -> str:
    duty = {"in": "logged in", "out": "logged out", "paused": "paused"}[record.duty]
    why = "" if record.why == duty else _theirs(record.why)
    if record.duty == "in" and record.state not in ("", "available", "offline"):
        # The record is about what he does besides: he rests, or writes up what he talked about.
        told = record.state
    else:
        told = f"{duty} after this call" if record.state in ("ringing", "talking") else duty
    because = "" if why in ("", told) else f", {why}"
    because += f" ({record.untaken} in a row)" if record.untaken > 1 else ""
    because += f"; by {_theirs(record.by)}" if record.by else ""
    return f"{record.member}: {told}{because}"


@words.register
def _turn(record: TurnUsed, _names: Names) -> str:
    if record.turn < 0:
        return f"{record.group}: {record.member} has had no turn yet"
    return f"{record.group}: {record.member} had turn {record.turn}"


@words.register
def _config(record: ConfigTaken, _names: Names) -> str:
    renamed = "".join(f"; {each.kind} {each.old} is now {each.new}" for each in record.renamed)
    return (
        f"configuration taken: groups {', '.join(record.groups) or 'none'}; "
        f"members {', '.join(record.members) or 'none'}{renamed}"
    )


@words.register
def _switch(record: SwitchChanged, _names: Names) -> str:
    return f"switch {record.switch}: {'in reach' if record.up else 'out of reach; no rule fires for its calls'}"


@words.register
def _drain(record: DrainChanged, _names: Names) -> str:
    by = f", by {_theirs(record.by)}" if record.by else ""
    if not record.draining:
        return f"draining is called off{by}: calls are taken again"
    left = "no call is" if not record.calls else "1 call is" if record.calls == 1 else f"{record.calls} calls are"
    return f"draining{by}: no new calls are taken, {left} left to finish"


@words.register
def _called_back(record: CalledBack, names: Names) -> str:
    by = f" by {_theirs(record.by)}" if record.by else ""
    return f"{_call(record.call, names)}: called back{by}" + (f": {_theirs(record.note)}" if record.note else "")


@words.register
def _forgotten(record: Forgotten, _names: Names) -> str:
    by = f", by {_theirs(record.by)}" if record.by else ""
    return f"history: the callers of {len(record.calls)} calls are forgotten{by}"


@words.register
def _checkpoint(record: Checkpoint, _names: Names) -> str:
    return f"checkpoint: {len(record.calls)} calls, {len(record.members)} members"


@words.register
def _gap(record: Gap, _names: Names) -> str:
    return f"journal: records up to number {record.last} are lost: {record.why}"


@words.register
def _unknown(record: Unknown, _names: Names) -> str:
    return f"journal: an entry of kind {_theirs(record.kind)} that can't be read: {_theirs(record.why)}"


# --- parts of a line --------------------------------------------------------------------------------------------------


def _theirs(text: str) -> str:
    """Return text from outside, cut, and without the signs that the lines themselves are built of."""
    shown = clean(text[: NAME_LENGTH + 1]).translate(_BRACKETS)
    return shown if len(text) <= NAME_LENGTH else shown[:NAME_LENGTH] + "…"


def _party(caller: Caller) -> str:
    if caller.hidden:
        return "a hidden number"
    number = "".join(c if c.isascii() and (c.isalnum() or c in "+*#._@-") else "?" for c in caller.number[:NAME_LENGTH])
    return (number or "an unknown number") + (f" ({_theirs(caller.name)})" if caller.name else "")


def _who(call: str, caller: Caller) -> str:
    return f"{call} {_party(caller)}"


def _call(call: str, names: Names) -> str:
    known = names.calls.get(call)
    return call if known is None else _who(call, known.caller)


def _at(call: str, group: str, names: Names) -> str:
    return f"{_call(call, names)} → {group}" if group else _call(call, names)


def _target(call: str, offer: str, names: Names) -> str:
    return names.of(call).offers.get(offer, offer)


def _decision(record: Decided) -> str:
    because = "; ".join(f"{member}: {_theirs(doing)}" for member, doing in record.because.items())
    return f"{record.action} ({record.rule}: {because})" if because else f"{record.action} ({record.rule})"
