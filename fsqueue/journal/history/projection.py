"""What each record means in the history's tables.

A journal may have holes (a full disk, a damaged sector), so no record relies on an earlier one: what a later record tells of
a call, a visit or a talk whose beginning is missing is kept as far as it goes. Everything is said in terms of what is in the
tables already, never of what this process remembers, so it makes no difference where a reading was broken off.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from fsqueue.engine.messages import (
    ANSWERED,
    CalledBack,
    CallEnded,
    CallOpened,
    Checkpoint,
    ConfigTaken,
    Decided,
    Forgotten,
    MemberChanged,
    OfferAnswered,
    Offered,
    OfferOver,
    Relegged,
    Talking,
    VisitBegan,
)
from fsqueue.journal.entries import Entry, Gap, Unknown

TAKEN: Final = "taken"
"""What `offers.outcome` says of an offer that became a talk; all other outcomes are the journal's own."""

VERSION: Final = 1
"""Of the meanings below; raised when a record means something else, or a kind gets a meaning."""


def position(db: sqlite3.Connection) -> int:
    """Return the number of the last entry that is in the tables, 0 when there is none."""
    return _meta(db, "seq")


def passed_over(db: sqlite3.Connection) -> int:
    """Return how many entries of unknown kinds were passed over: a version that knows them has to build anew."""
    return _meta(db, "unknown")


def lost(db: sqlite3.Connection) -> int:
    """Return how many records the journal says were never written."""
    return _meta(db, "lost")


def origin(db: sqlite3.Connection) -> tuple[int, int] | None:
    """Return the number and the time (in microseconds) of the first entry that was ever read: which journal this is of."""
    seq = _meta(db, "origin_seq")
    return (seq, _meta(db, "origin_t")) if seq else None


def version(db: sqlite3.Connection) -> int:
    """Return which version of the meanings below the tables were made with."""
    return _meta(db, "meanings")


def set_version(db: sqlite3.Connection) -> None:
    """Note that the tables are made with the meanings below."""
    _set(db, "meanings", VERSION)


def checkpoint(db: sqlite3.Connection) -> int:
    """Return the number of the last checkpoint, from which a start of the daemon reads on; 0 before there is one."""
    return _meta(db, "checkpoint")


def apply(db: sqlite3.Connection, entries: Iterable[Entry]) -> int:
    """Put *entries* into the tables, all of them and their position in one transaction; return how many there were.

    Entries that are in the tables already are passed over.

    Raises:
        sqlite3.Error: nothing of it was done.
    """
    count = 0
    db.execute("BEGIN IMMEDIATE")
    try:
        last = position(db)
        for entry in entries:
            if entry.seq <= last:
                continue
            if not last and origin(db) is None:
                _set(db, "origin_seq", entry.seq)
                _set(db, "origin_t", int(entry.t * 1e6))
            record = entry.record
            put = _MEANINGS.get(type(record))
            if put is not None:
                put(db, entry, record)
            last = entry.last
            count += 1
        _set(db, "seq", last)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has ended it already, and its error must not be hidden by another
            db.execute("ROLLBACK")
        raise
    return count


def _meta(db: sqlite3.Connection, key: str) -> int:
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return int(row[0]) if row else 0


def _set(db: sqlite3.Connection, key: str, value: int) -> None:
    db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))


# --- calls and visits ---------------------------------------------------------------------------------------------------


def _opened(db: sqlite3.Connection, entry: Entry, r: CallOpened) -> None:
    # A call that was given up for lost and is found again goes on under its id, with its first moment.
    db.execute(
        "INSERT INTO calls (id, came, switch, number, dialled, caller_number, caller_name, hidden, first_seq, last_seq)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET switch = excluded.switch,"
        " number = excluded.number, dialled = excluded.dialled, caller_number = excluded.caller_number,"
        " caller_name = excluded.caller_name, hidden = excluded.hidden, last_seq = excluded.last_seq,"
        " ended = NULL, reason = '', missed = 0, waited = 0, talked = 0, member = '', detail = '', unseen_since = NULL",
        (
            *(r.call, r.joined, r.leg.switch, r.number, r.dialled),
            *(r.caller.number, r.caller.name, r.caller.hidden, entry.seq, entry.seq),
        ),
    )


