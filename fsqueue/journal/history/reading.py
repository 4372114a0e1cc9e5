"""Reads the journal on, from where it stopped: a segment's part that was read is never read again.

`segments.tail` opens a segment from its beginning, which is right once and too much twice a second.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from fsqueue.journal.entries import CorruptLineError, Entry, decode
from fsqueue.journal.segments import first_seq, segments

log = logging.getLogger(__name__)

_CHUNK = 4 * 1024 * 1024
"""Bytes read at once."""


class Reader:
    """Yields each entry of *directory* after number *after* once, in order, as far as it is written."""

    def __init__(self, directory: Path, after: int) -> None:
        """Begin behind entry number *after* (0: at the beginning)."""
        self.directory = directory
        self.last = after
        """The last number that was handed out."""
        self.segment: Path | None = None
        """What is read; the segments before it are not looked at again."""
        self._offset = 0
        self._seen: tuple[int, int] = (-1, -1)

    def anything_new(self) -> bool:
        """Tell, at the cost of listing a folder, whether there may be more than at the last reading."""
        paths = segments(self.directory)
        seen = (len(paths), paths[-1].stat().st_size) if paths else (0, 0)
        changed, self._seen = seen != self._seen, seen
        return changed

    def read(self) -> Iterator[Entry]:
        """Yield what is there and has not been handed out; a line still being written is not."""
        for path in self._paths():
            if path != self.segment:
                self.segment, self._offset = path, 0
            yield from self._rest(path)

    def _paths(self) -> list[Path]:
        # Listed before anything is read: a segment with another behind it is complete, so nothing is missed at its end.
        paths = segments(self.directory)
        if self.segment is not None:
            return [path for path in paths if path.name >= self.segment.name]
        return paths[sum(first_seq(path) <= self.last + 1 for path in paths[1:]) :]

    def _rest(self, path: Path) -> Iterator[Entry]:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            log.warning("history: %s is gone", path)
            return
        with file:
            file.seek(self._offset)
            left = b""
            while chunk := file.read(_CHUNK):
                *lines, left = (left + chunk).split(b"\n")
                for line in lines:
                    self._offset += len(line) + 1
                    entry = self._entry(path, line)
                    if entry is not None:
                        self.last = entry.last
                        yield entry

    def _entry(self, path: Path, line: bytes) -> Entry | None:
        try:
            entry = decode(line)
        except CorruptLineError as error:
            log.error("history: %s: not an entry, passed over: %s: %a", path, error, line[:80])
            return None
        if entry.seq <= self.last:
            return None
        return entry
