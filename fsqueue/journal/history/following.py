"""Keeps the history up to date with the journal, as a process of its own.

A process and not a thread, because laying out a record is Python and would share its lock with the hub: each batch would hold up
every offer by the 5 ms that Python leaves a thread, and building a year anew would do so for minutes. A process has its own
processor, a lower priority, and a crash or a damaged file of its own; all it shares with the daemon are the segments, which it
only reads (but for those that nobody appends to any more: see `forgetting`). It ends when its standard input does, so it never
outlives the daemon, however that one ended.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import logging
import os
import select
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from fsqueue.journal import segments
from fsqueue.journal.history import files, forgetting, projection, schema
from fsqueue.journal.history.reading import Reader
from fsqueue.logs import start_logging

log = logging.getLogger(__name__)

POLL = 0.5
"""Seconds between looks at the journal; each costs the listing of a folder."""

BATCH = 2000
"""Entries in one transaction: what a crash has done again, and what a reader has to wait for at most."""

CARE = 3600.0
"""Seconds between looks at what has become too old."""

AGAIN = 10.0
"""Seconds after which a disk that failed is tried again."""

RESERVE = 16 * 1024 * 1024
"""Bytes of the disk that are left to the journal: it is the truth, and the history is built from it again when there is room."""

DAY = 86400.0

_REQUEST = "rebuild"
"""Name of the file by which others ask for the history to be built anew."""

_ASIDE = "before-"
"""What the histories of journals that are gone are named by; they go when they are too old, like everything."""


class BusyError(Exception):
    """Another process keeps this history."""


class Follower:
    """Keeps the history below *state*. `step` does what there is to do; all of it blocks.

    *keep_days* is after how many days calls are removed (0: never); *clock* gives epoch seconds, *free* the bytes that are free where
    a folder is.

    Raises:
        BusyError: another process keeps it.
        OSError, sqlite3.Error: the folder can't be used.
    """

    def __init__(
        self,
        state: Path,
        keep_days: float = 0.0,
        clock: Callable[[], float] = time.time,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self.state = state
        self._free = free
        self._keep_days = keep_days
        self._clock = clock
        self._cared = float("-inf")
        self._scrubbed: tuple[object, ...] = ()
        self._folder = files.made_folder(state)
        self._lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._db = self._open()
        except BlockingIOError as error:
            os.close(self._lock)
            raise BusyError(f"another process keeps the history below {state}") from error
        except BaseException:
            os.close(self._lock)
            raise
        self._reader = Reader(files.journal_folder(state), projection.position(self._db))

    def close(self) -> None:
        """Let go of the history, whole and readable by who may not write it."""
        self._db.close()
        os.close(self._lock)

    def step(self) -> int:
        """Take in what is new, and do what is due; return how many entries there were.

        Raises:
            sqlite3.Error, OSError: the disk failed. Nothing is lost by it: call again.
        """
        if (self._folder / _REQUEST).exists():
            self.rebuild()
            (self._folder / _REQUEST).unlink(missing_ok=True)
        count = 0
        try:
            new, room = self._reader.anything_new(), self._free(self._folder) >= RESERVE
            if new and room:
                count = _take_in(self._db, self._reader)
            self._take_care()  # also without room: it makes some
            if new and not room:
                raise OSError(
                    f"less than {RESERVE >> 20} MB are free in {self._folder}, and they are left to the journal"
                )
        except (sqlite3.OperationalError, OSError):
            # Refused, not damaged: what was read and not written is read again.
            self._reader = Reader(self._reader.directory, projection.position(self._db))
            raise
        except sqlite3.DatabaseError as error:
            log.error("history: the file is damaged (%s); building it again from the journal", error)
            self.rebuild()
        return count

    def rebuild(self) -> None:
        """Build the history anew from the journal, beside the one that is read, and change over."""
        self._db.close()
        self._db = _build(self.state)
        self._reader = Reader(files.journal_folder(self.state), projection.position(self._db))
        self._cared = float("-inf")

    def _take_care(self) -> None:
        """Have the journal forget whom the history has forgotten, and remove what is too old."""
        self._scrub()
        if not self._keep_days or self._clock() < self._cared + CARE:
            return
        self._cared = self._clock()
        before = self._clock() - self._keep_days * DAY
        forgetting.prune(self._db, before)
        forgetting.remove_before(self._reader.directory, before, projection.checkpoint(self._db))
        for aside in sorted(self._folder.glob(f"{_ASIDE}*")):
            if aside.stat().st_mtime < before:
                aside.unlink()

    def _scrub(self) -> None:
        wanted = self._db.execute("SELECT call FROM scrubs ORDER BY call").fetchall()
        # What is left stands in the segment that is written to: it takes another one, or another order, to do more.
        now = (self._reader.segment, *wanted)
        if not wanted or now == self._scrubbed:
            return
        forgetting.scrub(self._db, self._reader.directory)
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log of changes holds what was there before
        self._scrubbed = (self._reader.segment, *self._db.execute("SELECT call FROM scrubs ORDER BY call").fetchall())

    def _open(self) -> sqlite3.Connection:
        """Open the history there is, or build it where it is missing, damaged, of another journal, or lacks what it passed over."""
        file = files.current(self.state)
        if file is None:
            return _build(self.state)
        try:
            db = schema.open_to_write(file)
        except (sqlite3.DatabaseError, schema.NewerFileError) as error:
            log.warning("history: %s; building it anew from the journal", error)
            return _build(self.state)
        if projection.version(db) != projection.VERSION and projection.passed_over(db):
            log.info("history: building it anew, since this version may know records that the last one passed over")
        elif _replaced(db, files.journal_folder(self.state)):
            aside = file.with_name(_ASIDE + file.name)
            log.warning(
                "history: the journal is another one than before; the history of that one is put aside as %s", aside
            )
            db.execute("PRAGMA journal_mode = DELETE")
            db.close()
            file.rename(aside)
            return _build(self.state)
        else:
            projection.set_version(db)
            files.remove_others(self.state)
            return db
        db.close()
        return _build(self.state)


def request_rebuild(state: Path) -> bool:
    """Build the history anew, or have the process that keeps it do so; tell whether it is done already.

    Raises:
        OSError, sqlite3.Error: the folder can't be used.
    """
    try:
        follower = Follower(state)
    except BusyError:
        (files.history_folder(state) / _REQUEST).touch()
        return False
    follower.rebuild()
    follower.close()
    return True


def _build(state: Path) -> sqlite3.Connection:
    """Make a new file, read the whole journal into it, and only then have it read."""
    began = time.monotonic()
    path = files.next_file(state)
    db = schema.open_to_write(path)
    try:
        db.execute("PRAGMA synchronous = OFF")  # until it has caught up nobody relies on it
        projection.set_version(db)
        reader = Reader(files.journal_folder(state), 0)
        count = _take_in(db, reader)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA synchronous = NORMAL")
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    except BaseException:
        db.close()
        path.unlink(missing_ok=True)
        raise
    files.make_current(state, path)
    log.info("history: built from %d entries in %.1f s", count, time.monotonic() - began)
    return db


def _take_in(db: sqlite3.Connection, reader: Reader) -> int:
    total = 0
    entries = reader.read()
    while count := projection.apply(db, islice(entries, BATCH)):
        total += count
    return total


def _replaced(db: sqlite3.Connection, journal: Path) -> bool:
    """Tell whether *journal* is not the one that *db* was read from."""
    first = next(segments.read(journal), None)
    known = projection.origin(db)
    if first is None or known is None:
        return known is not None
    seq, micros = known
    return first.seq < seq or (first.seq == seq and int(first.t * 1e6) != micros)


# --- the process --------------------------------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """Follow the journal until standard input ends; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m fsqueue.journal.history.following", description=main.__doc__)
    parser.add_argument("state", type=Path, help="the daemon's state folder")
    parser.add_argument("--keep-days", type=float, default=0.0, help="remove calls after so many days; 0: never")
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="as the daemon's")
    given = parser.parse_args(arguments)
    listener = start_logging(given.log_format)
    with contextlib.suppress(OSError):  # a sandbox may refuse it; the history is no less right
        os.nice(10)
    follower: Follower | None = None
    failed = False
    while not _told_to_end(AGAIN if failed else POLL):
        try:
            follower = follower or Follower(given.state, given.keep_days)
            follower.step()
            if failed:
                log.info("history: going on")
            failed = False
        except (OSError, sqlite3.Error, BusyError) as error:
            if not failed:
                log.error("history: %s; calls and the journal go on, the history catches up when this is over", error)
            failed = True
    if follower is not None:
        follower.close()
    listener.stop()
    return 0


def _told_to_end(seconds: float) -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable) and not os.read(sys.stdin.fileno(), 4096)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