def _seen(db: sqlite3.Connection, entry: Entry, call: str, came: float) -> None:
    """Note that *entry* is about *call*; one whose beginning is missing from the journal came at *came*, or earlier."""
    row = db.execute("SELECT came, switch FROM calls WHERE id = ?", (call,)).fetchone()
    db.execute("UPDATE calls SET last_seq = ? WHERE id = ?", (entry.seq, call))
    if row is None:
        db.execute(
            "INSERT INTO calls (id, came, first_seq, last_seq) VALUES (?, ?, ?, ?)", (call, came, entry.seq, entry.seq)
        )
    elif not row[1] and came < row[0]:
        db.execute("UPDATE calls SET came = ? WHERE id = ?", (came, call))
        db.execute("UPDATE visits SET came = ? WHERE call = ?", (came, call))
        db.execute("UPDATE offers SET came = ? WHERE call = ?", (came, call))


def _relegged(db: sqlite3.Connection, entry: Entry, r: Relegged) -> None:
    _seen(db, entry, r.call, entry.t)
    db.execute(
        "UPDATE calls SET switch = ?, caller_number = ?, caller_name = ?, hidden = ? WHERE id = ?",
        (r.leg.switch, r.caller.number, r.caller.name, r.caller.hidden, r.call),
    )


def _visit(db: sqlite3.Connection, entry: Entry, r: VisitBegan) -> None:
    _seen(db, entry, r.call, r.joined)
    current = db.execute("SELECT seq, grp FROM visits WHERE call = ? AND left_at IS NULL", (r.call,)).fetchone()
    if current is not None and current[1] == r.group:
        return  # staff moved it within the group: one stay, in another place
    db.execute(
        "UPDATE visits SET left_at = max(entered, :t), outcome = 'passed_on', waited = max(0, :t - entered)"
        " WHERE call = :call AND left_at IS NULL",
        {"t": r.entered, "call": r.call},
    )
    db.execute(
        "INSERT INTO visits (seq, call, grp, came, entered) SELECT ?, id, ?, came, ? FROM calls WHERE id = ?",
        (entry.seq, r.group, r.entered, r.call),
    )
    db.execute("UPDATE calls SET grp = ? WHERE id = ?", (r.group, r.call))


def _ended(db: sqlite3.Connection, entry: Entry, r: CallEnded) -> None:
    _seen(db, entry, r.call, entry.t - r.waited - r.talked)
    missed = r.reason not in ANSWERED
    last = entry.t if r.unseen_since is None else min(entry.t, r.unseen_since)  # what was seen of it is what is counted
    db.execute(
        "UPDATE calls SET ended = ?, reason = ?, missed = ?, waited = ?, talked = ?, grp = ?, member = ?, detail = ?,"
        " unseen_since = ? WHERE id = ?",
        (entry.t, r.reason, missed, r.waited, r.talked, r.group, r.member, r.detail, r.unseen_since, r.call),
    )
    last_visit = db.execute("SELECT 1 FROM visits WHERE call = ? AND left_at IS NULL", (r.call,)).fetchone()
    if last_visit is None and r.group:
        db.execute(
            "INSERT INTO visits (seq, call, grp, came, entered) SELECT ?, id, ?, came, came FROM calls WHERE id = ?",
            (entry.seq, r.group, r.call),
        )
    db.execute(
        "UPDATE visits SET left_at = max(entered, :t), outcome = :outcome, grp = :grp, waited = max(0, :t - :talked - entered)"
        " WHERE call = :call AND left_at IS NULL",
        {
            "t": last,
            "talked": r.talked,
            "outcome": "missed" if missed else "answered",
            "call": r.call,
            "grp": r.group,
        },
    )
    db.execute("UPDATE talks SET ended = max(began, ?) WHERE call = ? AND ended IS NULL", (last, r.call))
    # Whoever still rings for it is held until his phone has stopped: his offer's own end says when.
    db.execute(
        "UPDATE states SET ended = max(began, :t) WHERE member IN (SELECT member FROM talks WHERE call = :call)"
        " AND state = 'talking' AND call = :call AND ended IS NULL",
        {"t": last, "call": r.call},
    )


