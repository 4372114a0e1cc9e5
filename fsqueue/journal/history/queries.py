"""What can be asked of the history: calls, one call with all that happened to it, missed calls, what members did.

Every question with a time range costs what that range holds, however long the history is. A range is from `start`, included, to
`end`, not included; a call belongs to the moment it came.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

from fsqueue.journal.history.forgetting import spellings

FOR_EVER = 1e12
"""Epoch seconds beyond all calls: the end of a range without one."""


class Range(msgspec.Struct, frozen=True):
    """Epoch seconds: from *start*, included, to *end*, not included."""

    start: float = 0.0
    end: float = FOR_EVER


class CallFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls are meant; every field that is set narrows it, an empty one doesn't."""

    range: Range = Range()
    group: str = ""
    """Calls that were in this group, whether or not they ended there."""
    member: str = ""
    """Calls that this member was rung for, or picked up."""
    number: str = ""
    """The number that was dialled, in any spelling (``+48…``, ``0048…``)."""
    caller: str = ""
    """The caller's number, in any spelling."""
    reasons: tuple[str, ...] = ()
    """How they ended (E1); empty: in any way, or in progress."""
    limit: int = 1000
    """At most so many, the newest; 0: all."""


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """One call. Times are epoch seconds, `waited` and `talked` seconds; without `ended` it is in progress."""

    id: str
    came: float
    caller_number: str
    caller_name: str
    hidden: bool
    number: str
    dialled: str
    groups: tuple[str, ...]
    """In the order it was in them."""
    ended: float | None
    reason: str
    missed: bool
    waited: float
    talked: float
    member: str
    detail: str
    switch: str
    unseen_since: float | None = None
    """Nobody saw the end: it came after this moment, and until `ended`. `waited` and `talked` are counted up to here."""


class MissedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One missed call, and what became of it."""

    id: str
    came: float
    caller_number: str
    caller_name: str
    hidden: bool
    number: str
    groups: tuple[str, ...]
    waited: float
    reason: str
    called_back: float | None
    called_back_by: str
    note: str
    reached_later: str
    """A later call of the same number that was answered; empty where there is none."""


class VisitRow(msgspec.Struct, frozen=True, kw_only=True):
    """One stay of a call in a group; `outcome` is answered, missed or passed_on, empty while it lasts."""

    group: str
    entered: float
    left: float | None
    outcome: str
    waited: float


class OfferRow(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to ring somebody; `outcome` is taken or the journal's word, empty while it lasts."""

    offer: str
    group: str
    member: str
    number: str
    rule: str
    began: float
    answered: float | None
    ended: float | None
    outcome: str
    cause: str


class TalkRow(msgspec.Struct, frozen=True, kw_only=True):
    """One talk; one that did not stand was left at once by its member, and the caller waited on."""

    offer: str
    member: str
    group: str
    began: float
    ended: float | None
    stood: bool


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule decided; `because` says what each member was doing."""

    t: float
    group: str
    rule: str
    action: str
    because: dict[str, str]


class CallBackRow(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody called back."""

    t: float
    by: str
    note: str


class CallDetails(msgspec.Struct, frozen=True, kw_only=True):
    """One call with all that happened to it, each in order of time."""

    call: CallRow
    visits: tuple[VisitRow, ...]
    offers: tuple[OfferRow, ...]
    talks: tuple[TalkRow, ...]
    decisions: tuple[DecisionRow, ...]
    called_back: CallBackRow | None


class StateRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a member did from `began` to `ended` (None: still).

    `state` is his duty (in, paused, out), or beside it what he did (ringing, talking).
    """

    member: str
    state: str
    began: float
    ended: float | None
    call: str
    why: str
    by: str


class ExportedVisit(msgspec.Struct, frozen=True, kw_only=True):
    """One stay of a call in a group, by itself; see `VisitRow`."""

    call: str
    came: float
    """The call."""
    group: str
    entered: float
    left: float | None
    outcome: str
    waited: float


class ExportedOffer(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to ring somebody, by itself; see `OfferRow`."""

    call: str
    came: float
    """The call."""
    offer: str
    group: str
    member: str
    number: str
    rule: str
    began: float
    answered: float | None
    ended: float | None
    outcome: str
    cause: str


_GROUPS = "(SELECT group_concat(grp, ' ') FROM (SELECT grp FROM visits WHERE call = c.id ORDER BY seq))"
_CALL = (
    "c.id, c.came, c.caller_number, c.caller_name, c.hidden, c.number, c.dialled, "
    f"{_GROUPS}, c.ended, c.reason, c.missed, c.waited, c.talked, c.member, c.detail, c.switch, "
    "c.unseen_since"
)


