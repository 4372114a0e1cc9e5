"""What people add to the history: that a caller was called back, that one is to be forgotten.

It goes through the journal like everything else, or building anew would lose it. While the daemon runs, the daemon writes it
(`/v1/missed/CALL/done`, `/v1/history/forget`); while none runs, `write_down` does.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from fsqueue.engine.messages import CalledBack, Forgotten, Record
from fsqueue.journal import segments
from fsqueue.journal.entries import encode
from fsqueue.journal.history import files, queries

LONGEST_NOTE = 500


class CallBackOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody called back; *note* is one line, at most 500 characters."""

    by: str = ""
    note: str = ""


class ForgetOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The caller with this number is to be forgotten."""

    number: str
    by: str = ""


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, in words."""

    done: str


class NoSuchCallError(Exception):
    """The history has no such call."""


class MarkRefusedError(Exception):
    """It can't be done with this call, or so; the text says why."""


def called_back(db: sqlite3.Connection, call_id: str, order: CallBackOrder) -> CalledBack:
    """Return the record that marks the missed call *call_id*.

    Raises:
        NoSuchCallError: the history has no such call.
        MarkRefusedError: it was not missed, or the note is too long or no line of text.
    """
    details = queries.call(db, call_id)
    if details is None:
        raise NoSuchCallError(f"the history has no call {call_id}")
    if not details.call.missed:
        state = details.call.reason or "in progress"
        raise MarkRefusedError(f"call {call_id} was not missed: it is {state}; there is nothing to mark")
    for name, text in (("note", order.note), ("by", order.by)):
        if not text.isprintable() or len(text) > LONGEST_NOTE:
            raise MarkRefusedError(f"{name} must be one line of at most {LONGEST_NOTE} printable characters")
    return CalledBack(call=call_id, by=order.by, note=order.note)


def done_words(record: CalledBack | Sequence[Forgotten]) -> Marked:
    """Return what `Marked` says of them."""
    if isinstance(record, CalledBack):
        return Marked(done=f"{record.call} is marked as called back")
    count = sum(len(order.calls) for order in record)
    return Marked(
        done=f"the caller of {count} {'call' if count == 1 else 'calls'} is forgotten" if count else "no such caller"
    )


def write_down(state: Path, records: Sequence[Record], t: float) -> None:
    """Write *records*, of the time *t* (epoch seconds), into the journal below *state* while no daemon does.

    Raises:
        JournalError: a daemon runs and has it, or the folder can't be used.
        OSError: the disk refused.
    """
    folder = files.journal_folder(state)
    lock = segments.lock(folder)
    try:
        seq = segments.prepare(folder)
        appender = segments.Appender(folder, retire=_finish)
        data = b"".join(encode(seq + at, t, record) for at, record in enumerate(records))
        appender.begin(seq, len(data))
        while data:
            data = data[appender.put(data) :]
        appender.close()
        files.own_like(segments.segments(folder)[-1], folder)
    finally:
        os.close(lock)


def _finish(descriptor: int) -> None:
    os.fsync(descriptor)
    os.close(descriptor)
