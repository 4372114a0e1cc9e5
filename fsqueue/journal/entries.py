"""One journal line: a record with its number and its time, as JSON ``{v, seq, t, kind, …the record's fields}``.

A line is read by whatever version of fsqueue stands there later, so nothing in it is ever lost on the way: an entry keeps
the bytes it was read from, and a kind, a field or a value that this version doesn't know is passed over, not refused.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_args

import msgspec

from fsqueue.engine.messages import Record

VERSION = 1
"""Of the line's frame; raised only when an old reader would misunderstand a new line."""


class Gap(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Records could not be kept (a full or hanging disk): the numbers from the entry's own `seq` to `last`."""

    last: int
    why: str


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """A sound line that this version can't read: *kind* is as written, *why* says what is unknown."""

    kind: str
    why: str


class CorruptLineError(ValueError):
    """These bytes are no journal line."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A line that was read.

    `seq` is 1 or more and rises by one from entry to entry; a `Gap` stands for several. `t` is epoch seconds of the daemon's
    clock. `line` are the bytes it was read from, without the line feed: who copies an entry copies these.
    """

    seq: int
    t: float
    record: Record | Gap | Unknown
    line: bytes = dataclasses.field(default=b"", compare=False)

    @property
    def last(self) -> int:
        """The last number this entry stands for."""
        return self.record.last if isinstance(self.record, Gap) else self.seq


class _Frame(msgspec.Struct):
    v: int
    seq: int
    t: float
    kind: str


RECORD_KINDS: tuple[type[msgspec.Struct], ...] = get_args(Record)

_FRAME = msgspec.json.Decoder(_Frame)
_ENCODER = msgspec.json.Encoder()
_KINDS: dict[str, msgspec.json.Decoder[Any]] = {kind.__name__: msgspec.json.Decoder(kind) for kind in RECORD_KINDS}
_KINDS[Gap.__name__] = msgspec.json.Decoder(Gap)


def encode(seq: int, t: float, record: Record | Gap) -> bytes:
    """Return the line of *record*, line feed included; never raises for what a caller sent.

    *t* is epoch seconds. No byte of the line is a control character other than the line feed at its end, so it can be shown
    on a terminal as it is.
    """
    fields = {"v": VERSION, "seq": seq, "t": t, "kind": type(record).__name__, **msgspec.structs.asdict(record)}
    try:
        text = _ENCODER.encode(fields).decode()
    except UnicodeEncodeError:  # half a surrogate pair, which is no character and has no UTF-8
        whole = json.dumps(msgspec.to_builtins(fields), ensure_ascii=False).encode("utf-8", "replace")
        text = _ENCODER.encode(msgspec.json.decode(whole)).decode()
    if not text.isprintable():
        # JSON escapes only what is below 0x20; DEL, the C1 controls (0x9b opens an escape sequence) and the marks that turn
        # the direction of writing may stand as they are, and would reach the terminal of whoever looks into the file.
        text = "".join(c if c.isprintable() else json.dumps(c)[1:-1] if c != "\x7f" else "\\u007f" for c in text)
    return text.encode() + b"\n"


def decode(line: bytes) -> Entry:
    """Read one *line*, with or without its line feed.

    Raises:
        CorruptLineError: the bytes are no JSON object with a frame of ours.
    """
    line = line.rstrip(b"\n")
    try:
        frame = _FRAME.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptLineError(str(error)) from error
    if frame.seq < 1:
        raise CorruptLineError(f"seq is {frame.seq}, it begins at 1")
    return Entry(frame.seq, frame.t, _record(frame, line), line)


def _record(frame: _Frame, line: bytes) -> Record | Gap | Unknown:
    if frame.v > VERSION:
        return Unknown(kind=frame.kind, why=f"written in format {frame.v}, this fsqueue reads up to {VERSION}")
    decoder = _KINDS.get(frame.kind)
    if decoder is None:
        return Unknown(kind=frame.kind, why="this fsqueue doesn't know the kind")
    try:
        record: Record | Gap = decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Unknown(kind=frame.kind, why=str(error))
    return record
