"""Reads the captures in ``wire/``: what a real FreeSWITCH was sent and what it said, message by message."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WIRE = Path(__file__).parent / "wire"
_MARK = re.compile(rb"\n*(>>|<<) ([0-9]+\.[0-9]+)\n")
_LENGTH = re.compile(rb"^Content-Length: ([0-9]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Chunk:
    """One whole message; *at* is in seconds."""

    sent: bool
    at: float
    data: bytes


def names() -> list[str]:
    """All captures, such as ``voicemail-left.inbound``."""
    return sorted(path.name.removesuffix(".esl.gz") for path in WIRE.glob("*.esl.gz"))


@cache
def chunks(name: str) -> tuple[Chunk, ...]:
    """The messages of one capture in order, both directions."""
    data = gzip.decompress((WIRE / f"{name}.esl.gz").read_bytes())
    found: list[Chunk] = []
    at = 0
    while data[at:].strip():
        mark = _MARK.match(data, at)
        assert mark, f"{name}: no chunk at byte {at}: {data[at : at + 40]!r}"
        head = data.index(b"\n\n", mark.end()) + 2
        length = _LENGTH.search(data, mark.end(), head)
        at = head + (int(length[1]) if length else 0)
        found.append(Chunk(mark[1] == b">>", float(mark[2]), data[mark.end() : at]))
    return tuple(found)


def received(name: str) -> list[bytes]:
    """What FreeSWITCH said, one message each."""
    return [chunk.data for chunk in chunks(name) if not chunk.sent]


def sent(name: str) -> list[bytes]:
    """What FreeSWITCH was sent, one command each."""
    return [chunk.data for chunk in chunks(name) if chunk.sent]