def _decided(db: sqlite3.Connection, entry: Entry, r: Decided) -> None:
    _seen(db, entry, r.call, entry.t)
    because = msgspec.json.encode(r.because).decode()
    db.execute(
        "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)",
        (entry.seq, r.call, entry.t, r.group, r.rule, r.action, because),
    )


# --- offers and talks ---------------------------------------------------------------------------------------------------


def _offered(db: sqlite3.Connection, entry: Entry, r: Offered) -> None:
    _seen(db, entry, r.call, entry.t)
    db.execute(
        "INSERT INTO offers (seq, offer, call, grp, member, number, rule, came, began)"
        " SELECT ?, ?, id, ?, ?, ?, ?, came, ? FROM calls WHERE id = ?",
        (entry.seq, r.offer, r.group, r.member, r.number, r.rule, entry.t, r.call),
    )
    if r.member:
        _do(db, entry, r.member, "ringing", r.call)


def _answered(db: sqlite3.Connection, entry: Entry, r: OfferAnswered) -> None:
    db.execute("UPDATE offers SET answered = ? WHERE seq = ?", (entry.t, _latest(db, r.call, r.offer)))


def _over(db: sqlite3.Connection, entry: Entry, r: OfferOver) -> None:
    db.execute(
        "UPDATE offers SET ended = max(began, ?), outcome = ?, cause = ? WHERE seq = ?",
        (entry.t, r.outcome, r.cause, _latest(db, r.call, r.offer)),
    )
    # A talk whose offer ends is one that its member left at once: the caller waits on, and nothing was answered (E1).
    db.execute(
        "UPDATE talks SET ended = max(began, ?), stood = 0 WHERE call = ? AND offer = ? AND ended IS NULL",
        (entry.t, r.call, r.offer),
    )
    db.execute(
        "UPDATE states SET ended = max(began, ?) WHERE member = ? AND duty = 0 AND call = ? AND ended IS NULL",
        (entry.t, r.member, r.call),
    )


def _talking(db: sqlite3.Connection, entry: Entry, r: Talking) -> None:
    _seen(db, entry, r.call, entry.t - r.waited)
    db.execute(
        "UPDATE offers SET ended = max(began, ?), outcome = ? WHERE seq = ?",
        (entry.t, TAKEN, _latest(db, r.call, r.offer)),
    )
    db.execute(
        "INSERT INTO talks (seq, call, offer, member, grp, began) SELECT ?, id, ?, ?, grp, ? FROM calls WHERE id = ?",
        (entry.seq, r.offer, r.member, entry.t, r.call),
    )
    if r.member:
        _do(db, entry, r.member, "talking", r.call)


def _latest(db: sqlite3.Connection, call: str, offer: str) -> int | None:
    """Return the row of *offer*: numbers begin again with a call that is found again."""
    row = db.execute("SELECT max(seq) FROM offers WHERE call = ? AND offer = ?", (call, offer)).fetchone()
    return row[0] if row else None


# --- members ------------------------------------------------------------------------------------------------------------


def _do(db: sqlite3.Connection, entry: Entry, member: str, activity: str, call: str) -> None:
    """Begin what *member* does; he does one thing at a time (M3), so it ends whatever was still open."""
    db.execute(
        "UPDATE states SET ended = max(began, ?) WHERE member = ? AND duty = 0 AND ended IS NULL", (entry.t, member)
    )
    db.execute(
        "INSERT INTO states (seq, member, state, duty, began, call) VALUES (?, ?, ?, 0, ?, ?)",
        (entry.seq, member, activity, entry.t, call),
    )


def _changed(db: sqlite3.Connection, entry: Entry, r: MemberChanged) -> None:
    if _on_duty(db, r.member) == r.duty:
        return  # the record is about something else of him: a rest, a wrap-up
    _off_duty(db, entry, r.member)
    db.execute(
        "INSERT INTO states (seq, member, state, duty, began, why, by) VALUES (?, ?, ?, 1, ?, ?, ?)",
        (entry.seq, r.member, r.duty, entry.t, r.why, r.by),
    )


