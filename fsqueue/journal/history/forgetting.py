"""Taking callers out of what is kept: one person's when he asks for it, everything after a time.

A forgotten caller's call stays as a count, with its times, group and end; number and name, and what staff noted about it, go. In
the history that is an update. In the journal the entries are written anew without them: the whole segment into a file of its own,
which then takes the old one's place, so that a crash leaves one or the other. Only segments that nobody appends to any more are
touched, and the order to forget begins a new one; what all the same stands in the newest waits in the
table `scrubs` until there is a newer one.

What is too old is removed: rows of the history, and whole segments of the journal, as far as no start needs them.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from fsqueue.engine.messages import CalledBack, CallOpened, Checkpoint, Forgotten, Relegged
from fsqueue.journal.entries import CorruptLineError, decode
from fsqueue.journal.segments import first_seq, segments

AT_ONCE = 500
"""Calls that one `Forgotten` names at most: its line stays short."""


def orders(db: sqlite3.Connection, number: str, by: str = "") -> list[Forgotten]:
    """Return the records that make the caller *number* forgotten, as the history knows his calls; none when it knows none.

    Calls in progress are left out: the queue still needs them. `+` and `00` at the beginning make no difference.
    """
    calls = [row[0] for row in db.execute(_CALLS_OF, spellings(number))]
    return [Forgotten(calls=tuple(calls[at : at + AT_ONCE]), by=by) for at in range(0, len(calls), AT_ONCE)]


_CALLS_OF = "SELECT id FROM calls WHERE caller_number <> '' AND caller_number IN (?, ?, ?) AND ended IS NOT NULL ORDER BY came, id"


def spellings(number: str) -> tuple[str, str, str]:
    """Return the ways in which *number* may stand in the history: providers write ``+48…``, ``0048…`` and ``48…``."""
    plain = number.removeprefix("+") if number.startswith("+") else number.removeprefix("00")
    return plain, f"+{plain}", f"00{plain}"


# --- the journal --------------------------------------------------------------------------------------------------------


def scrub(db: sqlite3.Connection, directory: Path) -> int:
    """Write the segments that hold calls of `scrubs` anew without their callers; return how many were.

    The newest segment is left alone, and so are, in the table, the calls that reach into it.

    Raises:
        OSError: a segment can't be written; what is left is done next time.
    """
    paths = segments(directory)  # once: a segment that is begun meanwhile makes none of these older
    written = 0
    for path, following in pairwise(paths):
        end = first_seq(following)
        rows = db.execute("SELECT call FROM scrubs WHERE first_seq < ? AND last_seq >= ?", (end, first_seq(path)))
        calls = {row[0]: None for row in rows}
        written += bool(calls) and _rewrite(path, calls)
    if paths:
        db.execute("DELETE FROM scrubs WHERE last_seq < ?", (first_seq(paths[-1]),))
    return written


def remove_before(directory: Path, before: float, checkpoint: int) -> int:
    """Remove the segments whose last entry is older than *before* (epoch seconds); return how many were.

    *checkpoint* is the number of the journal's last checkpoint, from which a start reads on: what comes behind it stays,
    however old.

    Raises:
        OSError: a segment can't be removed.
    """
    paths = segments(directory)
    removed = 0
    for path, following in pairwise(paths):
        if path.stat().st_mtime >= before or first_seq(following) > checkpoint:
            break  # the oldest go first, so that what is left is whole
        path.unlink()
        removed += 1
    return removed


def prune(db: sqlite3.Connection, before: float) -> int:
    """Remove calls that came before *before* (epoch seconds), with all that belongs to them; return how many there were.

    Intervals of members that ended before it go too.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute("CREATE TEMP TABLE IF NOT EXISTS old (call TEXT PRIMARY KEY)")
        db.execute("DELETE FROM old")
        db.execute("INSERT INTO old SELECT id FROM calls WHERE came < ?", (before,))
        for table, column in _OF_A_CALL:
            db.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT call FROM old)")  # noqa: S608 - those below
        db.execute("DELETE FROM states WHERE began < ? AND ended < ?", (before, before))
        count = int(db.execute("SELECT count(*) FROM old").fetchone()[0])
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has ended it already, and its error must not be hidden by another
            db.execute("ROLLBACK")
        raise
    return count


_OF_A_CALL = (
    ("visits", "call"),
    ("offers", "call"),
    ("talks", "call"),
    ("decisions", "call"),
    ("callbacks", "call"),
    ("calls", "id"),
)


def _rewrite(path: Path, calls: Mapping[str, None]) -> bool:
    """Write *path* anew without the callers of *calls*; tell whether anything was to be changed."""
    new = path.with_suffix(".jsonl.new")
    changed = False
    before = path.stat()
    with path.open("rb") as old, open(new, "wb", opener=_private) as out:
        for line in old:
            blank = _blanked(line, calls)
            changed = changed or blank != line
            out.write(blank)
        out.flush()
        os.fsync(out.fileno())
    if not changed:
        new.unlink()
        return False
    # Its age decides when it is too old, and is that of its entries.
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    if os.geteuid() == 0:
        os.chown(new, before.st_uid, before.st_gid)
    new.replace(path)
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _blanked(line: bytes, calls: Mapping[str, None]) -> bytes:
    try:
        entry = decode(line)
    except CorruptLineError:
        return line  # it is no entry, and nobody can say whose it was
    # Fields that a later version put there are kept, so the line is changed as what it is and not by way of our types.
    fields: dict[str, Any] = msgspec.json.decode(entry.line)
    match entry.record:
        case CallOpened() | Relegged() if entry.record.call in calls:
            _blank(fields)
        case CalledBack() if entry.record.call in calls:
            fields["note"] = ""
        case Checkpoint():
            for kept in fields["calls"]:
                if kept["opened"]["call"] in calls:
                    _blank(kept["opened"])
        case _:
            return line
    if fields == msgspec.json.decode(entry.line):
        return line
    # Escaped to ASCII, and DEL by hand: as the journal promises, the line can be shown on a terminal as it is.
    text = json.dumps(fields, separators=(",", ":")).replace("\x7f", "\\u007f")
    return text.encode() + b"\n"


def _blank(fields: dict[str, Any]) -> None:
    fields["caller"] = {**fields["caller"], "number": "", "name": ""}
