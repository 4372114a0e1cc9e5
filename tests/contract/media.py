"""RTP of our phones: every leg sends a pattern of its own as PCMU and recognises those of others.

So a caller knows which phone he is connected to, and music, which has no pattern, is told apart from people and from silence. One
greenlet sends for all legs, 50 packets a second each.
"""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Callable

import gevent
from gevent import socket

PACKET = 160
"""Bytes of one packet: 20 ms of PCMU."""

QUIET_SECONDS = 0.5
"""Seconds without a packet, or with nothing but silent ones, after which a leg hears nothing."""

_SO_TIMESTAMPNS = 35
"""Linux's; Python has no name for it."""

_NEEDED = 3
_SILENT = frozenset((0xFF, 0x7F, 0xFE, 0x7E, 0xD5, 0x55))
_MAGIC = 0x13
_FIRST = 0x14
_BASE = 100

Heard = tuple[str, str]
"""("music" | "silence" | "peer", leg id of the peer or nothing)."""


class Media:
    """The media of all legs of one run; with `sending` False they only listen."""

    def __init__(self, *, sending: bool = True) -> None:
        """Begin; `close` ends it."""
        self._numbers = itertools.count(1)
        self._legs: dict[int, str] = {}
        self._streams: dict[int, Stream] = {}
        self._sender = gevent.spawn(self._send) if sending else None

    def open(self, leg: str, heard: Callable[[Heard], None]) -> Stream:
        """Give `leg` a port. `heard` is called whenever what it hears changes."""
        number = next(self._numbers)
        self._legs[number] = leg
        stream = self._streams[number] = Stream(self, number, heard)
        return stream

    def leg(self, number: int) -> str:
        """The leg whose pattern this is."""
        return self._legs.get(number, "")

    def forget(self, number: int) -> None:
        """Send no more for this stream. Its pattern stays known, since packets may still be on their way."""
        self._streams.pop(number, None)

    def close(self) -> None:
        """End all streams."""
        if self._sender is not None:
            self._sender.kill()
        for stream in list(self._streams.values()):
            stream.close()

    def _send(self) -> None:
        due = time.monotonic()
        while True:
            due = max(due + 0.02, time.monotonic() - 0.2)
            gevent.sleep(max(0.0, due - time.monotonic()))
            for stream in list(self._streams.values()):
                stream.send()


class Stream:
    """One leg's RTP: `port` is ours, `received` counts packets that came. It sends once `target` is known."""

    def __init__(self, media: Media, number: int, heard: Callable[[Heard], None]) -> None:
        """Made by `Media.open`."""
        self._media, self._number, self._heard = media, number, heard
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        # The kernel's own time of arrival: how late this process reads is nothing that a caller hears.
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.target: tuple[str, int] | None = None
        self.received = 0
        self.longest_gap = 0.0
        """Seconds between two packets that came one after the other, at most; may be set back to 0."""
        self._arrived = 0.0
        self._sequence = self._stamp = 0
        self._now: Heard = ("", "")
        self._next: Heard = ("", "")
        self._times = 0
        self._payload = _pattern(number)
        self._reader = gevent.spawn(self._read)

    def send(self) -> None:
        """Send the next 20 ms."""
        if self.target is None:
            return
        header = struct.pack(">BBHII", 0x80, 0, self._sequence & 0xFFFF, self._stamp & 0xFFFFFFFF, self._number)
        self._sequence, self._stamp = self._sequence + 1, self._stamp + PACKET
        try:
            self._socket.sendto(header + self._payload, self.target)
        except OSError:
            self.target = None  # the other side has closed its port: the call is over, and SIP will say so

    def close(self) -> None:
        """End it."""
        self._media.forget(self._number)
        self._reader.kill(block=False)
        self._socket.close()

    def _read(self) -> None:
        self._socket.settimeout(QUIET_SECONDS)
        while True:
            try:
                packet, told, _, _ = self._socket.recvmsg(2048, 64)
            except TimeoutError:
                self._settle(("silence", ""))
                continue
            except OSError:
                return
            self.received += 1
            self._note_gap(told)
            if packet[1] & 0x7F == 0:
                self._hear(self._judge(packet[12:]))

    def _note_gap(self, told: list[tuple[int, int, bytes]]) -> None:
        for level, kind, data in told:
            if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack("qq", data[:16])
                before, self._arrived = self._arrived, seconds + nanoseconds / 1e9
                if before:
                    self.longest_gap = max(self.longest_gap, self._arrived - before)

    def _judge(self, payload: bytes) -> Heard:
        number = _number(payload)
        if number is not None:
            return "peer", self._media.leg(number)
        return ("silence" if all(byte in _SILENT for byte in payload[::8]) else "music"), ""

    def _hear(self, what: Heard) -> None:
        """Believe what some packets in a row say: the first after a switch-over can be a mixture."""
        self._times = self._times + 1 if what == self._next else 1
        self._next = what
        needed = QUIET_SECONDS * 50 if what[0] == "silence" else _NEEDED
        if self._times >= needed:
            self._settle(what)

    def _settle(self, what: Heard) -> None:
        if what != self._now:
            self._now = what
            self._heard(what)


def _pattern(number: int) -> bytes:
    """20 ms of PCMU that say `number`. All its bytes are below 0x7F, which as one of two zeros transcoding could change."""
    digits = [_FIRST + number // _BASE**power % _BASE for power in (2, 1, 0)]
    return bytes([_MAGIC, *digits]) * (PACKET // 4)


def _number(payload: bytes) -> int | None:
    """The number in a pattern, wherever in it the packet begins; None if it is none."""
    start = payload[:4].find(_MAGIC)
    unit = payload[start : start + 4]
    if start < 0 or len(unit) < 4 or payload != (unit * (len(payload) // 4 + 2))[4 - start : 4 - start + len(payload)]:
        return None
    number = 0
    for digit in unit[1:]:
        number = number * _BASE + digit - _FIRST
    return number
