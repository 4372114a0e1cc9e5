"""The log: one line for each thing that happens, on standard error, for people or for programs.

Where standard error is systemd's journal, lines bear a priority and no time, since the journal has its own. What strangers
send may stand in a message, and even in an error that names it: it can neither end a line nor reach a terminal as an escape.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from logging.handlers import QueueHandler, QueueListener
from queue import Empty, SimpleQueue
from typing import IO, Literal

import msgspec

from fsqueue.engine.messages import Record
from fsqueue.journal.entries import RECORD_KINDS
from fsqueue.journal.words import clean

LogFormat = Literal["text", "json"]

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7

LONGEST_QUEUE = 10_000
"""Lines that may wait for a standard error that nobody reads: a few megabytes."""


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the JSON format: *t* in epoch seconds; *kind* and *record* where a call or a member is concerned."""

    t: float
    level: str
    logger: str
    text: str
    kind: str = ""
    record: Record | None = None


class TextFormatter(logging.Formatter):
    """One line for a message, whatever stands in it, and one indented below it for each line of a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or the lines of a traceback."""
        record.message = clean(record.getMessage())
        if self.usesTime():
            record.asctime = self.formatTime(record, self.datefmt)
        below = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else "")
        return "\n    ".join([self.formatMessage(record), *map(clean, below.splitlines())])


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end."""
        given = getattr(record, "record", None)
        known = given if isinstance(given, RECORD_KINDS) else None
        line = Line(
            t=round(record.created, 6),
            level=record.levelname.lower(),
            logger=record.name,
            text=super().format(record),
            kind=type(known).__name__ if known is not None else "",
            record=known,  # type: ignore[arg-type] # RECORD_KINDS are what Record is made of
        )
        # All of it ASCII: what a caller sent can't be half a character here, nor an escape sequence of a terminal.
        return json.dumps(msgspec.to_builtins(line)).replace("\x7f", "\\u007f")


class JournalFormatter(logging.Formatter):
    """Puts the priority where systemd's journal looks for it, before every line: it takes each for an entry of its own."""

    def __init__(self, inner: logging.Formatter) -> None:
        """Put it before what *inner* makes."""
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or the lines of a traceback."""
        mark = f"<{priority(record.levelno)}>"
        return "\n".join(mark + line for line in self._inner.format(record).splitlines() or [""])


def priority(level: int) -> int:
    """Return syslog's number, 2 to 7, for one of logging's levels."""
    return next((number for low, number in _PRIORITIES if level >= low), _DEBUG)


def formatter(chosen: LogFormat, *, journal: bool) -> logging.Formatter:
    """Return what makes the lines of the format *chosen*; *journal* where systemd's journal reads them."""
    if chosen == "json":
        inner: logging.Formatter = JsonFormatter("%(message)s")
    else:
        inner = TextFormatter("%(message)s" if journal else "%(asctime)s %(levelname)-7s %(message)s")
    return JournalFormatter(inner) if journal else inner


def is_journal(stream: IO[str], environ: Mapping[str, str] = os.environ) -> bool:
    """Whether *stream* is read by systemd's journal.

    The variable alone says little: what a service started passes it on, with another standard error.
    """
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM", "") == f"{status.st_dev}:{status.st_ino}"


GATHER_SECONDS = 0.05
"""How long lines are gathered before the thread that prints them wakes: it shares Python's lock with those who ring phones."""


class _Bounded(QueueHandler):
    """Hands lines to the thread that writes them; while it has too many, they are counted instead."""

    queue: SimpleQueue[logging.LogRecord]

    def __init__(self, lines: SimpleQueue[logging.LogRecord], limit: int) -> None:
        super().__init__(lines)
        self._limit = limit
        self._passed_over = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Make it independent of what goes on; a traceback stays apart from the message, which is one line.

        There is one handler, so a record needs no copy of its own.
        """
        record.msg, record.args = record.getMessage(), None
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue it, or count it."""
        if self.queue.qsize() >= self._limit:
            self._passed_over += 1
            return
        if self._passed_over:
            words = f"{self._passed_over} lines are missing here: standard error was not read"
            self._passed_over = 0
            self.queue.put_nowait(
                logging.makeLogRecord(
                    {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": words}
                )
            )
        self.queue.put_nowait(record)


class _Listener(QueueListener):
    """Takes what has gathered in one go, instead of being woken for every line."""

    def __init__(self, lines: SimpleQueue[logging.LogRecord], handler: logging.Handler) -> None:
        super().__init__(lines, handler)
        self._lines = lines

    def dequeue(self, block: bool) -> logging.LogRecord:
        try:
            return self._lines.get_nowait()
        except Empty:
            first = self._lines.get(block)
            time.sleep(GATHER_SECONDS)
            return first


def start_logging(chosen: LogFormat = "text", limit: int = LONGEST_QUEUE) -> QueueListener:
    """Log to standard error from a thread of its own: a terminal or a pipe that is not read must not hold up calls.

    Of more than *limit* lines that wait for it the others are counted, and their number is logged in their place.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(chosen, journal=is_journal(sys.stderr)))
    # Nobody is shown where in the code a line came from, and finding out takes longer than all else (the library's own advice).
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    lines: SimpleQueue[logging.LogRecord] = SimpleQueue()
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.handlers = [_Bounded(lines, limit)]
    listener = _Listener(lines, handler)
    listener.start()
    return listener
