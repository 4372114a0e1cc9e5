"""The thread that writes the journal's lines, so that nobody else ever waits for a disk.

A native thread of our own rather than one of gevent's pool: it lives as long as the journal, keeps the order by being one,
takes with one write all lines that came in meanwhile, and a write that hangs uses up no place in a pool that name look-ups
share. Its queue and its start are the unpatched ones, so it is the same with and without monkey patching. It never logs: in a
patched program the locks of `logging` belong to the hub.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gevent import monkey

from fsqueue.journal.segments import SEGMENT_BYTES, Appender
from fsqueue.journal.syncing import Syncer

_SimpleQueue: Any = monkey.get_original("queue", "SimpleQueue")
_Empty: Any = monkey.get_original("queue", "Empty")
_start_new_thread: Any = monkey.get_original("_thread", "start_new_thread")

_BATCH_BYTES = 1024 * 1024
"""Bytes from which one write takes no more lines: copying a long backlog would hold up the hub, which shares Python's lock."""


@dataclass(frozen=True, slots=True)
class Disk:
    """How the disk is used. Bytes and seconds, all above 0; *write* and *fsync* are the system's, or ones that fail."""

    segment_bytes: int = SEGMENT_BYTES
    retry_after: float = 1.0
    """Between attempts to write to a disk that failed."""
    sync_interval: float = 1.0
    write: Callable[[int, bytes], int] = os.write
    fsync: Callable[[int], None] = os.fsync


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines to write: the numbers they stand for, and their bytes."""

    first: int
    last: int
    data: bytes
    anew: bool = False
    """They begin a segment of their own, so that nothing is written any more to those before it."""


@dataclass(frozen=True, slots=True)
class Written:
    """Everything up to number *last* is written; *size* bytes more than at the report before."""

    last: int
    size: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The disk refused; it is tried again after `Disk.retry_after`."""

    error: OSError


@dataclass(frozen=True, slots=True)
class SyncChanged:
    """Syncs began to fail, or (None) succeed again; writes are not affected."""

    error: OSError | None


@dataclass(frozen=True, slots=True)
class Closed:
    """The last report: the threads have ended, with so many bytes *unwritten*."""

    unwritten: int


Report = Written | Failed | SyncChanged | Closed


class Pen:
    """Writes lines in the order they come, and says so to *report*, which is called in the journal's threads.

    *folder* is a descriptor of *directory*.
    """

    def __init__(self, directory: Path, folder: int, disk: Disk, report: Callable[[Report], None]) -> None:
        self._queue: Any = _SimpleQueue()
        self._report = report
        self._retry_after = disk.retry_after
        self._syncer = Syncer(
            folder,
            interval=disk.sync_interval,
            changed=lambda error: report(SyncChanged(error)),
            fsync=disk.fsync,
        )
        self._segment = Appender(
            directory, retire=self._syncer.retire, segment_bytes=disk.segment_bytes, write=disk.write
        )
        self._held: deque[Lines] = deque()
        """Not begun yet."""
        self._batch: Lines | None = None
        """Being written."""
        self._left = b""
        """What of the batch the disk has not taken; mid-line when it stopped there."""
        _start_new_thread(self._run, ())

    def put(self, lines: Lines) -> None:
        """Hand over *lines* to write; returns at once."""
        self._queue.put(lines)

    def end(self) -> None:
        """End the threads after all that was put before, with one last attempt if the disk fails; `Closed` follows."""
        self._queue.put(None)

    def _run(self) -> None:
        while self._take():
            self._store()
        self._store()
        unwritten = len(self._left) + sum(len(lines.data) for lines in self._held)
        self._segment.close()
        self._syncer.stop(lambda: self._report(Closed(unwritten)))

    def _take(self) -> bool:
        """Wait for lines and take all there are, or, while the disk fails, all that come until it is tried again.

        False when the end was asked for.
        """
        failing = self._batch is not None
        until = time.monotonic() + self._retry_after if failing else None
        try:
            # Without a limit it sleeps in the system until there are lines: an idle daemon never wakes for this.
            while lines := self._queue.get(timeout=None if until is None else max(0.0, until - time.monotonic())):
                self._held.append(lines)
                until = 0.0 if until is None else until
        except _Empty:
            return True
        return False

    def _store(self) -> None:
        """Write what is held; what the disk refuses stays, from the very byte it stopped at."""
        while self._batch is not None or self._held:
            batch = self._batch = self._batch or self._next_batch()
            try:
                if len(self._left) == len(batch.data):
                    if batch.anew:
                        self._segment.close()
                    self._segment.begin(batch.first, len(batch.data))
                while self._left:
                    self._left = self._left[self._segment.put(self._left) :]
            except OSError as error:
                self._report(Failed(error))
                return
            self._batch = None
            self._report(Written(batch.last, len(batch.data)))
            if self._segment.descriptor is not None:
                self._syncer.dirty(self._segment.descriptor)

    def _next_batch(self) -> Lines:
        first = last = self._held[0]
        data: list[bytes] = []
        size = 0
        while self._held and size < _BATCH_BYTES and not (data and self._held[0].anew):
            last = self._held.popleft()
            data.append(last.data)
            size += len(last.data)
        self._left = b"".join(data)
        return Lines(first.first, last.last, self._left, first.anew)
