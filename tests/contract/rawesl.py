"""A bare ESL client, so that the lab can ask a switch what it holds without trusting the code under test.

It knows one reply per command and a list of events; lines go out as they are given.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

import gevent
from gevent import lock, queue, socket


class RefusedError(Exception):
    """The switch said no, or nothing, or hung up."""


Event = dict[str, Any]


class Wire:
    """Framed messages over one connected socket: replies in order, events as they come."""

    def __init__(self, sock: socket.socket) -> None:
        """Start reading from `sock`, which this object owns from now on."""
        self.sock = sock
        self.replies: queue.Queue[tuple[dict[str, str], str] | None] = queue.Queue()
        self.events: list[Event] = []
        self.heard: Callable[[Event], None] = self.events.append
        self._turn = lock.RLock()  # replies carry no name: one command at a time
        self._reader = gevent.spawn(self._read)

    def send(self, *lines: str, seconds: float = 10.0) -> tuple[dict[str, str], str]:
        """Send one command (its lines, without the blank one) and return the reply's headers and body. Raises RefusedError."""
        with self._turn:
            self.sock.sendall(("\n".join(lines) + "\n\n").encode())
            try:
                reply: tuple[dict[str, str], str] | None = self.replies.get(timeout=seconds)
            except queue.Empty:
                reply = None
        if reply is None:
            raise RefusedError(f"no reply to {lines[0]!r}")
        return reply

    def execute(self, application: str, argument: str = "") -> str:
        """`sendmsg execute` on an outbound socket; returns the reply text."""
        argument_line = (f"execute-app-arg: {argument}",) if argument else ()
        headers, _ = self.send("sendmsg", "call-command: execute", f"execute-app-name: {application}", *argument_line)
        return headers.get("Reply-Text", "")

    def close(self) -> None:
        """Close the connection."""
        self._reader.kill()
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> None:
        stream = self.sock.makefile("rb")
        try:
            while True:
                headers = _headers(stream)
                if headers is None:
                    break
                body = stream.read(int(headers.get("Content-Length", "0"))).decode(errors="replace")
                self._take(headers, body)
        except OSError:
            pass
        self.replies.put(None)

    def _take(self, headers: dict[str, str], body: str) -> None:
        kind = headers.get("Content-Type", "")
        if kind == "text/event-json":
            self.heard(json.loads(body))
        elif kind in ("command/reply", "api/response", "auth/request"):
            self.replies.put((headers, body))


class Switch(Wire):
    """A logged-in connection to the switch's event socket."""

    def __init__(self, port: int, password: str, *events: str) -> None:
        """Connect to 127.0.0.1:`port`, log in and subscribe to `events`. Raises OSError or RefusedError."""
        super().__init__(socket.create_connection(("127.0.0.1", port), timeout=5))
        self.sock.settimeout(None)
        if self.replies.get(timeout=5) is None:
            raise RefusedError("no greeting")
        reply, _ = self.send(f"auth {password}")
        if not reply.get("Reply-Text", "").startswith("+OK"):
            self.close()
            raise RefusedError(reply.get("Reply-Text", "wrong password"))
        if events:
            self.send("event json " + " ".join(events))

    def api(self, command: str) -> str:
        """Run an API command and return what it prints."""
        return self.send(f"api {command}")[1]


def _headers(stream: Any) -> dict[str, str] | None:
    found: dict[str, str] = {}
    while True:
        line = stream.readline()
        if not line:
            return None
        text = line.decode(errors="replace").rstrip("\n")
        if not text:
            if found:
                return found
            continue
        name, _, value = text.partition(": ")
        found[name] = unquote(value)
