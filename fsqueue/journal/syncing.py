"""The thread that makes written lines survive a power cut: one fsync for all that was written in about a second.

It is apart from the thread that writes, because an fsync takes from one to hundreds of milliseconds where a write into the
page cache takes microseconds, and every call's next command waits for the write. A crash of the process loses nothing that
was written, synced or not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from gevent import monkey

# Native ones even in a patched program: gevent's would switch greenlets in a thread that has no hub.
_SimpleQueue: Any = monkey.get_original("queue", "SimpleQueue")
_Empty: Any = monkey.get_original("queue", "Empty")
_start_new_thread: Any = monkey.get_original("_thread", "start_new_thread")


class Syncer:
    """Syncs descriptors in a thread of its own; every method returns at once.

    *interval* is in seconds, above 0. *changed* hears, in that thread, of the first fsync that fails and, with None, of the
    first that succeeds again. *folder*, a descriptor, is synced along, so that a new segment's name survives as well.
    """

    def __init__(
        self,
        folder: int,
        *,
        interval: float,
        changed: Callable[[OSError | None], None],
        fsync: Callable[[int], None] = os.fsync,
    ) -> None:
        self._folder = folder
        self._interval = interval
        self._changed = changed
        self._failing = False
        self._fsync = fsync
        self._known: int | None = None
        """What the thread knows to be dirty; it forgets that before each sync, so that a write meanwhile is told anew."""
        self._jobs: Any = _SimpleQueue()
        _start_new_thread(self._run, ())

    def dirty(self, descriptor: int) -> None:
        """Sync *descriptor* within the interval; it has been written to.

        The thread is woken for the first write of an interval alone: at each one it would contend for Python's lock.
        """
        if self._known != descriptor:
            self._known = descriptor
            self._jobs.put(("dirty", descriptor))

    def retire(self, descriptor: int) -> None:
        """Sync *descriptor* and close it."""
        self._jobs.put(("retire", descriptor))

    def stop(self, then: Callable[[], None]) -> None:
        """End after all that was asked for so far; *then* is called last, in the thread."""
        self._jobs.put(("stop", then))

    def _run(self) -> None:
        dirty: int | None = None
        due = 0.0
        while True:
            try:
                # Without anything to sync it waits without a limit: an idle daemon never wakes for this.
                job, what = self._jobs.get(timeout=None if dirty is None else max(0.0, due - time.monotonic()))
            except _Empty:
                job, what = "due", dirty
            if job == "dirty" and dirty is None:
                dirty, due = what, time.monotonic() + self._interval
            elif job == "due":
                self._sync(what)
                dirty = None
            elif job == "retire":
                self._sync(what)
                os.close(what)
                dirty = None if dirty == what else dirty
            elif job == "stop":
                what()
                return

    def _sync(self, descriptor: int) -> None:
        error = None
        self._known = None
        try:
            self._fsync(descriptor)
            self._fsync(self._folder)
        except OSError as caught:
            error = caught
        if self._failing != (error is not None):
            self._failing = error is not None
            self._changed(error)