def _on_duty(db: sqlite3.Connection, member: str) -> str:
    row = db.execute("SELECT state FROM states WHERE member = ? AND duty = 1 AND ended IS NULL", (member,)).fetchone()
    return str(row[0]) if row else ""


def _off_duty(db: sqlite3.Connection, entry: Entry, member: str) -> None:
    db.execute(
        "UPDATE states SET ended = max(began, ?) WHERE member = ? AND duty = 1 AND ended IS NULL", (entry.t, member)
    )


def _config(db: sqlite3.Connection, entry: Entry, r: ConfigTaken) -> None:
    for renamed in r.renamed:
        for table, column in _NAMES[renamed.kind]:
            # Table and column are those below.
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (renamed.new, renamed.old))  # noqa: S608
    known = [row[0] for row in db.execute("SELECT member FROM states WHERE duty = 1 AND ended IS NULL ORDER BY member")]
    for member in known:
        if member not in r.members:
            _off_duty(db, entry, member)
    for member in r.members:
        if member not in known:  # a new member is in
            db.execute(
                "INSERT INTO states (seq, member, state, duty, began, why) VALUES (?, ?, 'in', 1, ?, 'configured')",
                (entry.seq, member, entry.t),
            )


_NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "group": (("calls", "grp"), ("visits", "grp"), ("offers", "grp"), ("talks", "grp"), ("decisions", "grp")),
    "member": (("calls", "member"), ("offers", "member"), ("talks", "member"), ("states", "member")),
}


# --- what people say ----------------------------------------------------------------------------------------------------


def _called_back(db: sqlite3.Connection, entry: Entry, r: CalledBack) -> None:
    db.execute("UPDATE calls SET last_seq = ? WHERE id = ?", (entry.seq, r.call))
    db.execute(
        "INSERT INTO callbacks VALUES (?, ?, ?, ?)"
        " ON CONFLICT (call) DO UPDATE SET t = excluded.t, by = excluded.by, note = excluded.note",
        (r.call, entry.t, r.by, r.note),
    )


def _forgotten(db: sqlite3.Connection, _entry: Entry, r: Forgotten) -> None:
    for call in r.calls:
        ended = db.execute(
            "UPDATE calls SET caller_number = '', caller_name = '' WHERE id = ? AND ended IS NOT NULL", (call,)
        ).rowcount
        if ended:
            db.execute("UPDATE callbacks SET note = '' WHERE call = ?", (call,))
            db.execute(
                "INSERT OR REPLACE INTO scrubs SELECT id, first_seq, last_seq FROM calls WHERE id = ?",
                (call,),
            )


def _checkpoint(db: sqlite3.Connection, entry: Entry, r: Checkpoint) -> None:
    # It repeats what was recorded; only where that is missing, or was removed as too old, does it tell anything.
    for kept in r.calls:
        if not db.execute("SELECT 1 FROM calls WHERE id = ? AND switch <> ''", (kept.opened.call,)).fetchone():
            _opened(db, entry, kept.opened)
    for member in r.members:
        if not _on_duty(db, member.member):
            _changed(db, entry, member)
    _set(db, "checkpoint", entry.seq)


def _gap(db: sqlite3.Connection, entry: Entry, r: Gap) -> None:
    _set(db, "lost", lost(db) + r.last - entry.seq + 1)


def _unknown(db: sqlite3.Connection, _entry: Entry, _r: Unknown) -> None:
    _set(db, "unknown", passed_over(db) + 1)


_MEANINGS: dict[type, Any] = {
    CallOpened: _opened,
    Relegged: _relegged,
    VisitBegan: _visit,
    Offered: _offered,
    OfferAnswered: _answered,
    OfferOver: _over,
    Decided: _decided,
    Talking: _talking,
    CallEnded: _ended,
    MemberChanged: _changed,
    ConfigTaken: _config,
    CalledBack: _called_back,
    Forgotten: _forgotten,
    Checkpoint: _checkpoint,
    Gap: _gap,
    Unknown: _unknown,
}
"""Turns are the engine's own business, and which switch was in reach is in the log."""