def calls(db: sqlite3.Connection, wanted: CallFilter) -> Iterator[CallRow]:
    """Yield the calls that *wanted* means, the newest first."""
    where, values = _conditions(wanted)
    limit = f" LIMIT {int(wanted.limit)}" if wanted.limit else ""
    rows = db.execute(f"SELECT {_CALL} FROM calls c WHERE {where} ORDER BY c.came DESC, c.id DESC{limit}", values)  # noqa: S608
    return (_call_row(row) for row in rows)


def missed(db: sqlite3.Connection, wanted: CallFilter, *, open_only: bool = False) -> list[MissedRow]:
    """Return the missed calls that *wanted* means, the newest first; with *open_only* those that nobody has called back."""
    where, values = _conditions(wanted)
    if open_only:
        where += " AND b.call IS NULL"
    limit = f" LIMIT {int(wanted.limit)}" if wanted.limit else ""
    rows = db.execute(
        f"SELECT c.id, c.came, c.caller_number, c.caller_name, c.hidden, c.number, {_GROUPS}, c.waited, c.reason,"  # noqa: S608
        " b.t, coalesce(b.by, ''), coalesce(b.note, ''),"
        " (SELECT l.id FROM calls l WHERE l.caller_number = c.caller_number AND l.caller_number <> '' AND l.came > c.came"
        "  AND NOT l.missed AND l.ended IS NOT NULL ORDER BY l.came LIMIT 1)"
        f" FROM calls c LEFT JOIN callbacks b ON b.call = c.id WHERE c.missed AND {where}"
        f" ORDER BY c.came DESC, c.id DESC{limit}",
        values,
    )
    return [_missed_row(row) for row in rows]


def visits(db: sqlite3.Connection, wanted: CallFilter) -> Iterator[ExportedVisit]:
    """Yield the visits of the calls that *wanted* means, the newest calls first; where it names a group, those in it alone."""
    where, values = _conditions(wanted)
    rows = db.execute(
        "SELECT c.id, c.came, v.grp, v.entered, v.left_at, v.outcome, v.waited FROM calls c JOIN visits v ON v.call = c.id"  # noqa: S608
        f" WHERE {where} AND (? = '' OR v.grp = ?) ORDER BY c.came DESC, c.id DESC, v.seq",
        [*values, wanted.group, wanted.group],
    )
    return (
        ExportedVisit(call=r[0], came=r[1], group=r[2], entered=r[3], left=r[4], outcome=r[5], waited=r[6])
        for r in rows
    )


def offers(db: sqlite3.Connection, wanted: CallFilter) -> Iterator[ExportedOffer]:
    """Yield the offers of the calls that *wanted* means, the newest calls first.

    Where it names a group or a member, those made in it, or to him, alone.
    """
    where, values = _conditions(wanted)
    rows = db.execute(
        "SELECT c.id, c.came, o.offer, o.grp, o.member, o.number, o.rule, o.began, o.answered, o.ended, o.outcome, o.cause"  # noqa: S608
        f" FROM calls c JOIN offers o ON o.call = c.id WHERE {where} AND (? = '' OR o.grp = ?) AND (? = '' OR o.member = ?)"
        " ORDER BY c.came DESC, c.id DESC, o.seq",
        [*values, wanted.group, wanted.group, wanted.member, wanted.member],
    )
    return (
        ExportedOffer(
            call=r[0], came=r[1], offer=r[2], group=r[3], member=r[4], number=r[5], rule=r[6],
            began=r[7], answered=r[8], ended=r[9], outcome=r[10], cause=r[11],
        )
        for r in rows
    )  # fmt: skip


