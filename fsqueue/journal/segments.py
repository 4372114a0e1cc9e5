"""The journal's files: segments that are only ever appended to, each named by the number of its first entry.

Every start and every 64 MiB begin a new one. A line counts once its line feed stands there; what a crash left unfinished at
a file's end was never confirmed to anybody, and is cut off.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import mmap
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fsqueue.journal.entries import CorruptLineError, Entry, Gap, Unknown, decode

log = logging.getLogger(__name__)

SEGMENT_BYTES = 64 * 1024 * 1024
"""Size from which a new segment is begun."""

_SHOWN = 80
"""Bytes of a damaged line that are logged."""


class JournalError(Exception):
    """The journal's folder can't be used; the text says what to do."""


@dataclass
class Damage:
    """What a reading passed over, in entries or lines."""

    corrupt: int = 0
    """Lines that are no entries."""
    missing: int = 0
    """Numbers that no entry stands for."""
    repeated: int = 0
    """Entries whose number had been there before."""
    lost: int = 0
    """Records that the journal itself says were never written (`Gap`)."""
    unknown: int = 0
    """Sound entries of a kind, or with fields, that this version can't read; these are handed out as `Unknown`."""


def segments(directory: Path) -> list[Path]:
    """Return the segments in *directory*, oldest first; other files there are none of ours."""
    return sorted(path for path in directory.glob("*.jsonl") if len(path.stem) == 20 and path.stem.isdecimal())


def first_seq(segment: Path) -> int:
    """Return the number of the first entry that *segment* was made for."""
    return int(segment.stem)


# --- reading ----------------------------------------------------------------------------------------------------------


def read(directory: Path, damage: Damage | None = None) -> Iterator[Entry]:
    """Yield every entry in *directory*, oldest first; what can't be read is logged, and counted in *damage*."""
    return tail(directory, 0, damage)


def tail(directory: Path, after_seq: int, damage: Damage | None = None) -> Iterator[Entry]:
    """Yield the entries after number *after_seq* that are there now; a line still being written is not.

    Opens only the segments that can hold them.
    """
    damage = Damage() if damage is None else damage
    paths = segments(directory)
    begin = sum(first_seq(path) <= after_seq + 1 for path in paths[1:])
    last = 0
    for path in paths[begin:]:
        for entry in _sound_entries(path, damage):
            if last and entry.seq != last + 1:
                _out_of_step(path, entry.seq, last, damage)
            if entry.seq <= last:
                continue
            last = entry.last
            if entry.seq > after_seq:
                _count(entry, damage)
                yield entry


def _sound_entries(path: Path, damage: Damage) -> Iterator[Entry]:
    try:
        file = path.open("rb")
    except FileNotFoundError:  # removed, as too old, since the folder was listed
        log.warning("journal: %s is gone", path)
        return
    with file:
        offset = 0
        for line in file:
            if not line.endswith(b"\n"):
                return
            try:
                yield decode(line)
            except CorruptLineError as error:
                damage.corrupt += 1
                log.error("journal: %s, byte %d: not an entry, passed over: %s: %a", path, offset, error, line[:_SHOWN])
            offset += len(line)


def _out_of_step(path: Path, seq: int, last: int, damage: Damage) -> None:
    if seq <= last:
        damage.repeated += 1
        log.error("journal: %s: entry %d comes after %d, passed over", path, seq, last)
    else:
        damage.missing += seq - last - 1
        log.error("journal: %s: %d entries are missing before entry %d", path, seq - last - 1, seq)


def _count(entry: Entry, damage: Damage) -> None:
    if isinstance(entry.record, Gap):
        damage.lost += entry.last - entry.seq + 1
    elif isinstance(entry.record, Unknown):
        damage.unknown += 1


# --- starting ---------------------------------------------------------------------------------------------------------


def prepare(directory: Path) -> int:
    """Make the locked *directory* ready to be written to, and return the number of the next entry (1 or more).

    It is closed to others, and the unfinished line of a crash is cut off.

    Raises:
        JournalError: the folder can't be read or written.
    """
    try:
        if directory.stat().st_mode & 0o077:
            directory.chmod(0o700)  # it tells who called whom and when
            log.warning("journal: %s was open to others, closed it (mode 0700)", directory)
        if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(f"no right to write to '{directory}'")
        for path in segments(directory):
            _cut_torn_tail(path)
        return _next_seq(directory)
    except OSError as error:
        raise _unusable(directory, error) from error


