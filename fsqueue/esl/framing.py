"""Bytes in, messages out: how ESL is cut into pieces, in both directions, without sockets.

A message is a block of header lines, a blank line, and a body where ``Content-Length`` announces one. What FreeSWITCH
sends is a :class:`Frame`; what a client sends is a :class:`Command`, whose first line is the command itself.

Lines are split before anything is url-decoded, and values are decoded once: FreeSWITCH percent-encodes values but
leaves a ``%0A`` that is already there as it is, so a caller named ``a%0Avariable_x: y`` would forge a header in a
reader that decodes first.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec

from fsqueue.esl.errors import NotEslError, RemoteProtocolError

MAX_HEADERS = 1 << 20
"""Most bytes in one header block. A 20 kB display name made a block of 84 kB, so this is far from any real one."""

MAX_BODY = 16 << 20
"""Most bytes in one body. The largest real ones list thousands of channels."""


class Frame(msgspec.Struct, frozen=True):
    """One message of FreeSWITCH: *headers* as sent (the first of a name counts), *body* as bytes."""

    headers: dict[str, str]
    body: bytes = b""

    @property
    def content_type(self) -> str:
        """The kind of message, such as ``command/reply``; empty if the header is missing."""
        return self.headers.get("Content-Type", "")

    @property
    def reply_text(self) -> str:
        """The ``Reply-Text`` of a ``command/reply``, as sent; FreeSWITCH cuts it at 512 bytes."""
        return self.headers.get("Reply-Text", "")


class Command(msgspec.Struct, frozen=True):
    """One message of a client: its first *line*, the *headers* after that, and a *body*."""

    line: str
    headers: dict[str, str] = {}
    body: bytes = b""


def parse_headers(block: bytes) -> dict[str, str]:
    """Return the header lines of *block*, values as sent; of two with one name the first counts, as in FreeSWITCH.

    A line without a colon continues the value above it: FreeSWITCH does not encode ``Reply-Text``.
    """
    headers: dict[str, str] = {}
    last = ""
    for line in block.decode("utf-8", "replace").split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            last = name.strip()
            headers.setdefault(last, value.strip())
        elif line and last:
            headers[last] += "\n" + line
    return headers


def decode_values(headers: dict[str, str]) -> dict[str, str]:
    """Undo the url-encoding of each value, once; bytes that are no UTF-8 become U+FFFD."""
    return {name: unquote(value, errors="replace") if "%" in value else value for name, value in headers.items()}


_LENGTH = re.compile(rb"^content-length:([^\n]*)", re.IGNORECASE | re.MULTILINE)
_DIGITS = re.compile(rb"[0-9]{1,12}")


def _body_length(block: bytes) -> int:
    """Return the announced length of the body in bytes, 0 if none is.

    The faulty value is not quoted: an echoing peer would have it be our password.
    """
    # The search takes 70 µs for a channel's 170 headers, which announce nothing.
    announced = [value.strip() for value in _LENGTH.findall(block)] if b"content-length:" in block.lower() else []
    if not announced:
        return 0
    if any(value != announced[0] for value in announced) or not _DIGITS.fullmatch(announced[0]):
        raise RemoteProtocolError("a Content-Length that is not one number of bytes")
    length = int(announced[0])
    if length > MAX_BODY:
        raise RemoteProtocolError(f"a body of {length} bytes; more than {MAX_BODY} is refused")
    return length


class _Splitter:
    """Cuts a stream into (header block, body) pairs; every byte is looked at a bounded number of times."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._start = 0  # where the message begins that is not whole yet
        self._scanned = 0  # no blank line begins before this
        self._block: bytes | None = None  # a header block whose body is not whole yet
        self._length = 0  # of that body
        self._fault: RemoteProtocolError | None = None

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished message are held."""
        return len(self._buffer)

    def split(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Take *data* and return what is whole now.

        Raises:
            RemoteProtocolError: on a message beyond the limits or against the protocol; again on every later call.
        """
        if self._fault is not None:
            raise self._fault
        self._buffer += data
        if self._block is not None and len(self._buffer) < self._length:
            return []  # the common case while a long body trickles in; nothing is looked at twice
        whole: list[tuple[bytes, bytes]] = []
        try:
            while (message := self._next()) is not None:
                whole.append(message)
        except RemoteProtocolError as fault:
            self._fault = fault
            self._buffer.clear()
            raise
        del self._buffer[: self._start]
        self._scanned -= self._start
        self._start = 0
        return whole

    def _next(self) -> tuple[bytes, bytes] | None:
        if self._block is None and not self._take_block():
            return None
        if len(self._buffer) - self._start < self._length:
            return None
        block, self._block = self._block, None
        body = bytes(self._buffer[self._start : self._start + self._length])
        self._start += self._length
        self._scanned = self._start
        assert block is not None  # noqa: S101 — for the type checker: _take_block has just set it
        return block, body

    def _take_block(self) -> bool:
        """Take the next header block off the buffer, if it is whole."""
        buffer = self._buffer
        while self._start < len(buffer) and buffer[self._start] == 0x0A:
            self._start += 1  # blank lines between messages mean nothing
            self._scanned = self._start
        self.check_opening(buffer, self._start)
        end = buffer.find(b"\n\n", self._scanned)
        if (len(buffer) if end < 0 else end) - self._start > MAX_HEADERS:
            raise RemoteProtocolError(f"a header block of more than {MAX_HEADERS} bytes")
        if end < 0:
            self._scanned = max(self._start, len(buffer) - 1)
            return False
        block = bytes(buffer[self._start : end])
        self._length = _body_length(block)
        self._block = block
        self._start = end + 2
        return True

    def check_opening(self, buffer: bytearray, start: int) -> None:
        """Look at how a message begins at *start*; raise RemoteProtocolError if nothing good can come of it."""


