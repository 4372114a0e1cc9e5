"""Those who watch in `bench_watchers`, as a program: each line of standard input says what they do from now on.

`nobody`; `streams`: WATCHERS streams of events, of which the first is never read; `tops`: so many people in front of ``fsqueue top``,
which asks once a second. Before it does the next thing it prints, as JSON, what was seen. Ends with its standard input.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

WATCHERS = 100


class Stream:
    """One connection to the stream of events."""

    def __init__(self, path: str) -> None:
        """Connect to the control socket at *path*."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.sendall(b"GET /v1/events HTTP/1.1\r\nHost: fsqueue\r\n\r\n")
        self.events, self.dropped = 0, False

    def read(self) -> None:
        """Count what came."""
        data = self.sock.recv(1 << 18)
        self.events += data.count(b'{"type":"event"')
        self.dropped = self.dropped or not data or b'"notice":"dropped"' in data


class Top:
    """One person's ``fsqueue top``: a connection for each question."""

    def __init__(self, path: str, at: float) -> None:
        """Ask at *path*, first at *at* (monotonic seconds)."""
        self.path, self.next, self.answers = path, at, 0
        self.sock: socket.socket | None = None

    def ask(self, now: float) -> socket.socket:
        """Ask once."""
        self.next = now + 1.0
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)
        self.sock.sendall(b"GET /v1/status HTTP/1.1\r\nHost: fsqueue\r\nConnection: close\r\n\r\n")
        return self.sock

    def read(self) -> bool:
        """Take what came; tell whether that was the answer's end."""
        assert self.sock is not None
        if self.sock.recv(1 << 18):
            return False
        self.sock.close()
        self.sock = None
        self.answers += 1
        return True


def _ready(selector: selectors.DefaultSelector, timeout: float | None = None) -> Iterator[list[Any]]:
    """Yield what *selector*'s sockets are registered with whenever some can be read, until standard input can."""
    selector.register(0, selectors.EVENT_READ)
    while True:
        found = [key.data for key, _ in selector.select(timeout)]
        if None in found:
            return
        yield found


def streams(path: str) -> dict[str, Any]:
    """Watch until something is said on standard input."""
    mute, *reading = [Stream(path) for _ in range(WATCHERS)]
    with selectors.DefaultSelector() as selector:
        for stream in reading:
            selector.register(stream.sock, selectors.EVENT_READ, stream)
        for ready in _ready(selector):
            for stream in ready:
                stream.read()
    counts = [stream.events for stream in reading]
    for stream in (mute, *reading):
        stream.sock.close()
    return {
        "watchers": WATCHERS,
        "least": min(counts),
        "most": max(counts),
        "dropped": sum(stream.dropped for stream in reading),
    }


def tops(path: str) -> dict[str, Any]:
    """Ask until something is said on standard input."""
    begun = time.monotonic()
    people = [Top(path, begun + n / WATCHERS) for n in range(WATCHERS)]
    with selectors.DefaultSelector() as selector:
        for ready in _ready(selector, 0.005):
            for top in ready:
                sock = top.sock
                if top.read():
                    selector.unregister(sock)
            now = time.monotonic()
            for top in people:
                if top.sock is None and top.next <= now:
                    selector.register(top.ask(now), selectors.EVENT_READ, top)
    return {"watchers": WATCHERS, "answers": sum(top.answers for top in people)}


def nobody(_: str) -> dict[str, Any]:
    """Do nothing until something is said on standard input."""
    with selectors.DefaultSelector() as selector:
        for _ in _ready(selector):
            pass
    return {"watchers": 0}


def _line() -> str:
    """Read one line and nothing behind it: what is left must wake who waits for it."""
    line = b""
    while (char := os.read(0, 1)) not in (b"", b"\n"):
        line += char
    return line.decode()


def main(path: str) -> None:
    """Do what standard input says."""
    kinds = {"nobody": nobody, "streams": streams, "tops": tops}
    while kind := _line().strip():
        print(json.dumps(kinds[kind](path)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