def call(db: sqlite3.Connection, call_id: str) -> CallDetails | None:
    """Return the call with this id and all that happened to it, None where the history has no such call."""
    row = db.execute(f"SELECT {_CALL} FROM calls c WHERE c.id = ?", (call_id,)).fetchone()  # noqa: S608
    if row is None:
        return None
    back = db.execute("SELECT t, by, note FROM callbacks WHERE call = ?", (call_id,)).fetchone()
    return CallDetails(
        call=_call_row(row),
        visits=tuple(
            VisitRow(group=r[0], entered=r[1], left=r[2], outcome=r[3], waited=r[4])
            for r in _of_call(db, "grp, entered, left_at, outcome, waited", "visits", call_id)
        ),
        offers=tuple(
            OfferRow(
                offer=r[0], group=r[1], member=r[2], number=r[3], rule=r[4],
                began=r[5], answered=r[6], ended=r[7], outcome=r[8], cause=r[9],
            )
            for r in _of_call(
                db, "offer, grp, member, number, rule, began, answered, ended, outcome, cause", "offers", call_id
            )
        ),
        talks=tuple(
            TalkRow(offer=r[0], member=r[1], group=r[2], began=r[3], ended=r[4], stood=bool(r[5]))
            for r in _of_call(db, "offer, member, grp, began, ended, stood", "talks", call_id)
        ),
        decisions=tuple(
            DecisionRow(t=r[0], group=r[1], rule=r[2], action=r[3], because=msgspec.json.decode(r[4]))
            for r in _of_call(db, "t, grp, rule, action, because", "decisions", call_id)
        ),
        called_back=CallBackRow(t=back[0], by=back[1], note=back[2]) if back else None,
    )  # fmt: skip


def states(db: sqlite3.Connection, within: Range, member: str = "") -> list[StateRow]:
    """Return what members (or the one with the id *member*) did in that time: intervals that reach into it, uncut."""
    found: list[StateRow] = []
    for duty in (1, 0):
        rows = db.execute(_STATES, {"duty": duty, "start": within.start, "end": within.end, "member": member})
        found += [StateRow(member=r[0], state=r[1], began=r[2], ended=r[3], call=r[4], why=r[5], by=r[6]) for r in rows]
    return sorted(found, key=lambda row: (row.member, row.began))


_STATES = """
SELECT member, state, began, ended, call, why, by FROM states INDEXED BY states_began
WHERE duty = :duty AND ended IS NOT NULL AND ended > :start AND began < :end AND (:member = '' OR member = :member)
    AND began >= :start - coalesce((SELECT ended - began FROM states WHERE duty = :duty AND ended IS NOT NULL
                                    ORDER BY ended - began DESC LIMIT 1), 0)
UNION ALL
SELECT member, state, began, ended, call, why, by FROM states INDEXED BY states_open
WHERE ended IS NULL AND duty = :duty AND began < :end AND (:member = '' OR member = :member)
"""


def _of_call(db: sqlite3.Connection, columns: str, table: str, call_id: str) -> sqlite3.Cursor:
    return db.execute(f"SELECT {columns} FROM {table} WHERE call = ? ORDER BY seq", (call_id,))  # noqa: S608


def _conditions(wanted: CallFilter) -> tuple[str, list[Any]]:
    start, end = wanted.range.start, wanted.range.end
    terms, values = ["c.came >= ? AND c.came < ?"], [start, end]
    parts: list[Any] = list(values)
    if wanted.group:
        terms.append("c.id IN (SELECT call FROM visits WHERE grp = ? AND came >= ? AND came < ?)")
        parts += [wanted.group, start, end]
    if wanted.member:
        terms.append("c.id IN (SELECT call FROM offers WHERE member = ? AND came >= ? AND came < ?)")
        parts += [wanted.member, start, end]
    if wanted.number:
        terms.append("c.number = ?")
        parts.append(spellings(wanted.number)[0])
    if wanted.caller:
        terms.append("c.caller_number <> '' AND c.caller_number IN (?, ?, ?)")
        parts += spellings(wanted.caller)
    if wanted.reasons:
        terms.append(f"c.reason IN ({', '.join('?' * len(wanted.reasons))})")
        parts += wanted.reasons
    return " AND ".join(terms), parts


def _call_row(r: tuple[Any, ...]) -> CallRow:
    return CallRow(
        id=r[0], came=r[1], caller_number=r[2], caller_name=r[3], hidden=bool(r[4]), number=r[5], dialled=r[6],
        groups=tuple((r[7] or "").split()), ended=r[8], reason=r[9], missed=bool(r[10]), waited=r[11], talked=r[12],
        member=r[13], detail=r[14], switch=r[15], unseen_since=r[16],
    )  # fmt: skip


def _missed_row(r: tuple[Any, ...]) -> MissedRow:
    return MissedRow(
        id=r[0], came=r[1], caller_number=r[2], caller_name=r[3], hidden=bool(r[4]), number=r[5],
        groups=tuple((r[6] or "").split()), waited=r[7], reason=r[8], called_back=r[9], called_back_by=r[10], note=r[11],
        reached_later=r[12] or "",
    )  # fmt: skip
