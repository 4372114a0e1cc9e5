"""The journal's disk on virtual time: the real lines in memory, written a moment after they are given, or not at all.

A disk that fails keeps no step waiting for longer than the journal itself does; what it has not taken when the daemon is
killed is lost with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from fsqueue.engine.messages import Record
from fsqueue.journal.entries import Gap, Unknown, decode, encode
from fsqueue.simswitch.agenda import Agenda

WRITE = 0.0003
"""Seconds from handing lines over to their being written (a plain write), and from that to the word of it."""

PATIENCE = 0.2
"""Seconds after which a step goes on although the disk has not taken its records."""


_CHECKPOINT = b'"kind":"Checkpoint"'


class Disk:
    """What outlives a daemon: the written lines."""

    def __init__(self, agenda: Agenda) -> None:
        """Begin empty."""
        self._agenda = agenda
        self.lines: list[bytes] = []
        self.failing = False
        self._waiting: list[bytes] = []
        """Given, and not taken by the disk."""
        self._checkpoint = 0
        """Where the last checkpoint stands in `lines`."""
        self._seq = 0
        self._life = 0
        self._told = 0.0

    def append(self, records: Sequence[Record], t: float, written: Callable[[], None]) -> None:
        """Write *records* of the time *t*, then call *written*, in the order of the appends, unless the daemon is killed."""
        for record in records:
            self._seq += 1
            self._waiting.append(encode(self._seq, t, record))
        life = self._life
        self._agenda.after(WRITE, self._write)
        self._told = max(self._told, self._agenda.now + (PATIENCE if self.failing else 2 * WRITE))
        self._agenda.after(self._told - self._agenda.now, lambda: written() if life == self._life else None)

    def _write(self) -> None:
        if self.failing:
            return
        for line in self._waiting:
            if _CHECKPOINT in line:
                self._checkpoint = len(self.lines)
            self.lines.append(line)
        self._waiting.clear()

    def recover(self) -> None:
        """Take lines again, first those that were refused."""
        self.failing = False
        self._write()

    @property
    def unwritten(self) -> int:
        """How many lines a kill would lose now."""
        return len(self._waiting)

    def kill(self) -> None:
        """The daemon died: what was not written is lost, and nobody is told of anything any more."""
        self._life += 1
        self._waiting.clear()
        self._seq = decode(self.lines[-1]).seq if self.lines else 0

    def history(self) -> list[tuple[Record, float]]:
        """Return the records from the last checkpoint on, with their times, as a start reads them."""
        entries = [decode(line) for line in self.lines[self._checkpoint :]]
        return [(entry.record, entry.t) for entry in entries if not isinstance(entry.record, Gap | Unknown)]

    def records(self) -> list[tuple[Record, float]]:
        """Return all records, with their times."""
        entries = [decode(line) for line in self.lines]
        return [(entry.record, entry.t) for entry in entries if not isinstance(entry.record, Gap | Unknown)]

    @property
    def digest(self) -> str:
        """SHA-256 of everything written, in hexadecimal."""
        return sha256(b"".join(self.lines)).hexdigest()
