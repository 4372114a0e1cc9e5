"""The journal as the daemon sees it: records go in, and what follows from them is called back once they are written.

Greenlets only put lines into the queue of the thread that writes (`fsqueue.journal.pen`), and hear from it through an async
watcher, the one thing of an event loop that another thread may touch. A disk that fails or hangs is shouted about, and calls go
on: lines are kept in memory up to a limit, and what is lost beyond it leaves a `Gap` where it would have stood.
"""

from __future__ import annotations

import functools
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event

from fsqueue.engine.messages import Forgotten, Record
from fsqueue.journal import segments
from fsqueue.journal.entries import Gap, encode
from fsqueue.journal.pen import Closed, Disk, Failed, Lines, Pen, Report, SyncChanged, Written

log = logging.getLogger(__name__)

HANG_AFTER = 0.2
"""Seconds after which a disk that has not taken a line holds up calls no longer."""

MEMORY_BYTES = 16 * 1024 * 1024
"""Bytes kept for a disk that takes nothing: some 80,000 records."""

Then = Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Who waits for the number *last*, handed over at *since* (monotonic seconds)."""

    last: int
    since: float
    then: Then


@dataclass(slots=True)
class _Loss:
    """Records that could not be kept: the first one's number and time, and the last one's number."""

    first: int
    t: float
    last: int


class Journal:
    """Records written down, in order, before they are acted on.

    To be made and used on the hub's thread. *on_trouble* hears in one text that a disk fails or hangs, *on_recovered* that it
    takes lines again. Both, and every `then`, are called one after the other in a greenlet of the journal's, where they may
    switch; each should be short, for those behind it wait. *hang_after* is in seconds, *memory_bytes* in bytes, both above 0.

    Raises:
        JournalError: the folder can't be used, or another process uses it.
    """

    def __init__(
        self,
        directory: Path,
        *,
        on_trouble: Callable[[str], None],
        on_recovered: Callable[[str], None],
        hang_after: float = HANG_AFTER,
        memory_bytes: int = MEMORY_BYTES,
        disk: Disk | None = None,
    ) -> None:
        self.directory = directory
        self._on_trouble = on_trouble
        self._on_recovered = on_recovered
        self._hang_after = hang_after
        self._memory_bytes = memory_bytes
        self._lock = segments.lock(directory)
        try:
            self._next = segments.prepare(directory)
        except segments.JournalError:
            os.close(self._lock)
            raise
        self._handed = self._next - 1
        """The last number the thread was given."""
        self._kept = 0
        """Bytes that the thread was given and has not written."""
        self._waiting: deque[_Waiting] = deque()
        self._ready: deque[Then] = deque()
        self._loss: _Loss | None = None
        """Not in the journal yet."""
        self._lost = 0
        """Records since the trouble began."""
        self._lost_before = 0
        """Records lost in earlier troubles of this run."""
        self._trouble = False
        self._recovers_at: int | None = None
        """The number that has to be written for the trouble to be over; None while nothing gets through."""
        self._closing = False
        self._closed: Closed | None = None
        self._abandoned = False
        self._reports: deque[Report] = deque()
        self._wake = Event()
        self._async: Any = gevent.get_hub().loop.async_()
        self._async.start(self._wake.set)
        self._timer: Any = None
        self._pen = Pen(directory, self._lock, Disk() if disk is None else disk, self._hear)
        self._greenlet = gevent.spawn(self._run)

    @property
    def next_seq(self) -> int:
        """The number that the next record gets."""
        return self._next

    @property
    def in_trouble(self) -> bool:
        """Whether the disk fails or hangs; calls go on meanwhile."""
        return self._trouble

    @property
    def lost(self) -> int:
        """Return how many records this run could not keep: the disk took none, and the memory for them was full."""
        return self._lost_before + self._lost

    def append(self, records: Sequence[Record], t: float, then: Then) -> None:
        """Write *records* with the time *t* (epoch seconds), and call *then* when they are written.

        Returns at once. `then` is called in the order of the appends, with or without records; and while the disk is in trouble
        it is called although they are not written.

        Raises:
            RuntimeError: the journal is closed.
        """
        if self._closing:
            raise RuntimeError("the journal is closed")
        if records:
            self._keep(records, t)
        if self._trouble or not self._kept:
            self._ready.append(then)
            self._wake.set()
        else:
            self._waiting.append(_Waiting(self._handed, time.monotonic(), then))
            self._watch_for(self._hang_after)

    def close(self, timeout: float = 5.0) -> bool:
        """Write and sync what there is, and end; return whether all of it is on the disk.

        Waits for *timeout* seconds at most, since a disk that hangs must not keep the daemon from ending. Not to be called
        from a `then`.
        """
        if not self._closing:
            self._write_gap()
            self._closing = True
            self._pen.end()
        self._greenlet.join(timeout)
        if self._closed is None:
            # The thread is still in its write. It keeps the folder's descriptor, and with it the lock.
            log.error("journal: the disk hangs; ending with %d bytes not written", self._kept)
            self._abandoned = True
            self._greenlet.kill()
            self._async.stop()
            return False
        if self._closed.unwritten:
            log.error("journal: the disk fails; ended with %d bytes not written", self._closed.unwritten)
        return not self._closed.unwritten

    # --- keeping ---

    def _keep(self, records: Sequence[Record], t: float) -> None:
        first = self._next
        self._next += len(records)
        if self._loss is None:
            data = b"".join(encode(first + i, t, record) for i, record in enumerate(records))
            if self._kept + len(data) <= self._memory_bytes:
                # Who is forgotten stands in segments that nobody appends to any more: those can be written anew at once.
                anew = any(isinstance(record, Forgotten) for record in records)
                self._hand(Lines(first, self._next - 1, data, anew))
                return
            self._loss = _Loss(first, t, 0)
            self._shout(
                f"records are lost from now on: the disk under {self.directory} takes none, and there is memory for "
                f"{self._memory_bytes} bytes of them; calls go on"
            )
        self._loss.last = self._next - 1
        self._lost += len(records)

    def _hand(self, lines: Lines) -> None:
        self._kept += len(lines.data)
        self._handed = lines.last
        self._pen.put(lines)

    def _write_gap(self) -> None:
        """Say in the journal itself what is missing from it."""
        if self._loss is not None:
            loss, self._loss = self._loss, None
            gap = Gap(last=loss.last, why="the disk took no records, and there were too many for the memory")
            self._hand(Lines(loss.first, loss.last, encode(loss.first, loss.t, gap)))

    # --- hearing from the thread ---

    def _hear(self, report: Report) -> None:
        """Called in the journal's threads; a deque's append is atomic."""
        self._reports.append(report)
        if not self._abandoned:
            self._async.send()

    def _run(self) -> None:
        while self._closed is None:
            self._wake.wait()
            self._wake.clear()
            while self._reports:
                self._take(self._reports.popleft())
            self._watch()
            while self._ready:
                self._call(self._ready.popleft())
        self._async.stop()
        if self._timer is not None:
            self._timer.close()
        os.close(self._lock)

    def _call(self, then: Then) -> None:
        try:
            then()
        except Exception:
            log.exception("journal: what was to follow a record failed")

    def _take(self, report: Report) -> None:
        match report:
            case Written():
                self._written(report)
            case Failed(error):
                self._recovers_at = None
                if not self._trouble:
                    self._shout(
                        f"the journal can't be written under {self.directory}: {error.strerror or error}; calls go on and records "
                        "are kept in memory; it goes on by itself when the disk does (look at df and dmesg)"
                    )
            case SyncChanged(None):
                self._tell(self._on_recovered, f"the journal under {self.directory} is synced to the disk again")
            case SyncChanged(error):
                self._tell(
                    self._on_trouble,
                    f"the journal under {self.directory} can't be synced: {error}; it is written, but the newest entries may not "
                    "survive a power cut (look at dmesg)",
                )
            case Closed():
                self._closed = report
                self._release()

    def _written(self, report: Written) -> None:
        self._kept -= report.size
        while self._waiting and self._waiting[0].last <= report.last:
            self._ready.append(self._waiting.popleft().then)
        if self._kept <= self._memory_bytes // 2 and not self._closing:
            self._write_gap()
        if not self._trouble or self._loss is not None:
            return
        if self._recovers_at is None:
            self._recovers_at = self._handed
        if report.last >= self._recovers_at:
            lost, self._lost = self._lost, 0
            self._lost_before += lost
            self._trouble, self._recovers_at = False, None
            what = f"{lost} records were lost" if lost else "nothing was lost"
            self._tell(self._on_recovered, f"the journal is written again under {self.directory}; {what}")

    def _watch(self) -> None:
        """See to it that nobody waits longer than `hang_after`."""
        if self._trouble or not self._waiting:
            return
        left = self._waiting[0].since + self._hang_after - time.monotonic()
        if left > 0:
            self._watch_for(left)
            return
        self._shout(
            f"the disk under {self.directory} has not taken the journal's records for {self._hang_after:g} s; calls go on and "
            "records are kept in memory (look at dmesg, and at what else uses the disk)"
        )

    def _watch_for(self, seconds: float) -> None:
        # Left running when the line is written in time, as nearly all are: it then fires once into an idle journal, which costs
        # less than to stop and start it with every record.
        if self._timer is not None:
            if self._timer.active:
                return
            self._timer.close()
        self._timer = gevent.get_hub().loop.timer(seconds)
        self._timer.start(self._wake.set)

    def _shout(self, text: str) -> None:
        self._trouble = True
        self._tell(self._on_trouble, text)
        self._release()

    def _tell(self, whom: Callable[[str], None], text: str) -> None:
        self._ready.append(functools.partial(whom, text))
        self._wake.set()

    def _release(self) -> None:
        while self._waiting:
            self._ready.append(self._waiting.popleft().then)
        self._wake.set()