# How far a header's name is looked for: FreeSWITCH opens its messages with Content-Type, Content-Length or Event-Name.
_NAME_LIMIT = 100
_USUAL = b"Content-"
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_-]*(?:\Z|:)")


class _FrameSplitter(_Splitter):
    """A splitter that notices at once when the peer is an HTTP, SSH or mail server, or noise."""

    def __init__(self) -> None:
        super().__init__()
        self._any_good = False

    def check_opening(self, buffer: bytearray, start: int) -> None:
        if buffer.startswith(_USUAL, start):
            return
        opening = bytes(buffer[start : start + _NAME_LIMIT])
        if opening and (not _NAME.match(opening) or (b":" not in opening and len(opening) == _NAME_LIMIT)):
            # Only what comes before anything else is quoted: later the peer may be echoing our password.
            raise NotEslError(b"" if self._any_good else opening)

    def split(self, data: bytes) -> list[tuple[bytes, bytes]]:
        whole = super().split(data)
        self._any_good = self._any_good or bool(whole)
        return whole


class FrameReader:
    """Cuts what FreeSWITCH sends into frames."""

    def __init__(self) -> None:
        """Begin at the start of a stream."""
        self._splitter = _FrameSplitter()

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame are held: 0 between frames."""
        return self._splitter.pending

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes of the stream and return the frames that are whole now.

        Raises:
            NotEslError: the peer is something else than FreeSWITCH.
            RemoteProtocolError: a frame is beyond the limits or against the protocol; again on every later call.
        """
        return [Frame(parse_headers(block), body) for block, body in self._splitter.split(data)]


class CommandReader:
    """Cuts what a client sends into commands: the switch's side of the stream."""

    def __init__(self) -> None:
        """Begin at the start of a stream."""
        self._splitter = _Splitter()

    def feed(self, data: bytes) -> list[Command]:
        """Take the next bytes of the stream and return the commands that are whole now.

        Raises:
            RemoteProtocolError: a command is beyond the limits or against the protocol; again on every later call.
        """
        return [_command(block, body) for block, body in self._splitter.split(data)]


def _command(block: bytes, body: bytes) -> Command:
    line, _, rest = block.partition(b"\n")
    return Command(line.decode("utf-8", "replace"), parse_headers(rest), body)