def _unusable(directory: Path, error: OSError) -> JournalError:
    return JournalError(
        f"the journal's folder {directory} can't be used: {error}; "
        "make it (or the folder above it) belong to the user that fsqueue runs as"
    )


def lock(directory: Path) -> int:
    """Take *directory*, made if need be, for this process alone, until the returned descriptor is closed.

    Raises:
        JournalError: another process has it, or it can't be made.
    """
    try:
        # The state folder too is closed to others: callers' numbers are in it, and parents get the usual mode.
        for folder in (directory.parent, directory):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _unusable(directory, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise JournalError(
            f"another fsqueue writes to {directory}; stop that one, or give this one a state folder of its own (--state)"
        ) from error
    except OSError as error:  # a file system without locks: not a reason to take no calls
        log.warning("journal: %s can't be locked (%s); see to it that only one fsqueue runs", directory, error)
    return descriptor


def _cut_torn_tail(path: Path) -> None:
    size = path.stat().st_size
    end, torn = _last_line_end(path, size)
    if end == size:
        return
    log.warning(
        "journal: %s ends in the middle of an entry (a crash, or the power went); cut off its last %d bytes: %a",
        path,
        size - end,
        torn,
    )
    try:
        os.truncate(path, end)
    except OSError as error:  # it is never appended to again, and readers pass over an unfinished line
        log.warning("journal: %s could not be cut (%s); it is left as it is", path, error)


def _last_line_end(path: Path, size: int) -> tuple[int, bytes]:
    if not size:
        return 0, b""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        end = content.rfind(b"\n") + 1
        return end, content[end : end + _SHOWN]


def _next_seq(directory: Path) -> int:
    """Count on from the newest entry that can be read, and past every damaged line behind it: no number is used twice."""
    after = 1
    for path in reversed(segments(directory)):
        after = max(after, first_seq(path))
        found, damaged = _newest(path)
        if found is not None:
            return max(after, found.last + 1 + damaged)
        after = max(after, first_seq(path) + damaged)
    return after


def _newest(path: Path) -> tuple[Entry | None, int]:
    """Return the last entry of *path* that can be read and the number of lines behind it that can't."""
    size = path.stat().st_size
    if not size:
        return None, 0
    damaged = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        end = content.rfind(b"\n")
        while end >= 0:
            begin = content.rfind(b"\n", 0, end) + 1
            try:
                return decode(content[begin:end]), damaged
            except CorruptLineError:
                damaged += 1
            end = begin - 1
    return None, damaged


# --- writing ----------------------------------------------------------------------------------------------------------


class Appender:
    """Writes lines to the newest segment and begins the next one when it is full. Blocks; for the journal's own thread.

    *retire* gets the descriptor of a segment that is full, to be synced and closed. *write* is ``os.write``, or one that fails.
    """

    def __init__(
        self,
        directory: Path,
        *,
        retire: Callable[[int], None],
        segment_bytes: int = SEGMENT_BYTES,
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        self.directory = directory
        self._segment_bytes = segment_bytes
        self._retire = retire
        self._write = write
        self._descriptor: int | None = None
        self._size = 0

    @property
    def descriptor(self) -> int | None:
        """The segment that is written to; None before the first line."""
        return self._descriptor

    def begin(self, seq: int, length: int) -> None:
        """Make ready for *length* bytes of whole lines, the first with the number *seq*.

        Raises:
            OSError: the segment can't be made; to be tried again.
        """
        if self._descriptor is not None:
            full = self._size and self._size + length > self._segment_bytes
            # Somebody may delete the file under us: then writes would go on succeeding, to nowhere.
            if full or os.fstat(self._descriptor).st_nlink == 0:
                self.close()
        if self._descriptor is None:
            path = self.directory / f"{seq:020}.jsonl"
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._size = os.fstat(self._descriptor).st_size

    def put(self, data: bytes) -> int:
        """Write what the disk takes of *data* and return how many bytes that were, at least 1.

        Raises:
            OSError: it took nothing.
        """
        if self._descriptor is None:
            raise RuntimeError("begin() comes before put()")
        taken = self._write(self._descriptor, data)
        if taken < 1:
            raise OSError(errno.EIO, "the disk took nothing")
        self._size += taken
        return taken

    def close(self) -> None:
        """End the segment; the next line begins another."""
        if self._descriptor is not None:
            self._retire(self._descriptor)
            self._descriptor = None
